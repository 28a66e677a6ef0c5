//! Which pieces a provider takes: what an upload's intent and placement say, or what the ledger already records.

use std::sync::Arc;

use dsn::{Admission, Admitted, AdmittedKind, Authority, PutOpen, Refusal, RefusalCode, UnrecordedQuota};
use pieces::{FileId, PieceHash};
use rand_core::OsRng;
use runtime::crypto::{AccountId, KeyPair, Signature};
use runtime::deals::{DEAL_WINDOW, check_deal_nonce};
use runtime::placement::place;
use runtime::state::{ReadTables, StateError};
use runtime::tables::{
    Account, Accounts, Files, ParameterTable, ProviderNumbers, Providers, Segment, Segments, Snapshots,
};
use runtime::terms::{commitment_for, lease_price};
use runtime::types::{Parameters, SignedIntent, StorageCommitment, UploadIntent};

use crate::chain::{Chain, clock_ms};

/// Answers for one provider of this node.
pub struct LedgerAdmission {
    chain: Arc<Chain>,
    account: AccountId,
    service: KeyPair,
}

impl LedgerAdmission {
    /// For the provider of this account, signing with its service key.
    pub const fn new(chain: Arc<Chain>, account: AccountId, service: KeyPair) -> Self {
        Self { chain, account, service }
    }

    /// Cheapest check first; the signature last.
    fn admit_intent(&self, open: &PutOpen, signed: &SignedIntent) -> Result<Admitted, Refusal> {
        let state = self.chain.ledger().state();
        let parameters: Parameters = state.require::<ParameterTable>(&()).map_err(unreadable)?;
        let intent = &signed.intent;
        self.check_terms(intent, &parameters)?;
        let price = check_size(open, intent, &parameters)?;
        let owner = state.read::<Accounts>(&intent.owner).map_err(unreadable)?.unwrap_or_default();
        if price > intent.max_price || price > owner.free {
            return Err(refuse(RefusalCode::Unfunded, "the owner cannot pay for this upload"));
        }
        check_deal_nonce(&owner, intent.deal_nonce)
            .map_err(|rule| refuse(RefusalCode::NotPermitted, rule.to_string()))?;
        let snapshot = state.read::<Snapshots>(&intent.snapshot_epoch).map_err(unreadable)?;
        let snapshot = snapshot.ok_or_else(|| refuse(RefusalCode::Expired, "the snapshot is not known"))?;
        let placement = place(&snapshot, &parameters.placement, &intent.code, &intent.deal(), open.segment)
            .map_err(|rule| refuse(RefusalCode::NotPermitted, rule.to_string()))?;
        let number = state.read::<ProviderNumbers>(&self.account).map_err(unreadable)?;
        let slot = placement.slots.get(usize::from(open.slot)).map(|slot| slot.provider);
        let number = number.filter(|number| slot == Some(*number));
        let number = number.ok_or_else(|| refuse(RefusalCode::NotPermitted, "the slot is not this provider's"))?;
        let declared = state.require::<Providers>(&number).map_err(unreadable)?.declared;
        signed.verify().map_err(|_| refuse(RefusalCode::NotPermitted, "the intent's signature does not hold"))?;
        let epochs = parameters.placement.placement_epochs;
        let commitment = commitment_for(intent, epochs, open.segment, open.index, PieceHash::ZERO, 0, self.account);
        let quota = unrecorded_quota(intent, &owner, declared, &parameters);
        Ok(Admitted { deal: commitment.deal, kind: AdmittedKind::Commit(commitment), quota: Some(quota) })
    }

    fn check_terms(&self, intent: &UploadIntent, parameters: &Parameters) -> Result<(), Refusal> {
        let head = self.chain.ledger().head();
        let now_ms = clock_ms().max(head.header.timestamp_ms);
        if intent.version != UploadIntent::VERSION || intent.genesis != self.chain.ledger().genesis_hash() {
            return Err(refuse(RefusalCode::NotPermitted, "the intent is for another chain or version"));
        }
        if intent.lease_epochs == 0 || intent.lease_epochs > parameters.prices.max_lease_epochs {
            return Err(refuse(RefusalCode::OutOfBounds, "the lease is empty or too long"));
        }
        if now_ms > intent.store_by_ms {
            return Err(refuse(RefusalCode::Expired, "the time to store by has passed"));
        }
        // Pieces of an intent that never expires would lie here for ever; the drift allows for the owner's clock.
        let latest = now_ms.saturating_add(parameters.time.store_window_ms).saturating_add(parameters.time.drift_ms);
        if intent.store_by_ms > latest {
            return Err(refuse(RefusalCode::OutOfBounds, "the time to store by is too far away"));
        }
        let last_epoch = intent.snapshot_epoch.saturating_add(parameters.placement.placement_epochs);
        if intent.snapshot_epoch > head.header.epoch || head.header.epoch > last_epoch {
            return Err(refuse(RefusalCode::Expired, "the placement is no longer valid"));
        }
        Ok(())
    }

