//! Whose turn it is, and how much it is given.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use bytes::Bytes;
use runtime::types::{BlockHash, Height, ValidatorSet};

use super::*;
use crate::application::{Candidate, HeadInfo, Verdict};
use crate::config::keypair;

fn peer(number: u16) -> PeerId {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&number.to_le_bytes());
    PeerId::from_bytes(&keypair(&seed).public().to_peer_id().to_bytes()).unwrap()
}

fn asked(name: impl ToString, from: Height, to: Height) -> Asked {
    Asked { id: InboundRequestId::new(name), range: ConsensusHeight(from)..=ConsensusHeight(to) }
}

fn name(turn: &Turn) -> String {
    turn.asked.id.to_string()
}

#[test]
fn each_peer_has_its_turn_however_much_others_ask() {
    let mut turns = Turns::default();
    for number in 0..WAITING_OF_PEER_MAX {
        turns.add(peer(1), asked(format!("greedy {number}"), 1, 15));
    }
    turns.add(peer(2), asked("modest", 1, 15));
    let order: Vec<String> = (0..3).map(|_| name(&turns.next().unwrap())).collect();
    assert_eq!(order, ["greedy 0", "modest", "greedy 1"]);
}

#[test]
fn a_peer_that_asks_for_more_than_its_share_is_answered_with_nothing_at_once() {
    let mut turns = Turns::default();
    for number in 0..=WAITING_OF_PEER_MAX {
        turns.add(peer(1), asked(number, 1, 15));
    }
    let first = turns.next().unwrap();
    assert_eq!((name(&first), first.values), (WAITING_OF_PEER_MAX.to_string(), 0));
    assert_eq!(name(&turns.next().unwrap()), "0");
}

#[test]
fn so_many_requests_wait_and_no_more() {
    let mut turns = Turns::default();
    let most = u16::try_from(WAITING_MAX).unwrap();
    for number in 0..3 * most {
        turns.add(peer(number), asked(number, 1, 15));
    }
    assert_eq!((turns.count, turns.order.len(), turns.refused.len()), (WAITING_MAX, WAITING_MAX, WAITING_MAX));
}

#[test]
fn the_more_peers_wait_the_fewer_bytes_each_is_given() {
    let mut turns = Turns::default();
    for number in 0..10 {
        turns.add(peer(number), asked(number, 1, 15));
    }
    let crowded = turns.next().unwrap().bytes;
    while turns.order.len() > 1 {
        turns.next().unwrap();
    }
    let alone = turns.next().unwrap().bytes;
    assert_eq!(crowded, alone / 10);
    assert!(alone + RESPONSE_MARGIN <= limits::RESPONSE_BYTES);
}

#[test]
fn who_is_gone_or_no_longer_waits_has_no_turn() {
    let mut turns = Turns::default();
    for number in 0..3 {
        turns.add(peer(number), asked(format!("{number} a"), 1, 15));
        turns.add(peer(number), asked(format!("{number} b"), 1, 15));
    }
    turns.forget(&peer(0));
    turns.cancel(&InboundRequestId::new("1 a"));
    turns.cancel(&InboundRequestId::new("2 a"));
    turns.cancel(&InboundRequestId::new("2 b"));
    assert_eq!(name(&turns.next().unwrap()), "1 b");
    assert!(turns.next().is_none());
    assert_eq!((turns.count, turns.by_peer.len(), turns.order.len()), (0, 0, 0));
}

/// Blocks of so many bytes, up to a height.
struct Blocks {
    bytes: usize,
    head: Height,
}

impl Application for Blocks {
    fn decided(&self, height: Height) -> Result<Option<(Bytes, CommitCertificate)>, ApplicationError> {
        let certificate =
            CommitCertificate { height, round: 0, block_hash: BlockHash::from_bytes([1; 32]), signatures: Vec::new() };
        Ok((1..=self.head).contains(&height).then(|| (vec![0; self.bytes].into(), certificate)))
    }

    fn min_height(&self) -> Height {
        1
    }

    fn genesis(&self) -> BlockHash {
        BlockHash::from_bytes([0; 32])
    }

    fn head(&self) -> Result<HeadInfo, ApplicationError> {
        Ok(HeadInfo { height: self.head, validators: ValidatorSet::new(Vec::new()), target: None })
    }

    fn propose(&self, _: Height, _: u32) -> Result<Candidate, ApplicationError> {
        Err(ApplicationError::new("nobody asks"))
    }

    fn check(&self, _: Height, _: u32, _: &[u8], _: bool) -> Result<Verdict, ApplicationError> {
        Err(ApplicationError::new("nobody asks"))
    }

    fn undecided(&self, _: Height, _: u32) -> Result<Vec<Candidate>, ApplicationError> {
        Err(ApplicationError::new("nobody asks"))
    }

    fn candidate(&self, _: Height, _: BlockHash) -> Result<Option<Candidate>, ApplicationError> {
        Err(ApplicationError::new("nobody asks"))
    }

    fn commit(&self, _: &CommitCertificate) -> Result<(), ApplicationError> {
        Err(ApplicationError::new("nobody asks"))
    }
}

fn heights(turn: &Turn, blocks: &Blocks) -> Vec<Height> {
    turn.read(blocks).unwrap().iter().map(|value| value.certificate.height.0).collect()
}

#[test]
fn consecutive_blocks_are_given_that_are_here_and_fit_and_one_in_any_case() {
    let turn = |from, to, bytes| Turn { asked: asked("a", from, to), values: limits::SYNC_BATCH, bytes };
    let blocks = Blocks { bytes: 100, head: 40 };
    assert_eq!(heights(&turn(38, 50, 10_000), &blocks), [38, 39, 40], "to the head");
    assert_eq!(heights(&turn(1, u64::MAX, 10_000), &blocks).len(), limits::SYNC_BATCH, "a batch");
    assert_eq!(heights(&turn(1, 15, 399), &blocks), [1, 2, 3], "what fits");
    assert_eq!(heights(&turn(7, 15, 1), &blocks), [7], "one");
    for (from, to) in [(0, 5), (41, 50), (9, 8)] {
        assert_eq!(heights(&turn(from, to, 10_000), &blocks), [] as [Height; 0], "{from} to {to}");
    }
}

#[test]
fn a_reader_rests_as_long_as_its_share_of_the_bytes_takes() {
    let second = usize::try_from(READ_BYTES_PER_S / READERS).unwrap();
    assert_eq!(pause(second), Duration::from_secs(1));
    assert_eq!(pause(0), Duration::ZERO);
    assert!(pause(limits::RESPONSE_BYTES) < Duration::from_millis(200));
}
