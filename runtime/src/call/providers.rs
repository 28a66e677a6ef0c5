//! Calls of the module `providers`: joining, and changing one's record.

use crate::crypto::{AccountId, PeerKey, PeerSignature, PublicKey, peer_binding_message};
use crate::event::Event;
use crate::execute::{Rejected, Run};
use crate::genesis::SCORE_START;
use crate::rule::Rule;
use crate::snapshot::{WEIGHT_UNIT_BYTES, covered_bytes};
use crate::state::{ReadTables, StateView};
use crate::tables::{PeerNumbers, Provider, ProviderNumbers, ProviderStatus, Providers, ServiceKey};
use crate::types::{Balance, RegisterProvider, Text, UpdateProvider};

/// Most addresses of a provider.
pub(crate) const ADDRESSES_MAX: usize = 8;
/// Most service keys of a provider, the one to come included.
const SERVICE_KEYS_MAX: usize = 4;

pub(super) fn register<V: StateView>(
    run: &mut Run<'_, V>,
    signer: AccountId,
    call: &RegisterProvider,
) -> Result<(), Rejected> {
    if run.state.read::<ProviderNumbers>(&signer)?.is_some() {
        return Err(Rule::AlreadyProvider.into());
    }
    check_addresses(&call.addresses)?;
    check_capacity(run, call.declared, call.bond)?;
    check_peer(run, &signer, &call.peer_key, &call.peer_signature)?;
    let mut chain = run.chain()?;
    if chain.active_providers >= run.parameters.limits.providers {
        return Err(Rule::TooManyProviders.into());
    }
    run.change_bond(&signer, 0, call.bond)?;
    let number = chain.next_provider;
    chain.next_provider = number.checked_add(1).ok_or(Rule::Overflow)?;
    chain.active_providers = chain.active_providers.checked_add(1).ok_or(Rule::Overflow)?;
    run.set_chain(&chain);
    let record = Provider {
        number,
        account: signer,
        peer_key: call.peer_key,
        service_keys: vec![ServiceKey { key: call.service_key, from_height: run.height }],
        addresses: call.addresses.clone(),
        operator: call.operator.clone(),
        zone: call.zone.clone(),
        declared: call.declared,
        committed: 0,
        bond: call.bond,
        score: SCORE_START,
        auto_renew: call.auto_renew,
        rate: 0,
        status: ProviderStatus::Active,
    };
    run.state.write::<Providers>(&number, &record);
    run.state.write::<ProviderNumbers>(&signer, &number);
    run.state.write::<PeerNumbers>(&call.peer_key, &number);
    run.emit(Event::ProviderRegistered { number, account: signer });
    Ok(())
}

pub(super) fn update<V: StateView>(
    run: &mut Run<'_, V>,
    signer: AccountId,
    call: &UpdateProvider,
) -> Result<(), Rejected> {
    let number = run.state.read::<ProviderNumbers>(&signer)?.ok_or(Rule::NotProvider)?;
    let mut record = run.state.require::<Providers>(&number)?;
    if let Some(addresses) = &call.addresses {
        check_addresses(addresses)?;
        record.addresses.clone_from(addresses);
    }
    if call.declared.is_some() || call.bond.is_some() {
        let declared = call.declared.unwrap_or(record.declared);
        let bond = call.bond.unwrap_or(record.bond);
        if declared < record.committed {
            return Err(Rule::CapacityCommitted.into());
        }
        check_capacity(run, declared, bond)?;
        run.change_bond(&signer, record.bond, bond)?;
        (record.declared, record.bond) = (declared, bond);
    }
    if let Some((peer_key, signature)) = &call.peer
        && *peer_key != record.peer_key
    {
        check_peer(run, &signer, peer_key, signature)?;
        run.state.remove::<PeerNumbers>(&record.peer_key);
        run.state.write::<PeerNumbers>(peer_key, &number);
        record.peer_key = *peer_key;
    }
    if let Some(key) = call.service_key {
        add_service_key(run, &mut record, key)?;
    }
    record.auto_renew = call.auto_renew.unwrap_or(record.auto_renew);
    run.state.write::<Providers>(&number, &record);
    run.emit(Event::ProviderUpdated { number });
    Ok(())
}

/// The new key acts from the next block. A second one in the same block takes the place of the first, so that the key
/// in force is never pushed out by keys that are not yet.
fn add_service_key<V: StateView>(run: &Run<'_, V>, record: &mut Provider, key: PublicKey) -> Result<(), Rule> {
    let from_height = run.height.checked_add(1).ok_or(Rule::Overflow)?;
    record.service_keys.retain(|known| known.from_height < from_height);
    record.service_keys.push(ServiceKey { key, from_height });
    let surplus = record.service_keys.len().saturating_sub(SERVICE_KEYS_MAX);
    record.service_keys.drain(..surplus);
    Ok(())
}

fn check_addresses(addresses: &[Text<128>]) -> Result<(), Rule> {
    let well_formed = addresses.iter().all(|address| address.as_str().starts_with('/'));
    if well_formed && (1..=ADDRESSES_MAX).contains(&addresses.len()) { Ok(()) } else { Err(Rule::BadAddresses) }
}

/// A provider offers at least what can be drawn, and has a bond for all of it: places among the active providers are
/// few and not to be had for nothing.
fn check_capacity<V: StateView>(run: &Run<'_, V>, declared: u64, bond: Balance) -> Result<(), Rule> {
    if declared < WEIGHT_UNIT_BYTES {
        return Err(Rule::DeclaredTooSmall);
    }
    if covered_bytes(&run.parameters.staking, bond) < declared {
        return Err(Rule::BondTooSmall);
    }
    Ok(())
}

fn check_peer<V: StateView>(
    run: &Run<'_, V>,
    account: &AccountId,
    peer_key: &PeerKey,
    signature: &PeerSignature,
) -> Result<(), Rejected> {
    if run.state.read::<PeerNumbers>(peer_key)?.is_some() {
        return Err(Rule::PeerTaken.into());
    }
    let message = peer_binding_message(&run.genesis, account);
    peer_key.verify(&message, signature).map_err(|_| Rule::BadPeerSignature)?;
    Ok(())
}
