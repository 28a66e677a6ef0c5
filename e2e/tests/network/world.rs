//! A small network that a scenario plays with. What happens to it and what is expected of it are steps that follow each other
//! in a sentence: `world.start(&ALL).reaches(0, 5).await.kill(&[3]).start(&[3]).retrieves(3, &file).await`.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::Node;
use e2e::cluster::{Cluster, Part};
use serde_json::{Value, json};

/// Four nodes, each a validator and a provider.
pub const FOUR: [Part; 4] = [Part::Both(0), Part::Both(1), Part::Both(2), Part::Both(3)];

/// The nodes of [`FOUR`].
pub const ALL: [usize; 4] = [0, 1, 2, 3];

/// A file that was put in.
pub struct File {
    /// Its id, as the node said it.
    pub id: Value,
    /// The height of the block that records it.
    pub height: u64,
    /// What is in it.
    pub data: Vec<u8>,
}

/// The nodes of a cluster, those that run and those that do not.
pub struct World {
    pub cluster: Cluster,
    nodes: Vec<Option<Node>>,
}

impl World {
    /// A network with four providers, pieces for each of them, and blocks that come soon. None of its nodes runs.
    pub fn new(parts: &[Part]) -> Self {
        Self::with(parts, |_| {})
    }

    /// As [`new`](Self::new), with a spec that `edit` changes further.
    pub fn with(parts: &[Part], edit: impl FnOnce(&mut Value)) -> Self {
        let cluster = Cluster::like_local(parts, |spec| {
            let genesis = &mut spec["genesis"];
            genesis["providers"].as_array_mut().unwrap().truncate(4);
            let parameters = &mut genesis["parameters"];
            parameters["time"]["targetMs"] = json!(200);
            parameters["time"]["idleMs"] = json!(1_000);
            parameters["time"]["epochMs"] = json!(10_000);
            let code = &mut parameters["profiles"][0]["code"];
            (code["k"], code["n"]) = (json!(2), json!(4));
            parameters["profiles"][0]["repairAt"] = json!(4);
            edit(spec);
        });
        let mut cluster = cluster.unwrap();
        // Scenarios wait for what it says of heights and rounds.
        cluster.give(&["--log", "consensus=debug"]);
        println!("seed: {}", cluster.members()[0].base.display());
        let nodes = parts.iter().map(|_| None).collect();
        Self { cluster, nodes }
    }

    /// Starts these nodes at once and waits until each answers.
    pub fn start(&mut self, indices: &[usize]) -> &mut Self {
        for index in indices {
            self.nodes[*index] = Some(self.cluster.spawn(*index).unwrap());
        }
        for index in indices {
            self.node(*index).is_ready().unwrap();
        }
        self
    }

    /// Starts a node with more arguments than its command has, and waits until it answers.
    pub fn start_with(&mut self, index: usize, args: &[&str]) {
        let mut command = self.cluster.command(index);
        command.args(args);
        self.nodes[index] = Some(self.cluster.spawn_as(index, &mut command).unwrap());
        self.node(index).is_ready().unwrap();
    }

    /// Adds a node, which does not run yet; its index.
    pub fn add(&mut self, part: Part) -> usize {
        self.nodes.push(None);
        self.cluster.join(part).unwrap()
    }

    /// Adds a node and starts it; its index.
    pub fn join(&mut self, part: Part) -> usize {
        let index = self.add(part);
        self.start(&[index]);
        index
    }

    pub fn node(&mut self, index: usize) -> &mut Node {
        self.nodes[index].as_mut().expect("it runs")
    }

    /// SIGTERM, and waits until it has ended as it should.
    pub fn stop(&mut self, index: usize) -> &mut Self {
        let status = self.nodes[index].take().expect("it runs").terminate().unwrap();
        assert!(status.success(), "{status}");
        self
    }

    /// SIGKILL to all of these before any is waited for.
    pub fn kill(&mut self, indices: &[usize]) -> &mut Self {
        let dying: Vec<_> = indices.iter().filter_map(|index| self.nodes[*index].take()).collect();
        let pids = dying.iter().map(|node| node.pid().to_string());
        assert!(std::process::Command::new("kill").arg("-9").args(pids).status().unwrap().success());
        dying.into_iter().for_each(drop);
        self
    }

    /// Everything that a node has said since its folder was made.
    pub fn log(&self, index: usize) -> String {
        std::fs::read_to_string(self.cluster.members()[index].base.join("node.log")).unwrap()
    }

    pub async fn head(&mut self, index: usize) -> u64 {
        self.node(index).ok("chain_getHeader", json!([])).await.unwrap()["height"].as_u64().unwrap()
    }

    pub async fn epoch(&mut self, index: usize) -> u64 {
        self.node(index).ok("chain_getHeader", json!([])).await.unwrap()["epoch"].as_u64().unwrap()
    }

    /// Waits until the node has committed `height`.
    pub async fn reaches(&mut self, index: usize, height: u64) -> &mut Self {
        while self.head(index).await < height {
            self.node(index).wait_for("height decided").unwrap();
        }
        self
    }

    /// Waits until each of these nodes has committed `height`.
    pub async fn all_reach(&mut self, indices: &[usize], height: u64) -> &mut Self {
        for index in indices {
            self.reaches(*index, height).await;
        }
        self
    }

