//! Reading every piece from time to time, so that a damaged one is found while others can still mend it.

use std::sync::Arc;
use std::time::Duration;

use dsn::{PieceStore, StoreError};
use pieces::PieceHash;
use runtime::crypto::AccountId;
use tokio::time::sleep;

/// Bytes of pieces that are read in a second, on average: a tenth of what a slow disk reads, and all of 1 TiB in a day.
const BYTES_PER_SECOND: u64 = 16 * 1024 * 1024;
/// What a piece counts for at least: opening a file is work too.
const PIECE_BYTES_MIN: u64 = 64 * 1024;
/// From the end of a pass over all pieces to the beginning of the next.
const PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks at one piece after the other until it is dropped. It begins at a random one: a node that is started often must
/// come to the last ones too.
pub async fn follow(store: Arc<PieceStore>, account: AccountId) {
    loop {
        let mut first = [0; PieceHash::LENGTH];
        if let Err(error) = getrandom::fill(&mut first) {
            tracing::warn!(provider = %account, %error, "the check of all pieces begins at the first");
        }
        pass(&store, &account, PieceHash::from_bytes(first)).await;
        sleep(PAUSE).await;
    }
}

/// From one piece on, around to it again.
async fn pass(store: &Arc<PieceStore>, account: &AccountId, first: PieceHash) {
    let (mut at, mut has_wrapped) = (first, false);
    loop {
        let (of, behind) = (store.clone(), at);
        let looked = tokio::task::spawn_blocking(move || look(&of, &behind)).await;
        let (piece, bytes) = match looked {
            Ok(Ok(Some(looked))) => looked,
            Ok(Ok(None)) => return,
            Ok(Err(error)) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(provider = %account, error, "the check of all pieces broke off");
                return;
            }
            Err(error) => {
                tracing::error!(provider = %account, %error, "the check of all pieces broke off");
                return;
            }
        };
        let wraps = piece <= at;
        if has_wrapped && (wraps || piece > first) {
            return;
        }
        has_wrapped |= wraps;
        at = piece;
        sleep(pace(bytes)).await;
    }
}

/// The piece behind `after` and how many bytes were read of it. A file that cannot be read is left to whoever asks for it.
fn look(store: &PieceStore, after: &PieceHash) -> Result<Option<(PieceHash, u64)>, StoreError> {
    let Some(piece) = store.piece_behind(after)? else { return Ok(None) };
    match store.scrub(&piece) {
        Ok(bytes) => Ok(Some((piece, bytes))),
        Err(error @ StoreError::Io { .. }) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(%piece, error, "a piece cannot be read");
            Ok(Some((piece, 0)))
        }
        Err(error) => Err(error),
    }
}

/// How long so many bytes may take.
fn pace(bytes: u64) -> Duration {
    Duration::from_nanos(bytes.max(PIECE_BYTES_MIN).saturating_mul(1_000_000_000 / BYTES_PER_SECOND))
}
