//! Rules of files and their leases.

use pieces::FileManifest;
use runtime::crypto::{KeyPair, Signature};
use runtime::event::Event;
use runtime::rule::Rule;
use runtime::state::{MemoryState, Overlay, ReadTables};
use runtime::tables::{FileStatus, Files, ProviderStatus, Providers, Table};
use runtime::testkit::{Kit, SeededRng, Simulation, dev_parameters, key, manifest};
use runtime::types::{Call, ProvidersCall, SignedIntent, StorageCall, Store, UpdateProvider, UploadIntent};

use super::{Case, dev, fails, succeeds, with};

pub const CASES: &[Case] = &[
    (Rule::BadVersion, || intending(|intent| intent.version = 2)),
    (Rule::WrongGenesis, || intending(|intent| intent.genesis = runtime::types::BlockHash::ZERO)),
    (Rule::NotOwner, || intending(|intent| intent.owner = key("Bob").account())),
    (Rule::StoreTooLate, || intending(|intent| intent.store_by_ms = runtime::testkit::GENESIS_MS)),
    (Rule::UnknownSnapshot, || intending(|intent| intent.snapshot_epoch = 1)),
    (Rule::SnapshotTooOld, snapshot_too_old),
    (Rule::LeaseLength, || intending(|intent| intent.lease_epochs = 0)),
    (Rule::LeaseLength, || intending(|intent| intent.lease_epochs = 10_000_001)),
    (Rule::Overflow, || {
        let mut simulation = with(|parameters| parameters.prices.max_lease_epochs = u32::MAX);
        spoiling(&mut simulation, |store| store.intent.intent.lease_epochs = u32::MAX)
    }),
    (Rule::UnknownProfile, || intending(|intent| intent.code.n = 5)),
    (Rule::BadManifest, || spoiling(&mut dev(), |store| store.manifest.segments[0].len += 1)),
    (Rule::BadManifest, || spoiling(&mut dev(), |store| store.manifest.code.n = 8)),
    (Rule::FileTooLarge, || intending(|intent| intent.max_bytes -= 1)),
    (Rule::FileTooLarge, || {
        let mut simulation = with(|parameters| {
            parameters.profiles[0].max_segments = 1;
            parameters.limits.piece_bytes = 65_536;
        });
        spoiling(&mut simulation, |_| {})
    }),
    (Rule::PriceAboveMax, || intending(|intent| intent.max_price = 0)),
    (Rule::BadSignature, || spoiling_after(&mut dev(), |store| store.intent.signature = Signature::ZERO)),
    (Rule::DealNonceUsed, || {
        let mut simulation = dev();
        let first = file(&mut simulation, 1);
        stores(&mut simulation, first);
        let second = file(&mut simulation, 2);
        fails(&mut simulation, &key("Alice"), call(second))
    }),
    (Rule::DealNonceOutOfWindow, || intending(|intent| intent.deal_nonce = 128)),
    (Rule::InsufficientBalance, || {
        let mut simulation = with(|parameters| parameters.prices.byte_rate = 1 << 60);
        spoiling(&mut simulation, |_| {})
    }),
    (Rule::NoCapacity, no_capacity),
    (Rule::MissingCommitment, || spoiling(&mut dev(), |store| store.holders.clear())),
    (Rule::MissingCommitment, || spoiling(&mut dev(), |store| store.holders[0].truncate(3))),
    (Rule::SlotTwice, || spoiling(&mut dev(), |store| store.holders[0][1].slot = 0)),
    (Rule::UnknownSlot, || spoiling(&mut dev(), |store| store.holders[0][1].slot = 8)),
    (Rule::BadCommitment, || spoiling(&mut dev(), |store| store.holders[0][1].signature = Signature::ZERO)),
    (Rule::BadCommitment, || spoiling(&mut dev(), |store| store.holders[0].swap(0, 1))),
    (Rule::BadCommitment, another_deal),
    (Rule::BadCommitment, another_service_key),
    (Rule::ProviderFull, provider_full),
    (Rule::ProviderNotActive, provider_not_active),
    (Rule::AlreadyStored, || {
        let mut simulation = dev();
        let first = file(&mut simulation, 1);
        stores(&mut simulation, first);
        let mut again = file(&mut simulation, 1);
        resign(&mut again, |intent| intent.deal_nonce = 1);
        fails(&mut simulation, &key("Alice"), call(again))
    }),
    (Rule::AlreadyStored, || {
        // The very same Store: this says more than that its deal nonce is used.
        let mut simulation = dev();
        let first = file(&mut simulation, 1);
        stores(&mut simulation, first.clone());
        fails(&mut simulation, &key("Alice"), call(first))
    }),
    (Rule::HoldersNotEmpty, || {
        let mut simulation = dev();
        let first = file(&mut simulation, 1);
        let again = file_of(&mut simulation, &key("Bob"), 1);
        stores(&mut simulation, first);
        fails(&mut simulation, &key("Bob"), call(again))
    }),
    (Rule::HoldersEnd, holders_end),
    (Rule::FileVoid, file_void),
];

