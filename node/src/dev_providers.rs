//! `--dev-providers N`: providers of a development chain beyond those of its genesis, each registered by transaction.

use anyhow::{Context, bail};
use chain_spec::{ChainSpec, ChainType, ProviderSpec};
use futures::future::try_join_all;
use runtime::crypto::{AccountId, KeyPair, PeerSignature, peer_binding_message};
use runtime::state::ReadTables;
use runtime::tables::{Accounts, ProviderNumbers};
use runtime::types::{AccountsCall, Balance, Call, ProvidersCall, RegisterProvider, Text, TransferCall};

use crate::chain::Chain;
use crate::keystore::Keystore;
use crate::provider::{Provider, ProviderKeys};
use crate::submitter::Submitter;

/// Most providers in one process: each has a peer, a database and a folder of its own.
pub const DEV_PROVIDERS_MAX: u32 = 32;
/// What a new provider is given beyond its bond, to pay for its calls.
const FOR_FEES: Balance = 1_000_000_000_000;

/// How many providers of the chain this node runs: `wanted`, or those of the genesis.
pub fn count(spec: &ChainSpec, wanted: Option<u32>) -> anyhow::Result<u32> {
    let of_genesis = u32::try_from(spec.genesis.providers.len())?;
    let Some(wanted) = wanted else { return Ok(of_genesis) };
    if spec.chain_type != ChainType::Development {
        bail!("--dev-providers {wanted}: chain {} is no development chain", spec.id);
    }
    let most = DEV_PROVIDERS_MAX.min(spec.genesis.parameters.limits.providers);
    if !(of_genesis..=most).contains(&wanted) {
        bail!(
            "--dev-providers {wanted}: chain {} has {of_genesis} providers from its genesis on; the number counts them \
             and is at most {most}",
            spec.id
        );
    }
    Ok(wanted)
}

/// Has the ledger record those of `providers` that it does not know. The gateway's account pays their bonds. They are
/// drawn for new files from the next epoch on.
pub async fn register(
    spec: &ChainSpec,
    chain: &Chain,
    submitter: &Submitter,
    keystore: &Keystore,
    providers: &[Provider],
) -> anyhow::Result<()> {
    let mut new = Vec::new();
    for (index, provider) in (0u32..).zip(providers) {
        if chain.ledger().state().read::<ProviderNumbers>(&provider.account())?.is_none() {
            new.push((index, provider, ProviderKeys::development(index)?));
        }
    }
    warn_of_others(chain, u32::try_from(providers.len())?)?;
    if new.is_empty() {
        return Ok(());
    }
    let payer = keystore.gateway_account().and_then(|account| keystore.account(&account));
    let payer = payer.context("this node has no gateway account that could pay the bonds of new providers")?;
    let like = spec.genesis.providers.first().context("the chain has no provider to be like")?;
    let funded = new.iter().map(|(_, provider, _)| fund(chain, submitter, payer, provider.account(), like.bond));
    try_join_all(funded).await?;
    let registered = new.iter().map(|(index, provider, keys)| async move {
        let call = registration(chain, *index, provider, keys, like)?;
        let call = Call::Providers(ProvidersCall::Register(call));
        let landed = submitter.call(&keys.account, call).await;
        landed.with_context(|| format!("register provider {}", provider.account()))
    });
    try_join_all(registered).await?;
    let from_epoch = chain.ledger().head().header.epoch.saturating_add(1);
    tracing::info!(count = new.len(), from_epoch, "new providers are registered; they are drawn from that epoch on");
    Ok(())
}

/// Gives a provider what it lacks for its bond and its fees.
pub async fn fund(
    chain: &Chain,
    submitter: &Submitter,
    payer: &KeyPair,
    to: AccountId,
    bond: Balance,
) -> anyhow::Result<()> {
    let has = chain.ledger().state().read::<Accounts>(&to)?.unwrap_or_default().free;
    let amount = bond.saturating_add(FOR_FEES).saturating_sub(has);
    if amount > 0 {
        let call = Call::Accounts(AccountsCall::Transfer(TransferCall { to, amount }));
        submitter.call(payer, call).await.with_context(|| format!("pay the bond of provider {to}"))?;
    }
    Ok(())
}

/// An offer like the genesis providers', by an operator and in a zone of its own.
fn registration(
    chain: &Chain,
    index: u32,
    provider: &Provider,
    keys: &ProviderKeys,
    like: &ProviderSpec,
) -> anyhow::Result<RegisterProvider> {
    let message = peer_binding_message(&chain.ledger().genesis_hash(), &provider.account());
    let (peer_key, peer_signature) = PeerSignature::sign(&keys.peer_seed, &message);
    Ok(RegisterProvider {
        peer_key,
        peer_signature,
        service_key: keys.service.public_key(),
        addresses: provider.addresses()?,
        operator: Text::new(format!("operator-{index}"))?,
        zone: Text::new(format!("zone-{index}"))?,
        declared: like.declared_bytes,
        bond: like.bond,
        auto_renew: like.auto_renew,
    })
}

/// A provider that was registered by an earlier start and is not run now is missed by the files whose pieces it has.
fn warn_of_others(chain: &Chain, running: u32) -> anyhow::Result<()> {
    let state = chain.ledger().state();
    let mut others = 0u32;
    for index in running..DEV_PROVIDERS_MAX {
        let account = ProviderKeys::development(index)?.account.account();
        others += u32::from(state.read::<ProviderNumbers>(&account)?.is_some());
    }
    if others > 0 {
        let all = running.saturating_add(others);
        tracing::warn!(others, "registered providers do not run; --dev-providers {all} runs them");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
