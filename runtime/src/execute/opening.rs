//! All that is known of a block before its transactions: what its parent, its time and its proposer give.

use super::{ExecuteError, InvalidBlock, RULES_VERSION};
use crate::beacon::{next_beacon, vrf_input};
use crate::crypto::{AccountId, VrfOutput};
use crate::state::{ReadTables, StateView};
use crate::tables::{ChainState, ParameterTable, ValidatorSets};
use crate::types::{BeaconValue, BlockHash, Epoch, Header, Height, Parameters, ValidatorSet, ValidatorsHash};

/// The head of a block, checked.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) genesis: BlockHash,
    pub(crate) parameters: Parameters,
    pub(crate) height: Height,
    pub(crate) parent: BlockHash,
    pub(crate) timestamp_ms: u64,
    pub(crate) epoch: Epoch,
    /// Whether the block is the first of its epoch.
    pub(crate) starts_epoch: bool,
    pub(crate) round: u32,
    pub(crate) proposer: AccountId,
    pub(crate) validators_hash: ValidatorsHash,
    pub(crate) beacon: BeaconValue,
    pub(crate) vrf: VrfOutput,
}

/// What a proposer chooses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) timestamp_ms: u64,
    pub(super) round: u32,
    pub(super) proposer: AccountId,
    pub(super) vrf: VrfOutput,
}

impl Opening {
    pub(super) fn new<V: StateView>(
        view: &V,
        genesis: BlockHash,
        parent: &Header,
        choice: Choice,
    ) -> Result<Self, ExecuteError> {
        let Choice { timestamp_ms, round, proposer, vrf } = choice;
        let height = parent.height.checked_add(1).ok_or(InvalidBlock::Field("height"))?;
        let parameters = view.require::<ParameterTable>(&())?;
        let version = parameters.rules_version(height);
        if version != RULES_VERSION {
            return Err(ExecuteError::UnknownRules { height, version });
        }
        if timestamp_ms <= parent.timestamp_ms {
            return Err(InvalidBlock::NotAfterParent { timestamp_ms, parent_ms: parent.timestamp_ms }.into());
        }
        let validators = view.require::<ValidatorSets>(&0)?;
        let pre_output = check_proposer(&validators, &genesis, parent, height, &choice)?;
        let epoch_start_ms = view.require::<ChainState>(&())?.epoch_start_ms;
        // Once, however long the gap.
        let starts_epoch = timestamp_ms >= epoch_start_ms.saturating_add(parameters.time.epoch_ms);
        let epoch = parent.epoch.checked_add(u32::from(starts_epoch)).ok_or(InvalidBlock::Field("epoch"))?;
        Ok(Self {
            genesis,
            parameters,
            height,
            parent: parent.hash(),
            timestamp_ms,
            epoch,
            starts_epoch,
            round,
            proposer,
            validators_hash: validators.hash(),
            beacon: next_beacon(&parent.beacon, &pre_output),
            vrf,
        })
    }

    /// Checks the fields of a header that do not depend on its body.
    pub(super) fn check(&self, header: &Header) -> Result<(), InvalidBlock> {
        let fields = [
            ("version", header.version == RULES_VERSION),
            ("height", header.height == self.height),
            ("parent", header.parent == self.parent),
            ("epoch", header.epoch == self.epoch),
            ("validators hash", header.validators_hash == self.validators_hash),
            ("beacon", header.beacon == self.beacon),
        ];
        match fields.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(InvalidBlock::Field(field)),
            None => Ok(()),
        }
    }
}

/// The VRF's pre-output, if it is the proposer's turn and the VRF is its own.
fn check_proposer(
    validators: &ValidatorSet,
    genesis: &BlockHash,
    parent: &Header,
    height: Height,
    choice: &Choice,
) -> Result<[u8; 32], InvalidBlock> {
    let Choice { round, proposer, vrf, .. } = choice;
    let entry = validators
        .proposer(genesis, height, *round)
        .filter(|entry| entry.account == *proposer)
        .ok_or(InvalidBlock::Proposer { proposer: *proposer, round: *round, height })?;
    let input = vrf_input(genesis, &parent.beacon, height);
    entry.consensus_key.verify_vrf(&input, vrf).map_err(|_| InvalidBlock::Vrf)
}
