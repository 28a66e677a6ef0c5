//! Who has read which piece lately, as its holder sees it: whom to name to those who ask next. Pure: the caller brings
//! the time.
//!
//! ```text
//! holder --gives--> the first two --give--> two each --give--> two each ..
//! ```
//!
//! The first readers of a piece are given it by its holder. Everybody later is named two of those who came before, those
//! in front who were named the fewest times, so that many who read at the same time form a tree: whoever is in it gives
//! the piece to two others at most, and each that joins brings room for two. Nobody is named to those who came before,
//! so that no two wait for each other.

use libp2p::Multiaddr;
use pieces::PieceHash;
use runtime::crypto::PeerKey;
use std::collections::HashMap;
use std::time::Duration;

use crate::net::PeerTarget;

/// Pieces whose readers are remembered; beyond them those of the piece that was asked for longest ago are forgotten.
const SHARED_PIECES_MAX: usize = 1024;
/// Readers of a piece that are remembered; beyond them the first is forgotten that was not given it here.
const SHARERS_MAX: usize = 32;
/// Readers that the holder itself gives a piece, of those it remembers.
const GIVEN_HERE: usize = 2;
/// Times that a reader is named first, so that nobody who reads a file is made to serve it to crowds.
const NAMED_FIRST_MAX: u32 = 2;
/// How many are named at once: one, and another in case that one is gone.
const NAMED_MAX: usize = dsn_messages::share::SHARERS_NAMED_MAX;
/// A reader is remembered for so long after it asked.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

#[derive(Debug)]
struct Sharer {
    target: PeerTarget,
    asked_at: Duration,
    given_here: bool,
    named_first: u32,
}

#[derive(Debug, Default)]
struct Piece {
    asked_at: Duration,
    /// In the order in which they came.
    sharers: Vec<Sharer>,
}

/// The readers of pieces. Times count from any moment, the same for all calls.
#[derive(Debug, Default)]
pub(crate) struct Sharers {
    pieces: HashMap<PieceHash, Piece>,
}

impl Sharers {
    /// A peer asks for a piece at `now` and will pass it on at these addresses. Returns whom to name to it; if nobody, it
    /// is to be given the piece here.
    pub(crate) fn ask(
        &mut self,
        piece: PieceHash,
        who: PeerKey,
        addresses: Vec<Multiaddr>,
        now: Duration,
    ) -> Vec<PeerTarget> {
        self.make_room(&piece);
        let piece = self.pieces.entry(piece).or_default();
        piece.asked_at = now;
        piece.sharers.retain(|sharer| now.saturating_sub(sharer.asked_at) < REMEMBERED);
        piece.ask(PeerTarget { peer_key: who, addresses }, now)
    }

    fn make_room(&mut self, piece: &PieceHash) {
        if self.pieces.len() < SHARED_PIECES_MAX || self.pieces.contains_key(piece) {
            return;
        }
        if let Some(oldest) = self.pieces.iter().min_by_key(|(_, piece)| piece.asked_at).map(|(hash, _)| *hash) {
            self.pieces.remove(&oldest);
        }
    }
}

impl Piece {
    fn ask(&mut self, target: PeerTarget, now: Duration) -> Vec<PeerTarget> {
        let place = self.place_of(target, now);
        let given = self.sharers.iter().enumerate().filter(|(other, sharer)| *other != place && sharer.given_here);
        let named = if given.count() < GIVEN_HERE { Vec::new() } else { self.named_to(place) };
        if let Some(sharer) = self.sharers.get_mut(place) {
            sharer.given_here = named.is_empty();
        }
        if let Some(first) = named.first().and_then(|first| self.sharers.get_mut(*first)) {
            first.named_first += 1;
        }
        named.into_iter().filter_map(|place| self.sharers.get(place)).map(|sharer| sharer.target.clone()).collect()
    }

    /// The place of a reader, who keeps the one it has.
    fn place_of(&mut self, target: PeerTarget, now: Duration) -> usize {
        if let Some(place) = self.sharers.iter().position(|sharer| sharer.target.peer_key == target.peer_key) {
            if let Some(sharer) = self.sharers.get_mut(place) {
                (sharer.target, sharer.asked_at) = (target, now);
            }
            return place;
        }
        if self.sharers.len() >= SHARERS_MAX {
            let forgotten = self.sharers.iter().position(|sharer| !sharer.given_here);
            self.sharers.remove(forgotten.unwrap_or(0));
        }
        self.sharers.push(Sharer { target, asked_at: now, given_here: false, named_first: 0 });
        self.sharers.len() - 1
    }

    /// Those who came before and may be named, the one to ask first in front.
    fn named_to(&self, place: usize) -> Vec<usize> {
        let before = self.sharers.iter().enumerate().take(place);
        let mut before: Vec<_> = before.filter(|(_, sharer)| sharer.named_first < NAMED_FIRST_MAX).collect();
        before.sort_by_key(|(_, sharer)| sharer.named_first);
        before.into_iter().take(NAMED_MAX).map(|(place, _)| place).collect()
    }
}

#[cfg(test)]
mod tests;
