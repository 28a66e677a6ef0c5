//! Formats: what is encoded decodes to the same, and nothing else decodes or does harm.

use std::fmt::Debug;

use bytes::Bytes;
use consensus::formats::app::consensus::LivenessMsg;
use consensus::formats::app::streaming::StreamMessage;
use consensus::formats::app::types::codec::{Codec, HasEncodedLen};
use consensus::formats::app::types::core::{PolkaCertificate, ValidatorProof};
use consensus::formats::app::types::sync::{Request, Response, Status};
use consensus::formats::app::types::{ProposedValue, SignedConsensusMsg};
use consensus::formats::{ChainContext, CodecError, ProposalPart, WireCodec, limits};
use parity_scale_codec::{Compact, Encode};
use proptest::prelude::*;

use crate::sample::Seed;

fn seeds() -> impl Strategy<Value = Seed> {
    (any::<u64>(), any::<Option<u32>>(), any::<u8>(), any::<u8>(), any::<bool>())
        .prop_map(|(height, round, byte, count, flag)| Seed { height, round, byte, count, flag })
}

/// Encodes and decodes to the same; no other length decodes, and no change of a byte panics.
fn survives<T: PartialEq + Debug>(message: &T)
where
    WireCodec: Codec<T, Error = CodecError>,
{
    let bytes = WireCodec.encode(message).unwrap();
    let back: T = WireCodec.decode(bytes.clone()).unwrap();
    assert_eq!(back, *message);
    for length in (0..bytes.len()).step_by(bytes.len().div_ceil(97)) {
        let cut: Result<T, _> = WireCodec.decode(bytes.slice(..length));
        assert!(cut.is_err(), "{length} of {} bytes decode", bytes.len());
    }
    let longer: Result<T, _> = WireCodec.decode([bytes.as_ref(), &[0]].concat().into());
    assert!(longer.is_err());
    for position in (0..bytes.len()).step_by(bytes.len().div_ceil(61)) {
        let mut changed = bytes.to_vec();
        changed[position] ^= 0xff;
        // Whatever it is now, it is a message or an error.
        if let Ok(other) = Codec::<T>::decode(&WireCodec, changed.clone().into()) {
            assert_eq!(WireCodec.encode(&other).unwrap(), changed, "two encodings of one message");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_message_survives_the_wire(seed in seeds()) {
        survives(&seed.part());
        survives(&seed.stream());
        survives(&seed.consensus());
        survives(&seed.liveness());
        survives(&seed.proof());
        survives(&seed.status());
        survives(&seed.request());
        survives(&seed.response());
        survives(&seed.proposed());
        survives(&seed.polka());
    }

    #[test]
    fn the_length_of_a_response_is_known_without_encoding_it(seed in seeds()) {
        let response = seed.response();
        let encoded: Bytes = WireCodec.encode(&response).unwrap();
        prop_assert_eq!(WireCodec.encoded_len(&response).unwrap(), encoded.len());
    }

    #[test]
    fn noise_is_never_more_than_an_error(noise in proptest::collection::vec(any::<u8>(), 0..2000)) {
        throw_at_all(&noise.into());
    }
}

fn throw_at_all(bytes: &Bytes) {
    fn throw<T>(bytes: &Bytes)
    where
        WireCodec: Codec<T, Error = CodecError>,
    {
        if let Err(error) = Codec::<T>::decode(&WireCodec, bytes.clone()) {
            assert!(!matches!(error, CodecError::Panicked { .. }), "{error}");
        }
    }
    throw::<ProposalPart>(bytes);
    throw::<StreamMessage<ProposalPart>>(bytes);
    throw::<SignedConsensusMsg<ChainContext>>(bytes);
    throw::<LivenessMsg<ChainContext>>(bytes);
    throw::<ValidatorProof<ChainContext>>(bytes);
    throw::<Status<ChainContext>>(bytes);
    throw::<Request<ChainContext>>(bytes);
    throw::<Response<ChainContext>>(bytes);
    throw::<ProposedValue<ChainContext>>(bytes);
    throw::<PolkaCertificate<ChainContext>>(bytes);
}

#[test]
fn a_length_that_promises_gigabytes_is_an_error() {
    let bomb = Compact(u32::MAX >> 2).encode();
    // Where each format has its first list: behind so many bytes.
    for zeros in 0..200 {
        let bytes = [vec![0; zeros], bomb.clone()].concat();
        throw_at_all(&bytes.into());
        let bytes = [vec![1; zeros], bomb.clone(), vec![0; 400]].concat();
        throw_at_all(&bytes.into());
    }
}

#[test]
fn what_is_longer_than_its_limit_is_refused_unread() {
    fn refuses<T: Debug>(limit: usize)
    where
        WireCodec: Codec<T, Error = CodecError>,
    {
        let error = Codec::<T>::decode(&WireCodec, vec![0; limit + 1].into()).unwrap_err();
        let CodecError::Malformed { source, .. } = error else { panic!("{error}") };
        assert!(matches!(source, runtime::codec::DecodeError::TooLong { .. }), "{source}");
    }
    refuses::<ProposalPart>(limits::PART_BYTES);
    refuses::<StreamMessage<ProposalPart>>(limits::STREAM_MESSAGE_BYTES);
    refuses::<SignedConsensusMsg<ChainContext>>(limits::CONSENSUS_MESSAGE_BYTES);
    refuses::<LivenessMsg<ChainContext>>(limits::LIVENESS_BYTES);
    refuses::<ValidatorProof<ChainContext>>(limits::VALIDATOR_PROOF_BYTES);
    refuses::<Status<ChainContext>>(limits::STATUS_BYTES);
    refuses::<Request<ChainContext>>(limits::REQUEST_BYTES);
    refuses::<Response<ChainContext>>(limits::RESPONSE_BYTES);
    refuses::<ProposedValue<ChainContext>>(limits::PROPOSED_VALUE_BYTES);
    refuses::<PolkaCertificate<ChainContext>>(limits::CERTIFICATE_BYTES);
}

#[test]
fn the_largest_honest_messages_fit_their_limits() {
    let seed = Seed { height: u64::MAX, round: Some(u32::MAX), byte: 255, count: 255, flag: true };
    // One certificate of every possible validator.
    survives(&seed.polka());
    survives(&LivenessMsg::SkipRoundCertificate(seed.round_votes()));
    let mut part = seed.part();
    part.bytes = vec![7; 64 * 1024];
    part.manifest.digests = vec![[9; 32]; 64];
    survives(&part);
}

#[test]
fn an_undefined_round_is_refused_where_there_must_be_one() {
    use consensus::formats::app::types::core::Round;

    let seed = Seed { height: 1, round: None, byte: 1, count: 3, flag: true };
    let mut polka = seed.polka();
    polka.round = Round::Nil;
    let bytes = WireCodec.encode(&polka).unwrap();
    assert!(Codec::<PolkaCertificate<ChainContext>>::decode(&WireCodec, bytes).is_err());
    let mut skip = seed.round_votes();
    skip.round = Round::Nil;
    let bytes = WireCodec.encode(&LivenessMsg::SkipRoundCertificate(skip)).unwrap();
    assert!(Codec::<LivenessMsg<ChainContext>>::decode(&WireCodec, bytes).is_err());
    let mut proposal = seed.proposal();
    proposal.message.round = Round::Nil;
    let bytes = WireCodec.encode(&SignedConsensusMsg::Proposal(proposal)).unwrap();
    assert!(Codec::<SignedConsensusMsg<ChainContext>>::decode(&WireCodec, bytes).is_err());
    let mut vote = seed.vote();
    vote.message.round = Round::Nil;
    assert!(WireCodec.encode(&SignedConsensusMsg::Vote(vote)).is_err());
}

#[test]
fn a_batch_or_a_certificate_with_too_many_entries_is_refused() {
    use consensus::formats::app::types::sync::RawDecidedValue;

    let seed = Seed { height: 1, round: None, byte: 1, count: 3, flag: true };
    let Response::ValueResponse(mut response) = seed.response();
    response.values = vec![response.values[0].clone(); limits::SYNC_BATCH + 1];
    let bytes = WireCodec.encode(&Response::ValueResponse(response.clone())).unwrap();
    assert!(Codec::<Response<ChainContext>>::decode(&WireCodec, bytes).is_err());
    let RawDecidedValue { value_bytes, mut certificate } = response.values.remove(0);
    certificate.commit_signatures = vec![certificate.commit_signatures[0].clone(); 257];
    response.values = vec![RawDecidedValue::new(value_bytes, certificate)];
    let bytes = WireCodec.encode(&Response::ValueResponse(response)).unwrap();
    assert!(Codec::<Response<ChainContext>>::decode(&WireCodec, bytes).is_err());
    let mut polka = seed.polka();
    polka.polka_signatures = vec![polka.polka_signatures[0].clone(); 257];
    let bytes = WireCodec.encode(&polka).unwrap();
    assert!(Codec::<PolkaCertificate<ChainContext>>::decode(&WireCodec, bytes).is_err());
}
