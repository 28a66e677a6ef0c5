//! Catching up, and helping others to.

use std::ops::RangeInclusive;

use bytes::Bytes;
use malachite::Reply;
use malachite::app::engine::host::SyncedValueOutcome;
use malachite::app::types::ProposedValue;
use malachite::app::types::core::{ExtendedCommitCertificate, ExtendedCommitSignature, Round, Validity};
use malachite::app::types::sync::RawDecidedValue;
use runtime::types::{CommitCertificate, Height};

use super::parts::identify;
use super::{Host, answered};
use crate::application::{Application, ApplicationError, Verdict};
use crate::codec::limits;
use crate::context::{ChainContext, ConsensusHeight};
use crate::error::EndReason;
use crate::types::{Address, BlockRef};

/// Room in a response for everything but the blocks: certificates of a full batch, and lengths.
const RESPONSE_MARGIN: usize = limits::SYNC_BATCH * (limits::CERTIFICATE_BYTES + 64);

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

    /// A peer catches up from us. The engine does not check the range.
    pub(super) async fn on_get_decided(
        &mut self,
        range: RangeInclusive<ConsensusHeight>,
        reply: Reply<Vec<RawDecidedValue<ChainContext>>>,
    ) -> Result<(), EndReason> {
        let (from, to) = (range.start().0, range.end().0.min(self.head.height));
        let values = self.ask("decided", move |application| read_decided(application, from, to)).await?;
        answered(reply.send(values));
        Ok(())
    }

    /// How far back peers may ask.
    pub(super) async fn on_min_height(&mut self, reply: Reply<ConsensusHeight>) -> Result<(), EndReason> {
        let height = self.ask("min_height", |application| Ok(application.min_height())).await?;
        // Genesis is not decided by anybody.
        answered(reply.send(ConsensusHeight(height.max(1))));
        Ok(())
    }
}

/// Consecutive blocks from `from`, as many as are kept and fit a response.
fn read_decided(
    application: &dyn Application,
    from: Height,
    to: Height,
) -> Result<Vec<RawDecidedValue<ChainContext>>, ApplicationError> {
    let mut values = Vec::new();
    let mut room = limits::RESPONSE_BYTES - RESPONSE_MARGIN;
    for height in (from..=to).take(limits::SYNC_BATCH) {
        let Some((bytes, certificate)) = application.decided(height)? else { break };
        let Some(left) = room.checked_sub(bytes.len()) else { break };
        room = left;
        values.push(RawDecidedValue::new(bytes, to_engine(&certificate)));
    }
    Ok(values)
}

fn to_engine(certificate: &CommitCertificate) -> ExtendedCommitCertificate<ChainContext> {
    let signatures = certificate.signatures.iter();
    ExtendedCommitCertificate {
        height: ConsensusHeight(certificate.height),
        round: Round::new(certificate.round),
        value_id: certificate.block_hash,
        commit_signatures: signatures
            .map(|one| ExtendedCommitSignature::new(Address(one.validator), one.signature, None))
            .collect(),
    }
}
