//! Blocks, accounts and transactions to answer with.

use pieces::{ContentHash, ErasureCode, FileManifest, Hash, MANIFEST_VERSION, PieceHash, SegmentManifest};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rpc::ports::BlockRecord;
use runtime::crypto::{AccountId, KeyPair, PeerKey, PublicKey, Purpose, Signature, VrfOutput};
use runtime::light::{Agreed, Entry, Path, Proof};
use runtime::rule::Rule;
use runtime::tables::{Provider, ProviderStatus, ServiceKey};
use runtime::types::{
    AccountsCall, AuditParameters, BeaconValue, BlockHash, Call, CommitCertificate, CommitSignature, FeeParameters,
    Header, Holder, LimitParameters, Parameters, PlacementParameters, PriceParameters, Profile, RepairParameters,
    RulesVersion, SignedTransaction, StakingParameters, StateRoot, StorageCall, Store, Text, TimeParameters,
    Transaction, TransferCall, UploadIntent, ValidatorEntry, ValidatorSet, ValidatorsHash,
};

/// Signs what it signs the same way every time.
pub fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

pub fn pair(seed: u8) -> KeyPair {
    KeyPair::from_seed(&[seed; 32])
}

pub fn alice() -> AccountId {
    pair(1).account()
}

pub const GENESIS: BlockHash = BlockHash::from_bytes([0x47; 32]);
pub const CODE: ErasureCode = ErasureCode::new(2, 4, 65_536);

pub fn header(height: u64) -> Header {
    Header {
        version: 1,
        height,
        parent: BlockHash::from_bytes([1; 32]),
        timestamp_ms: 1_700_000_000_000 + height,
        epoch: 3,
        round: 2,
        proposer: alice(),
        state_root: StateRoot::from_bytes([2; 32]),
        transactions_root: Hash::from_bytes([3; 32]),
        events_root: Hash::from_bytes([4; 32]),
        validators_hash: ValidatorsHash::from_bytes([5; 32]),
        next_validators_hash: ValidatorsHash::from_bytes([6; 32]),
        beacon: BeaconValue::from_bytes([7; 32]),
        vrf: VrfOutput::from_bytes([8; 96]),
    }
}

pub fn transfer() -> Call {
    // More than a JavaScript number holds.
    Call::Accounts(AccountsCall::Transfer(TransferCall { to: pair(2).account(), amount: u128::MAX }))
}

pub fn manifest() -> FileManifest {
    FileManifest {
        version: MANIFEST_VERSION,
        content_hash: ContentHash::of(b"abc"),
        size: 3,
        code: CODE,
        segments: vec![SegmentManifest { len: 3, piece_hashes: vec![PieceHash::of(b"p"); 4] }],
        media_type: "text/plain".parse().unwrap(),
        bundle: None,
    }
}

pub fn intent() -> UploadIntent {
    UploadIntent {
        version: UploadIntent::VERSION,
        genesis: GENESIS,
        owner: alice(),
        deal_nonce: 5,
        code: CODE,
        snapshot_epoch: 3,
        max_bytes: 3,
        lease_epochs: 10,
        max_price: 1 << 100,
        store_by_ms: 99,
    }
}

pub fn store() -> Call {
    let holder = |slot| Holder { slot, signature: Signature::from_bytes([9; 64]) };
    let holders = vec![(0..4).map(holder).collect()];
    Call::Storage(StorageCall::Store(Store { intent: intent().sign(&pair(1), rng()), manifest: manifest(), holders }))
}

pub fn signed(call: Call, nonce: u64) -> SignedTransaction {
    let transaction =
        Transaction::Signed { version: Transaction::VERSION, signer: alice(), nonce, tip: 0, expires_at_ms: 0, call };
    transaction.sign(&GENESIS, &pair(1), rng())
}

pub fn block(height: u64) -> BlockRecord {
    BlockRecord {
        header: header(height),
        transactions: vec![(signed(transfer(), 0), Ok(()).into()), (signed(store(), 1), Err(Rule::NoCapacity).into())],
    }
}

pub fn certificate(height: u64) -> CommitCertificate {
    let mut certificate =
        CommitCertificate { height, round: 4, block_hash: header(height).hash(), signatures: Vec::new() };
    let vote = certificate.precommit(alice()).payload(&GENESIS);
    let signature = pair(1).sign(Purpose::Consensus, &vote, rng());
    certificate.signatures.push(CommitSignature { validator: alice(), signature });
    certificate
}

/// Of key 1, which has a value, or of another, which has none. It does not hold: nothing here checks it.
pub fn proof(height: u64, key: Vec<u8>) -> Proof {
    let value = (key == [1]).then(|| vec![1, 2, 3]);
    let path = Path { other: None, siblings: vec![[3; 32]; 2] };
    let agreed = |height| Agreed {
        header: header(height),
        certificate: certificate(height),
        validators: ValidatorSet::new(vec![ValidatorEntry {
            account: alice(),
            consensus_key: alice().public_key(),
            power: 1,
        }]),
    };
    Proof {
        version: Proof::VERSION,
        genesis: header(0),
        handoffs: (height > 1).then(|| agreed(1)).into_iter().collect(),
        block: (height > 0).then(|| agreed(height)),
        entries: vec![Entry { key, value, path }],
    }
}

pub fn parameters() -> Parameters {
    let amount = || 1 << 80;
    Parameters {
        time: TimeParameters { epoch_ms: 1, target_ms: 2, idle_ms: 3, drift_ms: 4, store_window_ms: 5 },
        placement: PlacementParameters {
            placement_epochs: 1,
            slack_min: 2,
            slack_divisor: 3,
            draws_per_piece: 4,
            unrecorded_owner_permille: 5,
            unrecorded_all_permille: 6,
        },
        prices: PriceParameters {
            piece_base: amount(),
            byte_rate: amount(),
            default_lease_epochs: 1,
            max_lease_epochs: 2,
        },
        fees: FeeParameters {
            base: amount(),
            per_byte: amount(),
            per_signature: amount(),
            deposit_per_byte: amount(),
            existential_deposit: amount(),
        },
        limits: LimitParameters {
            transaction_bytes: 1,
            block_bytes: 2,
            part_bytes: 3,
            piece_bytes: 4,
            providers: 5,
            validators: 6,
            swept_segments: 7,
        },
        staking: StakingParameters { bond_per_byte: amount(), validator_bond: amount(), unbonding_epochs: 1 },
        audits: AuditParameters {
            per_provider: 1,
            reads: 2,
            window_ms: 3,
            window_blocks: 4,
            miss_permille: 5,
            reported_permille: 6,
        },
        repairs: RepairParameters { window_ms: 1, window_blocks: 2, failed_claims: 3 },
        profiles: vec![Profile { name: Text::new("dev").unwrap(), code: CODE, max_segments: 128, repair_at: 2 }],
        schedule: vec![RulesVersion { rules_version: 1, height: 0 }],
    }
}

pub fn provider() -> Provider {
    Provider {
        number: 0,
        account: pair(3).account(),
        peer_key: PeerKey::from_bytes([5; 32]),
        service_keys: vec![ServiceKey { key: PublicKey::from_bytes([6; 32]), from_height: 1 }],
        addresses: vec![Text::new("/ip4/127.0.0.1/tcp/1").unwrap()],
        operator: Text::new("o").unwrap(),
        zone: Text::new("z").unwrap(),
        declared: 1 << 40,
        committed: 12,
        bond: 1 << 90,
        score: 1000,
        auto_renew: true,
        rate: 0,
        status: ProviderStatus::Active,
    }
}
