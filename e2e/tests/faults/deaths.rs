//! A node that dies at any step of agreeing on a block or keeping a piece loses nothing that it acknowledged, whether the
//! process is killed or the machine loses its power.

use std::path::{Path, PathBuf};

use e2e::power_cut::{Loss, PowerCut};
use e2e::{Network, Node, bytes};
use reqwest::Method;
use serde_json::{Value, json};

use crate::download;

/// Pieces of this are long enough to have their hash trees beside them.
const FILE_BYTES: usize = 2_200_000;
/// A step that so many files do not pass is none of a put.
const PUTS_MAX: u64 = 12;
/// Steps are passed by all that a node does; it dies at the first, second or third pass.
const PASSES: u64 = 3;
/// Steps of writing the signer's guard file anew, which happens once it is full.
const GUARD_ANEW: &str = "consensus::guard_anew::";
/// Bytes of a record in the guard file.
const RECORD_BYTES: usize = 64;

/// The steps at which a process can be made to die: all that the sources name.
fn points() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut points = Vec::new();
    for part in ["ledger", "consensus", "dsn", "node"] {
        sources(&root.join(part).join("src"), &mut |source| {
            let named = source.split("fail_point!(\"").skip(1);
            points.extend(named.map(|rest| rest.split('"').next().unwrap().to_owned()));
        });
    }
    points.sort();
    assert!(points.len() > 20 && points.windows(2).all(|pair| pair[0] != pair[1]), "{points:?}");
    points
}

