//! Blocks on their way here in parts, and what is known of those that arrived.
//!
//! A part is checked against its proposer's signature before anything is kept, so only validators whose turn it is
//! can make this table grow, and each of them only by [`StreamLimits::open_per_proposer`] blocks.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use bytes::Bytes;
use runtime::crypto::Signature;
use runtime::types::{BlockHash, Height};

use crate::application::Candidate;
use crate::codec::limits;
use crate::signing::ConsensusVerifier;
use crate::types::{Address, PartManifest, ProposalPart, Validators};

/// What may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Unfinished blocks of one proposer; more make room for those needed sooner.
    pub open_per_proposer: usize,
    /// Unfinished blocks in all.
    pub open: usize,
    /// Heights above the last committed one.
    pub heights_ahead: u64,
    /// Bytes of a block.
    pub block_bytes: u32,
    /// Manifests of judged blocks.
    pub judged: usize,
    /// How often a block that was invalid is looked at again: its time may have come.
    pub judgements: u8,
}

impl StreamLimits {
    /// The limits that DESIGN names, for blocks of at most this size.
    #[must_use]
    pub const fn new(block_bytes: u32) -> Self {
        Self { open_per_proposer: 2, open: 32, heights_ahead: 10, block_bytes, judged: 256, judgements: 3 }
    }
}

/// What became of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was not kept.
    Dropped(&'static str),
    /// It was kept; others are missing.
    Waiting,
    /// Its block is whole: [`PartStreams::take_whole`] gives it once its turn has come.
    Whole,
}

/// Where the chain stands and who may propose.
pub struct Standing<'a> {
    /// Hash of header 0.
    pub genesis: &'a BlockHash,
    /// The last committed height.
    pub head: Height,
    /// Who votes on the next; taken for those after it as well, since nothing better is known.
    pub validators: &'a Validators,
}

/// A block whose parts are all here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// What its proposer said of it.
    pub manifest: PartManifest,
    /// The proposer's signature over that.
    pub signature: Signature,
    /// The block's SCALE, as long as the manifest says.
    pub bytes: Bytes,
}

#[derive(Debug)]
struct Stream {
    signature: Signature,
    parts: Vec<Option<Vec<u8>>>,
    missing: usize,
}

#[derive(Debug)]
struct Judged {
    signature: Signature,
    valid: bool,
    judgements: u8,
}

/// All blocks under way.
#[derive(Debug)]
pub struct PartStreams {
    limits: StreamLimits,
    open: BTreeMap<PartManifest, Stream>,
    judged: BTreeMap<PartManifest, Judged>,
}

impl PartStreams {
    /// Nothing under way.
    #[must_use]
    pub const fn new(limits: StreamLimits) -> Self {
        Self { limits, open: BTreeMap::new(), judged: BTreeMap::new() }
    }

    /// Takes a part from the network.
    pub fn add(&mut self, part: ProposalPart, standing: &Standing<'_>) -> Added {
        match self.try_add(part, standing) {
            Ok(added) => added,
            Err(why) => Added::Dropped(why),
        }
    }

    fn try_add(&mut self, part: ProposalPart, standing: &Standing<'_>) -> Result<Added, &'static str> {
        let ProposalPart { manifest, signature, index, bytes } = part;
        self.check_shape(&manifest, index, &bytes, standing.head)?;
        let judged = self.judged.get(&manifest);
        if judged.is_some_and(|known| known.valid || known.judgements >= self.limits.judgements) {
            return Err("its block is judged already");
        }
        if !self.open.contains_key(&manifest) {
            check_proposer(&manifest, &signature, standing)?;
            self.make_room(&manifest)?;
        }
        let index = usize::from(index);
        if manifest.digests.get(index) != Some(blake3::hash(&bytes).as_bytes()) {
            return Err("the bytes are not those of the manifest");
        }
        let count = manifest.digests.len();
        let fresh = || Stream { signature, parts: vec![None; count], missing: count };
        let stream = self.open.entry(manifest).or_insert_with(fresh);
        let slot = stream.parts.get_mut(index).ok_or("no such part")?;
        if slot.replace(bytes).is_some() {
            return Err("the part is here already");
        }
        stream.missing = stream.missing.saturating_sub(1);
        Ok(if stream.missing == 0 { Added::Whole } else { Added::Waiting })
    }

    fn check_shape(&self, manifest: &PartManifest, index: u16, bytes: &[u8], head: Height) -> Result<(), &'static str> {
        if manifest.height <= head {
            return Err("the height is committed");
        }
        if manifest.height > head.saturating_add(self.limits.heights_ahead) {
            return Err("the height is too far ahead");
        }
        if manifest.block_bytes > self.limits.block_bytes || manifest.block_bytes == 0 {
            return Err("the block's size is out of bounds");
        }
        if usize::try_from(limits::PARTS_MAX).is_ok_and(|max| manifest.digests.len() > max) {
            return Err("too many parts");
        }
        if manifest.part_len(index) != Some(bytes.len()) {
            return Err("the part's size does not follow from the manifest");
        }
        Ok(())
    }

