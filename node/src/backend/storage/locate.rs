//! Where a file's pieces are, and how much may be lost.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use ledger::StateSnapshot;
use parity_scale_codec::Encode;
use pieces::FileId;
use rpc::ApiError;
use rpc::types::{
    CommitmentInfo, Hex, LocateQuery, Located, LocatedPiece, LocatedSegment, PieceStatus, ProofInfo, Rendered,
};
use runtime::state::{ReadTables, StateError};
use runtime::tables::{File, ParameterTable, Provider, Providers, Segment, Segments, Table};
use runtime::terms::commitment_for;
use runtime::types::{Header, SignedTransaction, Store, TxHash};

use super::{StorageBackend, store_of};
use crate::directory::{is_live, live_file, service_key};
use crate::errors::{of_ledger, of_proof, of_state};
use crate::recorded::Recorded;

/// Most segments of one answer.
const SEGMENTS_MAX: u32 = 64;

impl StorageBackend {
    pub(super) fn located(&self, id: FileId, query: LocateQuery) -> Result<Rendered<Located>, ApiError> {
        let state = self.chain.ledger().state();
        let block = state.head().hash;
        let key = (id, query);
        if let Some(answer) = self.located.at(&block, &key) {
            return Ok(answer);
        }
        let answer = self.locate_in(&state, id, &key.1)?;
        let answer = Rendered::new(&answer).map_err(ApiError::internal)?;
        self.located.keep(block, key, &answer, answer.json().len());
        Ok(answer)
    }

    fn locate_in(&self, state: &StateSnapshot, id: FileId, query: &LocateQuery) -> Result<Located, ApiError> {
        if query.trusted.is_some() && !query.proof {
            return Err(ApiError::BadParams("trusted: there is no proof without \"proof\": true".into()));
        }
        let founding = self.founding(&id)?;
        let (head, founding) = (&state.head().header, founding.as_ref());
        let missing = || ApiError::NotFound(format!("there is no file 0x{id}"));
        if !query.proof {
            return locate(state, head, id, query, founding).map_err(of_state)?.ok_or_else(missing);
        }
        let read = Recorded::new(state);
        let mut located = locate(&read, head, id, query, founding).map_err(of_state)?.ok_or_else(missing)?;
        located.proof = Some(self.proof_of(&located, read.keys(), query, founding)?);
        Ok(located)
    }

    /// Proves every value that was read to make an answer, so that others can make it too.
    fn proof_of(
        &self,
        located: &Located,
        mut keys: BTreeSet<Vec<u8>>,
        query: &LocateQuery,
        founding: Option<&SignedTransaction>,
    ) -> Result<ProofInfo, ApiError> {
        if located.segments.is_empty() && query.from_segment > 0 {
            let from = query.from_segment;
            return Err(ApiError::BadParams(format!("fromSegment: the file has no segment {from} to prove")));
        }
        keys.insert(ParameterTable::key(&()));
        let trusted = query.trusted.unwrap_or(0);
        let ledger = self.chain.ledger();
        let proof = tokio::task::block_in_place(|| ledger.prove(&keys, located.height, trusted)).map_err(of_proof)?;
        let transaction = founding.map(|transaction| Hex(transaction.encode()));
        Ok(ProofInfo { transaction, ..ProofInfo::from(&proof) })
    }

    /// The transaction that founded a file: where the holders' commitments are.
    fn founding(&self, id: &FileId) -> Result<Option<SignedTransaction>, ApiError> {
        let ledger = self.chain.ledger();
        let Some(hash) = ledger.store_transaction_of(id).map_err(of_ledger)? else { return Ok(None) };
        let record = ledger.transaction(&hash).map_err(of_ledger)?;
        Ok(record.map(|record| record.transaction))
    }
}

/// Where the pieces of a file are after the block `at`, with the commitments of the transaction that founded it; none if
/// there is no such file. A node answers with this, and whoever checks a proof makes the same answer from proven values.
///
/// # Errors
/// If `state` cannot be read, or is not proven where it must be read.
pub fn locate(
    state: &impl ReadTables,
    at: &Header,
    id: FileId,
    query: &LocateQuery,
    founding: Option<&SignedTransaction>,
) -> Result<Option<Located>, StateError> {
    let Some(file) = live_file(state, &id, at.epoch)? else { return Ok(None) };
    let count = u32::from(file.segments);
    let first = query.from_segment.min(count);
    let end = first.saturating_add(query.limit.unwrap_or(SEGMENTS_MAX).clamp(1, SEGMENTS_MAX)).min(count);
    let commitments = Commitments::of(state, &file, founding)?;
    let mut providers = ProvidersOnce::of(state);
    let mut segments = Vec::new();
    let mut survivable = Survivable::of(&file);
    for index in 0..file.segments {
        let shown = (first..end).contains(&u32::from(index));
        // A proof has a bounded size, so it speaks of what it shows and of nothing else.
        if !shown && query.proof {
            continue;
        }
        let segment = state.require::<Segments>(&(id, index))?;
        survivable.count(&mut providers, &file, &segment)?;
        if shown {
            segments.push(located_segment(&mut providers, &file, index, &segment, commitments.as_ref())?);
        }
    }
    Ok(Some(Located {
        file_id: id,
        height: at.height,
        size: file.size,
        code: file.code.into(),
        survivable_providers: survivable.providers,
        survivable_operators: survivable.operators,
        segments,
        next_segment: (end < count).then_some(end),
        proof: None,
    }))
}

/// The providers of a state, each read once for an answer that names it again and again.
pub(super) struct ProvidersOnce<'a, S> {
    state: &'a S,
    known: BTreeMap<u32, Provider>,
}

