//! The layouts of all messages, frozen. A change is a new version of the protocol, never an edit of the golden file.

use dsn_messages::get::{GetReply, GetRequest};
use dsn_messages::have::{HaveReply, HaveRequest};
use dsn_messages::put::{Authority, PutAnswer, PutEnd, PutOpen, PutReply};
use dsn_messages::share::{
    SHARER_ADDRESS_BYTES_MAX, SHARER_ADDRESSES_MAX, SHARERS_NAMED_MAX, ShareReply, ShareRequest, Sharer, are_addresses,
};
use dsn_messages::{Message as _, Refusal, RefusalCode};
use parity_scale_codec::{DecodeAll, Encode};
use pieces::{ErasureCode, FileId, Hash, PieceHash};
use runtime::crypto::{AccountId, Signature};
use runtime::types::{BlockHash, DealId, SignedIntent, StorageCommitment, UploadIntent};
use std::fmt::{Debug, Write as _};

const GENESIS: BlockHash = BlockHash::from_bytes([0x6e; 32]);

fn intent() -> SignedIntent {
    let intent = UploadIntent {
        version: 1,
        genesis: GENESIS,
        owner: AccountId::from_bytes([2; 32]),
        deal_nonce: 3,
        code: ErasureCode::new(2, 4, 4096),
        snapshot_epoch: 4,
        max_bytes: 5,
        lease_epochs: 6,
        max_price: 7,
        store_by_ms: 8,
    };
    SignedIntent { intent, signature: Signature::from_bytes([9; 64]) }
}

fn commitment() -> StorageCommitment {
    StorageCommitment {
        version: 1,
        genesis: GENESIS,
        cause: Hash::from_bytes([1; 32]),
        deal: DealId::from_bytes([2; 32]),
        segment: 3,
        index: 4,
        piece_hash: PieceHash::from_bytes([5; 32]),
        piece_bytes: 6,
        until_epoch: 7,
        store_by_ms: 8,
        provider: AccountId::from_bytes([9; 32]),
    }
}

fn line<M: Encode + DecodeAll + PartialEq + Debug>(text: &mut String, name: &str, message: M) {
    let bytes = message.encode();
    assert_eq!(M::decode_all(&mut bytes.as_slice()).unwrap(), message);
    writeln!(text, "{name} {}", hex::encode(bytes)).unwrap();
}

