//! `node file put`: one file in, shown as far as the node says it is.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use futures::StreamExt;
use reqwest::Client;
use rpc::types::FileName;
use serde_json::{Map, Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::MissedTickBehavior;
use tokio_util::io::ReaderStream;

use super::again::patiently;
use super::progress::Progress;
use super::{CHUNK_BYTES, Remote, print_json, success};

/// Smaller files are sent again from their beginning.
const RESUMABLE_FROM_BYTES: u64 = 16 * 1024 * 1024;
/// Read and hashed at once.
const HASH_BYTES: usize = 1024 * 1024;
/// How often the node is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// Arguments of `put`.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// The file.
    path: PathBuf,
    /// A label in the gateway's index; the file's own name if not given.
    #[arg(long)]
    name: Option<String>,
    /// What kind of file it is, as image/png.
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,
    /// The code to store it with; the chain's default if not given.
    #[arg(long)]
    profile: Option<String>,
    /// Epochs to pay for; the chain's default if not given.
    #[arg(long, value_name = "N")]
    lease_epochs: Option<u32>,
    #[command(flatten)]
    remote: Remote,
}

/// An upload that the node keeps until all of it is here, over several attempts and its own restarts.
struct Begun {
    upload: String,
    resume_key: String,
    received: u64,
}

/// What is still to be sent of a file.
struct Rest {
    offset: u64,
    /// Hash of the bytes before it.
    prefix: blake3::Hash,
}

