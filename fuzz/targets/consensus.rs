//! Every message of the consensus engine. The first byte says which; what decodes has that one encoding.

#![no_main]

use bytes::Bytes;
use consensus::formats::app::consensus::LivenessMsg;
use consensus::formats::app::streaming::StreamMessage;
use consensus::formats::app::types::codec::{Codec, HasEncodedLen};
use consensus::formats::app::types::core::{PolkaCertificate, ValidatorProof};
use consensus::formats::app::types::sync::{Request, Response, Status};
use consensus::formats::app::types::{ProposedValue, SignedConsensusMsg};
use consensus::formats::{ChainContext, CodecError, ProposalPart, WireCodec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let bytes = Bytes::copy_from_slice(bytes);
    match kind % 10 {
        0 => drop(read::<ProposalPart>(bytes)),
        1 => drop(read::<StreamMessage<ProposalPart>>(bytes)),
        2 => drop(read::<SignedConsensusMsg<ChainContext>>(bytes)),
        3 => drop(read::<LivenessMsg<ChainContext>>(bytes)),
        4 => drop(read::<ValidatorProof<ChainContext>>(bytes)),
        5 => drop(read::<Status<ChainContext>>(bytes)),
        6 => drop(read::<Request<ChainContext>>(bytes)),
        7 => {
            let length = bytes.len();
            if let Some(response) = read::<Response<ChainContext>>(bytes) {
                assert_eq!(WireCodec.encoded_len(&response), Ok(length));
            }
        }
        8 => drop(read::<ProposedValue<ChainContext>>(bytes)),
        _ => drop(read::<PolkaCertificate<ChainContext>>(bytes)),
    }
});

fn read<T>(bytes: Bytes) -> Option<T>
where
    WireCodec: Codec<T, Error = CodecError>,
{
    let message = match WireCodec.decode(bytes.clone()) {
        Ok(message) => message,
        // The decoder catches a panic, so that no peer can stop a node; it is a finding all the same.
        Err(error @ CodecError::Panicked { .. }) => panic!("{error}"),
        Err(_) => return None,
    };
    assert_eq!(WireCodec.encode(&message), Ok(bytes), "two encodings of one message");
    Some(message)
}
