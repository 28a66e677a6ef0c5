//! The recipe for hash types.

use parity_scale_codec::{Decode, DecodeAll, Encode, MaxEncodedLen};
use pieces::{ContentHash, FileId, ParseHashError, PieceHash, hash_newtype};

hash_newtype! {
    /// A noun of another crate.
    pub struct Elsewhere;
    struct Private;
}

const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn counting() -> [u8; 32] {
    std::array::from_fn(|at| at as u8)
}

#[test]
fn the_recipe_serves_other_crates() {
    let hash = Elsewhere::from_bytes(counting());
    assert_eq!(hash.to_string(), DIGITS);
    assert_eq!(format!("{hash:?}"), "Elsewhere(00010203)");
    assert_eq!(format!("{:?}", Private::ZERO), "Private(00000000)");
    assert_eq!((Elsewhere::LENGTH, hash.as_ref()), (32, counting().as_slice()));
    assert!(Elsewhere::ZERO < hash);
}

#[test]
fn hashes_are_read_with_and_without_0x_in_either_case() {
    let hash = FileId::from_bytes(counting());
    assert_eq!(DIGITS.parse(), Ok(hash));
    assert_eq!(format!("0x{DIGITS}").parse(), Ok(hash));
    assert_eq!(DIGITS.to_uppercase().parse(), Ok(hash));
    for bad in ["", "0x", &DIGITS[1..], &format!("0x0x{DIGITS}"), &format!("{DIGITS}00"), &DIGITS.replace('0', "g")] {
        assert_eq!(bad.parse::<FileId>(), Err(ParseHashError), "{bad}");
    }
}

#[test]
fn hashes_are_0x_strings_in_json_and_map_keys() {
    let hash = PieceHash::from_bytes(counting());
    let json = serde_json::to_string(&hash).unwrap();
    assert_eq!(json, format!("\"0x{DIGITS}\""));
    assert_eq!(serde_json::from_str::<PieceHash>(&json).unwrap(), hash);
    assert_eq!(serde_json::from_value::<PieceHash>(json.trim_matches('"').into()).unwrap(), hash);
    assert_eq!(
        serde_json::from_str::<PieceHash>("\"\\u0030x00\"").unwrap_err().classify(),
        serde_json::error::Category::Data
    );
    let map = std::collections::BTreeMap::from([(hash, 1)]);
    let text = serde_json::to_string(&map).unwrap();
    assert_eq!(serde_json::from_str::<std::collections::BTreeMap<PieceHash, i32>>(&text).unwrap(), map);
}

#[test]
fn hashes_are_32_bare_bytes_in_scale() {
    let hash = Elsewhere::from_bytes(counting());
    assert_eq!(hash.encode(), counting());
    assert_eq!(vec![hash; 2].encode(), [&[8], &counting()[..], &counting()[..]].concat());
    assert_eq!(Elsewhere::decode_all(&mut counting().as_slice()).unwrap(), hash);
    assert!(Elsewhere::decode(&mut counting()[1..].as_ref()).is_err());
    assert_eq!((Elsewhere::max_encoded_len(), Elsewhere::encoded_fixed_size()), (32, Some(32)));
}

#[test]
fn content_and_piece_hashes_are_plain_blake3() {
    let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(ContentHash::of(b"").to_string(), empty);
    assert_eq!(PieceHash::of(b"").to_string(), empty);
}
