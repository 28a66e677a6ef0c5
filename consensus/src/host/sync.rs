//! Catching up. Others are helped to beside the engine, by [`crate::history`].

use bytes::Bytes;
use malachite::Reply;
use malachite::app::engine::host::SyncedValueOutcome;
use malachite::app::types::ProposedValue;
use malachite::app::types::core::{Round, Validity};
use runtime::types::Height;

use super::parts::identify;
use super::{Host, answered};
use crate::application::Verdict;
use crate::context::{ChainContext, ConsensusHeight};
use crate::error::EndReason;
use crate::types::{Address, BlockRef};

impl Host {
    /// A block that peers say was decided; its certificate held.
    pub(super) async fn on_synced_value(
        &mut self,
        height: Height,
        round: Round,
        proposer: Address,
        bytes: Bytes,
        reply: Reply<SyncedValueOutcome<ChainContext>>,
    ) -> Result<(), EndReason> {
        let outcome = match round.as_u32() {
            _ if height != self.head.next() => SyncedValueOutcome::LocalTransientError,
            _ if bytes.len() > self.block_bytes_max() => SyncedValueOutcome::PeerFault,
            None => SyncedValueOutcome::PeerFault,
            Some(number) => self.judge_synced(height, number, proposer, bytes).await?,
        };
        answered(reply.send(outcome));
        Ok(())
    }

    async fn judge_synced(
        &mut self,
        height: Height,
        round: u32,
        proposer: Address,
        bytes: Bytes,
    ) -> Result<SyncedValueOutcome<ChainContext>, EndReason> {
        let block = bytes.clone();
        let verdict = self.ask("check", move |application| application.check(height, round, &block, false)).await?;
        let (hash, validity) = match verdict {
            Verdict::Valid(candidate) => (candidate.hash, Validity::Valid),
            Verdict::Invalid { why } => {
                tracing::warn!(height, round, %why, "invalid block synced");
                // The engine compares this hash with the certificate's: if it is another, the peer lied; if it is the
                // same, the network certified what this node calls invalid, and the watcher of its events ends it.
                let Some(hash) = identify(&bytes, self.block_bytes_max()) else {
                    return Ok(SyncedValueOutcome::PeerFault);
                };
                (hash, Validity::Invalid)
            }
        };
        self.synced = Some(height);
        Ok(SyncedValueOutcome::Verdict(ProposedValue {
            height: ConsensusHeight(height),
            round: Round::new(round),
            valid_round: Round::Nil,
            proposer,
            value: BlockRef(hash),
            validity,
        }))
    }

    /// How far back peers may ask.
    pub(super) async fn on_min_height(&mut self, reply: Reply<ConsensusHeight>) -> Result<(), EndReason> {
        let height = self.ask("min_height", |application| Ok(application.min_height())).await?;
        // Genesis is not decided by anybody.
        answered(reply.send(ConsensusHeight(height.max(1))));
        Ok(())
    }
}
