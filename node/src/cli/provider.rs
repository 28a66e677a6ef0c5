//! `node provider`: what the ledger says of a provider.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use reqwest::Client;
use runtime::crypto::AccountId;
use serde_json::{Value, json};

use super::file::Remote;
use super::print::Output;

/// What to do with a provider.
#[derive(Debug, Subcommand)]
pub enum ProviderCommand {
    /// Show its record on the ledger, and whether it says where the provider is.
    Status(StatusArgs),
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The provider's account; the one whose peer the node is, if not given.
    account: Option<AccountId>,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    remote: Remote,
}

impl ProviderCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
        match self {
            Self::Status(args) => runtime.block_on(args.run()),
        }
    }
}

impl StatusArgs {
    async fn run(self) -> anyhow::Result<()> {
        let client = Client::builder().no_proxy().build()?;
        let peer = self.remote.call(&client, "system_localPeerId", json!([])).await?;
        let mut found = match &self.account {
            Some(account) => self.remote.call(&client, "provider_get", json!([account])).await?,
            None => self.of_peer(&client, &peer).await?,
        };
        let is_here = found["peerId"] == peer;
        if is_here {
            let listens = self.remote.call(&client, "system_localListenAddresses", json!([])).await?;
            let suffix = format!("/p2p/{}", peer.as_str().unwrap_or_default());
            let strip = |address: &Value| address.as_str().map(|text| text.trim_end_matches(&suffix).to_owned());
            let listens: Vec<String> = listens.as_array().into_iter().flatten().filter_map(strip).collect();
            found["listens"] = json!(listens);
        }
        found["isThisNode"] = json!(is_here);
        self.output.print(&found)
    }

    /// The provider with this peer, by pages of the list.
    async fn of_peer(&self, client: &Client, peer: &Value) -> anyhow::Result<Value> {
        let mut cursor = Value::Null;
        loop {
            let page = self.remote.call(client, "provider_list", json!([cursor])).await?;
            if let Some(own) = page["items"].as_array().into_iter().flatten().find(|one| one["peerId"] == *peer) {
                return Ok(own.clone());
            }
            cursor = page["cursor"].clone();
            if cursor.is_null() {
                bail!(
                    "the ledger has no provider with the peer {} of the node that answers; name the provider's account",
                    peer.as_str().unwrap_or_default()
                );
            }
        }
    }
}
