//! Where validators say that they are: believed only as they signed it, and never long.

use consensus::{Announcement, AnnouncementError};
use parity_scale_codec::Encode;
use runtime::crypto::KeyPair;
use runtime::types::{BlockHash, Text};

const GENESIS: BlockHash = BlockHash::from_bytes([7; 32]);

fn address(port: u16) -> Text<128> {
    Text::new(format!("/ip4/192.0.2.1/tcp/{port}/p2p/{}", consensus::peer_key(&[1; 32]))).unwrap()
}

fn signed(addresses: Vec<Text<128>>) -> Announcement {
    Announcement::sign(&GENESIS, &KeyPair::from_seed(&[2; 32]), addresses, 4, 5)
}

#[test]
fn an_announcement_is_believed_only_as_it_was_signed_and_on_its_chain() {
    let honest = signed(vec![address(1), address(2)]);
    assert_eq!(Announcement::read(&honest.encode(), &GENESIS).unwrap(), honest);
    let elsewhere = BlockHash::from_bytes([8; 32]);
    assert!(matches!(Announcement::read(&honest.encode(), &elsewhere), Err(AnnouncementError::Signature)));
    let bytes = honest.encode();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(Announcement::read(&changed, &GENESIS).is_err(), "byte {at}");
    }
    assert!(Announcement::read(&[&bytes[..], &[0]].concat(), &GENESIS).is_err());
}

#[test]
fn addresses_are_of_consensus_ports_and_few() {
    let few = signed((1..=9).map(address).collect());
    assert_eq!(few.addresses.len(), Announcement::ADDRESSES_MAX);
    let none = signed(Vec::new());
    assert!(matches!(Announcement::read(&none.encode(), &GENESIS), Err(AnnouncementError::Count(0))));
    for wrong in ["", "/ip4/192.0.2.1/udp/1", "/ip4/192.0.2.1/tcp/1", "somewhere"] {
        let wrong = signed(vec![address(1), Text::new(wrong.to_owned()).unwrap()]);
        assert!(matches!(Announcement::read(&wrong.encode(), &GENESIS), Err(AnnouncementError::Address(_))));
    }
    let longest = "x".repeat(128);
    let longest = Announcement { addresses: vec![Text::new(longest).unwrap(); Announcement::ADDRESSES_MAX], ..few };
    assert!(longest.encoded_size() <= Announcement::BYTES_MAX, "the limit has room for the longest");
}