impl PutArgs {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        if let Some(Err(error)) = self.label().map(|label| FileName::try_from(label.to_owned())) {
            bail!("{:?}: {error}; --name gives the file another", self.label().unwrap_or_default());
        }
        let client = Client::builder().no_proxy().build()?;
        let receipt = patiently("put", async || self.attempt(&client).await).await?;
        print_json(&receipt)
    }

    /// Sends the file; the receipt.
    async fn attempt(&self, client: &Client) -> anyhow::Result<Value> {
        let mut file =
            tokio::fs::File::open(&self.path).await.with_context(|| format!("open {}", self.path.display()))?;
        let metadata = file.metadata().await.with_context(|| format!("read {}", self.path.display()))?;
        if !metadata.is_file() {
            bail!("{} is not a file", self.path.display());
        }
        let size = metadata.len();
        let begun = match self.resume_key(&metadata) {
            Some(key) => Some(self.begin(client, key, size).await?),
            None => None,
        };
        let rest = match &begun {
            Some(begun) if begun.received > 0 => Some(rest(&mut file, begun.received, size).await?),
            _ => None,
        };
        let progress = Progress::start("put", size, begun.as_ref().map_or(0, |begun| begun.received));
        // What the node has counts where it can be asked, else what was sent.
        let counter = begun.is_none().then(|| progress.clone());
        let body = ReaderStream::with_capacity(file, CHUNK_BYTES).inspect(move |chunk| {
            if let (Ok(chunk), Some(counter)) = (chunk, &counter) {
                counter.add(chunk.len());
            }
        });
        let sending =
            self.request(client, begun.as_ref(), rest.as_ref(), size).body(reqwest::Body::wrap_stream(body)).send();
        let receipt = async {
            let response = sending.await.map_err(|error| self.broken_off(error, begun.as_ref()))?;
            success(response).await?.json::<Value>().await.map_err(|error| self.broken_off(error, begun.as_ref()))
        };
        let receipt = tokio::select! {
            receipt = receipt => receipt?,
            never = self.watch(client, begun.as_ref(), &progress) => match never {},
        };
        progress.finish();
        Ok(receipt)
    }

    /// The same for the same file stored in the same way, so that a second attempt goes on where the first broke off.
    /// None for a file that is sent again sooner than it is looked up.
    fn resume_key(&self, metadata: &std::fs::Metadata) -> Option<String> {
        if metadata.len() < RESUMABLE_FROM_BYTES {
            return None;
        }
        let path = std::fs::canonicalize(&self.path).ok()?;
        let modified = metadata.modified().ok()?;
        let terms = (self.label(), &self.profile, self.lease_epochs, &self.media_type);
        let what = format!("{path:?} {} {modified:?} {terms:?}", metadata.len());
        Some(blake3::hash(what.as_bytes()).to_hex().to_string())
    }

    /// What to do when no receipt came.
    fn broken_off(&self, error: reqwest::Error, begun: Option<&Begun>) -> anyhow::Error {
        let node = &self.remote.rpc;
        let advice = match begun {
            Some(_) => {
                format!("{node} broke off; once a node runs there again, the same command goes on where it was")
            }
            None if error.is_connect() => self.remote.unreachable(),
            None => format!(
                "{node} broke off; once a node runs there again, the same command sends the file again, and pays for it \
                 only if it was not recorded"
            ),
        };
        anyhow::Error::new(error).context(advice)
    }

    fn label(&self) -> Option<&str> {
        self.name.as_deref().or_else(|| self.path.file_name()?.to_str())
    }

    async fn begin(&self, client: &Client, resume_key: String, size: u64) -> anyhow::Result<Begun> {
        let terms = [
            ("size", Some(json!(size))),
            ("resumeKey", Some(json!(resume_key))),
            ("name", self.label().map(Into::into)),
            ("mediaType", self.media_type.as_deref().map(Into::into)),
            ("profile", self.profile.as_deref().map(Into::into)),
            ("leaseEpochs", self.lease_epochs.map(Into::into)),
        ];
        let terms: Map<String, Value> =
            terms.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let begun = self.remote.call(client, "storage_beginUpload", Value::Object(terms)).await?;
        let upload = begun["uploadId"].as_str().context("the node names no upload")?.to_owned();
        let received = begun["received"].as_u64().context("the node does not say what it has")?;
        Ok(Begun { upload, resume_key, received })
    }

    fn request(
        &self,
        client: &Client,
        begun: Option<&Begun>,
        rest: Option<&Rest>,
        size: u64,
    ) -> reqwest::RequestBuilder {
        let offset = rest.map_or(0, |rest| rest.offset);
        let request = client.put(self.remote.url("/v1/files"));
        let mut request = request.header("content-length", size.saturating_sub(offset));
        if offset > 0 {
            request = request.header("content-range", format!("bytes {offset}-{}/{size}", size.saturating_sub(1)));
        }
        if let Some(media_type) = &self.media_type {
            request = request.header("content-type", media_type);
        }
        if let Some(name) = self.label() {
            let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
            request = request.header("content-disposition", format!("attachment; filename*=UTF-8''{encoded}"));
        }
        let query = [
            self.profile.as_ref().map(|profile| ("profile", profile.clone())),
            self.lease_epochs.map(|epochs| ("leaseEpochs", epochs.to_string())),
            begun.map(|begun| ("resumeKey", begun.resume_key.clone())),
            rest.map(|rest| ("prefixHash", format!("0x{}", rest.prefix.to_hex()))),
        ];
        request.query(&query.into_iter().flatten().collect::<Vec<_>>())
    }

    /// Shows what the node says of the upload until nobody looks any more.
    async fn watch(&self, client: &Client, begun: Option<&Begun>, progress: &Progress) -> std::convert::Infallible {
        let Some(begun) = begun else { return std::future::pending().await };
        let mut ticks = tokio::time::interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // A node that does not answer now is met by the transfer itself.
            if let Ok(status) = self.remote.call(client, "storage_uploadStatus", json!([begun.upload])).await {
                progress.reach(status["received"].as_u64().unwrap_or(0));
                progress.stage(status["stage"].as_str().unwrap_or("under way"), &pieces(&status));
            }
        }
    }
}

/// Reads the file up to where the node goes on, so that the node can tell whether it has the same bytes.
async fn rest(file: &mut tokio::fs::File, received: u64, size: u64) -> anyhow::Result<Rest> {
    // A body of no bytes has no range; the last byte is sent again instead.
    let offset = received.min(size.saturating_sub(1));
    let (mut hasher, mut buffer, mut left) = (blake3::Hasher::new(), vec![0; HASH_BYTES], offset);
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(HASH_BYTES);
        let part = buffer.get_mut(..count).unwrap_or_default();
        file.read_exact(part).await.context("read the file")?;
        hasher.update(part);
        left = left.saturating_sub(u64::try_from(count).unwrap_or(left));
    }
    Ok(Rest { offset, prefix: hasher.finalize() })
}

/// How many pieces have a holder's word, once there are some.
fn pieces(status: &Value) -> String {
    match (status["piecesAcknowledged"].as_u64(), status["piecesTotal"].as_u64()) {
        (Some(here), Some(all)) if all > 0 => format!(", {here} of {all} pieces kept"),
        _ => String::new(),
    }
}
