//! What this node reads of others is kept for a while, and passed on.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use dsn::{CacheLimits, Peer, PieceCache, PieceService, ServiceLimits};
use runtime::crypto::PeerKey;

use crate::spool::RESERVE_BYTES;

/// Opens the cache and has this node's peer serve it. `beside` are the peers of this node's providers, whose pieces lie on
/// this disk anyway. None if the cache has no room at all.
pub async fn start(
    folder: PathBuf,
    bytes: u64,
    peer: &Peer,
    beside: impl IntoIterator<Item = PeerKey>,
) -> anyhow::Result<Option<PieceService>> {
    if bytes == 0 {
        return Ok(None);
    }
    let limits = CacheLimits { bytes, reserve_bytes: RESERVE_BYTES };
    let opening = tokio::task::spawn_blocking(move || PieceCache::open(&folder, limits));
    let cache = opening.await?.context("open the cache of pieces")?;
    let service = PieceService::without_store(ServiceLimits::default()).with_cache(Arc::new(cache), beside);
    peer.serve(service.clone())?;
    Ok(Some(service))
}
