//! A process that commits block after block is killed at any instant.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use ledger::{Ledger, OpenError};
use runtime::state::{Changes, StateView};
use runtime::types::Block;

use crate::support::{Numbers, apply, certificate, commit, executed, folder, genesis};

const FOLDER: &str = "PIECEWISE_LEDGER_CRASH_FOLDER";
const KILLS: u64 = 25;
const SEED: u64 = 0x5eed;

/// What the block at `height` changes: the same in every process.
fn changes(height: u64) -> Changes {
    let mut numbers = Numbers::new(SEED ^ height);
    let count = 1 + numbers.below(200);
    (0..count)
        .map(|_| {
            let key = [&[0x40][..], &numbers.below(500).to_be_bytes()].concat();
            let value = (numbers.below(4) > 0).then(|| vec![height as u8; 1 + numbers.below(100) as usize]);
            (key, value)
        })
        .collect()
}

/// Commits until it is killed. Says what was believed as soon as the ledger says so.
fn child(path: &Path) -> ! {
    let ledger = Ledger::open(path, &genesis()).unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        let height = ledger.head().header.height + 1;
        let executed = executed(&ledger.head(), changes(height));
        let preview = ledger.preview(&executed.changes).unwrap();
        let block = executed.block(preview.root);
        ledger.remember(0, &block).unwrap();
        writeln!(out, "\nremembered {height}").unwrap();
        ledger.commit(&block, &executed, preview, &certificate(&block)).unwrap();
        writeln!(out, "\ncommitted {height}").unwrap();
        out.flush().unwrap();
    }
}

#[derive(Default)]
struct Reported {
    remembered: u64,
    committed: u64,
}

/// Starts a process, kills it somewhere behind its `after`th report, and returns what it last reported.
fn run_and_kill(path: &Path, after: u64, spins: u64) -> Reported {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["crash::a_process_killed_at_any_instant_leaves_a_whole_height", "--exact", "--nocapture"])
        .env(FOLDER, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reported = Reported::default();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let mut note = |line: &str| {
        let (what, height) = line.split_once(' ')?;
        match what {
            "remembered" => reported.remembered = height.parse().ok()?,
            "committed" => reported.committed = height.parse().ok()?,
            _ => return None,
        }
        Some(())
    };
    let mut reports = 0;
    for line in lines.by_ref() {
        reports += u64::from(note(&line).is_some());
        if reports > after {
            break;
        }
    }
    // Another process, same folder: the lock is held for as long as the child lives.
    assert!(matches!(Ledger::open(path, &genesis()), Err(OpenError::Locked { .. })));
    for _ in 0..spins {
        std::hint::spin_loop();
    }
    process.kill().unwrap();
    process.wait().unwrap();
    lines.for_each(|line| {
        note(&line);
    });
    reported
}

#[test]
fn a_process_killed_at_any_instant_leaves_a_whole_height() {
    if let Ok(path) = std::env::var(FOLDER) {
        child(Path::new(&path));
    }
    println!("seed {SEED:#x}");
    let mut numbers = Numbers::new(SEED);
    let (folder, replay_folder) = (folder(), folder());
    let replay = Ledger::open(replay_folder.path(), &genesis()).unwrap();
    let mut model = std::collections::BTreeMap::new();
    for kill in 0..KILLS {
        let reported = run_and_kill(folder.path(), numbers.below(12), numbers.below(2_000_000));
        let ledger = Ledger::open(folder.path(), &genesis()).unwrap();
        let head = ledger.head();
        let height = head.header.height;
        assert!(height >= reported.committed, "kill {kill}: {} was committed, {height} is there", reported.committed);

        // The head is what a replay makes of the same blocks, entry by entry.
        while replay.head().header.height < height {
            let next = replay.head().header.height + 1;
            apply(&mut model, &changes(next));
            commit(&replay, changes(next));
        }
        assert_eq!(*head, *replay.head(), "kill {kill}");
        let state = ledger.state();
        let mut from = vec![0x40];
        for (key, value) in &model {
            assert_eq!(state.next_key(&from, &[0x41]).unwrap().as_ref(), Some(key), "kill {kill}");
            assert_eq!(state.get(key).unwrap().as_ref(), Some(value), "kill {kill}");
            from = [key.as_slice(), &[0]].concat();
        }
        assert_eq!(state.next_key(&from, &[0x41]).unwrap(), None, "kill {kill}");
        for height in 0..=height {
            let block = ledger.block(height).unwrap().unwrap();
            assert_eq!(ledger.height_of(&block.hash()).unwrap(), Some(height));
            assert_eq!(ledger.certificate(height).unwrap().is_some(), height > 0);
        }
        assert_eq!(ledger.block(height + 1).unwrap(), None);

        // Undecided blocks are there if they were reported, and gone with their height.
        assert_eq!(ledger.undecided(height).unwrap(), []);
        let undecided: Vec<(u32, Block)> = ledger.undecided(height + 1).unwrap();
        assert!(undecided.len() == 1 || reported.remembered <= height, "kill {kill}");
        assert!(undecided.iter().all(|(round, block)| *round == 0 && block.header.parent == head.hash));
    }
    assert!(replay.head().header.height > KILLS, "the processes committed too little to say anything");
}
