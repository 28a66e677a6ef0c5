//! A validator that does not know what its key has signed.

use std::time::Duration;

use runtime::types::Height;

use super::{Host, Outcome, Unbegun, answered};
use crate::context::ConsensusHeight;
use crate::error::{EndReason, chain};
use crate::newcomer::Stance;

/// So long is waited, where there are blocks, for more than the fewest words: the highest of these may be a lie.
const MORE_WORDS: Duration = Duration::from_secs(1);

impl Host {
    /// Resolves once enough others have said how far they are, with the height up to which nothing is signed; never for a
    /// node that does not ask. A validator that abstains already goes on listening: the words that it knows may be fewer,
    /// and one of them a lie. None if another engine has to connect anew, since a proof was lost.
    pub(super) async fn is_sure(&self) -> Option<Height> {
        let (words, patience) = (&self.setting.words, self.setting.patience);
        let mut changed = words.watch();
        loop {
            match (self.setting.stance, self.unbegun.as_ref()) {
                (Stance::Usual, _) => return std::future::pending().await,
                (Stance::Unsure, Some(unbegun)) => match words.floor() {
                    Some(0) => return Some(0),
                    Some(floor) => {
                        tokio::time::sleep(MORE_WORDS).await;
                        return Some(words.floor().unwrap_or(floor));
                    }
                    None if unbegun.since.elapsed() >= patience && words.lacks_proof(&self.setting.heights.named()) => {
                        return None;
                    }
                    None => _ = tokio::time::timeout(patience, changed.changed()).await,
                },
                (Stance::Abstains(before), _) if words.floor().is_some_and(|floor| floor < before) => {
                    return Some(words.floor().unwrap_or(before));
                }
                // One that the engine has not asked yet has nothing to begin. The sender lives as long as `self`.
                _ => _ = changed.changed().await,
            }
        }
    }

    /// Writes down up to which height nothing is signed, and begins if that is none.
    pub(super) async fn settle(&mut self, floor: Option<Height>) -> Result<(), Outcome> {
        let Some(floor) = floor else {
            tracing::info!(
                "connecting anew: a named peer says how far it is, and its proof of being a validator did not come"
            );
            return Err(Outcome::Changed);
        };
        let engine = |why: String| Outcome::Ended(EndReason::Engine { why });
        if let Some(signer) = self.setting.unknowing.clone() {
            let written = tokio::task::spawn_blocking(move || signer.set_floor(floor)).await;
            written.map_err(|error| engine(error.to_string()))?.map_err(|error| engine(chain(&error)))?;
        }
        match self.setting.stance {
            Stance::Abstains(_) => {
                let from = floor.saturating_add(1);
                tracing::info!("more validators were heard: this one votes from height {from} on");
                self.setting.stance = Stance::Abstains(floor);
                return Ok(());
            }
            _ if floor > self.head.height() => return Err(Outcome::Changed),
            _ => self.setting.stance = Stance::Usual,
        }
        if let Some(Unbegun { reply, .. }) = self.unbegun.take() {
            let height = self.head.next();
            tracing::info!(height, "consensus ready");
            answered(reply.send((ConsensusHeight(height), self.height_params())));
        }
        Ok(())
    }

    /// Whether the height is decided after which this validator votes.
    pub(super) fn has_abstained(&self) -> bool {
        matches!(self.setting.stance, Stance::Abstains(floor) if self.head.height() >= floor)
    }
}
