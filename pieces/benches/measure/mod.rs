//! Medians and a table: all that these benches need of a harness.

use std::hint::black_box;
use std::time::Instant;

/// Rounds of each measurement, after one that only warms up.
const ROUNDS: usize = 9;

/// The median time of each work, in seconds. They take turns, so that what else the machine does falls on all of them.
pub fn medians<const N: usize>(mut works: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut seconds = [[0.0; ROUNDS]; N];
    for round in 0..=ROUNDS {
        for (work, seconds) in works.iter_mut().zip(&mut seconds) {
            let start = Instant::now();
            work();
            // The first round is written over by the last.
            seconds[round % ROUNDS] = start.elapsed().as_secs_f64();
        }
    }
    seconds.map(|mut seconds| {
        seconds.sort_by(f64::total_cmp);
        seconds[ROUNDS / 2]
    })
}

/// Runs `work` and keeps its result from being optimised away.
pub fn keep<T>(work: impl Fn() -> T) -> impl FnMut() {
    move || {
        black_box(work());
    }
}

/// Prints a table of works on `bytes` bytes each.
pub fn report<const N: usize>(title: &str, bytes: usize, names: [&str; N], seconds: [f64; N]) {
    let mebibytes = f64::from(u32::try_from(bytes / 1024).unwrap()) / 1024.0;
    println!("{title}, {mebibytes:.0} MiB");
    for (name, seconds) in names.into_iter().zip(seconds) {
        let gigabytes_per_s = mebibytes * 1.048_576e-3 / seconds;
        println!("  {name:34} {:8.2} ms  {gigabytes_per_s:7.3} GB/s", seconds * 1e3);
    }
}

/// `count` bytes that look random and are always the same.
pub fn filled(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}
