//! Random histories: after every block every law holds, and whoever checks a block finds what its proposer found.

use pieces::FileManifest;
use proptest::prelude::*;
use runtime::crypto::KeyPair;
use runtime::state::ReadTables;
use runtime::tables::{Accounts, FileStatus, Files, Leases};
use runtime::testkit::{DECLARED, Kit, NAMES, ProviderKeys, Simulation, dev_parameters, key, manifest};
use runtime::types::{
    AccountsCall, Call, ExtendLease, Parameters, ProvidersCall, ReleaseLease, SignedTransaction, StorageCall,
    TransferCall, UpdateProvider,
};

use crate::laws;

/// Something that somebody does.
#[derive(Clone, Debug)]
enum Step {
    Transfer { from: usize, to: usize, amount: u128 },
    Store { owner: usize, file: u64, lease_epochs: u32, spoil: bool },
    Extend { owner: usize, file: u64, lease_epochs: u32 },
    Release { owner: usize, file: u64 },
    Register,
    Declare { provider: usize, gib: u64 },
    NextEpoch,
    Block,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..4usize, 0..4usize, 0..1u128 << 58)
            .prop_map(|(from, to, amount)| Step::Transfer { from, to, amount }),
        6 => (0..4usize, 0..5u64, 1..4u32, prop::bool::weighted(0.1))
            .prop_map(|(owner, file, lease_epochs, spoil)| Step::Store { owner, file, lease_epochs, spoil }),
        4 => (0..4usize, 0..5u64, 1..4u32)
            .prop_map(|(owner, file, lease_epochs)| Step::Extend { owner, file, lease_epochs }),
        4 => (0..4usize, 0..5u64).prop_map(|(owner, file)| Step::Release { owner, file }),
        1 => Just(Step::Register),
        1 => (0..4usize, 0..2048u64).prop_map(|(provider, gib)| Step::Declare { provider, gib }),
        4 => Just(Step::NextEpoch),
        3 => Just(Step::Block),
    ]
}

/// Short windows and a small broom, so that a short history meets everything.
fn hurried() -> Parameters {
    let mut parameters = dev_parameters();
    parameters.placement.placement_epochs = 2;
    parameters.limits.swept_segments = 2;
    parameters.limits.piece_bytes = 1 << 20;
    parameters
}

struct Walk {
    simulation: Simulation,
    waiting: Vec<SignedTransaction>,
    nonces: std::collections::BTreeMap<[u8; 32], u64>,
    deals: u64,
}

impl Walk {
    fn sign(&mut self, pair: &KeyPair, call: Call) {
        let on_chain = self.simulation.nonce(pair);
        let nonce = self.nonces.entry(*pair.account().as_bytes()).or_insert(on_chain);
        let transaction = self.simulation.kit.sign(pair, *nonce, call);
        *nonce += 1;
        self.waiting.push(transaction);
    }

    fn block(&mut self, next_epoch: bool) {
        let transactions = std::mem::take(&mut self.waiting);
        self.nonces.clear();
        self.simulation.block(&transactions);
        if next_epoch {
            self.simulation.next_epoch();
        }
        laws::check(&self.simulation.state, self.simulation.head.epoch);
    }

    /// File number `file`: from no segment to three.
    fn manifest(&self, file: u64) -> FileManifest {
        let parameters = &self.simulation.kit.genesis.parameters;
        manifest(parameters.profiles[0].code, file << 20, parameters.limits.piece_bytes, file)
    }

    fn store(&mut self, owner: &KeyPair, file: u64, lease_epochs: u32, spoil: bool) {
        let manifest = self.manifest(file);
        let Simulation { kit, state, head } = &mut self.simulation;
        let intent = kit.intent(owner, self.deals, &manifest, lease_epochs, head);
        self.deals += 1;
        let known = state.read::<Files>(&manifest.file_id()).unwrap();
        let is_alive = known.is_some_and(|known| known.ends > head.epoch && known.status == FileStatus::Alive);
        let mut store =
            if is_alive { kit.share(owner, intent, manifest) } else { kit.store(state, owner, intent, manifest) };
        if spoil && let [holders, ..] = store.holders.as_mut_slice() {
            holders[0].signature = holders[1].signature;
        }
        let call = Call::Storage(StorageCall::Store(store));
        self.sign(owner, call);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Transfer { from, to, amount } => {
                let to = key(NAMES[to]).account();
                self.sign(&key(NAMES[from]), Call::Accounts(AccountsCall::Transfer(TransferCall { to, amount })));
            }
            Step::Store { owner, file, lease_epochs, spoil } => {
                self.store(&key(NAMES[owner]), file, lease_epochs, spoil);
            }
            Step::Extend { owner, file, lease_epochs } => {
                let call = ExtendLease { file: self.manifest(file).file_id(), lease_epochs, max_price: u128::MAX };
                self.sign(&key(NAMES[owner]), Call::Storage(StorageCall::Extend(call)));
            }
            Step::Release { owner, file } => {
                let call = ReleaseLease { file: self.manifest(file).file_id() };
                self.sign(&key(NAMES[owner]), Call::Storage(StorageCall::Release(call)));
            }
            Step::Register => {
                let keys = ProviderKeys::new(u32::try_from(self.simulation.kit.providers.len()).unwrap());
                let amount = 2 * u128::from(DECLARED);
                let to = keys.account.account();
                self.sign(&key("Alice"), Call::Accounts(AccountsCall::Transfer(TransferCall { to, amount })));
                let call = ProvidersCall::Register(keys.register(&self.simulation.kit.genesis_hash));
                self.block(false);
                self.sign(&keys.account, Call::Providers(call));
                self.simulation.kit.providers.push(keys);
            }
            Step::Declare { provider, gib } => {
                let update = UpdateProvider {
                    declared: Some(gib << 30),
                    bond: Some(u128::from(gib) << 30),
                    ..Default::default()
                };
                let keys = self.simulation.kit.providers[provider].account.clone();
                self.sign(&keys, Call::Providers(ProvidersCall::Update(update)));
            }
            Step::NextEpoch => self.block(true),
            Step::Block => self.block(false),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn every_law_holds_after_every_block(steps in prop::collection::vec(step(), 1..60)) {
        let mut walk = Walk {
            simulation: Simulation::new(Kit::new(hurried(), 4, 2)),
            waiting: Vec::new(),
            nonces: Default::default(),
            deals: 0,
        };
        for step in steps {
            walk.step(step);
        }
        // All leases end, all is swept, and every token is with an account again.
        walk.block(false);
        let last = laws::table::<Files>(&walk.simulation.state).iter().map(|(_, file)| file.ends).max();
        for _ in walk.simulation.head.epoch..last.unwrap_or(0).max(walk.simulation.head.epoch + 10) {
            walk.block(true);
        }
        for _ in 0..30 {
            walk.block(false);
        }
        let state = &walk.simulation.state;
        prop_assert_eq!(laws::table::<Files>(state).len(), 0);
        prop_assert_eq!(laws::table::<Leases>(state).len(), 0);
        prop_assert_eq!(state.require::<runtime::tables::ChainState>(&()).unwrap().escrow, 0);
        prop_assert!(laws::table::<Accounts>(state).len() >= 4);
    }
}
