//! Run real node processes and check what users see.
//!
//! A [`Network`] is a folder and, most of the time, a [`Node`] process over it. Tests wait on what the process prints and
//! answers, never on time; a deadline only keeps a hang from lasting forever.

pub mod cluster;
pub mod netns;
pub mod power_cut;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

/// A hang ends here; nothing is decided by it. Shared processors can be very slow.
const DEADLINE: Duration = Duration::from_secs(120);
/// A node prints it with the address of its API once that answers.
const READY: &str = "JSON-RPC listening on ";
/// Log lines kept for the message of a failure.
const LINES_MAX: usize = 10_000;

/// The node's program, built by the same cargo command as this one.
#[must_use]
pub fn node_binary() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let folder = own.parent().unwrap_or(Path::new("."));
    // Tests lie one folder below programs.
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    profile.join("node")
}

/// A folder for a node's data, removed at the end.
#[derive(Debug)]
pub struct Network {
    base: tempfile::TempDir,
    chain: String,
}

impl Network {
    /// An empty folder for the dev chain.
    ///
    /// # Errors
    /// If no folder can be made.
    pub fn dev() -> anyhow::Result<Self> {
        Ok(Self { base: tempfile::tempdir()?, chain: "dev".into() })
    }

    /// An empty folder for a chain like the dev chain, whose spec `edit` changes.
    ///
    /// # Errors
    /// If no folder can be made, or the spec is not written.
    pub fn like_dev(edit: impl FnOnce(&mut Value)) -> anyhow::Result<Self> {
        let base = tempfile::tempdir()?;
        let mut spec = serde_json::from_str(include_str!("../../chain-spec/presets/dev.json"))?;
        edit(&mut spec);
        let path = base.path().join("spec.json");
        std::fs::write(&path, spec.to_string())?;
        Ok(Self { base, chain: path.to_str().context("the folder's name is not text")?.to_owned() })
    }

    /// The base path.
    #[must_use]
    pub fn base(&self) -> &Path {
        self.base.path()
    }

    /// The folder of the dev chain inside the base path.
    #[must_use]
    pub fn chain_folder(&self) -> PathBuf {
        self.base.path().join("chains/dev")
    }

    /// The providers' folders, in the order of their names.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn provider_folders(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut folders = std::fs::read_dir(self.chain_folder().join("pieces"))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        folders.sort();
        Ok(folders)
    }

    /// Starts a node on free ports and waits until it answers.
    ///
    /// # Errors
    /// If it ends or is not ready in time, with what it printed.
    pub fn start(&self) -> anyhow::Result<Node> {
        Node::start(&mut self.command())
    }

    /// As [`start`](Self::start), with more arguments.
    ///
    /// # Errors
    /// If it ends or is not ready in time, with what it printed.
    pub fn start_with(&self, args: &[&str]) -> anyhow::Result<Node> {
        Node::start(self.command().args(args))
    }

    /// The command that runs a node over this folder.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(node_binary());
        command.args(["--chain", &self.chain, "--base-path"]).arg(self.base.path());
        command
    }
}

/// A running node. Killed when dropped.
#[derive(Debug)]
pub struct Node {
    child: Child,
    lines: Receiver<String>,
    printed: Vec<String>,
    url: String,
    http: reqwest::Client,
}

