//! Hosts of their own on this machine: network namespaces, and the cables between them.
//!
//! Making them takes the rights of an administrator and the programs `ip` and `nsenter`. A namespace, and with it its end
//! of every cable, is removed when its [`Namespace`] is dropped.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use crate::DEADLINE;

/// Set to `1` where scenarios with namespaces must not be left out.
const REQUIRED: &str = "PIECEWISE_NETNS_REQUIRED";
/// How long nobody has to answer for a connection to count as impossible: routers drop what they do not forward.
const SILENCE: Duration = Duration::from_secs(1);
/// Bits of the network part of each cable's addresses.
const PREFIX: u8 = 24;

/// Tells namespaces of one process apart.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A host's network, without any of the machine's own.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

/// Whether namespaces can be made here. If not, says why; the scenario is then left out.
///
/// # Panics
/// If they cannot, and `PIECEWISE_NETNS_REQUIRED` is `1`.
#[must_use]
pub fn are_allowed() -> bool {
    let Err(error) = Namespace::new().and_then(|namespace| namespace.inside(|| ())) else { return true };
    let required = std::env::var(REQUIRED).is_ok_and(|value| value == "1");
    assert!(!required, "{REQUIRED}=1, but there are no network namespaces: {error:#}");
    eprintln!("NOT TESTED, since there are no network namespaces here ({REQUIRED}=1 makes this a failure): {error:#}");
    false
}

impl Namespace {
    /// An empty one, with loopback.
    ///
    /// # Errors
    /// If it may not be made here.
    pub fn new() -> anyhow::Result<Self> {
        let name = format!("piecewise-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name])?;
        let made = Self { name };
        made.ip(&["link", "set", "lo", "up"])?;
        Ok(made)
    }

    /// Lays a cable to `other`; each end has its address, and its network is the /24 around it.
    ///
    /// # Errors
    /// If the system refuses it.
    pub fn join(&self, own: Ipv4Addr, other: &Self, others: Ipv4Addr) -> anyhow::Result<()> {
        let end = format!("to{}", MADE.fetch_add(1, Ordering::Relaxed));
        self.ip(&["link", "add", &end, "type", "veth", "peer", "name", &end, "netns", &other.name])?;
        for (side, address) in [(self, own), (other, others)] {
            side.ip(&["address", "add", &format!("{address}/{PREFIX}"), "dev", &end])?;
            side.ip(&["link", "set", &end, "up"])?;
        }
        Ok(())
    }

    /// Sends whatever is for no network of its own to `router`.
    ///
    /// # Errors
    /// If the system refuses it.
    pub fn route_by(&self, router: Ipv4Addr) -> anyhow::Result<()> {
        self.ip(&["route", "add", "default", "via", &router.to_string()])
    }

    /// Passes on what is for others, or drops it.
    ///
    /// # Errors
    /// If the system refuses it.
    pub fn forwards(&self, forwards: bool) -> anyhow::Result<()> {
        self.inside(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", if forwards { "1" } else { "0" }))?
            .context("set ip_forward")
    }

    /// The same command, in this namespace; its process is the program's, in a group of its own.
    #[must_use]
    pub fn command(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net={}", self.path().display())).arg("--").arg(command.get_program());
        inside.args(command.get_args()).process_group(0);
        inside
    }

    /// What `work` gives when a thread in this namespace does it.
    ///
    /// # Errors
    /// If the thread may not enter.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        let enter = || {
            let path = self.path();
            let namespace = File::open(&path).with_context(|| format!("open {}", path.display()))?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .with_context(|| format!("enter {}", path.display()))?;
            Ok(work())
        };
        std::thread::scope(|scope| scope.spawn(enter).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }

    /// Calls a method of a node in this namespace; the result, or the error object.
    ///
    /// # Errors
    /// If there is no JSON-RPC answer at all.
    pub fn call(&self, url: &str, method: &str, params: &Value) -> anyhow::Result<Result<Value, Value>> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let text = self.request(|client| client.post(url).json(&body)).with_context(|| format!("call {method}"))?;
        let mut answer: Value = serde_json::from_str(&text)?;
        match answer.get_mut("error") {
            Some(error) => Ok(Err(error.take())),
            None => Ok(Ok(answer.get_mut("result").context("neither result nor error")?.take())),
        }
    }

    /// Calls a method that must succeed.
    ///
    /// # Errors
    /// If it answers with an error.
    pub fn ok(&self, url: &str, method: &str, params: &Value) -> anyhow::Result<Value> {
        match self.call(url, method, params)? {
            Ok(result) => Ok(result),
            Err(error) => bail!("{method} failed: {error}"),
        }
    }

    /// The text at a URL of this namespace.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, url: &str) -> anyhow::Result<String> {
        self.request(|client| client.get(url)).with_context(|| format!("get {url}"))
    }

    fn request(
        &self,
        request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder + Send,
    ) -> anyhow::Result<String> {
        // One thread does it all: sockets belong to the namespace of the thread that makes them.
        self.inside(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let client = reqwest::Client::builder().no_proxy().build()?;
            let answer = async { request(&client).timeout(DEADLINE).send().await?.error_for_status()?.text().await };
            Ok(runtime.block_on(answer)?)
        })?
    }

    /// Whether somebody takes a TCP connection from here.
    ///
    /// # Errors
    /// If the thread may not enter.
    pub fn reaches(&self, address: SocketAddr) -> anyhow::Result<bool> {
        self.inside(|| TcpStream::connect_timeout(&address, SILENCE).is_ok())
    }

    /// What `ss` with these arguments says of this namespace.
    ///
    /// # Errors
    /// If it fails.
    pub fn sockets(&self, args: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("ss");
        command.args(args);
        run(&mut self.command(&command))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    fn ip(&self, args: &[&str]) -> anyhow::Result<()> {
        ip(&[&["-netns", &self.name], args].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "delete", &self.name]) {
            eprintln!("a namespace stays: {error:#}");
        }
    }
}

fn ip(args: &[&str]) -> anyhow::Result<()> {
    run(Command::new("ip").args(args)).map(drop)
}

/// What a command prints, if it succeeds.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?)
}
