//! Claims about what `node key` reads and what its errors keep to themselves.
#![allow(clippy::unwrap_used, reason = "a test stops where its claim breaks")]

use super::read_uri;

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";

#[test]
fn every_way_to_name_an_account_names_the_same_one() {
    let seed = "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
    let phrase = format!("{PHRASE}//Alice");
    let public = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";
    let cases = [
        ("//Alice", false, true),
        (&phrase, false, true),
        (seed, false, true),
        (ALICE, false, false),
        (public, true, false),
    ];
    for (uri, as_public, is_secret) in cases {
        let (account, secret) = read_uri(uri, as_public).unwrap();
        assert_eq!((account.to_string().as_str(), secret), (ALICE, is_secret), "{uri}");
    }
}

#[test]
fn soft_and_hard_junctions_lead_to_different_accounts() {
    let account = |uri: &str| read_uri(uri, false).unwrap().0;
    assert_ne!(account("//Alice/1"), account("//Alice//1"));
    assert_ne!(account("//Alice/1"), account("//Alice"));
}

#[test]
fn an_error_names_what_is_wrong_and_keeps_the_secret() {
    let mistyped = PHRASE.replace("walk", "wall");
    let cases = [
        (mistyped.as_str(), "phrase"),
        ("0x1234", "seed"),
        ("//Alice//", "junction"),
        ("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ", "address"),
        ("", "nothing was given"),
    ];
    for (uri, named) in cases {
        let message = format!("{:#}", read_uri(uri, false).unwrap_err());
        assert!(message.contains(named), "{uri}: {message}");
        assert!(uri.is_empty() || !message.contains(uri), "{message}");
    }
}
