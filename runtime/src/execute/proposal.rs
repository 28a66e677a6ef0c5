//! A block being filled, by who proposes it or by who checks it.

use parity_scale_codec::Encode;

use super::opening::{Choice, Opening};
use super::signatures::Signatures;
use super::{BLOCK_OVERHEAD_BYTES, ExecuteError, Executed, HeaderDraft, InvalidBlock, RULES_VERSION, Rejected, Run};
use crate::crypto::{AccountId, VrfOutput};
use crate::rule::Rule;
use crate::state::{ReadTables, StateError, StateView};
use crate::tables::ValidatorSets;
use crate::types::{Block, BlockHash, Header, SignedTransaction, list_root};

/// A block being filled.
///
/// Signatures are taken to be good until [`finish`](Self::finish) checks all of them at once. If one is not, everything
/// is executed again without the transactions that cannot be in a block, so what is in the block is
/// [`Executed::transactions`].
#[derive(Debug)]
pub struct Proposal<'a, V> {
    view: &'a V,
    opening: Opening,
    run: Run<'a, V>,
    transactions: Vec<SignedTransaction>,
    /// Their encodings: leaves of the header's root.
    leaves: Vec<Vec<u8>>,
    bytes: u32,
}

impl<'a, V: StateView> Proposal<'a, V> {
    /// Begins the block after `parent` on the state after `parent`: `proposer` proposes it first in `round`, at
    /// `timestamp_ms`, with its VRF over [`vrf_input`](crate::beacon::vrf_input).
    ///
    /// # Errors
    /// [`ExecuteError`] if no block can begin so.
    pub fn begin(
        view: &'a V,
        genesis: BlockHash,
        parent: &Header,
        timestamp_ms: u64,
        round: u32,
        proposer: AccountId,
        vrf: VrfOutput,
    ) -> Result<Self, ExecuteError> {
        let opening = Opening::new(view, genesis, parent, Choice { timestamp_ms, round, proposer, vrf })?;
        let run = Run::open(view, &opening, Signatures::Collected(Vec::new()))?;
        Ok(Self { view, opening, run, transactions: Vec::new(), leaves: Vec::new(), bytes: BLOCK_OVERHEAD_BYTES })
    }

    /// Adds a transaction. One whose call fails is added too: it pays its fee and leaves an event.
    ///
    /// # Errors
    /// [`Rejected`] if it cannot be in this block; then nothing has changed.
    pub fn apply(&mut self, transaction: &SignedTransaction) -> Result<(), Rejected> {
        let leaf = transaction.encode();
        let bytes = u32::try_from(leaf.len()).map_err(|_| Rule::TransactionTooLarge)?;
        let block_bytes = self.bytes.checked_add(bytes).filter(|sum| *sum <= self.block_bytes_max());
        let block_bytes = block_bytes.ok_or(Rule::BlockFull)?;
        let mut outcome = self.run.apply(self.transactions.len(), transaction, bytes);
        if matches!(outcome, Err(Rejected::Rule(_))) && self.run.signatures.is_open() {
            // Perhaps only because an earlier signature was taken to be good.
            self.check_signatures()?;
            outcome = self.run.apply(self.transactions.len(), transaction, bytes);
        }
        outcome?;
        self.transactions.push(transaction.clone());
        self.leaves.push(leaf);
        self.bytes = block_bytes;
        Ok(())
    }

    /// Ends the block.
    ///
    /// # Errors
    /// [`ExecuteError::State`] if a read failed.
    pub fn finish(mut self) -> Result<Executed, ExecuteError> {
        self.check_signatures()?;
        let next_validators_hash = self.run.state.require::<ValidatorSets>(&0)?.hash();
        let Opening { height, parent, timestamp_ms, epoch, round, proposer, validators_hash, beacon, vrf, .. } =
            self.opening;
        let events = self.run.events;
        let event_leaves: Vec<_> = events.iter().map(Encode::encode).collect();
        let draft = HeaderDraft {
            version: RULES_VERSION,
            height,
            parent,
            timestamp_ms,
            epoch,
            round,
            proposer,
            transactions_root: list_root(&self.leaves),
            events_root: list_root(&event_leaves),
            validators_hash,
            next_validators_hash,
            beacon,
            vrf,
        };
        let changes = self.run.state.finish()?;
        Ok(Executed { changes, events, transactions: self.transactions, draft })
    }

    const fn block_bytes_max(&self) -> u32 {
        self.opening.parameters.limits.block_bytes
    }

    /// Checks the signatures collected so far. If one is bad, executes everything again with each checked alone, and
    /// drops the transactions that cannot be in a block.
    fn check_signatures(&mut self) -> Result<(), StateError> {
        if self.run.signatures.close().is_ok() {
            return Ok(());
        }
        self.run = Run::open(self.view, &self.opening, Signatures::Checked)?;
        self.bytes = BLOCK_OVERHEAD_BYTES;
        let transactions = std::mem::take(&mut self.transactions);
        let leaves = std::mem::take(&mut self.leaves);
        for (transaction, leaf) in transactions.into_iter().zip(leaves) {
            let bytes = u32::try_from(leaf.len()).unwrap_or(u32::MAX);
            match self.run.apply(self.transactions.len(), &transaction, bytes) {
                Ok(()) => {
                    self.transactions.push(transaction);
                    self.leaves.push(leaf);
                    self.bytes = self.bytes.saturating_add(bytes);
                }
                Err(Rejected::Rule(_)) => {}
                Err(Rejected::State(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Executes a block on the state after its parent, and checks everything but its state's root and the clock.
///
/// The caller compares `executed.header(root)` with the block's header.
///
/// # Errors
/// [`ExecuteError::Invalid`] gives the first reason why no honest validator proposes this block.
pub fn execute_block<V: StateView>(
    view: &V,
    genesis: BlockHash,
    parent: &Header,
    block: &Block,
) -> Result<Executed, ExecuteError> {
    let header = &block.header;
    let mut proposal =
        Proposal::begin(view, genesis, parent, header.timestamp_ms, header.round, header.proposer, header.vrf)?;
    proposal.opening.check(header)?;
    for (index, transaction) in (0u32..).zip(&block.transactions) {
        proposal.apply(transaction).map_err(|rejected| match rejected {
            Rejected::Rule(Rule::BlockFull) => InvalidBlock::TooLarge { max: proposal.block_bytes_max() }.into(),
            Rejected::Rule(rule) => InvalidBlock::Transaction { index, rule }.into(),
            Rejected::State(error) => ExecuteError::State(error),
        })?;
    }
    let executed = proposal.finish()?;
    // What was dropped had a signature that does not hold, or followed one that had.
    if executed.transactions.len() != block.transactions.len() {
        let kept = executed.transactions.iter().zip(&block.transactions).take_while(|(kept, given)| kept == given);
        let index = u32::try_from(kept.count()).unwrap_or(u32::MAX);
        return Err(InvalidBlock::Transaction { index, rule: Rule::BadSignature }.into());
    }
    let fields = [
        ("transactions root", header.transactions_root == executed.draft.transactions_root),
        ("events root", header.events_root == executed.draft.events_root),
        ("next validators hash", header.next_validators_hash == executed.draft.next_validators_hash),
    ];
    match fields.into_iter().find(|(_, holds)| !holds) {
        Some((field, _)) => Err(InvalidBlock::Field(field).into()),
        None => Ok(executed),
    }
}
