//! What the node's own account pays for: listed, made longer, given back.

use std::io::Write;

use anyhow::Context;
use clap::Args;
use pieces::FileId;
use reqwest::Client;
use serde_json::{Value, json};

use super::{Remote, print_json};

/// Arguments of commands about one file.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// The file's id.
    file: FileId,
    #[command(flatten)]
    remote: Remote,
}

/// Arguments of `extend`.
#[derive(Debug, Args)]
pub struct ExtendArgs {
    /// The file's id.
    file: FileId,
    /// Epochs to add at the end of the lease.
    #[arg(long, value_name = "N")]
    lease_epochs: u32,
    #[command(flatten)]
    remote: Remote,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The account whose files to list; the node's own if not given.
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

impl FileArgs {
    /// Calls `method` with the file, and prints the answer.
    pub(super) async fn call(self, method: &str) -> anyhow::Result<()> {
        let client = Client::builder().no_proxy().build()?;
        print_json(&self.remote.call(&client, method, json!([self.file])).await?)
    }
}

impl ExtendArgs {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let client = Client::builder().no_proxy().build()?;
        let params = json!([self.file, { "leaseEpochs": self.lease_epochs }]);
        print_json(&self.remote.call(&client, "storage_extend", params).await?)
    }
}

impl ListArgs {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let client = Client::builder().no_proxy().build()?;
        let mut cursor = Value::Null;
        loop {
            let params = json!({ "owner": self.owner, "cursor": cursor });
            let page = self.remote.call(&client, "storage_files", params).await?;
            for item in page["items"].as_array().context("the node's answer has no items")? {
                match writeln!(std::io::stdout(), "{item}") {
                    // A reader that has gone, such as `head`, is an ordinary end.
                    Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
                    written => written.context("write the answer")?,
                }
            }
            cursor = page["cursor"].clone();
            if cursor.is_null() {
                return Ok(());
            }
        }
    }
}
