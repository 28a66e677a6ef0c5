//! How far a transfer is: a bar on a terminal, a plain line at each tenth in a pipe.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

/// Progress of one transfer; cheap to clone.
#[derive(Clone, Debug)]
pub struct Progress {
    what: &'static str,
    size: u64,
    started: Instant,
    done: Arc<AtomicU64>,
    /// Only on a terminal.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of a transfer of `size` bytes that begins now.
    pub fn start(what: &'static str, size: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
            let bar = ProgressBar::new(size).with_message(what);
            bar.enable_steady_tick(Duration::from_millis(200));
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { what, size, started: Instant::now(), done: Arc::default(), bar }
    }

    /// More bytes went through.
    pub fn add(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        match &self.bar {
            Some(bar) => bar.inc(bytes),
            None if self.tenths(before) < self.tenths(before.saturating_add(bytes)) => self.line(),
            None => {}
        }
    }

    /// All is done: the last line, with the rate.
    pub fn finish(&self) {
        match &self.bar {
            Some(bar) => bar.finish(),
            None => {
                let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
                let rate = self.size.saturating_mul(1_000) / millis;
                self.say(&format!("done, {} at {}/s", HumanBytes(self.size), HumanBytes(rate)));
            }
        }
    }

    fn tenths(&self, bytes: u64) -> u64 {
        bytes.saturating_mul(10).checked_div(self.size).unwrap_or(0)
    }

    fn line(&self) {
        let done = self.done.load(Ordering::Relaxed);
        self.say(&format!("{} of {}", HumanBytes(done), HumanBytes(self.size)));
    }

    fn say(&self, line: &str) {
        // Whoever read the lines may have gone; the transfer goes on.
        writeln!(std::io::stderr(), "{}: {line}", self.what).ok();
    }
}
