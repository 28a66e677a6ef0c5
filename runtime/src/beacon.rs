//! The random beacon: a chain of VRF outputs that a proposer can publish or withhold, and nothing else.

use parity_scale_codec::Encode;

use crate::types::{BeaconValue, BlockHash, Height, derive};

/// What the proposer of `height` evaluates its VRF over: SCALE of (genesis, parent's beacon, height).
#[must_use]
pub fn vrf_input(genesis: &BlockHash, parent_beacon: &BeaconValue, height: Height) -> Vec<u8> {
    (genesis, parent_beacon, height).encode()
}

/// The beacon after a block whose VRF has this pre-output.
#[must_use]
pub fn next_beacon(parent_beacon: &BeaconValue, pre_output: &[u8; 32]) -> BeaconValue {
    BeaconValue::from_bytes(derive("piecewise beacon v1", &[parent_beacon.as_ref(), pre_output]))
}

/// The beacon of block 0.
#[must_use]
pub fn genesis_beacon(seed: &[u8]) -> BeaconValue {
    BeaconValue::from_bytes(derive("piecewise genesis beacon v1", &[seed]))
}
