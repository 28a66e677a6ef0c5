//! When a validator votes whose folder is new, so that it does not know what its key has signed.
//!
//! It may be the first start of a chain, or the disk of a validator may be lost and its key put on another. The lost one
//! may have voted at the height that is being decided, and to vote there again would be to contradict it. So a validator
//! whose guard file is new first hears how far others are.
//!
//! The lost validator voted at most one height above the last that it saw decided, and what it saw decided more than
//! two thirds had voted for, each of whom, if honest, had the height before. Of others that together with this one have
//! more than two thirds, one at least is such a validator, if those that lie or have forgotten, this one among them, have
//! less than a third: so that the lost one voted at no height more than two above the highest of these.
//!
//! Validators prove who they are, once for each connection. Where a named peer speaks and its proof does not come, the
//! engine is started anew, and with it all connections.
//!
//! If they all have no block yet, the chain begins, and it votes at once: a chain that begins cannot be told from one whose
//! first two heights are being decided, and there a validator that is restored can contradict itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use malachite::app::types::PeerId;
use malachite::app::types::core::{Validator as _, ValidatorSet as _};
use runtime::crypto::PublicKey;
use runtime::types::Height;
use tokio::sync::watch;

use crate::guard::UNKNOWN;
use crate::heights::PEERS_MAX;
use crate::types::Validators;

/// The lost validator may have voted so many heights above the highest that others have.
const AHEAD: Height = 2;

/// What a node does about voting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// As its role says.
    Usual,
    /// It begins no height until it knows which of the others it is.
    Unsure,
    /// It follows like a node without a key until this height is decided.
    Abstains(Height),
}

impl Stance {
    /// Of a validator that signs nothing up to `floor`, on a chain decided up to `head`.
    pub const fn new(floor: Height, head: Height) -> Self {
        match floor {
            UNKNOWN => Self::Unsure,
            floor if head < floor => Self::Abstains(floor),
            _ => Self::Usual,
        }
    }
}

/// How far a validator says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word {
    power: u64,
    height: Height,
}

/// The height up to which a validator with power `own` of `total` signs nothing; none as long as too few have said how far
/// they are. Words that are not needed are left out from the highest on, so that a liar is not believed where enough
/// others are heard.
fn floor(mut words: Vec<Word>, own: u64, total: u64) -> Option<Height> {
    let is_enough = |power: u64| power.saturating_mul(3) > total.saturating_mul(2);
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.height));
    let mut heard = words.iter().fold(own, |sum, word| sum.saturating_add(word.power));
    if !is_enough(heard) {
        return None;
    }
    for word in words {
        heard = heard.saturating_sub(word.power);
        if !is_enough(heard) {
            // What cannot be is said by a liar, and is not "unknown".
            let floor = word.height.saturating_add(AHEAD).min(UNKNOWN - 1);
            return Some(if word.height == 0 { 0 } else { floor });
        }
    }
    // It needs nobody to decide.
    Some(0)
}

/// Who is asked.
#[derive(Debug)]
pub struct Electorate {
    own: u64,
    total: u64,
    powers: BTreeMap<PublicKey, u64>,
    /// Those that it lets in, if it lets in nobody else: they follow for it, and all speak alike.
    named: Option<BTreeSet<PeerId>>,
}

impl Electorate {
    /// The validators but this one, by the proofs that they send.
    pub fn validators(validators: &Validators, own: Option<&PublicKey>) -> Self {
        let count = validators.count();
        let each = (0..count).filter_map(|index| validators.get_by_index(index));
        let mut powers: BTreeMap<_, _> = each.map(|one| (*one.key(), one.voting_power())).collect();
        let own = own.and_then(|own| powers.remove(own)).unwrap_or(0);
        Self { own, total: validators.total_voting_power(), powers, named: None }
    }

