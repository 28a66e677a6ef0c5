//! A decided block becomes the head: everything of its height in one synced batch, then the head in memory.

use fail::fail_point;
use runtime::event::EventRecord;
use runtime::execute::Executed;
use runtime::types::{Block, BlockHash, CommitCertificate, Header, SignedTransaction};

use crate::chain::{Ledger, row_of};
use crate::db::key::{MetaKey, RowKey};
use crate::db::tables::{BODIES, CERTIFICATES, EVENTS, HEADERS, META, encode_row};
use crate::db::{Batch, Database};
use crate::error::LedgerError;
use crate::index::write_indexes;
use crate::preview::Preview;

impl Ledger {
    /// Writes a decided block on top of the head and makes it the head. When this returns, the height outlasts a power
    /// cut; if the process dies before, none of it is there. The undecided blocks of the height are gone with it.
    ///
    /// `executed` and `preview` are what executing `block` on the head's state gave. That the certificate's signatures
    /// hold is for the caller to check.
    ///
    /// # Errors
    /// [`LedgerError::OtherHead`] and [`LedgerError::Mismatch`] if the parts do not stand on the head or contradict
    /// each other: nothing is written. [`LedgerError::Write`] is fatal: every later write is refused.
    pub fn commit(
        &self,
        block: &Block,
        executed: &Executed,
        preview: Preview,
        certificate: &CommitCertificate,
    ) -> Result<(), LedgerError> {
        let mut failed = self.inner.writer.lock();
        if *failed {
            return Err(LedgerError::Failed);
        }
        let tip = self.tip();
        let hash = block.hash();
        self.check_on_head("the preview", preview.parent())?;
        self.check_on_head("the block", block.header.parent)?;
        check_parts(block, hash, executed, &preview, certificate)?;

        let height = block.header.height;
        let mut batch = self.database().batch();
        HeightWrite {
            header: &block.header,
            hash,
            transactions: &block.transactions,
            events: &executed.events,
            certificate: Some(certificate),
        }
        .write(self.database(), &mut batch, &preview)?;
        self.forget_undecided(&mut batch, height)?;

        let bytes = batch.bytes();
        // Readers of older heights must know what changes before they can see it on disk.
        let version = tip.version.follow(preview.changed_keys()).ok_or(LedgerError::Failed)?;
        fail_point!("ledger::commit::before_write");
        if let Err(source) = batch.write_synced() {
            *failed = true;
            return Err(LedgerError::Write { height, source });
        }
        fail_point!("ledger::commit::after_write");
        self.advance(block.header.clone(), hash, version);
        tracing::debug!(height, %hash, transactions = block.transactions.len(), bytes, "committed a block");
        Ok(())
    }

    /// Refuses what does not stand on the head.
    pub(crate) fn check_on_head(&self, what: &'static str, parent: BlockHash) -> Result<(), LedgerError> {
        let head = self.head();
        if parent == head.hash {
            return Ok(());
        }
        Err(LedgerError::OtherHead { what, parent, head: head.hash, height: head.header.height })
    }
}

/// All parts must be of one block: a mistake found here is a refused commit, found later it is a corrupt ledger.
fn check_parts(
    block: &Block,
    hash: BlockHash,
    executed: &Executed,
    preview: &Preview,
    certificate: &CommitCertificate,
) -> Result<(), LedgerError> {
    let height = block.header.height;
    let what = if height != preview.height() {
        "the header's height is not that of the preview"
    } else if block.header.state_root != preview.root {
        "the header's state root is not that of the preview"
    } else if executed.transactions != block.transactions {
        "other transactions were executed"
    } else if executed.header(preview.root) != block.header {
        "executing it leads to another header"
    } else if !preview.is_of(&executed.changes) {
        "the preview is of other changes"
    } else if certificate.height != height || certificate.block_hash != hash {
        "the certificate is of another block"
    } else {
        return Ok(());
    };
    Err(LedgerError::Mismatch { height, what })
}

/// What a height consists of, apart from the state.
pub(crate) struct HeightWrite<'a> {
    pub(crate) header: &'a Header,
    pub(crate) hash: BlockHash,
    pub(crate) transactions: &'a [SignedTransaction],
    pub(crate) events: &'a [EventRecord],
    /// None for block 0 alone.
    pub(crate) certificate: Option<&'a CommitCertificate>,
}

impl HeightWrite<'_> {
    /// Adds everything of the height to the batch; block 0 takes the same way as all others.
    pub(crate) fn write(
        &self,
        database: &Database,
        batch: &mut Batch<'_>,
        preview: &Preview,
    ) -> Result<(), LedgerError> {
        let height = self.header.height;
        batch.put(&HEADERS, &height, self.header);
        batch.put_bytes(&BODIES, &height.to_bytes(), &encode_row(self.transactions));
        batch.put_bytes(&EVENTS, &height.to_bytes(), &encode_row(self.events));
        if let Some(certificate) = self.certificate {
            batch.put(&CERTIFICATES, &height, certificate);
        }
        write_indexes(database, batch, self, preview)?;
        preview.write(batch);
        batch.put(&META, &MetaKey::Head, &row_of(&height));
        Ok(())
    }
}
