//! Readers and a writer at the same time.

use std::sync::atomic::{AtomicBool, Ordering};

use runtime::state::{Changes, StateView};

use crate::support::{commit, ledger};

const BLOCKS: u64 = 400;
const KEYS: u8 = 24;

fn key(index: u8) -> Vec<u8> {
    vec![0x40, index]
}

/// At every height each key says which height it is, and one in three, another every time, is missing.
fn missing(height: u64, index: u8) -> bool {
    (height + u64::from(index)).is_multiple_of(3)
}

fn changes(height: u64) -> Changes {
    let value = |index| (!missing(height, index)).then(|| height.to_be_bytes().to_vec());
    (0..KEYS).map(|index| (key(index), value(index))).collect()
}

#[test]
fn a_snapshot_stands_still_while_blocks_are_committed() {
    let (_folder, ledger) = ledger();
    commit(&ledger, changes(1));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0u64;
                    let mut last = false;
                    while !last {
                        // Once more after the last block, so that every reader reads something.
                        last = done.load(Ordering::Acquire);
                        let state = ledger.state();
                        let height = state.height();
                        let mut from = key(0);
                        for index in (0..KEYS).filter(|index| !missing(height, *index)) {
                            assert_eq!(state.get(&key(index)).unwrap(), Some(height.to_be_bytes().to_vec()));
                            assert_eq!(state.next_key(&from, &key(KEYS)).unwrap(), Some(key(index)), "at {height}");
                            from = key(index + 1);
                        }
                        for index in (0..KEYS).filter(|index| missing(height, *index)) {
                            assert_eq!(state.get(&key(index)).unwrap(), None, "at {height}");
                        }
                        seen += 1;
                    }
                    seen
                })
            })
            .collect();
        for height in 2..=BLOCKS {
            assert_eq!(commit(&ledger, changes(height)).header.height, height);
        }
        done.store(true, Ordering::Release);
        assert!(readers.into_iter().all(|reader| reader.join().unwrap() > 0));
    });
}
