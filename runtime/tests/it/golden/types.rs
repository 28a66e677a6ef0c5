//! Golden files of types, hashes, payloads and signatures.

use parity_scale_codec::Encode;
use runtime::beacon::{genesis_beacon, next_beacon, vrf_input};
use runtime::crypto::{KeyPair, PeerSignature, Purpose, peer_binding_message};
use runtime::event::{Event, EventRecord};
use runtime::execute::BLOCK_OVERHEAD_BYTES;
use runtime::placement::place;
use runtime::rule::Rule;
use runtime::tables::{Snapshot, SnapshotEntry};
use runtime::testkit::{SeededRng, dev_parameters};
use runtime::types::*;

use super::Golden;
use super::samples::*;

#[test]
fn encodings_of_types_are_frozen() {
    let mut golden = Golden::default();
    golden.value("header", &header());
    let transactions: Vec<_> = calls().into_iter().map(signed).collect();
    for (at, transaction) in transactions.iter().enumerate() {
        golden.value(&format!("signed transaction {at}").replace(' ', "-"), transaction);
    }
    golden.value("free-transaction", &free(calls().remove(0)));
    golden.value("block", &Block { header: header(), transactions });
    golden.value("manifest", &manifest());
    golden.value("intent", &intent());
    golden.value("signed-intent", &signed_intent());
    golden.value("commitment", &commitment());
    golden.value("prevote-nil", &vote(VoteKind::Prevote, None));
    golden.value("precommit", &vote(VoteKind::Precommit, Some(83)));
    golden.value("certificate", &certificate());
    golden.value("validator-set", &validators());
    golden.value("parameters", &dev_parameters());
    for (label, call) in ["extend", "release"].into_iter().zip(lease_calls()) {
        golden.value(label, &signed(call));
    }
    golden.check("types");
}

#[test]
fn encodings_of_events_and_rules_are_frozen() {
    let mut golden = Golden::default();
    let events = [
        ("epoch-started", Event::EpochStarted { epoch: 1 }),
        ("failed", Event::Failed { rule: Rule::NoCapacity }),
        ("fee-paid", Event::FeePaid { account: account(2), amount: 3 }),
        ("transferred", Event::Transferred { from: account(4), to: account(5), amount: 6 }),
        ("provider-registered", Event::ProviderRegistered { number: 7, account: account(8) }),
        ("provider-updated", Event::ProviderUpdated { number: 9 }),
        ("provider-paid", Event::ProviderPaid { number: 10, amount: 11 }),
        ("stored", Event::Stored { file: file_id(12), owner: account(13) }),
        ("lease-paid", Event::LeasePaid { file: file_id(14), payer: account(15), from: 16, to: 17, price: 18 }),
    ];
    for (at, (label, event)) in (0u32..).zip(events) {
        golden.value(label, &EventRecord { transaction: (at > 0).then_some(at), event });
    }
    for rule in Rule::ALL {
        golden.value(&format!("rule-{}", rule.name()), rule);
    }
    let released = Event::LeaseReleased { file: file_id(19), payer: account(20), refund: 21 };
    golden.value("lease-released", &EventRecord { transaction: Some(9), event: released });
    golden.check("events");
}

#[test]
fn hashes_are_frozen() {
    let mut golden = Golden::default();
    golden.bytes("block-hash", header().hash());
    golden.bytes("transaction-hash", signed(calls().remove(0)).hash());
    golden.bytes("intent-hash", intent().hash());
    golden.bytes("deal-id", intent().deal());
    golden.bytes("validators-hash", validators().hash());
    golden.bytes("file-id", manifest().file_id());
    let leaves: Vec<Vec<u8>> = (0..7u8).map(|leaf| vec![leaf; usize::from(leaf)]).collect();
    for count in 0..=leaves.len() {
        golden.bytes(&format!("list-root-{count}"), list_root(&leaves[..count]));
    }
    golden.bytes("genesis-beacon", genesis_beacon(b"seed"));
    golden.bytes("next-beacon", next_beacon(&BeaconValue::from_bytes(hash32(1)), &hash32(2)));
    for round in 0..4 {
        let genesis = BlockHash::from_bytes(hash32(3));
        golden.bytes(&format!("proposer-{round}"), validators().proposer(&genesis, 4, round).unwrap().account);
    }
    golden.bytes("placement", placement());
    golden.bytes("history", runtime::testkit::digest(&crate::determinism::history().state));
    golden.check("hashes");
}

