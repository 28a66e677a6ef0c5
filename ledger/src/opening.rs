//! What is looked at before an old ledger is believed: that height, header, state, body, events, votes and indexes of the
//! head are there and are of one block.

use std::path::Path;

use parity_scale_codec::Encode;
use runtime::tables::{ChainState, ParameterTable, Table};
use runtime::types::{Block, BlockHash, Height, SignedTransaction, list_root};

use crate::chain::{FORMAT, Head};
use crate::db::Database;
use crate::db::key::{IndexKey, MetaKey};
use crate::db::tables::{BODIES, CERTIFICATES, EVENTS, HEADERS, INDEXES, META, Row, STATE};
use crate::error::{LedgerError, OpenError};
use crate::tree;

/// The head's height if the folder holds this chain, none if it holds nothing.
pub fn check_chain(database: &Database, path: &Path, wanted: BlockHash) -> Result<Option<Height>, OpenError> {
    let Some(found) = meta::<u32>(database, path, MetaKey::Format)? else { return Ok(None) };
    if found != FORMAT {
        return Err(OpenError::OtherFormat { path: path.to_owned(), found, known: FORMAT });
    }
    let found = meta(database, path, MetaKey::Genesis)?.ok_or_else(|| corrupt(path, "the genesis hash is missing"))?;
    if found != wanted {
        return Err(OpenError::OtherGenesis { path: path.to_owned(), found, wanted });
    }
    let height = meta(database, path, MetaKey::Head)?.ok_or_else(|| corrupt(path, "the head's height is missing"))?;
    Ok(Some(height))
}

fn meta<T: Row>(database: &Database, path: &Path, key: MetaKey) -> Result<Option<T>, OpenError> {
    let row = database.get(&META, &key).map_err(|source| OpenError::Ledger { path: path.to_owned(), source })?;
    row.map(|row| T::from_row(&row.0).map_err(|what| corrupt(path, format!("{key:?} in meta: {what}")))).transpose()
}

fn corrupt(path: &Path, what: impl Into<String>) -> OpenError {
    OpenError::Corrupt { path: path.to_owned(), what: what.into() }
}

/// The head, after checking that everything a height consists of is there and agrees.
pub fn read_head(database: &Database, path: &Path, height: Height) -> Result<Head, OpenError> {
    HeadCheck { database, height }.read().map_err(|problem| match problem {
        Problem::Unreadable(source) => OpenError::Ledger { path: path.to_owned(), source },
        Problem::Differs(what) => corrupt(path, what),
    })
}

enum Problem {
    Unreadable(LedgerError),
    Differs(String),
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        Self::Unreadable(error)
    }
}

struct HeadCheck<'a> {
    database: &'a Database,
    height: Height,
}

impl HeadCheck<'_> {
    fn missing(&self, what: &str) -> Problem {
        Problem::Differs(format!("{what} of height {} is missing", self.height))
    }

    /// Nothing if it is as it should be.
    fn same(&self, what: &str, is_same: bool) -> Result<(), Problem> {
        let height = self.height;
        is_same
            .then_some(())
            .ok_or_else(|| Problem::Differs(format!("{what} of height {height} is not what the header says")))
    }

    fn read(&self) -> Result<Head, Problem> {
        let (database, height) = (self.database, self.height);
        let header = database.get(&HEADERS, &height)?.ok_or_else(|| self.missing("the header"))?;
        self.same("the height", header.height == height)?;
        let root = tree::root(database, height)?.ok_or_else(|| self.missing("the state's root node"))?;
        self.same("the state's root", root == header.state_root)?;
        let head = Head::of(header);
        let transactions = database.get(&BODIES, &height)?.ok_or_else(|| self.missing("the body"))?;
        let block = Block { header: head.header.clone(), transactions };
        self.same("the transactions' root", block.transactions_root() == head.header.transactions_root)?;
        let events = database.get(&EVENTS, &height)?.ok_or_else(|| self.missing("the list of events"))?;
        let leaves: Vec<_> = events.iter().map(Encode::encode).collect();
        self.same("the events' root", list_root(&leaves) == head.header.events_root)?;
        if height > 0 {
            let certificate = database.get(&CERTIFICATES, &height)?.ok_or_else(|| self.missing("the certificate"))?;
            self.same("the certificate", certificate.block_hash == head.hash)?;
        }
        self.check_state(&head)?;
        self.check_indexes(&head, &block.transactions)?;
        let above = height.saturating_add(1);
        if database.get(&HEADERS, &above)?.is_some() {
            return Err(Problem::Differs(format!("the head is at {height}, but there is a header of height {above}")));
        }
        Ok(head)
    }

    /// The state that is read is the one that is proven: looked at for the two entries without which nothing can be
    /// executed, as all of them would take as long as there are entries.
    fn check_state(&self, head: &Head) -> Result<(), Problem> {
        for (what, key) in [("the chain's entry", ChainState::key(&())), ("the parameters", ParameterTable::key(&()))] {
            let (proven, path) = tree::path(self.database, self.height, &key)?;
            let read = self.database.get_by_bytes(&STATE, &key)?.map(|row| row.0);
            let holds = path.verify(&head.header.state_root, &key, proven.as_deref()).is_ok();
            self.same(what, holds && read == proven)?;
        }
        Ok(())
    }

    /// The block and its transactions are found by their hashes.
    fn check_indexes(&self, head: &Head, transactions: &[SignedTransaction]) -> Result<(), Problem> {
        let found = self.indexed::<Height>(&IndexKey::Block(head.hash))?;
        self.same("the index of blocks", found == Some(self.height))?;
        for (position, transaction) in (0u32..).zip(transactions) {
            let found = self.indexed::<(Height, u32)>(&IndexKey::Transaction(transaction.hash()))?;
            self.same("the index of transactions", found == Some((self.height, position)))?;
        }
        Ok(())
    }

    fn indexed<T: Row>(&self, key: &IndexKey) -> Result<Option<T>, Problem> {
        let row = self.database.get(&INDEXES, key)?;
        Ok(row.and_then(|row| T::from_row(&row.0).ok()))
    }
}
