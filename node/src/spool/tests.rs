//! What fits and what does not.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use rpc::error::codes;

use super::{RESERVE_BYTES, check_room, share_disk};

#[test]
fn a_body_is_refused_whose_pieces_do_not_fit_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    // Others write to this disk too.
    let half = fs4::available_space(folder.path()).unwrap().saturating_sub(RESERVE_BYTES) / 2;
    assert!(half > 1_000_000, "the tests' disk is full");
    check_room(folder.path(), half, 0).unwrap();
    let refused = check_room(folder.path(), half, 2 * half).unwrap_err();
    assert_eq!(refused.code(), codes::FULL);
    let message = refused.to_string();
    assert!(message.contains(&half.to_string()) && message.contains("node file cancel"), "{message}");
    assert!(share_disk(folder.path(), folder.path()));
}
