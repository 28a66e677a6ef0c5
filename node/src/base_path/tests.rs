//! What a temporary folder forgets, and what it leaves alone.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use fs4::fs_std::FileExt;

use super::{chain_in, forget_ended};

/// A folder as a node that was killed leaves it.
fn left_behind(temporary: &Path, name: &str) -> PathBuf {
    let root = temporary.join(name);
    let chain = chain_in(&root, "dev");
    fs::create_dir_all(chain.join("ledger")).unwrap();
    fs::write(chain.join("ledger/CURRENT"), b"blocks").unwrap();
    fs::write(chain.join("lock"), b"").unwrap();
    root
}

#[test]
fn what_a_killed_node_left_behind_is_forgotten_and_nothing_else() {
    let temporary = tempfile::tempdir().unwrap();
    let temporary = temporary.path();
    let own = left_behind(temporary, "piecewise-own");
    let killed = left_behind(temporary, "piecewise-killed");

    let running = left_behind(temporary, "piecewise-running");
    let lock = File::open(chain_in(&running, "dev").join("lock")).unwrap();
    assert!(lock.try_lock_exclusive().unwrap());
    let starting = left_behind(temporary, "piecewise-starting");
    fs::remove_dir_all(chain_in(&starting, "dev").join("ledger")).unwrap();
    let unlocked = left_behind(temporary, "piecewise-notes");
    fs::remove_file(chain_in(&unlocked, "dev").join("lock")).unwrap();
    let other = left_behind(temporary, "elsewhere");
    symlink(&other, temporary.join("piecewise-link")).unwrap();
    fs::write(temporary.join("piecewise-file"), b"mine").unwrap();

    forget_ended(&own).unwrap();
    assert!(!killed.exists());
    for kept in [own, running, starting, unlocked, other, temporary.join("piecewise-file")] {
        assert!(kept.exists(), "{}", kept.display());
    }
    assert!(temporary.join("piecewise-link").is_symlink());
}
