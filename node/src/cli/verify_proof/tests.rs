#![allow(clippy::unwrap_used, reason = "a test stops where its claim breaks")]

use super::*;

#[test]
fn times_are_written_in_utc_and_never_panic() {
    assert_eq!(time(1_767_225_600_000).to_string(), "2026-01-01T00:00:00.000Z");
    assert_eq!(time(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
}

#[test]
fn a_trusted_block_is_a_height_and_a_hash() {
    let hash = format!("0x{}", "ab".repeat(32));
    let expected = Trust::Block { height: 12, hash: BlockHash::from_bytes([0xab; 32]) };
    assert_eq!(parse_trusted(&format!("12:{hash}")), Ok(expected));
    for wrong in ["12", "x:0x00", "12:0x00", &hash] {
        assert!(parse_trusted(wrong).is_err(), "{wrong}");
    }
}
