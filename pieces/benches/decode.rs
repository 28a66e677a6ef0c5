//! Decoding, slices and proofs against the erasure library and BLAKE3 called bare. Medians of single-threaded runs.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench fails by panicking")]

mod measure;

use bytes::Bytes;
use measure::{filled, keep, medians, report};
use pieces::{
    ErasureCode, PieceHash, PieceHasher, PieceReader, SegmentDecoder, SegmentEncoder, SegmentManifest, VerifiedSlice,
    VerifiedUnit, decode_slice, outboard, verify_chunk,
};
use reed_solomon_erasure::galois_8::ReedSolomon;
use std::hint::black_box;

const UNIT_BYTES: u32 = 64 * 1024;
const STRIPES: usize = 16;

fn main() {
    pieces::check_cpu().unwrap();
    for (k, n) in [(2, 4), (4, 8), (10, 30), (29, 80)] {
        stripes(ErasureCode::new(k, n, UNIT_BYTES));
    }
    slices();
}

/// Decoding of segments from data columns, from parity columns and with one column missing.
fn stripes(code: ErasureCode) {
    let stripe_bytes = usize::try_from(code.stripe_bytes()).unwrap();
    let file = filled(STRIPES * stripe_bytes);
    let (manifest, columns) = verified_columns(code, &file);
    let decoder = SegmentDecoder::for_segment(code, &manifest).unwrap();
    let (k, n) = (usize::from(code.k), usize::from(code.n));
    let decode = |chosen: &[Vec<VerifiedUnit>]| {
        for stripe in 0..STRIPES {
            black_box(decoder.decode_stripe(u64::try_from(stripe).unwrap(), units(chosen, stripe)).unwrap());
        }
    };
    let rebuild = || {
        for stripe in 0..STRIPES {
            let units = units(&columns[..k], stripe);
            black_box(decoder.rebuild_columns(u64::try_from(stripe).unwrap(), units, &[code.n - 1]).unwrap());
        }
    };
    let seconds = medians([
        &mut keep(|| decode(&columns[..k])),
        &mut keep(|| decode(&columns[1..=k])),
        &mut keep(|| decode(&columns[n - k..])),
        &mut keep(|| raw_reconstruct(code, &columns)),
        &mut keep(rebuild),
    ]);
    let names = [
        "decode from data columns",
        "decode, first column gone",
        "decode from the last k columns",
        "raw reconstruct_data of the same",
        "rebuild one parity column",
    ];
    report(&format!("{k} of {n}"), file.len(), names, seconds);
    println!("decode / raw_reconstruct = {:.2}\n", seconds[3] / seconds[2]);
}

fn units(columns: &[Vec<VerifiedUnit>], stripe: usize) -> Vec<VerifiedUnit> {
    columns.iter().map(|units| units[stripe].clone()).collect()
}

/// The library alone from the last k columns. It works in place, so its input is copied, as its caller would have to.
fn raw_reconstruct(code: ErasureCode, columns: &[Vec<VerifiedUnit>]) -> usize {
    let (k, n) = (usize::from(code.k), usize::from(code.n));
    let library = ReedSolomon::new(k, n - k).unwrap();
    (0..STRIPES)
        .map(|stripe| {
            let mut shards: Vec<Option<Vec<u8>>> = vec![None; n];
            for column in n - k..n {
                shards[column] = Some(columns[column][stripe].bytes().to_vec());
            }
            library.reconstruct_data(&mut shards).unwrap();
            shards[..k].iter().flatten().map(Vec::len).sum::<usize>()
        })
        .sum()
}

fn verified_columns(code: ErasureCode, file: &[u8]) -> (SegmentManifest, Vec<Vec<VerifiedUnit>>) {
    let mut encoder = SegmentEncoder::new(code).unwrap();
    let mut pieces = vec![Vec::new(); usize::from(code.n)];
    for stripe in file.chunks_exact(usize::try_from(code.stripe_bytes()).unwrap()) {
        for (piece, unit) in pieces.iter_mut().zip(encoder.push(stripe).unwrap()) {
            piece.extend_from_slice(&unit);
        }
    }
    let (_, manifest) = encoder.finish(&[]).unwrap();
    let columns = (0..code.n)
        .zip(pieces)
        .map(|(column, piece)| {
            let hash = manifest.piece_hashes[usize::from(column)];
            VerifiedSlice::from_piece(hash, piece.into()).unwrap().units(&code, manifest.len, column).unwrap()
        })
        .collect();
    (manifest, columns)
}

/// Slices of 1 MiB of a piece of 64 MiB, as downloads ask for them.
fn slices() {
    const WINDOW: u64 = 1 << 20;
    let piece = Bytes::from(filled(64 << 20));
    let size = u64::try_from(piece.len()).unwrap();
    let (hash, hashes) = outboard(piece.as_ref(), size).unwrap();
    let reader = PieceReader::new(piece.as_ref(), hashes, hash, size).unwrap();
    let windows: Vec<_> = (0..size / WINDOW).map(|at| at * WINDOW..(at + 1) * WINDOW).collect();
    let encoded: Vec<Vec<u8>> = windows
        .iter()
        .map(|range| {
            let mut slice = Vec::new();
            reader.encode_slice(range.clone(), &mut slice).unwrap();
            slice
        })
        .collect();
    let hash_and_outboard = || {
        let mut hasher = PieceHasher::new();
        piece.chunks(64 * 1024).for_each(|unit| hasher.push(unit));
        hasher.finish()
    };
    let encode = || {
        for range in &windows {
            let mut slice = Vec::with_capacity(1 << 21);
            reader.encode_slice(range.clone(), &mut slice).unwrap();
            black_box(slice);
        }
    };
    let decode = || {
        for (range, slice) in windows.iter().zip(&encoded) {
            black_box(decode_slice(hash, size, range.clone(), slice).unwrap());
        }
    };
    let proof = reader.prove_chunk(12_345).unwrap();
    let verify = || {
        for _ in 0..1000 {
            black_box(verify_chunk(hash, size, 12_345, &proof).unwrap());
        }
    };
    let [raw, hashed, encoded, decoded, verified] = medians([
        &mut keep(|| PieceHash::of(&piece)),
        &mut keep(hash_and_outboard),
        &mut keep(encode),
        &mut keep(decode),
        &mut keep(verify),
    ]);
    let names = ["raw blake3", "PieceHasher: hash and outboard", "encode_slice", "decode_slice"];
    report("slices of 1 MiB of one piece", piece.len(), names, [raw, hashed, encoded, decoded]);
    println!("decode_slice / raw_blake3 = {:.2}", raw / decoded);
    println!("verify_chunk: {:.1} us", verified * 1e3);
}
