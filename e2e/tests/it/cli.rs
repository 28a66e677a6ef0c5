//! The commands that need no network: keys, what a chain is, its spec.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use e2e::{Network, Node, node_binary};
use serde_json::{Value, json};

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

fn run(args: &[&str], input: &str) -> Output {
    let mut command = Command::new(node_binary());
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads nothing may have ended already.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

/// Standard output of a command that succeeds.
fn ok(args: &[&str], input: &str) -> String {
    let output = run(args, input);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(args: &[&str], input: &str) -> Value {
    serde_json::from_str(&ok(&[args, &["--output", "json"]].concat(), input)).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_node_key_is_written_once_and_names_the_nodes_peer() {
    let network = Network::dev().unwrap();
    let file = network.base().join("node.key");
    let made = run(&["key", "generate-node-key", "--file", text(&file)], "");
    assert!(made.status.success() && made.stdout.is_empty(), "{made:?}");
    let peer_id = String::from_utf8(made.stderr).unwrap().trim().to_owned();
    assert!(peer_id.starts_with("12D3Koo"), "{peer_id}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let secret = std::fs::read_to_string(&file).unwrap();
    let again = run(&["key", "generate-node-key", "--file", text(&file)], "");
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("node.key"), "{again:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), secret, "a file that is there is not overwritten");

    assert_eq!(ok(&["key", "inspect-node-key", "--file", text(&file)], "").trim(), peer_id);
    assert_eq!(ok(&["key", "inspect-node-key"], &format!("{secret}\n")).trim(), peer_id);
    let mut command = Command::new(node_binary());
    let node = Node::start(command.arg("--base-path").arg(network.base()).arg("--node-key-file").arg(&file)).unwrap();
    assert_eq!(node.ok("system_localPeerId", json!([])).await.unwrap(), json!(peer_id));
}

#[test]
fn without_a_file_the_secret_is_on_standard_output_alone() {
    let made = run(&["key", "generate-node-key"], "");
    let secret = String::from_utf8(made.stdout).unwrap();
    assert_eq!(secret.trim().len(), 64);
    let peer_id = String::from_utf8(made.stderr).unwrap();
    assert_eq!(ok(&["key", "inspect-node-key"], &secret), peer_id);
    let bad = run(&["key", "inspect-node-key"], "not a key");
    assert_eq!(bad.status.code(), Some(1));
    let message = String::from_utf8_lossy(&bad.stderr);
    assert!(message.contains("standard input") && !message.contains("not a key"), "{message}");
}

#[test]
fn a_phrase_leads_back_to_its_account_and_is_not_shown_again() {
    for words in ["12", "24"] {
        let made = json_of(&["key", "generate", "--words", words], "");
        let phrase = made["phrase"].as_str().unwrap();
        assert_eq!(phrase.split(' ').count().to_string(), words);
        let inspected = json_of(&["key", "inspect"], phrase);
        assert_eq!(inspected["address"], made["address"]);
        assert_eq!(inspected["publicKey"], made["publicKey"]);
        assert_eq!(inspected["ss58Prefix"], 42);
        assert!(!inspected.to_string().contains(phrase), "{inspected}");
        let asked = json_of(&["key", "inspect", "--show-secret"], phrase);
        assert_eq!(asked["secret"], json!(phrase));
        let given_in_words =
            json_of(&[&["key", "inspect"], phrase.split(' ').collect::<Vec<_>>().as_slice()].concat(), "");
        assert_eq!(given_in_words["address"], made["address"]);
    }
    assert_eq!(run(&["key", "generate", "--words", "13"], "").status.code(), Some(2));
}

#[test]
fn a_phrase_in_a_file_is_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("phrase");
    let made = json_of(&["key", "generate", "--file", text(&file)], "");
    let phrase = std::fs::read_to_string(&file).unwrap();
    assert!(made.get("phrase").is_none() && !made.to_string().contains(&phrase), "{made}");
    assert_eq!(json_of(&["key", "inspect"], &phrase)["address"], made["address"]);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(run(&["key", "generate", "--file", text(&file)], "").status.code(), Some(1));
}

#[test]
fn alice_is_who_she_is_everywhere_in_substrate() {
    assert_eq!(json_of(&["key", "inspect", "//Alice"], "")["address"], ALICE);
    assert_eq!(
        json_of(&["key", "inspect", ALICE], "")["publicKey"],
        json_of(&["key", "inspect", "//Alice"], "")["publicKey"]
    );
    let shown = ok(&["key", "inspect", "//Alice"], "");
    assert!(shown.contains(ALICE), "{shown}");
}

#[test]
fn an_exported_spec_makes_the_same_chain() {
    let folder = tempfile::tempdir().unwrap();
    for chain in ["dev", "local"] {
        let file = folder.path().join(format!("{chain}.json"));
        let exported = ok(&["export-chain-spec", "--chain", chain], "");
        assert_eq!(exported, ok(&["build-spec", "--chain", chain], ""));
        std::fs::write(&file, &exported).unwrap();
        let info = |chain: &str| json_of(&["chain-info", "--chain", chain, "--base-path", text(folder.path())], "");
        assert_eq!(info(text(&file))["genesisHash"], info(chain)["genesisHash"]);
        assert_eq!(ok(&["export-chain-spec", "--chain", text(&file)], ""), exported, "exported again it is the same");
    }
}

#[tokio::test]
async fn chain_info_shows_the_head_on_disk_and_leaves_a_running_node_alone() {
    let network = Network::dev().unwrap();
    let base = text(network.base()).to_owned();
    let info = || json_of(&["chain-info", "--chain", "dev", "--base-path", &base], "");
    assert_eq!(info()["height"], Value::Null, "nothing is made by looking");
    assert!(!network.chain_folder().join("ledger").exists());

    let node = network.start().unwrap();
    assert!(info()["ledger"].as_str().unwrap().contains("running node"));
    let genesis = node.ok("chain_getBlockHash", json!([0])).await.unwrap();
    let receipt = node.ok("storage_submit", json!(["aGVsbG8="])).await.unwrap();
    node.terminate().unwrap();

    let at_rest = info();
    assert_eq!(at_rest["genesisHash"], genesis);
    assert!(at_rest["height"].as_u64() >= receipt["height"].as_u64(), "{at_rest}");
    assert!(at_rest["timestampMs"].as_u64().unwrap() > 1_700_000_000_000, "{at_rest}");
}
