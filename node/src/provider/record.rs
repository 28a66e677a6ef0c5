//! A provider of a network gets into the ledger, and stays there with its addresses.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use runtime::WEIGHT_UNIT_BYTES;
use runtime::crypto::{KeyPair, PeerSignature, PublicKey, peer_binding_message};
use runtime::state::ReadTables;
use runtime::tables::{Accounts, ProviderNumbers, Providers};
use runtime::types::{Call, ProvidersCall, RegisterProvider, Text, UpdateProvider};
use zeroize::Zeroizing;

use crate::chain::Chain;
use crate::dev_providers::fund;
use crate::provider::WatchedAddresses;
use crate::submitter::Submitter;
use crate::sync::Sync;

/// How long after an attempt that failed the next one comes: the chain may stand still, or the account be empty. New
/// addresses are recorded as long after they are known.
const RETRY: Duration = Duration::from_secs(5);

/// What a provider offers to the network.
pub struct Offer {
    /// Who is paid.
    pub account: KeyPair,
    /// Signs commitments.
    pub service_key: PublicKey,
    /// Seed of the peer's key.
    pub peer_seed: Zeroizing<[u8; 32]>,
    /// Where others reach it.
    pub addresses: WatchedAddresses,
    /// Who runs it.
    pub operator: Text<64>,
    /// Where it stands.
    pub zone: Text<64>,
    /// Bytes that it offers when it registers.
    pub declared: u64,
    /// Pays its bond if it cannot, on chains whose accounts anybody can sign for.
    pub payer: Option<KeyPair>,
}

/// Registers the provider if the ledger does not know it, and has its addresses recorded whenever they are others. Tries
/// until it has succeeded; says why not when the reason changes.
pub async fn keep_recorded(chain: Arc<Chain>, submitter: Arc<Submitter>, sync: Sync, mut offer: Offer) {
    let account = offer.account.account();
    let mut said = String::new();
    loop {
        sync.caught_up().await;
        let wait_for_change = match record(&chain, &submitter, &mut offer).await {
            Ok(()) => {
                tracing::info!(provider = %account, "the ledger has this provider and its addresses");
                said.clear();
                true
            }
            Err(error) => {
                let why = format!("{error:#}");
                if why != said {
                    tracing::warn!(provider = %account, why, "not recorded as it should be; trying again");
                    said = why;
                }
                false
            }
        };
        let next = async {
            if wait_for_change {
                offer.addresses.changed().await;
            }
            // Addresses that are found out come one after the other.
            tokio::time::sleep(RETRY).await;
        };
        tokio::select! {
            () = next => {}
            () = chain.stopped() => return,
        }
    }
}

async fn record(chain: &Chain, submitter: &Submitter, offer: &mut Offer) -> anyhow::Result<()> {
    let account = offer.account.account();
    let genesis = chain.ledger().genesis_hash();
    let (peer_key, peer_signature) = PeerSignature::sign(&offer.peer_seed, &peer_binding_message(&genesis, &account));
    let addresses = offer.addresses.now()?;
    let state = chain.ledger().state();
    let call = match state.read::<ProviderNumbers>(&account)? {
        Some(number) => {
            let recorded = state.require::<Providers>(&number)?;
            let is_served = recorded.service_keys.iter().any(|known| known.key == offer.service_key);
            let update = UpdateProvider {
                peer: (recorded.peer_key != peer_key).then_some((peer_key, peer_signature)),
                service_key: (!is_served).then_some(offer.service_key),
                addresses: (recorded.addresses != addresses).then_some(addresses),
                ..UpdateProvider::default()
            };
            if update == UpdateProvider::default() {
                return Ok(());
            }
            ProvidersCall::Update(update)
        }
        None => {
            let staking = chain.parameters()?.staking;
            let bond = staking.bond_per_byte.saturating_mul(offer.declared.into());
            if let Some(payer) = &offer.payer {
                fund(chain, submitter, payer, account, bond).await?;
            }
            let free = chain.ledger().state().read::<Accounts>(&account)?.unwrap_or_default().free;
            anyhow::ensure!(
                free > bond,
                "{account} has {free}, and the bond for {} bytes is {bond} beside fees; send it more, or offer less \
                 with --storage-quota",
                offer.declared
            );
            ProvidersCall::Register(RegisterProvider {
                peer_key,
                peer_signature,
                service_key: offer.service_key,
                addresses,
                operator: offer.operator.clone(),
                zone: offer.zone.clone(),
                declared: offer.declared,
                bond,
                auto_renew: true,
            })
        }
    };
    let what = if matches!(call, ProvidersCall::Update(_)) { "update" } else { "register" };
    submitter
        .call(&offer.account, Call::Providers(call))
        .await
        .with_context(|| format!("{what} provider {account}"))?;
    Ok(())
}

/// Bytes that a provider offers: its quota, or what is free on the disk, in whole units of weight.
pub fn offered(quota: Option<u64>, folder: &Path) -> anyhow::Result<u64> {
    let bytes = match quota {
        Some(bytes) => bytes,
        None => fs4::available_space(folder).with_context(|| format!("see what is free at {}", folder.display()))?,
    };
    Ok((bytes / WEIGHT_UNIT_BYTES).max(1).saturating_mul(WEIGHT_UNIT_BYTES))
}
