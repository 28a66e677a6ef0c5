//! Putting back what holders of a recorded file lost, from a body that has come again.

use dsn::{Authority, PeerTarget, PutOpen, StripeItem, StripeSource};
use futures::{StreamExt, TryStreamExt};
use pieces::{FileId, PieceHash};
use rpc::ApiError;

use super::Inner;
use crate::directory::{holders, target};
use crate::errors::of_state;
use crate::source::SpooledSegment;
use crate::spool::Spooled;

/// Holders asked at once.
const ASKED_AT_ONCE: usize = 16;

/// A piece that its holder does not have.
struct Missing {
    segment: u16,
    index: u8,
    hash: PieceHash,
    target: PeerTarget,
}

impl Inner {
    /// Asks every holder what it has, and puts back what it lacks. A holder that cannot be reached stays as it is: the
    /// file is as safe as before.
    pub(super) async fn heal(&self, spooled: &Spooled, file: FileId) -> Result<(), ApiError> {
        let mut start = 0;
        for (segment, entry) in (0u16..).zip(&spooled.manifest.segments) {
            let source =
                SpooledSegment { spool: spooled.spool.clone(), code: spooled.manifest.code, start, len: entry.len };
            let missing = self.missing(&file, segment).await?;
            let piece_bytes_max = u32::try_from(source.code.piece_bytes(entry.len)).map_err(ApiError::internal)?;
            for piece in missing {
                let (segment, index) = (piece.segment, piece.index);
                match self.put_back(file, piece, piece_bytes_max, &source).await {
                    Ok(()) => tracing::info!(%file, segment, index, "a missing piece was put back"),
                    Err(error) => {
                        let error = format!("{:#}", anyhow::Error::from(error));
                        tracing::warn!(%file, segment, index, error, "a missing piece could not be put back");
                    }
                }
            }
            start += entry.len;
        }
        Ok(())
    }

    async fn missing(&self, file: &FileId, segment: u16) -> Result<Vec<Missing>, ApiError> {
        let state = self.parts.chain.ledger().state();
        let (entry, providers) = holders(&state, file, segment).map_err(of_state)?;
        let pieces = (0u8..=u8::MAX).zip(providers).zip(entry.piece_hashes);
        let live = pieces.filter_map(|((index, provider), hash)| {
            let target = target(&provider?);
            Some(Missing { segment, index, hash, target })
        });
        let asked = futures::stream::iter(live).map(|piece| async {
            let has = self.parts.peer.have(&piece.target, vec![piece.hash]).await;
            match has {
                Ok(has) if has.first() == Some(&false) => Some(piece),
                Ok(_) => None,
                Err(error) => {
                    let (peer, index) = (piece.target.peer_key, piece.index);
                    tracing::warn!(%peer, %file, segment, index, %error, "a holder did not say what it has");
                    None
                }
            }
        });
        Ok(asked.buffer_unordered(ASKED_AT_ONCE).filter_map(std::future::ready).collect().await)
    }

    async fn put_back(
        &self,
        file: FileId,
        piece: Missing,
        piece_bytes_max: u32,
        source: &SpooledSegment,
    ) -> Result<(), dsn::PutError> {
        let Missing { segment, index, hash, target } = piece;
        let open = PutOpen { authority: Authority::Recorded(file), segment, index, slot: 0, piece_bytes_max };
        let stripes = source.open().await.map_err(dsn::PutError::Source)?;
        let units = stripes.try_filter_map(move |item| {
            let unit = match item {
                StripeItem::Stripe(units) => units.into_iter().nth(usize::from(index)),
                StripeItem::End(_) => None,
            };
            std::future::ready(Ok(unit))
        });
        self.parts.peer.put(&target, open, units, hash).await.map(drop)
    }
}
