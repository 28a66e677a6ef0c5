//! Who is sending which column to whom, who is slow, and who takes over.

use super::attempt::{Attempt, Failed, Outcome, Unheld};
use super::feed::Lag;
use super::parts::Parts;
use super::plan::UploadPlan;
use super::{Candidate, ColumnCommitment, ColumnFailure, SegmentUpload, StripeSource, UploadError};
use crate::net::Peer;
use crate::pace::{LAG_AFTER, LAG_FACTOR};
use crate::scores::Deed;
use futures::StreamExt as _;
use futures::future::{AbortHandle, Abortable, BoxFuture, FutureExt as _, pending};
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tracing::{debug, warn};

/// A holder that is behind and takes fewer bytes in a second is given up where only a slot under raised caps is left.
pub const RATE_MIN: u64 = 64 * 1024;
/// It has this long in any case.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// An attempt that is under way.
struct Live {
    index: u8,
    candidate: Candidate,
    started: Instant,
    sent: Arc<AtomicU64>,
    is_behind: bool,
    abort: AbortHandle,
}

/// The columns of a segment, each with one attempt, or with several where the first is slow.
pub(super) struct Race<'a> {
    peer: &'a Peer,
    upload: &'a SegmentUpload,
    source: &'a dyn StripeSource,
    plan: &'a Mutex<UploadPlan<Candidate>>,
    attempts: FuturesUnordered<Abortable<BoxFuture<'a, Outcome<'a>>>>,
    live: BTreeMap<u32, Live>,
    begun: u32,
    held: BTreeMap<u8, ColumnCommitment>,
    /// How long the columns took that are held.
    took: Vec<Duration>,
    failures: Vec<ColumnFailure>,
}

