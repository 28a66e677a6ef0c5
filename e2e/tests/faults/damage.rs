//! Files that are damaged or gone are named, with what to do, and nothing else is harmed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Network, Node, bytes};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{download, put};

/// Flips one bit in the middle of a file.
fn damage(path: &Path) {
    let mut content = fs::read(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(path, content).unwrap();
}

fn refused(command: &mut Command) -> (Option<i32>, String) {
    let output = command.args(["--port", "0", "--dsn-port", "0", "--rpc-port", "0"]).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A network that has stored a file, and its node is dead.
async fn stopped() -> (Network, Value) {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let (status, receipt) = put(&node, bytes(1, 3_000_000)).await;
    assert_eq!(status, 201, "{receipt}");
    node.kill().unwrap();
    (network, receipt)
}

fn file_named(folder: &Path, begin: &str) -> PathBuf {
    let mut found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    found.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(begin)).unwrap()
}

#[tokio::test]
async fn a_damaged_ledger_is_refused_with_74_and_named() {
    let (network, _) = stopped().await;
    let ledger = network.chain_folder().join("ledger");
    damage(&file_named(&ledger, "MANIFEST"));
    let (code, said) = refused(&mut network.command());
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains(ledger.to_str().unwrap()) && said.contains("purge-chain"), "{said}");
}

#[tokio::test]
async fn a_ledger_that_lacks_a_file_is_refused_with_74_and_named() {
    for (begin, said_of_it) in [("MANIFEST", "No such file"), ("CURRENT", "its file CURRENT is missing")] {
        let (network, _) = stopped().await;
        let ledger = network.chain_folder().join("ledger");
        let kept = fs::read_dir(&ledger).unwrap().count();
        fs::remove_file(file_named(&ledger, begin)).unwrap();
        let (code, said) = refused(&mut network.command());
        assert_eq!(code, Some(74), "{said}");
        let named = [said_of_it, ledger.to_str().unwrap(), "purge-chain"];
        assert!(named.iter().all(|name| said.contains(name)), "{said}");
        assert!(fs::read_dir(&ledger).unwrap().count() >= kept - 1, "{begin}: what was left is gone");
    }
}

#[tokio::test]
async fn a_missing_guard_file_is_refused_with_74_and_made_anew_only_when_told() {
    let (network, receipt) = stopped().await;
    let guard = network.chain_folder().join("consensus/signed.guard");
    fs::remove_file(&guard).unwrap();
    let (code, said) = refused(&mut network.command());
    assert_eq!(code, Some(74), "{said}");
    let named = [guard.to_str().unwrap(), "is missing", "--new-guard", "purge-chain"];
    assert!(named.iter().all(|name| said.contains(name)) && !guard.exists(), "{said}");
    let node = network.start_with(&["--new-guard"]).unwrap();
    assert!(download(&node, &receipt["fileId"]).await == bytes(1, 3_000_000));
    assert_eq!(put(&node, bytes(2, 400_000)).await.0, 201);
    node.kill().unwrap();
    // Once is enough.
    assert!(download(&network.start().unwrap(), &receipt["fileId"]).await == bytes(1, 3_000_000));
}

#[tokio::test]
async fn a_damaged_guard_file_is_refused_with_74_and_named() {
    let (network, receipt) = stopped().await;
    let guard = network.chain_folder().join("consensus/signed.guard");
    let mut content = fs::read(&guard).unwrap();
    content[64 + 20] ^= 1;
    fs::write(&guard, &content).unwrap();
    let (code, said) = refused(&mut network.command());
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("signed.guard") && said.contains("purge-chain"), "{said}");
    let node = network.start_with(&["--new-guard"]).unwrap();
    assert!(download(&node, &receipt["fileId"]).await == bytes(1, 3_000_000));
    assert!(fs::read(guard.with_extension("guard.damaged")).unwrap() == content);
}

