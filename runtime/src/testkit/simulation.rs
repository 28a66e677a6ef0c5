//! A chain in memory: blocks one after another, each proposed, executed as others would, and applied.

use super::{Kit, digest};
use crate::crypto::KeyPair;
use crate::event::Event;
use crate::execute::{Executed, Proposal, execute_block};
use crate::state::{MemoryState, ReadTables};
use crate::tables::{Accounts, ChainState};
use crate::types::{Block, Call, Header, SignedTransaction};

/// A chain in memory.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Its keys.
    pub kit: Kit,
    /// After the head.
    pub state: MemoryState,
    /// The last block.
    pub head: Header,
}

impl Simulation {
    /// At block 0.
    ///
    /// # Panics
    /// If the kit's genesis makes no chain.
    #[must_use]
    pub fn new(kit: Kit) -> Self {
        let state = MemoryState::from(kit.genesis.changes().expect("the genesis makes a chain"));
        let head = kit.genesis.header(digest(&state));
        Self { kit, state, head }
    }

    /// The next block, one second after the head.
    ///
    /// # Panics
    /// As [`Self::block_at`].
    pub fn block(&mut self, transactions: &[SignedTransaction]) -> Executed {
        self.block_at(self.head.timestamp_ms + 1_000, transactions)
    }

    /// The next block at a time of one's choice. It is executed a second time as by somebody who checks it.
    ///
    /// # Panics
    /// If a transaction cannot be in it, or the two executions differ.
    pub fn block_at(&mut self, timestamp_ms: u64, transactions: &[SignedTransaction]) -> Executed {
        let executed = self.propose(timestamp_ms, transactions);
        let mut state = self.state.clone();
        state.apply(&executed.changes);
        let block: Block = executed.block(digest(&state));
        let checked = execute_block(&self.state, self.kit.genesis_hash, &self.head, &block);
        assert_eq!(checked.as_ref(), Ok(&executed), "whoever checks a block finds what its proposer found");
        self.state = state;
        self.head = block.header;
        executed
    }

    /// Proposes the next block in round 0 and changes nothing.
    ///
    /// # Panics
    /// If a transaction cannot be in it.
    pub fn propose(&mut self, timestamp_ms: u64, transactions: &[SignedTransaction]) -> Executed {
        let (proposer, vrf) = self.kit.proposer(&self.state, &self.head, 0);
        let genesis = self.kit.genesis_hash;
        let mut proposal = Proposal::begin(&self.state, genesis, &self.head, timestamp_ms, 0, proposer, vrf)
            .expect("the head is a parent");
        for transaction in transactions {
            proposal.apply(transaction).expect("the transaction can be in the block");
        }
        proposal.finish().expect("the state is in memory")
    }

    /// An empty block that starts the next epoch.
    ///
    /// # Panics
    /// Never: an empty block is always possible.
    pub fn next_epoch(&mut self) -> Executed {
        let chain = self.state.require::<ChainState>(&()).expect("the chain has a state");
        let due_ms = chain.epoch_start_ms + self.kit.genesis.parameters.time.epoch_ms;
        self.block_at(due_ms.max(self.head.timestamp_ms + 1), &[])
    }

    /// The next nonce of an account.
    ///
    /// # Panics
    /// Never: the state is in memory.
    #[must_use]
    pub fn nonce(&self, pair: &KeyPair) -> u64 {
        let account = self.state.read::<Accounts>(&pair.account()).expect("the state is in memory");
        account.map_or(0, |account| account.nonce)
    }

    /// A block with one transaction, and what its call did, the fee left out.
    ///
    /// # Panics
    /// As [`Self::block_at`].
    pub fn send(&mut self, pair: &KeyPair, call: Call) -> Vec<Event> {
        let nonce = self.nonce(pair);
        let transaction = self.kit.sign(pair, nonce, call);
        let executed = self.block(&[transaction]);
        let of_call = executed.events.into_iter().filter(|record| record.transaction == Some(0));
        of_call.map(|record| record.event).filter(|event| !matches!(event, Event::FeePaid { .. })).collect()
    }
}
