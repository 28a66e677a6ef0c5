//! What accounts, providers and validators sign: intents, commitments, votes, certificates. The first byte says which.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use runtime::codec::decode_bounded;
use runtime::terms;
use runtime::types::{
    BlockHash, CommitCertificate, Header, SignedIntent, StorageCommitment, UploadIntent, ValidatorSet, Vote,
};

/// More than the longest of them, a certificate of every possible validator.
const BYTES_MAX: usize = 64 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 7 {
        0 => {
            if let Some(intent) = read::<UploadIntent>(bytes) {
                let _ = (intent.hash(), intent.deal(), intent.payload());
                let _ = terms::until_epoch(&intent, u32::MAX);
            }
        }
        1 => {
            if let Some(signed) = read::<SignedIntent>(bytes) {
                let _ = signed.verify();
            }
        }
        2 => drop(read::<StorageCommitment>(bytes)),
        3 => drop(read::<Vote>(bytes)),
        4 => {
            if let Some(certificate) = read::<CommitCertificate>(bytes) {
                let nobody = ValidatorSet::default();
                assert!(certificate.verify(&BlockHash::ZERO, &nobody).is_err(), "nobody has decided a block");
            }
        }
        5 => {
            if let Some(set) = read::<ValidatorSet>(bytes) {
                let _ = (set.hash(), set.total_power(), set.proposer(&BlockHash::ZERO, 7, u32::MAX));
            }
        }
        _ => {
            if let Some(header) = read::<Header>(bytes) {
                let _ = header.hash();
            }
        }
    }
});

fn read<T: Decode + DecodeWithMemTracking + Encode>(bytes: &[u8]) -> Option<T> {
    let value = decode_bounded::<T>(bytes, BYTES_MAX).ok()?;
    assert_eq!(value.encode(), bytes, "two encodings of one value");
    Some(value)
}
