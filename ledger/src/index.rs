//! Indexes: rows that follow from blocks and state, kept so that nothing has to be searched for.
//!
//! Files by owner, content and holder follow from the changes of the tables `Leases`, `Files` and `Segments`, so they
//! always say exactly what the state says, whichever rule changed it.

use std::collections::BTreeSet;

use pieces::FileId;
use runtime::crypto::AccountId;
use runtime::event::Event;
use runtime::state::decode_value;
use runtime::tables::{Files, Leases, Segment, Segments, Table};

use crate::commit::HeightWrite;
use crate::db::key::{IndexKey, take};
use crate::db::tables::{INDEXES, Row, STATE, Versioned};
use crate::db::{Batch, Database};
use crate::error::LedgerError;
use crate::preview::Preview;

/// Has the batch bring the indexes up to the height.
pub fn write_indexes(
    database: &Database,
    batch: &mut Batch<'_>,
    row: &HeightWrite<'_>,
    preview: &Preview,
) -> Result<(), LedgerError> {
    let mut indexes = Indexes { database, batch };
    for (key, value) in preview.changes() {
        indexes.follow(key, value)?;
    }
    let height = row.header.height;
    indexes.put(&IndexKey::Block(row.hash), &height);
    let hashes: Vec<_> = row.transactions.iter().map(runtime::types::SignedTransaction::hash).collect();
    for (index, hash) in (0u32..).zip(&hashes) {
        indexes.put(&IndexKey::Transaction(*hash), &(height, index));
    }
    for record in row.events {
        if let (Some(index), Event::Stored { file, .. }) = (record.transaction, &record.event) {
            let founder = usize::try_from(index).ok().and_then(|index| hashes.get(index));
            let founder = founder.ok_or(LedgerError::Mismatch { height, what: "an event is of no transaction" })?;
            indexes.put(&IndexKey::Founder(*file), founder);
        }
    }
    Ok(())
}

struct Indexes<'a, 'b> {
    database: &'a Database,
    batch: &'a mut Batch<'b>,
}

impl Indexes<'_, '_> {
    fn put<T: Row>(&mut self, key: &IndexKey, value: &T) {
        self.batch.put(&INDEXES, key, &Versioned(value.to_row()));
    }

    fn delete(&mut self, key: &IndexKey) {
        self.batch.delete(&INDEXES, key);
    }

    /// Brings the indexes in line with one change of the state.
    fn follow(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), LedgerError> {
        match key.split_first() {
            Some((&Leases::TAG, fields)) => {
                let (file, payer) = lease_fields(fields).ok_or_else(|| misfit(Leases::NAME))?;
                match value {
                    Some(_) => self.put(&IndexKey::Owner(payer, file), &()),
                    None => self.delete(&IndexKey::Owner(payer, file)),
                }
                Ok(())
            }
            Some((&Files::TAG, fields)) => {
                let file = FileId::from_bytes(fields.try_into().map_err(|_| misfit(Files::NAME))?);
                self.follow_file(key, file, value)
            }
            Some((&Segments::TAG, fields)) => {
                let (file, segment) = segment_fields(fields).ok_or_else(|| misfit(Segments::NAME))?;
                self.follow_segment(key, file, segment, value)
            }
            _ => Ok(()),
        }
    }

    fn follow_file(&mut self, key: &[u8], file: FileId, value: Option<&[u8]>) -> Result<(), LedgerError> {
        if let Some(value) = value {
            let record = decode_value::<Files>(value)?;
            self.put(&IndexKey::Content(record.content_hash, file), &());
        } else if let Some(old) = self.old::<Files>(key)? {
            self.delete(&IndexKey::Content(old.content_hash, file));
            self.delete(&IndexKey::Founder(file));
        }
        Ok(())
    }

    fn follow_segment(
        &mut self,
        key: &[u8],
        file: FileId,
        number: u16,
        value: Option<&[u8]>,
    ) -> Result<(), LedgerError> {
        let old = self.old::<Segments>(key)?.as_ref().map(holders).unwrap_or_default();
        let new = match value {
            Some(value) => holders(&decode_value::<Segments>(value)?),
            None => BTreeSet::new(),
        };
        for provider in old.difference(&new) {
            self.delete(&IndexKey::Holder(*provider, file, number));
        }
        for provider in new.difference(&old) {
            self.put(&IndexKey::Holder(*provider, file, number), &());
        }
        Ok(())
    }

    /// The value at the head, before this block.
    fn old<T: Table>(&self, key: &[u8]) -> Result<Option<T::Value>, LedgerError> {
        let row = self.database.get_by_bytes(&STATE, key)?;
        Ok(row.map(|row| decode_value::<T>(&row.0)).transpose()?)
    }
}

fn holders(segment: &Segment) -> BTreeSet<u32> {
    segment.holders.iter().map(|holder| holder.provider).collect()
}

fn lease_fields(mut fields: &[u8]) -> Option<(FileId, AccountId)> {
    let file = FileId::from_bytes(take(&mut fields)?);
    let payer = AccountId::from_bytes(take(&mut fields)?);
    fields.is_empty().then_some((file, payer))
}

fn segment_fields(mut fields: &[u8]) -> Option<(FileId, u16)> {
    let file = FileId::from_bytes(take(&mut fields)?);
    let segment = u16::from_be_bytes(take(&mut fields)?);
    fields.is_empty().then_some((file, segment))
}

fn misfit(table: &str) -> LedgerError {
    LedgerError::Corrupt { family: STATE.name, what: format!("a key of table {table} has other fields") }
}
