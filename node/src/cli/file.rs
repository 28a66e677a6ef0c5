//! `node file`: put files into a network through a running node, get them back, see where their pieces are, and pay
//! for them.

mod again;
mod leases;
mod output;
mod progress;
mod put;
mod uploads;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use futures::StreamExt;
use pieces::{ContentHash, FileId};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use again::{patiently, refusal};
use leases::{ExtendArgs, FileArgs, ListArgs};
use output::Output;
use progress::Progress;
use put::PutArgs;
use uploads::{CancelArgs, UploadsArgs};

use crate::shutdown::Signals;

/// Bytes that are read and sent at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// What to do with a file.
#[derive(Debug, Subcommand)]
pub enum FileCommand {
    /// Store a file and print its receipt as JSON.
    Put(PutArgs),
    /// Fetch a file.
    Get(GetArgs),
    /// Show where the pieces of a file are, as JSON.
    Locate(LocateArgs),
    /// List the files that the node's own account pays for, one JSON object a line.
    List(ListArgs),
    /// Show how many pieces of a file can be counted on, as JSON.
    Health(FileArgs),
    /// Pay longer for a file, from the node's own account.
    Extend(ExtendArgs),
    /// List the uploads that the node knows, one JSON object a line.
    Uploads(UploadsArgs),
    /// Give up an upload that is not recorded; the node forgets its bytes.
    Cancel(CancelArgs),
    /// Pay no longer for a file: what was paid for later epochs comes back.
    Release(FileArgs),
}

/// The node to talk to.
#[derive(Debug, Args)]
pub(super) struct Remote {
    /// The node's address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9944", value_parser = node_url)]
    rpc: String,
}

/// Plain HTTP: a node that is reached over a network stands behind a tunnel or a proxy of its operator.
fn node_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
    if url.scheme() != "http" {
        return Err("must begin with http://".into());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Arguments of `get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The file's id.
    file: FileId,
    /// Where to write it; standard output if not given.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// Arguments of `locate`.
#[derive(Debug, Args)]
pub struct LocateArgs {
    /// The file's id.
    file: FileId,
    #[command(flatten)]
    remote: Remote,
}

impl FileCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
        runtime.block_on(async {
            match self {
                Self::Put(args) => args.run().await,
                Self::Get(args) => args.run().await,
                Self::Locate(args) => args.run().await,
                Self::List(args) => args.run().await,
                Self::Health(args) => args.call("storage_health").await,
                Self::Extend(args) => args.run().await,
                Self::Uploads(args) => args.run().await,
                Self::Cancel(args) => args.run().await,
                Self::Release(args) => args.call("storage_release").await,
            }
        })
    }
}

impl Remote {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.rpc)
    }

    /// Calls a method that must succeed.
    pub(super) async fn call(&self, client: &Client, method: &str, params: Value) -> anyhow::Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let response = client.post(self.url("/")).json(&body).send().await.with_context(|| self.unreachable())?;
        let mut answer: Value = response.json().await.context("the node's answer is not JSON")?;
        if let Some(error) = answer.get("error") {
            let message = error["message"].as_str().unwrap_or_default();
            return Err(refusal(error, format!("{method}: {message} (code {})", error["code"])));
        }
        Ok(answer["result"].take())
    }

    fn unreachable(&self) -> String {
        format!("no answer from {}; is a node running there?", self.rpc)
    }
}

/// The response if it is a success, else the error that its body names.
async fn success(response: Response) -> anyhow::Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body: Value = response.json().await.unwrap_or_default();
    let error = &body["error"];
    let message = error["message"].as_str().unwrap_or("no reason given");
    Err(refusal(error, format!("the node refused ({status}, code {}): {message}", error["code"])))
}

/// Prints to standard output. A reader that has gone, such as `head`, is an ordinary end.
fn print_json(value: &Value) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{value:#}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("write the answer"),
        _ => Ok(()),
    }
}

impl GetArgs {
    async fn run(self) -> anyhow::Result<()> {
        // Before anything is fetched: a place that cannot be written is no reason to send a whole file.
        let mut output = self.output.as_deref().map_or_else(|| Ok(Output::stdout()), Output::open)?;
        let client = Client::builder().no_proxy().build()?;
        let info = self.remote.call(&client, "storage_file", json!([self.file])).await?;
        let size = info["size"].as_u64().context("the node names no size")?;
        let wanted: ContentHash = serde_json::from_value(info["contentHash"].clone()).context("no content hash")?;
        let url = self.remote.url(&format!("/v1/files/0x{}", self.file));
        let ask = async || {
            let response = client.get(&url).send().await.with_context(|| self.remote.unreachable())?;
            success(response).await
        };
        let response = patiently("get", ask).await?;
        let progress = Progress::start("get", size, 0);
        let mut signals = Signals::listen().context("listen for signals")?;
        tokio::select! {
            copied = copy(response, output.writer(), wanted, &progress) => copied?,
            // Whoever is ended by a signal itself leaves half a file behind.
            name = signals.next() => bail!("{name} came before the whole file"),
        }
        output.finish().await?;
        progress.finish();
        Ok(())
    }
}

async fn copy(
    response: Response,
    out: &mut (dyn tokio::io::AsyncWrite + Unpin),
    wanted: ContentHash,
    progress: &Progress,
) -> anyhow::Result<()> {
    let mut hasher = blake3::Hasher::new();
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.context("the file ended early; the node's log says why")?;
        hasher.update(&chunk);
        out.write_all(&chunk).await.context("write the file")?;
        progress.add(chunk.len());
    }
    out.flush().await.context("write the file")?;
    if hasher.finalize().as_bytes() != wanted.as_bytes() {
        bail!("the bytes do not have the content hash 0x{wanted}");
    }
    Ok(())
}

impl LocateArgs {
    async fn run(self) -> anyhow::Result<()> {
        let client = Client::builder().no_proxy().build()?;
        let mut located = self.remote.call(&client, "storage_locate", json!([self.file])).await?;
        // Long files come in pages of segments; all of them are shown as one answer.
        while let Some(next) = located["nextSegment"].as_u64() {
            let params = json!([self.file, { "fromSegment": next }]);
            let mut page = self.remote.call(&client, "storage_locate", params).await?;
            let segments = page["segments"].as_array_mut().map(std::mem::take).unwrap_or_default();
            if segments.is_empty() {
                bail!("the node's answer has no segment {next}");
            }
            if let Some(all) = located["segments"].as_array_mut() {
                all.extend(segments);
            }
            located["nextSegment"] = page["nextSegment"].take();
        }
        if let Some(fields) = located.as_object_mut() {
            fields.remove("nextSegment");
        }
        print_json(&located)
    }
}
