//! Most bytes of each message, and why.

/// A vote or a proposal, signed: about 200 bytes.
pub const CONSENSUS_MESSAGE_BYTES: usize = 512;
/// Certificates carry one signature of about 130 bytes for each of at most 256 validators.
pub const CERTIFICATE_BYTES: usize = 64 * 1024;
/// A vote or a certificate.
pub const LIVENESS_BYTES: usize = CERTIFICATE_BYTES;
/// A block is split into at most this many parts, so that a manifest stays below 3 KiB.
pub const PARTS_MAX: u32 = 64;
/// A part of 64 KiB and its manifest.
pub const PART_BYTES: usize = 72 * 1024;
/// A stream's name is a height, two rounds and a count.
pub const STREAM_ID_BYTES: usize = 64;
/// A part in its stream.
pub const STREAM_MESSAGE_BYTES: usize = PART_BYTES + 128;
/// A public key, a peer id and a signature.
pub const VALIDATOR_PROOF_BYTES: usize = 256;
/// A peer id and two heights.
pub const STATUS_BYTES: usize = 128;
/// Two heights.
pub const REQUEST_BYTES: usize = 64;
/// What the network carries in a response: whole blocks with their certificates.
pub const RESPONSE_BYTES: usize = 10 * 1024 * 1024;
/// Heights in a request and values in a response.
pub const SYNC_BATCH: usize = 15;
/// A value is a hash, so this is about 110 bytes.
pub const PROPOSED_VALUE_BYTES: usize = 256;

/// What the gossip's own limit for parts must leave room for.
pub const GOSSIP_PART_BYTES: usize = 130 * 1024;
/// What the gossip's own limit for certificates must leave room for.
pub const GOSSIP_LIVENESS_BYTES: usize = 256 * 1024;
/// What the gossip's own limit for votes and proposals must leave room for.
pub const GOSSIP_CONSENSUS_BYTES: usize = 64 * 1024;

const _: () = assert!(STREAM_MESSAGE_BYTES < GOSSIP_PART_BYTES);
const _: () = assert!(LIVENESS_BYTES < GOSSIP_LIVENESS_BYTES);
const _: () = assert!(CONSENSUS_MESSAGE_BYTES < GOSSIP_CONSENSUS_BYTES);
