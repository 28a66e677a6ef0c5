//! One of six providers lies: files go in and come out all the same, the log says who it was and why, and it is asked
//! last from then on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chain_spec::dev_keys;
use e2e::{Network, Node, bytes};
use parity_scale_codec::DecodeAll;
use runtime::types::BlockHash;
use serde_json::{Value, json};

use crate::dev_providers::{wait_for_next_epoch, with_short_epochs};
use crate::faults::{faults, update};
use crate::liar::{Identity, Kept, Liar, Lie};
use crate::transfer::unhex;
use crate::{retrieve, submit};

/// The one of the dev providers that lies.
const NUMBER: u32 = 1;
const IN_TIME: Duration = Duration::from_secs(25);
/// Each of the two columns that make it up has several windows.
const FILE_BYTES: usize = 2_000_000;
/// So many files without a turn of one of six in four slots are one in 10^23.
const FILES_MAX: u64 = 50;

/// Six providers; the place of one is taken by a liar.
struct Story {
    node: Node,
    identity: Arc<Identity>,
    kept: Kept,
    account: String,
    seed: u64,
    _network: Network,
}

impl Story {
    async fn start(seed: u64) -> Self {
        println!("seed {seed}");
        let network = with_short_epochs();
        let node = network.start_with(&["--dev-providers", "6"]).unwrap();
        wait_for_next_epoch(&node).await;
        let genesis = unhex(&node.ok("chain_getBlockHash", json!([0])).await.unwrap());
        let spec: Value = serde_json::from_str(include_str!("../../../chain-spec/presets/dev.json")).unwrap();
        let epochs = spec["genesis"]["parameters"]["placement"]["placementEpochs"].as_u64().unwrap();
        let identity = Identity {
            account: dev_keys::provider_account(NUMBER).unwrap(),
            service: dev_keys::service_key(NUMBER).unwrap(),
            genesis: BlockHash::decode_all(&mut genesis.as_slice()).unwrap(),
            placement_epochs: u32::try_from(epochs).unwrap(),
        };
        let account = identity.account.account().to_string();
        let (identity, kept) = (Arc::new(identity), Kept::default());
        Self { node, identity, kept, account, seed: seed * 1_000, _network: network }
    }

    /// Puts a liar of whom nothing is known yet in its place.
    async fn liar(&mut self, lie: Lie) -> Liar {
        self.seed += 1;
        let liar = Liar::start(&self.identity, &self.kept, lie, self.seed).await;
        update(&self.node, &self.identity.account, liar.update()).await;
        liar
    }

    /// Submits another file, which is there in good time.
    async fn submit(&mut self) -> (Value, Vec<u8>) {
        self.seed += 1;
        let data = bytes(self.seed, FILE_BYTES);
        let started = Instant::now();
        let file = submit(&self.node, &data).await["fileId"].clone();
        assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
        (file, data)
    }

    /// Submits files until the liar was asked to take a piece of one, which is returned.
    async fn submit_until_asked(&mut self, liar: &Liar) -> (Value, Vec<u8>) {
        for _ in 0..FILES_MAX {
            let (file, data) = self.submit().await;
            if liar.asked() > 0 {
                return (file, data);
            }
        }
        panic!("it was never its turn");
    }

    async fn holders(&self, file: &Value) -> Vec<String> {
        let located = self.node.ok("storage_locate", json!([file])).await.unwrap();
        let pieces = located["segments"][0]["pieces"].as_array().unwrap();
        pieces.iter().map(|piece| piece["provider"].as_str().unwrap().to_owned()).collect()
    }

    /// Submits files until the liar, honest until now, holds one of the columns that are read first.
    async fn submit_until_held(&mut self) -> (Value, Vec<u8>) {
        for _ in 0..FILES_MAX {
            let (file, data) = self.submit().await;
            if self.holders(&file).await[..2].contains(&self.account) {
                return (file, data);
            }
        }
        panic!("it never got a data column");
    }

    /// A line of the log about a piece that names the liar's peer, which no earlier line does.
    fn said_of(&mut self, liar: &Liar, what: &str) -> String {
        loop {
            let line = self.node.wait_for(liar.peer_id()).unwrap();
            if line.contains(what) {
                return line;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_succeeds_while_a_holder_lies_and_the_log_says_who_and_why() {
    let mut story = Story::start(11).await;
    let _honest = story.liar(Lie::None).await;
    let (file, data) = story.submit_until_held().await;
    // So that there is another piece of the same length.
    story.submit_until_held().await;
    for (lie, fault, why) in [
        (Lie::FlippedBit { window: 0 }, "lied", "sent bytes that are not of the piece"),
        (Lie::FlippedBit { window: 2 }, "lied", "sent bytes that are not of the piece"),
        (Lie::TooMany { window: 0 }, "lied", "sent bytes that are not of the piece"),
        (Lie::AnotherPiece, "lied", "sent bytes that are not of the piece"),
        (Lie::TooFew { window: 0 }, "failed", "closed the stream"),
        (Lie::TooFew { window: 2 }, "failed", "closed the stream"),
        (Lie::Denied, "failed", "does not have piece"),
    ] {
        let liar = story.liar(lie).await;
        let before = faults(&story.node, fault).await;
        let started = Instant::now();
        assert!(retrieve(&story.node, &file).await == data, "{lie:?}");
        assert!(started.elapsed() < IN_TIME, "{lie:?}: {:?}", started.elapsed());
        assert_eq!((liar.asked(), faults(&story.node, fault).await), (1, before + 1), "{lie:?}");
        let line = story.said_of(&liar, "cannot read a piece from its holder");
        let named = [why, &story.account, file.as_str().unwrap().trim_start_matches("0x")];
        assert!(named.iter().all(|name| line.contains(name)), "{lie:?}: {line}");
        // From now on others are asked first.
        assert!(retrieve(&story.node, &file).await == data, "{lie:?}");
        assert_eq!(liar.asked(), 1, "{lie:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_succeeds_while_a_provider_lies_and_the_log_says_who_and_why() {
    let mut story = Story::start(12).await;
    for (lie, fault, why) in [
        (Lie::OtherHash, "lied", "it promised something else than it was asked"),
        (Lie::OtherLength, "lied", "it promised something else than it was asked"),
        (Lie::EarlierEnd, "lied", "it promised something else than it was asked"),
        (Lie::OtherSigner, "lied", "its promise is not signed with its service key"),
        (Lie::Restored, "lied", "it answered something else than a commitment"),
        (Lie::Noise, "lied", "put answer"),
        (Lie::LongAnswer, "lied", "put answer"),
        (Lie::ShortAnswer, "failed", "closed the stream"),
        (Lie::EndsInPiece, "failed", "broke"),
    ] {
        let liar = story.liar(lie).await;
        let before = faults(&story.node, fault).await;
        let (file, data) = story.submit_until_asked(&liar).await;
        assert_eq!((liar.asked(), faults(&story.node, fault).await), (1, before + 1), "{lie:?}");
        assert!(!story.holders(&file).await.contains(&story.account), "{lie:?}: a spare slot has the column");
        let line = story.said_of(&liar, "a provider did not take a piece");
        assert!(line.contains(why) && line.contains(&story.account), "{lie:?}: {line}");
        assert!(line.contains("upload{"), "the upload is named: {line}");
        assert!(retrieve(&story.node, &file).await == data, "{lie:?}");
        // From now on others are asked first.
        story.submit().await;
        story.submit().await;
        assert_eq!(liar.asked(), 1, "{lie:?}");
    }
}
