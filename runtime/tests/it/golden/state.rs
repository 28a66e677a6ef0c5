//! Golden files of the state: a key and a value of every table, and a genesis.

use std::collections::BTreeSet;

use pieces::PieceHash;
use runtime::genesis::Genesis;
use runtime::state::{decode_value, encode_value};
use runtime::tables::*;
use runtime::testkit::{Kit, dev_parameters};
use runtime::types::{BeaconValue, DealId};

use super::Golden;
use super::samples::*;

/// An entry: its key, its value with the version byte, which must also decode to the same.
struct Entries {
    golden: Golden,
    seen: BTreeSet<u8>,
}

impl Entries {
    fn entry<T: Table>(&mut self, key: T::Key, value: T::Value)
    where
        T::Value: PartialEq,
    {
        let bytes = encode_value(&value);
        assert!(decode_value::<T>(&bytes).unwrap() == value, "{}", T::NAME);
        self.golden.bytes(&format!("{}-key", T::NAME), T::key(&key));
        self.golden.bytes(&format!("{}-value", T::NAME), bytes);
        assert!(self.seen.insert(T::TAG));
    }
}

fn provider() -> Provider {
    Provider {
        number: 1,
        account: account(2),
        peer_key: peer(3),
        service_keys: vec![ServiceKey { key: key(4), from_height: 5 }, ServiceKey { key: key(6), from_height: 7 }],
        addresses: vec![text("/ip4/1.2.3.4/tcp/8")],
        operator: text("operator"),
        zone: text("zone"),
        declared: 9,
        committed: 10,
        bond: 11,
        score: 12,
        auto_renew: true,
        rate: 13,
        status: ProviderStatus::Withdrawing,
    }
}

fn file() -> File {
    File {
        version: 1,
        size: 2,
        content_hash: manifest().content_hash,
        code: code(),
        media_type: text("text/plain"),
        bundle: Some(hash(3)),
        deal: DealId::from_bytes(hash32(4)),
        stored_height: 5,
        status: FileStatus::Lost,
        segments: 6,
        unit_price: 7,
        ends: 8,
    }
}

fn segment() -> Segment {
    let holder = |seed: u32| PieceHolder { provider: seed, until_epoch: seed + 1 };
    Segment {
        len: 1,
        table_slot: 2,
        failed_claims: 3,
        lost: vec![0b0000_0101],
        holders: [4, 6, 8, 10].map(holder).to_vec(),
        piece_hashes: (12..16).map(|seed| PieceHash::from_bytes(hash32(seed))).collect(),
    }
}

fn storage_entries(entries: &mut Entries) {
    entries.entry::<Files>(file_id(1), file());
    entries.entry::<Segments>((file_id(1), 2), segment());
    let tranche = |seed: u32| Tranche { from: seed, to: seed + 1, unit_price: u128::from(seed + 2) };
    entries.entry::<Leases>((file_id(1), account(2)), Lease { tranches: vec![tranche(3), tranche(6)] });
    entries.entry::<Slots>(1, (file_id(2), 3));
    entries.entry::<Ends>((1, file_id(2)), ());
    entries.entry::<Rates>((1, 2), RateChange { add: 3, sub: 4, freed_bytes: 5 });
    entries.entry::<LeaseCounts>(file_id(1), 2);
    let name = Name { text: text("name"), file: Some(file_id(4)), object: Some(5), deposit: 6 };
    entries.entry::<Names>((account(1), hash(2), hash(3)), name);
    let challenge = Challenge {
        provider: 2,
        file: file_id(3),
        segment: 4,
        index: 5,
        seed: hash(6),
        opened_ms: 7,
        opened_height: 8,
        demanded_by: Some(account(9)),
    };
    entries.entry::<Challenges>(1, challenge);
    let claim = Claim {
        provider: 2,
        file: file_id(3),
        segment: 4,
        indices: vec![5, 6],
        snapshot_epoch: 7,
        moves: true,
        opened_ms: 8,
        opened_height: 9,
    };
    entries.entry::<Claims>(hash(1), claim);
}

#[test]
fn keys_and_values_of_every_table_are_frozen() {
    let mut entries = Entries { golden: Golden::default(), seen: BTreeSet::new() };
    let chain = Chain {
        epoch_start_ms: 1,
        next_provider: 2,
        active_providers: 3,
        slots: 4,
        next_challenge: 5,
        escrow: 6,
        repair_fund: 7,
        treasury: 8,
        supply: 9,
    };
    entries.entry::<ChainState>((), chain);
    entries.entry::<ParameterTable>((), dev_parameters());
    let account_entry = Account { free: 2, reserved: 3, nonce: 4, deal_high: 5, deal_map: 6 };
    entries.entry::<Accounts>(account(1), account_entry);
    entries.entry::<Providers>(1, provider());
    entries.entry::<ProviderNumbers>(account(1), 2);
    entries.entry::<PeerNumbers>(peer(1), 2);
    storage_entries(&mut entries);
    let validator =
        Validator { consensus_key: key(2), next_key: Some((key(3), 4)), bond: 5, power: 6, jailed_until: 7 };
    entries.entry::<Validators>(account(1), validator);
    entries.entry::<ValidatorSets>(1, validators());
    let entry =
        |seed: u32| SnapshotEntry { number: seed, operator: seed + 1, zone: seed + 2, weight_sum: u64::from(seed) + 3 };
    let snapshot = Snapshot { beacon: BeaconValue::from_bytes(hash32(2)), entries: vec![entry(3), entry(7)] };
    entries.entry::<Snapshots>(1, snapshot);
    let all: BTreeSet<u8> = ALL.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(entries.seen, all, "every table has a line");
    assert_eq!(all.len(), ALL.len(), "no tag twice");
    entries.golden.check("tables");
}

#[test]
fn the_first_state_is_frozen() {
    let genesis: Genesis = Kit::dev().genesis;
    let mut golden = Golden::default();
    for (key, value) in genesis.changes().unwrap() {
        golden.bytes(&hex::encode(key), value.unwrap());
    }
    golden.value("header", &genesis.header(runtime::types::StateRoot::ZERO));
    golden.check("genesis");
}
