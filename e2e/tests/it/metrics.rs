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

    /// The format's rules beyond single lines: names, and histograms whose buckets count up to their count.
    fn check_format(&self) {
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        for (name, family) in &self.families {
            assert!(is_name(name) && family.labels.iter().all(|label| is_name(label)), "{name} {:?}", family.labels);
            assert!(["counter", "gauge", "histogram"].contains(&family.kind.as_str()), "{name} is a {}", family.kind);
            if family.kind == "counter" {
                let of_it = |series: &str| series.split('{').next() == Some(name);
                assert!(
                    self.samples.iter().all(|(series, value)| !of_it(series) || *value >= 0.0),
                    "{name} is negative"
                );
            }
        }
        let mut histograms: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
        for (series, value) in &self.samples {
            let Some((name, labels)) = series.split_once("_bucket{") else { continue };
            let mut labels: Vec<_> = labels.trim_end_matches('}').split(',').collect();
            let bound = labels.iter().position(|label| label.starts_with("le=\"")).expect("a bucket has a bound");
            let bound = labels.remove(bound).trim_start_matches("le=\"").trim_end_matches('"');
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
            histograms.entry((name.into(), labels.join(","))).or_default().push((bound, *value));
        }
        for ((name, labels), mut buckets) in histograms {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1), "{name} {labels} counts down: {buckets:?}");
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            let [count, _sum] = ["count", "sum"].map(|part| {
                let series = format!("{name}_{part}{labels}");
                *self.samples.get(&series).unwrap_or_else(|| panic!("there is no {series}"))
            });
            let last = buckets.last().unwrap();
            assert!(last.0.is_infinite() && (last.1 - count).abs() < 0.5, "{name}: {last:?} is not all of {count}");
        }
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
    served.check_format();
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
    let Ok(mut tool) = tool else {
        // Past the harness, which shows nothing of a test that passes.
        let told = "promtool was NOT FOUND: the metrics were held to our own reading of the format alone";
        writeln!(std::io::stderr(), "{told}").ok();
        return;
    };
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_text_that_prometheus_would_not_take_is_found_out() {
    let head = "# HELP piecewise_wait_seconds How long.\n# TYPE piecewise_wait_seconds histogram\n";
    let buckets = |one: u32, all: &str, count: &str| {
        format!("{head}piecewise_wait_seconds_bucket{{le=\"1\"}} {one}\n{all}piecewise_wait_seconds_sum 3\n{count}")
    };
    let (all, count) = ("piecewise_wait_seconds_bucket{le=\"+Inf\"} 2\n", "piecewise_wait_seconds_count 2\n");
    let checked = |text: String| std::panic::catch_unwind(|| Exposition::parse(&text).check_format());
    assert!(checked(buckets(1, all, count)).is_ok());
    let wrong = [
        buckets(3, all, count),
        buckets(1, "", count),
        buckets(1, all, ""),
        buckets(1, all, "piecewise_wait_seconds_count 3\n"),
        format!("{}piecewise_other 1\n", buckets(1, all, count)),
        format!("{}{head}", buckets(1, all, count)),
        buckets(1, all, count).replace("histogram", "sometimes"),
        buckets(1, all, "piecewise_wait_seconds_count two\n"),
        buckets(1, all, "piecewise_wait_seconds_count 2"),
    ];
    for text in wrong {
        assert!(checked(text.clone()).is_err(), "{text}");
    }
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