pub fn call(store: Store) -> Call {
    Call::Storage(StorageCall::Store(store))
}

/// Alice's Store of a file of one segment.
pub fn file(simulation: &mut Simulation, seed: u64) -> Store {
    file_of(simulation, &key("Alice"), seed)
}

pub fn file_of(simulation: &mut Simulation, owner: &KeyPair, seed: u64) -> Store {
    let manifest = small(simulation, seed);
    let Simulation { kit, state, head } = simulation;
    let intent = kit.intent(owner, 0, &manifest, 10, head);
    kit.store(state, owner, intent, manifest)
}

pub fn small(simulation: &Simulation, seed: u64) -> FileManifest {
    let parameters = &simulation.kit.genesis.parameters;
    manifest(parameters.profiles[0].code, 1_000_000, parameters.limits.piece_bytes, seed)
}

pub fn stores(simulation: &mut Simulation, store: Store) -> Vec<Event> {
    succeeds(simulation, &key("Alice"), call(store))
}

/// Changes the intent and signs it again as its owner.
pub fn resign(store: &mut Store, edit: impl FnOnce(&mut UploadIntent)) {
    let mut intent = store.intent.intent.clone();
    edit(&mut intent);
    store.intent = intent.sign(&key("Alice"), SeededRng::new(2));
}

fn intending(edit: impl FnOnce(&mut UploadIntent)) -> Rule {
    spoiling(&mut dev(), |store| edit(&mut store.intent.intent))
}

/// Alice's Store with one thing wrong; the intent is signed as it is then.
fn spoiling(simulation: &mut Simulation, edit: impl FnOnce(&mut Store)) -> Rule {
    let mut store = file(simulation, 1);
    edit(&mut store);
    resign(&mut store, |_| {});
    fails(simulation, &key("Alice"), call(store))
}

fn spoiling_after(simulation: &mut Simulation, edit: impl FnOnce(&mut Store)) -> Rule {
    let mut store = file(simulation, 1);
    edit(&mut store);
    fails(simulation, &key("Alice"), call(store))
}

/// Changes the state behind the rules' back, where no call of this version does.
pub fn meddle<T: Table>(simulation: &mut Simulation, key: &T::Key, edit: impl FnOnce(&mut T::Value)) {
    let mut value = simulation.state.require::<T>(key).unwrap();
    edit(&mut value);
    let empty = MemoryState::default();
    let mut overlay = Overlay::new(&empty);
    overlay.write::<T>(key, &value);
    simulation.state.apply(&overlay.finish().unwrap());
}

fn snapshot_too_old() -> Rule {
    let mut simulation = with(|parameters| parameters.placement.placement_epochs = 1);
    let store = file(&mut simulation, 1);
    simulation.next_epoch();
    simulation.next_epoch();
    fails(&mut simulation, &key("Alice"), call(store))
}

fn no_capacity() -> Rule {
    let mut simulation = Simulation::new(Kit::new(dev_parameters(), 0, 1));
    let manifest = small(&simulation, 1);
    let Simulation { kit, head, .. } = &mut simulation;
    let intent = kit.intent(&key("Alice"), 0, &manifest, 10, head);
    let mut store = kit.share(&key("Alice"), intent, manifest);
    store.holders = vec![vec![runtime::types::Holder { slot: 0, signature: Signature::ZERO }; 4]];
    fails(&mut simulation, &key("Alice"), call(store))
}

/// Commitments of the same pieces by the same providers, but for Alice's next deal.
fn another_deal() -> Rule {
    let mut simulation = dev();
    let mut store = file(&mut simulation, 1);
    let Simulation { kit, state, head } = &mut simulation;
    let next = kit.intent(&key("Alice"), 1, &store.manifest, 10, head);
    store.holders = kit.promises(state, &store.intent.intent, &next, &store.manifest);
    fails(&mut simulation, &key("Alice"), call(store))
}

/// Commitments under a key that the provider has replaced.
fn another_service_key() -> Rule {
    let mut simulation = dev();
    let store = file(&mut simulation, 1);
    let keys = simulation.kit.providers[0].account.clone();
    let update = UpdateProvider { service_key: Some(key("new").public_key()), ..Default::default() };
    succeeds(&mut simulation, &keys, Call::Providers(ProvidersCall::Update(update)));
    fails(&mut simulation, &key("Alice"), call(store))
}

