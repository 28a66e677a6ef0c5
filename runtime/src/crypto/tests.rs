//! Claims about keys: the same as Substrate's, and nothing signed for one purpose holds for another.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use super::*;

fn rng() -> impl RngCore + CryptoRng {
    rand_chacha::ChaCha20Rng::from_seed([7; 32])
}
use rand_core::SeedableRng;

#[test]
fn alice_has_substrates_address() {
    let alice = KeyPair::from_secret_text("//Alice").unwrap();
    assert_eq!(alice.account().to_string(), "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY");
    assert_eq!(alice.account().to_string().parse(), Ok(alice.account()));
}

#[test]
fn a_signature_holds_for_its_purpose_alone() {
    let pair = KeyPair::from_secret_text("//Bob").unwrap();
    let signature = pair.sign(Purpose::Commitment, b"message", rng());
    let key = pair.public_key();
    assert_eq!(key.verify(Purpose::Commitment, b"message", &signature), Ok(()));
    for other in [Purpose::Account, Purpose::Consensus, Purpose::ProofOfValidator] {
        assert_eq!(key.verify(other, b"message", &signature), Err(BadSignature));
    }
    assert_eq!(key.verify(Purpose::Commitment, b"massage", &signature), Err(BadSignature));
}

#[test]
fn one_bad_signature_spoils_the_batch() {
    let mut batch: Vec<_> = (0..8u8)
        .map(|i| {
            let pair = KeyPair::from_seed(&[i; 32]);
            let message = vec![i; 10];
            let signature = pair.sign(Purpose::Account, &message, rng());
            SignedMessage { key: pair.public_key(), purpose: Purpose::Account, message, signature }
        })
        .collect();
    assert_eq!(verify_batch(&batch), Ok(()));
    batch[3].message[0] ^= 1;
    assert_eq!(verify_batch(&batch), Err(BadSignature));
    assert_eq!(verify_batch(&[]), Ok(()));
}

#[test]
fn the_vrf_output_is_one_per_key_and_input() {
    let pair = KeyPair::from_seed(&[1; 32]);
    let first = pair.prove_vrf(b"input", rng());
    let again = pair.prove_vrf(b"input", rand_chacha::ChaCha20Rng::from_seed([9; 32]));
    let pre_output = pair.public_key().verify_vrf(b"input", &first).unwrap();
    assert_eq!(pair.public_key().verify_vrf(b"input", &again), Ok(pre_output));
    assert_eq!(pair.public_key().verify_vrf(b"other", &first), Err(BadSignature));
    assert_eq!(KeyPair::from_seed(&[2; 32]).public_key().verify_vrf(b"input", &first), Err(BadSignature));
}

#[test]
fn malformed_addresses_are_refused_by_name() {
    let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let wrong = alice.replace("utQY", "utQZ");
    assert_eq!(wrong.parse::<AccountId>(), Err(KeyTextError::Address("the checksum is wrong")));
    assert!("".parse::<AccountId>().is_err());
    assert!("0x00".parse::<AccountId>().is_err());
    assert!("1".repeat(10_000).parse::<AccountId>().is_err());
}

#[test]
fn a_peer_key_reads_its_own_peer_id() {
    let key = PeerKey::from_bytes([3; 32]);
    let text = key.to_string();
    assert!(text.starts_with("12D3Koo"), "{text}");
    assert_eq!(text.parse(), Ok(key));
}