impl Node {
    /// Starts `command` with free ports and waits until it prints that it is ready.
    ///
    /// # Errors
    /// If it ends or is not ready in time, with what it printed.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        command.args(["--port", "0", "--dsn-port", "0", "--rpc-port", "0", "--prometheus-port", "0"]);
        let mut node = Self::spawn(command, None)?;
        node.is_ready()?;
        Ok(node)
    }

    /// Starts `command` as it is; what it prints goes to `log` too.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(command: &mut Command, log: Option<File>) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}; run the tests with `make test`", node_binary().display()))?;
        let stderr = child.stderr.take().context("the node's output is piped")?;
        let (sender, lines) = sync_channel(LINES_MAX);
        // Reading must never stop, or the node would block on a full pipe; what nobody waits for is dropped.
        std::thread::spawn(move || {
            let mut log = log;
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if log.as_mut().is_some_and(|log| writeln!(log, "{line}").is_err()) {
                    log = None;
                }
                sender.try_send(line).ok();
            }
        });
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { child, lines, printed: Vec::new(), url: String::new(), http })
    }

    /// Waits until it prints that it is ready.
    ///
    /// # Errors
    /// If it ends or is not ready in time, with what it printed.
    pub fn is_ready(&mut self) -> anyhow::Result<()> {
        if self.url.is_empty() {
            let ready = self.has_said(READY)?;
            self.url = ready.split(READY).nth(1).context("the line names the address")?.trim().to_owned();
        }
        Ok(())
    }

    /// As [`is_ready`](Self::is_ready), but waits only so long; false if it is not ready then.
    ///
    /// # Errors
    /// If it ends, with what it printed.
    pub fn is_ready_within(&mut self, wait: Duration) -> anyhow::Result<bool> {
        let end = Instant::now() + wait;
        while !self.printed.iter().any(|line| line.contains(READY)) {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.printed.push(line),
                Err(RecvTimeoutError::Timeout) => return Ok(false),
                Err(RecvTimeoutError::Disconnected) => bail!("the node ended; printed: {:#?}", self.printed),
            }
        }
        self.is_ready().map(|()| true)
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until the node prints a line that contains `text`.
    ///
    /// # Errors
    /// If it ends first or the deadline passes, with what it printed.
    pub fn wait_for(&mut self, text: &str) -> anyhow::Result<String> {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.printed.push(line.clone());
                    if line.contains(text) {
                        return Ok(line);
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("no line with {text:?}; printed: {:#?}", self.printed),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait()?;
                    bail!("the node ended ({status}) before {text:?}; printed: {:#?}", self.printed)
                }
            }
        }
    }

    /// What it has printed so far, as far as somebody waited for it.
    #[must_use]
    pub fn printed(&self) -> &[String] {
        &self.printed
    }

    /// A line that it has printed before it was ready and that contains `text`.
    ///
    /// # Errors
    /// If there is none, with what it printed.
    pub fn printed_line(&self, text: &str) -> anyhow::Result<&str> {
        let found = self.printed.iter().find(|line| line.contains(text));
        found.map(String::as_str).with_context(|| format!("no line with {text:?}; printed: {:#?}", self.printed))
    }

    /// As [`wait_for`](Self::wait_for), but the line may have been printed before.
    ///
    /// # Errors
    /// The same.
    pub fn has_said(&mut self, text: &str) -> anyhow::Result<String> {
        match self.printed.iter().find(|line| line.contains(text)) {
            Some(line) => Ok(line.clone()),
            None => self.wait_for(text),
        }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `http://127.0.0.1:PORT` of its metrics.
    ///
    /// # Errors
    /// If it did not say that it serves them.
    pub fn metrics_url(&self) -> anyhow::Result<&str> {
        let lines = self.printed.iter();
        let mut url =
            lines.filter_map(|line| line.split("Prometheus metrics on ").nth(1)?.trim().strip_suffix("/metrics"));
        url.next_back().context("the node serves no metrics")
    }

    /// A counter or gauge, by its name and labels as they are served.
    ///
    /// # Errors
    /// If the node serves no metrics, or none of this name.
    pub async fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let url = format!("{}/metrics", self.metrics_url()?);
        let text = self.http.get(url).timeout(DEADLINE).send().await?.text().await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no {name} in {text}"))?.parse()?)
    }

    /// Calls a method; the result, or the error object.
    ///
    /// # Errors
    /// If there is no JSON-RPC answer at all.
    pub async fn call(&self, method: &str, params: Value) -> anyhow::Result<Result<Value, Value>> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let response = self.http.post(&self.url).timeout(DEADLINE).json(&body).send().await?;
        let mut answer: Value = response.json().await?;
        match answer.get_mut("error") {
            Some(error) => Ok(Err(error.take())),
            None => Ok(Ok(answer.get_mut("result").context("neither result nor error")?.take())),
        }
    }

    /// Calls a method that must succeed.
    ///
    /// # Errors
    /// If it answers with an error.
    pub async fn ok(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        match self.call(method, params).await? {
            Ok(result) => Ok(result),
            Err(error) => bail!("{method} failed: {error}"),
        }
    }

    /// Calls a method that must fail; the error object.
    ///
    /// # Errors
    /// If it succeeds.
    pub async fn err(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        match self.call(method, params).await? {
            Err(error) => Ok(error),
            Ok(result) => bail!("{method} succeeded: {result}"),
        }
    }

    /// An HTTP request to the node's port.
    pub fn http(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).timeout(DEADLINE)
    }

    /// Most memory that the process had resident at any time so far, as the kernel counts it.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn peak_memory_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in the status")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    /// Sockets that the process has, whatever they are for.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn sockets(&self) -> anyhow::Result<usize> {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?;
        // One may be closed while they are looked at.
        let targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        Ok(targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count())
    }

    /// SIGKILL, and wait until the process is gone.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits until the process ends by itself; how it ended, and all that it printed.
    ///
    /// # Errors
    /// If it does not end before the deadline.
    pub fn ended(mut self) -> anyhow::Result<(ExitStatus, Vec<String>)> {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.printed.push(line),
                Err(RecvTimeoutError::Timeout) => bail!("the node did not end; printed: {:#?}", self.printed),
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok((self.child.wait()?, std::mem::take(&mut self.printed)));
                }
            }
        }
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// If it has ended and been waited for.
    pub fn ask_to_stop(&self) -> anyhow::Result<()> {
        let status = Command::new("kill").arg(self.child.id().to_string()).status()?;
        anyhow::ensure!(status.success(), "kill failed");
        Ok(())
    }

    /// SIGTERM, and wait for the exit status.
    ///
    /// # Errors
    /// If it does not end before the deadline.
    pub fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        self.ask_to_stop()?;
        // The reader's end of the pipe closes when the process ends.
        let end = Instant::now() + DEADLINE;
        while self.lines.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
        anyhow::ensure!(Instant::now() < end, "the node did not stop; printed: {:#?}", self.printed);
        Ok(self.child.wait()?)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            self.printed.extend(self.lines.iter());
            eprintln!("the node printed: {:#?}", self.printed);
        }
    }
}

/// Reproducible bytes that do not compress.
#[must_use]
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}
