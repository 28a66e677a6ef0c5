//! What this node reads of others is kept for a while, and passed on.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use dsn::{CacheLimits, Peer, PieceCache, PieceService, ServiceLimits};
use runtime::crypto::PeerKey;

use crate::spool::RESERVE_BYTES;

/// Opens the cache, at most `bytes` large; none if it has no room at all.
pub async fn open(folder: PathBuf, bytes: u64) -> anyhow::Result<Option<Arc<PieceCache>>> {
    if bytes == 0 {
        return Ok(None);
    }
    let limits = CacheLimits { bytes, reserve_bytes: RESERVE_BYTES };
    let opening = tokio::task::spawn_blocking(move || PieceCache::open(&folder, limits));
    let cache = opening.await?.context("open the cache of pieces")?;
    Ok(Some(Arc::new(cache)))
}

/// Has a peer that keeps no pieces for money serve the cache. `beside` are the peers of this node's providers, whose
/// pieces lie on this disk anyway.
pub fn serve(
    cache: Arc<PieceCache>,
    peer: &Peer,
    beside: impl IntoIterator<Item = PeerKey>,
) -> anyhow::Result<PieceService> {
    let service = PieceService::without_store(ServiceLimits::default()).with_cache(cache, beside);
    peer.serve(service.clone())?;
    Ok(service)
}
