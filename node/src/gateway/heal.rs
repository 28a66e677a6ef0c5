//! Putting back what holders of a recorded file lost, from a body that has come again.

use std::sync::Arc;
use std::time::Duration;

use dsn::upload::{GIVE_UP_AFTER, RATE_MIN};
use dsn::{Authority, PeerTarget, PutOpen, StripeItem, StripeSource};
use futures::{StreamExt, TryStreamExt};
use pieces::{FileId, FileManifest, PieceHash};
use rpc::{ApiError, TryAgain};
use runtime::crypto::AccountId;

use super::Inner;
use crate::directory::{holders, target};
use crate::errors::of_state;
use crate::source::SpooledSegment;
use crate::spool::Body;

/// Holders asked at once.
const ASKED_AT_ONCE: usize = 16;

/// A piece and who should have it.
struct Piece {
    segment: u16,
    index: u8,
    hash: PieceHash,
    target: PeerTarget,
    provider: AccountId,
}

impl Inner {
    /// Asks every holder what it has, and puts back what it lacks. A holder that cannot be asked, or does not take its
    /// piece back, is left alone as long as the segment can be read without it; all others are tried in any case.
    pub(super) async fn heal(&self, body: &Arc<Body>, manifest: &FileManifest) -> Result<(), ApiError> {
        let file = manifest.file_id();
        let mut start = 0;
        let mut result = Ok(());
        for (segment, entry) in (0u16..).zip(&manifest.segments) {
            let source = SpooledSegment::new(body.clone(), manifest.code, start, entry.len);
            let healed = self.heal_segment(file, segment, &source).await;
            result = result.and(healed);
            start += entry.len;
        }
        result
    }

    async fn heal_segment(&self, file: FileId, segment: u16, source: &SpooledSegment) -> Result<(), ApiError> {
        let piece_bytes_max = u32::try_from(source.code.piece_bytes(source.len)).map_err(ApiError::internal)?;
        let mut held = 0;
        let mut unable = None;
        for (piece, answer) in self.ask_holders(&file, segment).await? {
            let (index, provider, peer) = (piece.index, piece.provider, piece.target.to_string());
            match answer {
                Some(true) => held += 1,
                None => unable = Some(provider),
                Some(false) => match self.put_back(file, piece, piece_bytes_max, source).await {
                    Ok(()) => {
                        held += 1;
                        tracing::info!(%file, segment, index, %provider, "a missing piece was put back");
                    }
                    Err(error) => {
                        let error = format!("{:#}", anyhow::Error::from(error));
                        tracing::warn!(%file, segment, index, %provider, %peer, error, "a missing piece was not put back");
                        unable = Some(provider);
                    }
                },
            }
        }
        match unable {
            Some(provider) if held < source.code.k => {
                Err(TryAgain::ProviderUnavailable { provider: provider.to_string() }.into())
            }
            _ => Ok(()),
        }
    }

    /// Each piece that is not marked lost, and whether its holder has it; none if the holder did not say.
    async fn ask_holders(&self, file: &FileId, segment: u16) -> Result<Vec<(Piece, Option<bool>)>, ApiError> {
        let state = self.parts.chain.ledger().state();
        let (entry, providers) = holders(&state, file, segment).map_err(of_state)?;
        let pieces = (0u8..=u8::MAX).zip(providers).zip(entry.piece_hashes);
        let live = pieces.filter_map(|((index, provider), hash)| {
            let provider = provider?;
            Some(Piece { segment, index, hash, target: target(&provider), provider: provider.account })
        });
        let asked = futures::stream::iter(live).map(|piece| async {
            let answer = match self.parts.peer.have(&piece.target, vec![piece.hash]).await {
                Ok(has) => has.first().copied(),
                Err(error) => {
                    let Piece { provider, index, target, .. } = &piece;
                    if let Some(deed) = error.deed() {
                        self.parts.peer.judged().note(target.peer_key, deed);
                    }
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::warn!(%file, segment, index, %provider, peer = %target, error, "a holder did not say what it has");
                    None
                }
            };
            (piece, answer)
        });
        Ok(asked.buffer_unordered(ASKED_AT_ONCE).collect().await)
    }

    async fn put_back(
        &self,
        file: FileId,
        piece: Piece,
        piece_bytes_max: u32,
        source: &SpooledSegment,
    ) -> Result<(), dsn::PutError> {
        let Piece { segment, index, hash, target, .. } = piece;
        let open = PutOpen { authority: Authority::Recorded(file), segment, index, slot: 0, piece_bytes_max };
        let stripes = source.open().await.map_err(dsn::PutError::Source)?;
        let units = stripes.try_filter_map(move |item| {
            let unit = match item {
                StripeItem::Stripe(units) => units.into_iter().nth(usize::from(index)),
                StripeItem::End(_) => None,
            };
            std::future::ready(Ok(unit))
        });
        // Others do not need this one: it may take its time, but not for ever.
        let limit = GIVE_UP_AFTER + Duration::from_secs(u64::from(piece_bytes_max) / RATE_MIN);
        let putting = tokio::time::timeout(limit, self.parts.peer.put(&target, open, units, hash)).await;
        let put = putting.unwrap_or_else(|_| Err(dsn::PutError::Timeout { peer: target.to_string() }));
        if let Some(deed) = put.as_ref().err().and_then(dsn::PutError::deed) {
            self.parts.peer.judged().note(target.peer_key, deed);
        }
        put.map(drop)
    }
}
