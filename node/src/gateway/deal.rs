//! A deal: the owner's intent, the placement's slots, the providers' commitments, segment by segment.

use std::collections::BTreeMap;
use std::sync::Arc;

use dsn::{Candidate, ColumnCommitment, ColumnFailure, RefusalCode, SegmentUpload, upload_segment};
use pieces::PieceHash;
use rand_core::OsRng;
use rpc::{ApiError, TryAgain};
use runtime::crypto::AccountId;
use runtime::placement::{Slot, place};
use runtime::rule::Rule;
use runtime::state::ReadTables;
use runtime::tables::{Account, Accounts, ParameterTable, Providers, Snapshots};
use runtime::terms::{commitment_for, lease_price};
use runtime::types::{Height, Holder, Parameters, SignedIntent, UploadIntent};

use super::journal::{PlacedSegment, Step};
use super::upload::Job;
use super::{Inner, Order};
use crate::deal_nonces::DealNonce;
use crate::directory::{service_key, target};
use crate::errors::of_state;
use crate::source::SpooledSegment;

/// A promise with less time left is made anew: a Store has to land before it ends.
const STORE_MARGIN_MS: u64 = 60_000;

/// The owner's promise, and what has been placed under it.
pub(super) struct Deal {
    pub(super) intent: SignedIntent,
    /// Held until the Store has landed.
    pub(super) _nonce: DealNonce,
    /// The first segments of the file.
    pub(super) placed: Vec<PlacedSegment>,
    /// Has seen the bytes of these segments as they were read for their pieces.
    pub(super) hasher: blake3::Hasher,
}

impl Inner {
    /// Sends the segments up to `last`, those that are not placed yet, and collects the commitments. A deal whose time
    /// is up begins anew.
    pub(super) async fn place_through(
        &self,
        job: &Job,
        deal: &mut Option<Deal>,
        lens: &[u64],
        last: usize,
    ) -> Result<(), ApiError> {
        loop {
            let current = self.current(job, deal, lens.iter().sum()).await?;
            let next = current.placed.len();
            let Some(len) = lens.get(next).filter(|_| next <= last) else { return Ok(()) };
            let start = lens.iter().take(next).sum();
            let segment = u16::try_from(next).map_err(ApiError::internal)?;
            match self.place_segment(job, current, segment, start, *len).await {
                // It may have failed only because the deal's time was up.
                Err(error) if self.is_current(&current.intent)? => return Err(error),
                Err(_) => {}
                Ok(()) => job.acknowledged(current.placed.len()),
            }
        }
    }

