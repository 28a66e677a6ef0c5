//! A network's keys, and what they sign.

use pieces::{ContentHash, ErasureCode, FileManifest, Hash, MANIFEST_VERSION, MediaType, PieceHash, SegmentManifest};

use super::{SeededRng, key};
use crate::beacon::vrf_input;
use crate::crypto::{AccountId, KeyPair, PeerSignature, Purpose, VrfOutput, peer_binding_message};
use crate::genesis::{Genesis, GenesisProvider, GenesisValidator};
use crate::placement::place;
use crate::state::{MemoryState, ReadTables, StateView};
use crate::tables::{Providers, Snapshots, ValidatorSets};
use crate::terms::commitment_for;
use crate::types::{
    Balance, BlockHash, Call, CommitCertificate, CommitSignature, Header, Height, Holder, Parameters, ProvidersCall,
    RegisterProvider, SignedTransaction, StorageCall, StorageCommitment, Store, Text, Transaction, UploadIntent,
    derive,
};

/// One unit of the token as people say it.
pub const TOKEN: Balance = 1_000_000_000_000;
/// Declared by each provider: 1 TiB.
pub const DECLARED: u64 = 1 << 40;
/// Time of block 0.
pub const GENESIS_MS: u64 = 1_700_000_000_000;
/// Accounts with money and nothing else.
pub const NAMES: [&str; 4] = ["Alice", "Bob", "Charlie", "Dave"];

/// The keys of a provider.
#[derive(Clone, Debug)]
pub struct ProviderKeys {
    /// Is paid.
    pub account: KeyPair,
    /// Signs commitments.
    pub service: KeyPair,
    /// Ed25519 secret of its peer.
    pub peer_secret: [u8; 32],
}

impl ProviderKeys {
    /// The keys of provider `index`, from 0.
    #[must_use]
    pub fn new(index: u32) -> Self {
        Self {
            account: key(&format!("provider {index}")),
            service: key(&format!("provider {index} service")),
            peer_secret: derive("piecewise testkit peer v1", &[&index.to_be_bytes()]),
        }
    }

    /// A call that registers it with [`DECLARED`] bytes, each its own operator and zone.
    #[must_use]
    pub fn register(&self, genesis: &BlockHash) -> RegisterProvider {
        let message = peer_binding_message(genesis, &self.account.account());
        let (peer_key, peer_signature) = PeerSignature::sign(&self.peer_secret, &message);
        RegisterProvider {
            peer_key,
            peer_signature,
            service_key: self.service.public_key(),
            addresses: vec![text("/ip4/127.0.0.1/tcp/30433")],
            operator: text(&peer_key.to_string()),
            zone: text(&peer_key.to_string()),
            declared: DECLARED,
            bond: Balance::from(DECLARED),
            auto_renew: true,
        }
    }
}

/// The keys of a validator.
#[derive(Clone, Debug)]
pub struct ValidatorKeys {
    /// Is paid.
    pub account: KeyPair,
    /// Votes.
    pub consensus: KeyPair,
}

/// A network's keys, and what they sign.
#[derive(Clone, Debug)]
pub struct Kit {
    /// Its first state.
    pub genesis: Genesis,
    /// Its name; to be set by whoever computes another state root than [`super::digest`].
    pub genesis_hash: BlockHash,
    /// Whoever signs commitments; register new ones here too.
    pub providers: Vec<ProviderKeys>,
    /// Whoever proposes.
    pub validators: Vec<ValidatorKeys>,
    rng: SeededRng,
}

impl Kit {
    /// A network with these parameters and so many providers and validators, and four accounts with a million tokens.
    ///
    /// # Panics
    /// If the parameters make no chain.
    #[must_use]
    pub fn new(parameters: Parameters, providers: u32, validators: u32) -> Self {
        let providers: Vec<_> = (0..providers).map(ProviderKeys::new).collect();
        let validator = |index| ValidatorKeys {
            account: key(&format!("validator {index}")),
            consensus: key(&format!("validator {index} consensus")),
        };
        let validators: Vec<_> = (0..validators).map(validator).collect();
        let mut accounts: Vec<_> = NAMES.iter().map(|name| (key(name).account(), 1_000_000 * TOKEN)).collect();
        accounts.extend(providers.iter().map(|keys| (keys.account.account(), 1_000 * TOKEN)));
        accounts.extend(validators.iter().map(|keys| (keys.account.account(), 1_000 * TOKEN)));
        let genesis = Genesis {
            timestamp_ms: GENESIS_MS,
            seed: b"piecewise testkit".to_vec(),
            accounts,
            providers: providers.iter().map(|keys| genesis_provider(keys, &parameters)).collect(),
            validators: validators.iter().map(|keys| genesis_validator(keys, &parameters)).collect(),
            parameters,
        };
        let state = MemoryState::from(genesis.changes().expect("the parameters make a chain"));
        let genesis_hash = genesis.header(super::digest(&state)).hash();
        Self { genesis, genesis_hash, providers, validators, rng: SeededRng::new(0) }
    }

