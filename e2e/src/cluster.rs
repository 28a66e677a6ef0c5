//! Networks of many node processes on this machine: who they are, where they are, and how each is started.
//!
//! Ports are chosen when a cluster is laid out, so that nodes can name each other before any of
//! them runs, and are the same after a restart.

use std::fs::{File, OpenOptions, create_dir_all};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::Context;
use chain_spec::dev_keys;
use runtime::crypto::PeerKey;
use serde_json::{Value, json};

use crate::{Node, node_binary};

/// Where ports are looked for: above those of usual services, below those of connections.
const PORTS: Range<u16> = 12_000..32_000;
/// A node listens for consensus, for storage peers and for clients.
const PORTS_PER_MEMBER: usize = 3;

/// What a member of a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The validator of that number in the genesis.
    Validator(usize),
    /// The provider of that number in the genesis.
    Provider(u32),
    /// The validator and the provider of that number.
    Both(u32),
    /// Neither: it follows.
    Full,
}

impl Part {
    /// The number of its validator, if it is one.
    #[must_use]
    pub fn validator(self) -> Option<usize> {
        match self {
            Self::Validator(number) => Some(number),
            Self::Both(number) => usize::try_from(number).ok(),
            Self::Provider(_) | Self::Full => None,
        }
    }

    /// The number of its provider, if it is one.
    #[must_use]
    pub const fn provider(self) -> Option<u32> {
        match self {
            Self::Provider(number) | Self::Both(number) => Some(number),
            Self::Validator(_) | Self::Full => None,
        }
    }

    /// As people call it.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::Validator(_) | Self::Both(_) => "validator",
            Self::Provider(_) => "provider",
            Self::Full => "full",
        }
    }
}

/// One node of a cluster, whether it runs or not.
#[derive(Clone, Debug)]
pub struct Member {
    /// For people, and its folder.
    pub name: String,
    /// What it is.
    pub part: Part,
    /// Its base path.
    pub base: PathBuf,
    ports: [u16; PORTS_PER_MEMBER],
}

