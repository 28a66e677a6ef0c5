//! An independent decoder agrees with the golden segments.

use std::io::Write;
use std::process::Command;

use crate::golden::{SEGMENTS, path};

/// Set where python3 must be: there its absence is a failure.
const REQUIRED: &str = "PIECEWISE_ORACLE_REQUIRED";

#[test]
fn a_decoder_in_plain_python_rebuilds_the_golden_segments_from_any_k_pieces() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os(REQUIRED).is_none(), "python3 is not installed, and {REQUIRED} is set");
        // Not by a macro: the test harness hides what those print unless the test fails.
        let skipped = "\n*** SKIPPED: python3 is not installed, so the independent decoder did not run ***\n";
        writeln!(std::io::stderr(), "{skipped}").unwrap();
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