    /// One validator, four providers, the parameters of [`super::dev_parameters`].
    #[must_use]
    pub fn dev() -> Self {
        Self::new(super::dev_parameters(), 4, 1)
    }

    /// A signed transaction without tip that never expires.
    pub fn sign(&mut self, pair: &KeyPair, nonce: u64, call: Call) -> SignedTransaction {
        let transaction = Transaction::Signed {
            version: Transaction::VERSION,
            signer: pair.account(),
            nonce,
            tip: 0,
            expires_at_ms: 0,
            call,
        };
        transaction.sign(&self.genesis_hash, pair, &mut self.rng)
    }

    /// Registers a provider with [`ProviderKeys::register`].
    pub fn register(&mut self, keys: &ProviderKeys, nonce: u64) -> SignedTransaction {
        let call = Call::Providers(ProvidersCall::Register(keys.register(&self.genesis_hash)));
        self.sign(&keys.account, nonce, call)
    }

    /// An intent that allows whatever the file costs, placed by the head's epoch.
    #[must_use]
    pub fn intent(
        &self,
        owner: &KeyPair,
        deal_nonce: u64,
        manifest: &FileManifest,
        lease_epochs: u32,
        head: &Header,
    ) -> UploadIntent {
        UploadIntent {
            version: UploadIntent::VERSION,
            genesis: self.genesis_hash,
            owner: owner.account(),
            deal_nonce,
            code: manifest.code,
            snapshot_epoch: head.epoch,
            max_bytes: manifest.size,
            lease_epochs,
            max_price: Balance::MAX,
            store_by_ms: head.timestamp_ms + self.genesis.parameters.time.store_window_ms,
        }
    }

    /// A Store of a file that is not there yet, with commitments of the first `n` slots of every segment.
    ///
    /// # Panics
    /// If the state lacks the intent's snapshot, or a provider's keys are not in [`Self::providers`].
    pub fn store<V: StateView>(
        &mut self,
        view: &V,
        owner: &KeyPair,
        intent: UploadIntent,
        manifest: FileManifest,
    ) -> Store {
        let holders = self.holders(view, &intent, &manifest);
        let intent = intent.sign(owner, &mut self.rng);
        Store { intent, manifest, holders }
    }

    /// A Store of a file that is alive: no holders.
    pub fn share(&mut self, owner: &KeyPair, intent: UploadIntent, manifest: FileManifest) -> Store {
        let intent = intent.sign(owner, &mut self.rng);
        Store { intent, manifest, holders: Vec::new() }
    }

    /// A transaction with this Store.
    pub fn sign_store(&mut self, owner: &KeyPair, nonce: u64, store: Store) -> SignedTransaction {
        self.sign(owner, nonce, Call::Storage(StorageCall::Store(store)))
    }

    /// Commitments of the first `n` slots of every segment.
    ///
    /// # Panics
    /// As [`Self::store`].
    pub fn holders<V: StateView>(
        &mut self,
        view: &V,
        intent: &UploadIntent,
        manifest: &FileManifest,
    ) -> Vec<Vec<Holder>> {
        self.promises(view, intent, intent, manifest)
    }

    /// As [`Self::holders`], by the providers that are drawn for `drawn`, but what they sign is for `promised`.
    ///
    /// # Panics
    /// As [`Self::store`].
    pub fn promises<V: StateView>(
        &mut self,
        view: &V,
        drawn: &UploadIntent,
        promised: &UploadIntent,
        manifest: &FileManifest,
    ) -> Vec<Vec<Holder>> {
        let snapshot = view.require::<Snapshots>(&drawn.snapshot_epoch).expect("the intent names a snapshot");
        let placement = &self.genesis.parameters.placement.clone();
        let template = commitment_for(promised, placement.placement_epochs, 0, 0, PieceHash::ZERO, 0, promised.owner);
        let deal = drawn.deal();
        let mut holders = Vec::with_capacity(manifest.segments.len());
        for (segment, of_segment) in (0u16..).zip(&manifest.segments) {
            let placed = place(&snapshot, placement, &manifest.code, &deal, segment).expect("there is room");
            let piece_bytes = u32::try_from(manifest.code.piece_bytes(of_segment.len)).expect("pieces are below 4 GiB");
            let pieces = (0u8..=u8::MAX).zip(of_segment.piece_hashes.iter().zip(&placed.slots));
            let hold = |(index, (piece_hash, slot)): (u8, (&PieceHash, &crate::placement::Slot))| {
                let provider = view.require::<Providers>(&slot.provider).expect("the snapshot's providers are there");
                let commitment = StorageCommitment {
                    segment,
                    index,
                    piece_hash: *piece_hash,
                    piece_bytes,
                    provider: provider.account,
                    ..template.clone()
                };
                let service = self.service_key(&provider.account);
                Holder { slot: index, signature: commitment.sign(&service, &mut self.rng) }
            };
            holders.push(pieces.map(hold).collect());
        }
        holders
    }

