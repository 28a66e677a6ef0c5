//! Questions about blocks, transactions, files and past states.

use pieces::{ContentHash, FileId};
use runtime::crypto::AccountId;
use runtime::event::{Event, EventRecord};
use runtime::rule::Rule;
use runtime::state::prefix_end;
use runtime::types::{Block, BlockHash, CommitCertificate, Header, Height, SignedTransaction, TxHash};

use crate::chain::Ledger;
use crate::db::key::{IndexKey, RowKey, ValueKey};
use crate::db::tables::{BODIES, CERTIFICATES, EVENTS, HEADERS, INDEXES, Row};
use crate::error::LedgerError;
use crate::tree::key_hash;

/// Most items of one page, whatever limit was asked for.
pub const PAGE_ITEMS_MAX: usize = 1000;

/// A transaction of a committed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRecord {
    /// Height of its block.
    pub height: Height,
    /// Position in the block, from 0.
    pub index: u32,
    /// Itself.
    pub transaction: SignedTransaction,
    /// What it did, in order.
    pub events: Vec<Event>,
}

impl TransactionRecord {
    /// The rule that refused its call, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<Rule> {
        self.events.iter().find_map(|event| match event {
            Event::Failed { rule } => Some(*rule),
            _ => None,
        })
    }
}

/// Part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In order.
    pub items: Vec<T>,
    /// Ask for the next page with this; none behind the last item.
    pub cursor: Option<T>,
}

impl Ledger {
    /// The header at `height`; none above the head.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be read.
    pub fn header(&self, height: Height) -> Result<Option<Header>, LedgerError> {
        self.database().get(&HEADERS, &height)
    }

    /// The block at `height`; none above the head.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be read.
    pub fn block(&self, height: Height) -> Result<Option<Block>, LedgerError> {
        let Some(header) = self.header(height)? else { return Ok(None) };
        Ok(self.database().get(&BODIES, &height)?.map(|transactions| Block { header, transactions }))
    }

    /// The certificate of the block at `height`; none for block 0 and above the head.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be read.
    pub fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, LedgerError> {
        self.database().get(&CERTIFICATES, &height)
    }

    /// What the block at `height` did; none above the head.
    ///
    /// # Errors
    /// [`LedgerError`] if they cannot be read.
    pub fn events(&self, height: Height) -> Result<Option<Vec<EventRecord>>, LedgerError> {
        self.database().get(&EVENTS, &height)
    }

    /// The height of the committed block with this hash.
    ///
    /// # Errors
    /// [`LedgerError`] if the index cannot be read.
    pub fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, LedgerError> {
        self.indexed(&IndexKey::Block(*hash))
    }

    /// The committed transaction with this hash.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be read, or the index names one that is not there.
    pub fn transaction(&self, hash: &TxHash) -> Result<Option<TransactionRecord>, LedgerError> {
        let Some((height, index)) = self.indexed::<(Height, u32)>(&IndexKey::Transaction(*hash))? else {
            return Ok(None);
        };
        let missing = || LedgerError::Corrupt {
            family: INDEXES.name,
            what: format!("it names transaction {index} of height {height}, which is not there"),
        };
        let bodies = self.database().get(&BODIES, &height)?.ok_or_else(missing)?;
        let at = usize::try_from(index).ok().and_then(|index| bodies.into_iter().nth(index));
        let events = self.events(height)?.ok_or_else(missing)?;
        Ok(Some(TransactionRecord {
            height,
            index,
            transaction: at.ok_or_else(missing)?,
            events: events.into_iter().filter(|record| record.transaction == Some(index)).map(|r| r.event).collect(),
        }))
    }

    /// The transaction that founded `file`, for as long as the state has the file.
    ///
    /// # Errors
    /// [`LedgerError`] if the index cannot be read.
    pub fn store_transaction_of(&self, file: &FileId) -> Result<Option<TxHash>, LedgerError> {
        self.indexed(&IndexKey::Founder(*file))
    }

    /// The files that `owner` has a lease on, ascending, behind `cursor`; at most `limit` and [`PAGE_ITEMS_MAX`].
    ///
    /// # Errors
    /// [`LedgerError`] if the index cannot be read.
    pub fn files_by_owner(
        &self,
        owner: &AccountId,
        cursor: Option<&FileId>,
        limit: usize,
    ) -> Result<Page<FileId>, LedgerError> {
        self.files(&IndexKey::owner_prefix(owner), cursor, limit)
    }

    /// The files that claim this content hash, ascending, behind `cursor`; at most `limit` and [`PAGE_ITEMS_MAX`].
    /// Only reading a file's bytes shows whether the claim is true.
    ///
    /// # Errors
    /// [`LedgerError`] if the index cannot be read.
    pub fn files_by_content(
        &self,
        content: &ContentHash,
        cursor: Option<&FileId>,
        limit: usize,
    ) -> Result<Page<FileId>, LedgerError> {
        self.files(&IndexKey::content_prefix(content), cursor, limit)
    }

    /// The files of which provider `number` holds a piece, ascending, behind `cursor`; at most `limit` and
    /// [`PAGE_ITEMS_MAX`].
    ///
    /// # Errors
    /// [`LedgerError`] if the index cannot be read.
    pub fn files_by_provider(
        &self,
        number: u32,
        cursor: Option<&FileId>,
        limit: usize,
    ) -> Result<Page<FileId>, LedgerError> {
        self.files(&IndexKey::holder_prefix(number), cursor, limit)
    }

    /// The value that `key` had after the block at `height`, version byte included.
    ///
    /// # Errors
    /// [`LedgerError::UnknownHeight`] above the head; otherwise if it cannot be read.
    pub fn state_get_at(&self, key: &[u8], height: Height) -> Result<Option<Vec<u8>>, LedgerError> {
        let head = self.head().header.height;
        if height > head {
            return Err(LedgerError::UnknownHeight { height, head });
        }
        self.database().value_at(&ValueKey { key_hash: key_hash(key), height })
    }

    fn indexed<T: Row>(&self, key: &IndexKey) -> Result<Option<T>, LedgerError> {
        let row = self.database().get(&INDEXES, key)?;
        row.map(|row| T::from_row(&row.0).map_err(|what| LedgerError::Corrupt { family: INDEXES.name, what }))
            .transpose()
    }

    /// The files of the rows that begin with `prefix`, each once.
    fn files(&self, prefix: &[u8], cursor: Option<&FileId>, limit: usize) -> Result<Page<FileId>, LedgerError> {
        let limit = limit.min(PAGE_ITEMS_MAX);
        let until = prefix_end(prefix);
        let behind = |file: &FileId| prefix_end(&[prefix, file.as_ref()].concat());
        let mut rows = self.database().range(&INDEXES, &cursor.map_or_else(|| prefix.to_vec(), behind), &until);
        let mut items = Vec::new();
        while let Some(key) = rows.key()? {
            let file = match key {
                IndexKey::Owner(_, file) | IndexKey::Content(_, file) | IndexKey::Holder(_, file, _) => file,
                IndexKey::Transaction(_) | IndexKey::Block(_) | IndexKey::Founder(_) => {
                    return Err(LedgerError::Corrupt { family: INDEXES.name, what: format!("{key:?} is misplaced") });
                }
            };
            if items.len() == limit {
                return Ok(Page { cursor: items.last().copied(), items });
            }
            items.push(file);
            // A provider may hold pieces of many segments of one file.
            if key.to_bytes().len() == prefix.len() + FileId::LENGTH {
                rows.advance()
            } else {
                rows.seek(&behind(&file))
            }
        }
        Ok(Page { items, cursor: None })
    }
}
