//! Uploads that the node knows: listed, given up.

use anyhow::Context;
use clap::Args;
use reqwest::Client;
use serde_json::{Value, json};

use super::Remote;
use crate::cli::print::line;

/// Arguments of `uploads`.
#[derive(Debug, Args)]
pub struct UploadsArgs {
    #[command(flatten)]
    remote: Remote,
}

/// Arguments of `cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The upload's id, as `node file uploads` shows it.
    upload: String,
    #[command(flatten)]
    remote: Remote,
}

impl UploadsArgs {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let client = Client::builder().no_proxy().build()?;
        let mut cursor = Value::Null;
        loop {
            let page = self.remote.call(&client, "storage_uploads", json!({ "cursor": cursor })).await?;
            for item in page["items"].as_array().context("the node's answer has no items")? {
                line(&item.to_string())?;
            }
            cursor = page["cursor"].clone();
            if cursor.is_null() {
                return Ok(());
            }
        }
    }
}

impl CancelArgs {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let client = Client::builder().no_proxy().build()?;
        self.remote.call(&client, "storage_cancelUpload", json!([self.upload])).await?;
        line(&format!("upload {} is given up", self.upload))
    }
}
