//! Parts of blocks: what is kept, what is not, and how much.

use bytes::Bytes;
use consensus::formats::{
    Added, ConsensusSigner, PartManifest, PartStreams, ProposalPart, Standing, StreamLimits, Validators, split,
};
use runtime::crypto::Signature;
use runtime::types::{BlockHash, Height};

use crate::support::{validator, validators};

const GENESIS: BlockHash = BlockHash::from_bytes([1; 32]);
const PART: usize = 100;

struct World {
    folder: tempfile::TempDir,
    validators: Validators,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), validators: Validators::new(validators(4)).unwrap() }
    }

    fn signer(&self, index: u8) -> ConsensusSigner {
        ConsensusSigner::open(GENESIS, validator(index), &self.folder.path().join(index.to_string())).unwrap()
    }

    /// Whose turn it is.
    fn turn(&self, height: Height, round: u32) -> u8 {
        let proposer = validators(4).proposer(&GENESIS, height, round).unwrap().account;
        (0..4).find(|index| validator(*index).account == proposer).unwrap()
    }

    fn manifest(&self, height: Height, round: u32, proposer: u8, bytes: &[u8]) -> PartManifest {
        PartManifest {
            height,
            round,
            proposer: validator(proposer).account,
            block_hash: BlockHash::from_bytes(*blake3_of(bytes)),
            block_bytes: u32::try_from(bytes.len()).unwrap(),
            part_bytes: u32::try_from(PART).unwrap(),
            digests: bytes.chunks(PART).map(|part| *blake3_of(part)).collect(),
        }
    }

    /// The parts of a block by the validator whose turn it is.
    fn parts(&self, height: Height, round: u32, bytes: &[u8]) -> Vec<ProposalPart> {
        let proposer = self.turn(height, round);
        let manifest = self.manifest(height, round, proposer, bytes);
        let signature = self.signer(proposer).sign_manifest(&manifest);
        split(&manifest, signature, bytes)
    }

    fn standing(&self, head: Height) -> Standing<'_> {
        Standing { genesis: &GENESIS, head, validators: &self.validators }
    }
}

fn blake3_of(bytes: &[u8]) -> Box<[u8; 32]> {
    Box::new(*blake3::hash(bytes).as_bytes())
}

fn streams() -> PartStreams {
    PartStreams::new(StreamLimits::new(10_000))
}

fn block(byte: u8) -> Vec<u8> {
    (0..250).map(|at| byte.wrapping_add(at)).collect()
}

#[test]
fn parts_in_any_order_make_the_block() {
    let world = World::new();
    let mut streams = streams();
    let parts = world.parts(1, 0, &block(1));
    assert_eq!(parts.len(), 3);
    for (order, wanted) in [(2, Added::Waiting), (0, Added::Waiting), (1, Added::Whole)] {
        assert_eq!(streams.add(parts[order].clone(), &world.standing(0)), wanted);
    }
    let [whole] = &streams.take_whole(1)[..] else { panic!("one block is whole") };
    assert_eq!(whole.bytes, Bytes::from(block(1)));
    assert!(streams.take_whole(1).is_empty());
}

#[test]
fn a_part_that_its_proposer_did_not_sign_leaves_no_trace() {
    let world = World::new();
    let mut streams = streams();
    let honest = world.parts(1, 0, &block(1));
    let turn = world.turn(1, 0);
    let other = (turn + 1) % 4;
    let stranger = world.manifest(1, 0, other, &block(1));
    let by_other = world.signer(other).sign_manifest(&stranger);
    let mut forged = honest[0].clone();
    forged.signature = Signature::ZERO;
    let mut stolen = honest[0].clone();
    stolen.manifest.round = 1;
    let mut swapped = honest[0].clone();
    swapped.manifest.digests[0] = [0; 32];
    for part in [forged, stolen, swapped, split(&stranger, by_other, &block(1)).remove(0)] {
        assert!(matches!(streams.add(part, &world.standing(0)), Added::Dropped(_)));
    }
    assert_eq!(streams.open_count(), 0);
}