    /// Makes room for a new block, or finds that it is the one to do without.
    fn make_room(&mut self, new: &PartManifest) -> Result<(), &'static str> {
        let by_proposer = self.open.keys().filter(|open| open.proposer == new.proposer).count();
        let crowded = by_proposer >= self.limits.open_per_proposer;
        if !crowded && self.open.len() < self.limits.open {
            return Ok(());
        }
        // The next height comes first, and of one height the latest round.
        let need = |manifest: &PartManifest| (manifest.height, Reverse(manifest.round));
        let rivals = self.open.keys().filter(|open| !crowded || open.proposer == new.proposer);
        let last = rivals.max_by_key(|open| need(open)).cloned();
        match last {
            Some(last) if need(&last) > need(new) => {
                self.open.remove(&last);
                Ok(())
            }
            _ => Err("too many blocks are under way"),
        }
    }

    /// Takes the blocks of `height` that are whole, in order of their rounds.
    pub fn take_whole(&mut self, height: Height) -> Vec<Whole> {
        let is_whole = |manifest: &PartManifest, stream: &Stream| manifest.height == height && stream.missing == 0;
        let whole = self.open.iter().filter(|(manifest, stream)| is_whole(manifest, stream));
        let manifests: Vec<_> = whole.map(|(manifest, _)| manifest.clone()).collect();
        let take = |manifest: PartManifest| {
            let stream = self.open.remove(&manifest)?;
            let bytes: Vec<u8> = stream.parts.into_iter().flatten().flatten().collect();
            Some(Whole { manifest, signature: stream.signature, bytes: bytes.into() })
        };
        manifests.into_iter().filter_map(take).collect()
    }

    /// Remembers what a block turned out to be, so that it is not judged again and can be sent on.
    pub fn judged(&mut self, manifest: PartManifest, signature: Signature, valid: bool) {
        if self.judged.len() >= self.limits.judged {
            // The lowest round of the lowest height is the least likely to come up again.
            self.judged.pop_first();
        }
        let known = self.judged.entry(manifest).or_insert(Judged { signature, valid, judgements: 0 });
        known.valid |= valid;
        known.judgements = known.judgements.saturating_add(1);
    }

    /// The manifest and signature with which a valid block arrived.
    #[must_use]
    pub fn manifest_of(&self, height: Height, hash: BlockHash) -> Option<(PartManifest, Signature)> {
        let mut known = self.judged.iter().filter(|(_, known)| known.valid);
        let (manifest, known) = known.find(|(manifest, _)| manifest.height == height && manifest.block_hash == hash)?;
        Some((manifest.clone(), known.signature))
    }

    /// Whether anything of `height` has arrived.
    #[must_use]
    pub fn has(&self, height: Height) -> bool {
        self.open.keys().chain(self.judged.keys()).any(|manifest| manifest.height == height)
    }

    /// Forgets `height` and all below.
    pub fn drop_through(&mut self, height: Height) {
        self.open.retain(|manifest, _| manifest.height > height);
        self.judged.retain(|manifest, _| manifest.height > height);
    }

    /// Blocks under way.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open.len()
    }
}

fn check_proposer(manifest: &PartManifest, signature: &Signature, standing: &Standing<'_>) -> Result<(), &'static str> {
    use malachite::app::types::core::Validator;

    let proposer = standing.validators.proposer(standing.genesis, manifest.height, manifest.round);
    if *proposer.address() != Address(manifest.proposer) {
        return Err("it is not this validator's turn");
    }
    if !ConsensusVerifier::new(*standing.genesis).holds_manifest(manifest, signature, proposer.key()) {
        return Err("the proposer's signature does not hold");
    }
    Ok(())
}

/// What the proposer says of a candidate's parts.
#[must_use]
pub fn manifest(candidate: &Candidate, part_bytes: u32) -> Option<PartManifest> {
    let chunk = usize::try_from(part_bytes).ok().filter(|bytes| *bytes > 0)?;
    Some(PartManifest {
        height: candidate.header.height,
        round: candidate.header.round,
        proposer: candidate.header.proposer,
        block_hash: candidate.hash,
        block_bytes: u32::try_from(candidate.bytes.len()).ok()?,
        part_bytes,
        digests: candidate.bytes.chunks(chunk).map(|part| *blake3::hash(part).as_bytes()).collect(),
    })
}

/// The parts of a block, in order.
#[must_use]
pub fn split(manifest: &PartManifest, signature: Signature, bytes: &[u8]) -> Vec<ProposalPart> {
    let chunk = usize::try_from(manifest.part_bytes).unwrap_or(usize::MAX).max(1);
    let parts = (0..).zip(bytes.chunks(chunk));
    parts
        .map(|(index, bytes)| ProposalPart { manifest: manifest.clone(), signature, index, bytes: bytes.to_vec() })
        .collect()
}