    /// The VRF of whoever proposes `round` of the block after `parent`, and its account.
    ///
    /// # Panics
    /// If the state has no validators, or one whose keys are not in [`Self::validators`].
    pub fn proposer<V: StateView>(&mut self, view: &V, parent: &Header, round: u32) -> (AccountId, VrfOutput) {
        let height: Height = parent.height + 1;
        let set = view.require::<ValidatorSets>(&0).expect("the state has validators");
        let entry = set.proposer(&self.genesis_hash, height, round).expect("the set is not empty");
        let keys = self.validators.iter().find(|keys| keys.account.account() == entry.account);
        let input = vrf_input(&self.genesis_hash, &parent.beacon, height);
        let vrf = keys.expect("every validator has keys").consensus.prove_vrf(&input, &mut self.rng);
        (entry.account, vrf)
    }

    /// Precommits of all validators for a block, in its own round.
    pub fn certificate(&mut self, header: &Header) -> CommitCertificate {
        let mut certificate = CommitCertificate {
            height: header.height,
            round: header.round,
            block_hash: header.hash(),
            signatures: Vec::new(),
        };
        for keys in &self.validators {
            let validator = keys.account.account();
            let payload = certificate.precommit(validator).payload(&self.genesis_hash);
            let signature = keys.consensus.sign(Purpose::Consensus, &payload, &mut self.rng);
            certificate.signatures.push(CommitSignature { validator, signature });
        }
        certificate
    }

    fn service_key(&self, account: &AccountId) -> KeyPair {
        let keys = self.providers.iter().find(|keys| keys.account.account() == *account);
        keys.expect("every provider has keys").service.clone()
    }
}

/// A manifest of `size` bytes of nothing: its hashes are made up from `seed`, and no pieces have them.
///
/// # Panics
/// Never: the media type is short and printable.
#[must_use]
pub fn manifest(code: ErasureCode, size: u64, piece_bytes_max: u32, seed: u64) -> FileManifest {
    let hash = |segment: u64, index: u8| {
        derive("piecewise testkit piece v1", &[&seed.to_be_bytes(), &segment.to_be_bytes(), &[index]])
    };
    let segment = |(number, len): (u64, u64)| SegmentManifest {
        len,
        piece_hashes: (0..code.n).map(|index| PieceHash::from_bytes(hash(number, index))).collect(),
    };
    let content = Hash::from_bytes(derive("piecewise testkit content v1", &[&seed.to_be_bytes()]));
    FileManifest {
        version: MANIFEST_VERSION,
        content_hash: if size == 0 { ContentHash::of(&[]) } else { ContentHash::from_bytes(*content.as_bytes()) },
        size,
        code,
        segments: (0u64..).zip(code.segment_lens(size, piece_bytes_max)).map(segment).collect(),
        media_type: "text/plain".parse::<MediaType>().expect("a short printable name is a media type"),
        bundle: None,
    }
}

fn genesis_provider(keys: &ProviderKeys, parameters: &Parameters) -> GenesisProvider {
    let call = keys.register(&BlockHash::ZERO);
    GenesisProvider {
        account: keys.account.account(),
        peer_key: call.peer_key,
        service_key: call.service_key,
        addresses: call.addresses,
        operator: call.operator,
        zone: call.zone,
        declared: call.declared,
        bond: Balance::from(call.declared) * parameters.staking.bond_per_byte,
        auto_renew: call.auto_renew,
    }
}

fn genesis_validator(keys: &ValidatorKeys, parameters: &Parameters) -> GenesisValidator {
    GenesisValidator {
        account: keys.account.account(),
        consensus_key: keys.consensus.public_key(),
        bond: parameters.staking.validator_bond,
        power: 1,
    }
}

fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).expect("a short printable text")
}
