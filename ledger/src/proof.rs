//! Proofs for whoever has no node: the state after a block, from the tree, and how the block was agreed on.
//!
//! Where the validators changed is not searched for header by header: family `values` has one row for each set that
//! ever began to vote, by the height of the block that named it. Whoever prunes that family must leave those rows.

use std::collections::BTreeSet;

use parity_scale_codec::Encode;
use runtime::light::{Agreed, Entry, PROOF_BYTES_MAX, Proof};
use runtime::state::decode_value;
use runtime::tables::{Table, ValidatorSets};
use runtime::types::{Height, ValidatorSet};

use crate::chain::Ledger;
use crate::db::key::{RowKey, ValueKey};
use crate::db::tables::{CERTIFICATES, HEADERS, VALUES};
use crate::error::LedgerError;
use crate::tree::{self, key_hash};

/// Bytes for the lengths of a proof's two lists.
const LIST_LENGTHS_BYTES: usize = 16;

impl Ledger {
    /// Proves what the state after the block at `height` says of `keys`, to somebody who trusts the block at `trusted`;
    /// 0 stands for the genesis hash. Keys longer than [`runtime::light::KEY_BYTES_MAX`] give a proof that is refused.
    ///
    /// # Errors
    /// [`LedgerError::UnknownHeight`] above the head, [`LedgerError::TrustedAbove`], [`LedgerError::Pruned`];
    /// [`LedgerError::ProofTooLarge`] for more than [`PROOF_BYTES_MAX`]; otherwise if something cannot be read.
    pub fn prove(&self, keys: &BTreeSet<Vec<u8>>, height: Height, trusted: Height) -> Result<Proof, LedgerError> {
        let head = self.head().header.height;
        if height > head {
            return Err(LedgerError::UnknownHeight { height, head });
        }
        if trusted > height {
            return Err(LedgerError::TrustedAbove { trusted, height });
        }
        if tree::root(self.database(), height)?.is_none() {
            return Err(LedgerError::Pruned { height });
        }
        let mut room = Room(PROOF_BYTES_MAX - LIST_LENGTHS_BYTES);
        let genesis = self.header(0)?.ok_or_else(|| missing(HEADERS.name, 0))?;
        let block = if height > 0 { Some(self.agreed(height)?) } else { None };
        room.take(&(Proof::VERSION, &genesis, &block))?;
        let handoffs = self.handoffs(trusted, height, &mut room)?;
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            let (value, path) = tree::path(self.database(), height, key)?;
            let entry = Entry { key: key.clone(), value, path };
            room.take(&entry)?;
            entries.push(entry);
        }
        Ok(Proof { version: Proof::VERSION, genesis, handoffs, block, entries })
    }

    /// The trusted block, if it is neither block 0 nor the proven one, and each block between the two that names other
    /// validators than those that voted on it.
    fn handoffs(&self, trusted: Height, height: Height, room: &mut Room) -> Result<Vec<Agreed>, LedgerError> {
        let mut handoffs = Vec::new();
        let mut add = |at| {
            let agreed = self.agreed(at)?;
            room.take(&agreed)?;
            handoffs.push(agreed);
            Ok::<(), LedgerError>(())
        };
        if 0 < trusted && trusted < height {
            add(trusted)?;
        }
        let row = |height| ValueKey { key_hash: key_hash(&ValidatorSets::key(&0)), height }.to_bytes();
        let mut rows = self.database().range(&VALUES, &row(trusted.saturating_add(1)), &row(height));
        while let Some(ValueKey { height: changed, .. }) = rows.key()? {
            add(changed)?;
            rows.advance();
        }
        Ok(handoffs)
    }

    /// A block from height 1 on, with the votes for it.
    fn agreed(&self, height: Height) -> Result<Agreed, LedgerError> {
        let header = self.header(height)?.ok_or_else(|| missing(HEADERS.name, height))?;
        let certificate = self.certificate(height)?.ok_or_else(|| missing(CERTIFICATES.name, height))?;
        Ok(Agreed { header, certificate, validators: self.validators_of(height)? })
    }

    /// The set that votes on the block at `height`: that of the state before it.
    fn validators_of(&self, height: Height) -> Result<ValidatorSet, LedgerError> {
        let key = ValueKey { key_hash: key_hash(&ValidatorSets::key(&0)), height: height.saturating_sub(1) };
        let value = self.database().value_at(&key)?.ok_or_else(|| missing(VALUES.name, height))?;
        Ok(decode_value::<ValidatorSets>(&value)?)
    }
}

/// Bytes that are left for a proof.
struct Room(usize);

impl Room {
    fn take(&mut self, part: &impl Encode) -> Result<(), LedgerError> {
        let left = self.0.checked_sub(part.encoded_size());
        self.0 = left.ok_or(LedgerError::ProofTooLarge { limit: PROOF_BYTES_MAX })?;
        Ok(())
    }
}

fn missing(family: &'static str, height: Height) -> LedgerError {
    LedgerError::Corrupt { family, what: format!("the row of height {height} is missing") }
}