    /// The peers that a validator names, where it lets in nobody else.
    pub fn named(named: BTreeSet<PeerId>) -> Self {
        let total = u64::try_from(named.len()).unwrap_or(u64::MAX).saturating_add(1);
        Self { own: 1, total, powers: BTreeMap::new(), named: Some(named) }
    }
}

/// What was heard since this node started. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Words {
    electorate: Arc<Electorate>,
    heard: Arc<Mutex<Heard>>,
    changed: watch::Sender<()>,
    /// How far this node is.
    own: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Heard {
    said: BTreeMap<PeerId, Height>,
    speaks_for: BTreeMap<PeerId, PublicKey>,
}

impl Words {
    /// Nothing was heard yet by a node at this height.
    pub fn new(electorate: Electorate, own: Height) -> Self {
        let own = Arc::new(AtomicU64::new(own));
        Self { electorate: Arc::new(electorate), heard: Arc::default(), changed: watch::Sender::new(()), own }
    }

    /// How far this node says that it is.
    pub fn own(&self) -> Height {
        self.own.load(Ordering::Acquire)
    }

    /// This node has decided a height.
    pub fn decided(&self, height: Height) {
        self.own.store(height, Ordering::Release);
    }

    /// A peer said itself how far it is.
    pub fn says(&self, peer: PeerId, height: Height) {
        let mut heard = self.heard();
        if heard.said.len() >= PEERS_MAX && !heard.said.contains_key(&peer) {
            // Whoever counts is kept.
            let idle = heard.said.keys().find(|peer| !self.counts(&heard, peer)).copied();
            let Some(idle) = idle else { return };
            heard.said.remove(&idle);
        }
        heard.said.insert(peer, height);
        drop(heard);
        self.changed.send_replace(());
    }

    /// A peer proved that it speaks for the validator with this key.
    pub fn proves(&self, peer: PeerId, key: PublicKey) {
        let mut heard = self.heard();
        if self.electorate.powers.contains_key(&key) && heard.speaks_for.len() < PEERS_MAX {
            heard.speaks_for.insert(peer, key);
            drop(heard);
            self.changed.send_replace(());
        }
    }

    /// A peer is no longer connected.
    pub fn goes(&self, peer: &PeerId) {
        let mut heard = self.heard();
        heard.said.remove(peer);
        heard.speaks_for.remove(peer);
    }

    /// The height up to which this validator signs nothing, once enough is heard.
    pub fn floor(&self) -> Option<Height> {
        let heard = self.heard();
        let Electorate { own, total, powers, named } = self.electorate.as_ref();
        let words = match named {
            Some(_) => {
                let said = heard.said.iter().filter(|(peer, _)| self.counts(&heard, peer));
                said.map(|(_, height)| Word { power: 1, height: *height }).collect()
            }
            None => {
                let mut highest: BTreeMap<&PublicKey, Height> = BTreeMap::new();
                for (peer, key) in &heard.speaks_for {
                    let Some(height) = heard.said.get(peer) else { continue };
                    let highest = highest.entry(key).or_default();
                    *highest = (*highest).max(*height);
                }
                let word = |(key, height)| Some(Word { power: *powers.get(key)?, height });
                highest.into_iter().filter_map(word).collect()
            }
        };
        floor(words, *own, *total)
    }

    /// Whether one of these peers speaks whose proof that it is a validator did not come, where proofs count.
    pub fn lacks_proof(&self, named: &BTreeSet<PeerId>) -> bool {
        let heard = self.heard();
        let unproved = |peer: &PeerId| named.contains(peer) && !heard.speaks_for.contains_key(peer);
        self.electorate.named.is_none() && heard.said.keys().any(unproved)
    }

    /// Changes whenever something is heard.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn counts(&self, heard: &Heard, peer: &PeerId) -> bool {
        match &self.electorate.named {
            Some(named) => named.contains(peer),
            None => heard.speaks_for.contains_key(peer),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        // Each change is one insertion or removal.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
