//! One execution of a block: the overlay it writes to, the events it leaves, the signatures it asks for.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Rejected;
use super::opening::Opening;
use super::signatures::Signatures;
use crate::call;
use crate::crypto::{AccountId, Signature, SignedMessage};
use crate::event::{Event, EventRecord};
use crate::rule::Rule;
use crate::state::{Overlay, ReadTables, StateError, StateView};
use crate::tables::{Accounts, Snapshot, Snapshots};
use crate::types::{BeaconValue, BlockHash, Epoch, Height, Parameters, SignedTransaction};
use crate::validate::{Charge, check_charge, check_form};
use crate::{epoch, sweep};

/// What the calls work on.
#[derive(Debug)]
pub(crate) struct Run<'a, V> {
    pub(crate) state: Overlay<'a, V>,
    pub(crate) genesis: BlockHash,
    pub(crate) parameters: Parameters,
    pub(crate) height: Height,
    pub(crate) timestamp_ms: u64,
    pub(crate) epoch: Epoch,
    pub(crate) beacon: BeaconValue,
    pub(crate) proposer: AccountId,
    pub(super) signatures: Signatures,
    pub(super) events: Vec<EventRecord>,
    /// Position of the transaction that is being executed.
    position: Option<u32>,
    /// Those read so far; at most as many as the state keeps. A transaction never changes one.
    snapshots: BTreeMap<Epoch, Rc<Snapshot>>,
}

impl<'a, V: StateView> Run<'a, V> {
    /// Begins the block: what happens before its transactions has happened.
    pub(super) fn open(view: &'a V, opening: &Opening, signatures: Signatures) -> Result<Self, StateError> {
        let mut run = Self::bare(view, opening, signatures);
        if opening.starts_epoch {
            epoch::start(&mut run)?;
        }
        sweep::sweep(&mut run)?;
        Ok(run)
    }

    /// Before anything has happened.
    pub(super) fn bare(view: &'a V, opening: &Opening, signatures: Signatures) -> Self {
        Self {
            state: Overlay::new(view),
            genesis: opening.genesis,
            parameters: opening.parameters.clone(),
            height: opening.height,
            timestamp_ms: opening.timestamp_ms,
            epoch: opening.epoch,
            beacon: opening.beacon,
            proposer: opening.proposer,
            signatures,
            events: Vec::new(),
            position: None,
            snapshots: BTreeMap::new(),
        }
    }

    /// Executes the transaction of `bytes` encoded bytes at `position`. If it is rejected, nothing has changed.
    pub(super) fn apply(
        &mut self,
        position: usize,
        transaction: &SignedTransaction,
        bytes: u32,
    ) -> Result<(), Rejected> {
        let position = u32::try_from(position).map_err(|_| Rule::BlockFull)?;
        let signed = check_form(&self.parameters, self.timestamp_ms, transaction, bytes)?;
        let account = self.state.read::<Accounts>(&signed.signer)?.unwrap_or_default();
        if signed.nonce > account.nonce {
            return Err(Rule::NonceTooHigh.into());
        }
        let charge = check_charge(&account, &signed)?;
        let payload = transaction.transaction.payload(&self.genesis);
        self.check_account_signature(&signed.signer, payload, &transaction.signature)?;
        self.position = Some(position);
        self.charge(charge)?;
        let events_before = self.events.len();
        self.state.begin();
        match call::dispatch(self, signed.signer, transaction.transaction.call()) {
            Ok(()) => self.state.keep(),
            Err(Rejected::Rule(rule)) => {
                self.state.roll_back();
                self.events.truncate(events_before);
                self.emit(Event::Failed { rule });
            }
            Err(Rejected::State(error)) => return Err(Rejected::State(error)),
        }
        self.position = None;
        Ok(())
    }

    /// An account's signature over a payload of its own; a bad one is found now or when the block ends.
    pub(crate) fn check_account_signature(
        &mut self,
        account: &AccountId,
        payload: Vec<u8>,
        signature: &Signature,
    ) -> Result<(), Rule> {
        self.signatures.account(account, payload, signature).map_err(|_| Rule::BadSignature)
    }

    /// Signatures that are good or bad together, with the rule for bad ones; found now or when the block ends.
    pub(crate) fn check_signatures_together(&mut self, messages: Vec<SignedMessage>, rule: Rule) -> Result<(), Rule> {
        self.signatures.together(messages).map_err(|_| rule)
    }

    /// Leaves an event of the transaction that is being executed, or of the block.
    pub(crate) fn emit(&mut self, event: Event) {
        self.events.push(EventRecord { transaction: self.position, event });
    }

    /// The snapshot of an epoch.
    pub(crate) fn snapshot(&mut self, epoch: Epoch) -> Result<Option<Rc<Snapshot>>, StateError> {
        if let Some(snapshot) = self.snapshots.get(&epoch) {
            return Ok(Some(Rc::clone(snapshot)));
        }
        let snapshot = self.state.read::<Snapshots>(&epoch)?.map(Rc::new);
        if let Some(snapshot) = &snapshot {
            self.snapshots.insert(epoch, Rc::clone(snapshot));
        }
        Ok(snapshot)
    }

    /// Takes nonce, fee and tip of a transaction that is in the block whatever becomes of its call.
    fn charge(&mut self, charge: Charge) -> Result<(), StateError> {
        let Charge { signer, account, amount } = charge;
        self.state.write::<Accounts>(&signer, &account);
        self.pay_proposer(amount)?;
        self.emit(Event::FeePaid { account: signer, amount });
        Ok(())
    }
}