impl<'a, S: ReadTables> ProvidersOnce<'a, S> {
    /// Nothing is read yet.
    pub(super) const fn of(state: &'a S) -> Self {
        Self { state, known: BTreeMap::new() }
    }

    fn get(&mut self, number: u32) -> Result<&Provider, StateError> {
        match self.known.entry(number) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => Ok(unknown.insert(self.state.require::<Providers>(&number)?)),
        }
    }
}

/// What the holders signed, as the founding transaction recorded it.
struct Commitments<'a> {
    transaction: TxHash,
    store: &'a Store,
    placement_epochs: u32,
}

impl<'a> Commitments<'a> {
    /// None without a transaction, and of one that is not this file's: it may have been founded anew since.
    fn of(
        state: &impl ReadTables,
        file: &File,
        founding: Option<&'a SignedTransaction>,
    ) -> Result<Option<Self>, StateError> {
        let Some(transaction) = founding else { return Ok(None) };
        let store = store_of(transaction).filter(|store| store.intent.intent.deal() == file.deal);
        let Some(store) = store else { return Ok(None) };
        let placement_epochs = state.require::<ParameterTable>(&())?.placement.placement_epochs;
        Ok(Some(Self { transaction: transaction.hash(), store, placement_epochs }))
    }

    /// The commitment for a piece that is otherwise known.
    fn info(&self, file: &File, segment: u16, piece: &LocatedPiece, provider: &Provider) -> Option<CommitmentInfo> {
        let held = self.store.holders.get(usize::from(segment))?.get(usize::from(piece.index))?;
        let intent = &self.store.intent.intent;
        let bytes = u32::try_from(piece.size).ok()?;
        let account = provider.account;
        let message = commitment_for(intent, self.placement_epochs, segment, piece.index, piece.hash, bytes, account);
        Some(CommitmentInfo {
            signature: held.signature,
            service_key: service_key(provider, file.stored_height)?,
            until_epoch: message.until_epoch,
            message: Hex(message.encode()),
            tx_hash: self.transaction,
        })
    }
}

fn located_segment(
    providers: &mut ProvidersOnce<'_, impl ReadTables>,
    file: &File,
    index: u16,
    segment: &Segment,
    commitments: Option<&Commitments<'_>>,
) -> Result<LocatedSegment, StateError> {
    let size = file.code.piece_bytes(segment.len);
    let mut pieces = Vec::with_capacity(segment.holders.len());
    for ((piece, holder), hash) in (0u8..=u8::MAX).zip(&segment.holders).zip(&segment.piece_hashes) {
        let provider = providers.get(holder.provider)?;
        let live = is_live(provider) && !segment.is_lost(piece);
        let mut located = LocatedPiece {
            index: piece,
            hash: *hash,
            size,
            status: if live { PieceStatus::Live } else { PieceStatus::Lost },
            provider: provider.account,
            peer_id: provider.peer_key,
            addresses: provider.addresses.iter().map(ToString::to_string).collect(),
            commitment: None,
        };
        located.commitment = commitments.and_then(|all| all.info(file, index, &located, provider));
        pieces.push(located);
    }
    Ok(LocatedSegment { index: index.into(), len: segment.len, pieces })
}

/// How many providers, or operators, may vanish, whichever, with every segment still readable.
pub(super) struct Survivable {
    pub(super) providers: u32,
    pub(super) operators: u32,
}

impl Survivable {
    /// Of a file of which no segment has been counted yet: all may vanish.
    pub(super) fn of(file: &File) -> Self {
        let n = u32::from(file.code.n);
        Self { providers: n, operators: n }
    }

    /// Counts a segment; how many of its pieces are live.
    pub(super) fn count(
        &mut self,
        providers: &mut ProvidersOnce<'_, impl ReadTables>,
        file: &File,
        segment: &Segment,
    ) -> Result<u32, StateError> {
        let mut by_provider: BTreeMap<u32, u32> = BTreeMap::new();
        let mut by_operator: BTreeMap<String, u32> = BTreeMap::new();
        for (piece, holder) in (0u8..=u8::MAX).zip(&segment.holders) {
            let provider = providers.get(holder.provider)?;
            if is_live(provider) && !segment.is_lost(piece) {
                *by_provider.entry(holder.provider).or_default() += 1;
                *by_operator.entry(provider.operator.to_string()).or_default() += 1;
            }
        }
        let live = by_provider.values().sum();
        let needed = u32::from(file.code.k);
        self.providers = self.providers.min(may_vanish(by_provider.into_values(), needed));
        self.operators = self.operators.min(may_vanish(by_operator.into_values(), needed));
        Ok(live)
    }
}

/// Holders of most pieces vanish first: how many until fewer than `needed` pieces are left.
fn may_vanish(pieces: impl Iterator<Item = u32>, needed: u32) -> u32 {
    let mut counts: Vec<u32> = pieces.collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let mut left: u32 = counts.iter().sum();
    let mut vanished = 0;
    for count in counts {
        left = left.saturating_sub(count);
        if left < needed {
            break;
        }
        vanished += 1;
    }
    vanished
}

#[cfg(test)]
mod tests {
    use super::may_vanish;

    #[test]
    fn the_worst_holders_vanish_first() {
        assert_eq!(may_vanish([1, 1, 1, 1].into_iter(), 2), 2);
        assert_eq!(may_vanish([2, 1, 1].into_iter(), 2), 1);
        assert_eq!(may_vanish([4].into_iter(), 2), 0);
        assert_eq!(may_vanish([1].into_iter(), 2), 0);
    }
}
