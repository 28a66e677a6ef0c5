//! The formats, frozen. `PIECEWISE_BLESS=1` writes the file anew: an explicit approval of another format, in a
//! commit of its own, never a way to make this test pass.

use std::fmt::Write;
use std::path::Path;

use consensus::Announcement;
use consensus::formats::app::consensus::LivenessMsg;
use consensus::formats::app::types::SignedConsensusMsg;
use consensus::formats::app::types::codec::Codec;
use consensus::formats::{Guard, Sealed, SignedKind, WireCodec};
use parity_scale_codec::Encode;
use runtime::crypto::{KeyPair, Signature};
use runtime::types::{BlockHash, Text};

use crate::sample::Seed;

fn formats() -> String {
    let seed = Seed { height: 0x0102_0304, round: Some(5), byte: 0xa0, count: 3, flag: true };
    let other = Seed { round: None, flag: false, ..seed.clone() };
    let genesis = BlockHash::from_bytes([0x11; 32]);
    let mut text = String::new();
    let mut add = |name: &str, bytes: &[u8]| writeln!(text, "{name} {}", hex::encode(bytes)).unwrap();
    add("proposal_part", &WireCodec.encode(&seed.part()).unwrap());
    add("stream_data", &WireCodec.encode(&seed.stream()).unwrap());
    add("stream_fin", &WireCodec.encode(&other.stream()).unwrap());
    add("signed_vote", &WireCodec.encode(&SignedConsensusMsg::Vote(seed.vote())).unwrap());
    add("signed_vote_nil", &WireCodec.encode(&SignedConsensusMsg::Vote(other.vote())).unwrap());
    add("signed_proposal", &WireCodec.encode(&SignedConsensusMsg::Proposal(seed.proposal())).unwrap());
    add("signed_proposal_first", &WireCodec.encode(&SignedConsensusMsg::Proposal(other.proposal())).unwrap());
    add("liveness_vote", &WireCodec.encode(&LivenessMsg::Vote(seed.vote())).unwrap());
    add("liveness_polka", &WireCodec.encode(&LivenessMsg::PolkaCertificate(seed.polka())).unwrap());
    add("liveness_skip", &WireCodec.encode(&LivenessMsg::SkipRoundCertificate(seed.round_votes())).unwrap());
    add("liveness_precommit", &WireCodec.encode(&LivenessMsg::SkipRoundCertificate(other.round_votes())).unwrap());
    add("validator_proof", &WireCodec.encode(&seed.proof()).unwrap());
    add("sync_status", &WireCodec.encode(&seed.status()).unwrap());
    add("sync_request", &WireCodec.encode(&seed.request()).unwrap());
    add("sync_response", &WireCodec.encode(&seed.response()).unwrap());
    add("proposed_value", &WireCodec.encode(&seed.proposed()).unwrap());
    add("polka_certificate", &WireCodec.encode(&seed.polka()).unwrap());
    add("payload_vote", &seed.vote().message.to_runtime().unwrap().payload(&genesis));
    add("payload_proposal", &seed.proposal().message.payload(&genesis).unwrap());
    add("payload_part", &seed.part().manifest.payload(&genesis));
    add("payload_proof", &seed.proof().preimage());
    add("announcement", &announcement(&genesis).encode());
    add("guard_file", &guard_file());
    text
}

/// Signatures differ each time.
fn announcement(genesis: &BlockHash) -> Announcement {
    let key = KeyPair::from_seed(&[0x44; 32]);
    let address = format!("/ip4/192.0.2.1/tcp/30333/p2p/{}", consensus::peer_key(&[0x55; 32]));
    let mut announcement =
        Announcement::sign(genesis, &key, vec![Text::new(address).unwrap()], 1_700_000_000_000, 1_800_000_000_000);
    let read = Announcement::read(&announcement.encode(), genesis).unwrap();
    assert_eq!(read, announcement);
    announcement.signature = Signature::from_bytes([0x66; 64]);
    announcement
}

fn guard_file() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    let mut guard = Guard::open(&path, [0x22; 32]).unwrap();
    let block = Some(BlockHash::from_bytes([0x33; 32]));
    guard.seal(7, 1, SignedKind::Proposal, Sealed { block, pol_round: Some(0) }).unwrap();
    guard.seal(7, 1, SignedKind::Prevote, Sealed { block, pol_round: None }).unwrap();
    guard.seal(7, 1, SignedKind::Precommit, Sealed { block: None, pol_round: None }).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes[4 * 64..].iter().all(|byte| *byte == 0));
    bytes[..4 * 64].to_vec()
}

#[test]
fn no_format_has_changed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats.txt");
    let now = formats();
    if std::env::var_os("PIECEWISE_BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let frozen = std::fs::read_to_string(&path).unwrap();
    for (now, frozen) in now.lines().zip(frozen.lines()) {
        assert_eq!(now, frozen);
    }
    assert_eq!(now, frozen);
}
