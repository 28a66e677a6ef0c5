//! Rules of providers.

use runtime::crypto::{KeyPair, PeerSignature};
use runtime::rule::Rule;
use runtime::testkit::{DECLARED, ProviderKeys, Simulation, key, manifest};
use runtime::types::{Balance, BlockHash, Call, ProvidersCall, RegisterProvider, Text, UpdateProvider};

use super::{Case, dev, fails, succeeds, with};

pub const CASES: &[Case] = &[
    (Rule::AlreadyProvider, || {
        let mut simulation = dev();
        let keys = simulation.kit.providers[0].clone();
        let call = keys.register(&simulation.kit.genesis_hash);
        fails(&mut simulation, &keys.account, register(call))
    }),
    (Rule::NotProvider, || fails(&mut dev(), &key("Alice"), update(UpdateProvider::default()))),
    (Rule::PeerTaken, || {
        let mut keys = ProviderKeys::new(4);
        keys.peer_secret = ProviderKeys::new(0).peer_secret;
        registering(&mut dev(), &keys, |_| {})
    }),
    (Rule::PeerTaken, || {
        let mut simulation = dev();
        let [first, second] = [0, 1].map(|index| simulation.kit.providers[index].clone());
        let as_first = ProviderKeys { peer_secret: first.peer_secret, ..second.clone() };
        let call = as_first.register(&simulation.kit.genesis_hash);
        let peer = Some((call.peer_key, call.peer_signature));
        fails(&mut simulation, &second.account, update(UpdateProvider { peer, ..Default::default() }))
    }),
    (Rule::BadPeerSignature, || {
        registering(&mut dev(), &ProviderKeys::new(4), |call| call.peer_signature = PeerSignature::ZERO)
    }),
    (Rule::BadPeerSignature, || {
        // Signed for another chain.
        let elsewhere = ProviderKeys::new(4).register(&BlockHash::ZERO).peer_signature;
        registering(&mut dev(), &ProviderKeys::new(4), |call| call.peer_signature = elsewhere)
    }),
    (Rule::BadAddresses, || registering(&mut dev(), &ProviderKeys::new(4), |call| call.addresses.clear())),
    (Rule::BadAddresses, || {
        registering(&mut dev(), &ProviderKeys::new(4), |call| {
            call.addresses = vec![Text::new("/ip4/1.2.3.4").unwrap(); 9]
        })
    }),
    (Rule::BadAddresses, || {
        registering(&mut dev(), &ProviderKeys::new(4), |call| call.addresses = vec![Text::new("ip4").unwrap()])
    }),
    (Rule::BadAddresses, || updating(&mut dev(), UpdateProvider { addresses: Some(Vec::new()), ..Default::default() })),
    (Rule::DeclaredTooSmall, || registering(&mut dev(), &ProviderKeys::new(4), |call| call.declared = (1 << 30) - 1)),
    (Rule::BondTooSmall, || registering(&mut dev(), &ProviderKeys::new(4), |call| call.bond -= 1)),
    (Rule::BondTooSmall, || {
        updating(&mut dev(), UpdateProvider { declared: Some(DECLARED + 1), ..Default::default() })
    }),
    (Rule::InsufficientBalance, || registering(&mut dev(), &ProviderKeys::new(4), |call| call.bond = 1 << 100)),
    (Rule::InsufficientBalance, || updating(&mut dev(), UpdateProvider { bond: Some(1 << 100), ..Default::default() })),
    (Rule::TooManyProviders, || {
        registering(&mut with(|parameters| parameters.limits.providers = 4), &ProviderKeys::new(4), |_| {})
    }),
    (Rule::CapacityCommitted, || {
        let mut simulation = dev();
        let (size, piece_bytes_max) = (20 << 27, simulation.kit.genesis.parameters.limits.piece_bytes);
        let manifest = manifest(simulation.kit.genesis.parameters.profiles[0].code, size, piece_bytes_max, 0);
        let Simulation { kit, state, head } = &mut simulation;
        let intent = kit.intent(&key("Alice"), 0, &manifest, 1, head);
        let store = kit.store(state, &key("Alice"), intent, manifest);
        super::storage::stores(&mut simulation, store);
        updating(&mut simulation, UpdateProvider { declared: Some(1 << 30), ..Default::default() })
    }),
];

fn register(call: RegisterProvider) -> Call {
    Call::Providers(ProvidersCall::Register(call))
}