/// Eight pieces of 64 MiB fit half a GiB; the seventeenth does not fit one.
fn provider_full() -> Rule {
    let mut simulation = dev();
    let shrink = UpdateProvider { declared: Some(1 << 30), ..Default::default() };
    for keys in simulation.kit.providers.clone() {
        succeeds(&mut simulation, &keys.account, Call::Providers(ProvidersCall::Update(shrink.clone())));
    }
    simulation.next_epoch();
    let parameters = simulation.kit.genesis.parameters.clone();
    let manifest = manifest(parameters.profiles[0].code, 17 << 27, parameters.limits.piece_bytes, 1);
    let Simulation { kit, state, head } = &mut simulation;
    let intent = kit.intent(&key("Alice"), 0, &manifest, 10, head);
    let store = kit.store(state, &key("Alice"), intent, manifest);
    fails(&mut simulation, &key("Alice"), call(store))
}

fn provider_not_active() -> Rule {
    let mut simulation = dev();
    let store = file(&mut simulation, 1);
    meddle::<Providers>(&mut simulation, &2, |provider| provider.status = ProviderStatus::Withdrawing);
    fails(&mut simulation, &key("Alice"), call(store))
}

fn file_void() -> Rule {
    let mut simulation = dev();
    let store = file(&mut simulation, 1);
    let id = store.manifest.file_id();
    stores(&mut simulation, store);
    meddle::<Files>(&mut simulation, &id, |file| file.status = FileStatus::Void);
    let manifest = small(&simulation, 1);
    let Simulation { kit, head, .. } = &mut simulation;
    let intent = kit.intent(&key("Bob"), 0, &manifest, 10, head);
    let share = kit.share(&key("Bob"), intent, manifest);
    fails(&mut simulation, &key("Bob"), call(share))
}

/// Bob wants the file for longer than a holder who does not renew has promised.
fn holders_end() -> Rule {
    let mut simulation = dev();
    let keys = simulation.kit.providers[1].account.clone();
    let update = UpdateProvider { auto_renew: Some(false), ..Default::default() };
    succeeds(&mut simulation, &keys, Call::Providers(ProvidersCall::Update(update)));
    let store = file(&mut simulation, 1);
    stores(&mut simulation, store);
    let manifest = small(&simulation, 1);
    let Simulation { kit, head, .. } = &mut simulation;
    // Signed until 0 + 120 + 1 + 10.
    let intent = kit.intent(&key("Bob"), 0, &manifest, 131, head);
    let share = kit.share(&key("Bob"), intent, manifest);
    fails(&mut simulation, &key("Bob"), call(share))
}

#[test]
fn a_lease_up_to_the_promised_epoch_needs_nobody_to_renew() {
    let mut simulation = dev();
    for keys in simulation.kit.providers.clone() {
        let update = UpdateProvider { auto_renew: Some(false), ..Default::default() };
        succeeds(&mut simulation, &keys.account, Call::Providers(ProvidersCall::Update(update)));
    }
    let store = file(&mut simulation, 1);
    stores(&mut simulation, store);
    let manifest = small(&simulation, 1);
    let Simulation { kit, head, .. } = &mut simulation;
    let intent = kit.intent(&key("Bob"), 0, &manifest, 130, head);
    let share = kit.share(&key("Bob"), intent, manifest);
    succeeds(&mut simulation, &key("Bob"), call(share));
    crate::laws::check(&simulation.state, simulation.head.epoch);
}

#[test]
fn a_lost_file_is_founded_anew() {
    let mut simulation = dev();
    let store = file(&mut simulation, 1);
    let id = store.manifest.file_id();
    stores(&mut simulation, store);
    meddle::<Files>(&mut simulation, &id, |file| file.status = FileStatus::Lost);
    let store = file_of(&mut simulation, &key("Bob"), 1);
    succeeds(&mut simulation, &key("Bob"), call(store));
    let file = simulation.state.require::<Files>(&id).unwrap();
    assert_eq!(file.status, FileStatus::Alive);
    crate::laws::check(&simulation.state, simulation.head.epoch);
}

#[test]
fn an_intent_is_good_wrapped_as_wallets_do() {
    let mut simulation = dev();
    let mut store = file(&mut simulation, 1);
    let wrapped = runtime::types::account_payload_wrapped(&store.intent.intent.payload());
    let signature = key("Alice").sign(runtime::crypto::Purpose::Account, &wrapped, SeededRng::new(3));
    store.intent = SignedIntent { signature, ..store.intent };
    stores(&mut simulation, store);
}