#[tokio::test]
async fn a_ledger_that_lacks_blocks_its_validator_signed_is_refused_with_74() {
    let (network, receipt) = stopped().await;
    fs::remove_dir_all(network.chain_folder().join("ledger")).unwrap();
    let (code, said) = refused(&mut network.command());
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("ends at height 0") && said.contains("blocks are missing"), "{said}");
    assert!(receipt["height"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_ledger_behind_what_a_provider_saw_recorded_is_refused_with_74_without_any_guard_file() {
    let (network, receipt) = stopped().await;
    for folder in ["ledger", "consensus"] {
        fs::remove_dir_all(network.chain_folder().join(folder)).unwrap();
    }
    let mut folders = network.provider_folders().unwrap();
    let seen = folders.pop().unwrap().join("recorded-through");
    folders.iter().for_each(|folder| drop(fs::remove_file(folder.join("recorded-through"))));
    fs::write(&seen, format!("{}\n", receipt["height"])).unwrap();
    let (code, said) = refused(network.command().arg("--new-guard"));
    let named = [seen.to_str().unwrap(), "ends at height 0", "blocks are missing", "purge-chain"];
    assert!(code == Some(74) && named.iter().all(|name| said.contains(name)), "{said}");
    // What nobody saw is not missed.
    fs::write(&seen, "0\n").unwrap();
    drop::<Node>(network.start().unwrap());
}

#[tokio::test]
async fn a_provider_whose_index_is_damaged_serves_all_its_pieces_and_the_log_names_it() {
    for remove in [false, true] {
        let (network, receipt) = stopped().await;
        let folders = network.provider_folders().unwrap();
        let files = |folder: &PathBuf| count_files(&folder.join("files"));
        let before: Vec<_> = folders.iter().map(files).collect();
        // One provider's log has a wrong byte, or all others' are gone too: no file is left to its parity.
        for folder in if remove { &folders[..] } else { &folders[..1] } {
            let index = folder.join("index");
            let logs = fs::read_dir(&index).unwrap().map(|entry| entry.unwrap().path());
            for log in logs.filter(|path| path.extension().is_some_and(|end| end == "log")) {
                if remove { fs::remove_file(log).unwrap() } else { wrong_byte(&log) }
            }
        }
        let mut node = network.start().unwrap();
        let line = node.printed_line("the index is set aside").unwrap().to_owned();
        assert!(remove || line.contains(folders[0].to_str().unwrap()), "{line}");
        assert!(folders[0].join("index.damaged").is_dir());
        assert!(download(&node, &receipt["fileId"]).await == bytes(1, 3_000_000));
        assert_eq!(folders.iter().map(files).collect::<Vec<_>>(), before);
        // The ledger knows what they are for.
        let line = node.has_said("pieces without a row were held against the ledger").unwrap();
        assert!(!line.contains("restored=0"), "{line}");
        node.kill().unwrap();
        let node = network.start().unwrap();
        assert!(download(&node, &receipt["fileId"]).await == bytes(1, 3_000_000));
        assert!(node.printed_line("the index is set aside").is_err());
    }
}

fn count_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}

/// As a disk that lies would have it, in the first record.
fn wrong_byte(path: &Path) {
    let mut content = fs::read(path).unwrap();
    content[20] ^= 1;
    fs::write(path, content).unwrap();
}

#[tokio::test]
async fn a_piece_that_rots_is_found_set_aside_and_counted_and_the_file_is_read() {
    let (network, receipt) = stopped().await;
    let provider = network.provider_folders().unwrap().remove(0);
    let level = |folder: PathBuf| fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let pieces = level(level(provider.join("files")));
    let piece =
        fs::read_dir(pieces).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.extension().is_none());
    let piece = piece.unwrap();
    damage(&piece);
    let mut node = network.start().unwrap();
    let hash = piece.file_name().unwrap().to_str().unwrap().to_owned();
    let line = node.has_said("a piece is damaged and given up").unwrap();
    assert!(line.contains(&hash), "{line}");
    assert!(provider.join("damaged").join(&hash).exists() && !piece.exists());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/metrics", node.metrics_url().unwrap());
    let metrics = client.get(url).send().await.unwrap().text().await.unwrap();
    let counted = metrics.lines().filter(|line| line.starts_with("piecewise_damaged_pieces_total{"));
    let counted: Vec<_> = counted.filter(|line| line.ends_with(" 1")).collect();
    let name = provider.file_name().unwrap().to_str().unwrap();
    assert!(counted.len() == 1 && counted[0].contains(name), "{metrics}");
    assert!(download(&node, &receipt["fileId"]).await == bytes(1, 3_000_000));
    // Put again, it is whole again.
    assert_eq!(put(&node, bytes(1, 3_000_000)).await.0, 201);
    assert!(piece.exists());
}

#[tokio::test]
async fn a_provider_whose_folder_is_deleted_under_it_says_so_and_the_others_take_its_pieces() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let folder = network.provider_folders().unwrap().remove(1);
    fs::remove_dir_all(&folder).unwrap();
    let (status, receipt) = put(&node, bytes(2, 400_000)).await;
    assert_eq!(status, 201, "{receipt}");
    assert!(download(&node, &receipt["fileId"]).await == bytes(2, 400_000));
    let mut node = node;
    let line = node.has_said("was deleted under the running node").unwrap();
    assert!(line.contains(folder.to_str().unwrap()), "{line}");
    node.kill().unwrap();
    let node = network.start().unwrap();
    assert!(download(&node, &receipt["fileId"]).await == bytes(2, 400_000));
    assert_eq!(put(&node, bytes(3, 400_000)).await.0, 201);
}

#[tokio::test]
async fn what_an_owner_may_leave_unrecorded_bounds_what_is_taken() {
    let network = Network::like_dev(|spec| {
        spec["genesis"]["parameters"]["placement"]["unrecordedOwnerPermille"] = json!(1);
        for provider in spec["genesis"]["providers"].as_array_mut().unwrap() {
            // A thousandth of it is a megabyte.
            provider["declaredBytes"] = json!(1_u64 << 30);
        }
    });
    let network = network.unwrap();
    let node = network.start().unwrap();
    let (status, small) = put(&node, bytes(4, 1_000_000)).await;
    assert_eq!(status, 201, "{small}");
    let (status, large) = put(&node, bytes(5, 4_000_000)).await;
    assert_eq!((status, &large["error"]["code"]), (507, &json!(1005)), "{large}");
    let said = large["error"]["message"].as_str().unwrap();
    let named = ["quota for pieces that no block records yet", "that this owner may have unrecorded"];
    assert!(named.iter().all(|name| said.contains(name)), "{said}");
    let answer = node.http(Method::GET, "/health/readiness").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    // What is recorded does not count any more.
    let (status, next) = put(&node, bytes(6, 1_500_000)).await;
    assert_eq!(status, 201, "{next}");
    drop::<Node>(node);
}