fn update(call: UpdateProvider) -> Call {
    Call::Providers(ProvidersCall::Update(call))
}

/// Registers `keys` with one thing wrong.
fn registering(simulation: &mut Simulation, keys: &ProviderKeys, edit: impl FnOnce(&mut RegisterProvider)) -> Rule {
    fund(simulation, &keys.account);
    let mut call = keys.register(&simulation.kit.genesis_hash);
    edit(&mut call);
    fails(simulation, &keys.account, register(call))
}

fn updating(simulation: &mut Simulation, call: UpdateProvider) -> Rule {
    let keys = simulation.kit.providers[0].account.clone();
    fails(simulation, &keys, update(call))
}

fn fund(simulation: &mut Simulation, pair: &KeyPair) {
    let call = Call::Accounts(runtime::types::AccountsCall::Transfer(runtime::types::TransferCall {
        to: pair.account(),
        amount: 2 * Balance::from(DECLARED),
    }));
    succeeds(simulation, &key("Alice"), call);
}

#[test]
fn a_provider_joins_and_changes_its_record() {
    use runtime::state::ReadTables;
    use runtime::tables::Providers;
    let mut simulation = dev();
    let keys = ProviderKeys::new(4);
    fund(&mut simulation, &keys.account);
    let call = keys.register(&simulation.kit.genesis_hash);
    succeeds(&mut simulation, &keys.account, register(call));
    let joined = simulation.state.require::<Providers>(&4).unwrap();
    assert_eq!((joined.number, joined.account, joined.committed, joined.score), (4, keys.account.account(), 0, 1000));
    let moved = ProviderKeys { peer_secret: [9; 32], ..keys.clone() }.register(&simulation.kit.genesis_hash);
    let new_key = key("another service key").public_key();
    let call = UpdateProvider {
        peer: Some((moved.peer_key, moved.peer_signature)),
        service_key: Some(new_key),
        addresses: Some(vec![Text::new("/dns/example.org").unwrap()]),
        declared: Some(1 << 30),
        bond: Some(1 << 30),
        auto_renew: Some(false),
    };
    succeeds(&mut simulation, &keys.account, update(call));
    let height = simulation.head.height;
    let changed = simulation.state.require::<Providers>(&4).unwrap();
    assert_eq!((changed.peer_key, changed.declared, changed.bond), (moved.peer_key, 1 << 30, 1 << 30));
    assert!(!changed.auto_renew);
    // The new key acts from the next block, the old one until then.
    assert_eq!(changed.service_key_at(height), Some(keys.service.public_key()));
    assert_eq!(changed.service_key_at(height + 1), Some(new_key));
    crate::laws::check(&simulation.state, simulation.head.epoch);
    // The old peer is free for somebody else, the new one is not.
    let other = ProviderKeys { peer_secret: keys.peer_secret, ..ProviderKeys::new(5) };
    fund(&mut simulation, &other.account);
    let call = other.register(&simulation.kit.genesis_hash);
    succeeds(&mut simulation, &other.account, register(call));
}

#[test]
fn the_key_in_force_outlasts_keys_to_come() {
    use runtime::state::ReadTables;
    use runtime::tables::Providers;
    let mut simulation = dev();
    let keys = simulation.kit.providers[0].clone();
    let update_to =
        |label: &str| update(UpdateProvider { service_key: Some(key(label).public_key()), ..Default::default() });
    // Six in one block: the last of them comes, the one in force stays.
    let nonce = simulation.nonce(&keys.account);
    let transactions: Vec<_> =
        (0..6).map(|i| simulation.kit.sign(&keys.account, nonce + i, update_to(&format!("key {i}")))).collect();
    simulation.block(&transactions);
    let record = simulation.state.require::<Providers>(&0).unwrap();
    assert_eq!(record.service_keys.len(), 2);
    assert_eq!(record.service_key_at(simulation.head.height), Some(keys.service.public_key()));
    // One a block: the oldest of more than four go.
    for i in 6..12 {
        succeeds(&mut simulation, &keys.account, update_to(&format!("key {i}")));
    }
    let record = simulation.state.require::<Providers>(&0).unwrap();
    assert_eq!(record.service_keys.len(), 4);
    assert_eq!(record.service_key_at(simulation.head.height + 1), Some(key("key 11").public_key()));
}