    /// The deal if its time is not up, else a new one.
    pub(super) async fn current<'a>(
        &self,
        job: &Job,
        deal: &'a mut Option<Deal>,
        size: u64,
    ) -> Result<&'a mut Deal, ApiError> {
        let kept = match deal.take() {
            Some(deal) if self.is_current(&deal.intent)? => deal,
            ended => {
                // Its nonce is free again before the next one is chosen.
                drop(ended);
                job.another_deal()?;
                let (intent, nonce) = self.intent(&job.order, size)?;
                job.note(|| Step::deal(&intent)).await?;
                job.acknowledged(0);
                Deal { intent, _nonce: nonce, placed: Vec::new(), hasher: blake3::Hasher::new() }
            }
        };
        Ok(deal.insert(kept))
    }

    /// Whether a Store under this intent can still land.
    fn is_current(&self, intent: &SignedIntent) -> Result<bool, ApiError> {
        let chain = &self.parts.chain;
        let state = chain.ledger().state();
        let parameters: Parameters = state.require::<ParameterTable>(&()).map_err(of_state)?;
        let intent = &intent.intent;
        // The margin must leave most of a short window.
        let margin = STORE_MARGIN_MS.min(parameters.time.store_window_ms / 4);
        let in_time = chain.now_ms().saturating_add(margin) < intent.store_by_ms;
        let last_epoch = intent.snapshot_epoch.saturating_add(parameters.placement.placement_epochs);
        Ok(in_time && state.head().header.epoch < last_epoch)
    }

    async fn place_segment(
        &self,
        job: &Job,
        deal: &mut Deal,
        segment: u16,
        start: u64,
        len: u64,
    ) -> Result<(), ApiError> {
        let _sending = self.sending.acquire().await.map_err(ApiError::internal)?;
        let source = SpooledSegment {
            before: deal.hasher.clone(),
            ..SpooledSegment::new(job.body.clone(), job.order.profile.code, start, len)
        };
        let upload = self.segment_upload(&deal.intent, segment, len)?;
        let uploaded = upload_segment(&self.parts.peer, upload, &source).await.map_err(of_upload)?;
        let hasher = source.behind.get().cloned();
        deal.hasher = hasher.ok_or_else(|| ApiError::internal("a segment was sent without being read"))?;
        let holders = uploaded.holders.iter().map(holder).collect();
        let placed = PlacedSegment { manifest: uploaded.manifest, holders };
        job.note(|| Step::segment(&placed)).await?;
        deal.placed.push(placed);
        Ok(())
    }

    /// A promise to pay for a file of `size` bytes, and the deal nonce it uses.
    pub(super) fn intent(&self, order: &Order, size: u64) -> Result<(SignedIntent, DealNonce), ApiError> {
        let chain = &self.parts.chain;
        let state = chain.ledger().state();
        let parameters: Parameters = state.require::<ParameterTable>(&()).map_err(of_state)?;
        let owner: AccountId = order.owner.account();
        let account = state.read::<Accounts>(&owner).map_err(of_state)?.unwrap_or_default();
        let nonce = self.nonces.take(owner, || self.account(&owner)).map_err(of_state)?;
        let nonce = nonce.ok_or(TryAgain::Overloaded("too many uploads of this account are under way"))?;
        let code = order.profile.code;
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
            return Err(ApiError::Rejected { rule: Rule::InsufficientBalance });
        }
        Ok((intent.sign(&order.owner, OsRng), nonce))
    }

    /// The account at the head as it is now.
    pub(super) fn account(&self, owner: &AccountId) -> Result<Account, runtime::state::StateError> {
        Ok(self.parts.chain.ledger().state().read::<Accounts>(owner)?.unwrap_or_default())
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
            raised: slot.raised,
            target: target(&provider),
            provider: provider.account,
            service_key: service_key(&provider, height)?,
        })
    }))
}

fn holder(held: &ColumnCommitment) -> Holder {
    Holder { slot: held.slot, signature: held.signature }
}

/// What it is to the client that some pieces found no holder: room and money are not had by waiting.
fn of_upload(error: dsn::UploadError) -> ApiError {
    let dsn::UploadError::NoHolder { segment, missing, failures } = &error else { return ApiError::internal(error) };
    tracing::warn!(%error, "an upload found no holder");
    let of_missing = |failure: &&ColumnFailure| missing.contains(&failure.index);
    let refused = |code| failures.iter().filter(of_missing).any(|failure| failure.refusal == Some(code));
    let of_quota = |failure: &&ColumnFailure| failure.refusal == Some(RefusalCode::Unrecorded);
    if let Some(ColumnFailure { provider, reason, .. }) = failures.iter().filter(of_missing).find(of_quota) {
        let quota = "the quota for pieces that no block records yet";
        return ApiError::Full(format!(
            "{quota} is full at the providers that may keep the file ({provider}: {reason})"
        ));
    }
    if refused(RefusalCode::Full) {
        return ApiError::Full("the providers that may keep the file have no room left".into());
    }
    if refused(RefusalCode::Unfunded) {
        return ApiError::Rejected { rule: Rule::InsufficientBalance };
    }
    let providers = failures.iter().filter(of_missing);
    let providers = providers.map(|failure| (failure.provider.to_string(), failure.reason.clone())).collect();
    TryAgain::NoProvider { segment: (*segment).into(), pieces: missing.clone(), providers }.into()
}

/// The deal that an upload remembers from before a restart, if its nonce can still be used.
pub(super) async fn remembered(
    inner: &Inner,
    job: &Job,
    intent: SignedIntent,
    placed: Vec<PlacedSegment>,
) -> Result<Option<Deal>, ApiError> {
    let owner = intent.intent.owner;
    let nonce = inner.nonces.take_again(owner, intent.intent.deal_nonce, || inner.account(&owner)).map_err(of_state)?;
    let Some(nonce) = nonce else { return Ok(None) };
    let bytes = placed.iter().map(|segment| segment.manifest.len).sum();
    let body = Arc::clone(&job.body);
    let hasher = tokio::task::spawn_blocking(move || body.rehash(bytes)).await;
    let hasher = hasher.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    Ok(Some(Deal { intent, _nonce: nonce, placed, hasher }))
}
