//! The laws of a state, each checked over all of its entries.

use std::collections::{BTreeMap, BTreeSet};

use runtime::state::{MemoryState, ReadTables, decode_value};
use runtime::tables::*;
use runtime::types::{Balance, Epoch};

/// All entries of a table: the key without its tag, and the value.
pub fn table<T: Table>(state: &MemoryState) -> Vec<(Vec<u8>, T::Value)> {
    let of_table = state.entries().filter(|(key, _)| key[0] == T::TAG);
    of_table.map(|(key, value)| (key[1..].to_vec(), decode_value::<T>(value).unwrap())).collect()
}

/// Checks every law; `epoch` is the epoch of the block that the state is after.
pub fn check(state: &MemoryState, epoch: Epoch) {
    supply_is_conserved(state);
    bonds_are_reserved(state);
    escrow_is_what_providers_will_earn(state, epoch);
    committed_is_what_will_be_freed(state);
    pieces_are_committed(state, epoch);
    slots_are_dense(state);
    ends_are_queued_once(state);
    leases_are_counted(state);
    files_end_with_their_last_lease(state, epoch);
    providers_are_found(state);
}

pub fn supply_is_conserved(state: &MemoryState) {
    let chain = state.require::<ChainState>(&()).unwrap();
    let accounts: Balance = table::<Accounts>(state).iter().map(|(_, account)| account.free + account.reserved).sum();
    assert_eq!(accounts + chain.escrow + chain.repair_fund + chain.treasury, chain.supply);
}

pub fn bonds_are_reserved(state: &MemoryState) {
    let mut bonds: BTreeMap<Vec<u8>, Balance> = BTreeMap::new();
    for (_, provider) in table::<Providers>(state) {
        *bonds.entry(provider.account.as_bytes().to_vec()).or_default() += provider.bond;
    }
    for (account, validator) in table::<Validators>(state) {
        *bonds.entry(account).or_default() += validator.bond;
    }
    for (id, account) in table::<Accounts>(state) {
        assert_eq!(account.reserved, bonds.get(&id).copied().unwrap_or(0));
    }
}

fn rates_of(state: &MemoryState, provider: u32) -> Vec<(Epoch, RateChange)> {
    let mut rates = Vec::new();
    for (key, change) in table::<Rates>(state) {
        if key[4..] == provider.to_be_bytes() {
            rates.push((Epoch::from_be_bytes(key[..4].try_into().unwrap()), change));
        }
    }
    rates
}

/// Escrow = sum over all providers of what each epoch from this one on will pay.
pub fn escrow_is_what_providers_will_earn(state: &MemoryState, epoch: Epoch) {
    let mut owed: Balance = 0;
    for (_, provider) in table::<Providers>(state) {
        let (mut rate, mut from) = (provider.rate, epoch);
        for (at, change) in rates_of(state, provider.number) {
            assert!(at > epoch, "a bucket of a past epoch is left over");
            owed += rate * Balance::from(at - from);
            rate = (rate + change.add).checked_sub(change.sub).expect("no rate below zero");
            from = at;
        }
        assert_eq!(rate, 0, "every lease ends");
    }
    assert_eq!(owed, state.require::<ChainState>(&()).unwrap().escrow);
}

pub fn committed_is_what_will_be_freed(state: &MemoryState) {
    for (_, provider) in table::<Providers>(state) {
        let freed: u64 = rates_of(state, provider.number).iter().map(|(_, change)| change.freed_bytes).sum();
        assert_eq!(provider.committed, freed);
        assert!(provider.committed <= provider.declared);
    }
}

/// Every piece of a live file is among its holder's committed bytes until its last lease ends, and has one holder.
pub fn pieces_are_committed(state: &MemoryState, epoch: Epoch) {
    let mut held: BTreeMap<u32, u64> = BTreeMap::new();
    let files: BTreeMap<_, _> = table::<Files>(state).into_iter().collect();
    let mut seen = BTreeSet::new();
    for (key, segment) in table::<Segments>(state) {
        assert!(seen.insert(key.clone()), "one entry a segment");
        let file = &files[&key[..32]];
        assert_eq!(segment.holders.len(), usize::from(file.code.n));
        assert_eq!(segment.piece_hashes.len(), usize::from(file.code.n));
        if file.ends > epoch {
            for holder in &segment.holders {
                assert!(holder.until_epoch >= file.ends);
                *held.entry(holder.provider).or_default() += file.code.piece_bytes(segment.len);
            }
        }
    }
    for (number, bytes) in held {
        assert!(bytes <= state.require::<Providers>(&number).unwrap().committed);
    }
}

pub fn slots_are_dense(state: &MemoryState) {
    let chain = state.require::<ChainState>(&()).unwrap();
    let slots = table::<Slots>(state);
    assert_eq!(slots.len() as u64, chain.slots);
    assert_eq!(slots.len(), table::<Segments>(state).len());
    for (expected, (key, segment)) in (0u64..).zip(slots) {
        assert_eq!(key, expected.to_be_bytes());
        assert_eq!(state.require::<Segments>(&segment).unwrap().table_slot, expected);
    }
}

pub fn ends_are_queued_once(state: &MemoryState) {
    let queued: BTreeSet<_> = table::<Ends>(state).into_iter().map(|(key, ())| key).collect();
    let files = table::<Files>(state);
    let expected: BTreeSet<_> =
        files.iter().map(|(id, file)| [&file.ends.to_be_bytes(), id.as_slice()].concat()).collect();
    assert_eq!(queued, expected);
}

pub fn leases_are_counted(state: &MemoryState) {
    let mut counted: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
    let files: BTreeMap<_, _> = table::<Files>(state).into_iter().collect();
    for (key, lease) in table::<Leases>(state) {
        *counted.entry(key[..32].to_vec()).or_default() += 1;
        let file = &files[&key[..32]];
        assert!(lease.tranches.iter().all(|tranche| tranche.from < tranche.to && tranche.to <= file.ends));
        assert!(lease.tranches.is_sorted_by(|a, b| a.to <= b.from) && lease.tranches.len() <= 16);
    }
    let counts: BTreeMap<_, _> = table::<LeaseCounts>(state).into_iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counts, counted);
}

/// A file that is alive lives as long as its longest lease, or through this epoch if all were given back.
pub fn files_end_with_their_last_lease(state: &MemoryState, epoch: Epoch) {
    let mut last: BTreeMap<Vec<u8>, Epoch> = BTreeMap::new();
    for (key, lease) in table::<Leases>(state) {
        let end = last.entry(key[..32].to_vec()).or_default();
        *end = lease.tranches.last().map_or(*end, |tranche| tranche.to.max(*end));
    }
    for (id, file) in table::<Files>(state).into_iter().filter(|(_, file)| file.ends > epoch) {
        assert_eq!(file.ends, last.get(&id).copied().unwrap_or(0).max(epoch + 1));
    }
}

pub fn providers_are_found(state: &MemoryState) {
    let chain = state.require::<ChainState>(&()).unwrap();
    let providers = table::<Providers>(state);
    assert_eq!(u32::try_from(providers.len()).unwrap(), chain.active_providers);
    assert_eq!(table::<PeerNumbers>(state).len(), providers.len());
    assert_eq!(table::<ProviderNumbers>(state).len(), providers.len());
    for (_, provider) in providers {
        assert!(provider.number < chain.next_provider);
        assert_eq!(state.read::<ProviderNumbers>(&provider.account).unwrap(), Some(provider.number));
        assert_eq!(state.read::<PeerNumbers>(&provider.peer_key).unwrap(), Some(provider.number));
    }
}