    /// What the ledger says this provider holds it takes back without an intent.
    fn admit_recorded(&self, open: &PutOpen, file_id: FileId) -> Result<Admitted, Refusal> {
        let not_recorded = || refuse(RefusalCode::NotRecorded, "the ledger records no such piece here");
        let state = self.chain.ledger().state();
        let number = state.read::<ProviderNumbers>(&self.account).map_err(unreadable)?.ok_or_else(not_recorded)?;
        let file = state.read::<Files>(&file_id).map_err(unreadable)?.ok_or_else(not_recorded)?;
        let segment: Segment =
            state.read::<Segments>(&(file_id, open.segment)).map_err(unreadable)?.ok_or_else(not_recorded)?;
        let index = usize::from(open.index);
        let holder = segment.holders.get(index).filter(|holder| holder.provider == number).ok_or_else(not_recorded)?;
        let hash = segment.piece_hashes.get(index).ok_or_else(not_recorded)?;
        if u64::from(open.piece_bytes_max) > file.code.piece_bytes(segment.len) {
            return Err(refuse(RefusalCode::OutOfBounds, "the piece is shorter"));
        }
        let kind = AdmittedKind::Restore { piece_hash: *hash, until_epoch: holder.until_epoch };
        Ok(Admitted { deal: file.deal, kind, quota: None })
    }
}

impl Admission for LedgerAdmission {
    fn admit(&self, open: &PutOpen) -> Result<Admitted, Refusal> {
        match &open.authority {
            Authority::Intent(intent) => self.admit_intent(open, intent),
            Authority::Recorded(file) => self.admit_recorded(open, *file),
        }
    }

    fn sign(&self, commitment: &StorageCommitment) -> Signature {
        commitment.sign(&self.service, OsRng)
    }
}

/// Whether segment, index and length can be part of a file of at most `max_bytes`; its price if so.
fn check_size(open: &PutOpen, intent: &UploadIntent, parameters: &Parameters) -> Result<u128, Refusal> {
    let profile = parameters.profile_of(&intent.code);
    let profile = profile.ok_or_else(|| refuse(RefusalCode::NotPermitted, "the chain does not allow this code"))?;
    let limit = parameters.limits.piece_bytes;
    let (code, size) = (&intent.code, intent.max_bytes);
    if size > parameters.file_bytes_max(profile) {
        return Err(refuse(RefusalCode::OutOfBounds, "the file is larger than its profile allows"));
    }
    let segment_bytes = code.segment_bytes_max(limit);
    let before = segment_bytes.saturating_mul(u64::from(open.segment));
    let len_max = size.saturating_sub(before).min(segment_bytes);
    if open.index >= code.n || len_max == 0 || u64::from(open.piece_bytes_max) > code.piece_bytes(len_max) {
        return Err(refuse(RefusalCode::OutOfBounds, "the intent's file has no such piece"));
    }
    lease_price(&parameters.prices, code, size, limit, intent.lease_epochs)
        .ok_or_else(|| refuse(RefusalCode::OutOfBounds, "the price of the lease does not fit"))
}

/// What may lie here for deals that no block records yet. An account has no deals under way but those whose nonces it may
/// still use, so that what lies here is known by its deal alone, also after a restart.
fn unrecorded_quota(intent: &UploadIntent, owner: &Account, declared: u64, parameters: &Parameters) -> UnrecordedQuota {
    let first = owner.deal_high.saturating_sub(DEAL_WINDOW);
    let nonces = first..owner.deal_high.saturating_add(DEAL_WINDOW);
    let open = nonces.filter(|nonce| check_deal_nonce(owner, *nonce).is_ok());
    let of_owner = open.map(|deal_nonce| UploadIntent { deal_nonce, ..intent.clone() }.deal()).collect();
    let share = |permille: u16| (declared / 1000).saturating_mul(u64::from(permille));
    UnrecordedQuota {
        deal: intent.deal(),
        of_owner,
        owner_bytes_max: share(parameters.placement.unrecorded_owner_permille),
        all_bytes_max: share(parameters.placement.unrecorded_all_permille),
    }
}

fn refuse(code: RefusalCode, message: impl AsRef<str>) -> Refusal {
    Refusal::new(code, message)
}

fn unreadable(error: StateError) -> Refusal {
    tracing::error!(%error, "cannot decide about a piece");
    refuse(RefusalCode::Internal, "the ledger cannot be read")
}
