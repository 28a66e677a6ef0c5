//! Metrics: what is served is what is documented, in a form that Prometheus reads, and the numbers are true.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use e2e::{Network, Node, node_binary};
use serde_json::json;

use crate::{retrieve, submit};

/// A family as it is served, or as a row of the document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
    help: String,
}

/// What Prometheus would make of the text.
#[derive(Debug, Default)]
struct Exposition {
    families: BTreeMap<String, Family>,
    /// Name with its labels, as written.
    samples: BTreeMap<String, f64>,
}

impl Exposition {
    fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line is whole");
        let mut parsed = Self::default();
        let mut current = String::new();
        for line in text.lines() {
            if let Some((name, help)) = line.strip_prefix("# HELP ").map(|rest| rest.split_once(' ').unwrap()) {
                // The library adds a full stop to some of them.
                let help = help.trim_end_matches('.').to_owned();
                let family = Family { help, ..Family::default() };
                assert!(parsed.families.insert(name.to_owned(), family).is_none(), "{name} comes twice");
                current = name.to_owned();
            } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").map(|rest| rest.split_once(' ').unwrap()) {
                assert_eq!(name, current, "HELP comes before TYPE");
                parsed.families.get_mut(name).unwrap().kind = kind.to_owned();
            } else {
                assert!(!line.starts_with('#'), "{line}");
                parsed.sample(&current, line);
            }
        }
        parsed
    }

    fn sample(&mut self, current: &str, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) =
            series.split_once('{').map_or((series, ""), |(name, rest)| (name, &rest[..rest.len() - 1]));
        let family = self.families.get_mut(current).unwrap();
        let suffixes: &[&str] = if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.iter().any(|suffix| name == format!("{current}{suffix}")), "{name} among {current}");
        let names = labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(name, _)| name.to_owned());
        family.labels.extend(names.filter(|name| name != "le"));
        assert!(self.samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{series} comes twice");
    }

    /// Sum over the samples that begin with `name` and have every one of `labels`.
    fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let chosen = self.samples.iter().filter(|(series, _)| {
            series.split('{').next() == Some(name) && labels.iter().all(|label| series.contains(label))
        });
        chosen.map(|(_, value)| value).sum()
    }

    /// The rules of `promtool check metrics`, as far as they can be broken here.
    fn lint(&self) {
        for (name, family) in &self.families {
            assert!(name.starts_with("piecewise_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(family.help.len() > 5, "{name} has no help");
            assert_eq!(name.ends_with("_total"), family.kind == "counter", "{name} is a {}", family.kind);
            for word in ["milliseconds", "_ms", "kilobytes", "megabytes", "percent", "_gauge", "_counter", "_histogram"]
            {
                assert!(!name.contains(word), "{name} contains {word}");
            }
        }
    }
}

/// The rows of `docs/metrics.md`.
fn documented() -> BTreeMap<String, Family> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")).filter(|row| row.starts_with("piecewise_"));
    let family = |row: &str| {
        let fields: Vec<_> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, help] = fields.as_slice() else { panic!("{row}") };
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        (
            name.trim_matches('`').to_owned(),
            Family { kind: (*kind).into(), labels, help: help.trim_end_matches('.').into() },
        )
    };
    rows.map(family).collect()
}

async fn scrape(node: &Node, path: &str) -> (String, String) {
    let response = reqwest::get(format!("{}{path}", node.metrics_url().unwrap())).await.unwrap();
    assert_eq!(response.status(), 200);
    let format = response.headers()["content-type"].to_str().unwrap().to_owned();
    (response.text().await.unwrap(), format)
}

#[tokio::test]
async fn what_is_served_is_what_is_documented_and_true() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let data = e2e::bytes(1, 300_000);
    let receipt = submit(&node, &data).await;
    assert_eq!(retrieve(&node, &receipt["fileId"]).await, data);
    node.err("storage_file", json!([])).await.unwrap();
    let missing = node.http(reqwest::Method::GET, &format!("/v1/files/0x{}", "ab".repeat(32))).send().await.unwrap();
    assert_eq!(missing.status(), 404);
    node.http(reqwest::Method::GET, "/a/path/made/up").send().await.unwrap();

    let (text, format) = scrape(&node, "/metrics").await;
    assert_eq!(format, "text/plain; version=0.0.4; charset=utf-8");
    let served = Exposition::parse(&text);
    served.lint();
    assert_eq!(served.families, documented(), "docs/metrics.md and the node differ");

    let cases: &[(&str, &[&str], f64)] = &[
        ("piecewise_requests_total", &["method=\"storage_submit\"", "outcome=\"ok\""], 1.0),
        ("piecewise_requests_total", &["method=\"storage_file\"", "outcome=\"refused\""], 1.0),
        ("piecewise_requests_total", &["method=\"http_get_file\"", "outcome=\"refused\""], 1.0),
        ("piecewise_requests_total", &["method=\"http_other\""], 1.0),
        ("piecewise_request_seconds_count", &["method=\"storage_retrieve\""], 1.0),
        ("piecewise_uploads_total", &["stage=\"final\"", "outcome=\"ok\""], 1.0),
        ("piecewise_uploads_under_way", &[], 0.0),
        ("piecewise_client_received_bytes_total", &[], 300_000.0),
        ("piecewise_client_sent_bytes_total", &[], 300_000.0),
        ("piecewise_pieces_put_total", &["outcome=\"ok\""], 4.0),
        ("piecewise_pieces_put_total", &["outcome=\"failed\""], 0.0),
        ("piecewise_store_pieces", &[], 4.0),
    ];
    for (name, labels, value) in cases {
        assert!((served.sum(name, labels) - value).abs() < 0.1, "{name} {labels:?} is not {value}:\n{text}");
    }
    assert!(served.sum("piecewise_pieces_got_total", &["outcome=\"ok\""]) >= 2.0, "two pieces rebuild the file");
    assert!(served.sum("piecewise_store_bytes", &[]) >= 600_000.0, "two of four is twice the file");
    assert!(served.sum("piecewise_block_transactions_total", &[]) >= 1.0);
    assert!(served.sum("piecewise_block_height", &[]) >= receipt["height"].as_f64().unwrap());
    assert!(served.sum("piecewise_block_commit_seconds_count", &[]) >= 1.0);
    promtool(&text);

    let (engine, format) = scrape(&node, "/metrics/engine").await;
    assert!(format.starts_with("application/openmetrics-text"), "{format}");
    assert!(engine.ends_with("# EOF\n"), "{engine}");
}

/// Where Prometheus' own tool is installed, it has the last word.
fn promtool(text: &str) {
    let tool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut tool) = tool else { return };
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn a_metrics_port_that_was_asked_for_must_be_free() {
    let network = Network::dev().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Command::new(node_binary())
        .args(["--port", "0", "--dsn-port", "0", "--rpc-port", "0", "--prometheus-port", &port, "--base-path"])
        .arg(network.base())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("--prometheus-port") && message.contains(&port), "{message}");
}