#[test]
fn every_message_has_its_frozen_layout() {
    let mut text = String::new();
    let hash = PieceHash::from_bytes([0x11; 32]);
    let refusal = |code| Refusal::new(code, "no");
    let open = |authority| PutOpen { authority, segment: 258, index: 3, slot: 4, piece_bytes_max: 5 };
    line(&mut text, "put.open.intent", open(Authority::Intent(intent())));
    line(&mut text, "put.open.recorded", open(Authority::Recorded(FileId::from_bytes([0x22; 32]))));
    line(&mut text, "put.reply.accepted", PutReply::Accepted);
    line(&mut text, "put.reply.refused", PutReply::Refused(refusal(RefusalCode::Full)));
    line(&mut text, "put.end", PutEnd { piece_hash: hash, piece_bytes: 6 });
    let signature = Signature::from_bytes([0x33; 64]);
    line(&mut text, "put.answer.committed", PutAnswer::Committed { commitment: commitment(), signature });
    line(&mut text, "put.answer.restored", PutAnswer::Restored);
    line(&mut text, "put.answer.refused", PutAnswer::Refused(refusal(RefusalCode::Mismatch)));
    let request = GetRequest { piece_hash: hash, piece_bytes: 4, start: 1, end: 3, window_bytes: 65_536 };
    line(&mut text, "get.request", request);
    let addresses = vec![vec![4, 127, 0, 0, 1, 6, 0x76, 0xe1], vec![5]];
    line(&mut text, "share.request", ShareRequest { get: request, addresses: addresses.clone() });
    line(&mut text, "share.reply.found", ShareReply::Found);
    line(&mut text, "share.reply.not_found", ShareReply::NotFound);
    line(&mut text, "share.reply.refused", ShareReply::Refused(refusal(RefusalCode::Busy)));
    let sharers = vec![Sharer { peer_key: [0x33; 32], addresses }];
    line(&mut text, "share.reply.elsewhere", ShareReply::Elsewhere { sharers });
    line(&mut text, "get.reply.found", GetReply::Found);
    line(&mut text, "get.reply.not_found", GetReply::NotFound);
    line(&mut text, "get.reply.refused", GetReply::Refused(refusal(RefusalCode::OutOfBounds)));
    line(&mut text, "have.request", HaveRequest { hashes: vec![hash; 2] });
    line(&mut text, "have.reply.held", HaveReply::Held { bitmap: vec![0b10] });
    line(&mut text, "have.reply.refused", HaveReply::Refused(refusal(RefusalCode::Busy)));
    line(&mut text, "have.reply.kept", HaveReply::Kept { held: vec![0b10], cached: vec![0b01] });
    for code in [
        RefusalCode::Busy,
        RefusalCode::Full,
        RefusalCode::NotPermitted,
        RefusalCode::Unfunded,
        RefusalCode::Expired,
        RefusalCode::NotRecorded,
        RefusalCode::Mismatch,
        RefusalCode::OutOfBounds,
        RefusalCode::Internal,
        RefusalCode::Unrecorded,
    ] {
        line(&mut text, &format!("refusal.{}", code.to_string().replace(' ', "_")), code);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/messages.txt");
    if std::env::var("PIECEWISE_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(path).unwrap());
}

#[test]
fn every_message_fits_its_limit() {
    let long = "x".repeat(1000);
    let refusal = Refusal::new(RefusalCode::Internal, &long);
    assert_eq!(refusal.message.as_str().len(), 200);
    assert!(PutReply::Refused(refusal.clone()).encode().len() <= 512);
    assert!(HaveRequest { hashes: vec![PieceHash::ZERO; 1024] }.encode().len() <= 32 * 1024 + 2);
    assert!(HaveReply::Kept { held: vec![0; 128], cached: vec![0; 128] }.encode().len() <= 512);
    let addresses = vec![vec![7; SHARER_ADDRESS_BYTES_MAX]; SHARER_ADDRESSES_MAX];
    assert!(are_addresses(&addresses));
    let get = GetRequest { piece_hash: PieceHash::ZERO, piece_bytes: 0, start: 0, end: 0, window_bytes: 0 };
    let share = ShareRequest { get, addresses: addresses.clone() }.encode();
    assert!(share.len() <= usize::try_from(ShareRequest::BYTES_MAX).unwrap());
    assert!(ShareReply::Refused(refusal.clone()).encode().len() <= 512);
    let sharers = vec![Sharer { peer_key: [1; 32], addresses }; SHARERS_NAMED_MAX];
    let elsewhere = ShareReply::Elsewhere { sharers }.encode();
    assert_eq!(u32::try_from(elsewhere.len()).unwrap(), ShareReply::BYTES_MAX);
    let signature = Signature::ZERO;
    assert!(PutAnswer::Committed { commitment: commitment(), signature }.encode().len() <= 512);
}

#[test]
fn a_sharer_has_few_and_short_addresses() {
    assert!(!are_addresses(&[]));
    assert!(!are_addresses(&[vec![]]));
    assert!(!are_addresses(&[vec![7; SHARER_ADDRESS_BYTES_MAX + 1]]));
    assert!(!are_addresses(&vec![vec![7]; SHARER_ADDRESSES_MAX + 1]));
}

#[test]
fn a_refusal_holds_printable_ascii_only() {
    assert_eq!(Refusal::new(RefusalCode::Full, "a\nb\u{e9}").message.as_str(), "a?b?");
}