/// Provider and flag of every slot, two segments one after another.
fn placement() -> Vec<u8> {
    let entry = |number: u32| SnapshotEntry {
        number,
        operator: number / 2,
        zone: number / 4,
        weight_sum: u64::from(number + 1) * 1_000,
    };
    let snapshot = Snapshot { beacon: BeaconValue::from_bytes(hash32(5)), entries: (0..12).map(entry).collect() };
    let parameters = dev_parameters();
    let deal = DealId::from_bytes(hash32(6));
    let mut bytes = Vec::new();
    for (segment, profile) in (0u16..).zip(&parameters.profiles) {
        let placed = place(&snapshot, &parameters.placement, &profile.code, &deal, segment).unwrap();
        for slot in placed.slots {
            bytes.push(u8::try_from(slot.provider).unwrap());
            bytes.push(u8::from(slot.raised));
        }
    }
    bytes
}

#[test]
fn what_keys_sign_is_frozen() {
    let mut golden = Golden::default();
    let genesis = BlockHash::from_bytes(hash32(1));
    let transaction = signed(calls().remove(0)).transaction;
    golden.bytes("transaction-payload", transaction.payload(&genesis));
    golden.bytes("transaction-payload-wrapped", account_payload_wrapped(&transaction.payload(&genesis)));
    golden.bytes("intent-payload", intent().payload());
    golden.bytes("vote-payload", vote(VoteKind::Precommit, Some(83)).payload(&genesis));
    golden.bytes("consensus-message", consensus_message(b"tag", &genesis, b"body"));
    golden.bytes("peer-binding-message", peer_binding_message(&genesis, &account(2)));
    golden.bytes("vrf-input", vrf_input(&genesis, &BeaconValue::from_bytes(hash32(3)), 4));
    golden.check("payloads");
}

#[test]
fn signatures_are_frozen() {
    let mut golden = Golden::default();
    let pair = KeyPair::from_seed(&hash32(1));
    golden.bytes("public-key", pair.public_key());
    let purposes = [
        ("account", Purpose::Account),
        ("commitment", Purpose::Commitment),
        ("consensus", Purpose::Consensus),
        ("proof-of-validator", Purpose::ProofOfValidator),
    ];
    for (label, purpose) in purposes {
        let signature = pair.sign(purpose, b"message", SeededRng::new(1));
        assert_eq!(pair.public_key().verify(purpose, b"message", &signature), Ok(()));
        golden.bytes(label, signature);
    }
    let genesis = BlockHash::from_bytes(hash32(2));
    let transaction = signed(calls().remove(0)).transaction.sign(&genesis, &pair, SeededRng::new(2));
    golden.bytes("transaction", transaction.signature);
    golden.bytes("intent", intent().sign(&pair, SeededRng::new(3)).signature);
    golden.bytes("storage-commitment", commitment().sign(&pair, SeededRng::new(4)));
    let vrf = pair.prove_vrf(b"input", SeededRng::new(5));
    golden.bytes("vrf", vrf);
    golden.bytes("vrf-pre-output", pair.public_key().verify_vrf(b"input", &vrf).unwrap());
    let (peer_key, signature) = PeerSignature::sign(&hash32(6), b"message");
    assert_eq!(peer_key.verify(b"message", &signature), Ok(()));
    golden.bytes("peer-key", peer_key);
    golden.bytes("peer-signature", signature);
    golden.check("signatures");
}

#[test]
fn a_header_and_a_count_fit_the_room_that_blocks_leave_for_them() {
    let empty = Block { header: header(), transactions: Vec::new() };
    // A count has at most five bytes.
    assert!(empty.encoded_size() + 4 <= usize::try_from(BLOCK_OVERHEAD_BYTES).unwrap());
}