fn sources(folder: &Path, read: &mut impl FnMut(String)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, read);
        } else {
            read(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// A network and what its node has acknowledged.
struct Story {
    network: Network,
    stored: Vec<(Value, u64)>,
    next: u64,
}

impl Story {
    async fn begin() -> Self {
        let network = Network::dev().unwrap();
        let mut story = Self { network, stored: Vec::new(), next: 1 };
        let node = story.network.start().unwrap();
        assert!(story.put(&node).await);
        node.kill().unwrap();
        story
    }

    /// Puts another file; whether it was acknowledged.
    async fn put(&mut self, node: &Node) -> bool {
        self.next += 1;
        self.put_again(node).await
    }

    /// Puts the last file.
    async fn put_again(&mut self, node: &Node) -> bool {
        let body = bytes(self.next, FILE_BYTES);
        let Ok(answer) = node.http(Method::PUT, "/v1/files").body(body).send().await else { return false };
        let status = answer.status();
        let Ok(receipt) = answer.json::<Value>().await else { return false };
        assert_eq!(status, 201, "{receipt}");
        self.stored.push((receipt, self.next));
        true
    }

    /// Leaves no room behind the last record of the guard file, as after twenty minutes: the next vote writes it anew.
    fn fill_guard(&self) {
        let path = self.network.chain_folder().join("consensus/signed.guard");
        let content = std::fs::read(&path).unwrap();
        let is_used = |record: &[u8]| record.iter().any(|byte| *byte != 0);
        let records = content.chunks(RECORD_BYTES).take_while(|record| is_used(record)).count();
        assert!(records > 1);
        let used_bytes = u64::try_from(records * RECORD_BYTES).unwrap();
        std::fs::File::options().write(true).open(path).unwrap().set_len(used_bytes).unwrap();
    }

    /// Has a node put files until it dies at the given pass of a step.
    async fn die(&mut self, point: &str, pass: u64, power: Option<&PowerCut>) {
        // So in each life it is written anew, once.
        self.fill_guard();
        let pass = if point.starts_with(GUARD_ANEW) { 0 } else { pass };
        let mut command = self.network.command();
        command.env("FAILPOINTS", format!("{point}={pass}*off->panic"));
        if let Some(power) = power {
            power.watch(&mut command);
        }
        let printed = match Node::start(&mut command) {
            Ok(node) => {
                let mut puts = 0;
                while self.put(&node).await {
                    puts += 1;
                    assert!(puts < PUTS_MAX, "{point} is not passed by a put");
                }
                let (status, printed) = node.ended().unwrap();
                assert!(!status.success(), "{point}");
                printed.join("\n")
            }
            // A block that was due at the start.
            Err(error) => error.to_string(),
        };
        assert!(printed.contains(&format!("failpoint {point} panic")), "{point}: {printed}");
    }

    /// The highest height that the guard file says was signed for.
    fn signed_height(&self) -> u64 {
        let content = std::fs::read(self.network.chain_folder().join("consensus/signed.guard")).unwrap();
        let heights = content.chunks_exact(RECORD_BYTES).skip(1).filter(|record| record[0] != 0);
        heights.map(|record| u64::from_be_bytes(record[1..9].try_into().unwrap())).max().unwrap_or(0)
    }

    /// Starts the node again and looks for everything that was acknowledged since `since`; then it works as before.
    async fn check(&mut self, since: usize) {
        // What the validator signed for the blocks that clients were told of, it still knows.
        let told = self.stored[since..].iter().map(|(receipt, _)| receipt["height"].as_u64().unwrap()).max().unwrap();
        assert!(self.signed_height() >= told, "block {told} was signed for, and the guard file does not know");
        let node = self.network.start().unwrap();
        for (receipt, seed) in &self.stored[since..] {
            assert!(download(&node, &receipt["fileId"]).await == bytes(*seed, FILE_BYTES), "{receipt}");
            let header = node.ok("chain_getHeader", json!([receipt["height"]])).await.unwrap();
            assert_eq!(header["hash"], receipt["blockHash"]);
            let located = node.ok("storage_locate", json!([receipt["fileId"]])).await.unwrap();
            for piece in located["segments"][0]["pieces"].as_array().unwrap() {
                assert_eq!(piece["status"], "live");
                assert!(piece["commitment"]["signature"].is_string(), "{piece}");
                let hash = piece["hash"].as_str().unwrap().trim_start_matches("0x");
                let content = std::fs::read(self.piece_path(piece)).unwrap();
                assert_eq!(blake3::hash(&content).to_hex().as_str(), hash);
            }
        }
        // The file that was under way when the node died.
        assert!(self.put_again(&node).await);
        node.kill().unwrap();
    }

    fn piece_path(&self, piece: &Value) -> PathBuf {
        let hash = piece["hash"].as_str().unwrap().trim_start_matches("0x");
        let provider = self.network.chain_folder().join("pieces").join(piece["provider"].as_str().unwrap());
        provider.join("files").join(&hash[..2]).join(&hash[2..4]).join(hash)
    }
}

#[tokio::test]
async fn a_process_that_dies_at_any_step_loses_nothing() {
    let mut story = Story::begin().await;
    for (pass, point) in (0..).zip(points()) {
        let since = story.stored.len() - 1;
        story.die(&point, pass % PASSES, None).await;
        story.check(since).await;
    }
    story.check(0).await;
}

#[tokio::test]
async fn a_machine_that_loses_power_while_its_first_guard_file_is_made_starts_again() {
    let points: Vec<_> = points().into_iter().filter(|point| point.starts_with(GUARD_ANEW)).collect();
    assert_eq!(points.len(), 5, "{points:?}");
    for point in points {
        let network = Network::dev().unwrap();
        let power = PowerCut::over(network.base()).unwrap();
        let mut command = network.command();
        let error = Node::start(power.watch(&mut command).env("FAILPOINTS", format!("{point}=panic"))).unwrap_err();
        assert!(error.to_string().contains(&format!("failpoint {point} panic")), "{error}");
        power.cut(Loss::All).unwrap();
        let node = network.start().unwrap();
        let (status, receipt) = crate::put(&node, bytes(1, FILE_BYTES)).await;
        assert_eq!(status, 201, "{point}: {receipt}");
    }
}

/// What a node acknowledged that lost its power, and whose syncs of some paths were never heard.
async fn acknowledged_without_syncs_of(paths: &str) -> (Story, Vec<Value>) {
    let mut story = Story::begin().await;
    let power = PowerCut::over(story.network.base()).unwrap();
    let mut command = story.network.command();
    power.watch(&mut command).env("POWER_CUT_DEAF", paths);
    let node = Node::start(&mut command).unwrap();
    assert!(story.put(&node).await);
    let (receipt, _) = story.stored.last().unwrap();
    let located = node.ok("storage_locate", json!([receipt["fileId"]])).await.unwrap();
    node.kill().unwrap();
    power.cut(Loss::All).unwrap();
    (story, located["segments"][0]["pieces"].as_array().unwrap().clone())
}

#[tokio::test]
async fn a_store_that_forgot_to_sync_the_folders_of_pieces_would_be_found_out() {
    let (story, pieces) = acknowledged_without_syncs_of("/files").await;
    assert!(pieces.iter().all(|piece| !story.piece_path(piece).exists()));
}

#[tokio::test]
async fn a_ledger_that_forgot_to_sync_would_be_found_out_by_the_guard_file() {
    let (story, _) = acknowledged_without_syncs_of("/ledger").await;
    let error = story.network.start().unwrap_err().to_string();
    assert!(error.contains("blocks are missing") && error.contains("exit status: 74"), "{error}");
}

async fn loses_power_at_every_step(loss: impl Fn(u64) -> Loss) {
    let mut story = Story::begin().await;
    for (pass, point) in (0..).zip(points()) {
        let since = story.stored.len() - 1;
        let power = PowerCut::over(story.network.base()).unwrap();
        story.die(&point, (pass + 1) % PASSES, Some(&power)).await;
        let loss = loss(pass);
        let undone = power.cut(loss).unwrap();
        println!("{point}: {loss:?} {undone:?}");
        story.check(since).await;
    }
    story.check(0).await;
}

#[tokio::test]
async fn a_machine_that_loses_power_at_any_step_and_all_that_was_not_synced_loses_nothing() {
    loses_power_at_every_step(|_| Loss::All).await;
}

#[tokio::test]
async fn a_machine_that_loses_power_at_any_step_and_some_of_what_was_not_synced_loses_nothing() {
    loses_power_at_every_step(|step| Loss::Part { seed: step }).await;
}
