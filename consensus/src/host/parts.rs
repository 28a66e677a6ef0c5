//! Blocks of others, part by part.

use std::panic::{AssertUnwindSafe, catch_unwind};

use malachite::Reply;
use malachite::app::streaming::{StreamContent, StreamMessage};
use malachite::app::types::ProposedValue;
use malachite::app::types::core::{Round, Validity};
use runtime::codec::decode_bounded;
use runtime::types::{Block, BlockHash};

use super::{Host, answered};
use crate::application::Verdict;
use crate::context::{ChainContext, ConsensusHeight};
use crate::error::EndReason;
use crate::stream::{Added, Standing, Whole};
use crate::types::{Address, BlockRef, ProposalPart};

impl Host {
    /// A part from the gossip, of any height.
    pub(super) async fn on_part(
        &mut self,
        message: StreamMessage<ProposalPart>,
        reply: Reply<Option<ProposedValue<ChainContext>>>,
    ) -> Result<(), EndReason> {
        let StreamContent::Data(part) = message.content else {
            // The manifest says how many parts there are, so nothing marks the end.
            answered(reply.send(None));
            return Ok(());
        };
        let (height, hash) = (part.manifest.height, part.manifest.block_hash);
        let standing =
            Standing { genesis: &self.setting.genesis, head: self.head.height, validators: &self.head.validators };
        let added = self.streams.add(part, &standing);
        tracing::trace!(height, %hash, ?added, "proposal part");
        let mut value = None;
        if height == self.head.next() && !matches!(added, Added::Dropped(_)) {
            if added == Added::Whole {
                self.judge_whole().await?;
                let arrived = self.undelivered.iter().position(|value| value.value.0 == hash);
                value = arrived.map(|at| self.undelivered.swap_remove(at));
            }
            // Somebody proposes: it is time for this height.
            self.start_next();
        }
        answered(reply.send(value));
        Ok(())
    }

    /// Has the application judge every block of the next height that is whole.
    pub(super) async fn judge_whole(&mut self) -> Result<(), EndReason> {
        for whole in self.streams.take_whole(self.head.next()) {
            if let Some(value) = self.judge(whole).await? {
                self.undelivered.push(value);
            }
        }
        Ok(())
    }

    async fn judge(&mut self, whole: Whole) -> Result<Option<ProposedValue<ChainContext>>, EndReason> {
        let Whole { manifest, signature, bytes } = whole;
        let (height, round, hash) = (manifest.height, manifest.round, manifest.block_hash);
        let block = bytes.clone();
        let verdict = self.ask("check", move |application| application.check(height, round, &block, true)).await?;
        let validity = match verdict {
            Verdict::Valid(candidate) if candidate.hash == hash => Validity::Valid,
            Verdict::Valid(_) => {
                self.streams.judged(manifest, signature, false);
                tracing::warn!(height, %hash, "the parts hold another block than their manifest names");
                return Ok(None);
            }
            Verdict::Invalid { why } => {
                tracing::warn!(height, %hash, %why, proposer = %manifest.proposer, "invalid block proposed");
                if identify(&bytes, self.block_bytes_max()) != Some(hash) {
                    // Whatever these bytes are, they say nothing about the block of that name.
                    self.streams.judged(manifest, signature, false);
                    return Ok(None);
                }
                Validity::Invalid
            }
        };
        let value = ProposedValue {
            height: ConsensusHeight(height),
            round: Round::new(round),
            valid_round: Round::Nil,
            proposer: Address(manifest.proposer),
            value: BlockRef(hash),
            validity,
        };
        self.streams.judged(manifest, signature, validity.is_valid());
        Ok(Some(value))
    }
}

/// The hash of the one block that these bytes are; none if they are not a block, or a header with another's
/// transactions.
pub(super) fn identify(bytes: &[u8], bytes_max: usize) -> Option<BlockHash> {
    let read = || {
        let block = decode_bounded::<Block>(bytes, bytes_max).ok()?;
        (block.transactions_root() == block.header.transactions_root).then(|| block.hash())
    };
    catch_unwind(AssertUnwindSafe(read)).ok().flatten()
}