#[test]
fn bytes_that_the_manifest_does_not_name_are_dropped() {
    let world = World::new();
    let mut streams = streams();
    let mut parts = world.parts(1, 0, &block(1));
    parts[1].bytes[0] ^= 1;
    assert!(matches!(streams.add(parts[1].clone(), &world.standing(0)), Added::Dropped(_)));
    parts[1].bytes.pop();
    assert!(matches!(streams.add(parts[1].clone(), &world.standing(0)), Added::Dropped(_)));
    parts[0].index = 3;
    assert!(matches!(streams.add(parts[0].clone(), &world.standing(0)), Added::Dropped(_)));
}

#[test]
fn heights_that_are_over_or_too_far_ahead_are_dropped() {
    let world = World::new();
    let mut streams = streams();
    for (height, kept) in [(4, false), (5, false), (6, true), (15, true), (16, false), (u64::MAX, false)] {
        let part = world.parts(height, 0, &block(1)).remove(0);
        let added = streams.add(part, &world.standing(5));
        assert_eq!(!matches!(added, Added::Dropped(_)), kept, "height {height}");
    }
}

#[test]
fn sizes_that_contradict_the_manifest_or_the_limit_are_dropped() {
    let world = World::new();
    let turn = world.turn(1, 0);
    let good = world.manifest(1, 0, turn, &block(1));
    let wrong: [fn(&mut PartManifest); 5] = [
        |manifest| manifest.block_bytes = 10_001,
        |manifest| manifest.block_bytes = 0,
        |manifest| manifest.part_bytes = 0,
        |manifest| manifest.part_bytes = u32::MAX,
        |manifest| manifest.digests.push([0; 32]),
    ];
    for (case, change) in wrong.iter().enumerate() {
        let mut manifest = good.clone();
        change(&mut manifest);
        let signature = world.signer(turn).sign_manifest(&manifest);
        let part = ProposalPart { manifest, signature, index: 0, bytes: block(1)[..PART].to_vec() };
        assert!(matches!(streams().add(part, &world.standing(0)), Added::Dropped(_)), "case {case}");
    }
}

#[test]
fn one_proposer_has_two_blocks_under_way_and_the_sooner_ones_stay() {
    let world = World::new();
    let mut streams = streams();
    let proposer = world.turn(1, 0);
    // Heights at which the same validator begins.
    let heights: Vec<Height> = (1..=10).filter(|height| world.turn(*height, 0) == proposer).collect();
    let rounds = |height: Height| (0..40).filter(move |round| round % 4 == 0).map(move |round| (height, round));
    let mut offered: Vec<_> = heights.into_iter().flat_map(rounds).collect();
    offered.reverse();
    for (height, round) in offered {
        streams.add(world.parts(height, round, &block(1)).remove(0), &world.standing(0));
        assert!(streams.open_count() <= 2);
    }
    assert!(streams.has(1));
}

#[test]
fn blocks_under_way_are_bounded_in_all() {
    let world = World::new();
    let mut limits = StreamLimits::new(10_000);
    limits.open = 3;
    let mut streams = PartStreams::new(limits);
    for height in (1..=10).rev() {
        for round in 0..4 {
            streams.add(world.parts(height, round, &block(1)).remove(0), &world.standing(0));
            assert!(streams.open_count() <= 3);
        }
    }
    assert!(streams.has(1));
}

#[test]
fn a_valid_block_is_judged_once_and_an_invalid_one_a_few_times() {
    let world = World::new();
    let mut streams = streams();
    for (round, valid, times) in [(0, true, 1), (1, false, 3)] {
        for time in 0..5 {
            for part in world.parts(1, round, &block(1)) {
                streams.add(part, &world.standing(0));
            }
            let whole = streams.take_whole(1);
            assert_eq!(whole.len(), usize::from(time < times), "round {round}, time {time}");
            for whole in whole {
                streams.judged(whole.manifest, whole.signature, valid);
            }
        }
    }
    let hash = BlockHash::from_bytes(*blake3_of(&block(1)));
    assert_eq!(streams.manifest_of(1, hash).unwrap().0.round, 0);
}

#[test]
fn a_commit_drops_everything_at_and_below_it() {
    let world = World::new();
    let mut streams = streams();
    for height in 1..=3 {
        streams.add(world.parts(height, 0, &block(1)).remove(0), &world.standing(0));
    }
    streams.drop_through(2);
    assert!(!streams.has(1) && !streams.has(2) && streams.has(3));
}
