#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{FileError, Peers, load, save};
use libp2p::PeerId;
use runtime::types::BlockHash;
use std::fs;

const GENESIS: BlockHash = BlockHash::from_bytes([7; 32]);

fn peers() -> Peers {
    let address = |port: u16| format!("/ip4/1.2.3.4/tcp/{port}").parse().unwrap();
    vec![(PeerId::random(), vec![address(1), address(2)], 17), (PeerId::random(), vec![address(3)], 18)]
}

#[test]
fn what_is_saved_is_loaded_and_a_later_save_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers");
    assert_eq!(load(&path, &GENESIS).unwrap(), vec![]);
    for peers in [peers(), peers(), vec![]] {
        save(&path, &GENESIS, &peers).unwrap();
        assert_eq!(load(&path, &GENESIS).unwrap(), peers);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_damaged_too_long_or_of_another_chain_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers");
    save(&path, &GENESIS, &peers()).unwrap();
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
    let peers = peers();
    save(&path, &GENESIS, &peers).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // The first byte of the first peer's id, behind version, genesis and two lengths.
    bytes[1 + 32 + 1 + 1] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    assert_eq!(load(&path, &GENESIS).unwrap(), peers[1..]);
}
