//! Blocks of the next height that were proposed and not yet decided.

use fail::fail_point;
use runtime::types::{Block, BlockHash, Height};

use crate::chain::Ledger;
use crate::db::Batch;
use crate::db::key::{RowKey, UndecidedKey};
use crate::db::tables::UNDECIDED;
use crate::error::LedgerError;

/// Undecided blocks that one height may have. Every round has one proposer, so honest heights have a handful; the bound
/// is for those where proposers send many.
pub const UNDECIDED_BLOCKS_MAX: usize = 256;

impl Ledger {
    /// Keeps a block of the next height that was seen in `round`. When this returns, it outlasts a power cut. Doing so
    /// again changes nothing.
    ///
    /// # Errors
    /// [`LedgerError::OtherHead`] if it does not stand on the head, [`LedgerError::TooManyUndecided`] beyond
    /// [`UNDECIDED_BLOCKS_MAX`]; [`LedgerError::Write`] is fatal.
    pub fn remember(&self, round: u32, block: &Block) -> Result<(), LedgerError> {
        let mut failed = self.inner.writer.lock();
        if *failed {
            return Err(LedgerError::Failed);
        }
        self.check_on_head("the block", block.header.parent)?;
        let height = self.head().header.height.saturating_add(1);
        if block.header.height != height {
            return Err(LedgerError::Mismatch { height, what: "an undecided block has another height" });
        }
        let key = UndecidedKey { height, round, hash: block.hash() };
        let known = self.undecided_keys(height)?;
        if known.contains(&key) {
            return Ok(());
        }
        if known.len() >= UNDECIDED_BLOCKS_MAX {
            return Err(LedgerError::TooManyUndecided { height, limit: UNDECIDED_BLOCKS_MAX });
        }
        let mut batch = self.database().batch();
        batch.put(&UNDECIDED, &key, block);
        fail_point!("ledger::remember::before_write");
        batch.write_synced().map_err(|source| {
            *failed = true;
            LedgerError::Write { height, source }
        })?;
        fail_point!("ledger::remember::after_write");
        Ok(())
    }

    /// The undecided blocks of `height`, each with the round in which it was seen, ascending by round.
    ///
    /// # Errors
    /// [`LedgerError`] if they cannot be read.
    pub fn undecided(&self, height: Height) -> Result<Vec<(u32, Block)>, LedgerError> {
        let (from, until) = bounds(height);
        let mut rows = self.database().range(&UNDECIDED, &from, &until);
        let mut blocks = Vec::new();
        while let Some((key, block)) = rows.row()? {
            blocks.push((key.round, block));
            rows.advance();
        }
        Ok(blocks)
    }

    /// The undecided block of `height` with this hash.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be read.
    pub fn undecided_block(&self, height: Height, hash: &BlockHash) -> Result<Option<Block>, LedgerError> {
        let key = self.undecided_keys(height)?.into_iter().find(|key| key.hash == *hash);
        key.map_or(Ok(None), |key| self.database().get(&UNDECIDED, &key))
    }

    /// Has the batch remove the undecided blocks of `height`.
    pub(crate) fn forget_undecided(&self, batch: &mut Batch<'_>, height: Height) -> Result<(), LedgerError> {
        for key in self.undecided_keys(height)? {
            batch.delete(&UNDECIDED, &key);
        }
        Ok(())
    }

    fn undecided_keys(&self, height: Height) -> Result<Vec<UndecidedKey>, LedgerError> {
        let (from, until) = bounds(height);
        let mut rows = self.database().range(&UNDECIDED, &from, &until);
        let mut keys = Vec::new();
        while let Some(key) = rows.key()? {
            keys.push(key);
            rows.advance();
        }
        Ok(keys)
    }
}

fn bounds(height: Height) -> (Vec<u8>, Vec<u8>) {
    (height.to_bytes(), height.saturating_add(1).to_bytes())
}
