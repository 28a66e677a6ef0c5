//! Encoding with all piece hashes against the two things it is made of, at the same unit, in the same run: the erasure
//! library and BLAKE3 called bare. Medians of single-threaded runs, in file bytes per second.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench fails by panicking")]

mod measure;

use bytes::Bytes;
use measure::{filled, keep, medians, report};
use pieces::{ErasureCode, FileEncoder, MediaType, SegmentEncoder};
use reed_solomon_erasure::galois_8::ReedSolomon;

const UNIT_BYTES: u32 = 64 * 1024;
const FILE_BYTES: usize = 48 << 20;

fn main() {
    pieces::check_cpu().unwrap();
    for (k, n) in [(2, 4), (4, 8), (10, 30), (29, 80)] {
        let code = ErasureCode::new(k, n, UNIT_BYTES);
        let stripe_bytes = usize::try_from(code.stripe_bytes()).unwrap();
        let file = Bytes::from(filled(FILE_BYTES - FILE_BYTES % stripe_bytes));
        let seconds = medians([
            &mut keep(|| raw_rs(code, &file)),
            &mut keep(|| raw_blake3(code, &file)),
            &mut keep(|| encode(code, &file)),
            &mut keep(|| encode_file(code, &file)),
        ]);
        let names = ["raw reed-solomon", "raw blake3 of n units", "encode with hashes", "the same and content hash"];
        report(&format!("{k} of {n}"), file.len(), names, seconds);
        let [raw_rs, raw_blake3, encode, _] = seconds;
        // Of speeds: 1.00 means that streaming, buffers and bookkeeping cost nothing.
        println!("encode_with_hashes / (raw_rs + raw_blake3) = {:.2}\n", (raw_rs + raw_blake3) / encode);
    }
}

/// The library alone, as its documentation calls it: parity of every stripe, into buffers that are used again.
fn raw_rs(code: ErasureCode, file: &Bytes) -> u8 {
    let (k, n) = (usize::from(code.k), usize::from(code.n));
    let unit = usize::try_from(code.unit_bytes).unwrap();
    let library = ReedSolomon::new(k, n - k).unwrap();
    let mut parity = vec![vec![0_u8; unit]; n - k];
    for stripe in file.chunks_exact(unit * k) {
        let data: Vec<&[u8]> = stripe.chunks_exact(unit).collect();
        library.encode_sep(&data, &mut parity).unwrap();
    }
    parity[0][0]
}

/// BLAKE3 alone over as many bytes as a file's pieces have, unit by unit, one hasher a column. The parity columns hash
/// data units again.
fn raw_blake3(code: ErasureCode, file: &Bytes) -> u8 {
    let (k, n) = (usize::from(code.k), usize::from(code.n));
    let unit = usize::try_from(code.unit_bytes).unwrap();
    let mut hashers = vec![blake3::Hasher::new(); n];
    for stripe in file.chunks_exact(unit * k) {
        let units: Vec<&[u8]> = stripe.chunks_exact(unit).collect();
        for (column, hasher) in hashers.iter_mut().enumerate() {
            hasher.update(units[column % k]);
        }
    }
    hashers.iter().fold(0, |sum, hasher| sum ^ hasher.finalize().as_bytes()[0])
}

fn encode(code: ErasureCode, file: &Bytes) -> u8 {
    let stripe_bytes = usize::try_from(code.stripe_bytes()).unwrap();
    let mut encoder = SegmentEncoder::new(code).unwrap();
    for start in (0..file.len()).step_by(stripe_bytes) {
        let units = encoder.push_bytes(file.slice(start..start + stripe_bytes)).unwrap();
        std::hint::black_box(units);
    }
    let (_, manifest) = encoder.finish(&[]).unwrap();
    manifest.piece_hashes[0].as_bytes()[0]
}

fn encode_file(code: ErasureCode, file: &Bytes) -> u8 {
    let mut encoder = FileEncoder::new(code, 64 << 20, MediaType::default()).unwrap();
    for start in (0..file.len()).step_by(1 << 20) {
        let mut chunk = file.slice(start..file.len().min(start + (1 << 20)));
        while let Some(event) = encoder.push(&mut chunk).unwrap() {
            std::hint::black_box(event);
        }
    }
    encoder.finish().unwrap().1.content_hash.as_bytes()[0]
}
