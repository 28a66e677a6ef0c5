//! How far a transfer is: a bar on a terminal, a plain line at each tenth and each stage in a pipe.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use parking_lot::Mutex;

/// Progress of one transfer; cheap to clone.
#[derive(Clone, Debug)]
pub struct Progress {
    what: &'static str,
    size: u64,
    /// Bytes that an earlier attempt has left.
    from: u64,
    started: Instant,
    shown: Arc<Mutex<Shown>>,
    /// Only on a terminal.
    bar: Option<ProgressBar>,
}

#[derive(Debug)]
struct Shown {
    bytes: u64,
    stage: String,
}

impl Progress {
    /// Of a transfer of `size` bytes that begins now, `from` of which are there already.
    pub fn start(what: &'static str, size: u64, from: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
            let bar = ProgressBar::new(size).with_message(what).with_position(from);
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(200));
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        let shown = Arc::new(Mutex::new(Shown { bytes: from, stage: String::new() }));
        let progress = Self { what, size, from, started: Instant::now(), shown, bar };
        if from > 0 && progress.bar.is_none() {
            progress.say(&format!("goes on at {} of {}", HumanBytes(from), HumanBytes(size)));
        }
        progress
    }

    /// More bytes went through.
    pub fn add(&self, bytes: usize) {
        let before = self.shown.lock().bytes;
        self.reach(before.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)));
    }

    /// So many bytes are through, all told.
    pub fn reach(&self, bytes: u64) {
        let before = {
            let mut shown = self.shown.lock();
            let most = bytes.max(shown.bytes);
            std::mem::replace(&mut shown.bytes, most)
        };
        match &self.bar {
            Some(bar) => bar.set_position(bytes.max(before)),
            None if self.tenths(before) < self.tenths(bytes) => {
                self.say(&format!("{} of {}", HumanBytes(bytes), HumanBytes(self.size)));
            }
            None => {}
        }
    }

    /// What is done now, and how far that is, which a pipe does not get.
    pub fn stage(&self, stage: &str, detail: &str) {
        let is_new = {
            let mut shown = self.shown.lock();
            let is_new = shown.stage != stage;
            stage.clone_into(&mut shown.stage);
            is_new
        };
        match &self.bar {
            Some(bar) => bar.set_message(format!("{}: {stage}{detail}", self.what)),
            None if is_new => self.say(stage),
            None => {}
        }
    }

    /// All is done: the last line, with the rate of what this attempt sent.
    pub fn finish(&self) {
        match &self.bar {
            Some(bar) => {
                bar.finish_with_message(self.what);
                // The bar leaves its line open, and an answer may follow.
                writeln!(std::io::stderr()).ok();
            }
            None => {
                let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
                let rate = self.size.saturating_sub(self.from).saturating_mul(1_000) / millis;
                self.say(&format!("done, {} at {}/s", HumanBytes(self.size), HumanBytes(rate)));
            }
        }
    }

    fn tenths(&self, bytes: u64) -> u64 {
        bytes.saturating_mul(10).checked_div(self.size).unwrap_or(0)
    }

    fn say(&self, line: &str) {
        // Whoever read the lines may have gone; the transfer goes on.
        writeln!(std::io::stderr(), "{}: {line}", self.what).ok();
    }
}
