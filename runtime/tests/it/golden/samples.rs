//! One value of everything, each field another, so that no two can change places unnoticed.

use pieces::{ContentHash, ErasureCode, FileId, FileManifest, Hash, MediaType, PieceHash, SegmentManifest};
use runtime::crypto::{AccountId, PeerKey, PeerSignature, PublicKey, Signature, VrfOutput};
use runtime::types::*;

pub fn hash32(seed: u8) -> [u8; 32] {
    std::array::from_fn(|at| seed.wrapping_add(u8::try_from(at).unwrap()))
}

pub fn account(seed: u8) -> AccountId {
    AccountId::from_bytes(hash32(seed))
}

pub fn key(seed: u8) -> PublicKey {
    PublicKey::from_bytes(hash32(seed))
}

pub fn peer(seed: u8) -> PeerKey {
    PeerKey::from_bytes(hash32(seed))
}

pub fn file_id(seed: u8) -> FileId {
    FileId::from_bytes(hash32(seed))
}

pub fn hash(seed: u8) -> Hash {
    Hash::from_bytes(hash32(seed))
}

pub fn signature(seed: u8) -> Signature {
    Signature::from_bytes(std::array::from_fn(|at| seed.wrapping_add(u8::try_from(at).unwrap())))
}

pub fn peer_signature(seed: u8) -> PeerSignature {
    PeerSignature::from_bytes(*signature(seed).as_bytes())
}

pub fn vrf(seed: u8) -> VrfOutput {
    VrfOutput::from_bytes(std::array::from_fn(|at| seed.wrapping_add(u8::try_from(at).unwrap())))
}

pub fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).unwrap()
}

pub fn code() -> ErasureCode {
    ErasureCode::new(2, 4, 65_536)
}

pub fn manifest() -> FileManifest {
    let segment = |seed: u8| SegmentManifest {
        len: u64::from(seed) << 8,
        piece_hashes: (0..4).map(|index| PieceHash::from_bytes(hash32(seed + index))).collect(),
    };
    FileManifest {
        version: 1,
        content_hash: ContentHash::from_bytes(hash32(1)),
        size: 0x0102_0304_0506,
        code: code(),
        segments: vec![segment(10), segment(20)],
        media_type: "text/plain".parse::<MediaType>().unwrap(),
        bundle: Some(hash(2)),
    }
}

pub fn intent() -> UploadIntent {
    UploadIntent {
        version: 1,
        genesis: BlockHash::from_bytes(hash32(3)),
        owner: account(4),
        deal_nonce: 5,
        code: code(),
        snapshot_epoch: 6,
        max_bytes: 7,
        lease_epochs: 8,
        max_price: 9,
        store_by_ms: 10,
    }
}

pub fn signed_intent() -> SignedIntent {
    SignedIntent { intent: intent(), signature: signature(11) }
}

pub fn commitment() -> StorageCommitment {
    StorageCommitment {
        version: 1,
        genesis: BlockHash::from_bytes(hash32(12)),
        cause: hash(13),
        deal: DealId::from_bytes(hash32(14)),
        segment: 15,
        index: 16,
        piece_hash: PieceHash::from_bytes(hash32(17)),
        piece_bytes: 18,
        until_epoch: 19,
        store_by_ms: 20,
        provider: account(21),
    }
}

pub fn register() -> RegisterProvider {
    RegisterProvider {
        peer_key: peer(22),
        peer_signature: peer_signature(23),
        service_key: key(24),
        addresses: vec![text("/ip4/1.2.3.4/tcp/5"), text("/dns/example.org/udp/6/quic-v1")],
        operator: text("operator"),
        zone: text("zone"),
        declared: 25,
        bond: 26,
        auto_renew: true,
    }
}

pub fn update() -> UpdateProvider {
    UpdateProvider {
        peer: Some((peer(27), peer_signature(28))),
        service_key: Some(key(29)),
        addresses: Some(vec![text("/ip6/::1/tcp/30")]),
        declared: Some(31),
        bond: Some(32),
        auto_renew: Some(false),
    }
}

pub fn store() -> Store {
    let holder = |slot: u8| Holder { slot, signature: signature(slot) };
    Store {
        intent: signed_intent(),
        manifest: manifest(),
        holders: vec![(33..37).map(holder).collect(), (37..41).map(holder).collect()],
    }
}

pub fn calls() -> Vec<Call> {
    vec![
        Call::Accounts(AccountsCall::Transfer(TransferCall { to: account(41), amount: 42 })),
        Call::Providers(ProvidersCall::Register(register())),
        Call::Providers(ProvidersCall::Update(UpdateProvider::default())),
        Call::Providers(ProvidersCall::Update(update())),
        Call::Storage(StorageCall::Store(store())),
    ]
}

/// Calls that came later; they have lines of their own.
pub fn lease_calls() -> [Call; 2] {
    let extend = ExtendLease { file: file_id(84), lease_epochs: 85, max_price: 86 };
    [StorageCall::Extend(extend), StorageCall::Release(ReleaseLease { file: file_id(87) })].map(Call::Storage)
}

pub fn signed(call: Call) -> SignedTransaction {
    let transaction =
        Transaction::Signed { version: 1, signer: account(43), nonce: 44, tip: 45, expires_at_ms: 46, call };
    SignedTransaction { transaction, signature: signature(47) }
}

pub fn free(call: Call) -> SignedTransaction {
    SignedTransaction {
        transaction: Transaction::Free { version: 1, signer: account(48), call },
        signature: signature(49),
    }
}

pub fn header() -> Header {
    Header {
        version: 50,
        height: 51,
        parent: BlockHash::from_bytes(hash32(52)),
        timestamp_ms: 53,
        epoch: 54,
        round: 55,
        proposer: account(56),
        state_root: StateRoot::from_bytes(hash32(57)),
        transactions_root: hash(58),
        events_root: hash(59),
        validators_hash: ValidatorsHash::from_bytes(hash32(60)),
        next_validators_hash: ValidatorsHash::from_bytes(hash32(61)),
        beacon: BeaconValue::from_bytes(hash32(62)),
        vrf: vrf(63),
    }
}

pub fn validators() -> ValidatorSet {
    let entry =
        |seed: u8| ValidatorEntry { account: account(seed), consensus_key: key(seed + 1), power: u64::from(seed) };
    ValidatorSet::new(vec![entry(70), entry(64), entry(67)])
}

pub fn certificate() -> CommitCertificate {
    let signed = |seed| CommitSignature { validator: account(seed), signature: signature(seed + 1) };
    CommitCertificate {
        height: 73,
        round: 74,
        block_hash: BlockHash::from_bytes(hash32(75)),
        signatures: vec![signed(76), signed(78)],
    }
}

pub fn vote(kind: VoteKind, block: Option<u8>) -> Vote {
    let block = block.map(|seed| BlockHash::from_bytes(hash32(seed)));
    Vote { kind, height: 80, round: 81, block, validator: account(82) }
}
