//! Heights that end, and the pause before the next.

use fail::fail_point;
use malachite::Reply;
use malachite::app::engine::host::Next;
use malachite::app::types::MisbehaviorEvidence;
use malachite::app::types::core;
use runtime::types::{CommitCertificate, CommitSignature, Height};
use tokio::time::Instant;

use super::{Host, answered};
use crate::context::{ChainContext, ConsensusHeight};
use crate::error::EndReason;

impl Host {
    /// A height is decided: the application commits it before the engine tells anybody.
    pub(super) async fn on_decided(
        &mut self,
        certificate: &core::CommitCertificate<ChainContext>,
        reply: Reply<()>,
    ) -> Result<(), EndReason> {
        let height = certificate.height.0;
        let Some(certificate) = to_runtime(certificate) else {
            return Err(EndReason::Engine { why: format!("it decided height {height} in no round") });
        };
        let (round, hash) = (certificate.round, certificate.block_hash);
        fail_point!("consensus::decide::before_commit");
        self.ask("commit", move |application| application.commit(&certificate)).await?;
        fail_point!("consensus::decide::after_commit");
        self.committed_at = Instant::now();
        self.head = self.read_head().await?;
        if self.head.height != height {
            let why = format!("its head is at {} after committing {height}", self.head.height);
            return Err(EndReason::Application { during: "commit", why });
        }
        self.setting.words.decided(height);
        self.streams.drop_through(height);
        self.undelivered.clear();
        tracing::debug!(height, round, %hash, "height decided");
        answered(reply.send(()));
        fail_point!("consensus::decide::after_reply");
        Ok(())
    }

    /// The engine is done with a height. The reply begins the next, and is held until there is a reason to.
    pub(super) fn on_finalized(
        &mut self,
        height: Height,
        evidence: &MisbehaviorEvidence<ChainContext>,
        reply: Reply<Next<ChainContext>>,
    ) -> Result<(), EndReason> {
        if height != self.head.height {
            return Err(EndReason::Engine { why: format!("it finalized {height} on top of {}", self.head.height) });
        }
        if !evidence.is_empty() {
            let voters = evidence.votes.iter().count();
            let proposers = evidence.proposals.iter().count();
            tracing::warn!(height, voters, proposers, "validators contradicted themselves");
        }
        self.held = Some(reply);
        // A proposal is here already, or this node is catching up: there is nothing to wait for.
        if self.synced == Some(height) || self.streams.has(self.head.next()) {
            self.start_next();
        }
        Ok(())
    }

    /// Resolves once the next height should begin; never if no reply is held.
    pub(super) async fn idle_over(&self) {
        if self.held.is_none() {
            return std::future::pending().await;
        }
        tokio::select! {
            () = self.setting.work.wait() => {}
            () = self.is_passed() => {}
            () = tokio::time::sleep_until(self.committed_at + self.setting.idle) => {}
        }
    }

    /// Resolves once peers are ahead, for a node that does not vote: it may have missed the parts of their block. For one
    /// that votes it never does, or a peer that lies could make it propose blocks without an end.
    async fn is_passed(&self) {
        match self.setting.signer {
            Some(_) => std::future::pending().await,
            None => self.setting.heights.above(self.head.height).await,
        }
    }

    /// Begins the next height if the engine waits for it.
    pub(super) fn start_next(&mut self) {
        if let Some(reply) = self.held.take() {
            answered(reply.send(Next::Start(ConsensusHeight(self.head.next()), self.height_params())));
        }
    }
}

/// The certificate as `runtime` defines it, signatures in account order.
fn to_runtime(certificate: &core::CommitCertificate<ChainContext>) -> Option<CommitCertificate> {
    let signed = certificate.commit_signatures.iter();
    let mut signatures: Vec<_> =
        signed.map(|one| CommitSignature { validator: one.address.0, signature: one.signature }).collect();
    signatures.sort_by_key(|one| one.validator);
    Some(CommitCertificate {
        height: certificate.height.0,
        round: certificate.round.as_u32()?,
        block_hash: certificate.value_id,
        signatures,
    })
}
