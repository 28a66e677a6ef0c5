//! A new upload: the owner's intent, the placement's slots, the providers' commitments.

use std::collections::BTreeMap;

use dsn::{Candidate, ColumnCommitment, SegmentUpload, upload_segment};
use pieces::PieceHash;
use rand_core::OsRng;
use rpc::{ApiError, TryAgain};
use runtime::crypto::AccountId;
use runtime::placement::{Slot, place};
use runtime::state::ReadTables;
use runtime::tables::{Accounts, ParameterTable, Providers, Snapshots};
use runtime::terms::{commitment_for, lease_price};
use runtime::types::{Height, Holder, Parameters, SignedIntent, Store, UploadIntent};

use super::{Inner, Order, Ready};
use crate::deal_nonces::DealNonce;
use crate::directory::{service_key, target};
use crate::errors::of_state;
use crate::source::SpooledSegment;
use crate::spool::Spooled;

impl Inner {
    /// Sends every piece to a drawn provider and collects the commitments.
    pub(super) async fn deal(&self, spooled: &Spooled, order: &Order) -> Result<Ready, ApiError> {
        let (intent, nonce) = self.intent(spooled, order)?;
        let manifest = &spooled.manifest;
        let mut holders = Vec::with_capacity(manifest.segments.len());
        let mut start = 0;
        for (segment, entry) in (0u16..).zip(&manifest.segments) {
            let source = SpooledSegment { spool: spooled.spool.clone(), code: manifest.code, start, len: entry.len };
            let upload = self.segment_upload(&intent, segment, entry.len)?;
            let uploaded = upload_segment(&self.parts.peer, upload, &source).await.map_err(of_upload)?;
            if uploaded.manifest != *entry {
                return Err(ApiError::internal("the spooled body changed while it was sent"));
            }
            for failure in &uploaded.failures {
                let (provider, why) = (failure.provider, &failure.reason);
                tracing::warn!(%provider, segment, index = failure.index, why, "a provider did not take its piece");
            }
            holders.push(uploaded.holders.iter().map(holder).collect());
            start += entry.len;
        }
        Ok(Ready { store: Store { intent, manifest: manifest.clone(), holders }, nonce })
    }

    /// Pays for a file that is there already: an intent, and no pieces.
    pub(super) fn lease(&self, spooled: &Spooled, order: &Order) -> Result<Ready, ApiError> {
        let (intent, nonce) = self.intent(spooled, order)?;
        Ok(Ready { store: Store { intent, manifest: spooled.manifest.clone(), holders: Vec::new() }, nonce })
    }

    fn intent(&self, spooled: &Spooled, order: &Order) -> Result<(SignedIntent, DealNonce), ApiError> {
        let chain = &self.parts.chain;
        let state = chain.ledger().state();
        let parameters: Parameters = state.require::<ParameterTable>(&()).map_err(of_state)?;
        let owner: AccountId = order.owner.account();
        let account = state.read::<Accounts>(&owner).map_err(of_state)?.unwrap_or_default();
        let read = || Ok(chain.ledger().state().read::<Accounts>(&owner)?.unwrap_or_default());
        let nonce = self.nonces.take(owner, read).map_err(of_state)?;
        let nonce = nonce.ok_or(TryAgain::Overloaded("too many uploads of this account are under way"))?;
        let (code, size) = (order.profile.code, spooled.manifest.size);
        let price = lease_price(&parameters.prices, &code, size, order.piece_bytes_max, order.lease_epochs);
        let intent = UploadIntent {
            version: UploadIntent::VERSION,
            genesis: chain.ledger().genesis_hash(),
            owner,
            deal_nonce: nonce.get(),
            code,
            snapshot_epoch: state.head().header.epoch,
            max_bytes: size,
            lease_epochs: order.lease_epochs,
            max_price: price.ok_or_else(|| ApiError::BadParams("the lease's price does not fit".into()))?,
            store_by_ms: chain.now_ms().saturating_add(parameters.time.store_window_ms),
        };
        if intent.max_price > account.free {
            return Err(ApiError::Rejected { rule: runtime::rule::Rule::InsufficientBalance });
        }
        Ok((intent.sign(&order.owner, OsRng), nonce))
    }

    /// Who may take which column: slot `i` is column `i`'s, the slots to spare are everybody's.
    fn segment_upload(&self, signed: &SignedIntent, segment: u16, len: u64) -> Result<SegmentUpload, ApiError> {
        let state = self.parts.chain.ledger().state();
        let parameters: Parameters = state.require::<ParameterTable>(&()).map_err(of_state)?;
        let intent = &signed.intent;
        let snapshot = state.require::<Snapshots>(&intent.snapshot_epoch).map_err(of_state)?;
        let placed = place(&snapshot, &parameters.placement, &intent.code, &intent.deal(), segment);
        let slots = placed.map_err(|rule| ApiError::Rejected { rule })?.slots;
        let height = state.head().header.height;
        let mut candidates = Vec::with_capacity(slots.len());
        for (number, slot) in (0u8..=u8::MAX).zip(&slots) {
            candidates.extend(candidate(&state, number, *slot, height)?);
        }
        let n = usize::from(intent.code.n);
        let (first, spare) = candidates.split_at(n.min(candidates.len()));
        let columns: BTreeMap<u8, Vec<Candidate>> = (0..intent.code.n)
            .zip(first)
            .map(|(index, own)| (index, std::iter::once(own).chain(spare).cloned().collect()))
            .collect();
        if columns.len() < n {
            return Err(TryAgain::Overloaded("there are fewer providers than pieces").into());
        }
        let epochs = parameters.placement.placement_epochs;
        let piece_bytes_max = u32::try_from(intent.code.piece_bytes(len)).map_err(ApiError::internal)?;
        let terms = commitment_for(intent, epochs, segment, 0, PieceHash::ZERO, 0, intent.owner);
        Ok(SegmentUpload { intent: signed.clone(), segment, code: intent.code, piece_bytes_max, terms, columns })
    }
}

/// The provider of a slot, unless it is gone.
fn candidate(state: &impl ReadTables, number: u8, slot: Slot, height: Height) -> Result<Option<Candidate>, ApiError> {
    let provider = state.read::<Providers>(&slot.provider).map_err(of_state)?;
    Ok(provider.and_then(|provider| {
        Some(Candidate {
            slot: number,
            target: target(&provider),
            provider: provider.account,
            service_key: service_key(&provider, height)?,
        })
    }))
}

fn holder(held: &ColumnCommitment) -> Holder {
    Holder { slot: held.slot, signature: held.signature }
}

fn of_upload(error: dsn::UploadError) -> ApiError {
    match &error {
        dsn::UploadError::NoHolder { failures, .. } => {
            tracing::warn!(%error, "an upload found no holder");
            let provider = failures.first().map_or_else(|| "unknown".into(), |failure| failure.provider.to_string());
            TryAgain::ProviderUnavailable { provider }.into()
        }
        _ => ApiError::internal(error),
    }
}
