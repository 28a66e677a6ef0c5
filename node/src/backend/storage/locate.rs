//! Where a file's pieces are, and how much may be lost.

use std::collections::BTreeMap;

use pieces::FileId;
use rpc::ApiError;
use rpc::types::{CommitmentInfo, LocateQuery, Located, LocatedPiece, LocatedSegment, PieceStatus};
use runtime::state::ReadTables;
use runtime::tables::{File, ParameterTable, Providers, Segment, Segments};
use runtime::terms::commitment_for;
use runtime::types::{Height, Store, TxHash};

use super::{StorageBackend, encoded, store_of};
use crate::directory::{is_live, service_key};
use crate::errors::{of_ledger, of_state};

/// Most segments of one answer.
const SEGMENTS_MAX: u32 = 64;

/// The transaction that founded a file: where the holders' commitments are.
struct Founding {
    hash: TxHash,
    height: Height,
    store: Store,
}

impl StorageBackend {
    pub(super) fn located(&self, id: FileId, query: &LocateQuery) -> Result<Located, ApiError> {
        if query.proof {
            return Err(ApiError::BadParams("proof: this version gives no proofs".into()));
        }
        let file = self.known_file(&id)?;
        let founding = self.founding(&id)?;
        let state = self.chain.ledger().state();
        let count = u32::from(file.segments);
        let first = query.from_segment.min(count);
        let end = first.saturating_add(query.limit.unwrap_or(SEGMENTS_MAX).clamp(1, SEGMENTS_MAX)).min(count);
        let mut segments = Vec::new();
        let mut survivable = Survivable::of(&file);
        for index in 0..file.segments {
            let segment = state.require::<Segments>(&(id, index)).map_err(of_state)?;
            survivable.count(&state, &file, &segment)?;
            if (first..end).contains(&u32::from(index)) {
                segments.push(self.located_segment(&state, &file, index, &segment, founding.as_ref())?);
            }
        }
        Ok(Located {
            file_id: id,
            height: state.height(),
            size: file.size,
            code: file.code.into(),
            survivable_providers: survivable.providers,
            survivable_operators: survivable.operators,
            segments,
            next_segment: (end < count).then_some(end),
            proof: None,
        })
    }

    fn founding(&self, id: &FileId) -> Result<Option<Founding>, ApiError> {
        let ledger = self.chain.ledger();
        let Some(hash) = ledger.store_transaction_of(id).map_err(of_ledger)? else { return Ok(None) };
        let record = ledger.transaction(&hash).map_err(of_ledger)?;
        Ok(record.and_then(|record| {
            let store = store_of(&record.transaction)?.clone();
            Some(Founding { hash, height: record.height, store })
        }))
    }

    fn located_segment(
        &self,
        state: &impl ReadTables,
        file: &File,
        index: u16,
        segment: &Segment,
        founding: Option<&Founding>,
    ) -> Result<LocatedSegment, ApiError> {
        let placement_epochs = state.require::<ParameterTable>(&()).map_err(of_state)?.placement.placement_epochs;
        let size = file.code.piece_bytes(segment.len);
        let mut pieces = Vec::with_capacity(segment.holders.len());
        for ((piece, holder), hash) in (0u8..=u8::MAX).zip(&segment.holders).zip(&segment.piece_hashes) {
            let provider = state.require::<Providers>(&holder.provider).map_err(of_state)?;
            let live = is_live(&provider) && !segment.is_lost(piece);
            let commitment = founding.and_then(|founding| {
                let held = founding.store.holders.get(usize::from(index))?.get(usize::from(piece))?;
                let intent = &founding.store.intent.intent;
                let bytes = u32::try_from(size).ok()?;
                let account = provider.account;
                let message = commitment_for(intent, placement_epochs, index, piece, *hash, bytes, account);
                Some(CommitmentInfo {
                    signature: held.signature,
                    service_key: service_key(&provider, founding.height)?,
                    until_epoch: message.until_epoch,
                    message: encoded(&message),
                    tx_hash: founding.hash,
                })
            });
            pieces.push(LocatedPiece {
                index: piece,
                hash: *hash,
                size,
                status: if live { PieceStatus::Live } else { PieceStatus::Lost },
                provider: provider.account,
                peer_id: provider.peer_key,
                addresses: provider.addresses.iter().map(ToString::to_string).collect(),
                commitment,
            });
        }
        Ok(LocatedSegment { index: index.into(), len: segment.len, pieces })
    }
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
    pub(super) fn count(&mut self, state: &impl ReadTables, file: &File, segment: &Segment) -> Result<u32, ApiError> {
        let mut by_provider: BTreeMap<u32, u32> = BTreeMap::new();
        let mut by_operator: BTreeMap<String, u32> = BTreeMap::new();
        for (piece, holder) in (0u8..=u8::MAX).zip(&segment.holders) {
            let provider = state.require::<Providers>(&holder.provider).map_err(of_state)?;
            if is_live(&provider) && !segment.is_lost(piece) {
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