impl<'a> Race<'a> {
    pub(super) fn new(
        peer: &'a Peer,
        upload: &'a SegmentUpload,
        source: &'a dyn StripeSource,
        plan: &'a Mutex<UploadPlan<Candidate>>,
    ) -> Self {
        Self {
            peer,
            upload,
            source,
            plan,
            attempts: FuturesUnordered::new(),
            live: BTreeMap::new(),
            begun: 0,
            held: BTreeMap::new(),
            took: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Gives a column that nobody has to its next candidate.
    ///
    /// # Errors
    /// There is none. Then all is broken off: nothing is sent in vain.
    pub(super) fn give(&mut self, index: u8, parts: Parts<'a>) -> Result<(), UploadError> {
        let next = self.plan.lock().next(index);
        let Some(candidate) = next else {
            let (segment, failures) = (self.upload.segment, std::mem::take(&mut self.failures));
            return Err(UploadError::NoHolder { segment, missing: vec![index], failures });
        };
        self.start(index, candidate, parts);
        Ok(())
    }

    /// Whether every column is held.
    pub(super) fn is_done(&self) -> bool {
        self.held.len() == self.upload.columns.len()
    }

    /// The promises in the order of the columns, and who failed on the way.
    pub(super) fn into_parts(self) -> (Vec<ColumnCommitment>, Vec<ColumnFailure>) {
        (self.held.into_values().collect(), self.failures)
    }

    /// The next attempt that ends by itself.
    pub(super) async fn next(&mut self) -> Outcome<'a> {
        loop {
            match self.attempts.next().await {
                Some(Ok(outcome)) => return outcome,
                Some(Err(_aborted)) => {}
                None => pending().await,
            }
        }
    }

    /// An attempt has ended: the column is held, or the next candidate gets it.
    pub(super) fn ended(&mut self, outcome: Outcome<'a>) -> Result<(), UploadError> {
        let Some(live) = self.live.remove(&outcome.id) else { return Ok(()) };
        let segment = self.upload.segment;
        match outcome.result {
            Ok(held) => {
                self.peer.judged().note(live.candidate.target.peer_key, Deed::Kept);
                debug!(segment, index = live.index, provider = %live.candidate.provider, "a piece is held");
                self.took.push(live.started.elapsed());
                self.held.insert(live.index, held);
                // Whoever raced it has lost; nothing is kept of what it was sent.
                let lost = self.live.extract_if(.., |_, other| other.index == live.index);
                lost.for_each(|(_, other)| other.abort.abort());
                Ok(())
            }
            Err(Unheld::Source(source)) => Err(UploadError::Source { segment, source }),
            Err(Unheld::Stripes(what)) => Err(UploadError::Stripes { segment, what }),
            Err(Unheld::Failed(failed)) => self.failed(live, failed, outcome.untouched),
        }
    }

    /// The pass had to wait for a column for too long.
    pub(super) fn lagging(&mut self, Lag { index, spare }: Lag) {
        if self.held.contains_key(&index) {
            return;
        }
        let first = self.live.values_mut().find(|live| live.index == index);
        if let Some(live) = first.filter(|live| !live.is_behind) {
            live.is_behind = true;
            Self::note_slow(self.peer, self.upload, live);
        }
        if let Some(spare) = spare {
            self.start(index, spare, Parts::alone(self.peer, self.source, index));
        }
    }

    /// When to [`check`](Self::check) next whether somebody is slow.
    pub(super) fn check_at(&self) -> Option<Instant> {
        self.live.values().filter_map(|live| self.due(live)).min()
    }

    /// Has those raced that are slow now, and gives up those that are too slow.
    pub(super) fn check(&mut self) -> Result<(), UploadError> {
        let now = Instant::now();
        let due = |live: &Live| self.due(live).is_some_and(|at| at <= now);
        let due: Vec<u32> = self.live.iter().filter(|(_, live)| due(live)).map(|(id, _)| *id).collect();
        for id in due {
            let Some(live) = self.live.get_mut(&id) else { continue };
            let index = live.index;
            if live.is_behind {
                self.give_up(id)?;
                continue;
            }
            live.is_behind = true;
            Self::note_slow(self.peer, self.upload, live);
            self.race_if_all_slow(index);
        }
        Ok(())
    }

    /// When an attempt is slow, measured by those that are done; or, once it is, when it is given up.
    fn due(&self, live: &Live) -> Option<Instant> {
        if !live.is_behind {
            return Some(live.started + self.typical()? * LAG_FACTOR + LAG_AFTER);
        }
        let is_alone = self.of(live.index).count() == 1;
        let could_be_another = is_alone && self.plan.lock().has_next(live.index);
        let enough = Duration::from_secs(live.sent.load(Ordering::Relaxed) / RATE_MIN);
        could_be_another.then(|| live.started + GIVE_UP_AFTER.max(enough))
    }

    /// How long a column takes, once half of them are held.
    fn typical(&self) -> Option<Duration> {
        if self.took.is_empty() || self.took.len() * 2 < self.upload.columns.len() {
            return None;
        }
        let mut took = self.took.clone();
        took.sort_unstable();
        took.get(took.len() / 2).copied()
    }

    fn of(&self, index: u8) -> impl Iterator<Item = &Live> {
        self.live.values().filter(move |live| live.index == index)
    }

    /// If all that a column has are slow, one more gets it.
    fn race_if_all_slow(&mut self, index: u8) {
        if self.of(index).all(|live| live.is_behind)
            && let Some(spare) = { self.plan.lock().race(index) }
        {
            self.start(index, spare, Parts::alone(self.peer, self.source, index));
        }
    }

    fn give_up(&mut self, id: u32) -> Result<(), UploadError> {
        let Some(live) = self.live.remove(&id) else { return Ok(()) };
        live.abort.abort();
        let (sent, seconds) = (live.sent.load(Ordering::Relaxed), live.started.elapsed().as_secs());
        let reason = format!("it took at most {sent} bytes in {seconds} s, and the others much more");
        self.failed(live, Failed { reason, refusal: None, deed: None }, None)
    }

    fn failed(&mut self, live: Live, failed: Failed, parts: Option<Parts<'a>>) -> Result<(), UploadError> {
        let (segment, Live { index, candidate, .. }) = (self.upload.segment, live);
        let Failed { reason, refusal, deed } = failed;
        let Candidate { slot, provider, target, .. } = candidate;
        warn!(segment, index, slot, %provider, peer = %target, reason, "a provider did not take a piece");
        if let Some(deed) = deed {
            self.peer.judged().note(target.peer_key, deed);
        }
        self.failures.push(ColumnFailure { index, provider, slot, reason, refusal });
        if self.of(index).next().is_some() {
            self.race_if_all_slow(index);
            return Ok(());
        }
        self.give(index, parts.unwrap_or_else(|| Parts::alone(self.peer, self.source, index)))
    }

    fn start(&mut self, index: u8, candidate: Candidate, parts: Parts<'a>) {
        let (id, sent) = (self.begun, Arc::default());
        self.begun += 1;
        let (peer, upload) = (self.peer, self.upload);
        let attempt = Attempt { id, peer, upload, index, candidate: candidate.clone(), parts, sent: Arc::clone(&sent) };
        let (abort, registration) = AbortHandle::new_pair();
        self.attempts.push(Abortable::new(attempt.run().boxed(), registration));
        let live = Live { index, candidate, started: Instant::now(), sent, is_behind: false, abort };
        self.live.insert(id, live);
    }

    fn note_slow(peer: &Peer, upload: &SegmentUpload, live: &Live) {
        let (segment, index, seconds) = (upload.segment, live.index, live.started.elapsed().as_secs());
        let Candidate { slot, provider, target, .. } = &live.candidate;
        let sent = live.sent.load(Ordering::Relaxed);
        let reason = format!("it is many times slower than the others, {sent} bytes in {seconds} s");
        warn!(segment, index, slot, %provider, peer = %target, reason, "a provider is slow to take a piece");
        peer.judged().note(target.peer_key, Deed::Slow);
    }
}
