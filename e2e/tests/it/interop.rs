//! A peer that is not ours, py-libp2p with what docs/spec/wire.md says, talks to a provider of a real node.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use e2e::cluster::{Cluster, Part};
use e2e::{Network, bytes};
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::submit;

/// Set where python3 and the packages of its lock files must be to be had: there their absence is a failure.
const REQUIRED: &str = "PIECEWISE_INTEROP_REQUIRED";
/// A download or a peer that hangs ends here.
const DEADLINE: Duration = Duration::from_secs(180);
/// What the peer has to show, each in a line of its own.
const SHOWN: [&str; 11] =
    ["connected", "ping", "identify", "another chain", "get", "get", "get", "have", "share", "put", "put"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop")
}

/// Runs a command to its end; why not, if it fails.
async fn run(command: &mut Command) -> Result<Output, String> {
    let command = command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(DEADLINE, command.output()).await.map_err(|_| format!("{command:?} did not end"))?;
    let output = ended.map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [&output.stdout[..], &output.stderr].concat();
    Err(format!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&said)))
}

/// A Python of its own in `folder` with just the packages of the lock files.
async fn python(folder: &Path) -> Result<PathBuf, String> {
    run(Command::new("python3").args(["-m", "venv"]).arg(folder)).await?;
    let python = folder.join("bin/python");
    let install = |lock: &str| {
        let mut command = Command::new(&python);
        command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"]);
        // Nothing is compiled and nothing unpinned is fetched to build with.
        command.args(["--require-hashes", "--no-build-isolation", "--only-binary", ":all:"]);
        command.args(["--no-binary", "varint,python-baseconv", "--requirement"]).arg(self::folder().join(lock));
        command
    };
    run(&mut install("build.txt")).await?;
    run(&mut install("requirements.txt")).await?;
    Ok(python)
}

/// Piece 1 of a file of one segment in the code 2 of 4 with units of 64 KiB: every second unit, the last one padded.
fn second_piece(data: &[u8]) -> Vec<u8> {
    let stripes = data.chunks_exact(2 * 65_536);
    let rest = stripes.remainder();
    let last_unit = rest.len().div_ceil(2).next_multiple_of(64);
    let mut piece: Vec<u8> = stripes.flat_map(|stripe| &stripe[65_536..]).copied().collect();
    let padded = piece.len() + last_unit;
    piece.extend_from_slice(&rest[last_unit..]);
    piece.resize(padded, 0);
    piece
}

#[tokio::test]
async fn a_peer_that_is_not_ours_gets_a_piece_and_puts_it_back_knowing_only_the_written_protocol() {
    let environment = tempfile::tempdir().unwrap();
    let python = match python(environment.path()).await {
        Ok(python) => python,
        Err(why) => {
            assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, and {why}");
            // Not by a macro: the test harness hides what those print unless the test fails.
            let skipped = format!("\n*** SKIPPED: the peer that is not ours did not run, because {why} ***\n");
            writeln!(std::io::stderr(), "{skipped}").unwrap();
            return;
        }
    };
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let data = bytes(7, 300_001);
    let file = submit(&node, &data).await["fileId"].clone();
    let genesis = node.ok("chain_getBlockHash", json!([0])).await.unwrap();
    let located = node.ok("storage_locate", json!([file])).await.unwrap();
    let piece = &located["segments"][0]["pieces"][1];
    let addresses = piece["addresses"].as_array().unwrap().iter().map(|address| address.as_str().unwrap());
    let address = addresses.into_iter().find(|address| address.starts_with("/ip4/") && address.contains("/tcp/"));
    let hex = |value: &serde_json::Value| value.as_str().unwrap().trim_start_matches("0x").to_owned();
    let fetched = environment.path().join("piece");
    let mut peer = Command::new(&python);
    peer.arg(folder().join("peer.py"));
    peer.arg(format!("{}/p2p/{}", address.unwrap(), piece["peerId"].as_str().unwrap()));
    peer.args([hex(&genesis), hex(&file), "1".into(), hex(&piece["hash"]), piece["size"].to_string()]).arg(&fetched);
    let output = run(&mut peer).await.unwrap_or_else(|why| panic!("{why}"));
    finds_others(&python).await;
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("ok: ")).collect();
    assert_eq!(lines.len(), SHOWN.len() + 1, "{said}");
    assert!(lines.iter().zip(SHOWN).all(|(line, shown)| line.starts_with(shown)), "{said}");
    assert!(std::fs::read(fetched).unwrap() == second_piece(&data), "the piece is not every second unit of the file");
}

/// Of two nodes that know each other, the peer that is not ours asks one where the other is.
async fn finds_others(python: &Path) {
    let mut cluster = Cluster::like_local(&[Part::Full, Part::Full], |_| {}).unwrap();
    cluster.do_not_introduce();
    let mut asked = cluster.start(0).unwrap();
    let listens = asked.ok("system_localListenAddresses", json!([])).await.unwrap();
    let address = listens[0].as_str().unwrap().to_owned();
    let mut command = cluster.command(1);
    let mut other = cluster.spawn_as(1, command.args(["--bootnodes", &address])).unwrap();
    other.is_ready().unwrap();
    let id = other.ok("system_localPeerId", json!([])).await.unwrap();
    asked.has_said(&format!("met a peer peer={}", id.as_str().unwrap())).unwrap();
    let genesis = asked.ok("chain_getBlockHash", json!([0])).await.unwrap();
    let mut peer = Command::new(python);
    peer.arg(folder().join("peer.py")).args(["find", &address, genesis.as_str().unwrap().trim_start_matches("0x")]);
    let output = run(peer.arg(id.as_str().unwrap())).await.unwrap_or_else(|why| panic!("{why}"));
    let said = String::from_utf8(output.stdout).unwrap();
    let listens = other.ok("system_localListenAddresses", json!([])).await.unwrap();
    let listens = listens.as_array().unwrap().iter().map(|address| address.as_str().unwrap());
    for address in listens {
        let address = address.split_once("/p2p/").unwrap().0;
        assert!(said.lines().any(|line| line.starts_with(&format!("ok: found at {address}"))), "{address}: {said}");
    }
}

#[tokio::test]
async fn slices_are_checked_by_code_that_is_written_from_the_page_alone() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pieces/tests/golden/slice.hex");
    if let Err(why) = run(Command::new("python3").arg("--version")).await {
        assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, and {why}");
        writeln!(std::io::stderr(), "\n*** SKIPPED: slices were not checked in Python, because {why} ***\n").unwrap();
        return;
    }
    let output = run(Command::new("python3").arg(folder().join("check.py")).arg(golden)).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().filter(|line| line.ends_with(": ok")).count(), 3, "{said}");
}
