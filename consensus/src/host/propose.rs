//! Heights and rounds that begin, and blocks of our own.

use bytes::Bytes;
use fail::fail_point;
use malachite::app::engine::host::HeightParams;
use malachite::app::streaming::{StreamContent, StreamId, StreamMessage};
use malachite::app::types::core::Round;
use malachite::app::types::{LocallyProposedValue, ProposedValue};
use malachite::{NetworkMsg, Reply};
use parity_scale_codec::Encode;
use runtime::types::{BlockHash, Height};
use tokio::time::Instant;

use super::{Host, Unbegun, answered, proposed};
use crate::application::Candidate;
use crate::context::{ChainContext, ConsensusHeight};
use crate::error::EndReason;
use crate::newcomer::Stance;
use crate::stream;
use crate::types::{BlockRef, PartManifest};

impl Host {
    /// The engine listens and wants to know where to begin.
    pub(super) fn on_ready(
        &mut self,
        reply: Reply<(ConsensusHeight, HeightParams<ChainContext>)>,
    ) -> Result<(), EndReason> {
        if let Some(ready) = self.ready.take() {
            answered(ready.send(()));
        }
        if self.setting.stance == Stance::Unsure {
            tracing::info!("this validator's folder is new: before it votes, it hears how far others are");
            self.unbegun = Some(Unbegun { reply, since: Instant::now() });
            return Ok(());
        }
        let height = self.head.next();
        tracing::info!(height, "consensus ready");
        answered(reply.send((ConsensusHeight(height), self.height_params())));
        Ok(())
    }

    /// Answers with the blocks that are here already: stored before a crash, or arrived before their height began.
    pub(super) async fn on_started_round(
        &mut self,
        height: Height,
        round: Round,
        reply: Reply<Vec<ProposedValue<ChainContext>>>,
    ) -> Result<(), EndReason> {
        let mut values = Vec::new();
        if let Some(round) = round.as_u32() {
            let stored = self.ask("undecided", move |application| application.undecided(height, round)).await?;
            values.extend(stored.iter().map(proposed));
        }
        if height == self.head.next() {
            self.judge_whole().await?;
            values.append(&mut self.undelivered);
        }
        answered(reply.send(values));
        Ok(())
    }

    /// It is our turn: makes a block, or finds the one made before, and sends it to everybody.
    pub(super) async fn on_get_value(
        &mut self,
        height: Height,
        round: Round,
        reply: Reply<LocallyProposedValue<ChainContext>>,
    ) -> Result<(), EndReason> {
        let Some(number) = round.as_u32() else {
            return Err(EndReason::Engine { why: "it asked for a block in no round".into() });
        };
        fail_point!("consensus::propose::before_build");
        let candidate = self.ask("propose", move |application| application.propose(height, number)).await?;
        if candidate.header.height != height || candidate.bytes.len() > self.block_bytes_max() {
            let why = format!("it proposed a block for height {} that does not fit", candidate.header.height);
            return Err(EndReason::Application { during: "propose", why });
        }
        let value = LocallyProposedValue::new(ConsensusHeight(height), round, BlockRef(candidate.hash));
        fail_point!("consensus::propose::before_reply");
        answered(reply.send(value));
        self.publish_own(&candidate, round).await;
        fail_point!("consensus::propose::after_publish");
        Ok(())
    }

    /// Others lack a block that this node proposes again: sends its original parts.
    pub(super) async fn on_restream(&mut self, height: Height, round: Round, hash: BlockHash) -> Result<(), EndReason> {
        let find = move |application: &dyn crate::Application| application.candidate(height, hash);
        let Some(candidate) = self.ask("candidate", find).await? else {
            tracing::warn!(height, %hash, "asked to send a block again that is not here");
            return Ok(());
        };
        match self.streams.manifest_of(height, hash) {
            Some((manifest, signature)) => self.publish(&manifest, signature, &candidate.bytes, round).await,
            None => self.publish_own(&candidate, round).await,
        }
        Ok(())
    }

    pub(super) fn block_bytes_max(&self) -> usize {
        usize::try_from(self.setting.block_bytes_max).unwrap_or(usize::MAX)
    }

    async fn publish_own(&mut self, candidate: &Candidate, round: Round) {
        let signer = self.setting.signer.as_ref().filter(|signer| signer.account() == candidate.header.proposer);
        let signed = signer.and_then(|signer| {
            let manifest = stream::manifest(candidate, self.setting.part_bytes)?;
            let signature = signer.sign_manifest(&manifest);
            Some((manifest, signature))
        });
        // After a restart the parts of another's block can no longer be shown to be that proposer's.
        let Some((manifest, signature)) = signed else {
            tracing::warn!(hash = %candidate.hash, "cannot send a block that another proposed before this start");
            return;
        };
        self.publish(&manifest, signature, &candidate.bytes, round).await;
    }

    async fn publish(
        &mut self,
        manifest: &PartManifest,
        signature: runtime::crypto::Signature,
        bytes: &Bytes,
        round: Round,
    ) {
        self.published = self.published.wrapping_add(1);
        let name = (manifest.height, round.as_u32(), self.published).encode();
        let id = StreamId::new(name.into());
        for (sequence, part) in (0..).zip(stream::split(manifest, signature, bytes)) {
            let message = StreamMessage::new(id.clone(), sequence, StreamContent::Data(part));
            if self.setting.network.send(NetworkMsg::PublishProposalPart(message)).await.is_err() {
                tracing::debug!("the engine's network no longer takes parts");
                return;
            }
        }
    }
}
