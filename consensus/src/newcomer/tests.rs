//! Who votes from where on.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use proptest::prelude::*;
use runtime::crypto::KeyPair;
use runtime::types::{ValidatorEntry, ValidatorSet};

use super::*;
use crate::config::keypair;

fn of_four(heights: &[Height]) -> Option<Height> {
    floor(heights.iter().map(|height| Word { power: 10, height: *height }).collect(), 10, 40)
}

#[test]
fn a_validator_alone_asks_nobody() {
    assert_eq!(floor(Vec::new(), 10, 10), Some(0));
}

#[test]
fn one_of_four_needs_the_word_of_two() {
    assert_eq!(of_four(&[]), None);
    assert_eq!(of_four(&[7]), None);
    assert_eq!(of_four(&[7, 7]), Some(9));
}

#[test]
fn where_nobody_has_a_block_the_chain_begins() {
    assert_eq!(of_four(&[0, 0]), Some(0));
    assert_eq!(of_four(&[0, 0, 0]), Some(0));
}

#[test]
fn of_no_more_than_are_needed_the_highest_counts_and_of_more_a_liar_does_not() {
    assert_eq!(of_four(&[0, 7]), Some(9));
    assert_eq!(of_four(&[Height::MAX, 7, 6]), Some(9));
    assert_eq!(of_four(&[0, 7, 7]), Some(9), "nor one that says less");
    assert_eq!(of_four(&[Height::MAX, 7]), Some(Height::MAX - 1), "it abstains, but is not unsure");
}

#[test]
fn it_abstains_until_the_height_is_decided_and_is_unsure_until_it_has_one() {
    assert_eq!(Stance::new(0, 0), Stance::Usual);
    assert_eq!(Stance::new(9, 0), Stance::Abstains(9));
    assert_eq!(Stance::new(9, 8), Stance::Abstains(9));
    assert_eq!(Stance::new(9, 9), Stance::Usual);
    assert_eq!(Stance::new(UNKNOWN, 0), Stance::Unsure);
}

proptest! {
    /// The argument in this module's docs, on every network of up to 13 validators of one power each.
    #[test]
    fn it_signs_nothing_at_a_height_at_which_the_lost_one_may_have_voted(
        faults in 1_usize..5,
        decided in 1_u64..100,
        lies in prop::collection::vec(any::<u64>(), 5),
        behind in prop::collection::vec(any::<u64>(), 13),
        missing in 0_usize..5,
        order in any::<prop::sample::Index>(),
    ) {
        let others = 3 * faults;
        // The lost one saw `decided`: with it, twice the faults of the others voted for it, of whom one fewer than the
        // faults may lie now. The honest among those have the height before.
        let liars = faults - 1;
        let mut heights: Vec<Height> = lies.iter().take(liars).copied().collect();
        heights.extend(std::iter::repeat_n(decided - 1, 2 * faults - liars));
        heights.extend(behind.iter().take(others - heights.len()).map(|behind| decided.saturating_sub(*behind)));
        heights.rotate_left(order.index(others));
        heights.truncate(others - missing.min(faults));
        let words = heights.iter().map(|height| Word { power: 1, height: *height }).collect();
        let floor = floor(words, 1, u64::try_from(others + 1).unwrap()).unwrap();
        // In a chain's first two heights it cannot be told.
        prop_assert!(floor > decided || decided == 1, "{heights:?}: {floor} with {decided} decided");
    }
}

fn peer(number: u64) -> PeerId {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    PeerId::from_bytes(&keypair(&seed).public().to_peer_id().to_bytes()).unwrap()
}

fn key(index: u8) -> KeyPair {
    KeyPair::from_seed(&[index; 32])
}

fn words_of_first_of_four() -> Words {
    let entry =
        |index| ValidatorEntry { account: key(index).account(), consensus_key: key(index).public_key(), power: 10 };
    let validators = Validators::new(ValidatorSet::new((0..4).map(entry).collect())).unwrap();
    Words::new(Electorate::validators(&validators, Some(&key(0).public_key())), 0)
}

#[test]
fn only_those_count_that_prove_to_be_validators_and_each_of_them_once() {
    let words = words_of_first_of_four();
    for number in 10..20 {
        words.says(peer(number), 0);
        words.proves(peer(number), key(100).public_key());
    }
    assert_eq!(words.floor(), None, "strangers");
    for number in 1..4 {
        words.says(peer(number), 5);
        words.proves(peer(number), key(1).public_key());
        assert_eq!(words.floor(), None, "one validator");
    }
    words.proves(peer(4), key(2).public_key());
    assert_eq!(words.floor(), None, "one that says nothing");
    words.says(peer(4), 6);
    assert_eq!(words.floor(), Some(8));
    words.goes(&peer(4));
    assert_eq!(words.floor(), None, "one that is gone");
}

#[test]
fn strangers_do_not_keep_a_validators_word_out() {
    let words = words_of_first_of_four();
    let most = u64::try_from(PEERS_MAX).unwrap();
    words.proves(peer(1), key(1).public_key());
    words.says(peer(1), 4);
    for number in 10..most + 20 {
        words.says(peer(number), 0);
    }
    assert_eq!(words.heard().said.len(), PEERS_MAX);
    words.proves(peer(2), key(2).public_key());
    words.says(peer(2), 4);
    assert_eq!(words.floor(), Some(6));
}

#[test]
fn a_validator_behind_nodes_that_follow_for_it_asks_those() {
    let words = Words::new(Electorate::named(BTreeSet::from([peer(1), peer(2)])), 0);
    words.says(peer(3), 0);
    words.says(peer(1), 7);
    assert_eq!(words.floor(), None);
    words.says(peer(2), 8);
    assert_eq!(words.floor(), Some(10));
}

#[test]
fn a_named_peer_that_speaks_without_a_proof_is_noticed() {
    let words = words_of_first_of_four();
    let named = BTreeSet::from([peer(1), peer(2)]);
    words.says(peer(9), 0);
    assert!(!words.lacks_proof(&named), "a stranger need not be a validator");
    words.says(peer(1), 0);
    assert!(words.lacks_proof(&named));
    words.proves(peer(1), key(1).public_key());
    assert!(!words.lacks_proof(&named));
    words.goes(&peer(1));
    words.says(peer(1), 0);
    assert!(words.lacks_proof(&named), "its next connection needs a proof of its own");
    let behind = Words::new(Electorate::named(named.clone()), 0);
    behind.says(peer(1), 0);
    assert!(!behind.lacks_proof(&named), "where names count, proofs do not");
}
