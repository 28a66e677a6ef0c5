//! What an upload is agreed on: what providers sign, and what it costs.

use pieces::{ErasureCode, Hash, PieceHash};

use crate::crypto::AccountId;
use crate::types::{Balance, Epoch, PriceParameters, StorageCommitment, UploadIntent};

/// What a provider's commitment for one piece of an intent must say.
#[must_use]
pub fn commitment_for(
    intent: &UploadIntent,
    placement_epochs: u32,
    segment: u16,
    index: u8,
    piece_hash: PieceHash,
    piece_bytes: u32,
    provider: AccountId,
) -> StorageCommitment {
    StorageCommitment {
        version: StorageCommitment::VERSION,
        genesis: intent.genesis,
        cause: Hash::from_bytes(*intent.hash().as_bytes()),
        deal: intent.deal(),
        segment,
        index,
        piece_hash,
        piece_bytes,
        until_epoch: until_epoch(intent, placement_epochs).unwrap_or(Epoch::MAX),
        store_by_ms: intent.store_by_ms,
        provider,
    }
}

/// The epoch until which (exclusive) every holder of an intent's pieces promises to keep them: late enough for the
/// lease of a Store that lands at the last moment. None if it is later than any epoch.
#[must_use]
pub fn until_epoch(intent: &UploadIntent, placement_epochs: u32) -> Option<Epoch> {
    intent.snapshot_epoch.checked_add(placement_epochs)?.checked_add(1)?.checked_add(intent.lease_epochs)
}

/// What one piece of `piece_bytes` bytes costs per epoch. None if it does not fit.
#[must_use]
pub fn piece_price(prices: &PriceParameters, piece_bytes: u64) -> Option<Balance> {
    prices.byte_rate.checked_mul(Balance::from(piece_bytes))?.checked_add(prices.piece_base)
}

/// What all pieces of a file of `size` bytes cost per epoch: the sum over its segments of `n * (base + piece bytes *
/// rate)`. None if it does not fit.
#[must_use]
pub fn unit_price(prices: &PriceParameters, code: &ErasureCode, size: u64, piece_bytes_max: u32) -> Option<Balance> {
    // Not segment by segment: a size from outside may have any number of them.
    let segment_max = code.segment_bytes_max(piece_bytes_max);
    let full = size.checked_div(segment_max).unwrap_or(0);
    let rest = size.checked_rem(segment_max).unwrap_or(0);
    let price = |len: u64| piece_price(prices, code.piece_bytes(len))?.checked_mul(Balance::from(code.n));
    let of_full = if full > 0 { price(segment_max)?.checked_mul(Balance::from(full))? } else { 0 };
    let of_rest = if rest > 0 { price(rest)? } else { 0 };
    of_full.checked_add(of_rest)
}

/// What a lease of `lease_epochs` epochs costs. None if it does not fit.
#[must_use]
pub fn lease_price(
    prices: &PriceParameters,
    code: &ErasureCode,
    size: u64,
    piece_bytes_max: u32,
    lease_epochs: u32,
) -> Option<Balance> {
    unit_price(prices, code, size, piece_bytes_max)?.checked_mul(Balance::from(lease_epochs))
}
