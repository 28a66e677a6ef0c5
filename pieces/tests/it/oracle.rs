//! An independent decoder agrees with the golden segments.

use crate::golden::{SEGMENTS, path};
use std::process::Command;

#[test]
fn a_decoder_in_plain_python_rebuilds_the_golden_segments_from_any_k_pieces() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("\n*** SKIPPED: python3 is not installed, so the independent decoder did not run ***\n");
        return;
    }
    let oracle = path("../oracle/decode.py");
    let mut command = Command::new("python3");
    command.arg(oracle).args(SEGMENTS.map(|(name, ..)| path(name)));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().filter(|line| line.ends_with("ok")).count(), SEGMENTS.len(), "{said}");
}