    /// Waits until the node has committed so many more blocks than now.
    pub async fn grows(&mut self, index: usize, blocks: u64) -> &mut Self {
        let head = self.head(index).await;
        self.reaches(index, head + blocks).await
    }

    /// Waits until the node has committed all that the other one has now.
    pub async fn catches_up(&mut self, index: usize, with: usize) -> &mut Self {
        let head = self.head(with).await;
        self.reaches(index, head).await
    }

    /// Waits until the node's head has stayed the same while votes were sent again three times; that head. What was under way
    /// may still be decided before.
    pub async fn stands_still(&mut self, index: usize) -> u64 {
        let mut last = self.head(index).await;
        let mut sent_again = 0;
        while sent_again < 3 {
            self.node(index).wait_for("this node's own is sent again").unwrap();
            let head = self.head(index).await;
            sent_again = if head == last { sent_again + 1 } else { 0 };
            last = head;
        }
        last
    }

    /// Waits until the ledger has the addresses of every provider among these nodes, as each of them sees it.
    pub fn are_recorded(&mut self, indices: &[usize]) -> &mut Self {
        for index in indices {
            self.node(*index).has_said("the ledger has this provider and its addresses").unwrap();
        }
        self
    }

    /// Where its storage peer is, with its peer id.
    pub async fn storage_address(&mut self, index: usize) -> String {
        let addresses = self.node(index).ok("system_localListenAddresses", json!([])).await.unwrap();
        addresses[0].as_str().unwrap().to_owned()
    }

    pub async fn peer_id(&mut self, index: usize) -> String {
        self.node(index).ok("system_localPeerId", json!([])).await.unwrap().as_str().unwrap().to_owned()
    }

    /// Hash of the genesis, without `0x`.
    pub async fn genesis(&mut self, index: usize) -> String {
        let hash = self.node(index).ok("chain_getBlockHash", json!([0])).await.unwrap();
        hash.as_str().unwrap().trim_start_matches("0x").to_owned()
    }

    /// What `node provider status` says when this node is asked.
    pub fn provider_status(&mut self, index: usize) -> Value {
        let mut command = std::process::Command::new(e2e::node_binary());
        command.args(["provider", "status", "--output", "json", "--rpc", self.node(index).url()]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the node says of how far it is.
    pub async fn sync_state(&mut self, index: usize) -> Value {
        self.node(index).ok("system_syncState", json!([])).await.unwrap()
    }

    /// A counter or gauge, by its name and labels as they are served.
    pub async fn metric(&mut self, index: usize, name: &str) -> u64 {
        self.node(index).metric(name).await.unwrap()
    }

    /// As [`submit`](Self::submit), for larger files.
    pub async fn submit_over_http(&mut self, index: usize, data: &[u8]) -> Value {
        let put = self.node(index).http(reqwest::Method::PUT, "/v1/files").body(data.to_vec());
        put.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// The file as each of these nodes gives it when all are asked at the same time.
    pub async fn download_at_once(&mut self, indices: &[usize], file: &str) -> Vec<Vec<u8>> {
        let mut downloads = Vec::new();
        for index in indices {
            let get = self.node(*index).http(reqwest::Method::GET, &format!("/v1/files/{file}"));
            let answer =
                async move { get.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap().to_vec() };
            downloads.push(answer);
        }
        futures::future::join_all(downloads).await
    }

    /// Puts a file of these bytes in at the node, over HTTP.
    pub async fn puts(&mut self, index: usize, data: Vec<u8>) -> File {
        let receipt = self.submit_over_http(index, &data).await;
        File { id: receipt["fileId"].clone(), height: receipt["height"].as_u64().unwrap(), data }
    }

    /// Checks that the node, once it has the block that records the file, gives it back as it was put in.
    pub async fn retrieves(&mut self, index: usize, file: &File) -> &mut Self {
        self.reaches(index, file.height).await;
        let read = self.download_at_once(&[index], file.id.as_str().unwrap()).await;
        assert!(read[0] == file.data, "node {index}");
        self
    }

    pub async fn submit(&mut self, index: usize, data: &[u8]) -> Value {
        self.node(index).ok("storage_submit", json!([BASE64_STANDARD.encode(data)])).await.unwrap()
    }

    pub async fn retrieve(&mut self, index: usize, file: &Value) -> Vec<u8> {
        let answer = self.node(index).ok("storage_retrieve", json!([file])).await.unwrap();
        BASE64_STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    /// Checks that these nodes have the same block at each height that all of them have; returns the last.
    pub async fn agree(&mut self, indices: &[usize]) -> u64 {
        let mut common = u64::MAX;
        for index in indices {
            common = common.min(self.head(*index).await);
        }
        for height in 0..=common {
            self.agree_at(indices, height).await;
        }
        common
    }

    /// Checks that these nodes have the same block at this height.
    pub async fn agree_at(&mut self, indices: &[usize], height: u64) {
        let mut hashes = BTreeSet::new();
        for index in indices {
            let hash = self.node(*index).ok("chain_getBlockHash", json!([height])).await.unwrap();
            hashes.insert(hash.as_str().unwrap().to_owned());
        }
        assert_eq!(hashes.len(), 1, "height {height}: {hashes:?}");
    }
}
