#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{FileError, Remembered, SavedPeer, SavedV1, load, save};
use crate::scores::SavedScore;
use libp2p::PeerId;
use parity_scale_codec::Encode as _;
use proptest::prelude::*;
use runtime::crypto::PeerKey;
use runtime::types::BlockHash;
use std::fs;

const GENESIS: BlockHash = BlockHash::from_bytes([7; 32]);

fn remembered() -> Remembered {
    let address = |port: u16| format!("/ip4/1.2.3.4/tcp/{port}").parse().unwrap();
    let peers = vec![(PeerId::random(), vec![address(1), address(2)], 17), (PeerId::random(), vec![address(3)], 18)];
    let peer = PeerKey::from_bytes([9; 32]);
    let liar = SavedScore { peer, loss_milli: 1, seen_unix_ms: 2, lies: 3, banned_until_unix_ms: 4 };
    Remembered { peers, scores: vec![liar], spammers: vec![(PeerId::random(), 19)] }
}

#[test]
fn what_is_saved_is_loaded_and_a_later_save_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers");
    assert_eq!(load(&path, &GENESIS).unwrap(), Remembered::default());
    for remembered in [remembered(), remembered(), Remembered::default()] {
        save(&path, &GENESIS, remembered.clone()).unwrap();
        assert_eq!(load(&path, &GENESIS).unwrap(), remembered);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_of_the_version_before_is_read_and_one_of_a_later_version_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers");
    let peers = remembered().peers;
    let old = peers.iter().map(|(id, addresses, last_seen_s)| SavedPeer {
        id: id.to_bytes(),
        addresses: addresses.iter().map(libp2p::Multiaddr::to_vec).collect(),
        last_seen_s: *last_seen_s,
    });
    let old = SavedV1 { version: 1, genesis: GENESIS, peers: old.collect() };
    fs::write(&path, old.encode()).unwrap();
    assert_eq!(load(&path, &GENESIS).unwrap(), Remembered { peers, ..Remembered::default() });
    save(&path, &GENESIS, remembered()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    for version in [0, 1, 3, 255] {
        bytes[0] = version;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(load(&path, &GENESIS), Err(FileError::Damaged)), "{version}");
    }
}

/// The bytes of each version are what they were when it came to be.
#[test]
fn both_formats_are_frozen() {
    let id = PeerId::from_bytes(&[0, 1, 7]).unwrap();
    let head = |version| {
        [&[version][..], &[7; 32], &[4, 12, 0, 1, 7, 4, 32, 4, 1, 2, 3, 4, 6, 0, 1], &[5, 0, 0, 0, 0, 0, 0, 0]].concat()
    };
    let peers = vec![(id, vec!["/ip4/1.2.3.4/tcp/1".parse().unwrap()], 5)];
    let scores =
        [&[4][..], &[9; 32], &[1, 0, 0, 0], &[2, 0, 0, 0, 0, 0, 0, 0], &[3, 0, 0, 0], &[4, 0, 0, 0, 0, 0, 0, 0]]
            .concat();
    let spammers = [4, 12, 0, 1, 7, 19, 0, 0, 0, 0, 0, 0, 0];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers");
    let all = Remembered { peers: peers.clone(), spammers: vec![(id, 19)], ..remembered() };
    save(&path, &GENESIS, all).unwrap();
    assert_eq!(fs::read(&path).unwrap(), [head(2), scores, spammers.to_vec()].concat());
    fs::write(&path, head(1)).unwrap();
    assert_eq!(load(&path, &GENESIS).unwrap(), Remembered { peers, ..Remembered::default() });
}

proptest! {
    #[test]
    fn no_bytes_are_too_much_for_the_reader(
        version in 0_u8..4, rest in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>(), bit in 0_u32..8,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers");
        fs::write(&path, [&[version][..], GENESIS.as_bytes(), &rest].concat()).unwrap();
        drop(load(&path, &GENESIS));
        save(&path, &GENESIS, remembered()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        fs::write(&path, bytes).unwrap();
        // What still reads has nobody in it who was not there.
        if let Ok(read) = load(&path, &GENESIS) {
            prop_assert!(read.peers.len() <= 2 && read.scores.len() <= 1 && read.spammers.len() <= 1);
        }
    }
}

#[test]
fn a_file_that_is_damaged_too_long_or_of_another_chain_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers");
    save(&path, &GENESIS, remembered()).unwrap();
    let whole = fs::read(&path).unwrap();
    let other = BlockHash::from_bytes([8; 32]);
    assert!(matches!(load(&path, &other), Err(FileError::OtherChain { theirs }) if theirs == GENESIS));
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(matches!(load(&path, &GENESIS), Err(FileError::Damaged)), "{cut}");
    }
    // A list that claims 2^30 - 1 entries.
    fs::write(&path, [&whole[..33], &[0xfe, 0xff, 0xff, 0xff]].concat()).unwrap();
    assert!(matches!(load(&path, &GENESIS), Err(FileError::Damaged)));
    fs::write(&path, vec![0; 4 * 1024 * 1024 + 1]).unwrap();
    assert!(matches!(load(&path, &GENESIS), Err(FileError::TooLong)));
}

#[test]
fn a_peer_that_cannot_be_read_costs_none_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers");
    let mut remembered = remembered();
    save(&path, &GENESIS, remembered.clone()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // The first byte of the first peer's id, behind version, genesis and two lengths.
    bytes[1 + 32 + 1 + 1] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    remembered.peers.remove(0);
    assert_eq!(load(&path, &GENESIS).unwrap(), remembered);
}
