//! Rules of leases that are extended and released.

use pieces::FileId;
use runtime::crypto::KeyPair;
use runtime::rule::Rule;
use runtime::state::ReadTables;
use runtime::tables::{FileStatus, Files, LeaseCounts, ParameterTable};
use runtime::testkit::{Simulation, key};
use runtime::types::{Balance, Call, ExtendLease, ProvidersCall, ReleaseLease, StorageCall, UpdateProvider};

use super::storage::{self, meddle};
use super::{Case, dev, fails, succeeds, with};

pub const CASES: &[Case] = &[
    (Rule::UnknownFile, || fails(&mut dev(), &key("Alice"), extend(FileId::ZERO, 1))),
    (Rule::UnknownFile, || fails(&mut dev(), &key("Alice"), release(FileId::ZERO))),
    (Rule::UnknownFile, || {
        // Dead by comparison, and not swept.
        let (mut simulation, file) = stored(with(|parameters| parameters.limits.swept_segments = 0));
        (0..11).for_each(|_| drop(simulation.next_epoch()));
        fails(&mut simulation, &key("Alice"), extend(file, 1))
    }),
    (Rule::UnknownFile, || {
        refused(dev(), |simulation, file| {
            meddle::<Files>(simulation, &file, |file| file.status = FileStatus::Lost);
            (key("Alice"), release(file))
        })
    }),
    (Rule::FileVoid, || {
        refused(dev(), |simulation, file| {
            meddle::<Files>(simulation, &file, |file| file.status = FileStatus::Void);
            (key("Alice"), extend(file, 1))
        })
    }),
    (Rule::NoLease, || refused(dev(), |_, file| (key("Bob"), extend(file, 1)))),
    (Rule::NoLease, || refused(dev(), |_, file| (key("Bob"), release(file)))),
    (Rule::NoLease, || {
        refused(dev(), |simulation, file| {
            // Given back before its first epoch began, so that nothing is left of it.
            succeeds(simulation, &key("Alice"), release(file));
            (key("Alice"), extend(file, 1))
        })
    }),
    (Rule::LeaseLength, || refused(dev(), |_, file| (key("Alice"), extend(file, 0)))),
    // Ten epochs are paid already.
    (Rule::LeaseLength, || refused(dev(), |_, file| (key("Alice"), extend(file, 10_000_000 - 9)))),
    (Rule::Overflow, || refused(dev(), |_, file| (key("Alice"), extend(file, u32::MAX)))),
    (Rule::TooManyTranches, || {
        refused(dev(), |simulation, file| {
            (0..15).for_each(|_| drop(succeeds(simulation, &key("Alice"), extend(file, 1))));
            (key("Alice"), extend(file, 1))
        })
    }),
    (Rule::PriceAboveMax, || {
        refused(dev(), |_, file| {
            let call = ExtendLease { file, lease_epochs: 1, max_price: 1 };
            (key("Alice"), Call::Storage(StorageCall::Extend(call)))
        })
    }),
    (Rule::InsufficientBalance, || {
        refused(dev(), |simulation, file| {
            meddle::<ParameterTable>(simulation, &(), |parameters| parameters.prices.byte_rate = 1 << 60);
            (key("Alice"), extend(file, 1))
        })
    }),
    (Rule::HoldersEnd, || {
        refused(dev(), |simulation, file| {
            let keys = simulation.kit.providers[1].account.clone();
            let update = UpdateProvider { auto_renew: Some(false), ..Default::default() };
            succeeds(simulation, &keys, Call::Providers(ProvidersCall::Update(update)));
            // The lease ends in epoch 11, the promise in 0 + 120 + 1 + 10.
            succeeds(simulation, &key("Alice"), extend(file, 120));
            (key("Alice"), extend(file, 1))
        })
    }),
    (Rule::TooManyLeases, || {
        refused(dev(), |simulation, file| {
            meddle::<LeaseCounts>(simulation, &file, |count| *count = 130);
            (key("Alice"), release(file))
        })
    }),
    (Rule::PriceChanged, || {
        refused(dev(), |simulation, file| {
            meddle::<ParameterTable>(simulation, &(), |parameters| parameters.prices.piece_base += 1);
            (key("Alice"), release(file))
        })
    }),
];

pub fn extend(file: FileId, lease_epochs: u32) -> Call {
    Call::Storage(StorageCall::Extend(ExtendLease { file, lease_epochs, max_price: Balance::MAX }))
}

pub fn release(file: FileId) -> Call {
    Call::Storage(StorageCall::Release(ReleaseLease { file }))
}

/// Alice pays for ten epochs of a file.
pub fn stored(mut simulation: Simulation) -> (Simulation, FileId) {
    let store = storage::file(&mut simulation, 1);
    let file = store.manifest.file_id();
    storage::stores(&mut simulation, store);
    assert_eq!(simulation.state.require::<Files>(&file).unwrap().ends, 11);
    (simulation, file)
}

fn refused(simulation: Simulation, prepare: impl FnOnce(&mut Simulation, FileId) -> (KeyPair, Call)) -> Rule {
    let (mut simulation, file) = stored(simulation);
    let (signer, call) = prepare(&mut simulation, file);
    fails(&mut simulation, &signer, call)
}