/// The layout of a network on this machine.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Member>,
    chain: String,
    args: Vec<String>,
    introduced: bool,
    /// Whether nodes are told each other's consensus ports.
    named: bool,
    folder: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Cluster {
    /// A network of the preset `local` in `folder`, or in one that is removed at the end.
    ///
    /// # Errors
    /// If there is no folder or no port to be had.
    pub fn local(parts: &[Part], folder: Option<&Path>) -> anyhow::Result<Self> {
        Self::lay_out(parts, folder, None)
    }

    /// A network of its own, like `local`, whose spec `edit` changes.
    ///
    /// # Errors
    /// If there is no folder or no port to be had.
    pub fn like_local(parts: &[Part], edit: impl FnOnce(&mut Value)) -> anyhow::Result<Self> {
        let mut spec = serde_json::from_str(include_str!("../../chain-spec/presets/local.json"))?;
        edit(&mut spec);
        Self::lay_out(parts, None, Some(spec))
    }

    fn lay_out(parts: &[Part], folder: Option<&Path>, spec: Option<Value>) -> anyhow::Result<Self> {
        let temporary = if folder.is_none() { Some(tempfile::tempdir().context("make a folder")?) } else { None };
        let folder = match (folder, &temporary) {
            (Some(folder), _) => folder.to_owned(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => anyhow::bail!("a cluster needs a folder"),
        };
        create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
        let chain = match spec {
            None => "local".to_owned(),
            Some(mut spec) => {
                // Another genesis: clusters that run side by side must not meet.
                spec["genesis"]["seed"] = json!(folder.display().to_string());
                let path = folder.join("spec.json");
                std::fs::write(&path, spec.to_string())?;
                path.to_str().context("the folder's name is not text")?.to_owned()
            }
        };
        let mut cluster = Self {
            members: Vec::new(),
            chain,
            args: Vec::new(),
            introduced: true,
            named: true,
            folder,
            _temporary: temporary,
        };
        let ports = free_ports(parts.len() * PORTS_PER_MEMBER)?;
        for (part, ports) in parts.iter().zip(ports.as_chunks().0) {
            cluster.add(*part, *ports)?;
        }
        Ok(cluster)
    }

    /// Gives every node these arguments too.
    pub fn give(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(ToString::to_string));
    }

    /// Tells storage peers nothing of each other from now on: they have to find each other. Consensus peers stay named.
    pub const fn do_not_introduce(&mut self) {
        self.introduced = false;
    }

    /// Tells consensus peers nothing of each other from now on: they have to hear of each other over the storage network.
    pub const fn name_no_consensus_peers(&mut self) {
        self.named = false;
    }

    /// Adds a node; its index.
    ///
    /// # Errors
    /// If there is no port to be had.
    pub fn join(&mut self, part: Part) -> anyhow::Result<usize> {
        let ports = free_ports(PORTS_PER_MEMBER)?;
        self.add(part, *ports.first_chunk().context("ports were counted")?)?;
        Ok(self.members.len() - 1)
    }

    /// Gives a node another port for storage peers, for when it is started next; the port.
    ///
    /// # Errors
    /// If there is no port to be had.
    ///
    /// # Panics
    /// If there is no such member.
    pub fn move_storage(&mut self, index: usize) -> anyhow::Result<u16> {
        let port = *free_ports(1)?.first().context("ports were counted")?;
        self.members[index].ports[1] = port;
        Ok(port)
    }

    fn add(&mut self, part: Part, ports: [u16; PORTS_PER_MEMBER]) -> anyhow::Result<()> {
        let name = match (part.validator(), part.provider()) {
            (Some(number), _) => dev_keys::NAMES.get(number).context("no such validator")?.to_lowercase(),
            (None, Some(number)) => format!("provider-{number}"),
            (None, None) => format!("full-{}", self.members.len()),
        };
        let is_taken = self.members.iter().any(|member| member.name == name);
        let name = if is_taken { format!("{name}-{}", self.members.len()) } else { name };
        let base = self.folder.join(&name);
        create_dir_all(&base).with_context(|| format!("make the folder {}", base.display()))?;
        self.members.push(Member { name, part, base, ports });
        Ok(())
    }

    /// All nodes, in the order of the layout.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The command that runs a node: every time the same.
    ///
    /// # Panics
    /// If there is no such member.
    #[must_use]
    pub fn command(&self, index: usize) -> Command {
        let member = &self.members[index];
        let mut command = Command::new(node_binary());
        command.args(["--chain", &self.chain, "--base-path"]).arg(&member.base);
        let [consensus, dsn, rpc] = member.ports.map(|port| port.to_string());
        command.args(["--name", &member.name, "--gateway", "--prometheus-port", "0", "--rpc-port", &rpc]);
        // Networks of one genesis that run side by side must not find each other.
        command.args(["--port", &consensus, "--dsn-port", &dsn, "--no-mdns"]);
        if let Some(name) = member.part.validator().and_then(|number| dev_keys::NAMES.get(number)) {
            command.args([format!("--{}", name.to_lowercase()), "--validator".into()]);
        }
        if let Some(number) = member.part.provider() {
            command.args(["--provider", "--dev-provider", &number.to_string()]);
        }
        let others = || self.members.iter().enumerate().filter(move |(other, _)| *other != index);
        for (_, other) in others().filter(|_| self.named) {
            command.args(other.consensus_address().iter().flat_map(|address| ["--consensus-peers", address]));
        }
        for (_, other) in others().filter(|_| self.introduced) {
            command.args(other.storage_address().iter().flat_map(|address| ["--bootnodes", address]));
        }
        command.args(&self.args);
        // A group of its own, so that Ctrl-C in a terminal reaches whoever started it, and only through them the node.
        command.process_group(0);
        command
    }

    /// Starts a node; it may not be ready yet. What it prints is added to `node.log` in its base path.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(&self, index: usize) -> anyhow::Result<Node> {
        self.spawn_as(index, &mut self.command(index))
    }

    /// As [`spawn`](Self::spawn), with a command that was changed.
    ///
    /// # Errors
    /// The same.
    pub fn spawn_as(&self, index: usize, command: &mut Command) -> anyhow::Result<Node> {
        let path = self.members[index].base.join("node.log");
        let log: File = OpenOptions::new().create(true).append(true).open(path)?;
        Node::spawn(command, Some(log))
    }

    /// Starts a node and waits until it answers.
    ///
    /// # Errors
    /// If it ends or is not ready in time, with what it printed.
    pub fn start(&self, index: usize) -> anyhow::Result<Node> {
        let mut node = self.spawn(index)?;
        node.is_ready().with_context(|| self.members[index].name.clone())?;
        Ok(node)
    }

    /// Starts all nodes at once and waits until each answers.
    ///
    /// # Errors
    /// If one ends or is not ready in time, with what it printed.
    pub fn start_all(&self) -> anyhow::Result<Vec<Node>> {
        let mut nodes = (0..self.members.len()).map(|index| self.spawn(index)).collect::<Result<Vec<_>, _>>()?;
        for (node, member) in nodes.iter_mut().zip(&self.members) {
            node.is_ready().with_context(|| member.name.clone())?;
        }
        Ok(nodes)
    }
}

impl Member {
    /// Where its consensus port is, if it is a validator: their peer keys are known.
    #[must_use]
    pub fn consensus_address(&self) -> Option<String> {
        let name = self.part.validator().and_then(|number| dev_keys::NAMES.get(number))?;
        let peer = PeerKey::of_secret(&dev_keys::consensus_peer_seed(name));
        Some(format!("/ip4/127.0.0.1/tcp/{}/p2p/{peer}", self.ports[0]))
    }

    /// Where its storage port is, if it is a provider: their peer keys are known.
    #[must_use]
    pub fn storage_address(&self) -> Option<String> {
        let peer = PeerKey::of_secret(&dev_keys::provider_peer_seed(self.part.provider()?));
        Some(format!("/ip4/127.0.0.1/tcp/{}/p2p/{peer}", self.ports[1]))
    }
}

/// Ports that are free for TCP and UDP, all different, from where the system takes none for connections: a node that is
/// started again must find its own free.
fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    // Clusters of other processes look elsewhere, most likely.
    let seed = format!("{} {:?}", std::process::id(), SystemTime::now());
    let start = blake3::hash(seed.as_bytes())
        .as_bytes()
        .iter()
        .fold(0u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(*byte)));
    // All are held until all are found.
    let mut held = Vec::new();
    for step in 0..PORTS.end - PORTS.start {
        if held.len() == count {
            break;
        }
        let port = PORTS.start + start.wrapping_add(step) % (PORTS.end - PORTS.start);
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
        held.extend(tcp.ok().zip(udp.ok()).map(|sockets| (port, sockets)));
    }
    anyhow::ensure!(held.len() == count, "{count} ports are not free at once");
    Ok(held.into_iter().map(|(port, _)| port).collect())
}
