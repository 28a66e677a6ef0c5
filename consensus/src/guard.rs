//! The signer's memory on disk: what was signed for each (height, round, kind), so that nothing else ever is.
//!
//! The engine's own log is the first guard against a double vote; a log that is damaged or deleted leads to a real
//! one, and this file prevents it. It is a row of 64-byte records in a file of fixed size, so that a write is one
//! sector and its sync touches no metadata:
//!
//! | bytes | head record | other records |
//! |---|---|---|
//! | 0 | `"PWGUARD1"` (8) | kind: 1 prevote, 2 precommit, 3 proposal, 4 floor |
//! | 1..9 | | height, big-endian |
//! | 9..13 | | round, big-endian |
//! | 13, 14..46 | hash of chain and key (8..40) | 1 and the block's hash, or zeros for none |
//! | 46, 47..51 | | 1 and the earlier round of a proposal made again, or zeros |
//! | 56..64 | first bytes of BLAKE3 of the 56 before | the same |
//!
//! Zeros follow the last record. Only records of the highest height count. A damaged last record was being written
//! when the machine stopped, so its signature never left; any other damage refuses to open.
//!
//! A floor says up to which height nothing is signed, though no signature is shown: what the key signed before the file
//! was made is not known. The last one counts.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fail::fail_point;
use runtime::types::{BlockHash, Height};

use crate::error::GuardError;

const RECORD_BYTES: usize = 64;
const BODY_BYTES: usize = 56;
const MAGIC: &[u8; 8] = b"PWGUARD1";
const FLOOR_TAG: u8 = 4;
/// A floor that is not known yet: nothing at all is signed.
pub const UNKNOWN: Height = Height::MAX;
/// A height that does not come to an end must not grow the file without bound; nobody votes this far back.
const ROUNDS_KEPT: u32 = 4096;
/// Room for about twenty minutes of heights in one round each before the file is written anew.
const RECORDS_MIN: usize = 1024;
/// Twice what the rounds kept can take: three records each, and the head.
const FILE_BYTES_MAX: u64 = 2 * 64 * (3 * 4096 + 1024);

/// What kind of message a signature is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignedKind {
    /// A prevote.
    Prevote,
    /// A precommit.
    Precommit,
    /// A proposal.
    Proposal,
}

impl SignedKind {
    const fn tag(self) -> u8 {
        match self {
            Self::Prevote => 1,
            Self::Precommit => 2,
            Self::Proposal => 3,
        }
    }

    const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            1 => Some(Self::Prevote),
            2 => Some(Self::Precommit),
            3 => Some(Self::Proposal),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Prevote => "prevote",
            Self::Precommit => "precommit",
            Self::Proposal => "proposal",
        }
    }
}

/// What was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The block, or none.
    pub block: Option<BlockHash>,
    /// The earlier round of a proposal made again; none for votes.
    pub pol_round: Option<u32>,
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.block {
            Some(block) => write!(f, "{block}")?,
            None => f.write_str("nothing")?,
        }
        self.pol_round.map_or(Ok(()), |round| write!(f, " from round {round}"))
    }
}

impl Sealed {
    /// Whether it may be signed again where the engine asks for something else.
    const fn is_repeatable(&self, kind: SignedKind) -> bool {
        match kind {
            SignedKind::Prevote => true,
            SignedKind::Precommit => self.block.is_none(),
            SignedKind::Proposal => false,
        }
    }
}

type Key = (Height, u32, SignedKind);

/// The open guard file.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    identity: [u8; 32],
    file: File,
    /// Of the highest height only.
    sealed: BTreeMap<Key, Sealed>,
    /// Nothing is signed for this height and those below it.
    floor: Height,
    /// Index of the next record to write.
    next: usize,
    /// Records the file has room for.
    capacity: usize,
    /// A write failed: what is on disk is not known, so nothing is signed any more.
    broken: bool,
}

impl Guard {
    /// Opens the file of one key on one chain, or makes it for a key that has signed nothing.
    ///
    /// # Errors
    /// [`GuardError`] if it cannot be read, is damaged, or belongs to another `identity`.
    pub fn open(path: &Path, identity: [u8; 32]) -> Result<Self, GuardError> {
        Self::open_or_make(path, identity, 0)
    }

    /// As [`Guard::open`], but if it makes the file, nothing is signed until [`Guard::set_floor`] says from where on.
    ///
    /// # Errors
    /// As [`Guard::open`].
    pub fn open_unknowing(path: &Path, identity: [u8; 32]) -> Result<Self, GuardError> {
        Self::open_or_make(path, identity, UNKNOWN)
    }

    fn open_or_make(path: &Path, identity: [u8; 32], floor: Height) -> Result<Self, GuardError> {
        let (Records { sealed, floor, next }, capacity) = match read(path)? {
            Some(bytes) => (parse(path, &identity, &bytes)?, bytes.len() / RECORD_BYTES),
            None => {
                let next = write_anew(path, &identity, &BTreeMap::new(), floor, RECORDS_MIN)?;
                (Records { sealed: BTreeMap::new(), floor, next }, RECORDS_MIN)
            }
        };
        let file = OpenOptions::new().write(true).open(path).map_err(|source| io(path, "open", source))?;
        Ok(Self { path: path.to_owned(), identity, file, sealed, floor, next, capacity, broken: false })
    }

    /// The height up to which nothing is signed: 0 for none, [`UNKNOWN`] if that has not been found out.
    #[must_use]
    pub const fn floor(&self) -> Height {
        self.floor
    }

    /// Signs nothing up to this height from now on, and as soon as this returns, durably, what is above it.
    ///
    /// # Errors
    /// [`GuardError::Io`] if it cannot be written; then nothing is signed any more.
    pub fn set_floor(&mut self, floor: Height) -> Result<(), GuardError> {
        self.floor = floor;
        let written = self.write(&encode_floor(floor));
        self.broken = written.is_err();
        written
    }

    /// The highest height that anything was signed for.
    #[must_use]
    pub fn highest(&self) -> Option<Height> {
        self.sealed.last_key_value().map(|((height, _, _), _)| *height)
    }

    /// Writes down, durably, what is about to be signed, and returns it; once this returns, it may be signed.
    ///
    /// That is `value`, or what was sealed before for the same height, round and kind if it may be repeated: the
    /// machine stopped after the seal and before the engine's log had the vote, and now the engine would vote
    /// otherwise. To refuse would stop a lone validator for ever. A prevote binds its voter to nothing, and a
    /// precommit for nothing to less than any other, so that to repeat them breaks no lock; a precommit for a block
    /// promises a lock that the engine no longer knows of, and a proposal has parts.
    ///
    /// # Errors
    /// [`GuardError::Conflict`] if something else was signed that cannot be repeated, [`GuardError::Past`] or
    /// [`GuardError::Forgotten`] if that can no longer be known, [`GuardError::Unknowing`] if it never was, and [`GuardError::Io`] if it cannot be written.
    pub fn seal(&mut self, height: Height, round: u32, kind: SignedKind, value: Sealed) -> Result<Sealed, GuardError> {
        if self.broken {
            let source = std::io::Error::other("an earlier write failed");
            return Err(io(&self.path, "write", source));
        }
        if let Some(before) = self.check(height, round, kind, &value)? {
            return Ok(before);
        }
        self.forget(height, round);
        self.sealed.insert((height, round, kind), value);
        let written = self.write(&encode(&(height, round, kind), &value));
        self.broken = written.is_err();
        written.map(|()| value)
    }

    /// What is sealed already and may be signed again.
    fn check(
        &self,
        height: Height,
        round: u32,
        kind: SignedKind,
        value: &Sealed,
    ) -> Result<Option<Sealed>, GuardError> {
        if height <= self.floor {
            return Err(GuardError::Unknowing { height, floor: self.floor });
        }
        let Some(((highest, last_round, _), _)) = self.sealed.last_key_value() else { return Ok(None) };
        if height < *highest {
            return Err(GuardError::Past { height, highest: *highest });
        }
        if height == *highest && round < last_round.saturating_sub(ROUNDS_KEPT) {
            return Err(GuardError::Forgotten { height, round });
        }
        match self.sealed.get(&(height, round, kind)) {
            None => Ok(None),
            Some(signed) if signed == value || signed.is_repeatable(kind) => Ok(Some(*signed)),
            Some(signed) => Err(GuardError::Conflict {
                kind: kind.name(),
                height,
                round,
                signed: signed.to_string(),
                asked: value.to_string(),
            }),
        }
    }

    /// Drops lower heights, and rounds that nobody votes in any more.
    fn forget(&mut self, height: Height, round: u32) {
        let floor = round.saturating_sub(ROUNDS_KEPT);
        self.sealed = self.sealed.split_off(&(height, floor, SignedKind::Prevote));
    }

    fn write(&mut self, record: &[u8; RECORD_BYTES]) -> Result<(), GuardError> {
        if self.next >= self.capacity {
            return self.write_anew();
        }
        let offset = u64::try_from(self.next * RECORD_BYTES).expect("a file of a few megabytes has a u64 offset");
        fail_point!("consensus::guard::before_write");
        let result = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.write_all(record));
        result.map_err(|source| io(&self.path, "write", source))?;
        fail_point!("consensus::guard::before_sync");
        self.file.sync_data().map_err(|source| io(&self.path, "sync", source))?;
        fail_point!("consensus::guard::after_sync");
        self.next += 1;
        Ok(())
    }

    fn write_anew(&mut self) -> Result<(), GuardError> {
        let capacity = RECORDS_MIN.max((self.sealed.len() + 2) * 2);
        let next = write_anew(&self.path, &self.identity, &self.sealed, self.floor, capacity)?;
        let opened = OpenOptions::new().write(true).open(&self.path);
        self.file = opened.map_err(|source| io(&self.path, "open", source))?;
        self.next = next;
        self.capacity = capacity;
        Ok(())
    }
}

fn io(path: &Path, what: &'static str, source: std::io::Error) -> GuardError {
    GuardError::Io { path: path.to_owned(), what, source }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, GuardError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io(path, "open", source)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|source| io(path, "read", source))?;
    Ok(Some(bytes))
}

/// Writes beside, syncs, and renames, so that there is a whole file at every instant. Returns the index of the next record.
fn write_anew(
    path: &Path,
    identity: &[u8; 32],
    sealed: &BTreeMap<Key, Sealed>,
    floor: Height,
    capacity: usize,
) -> Result<usize, GuardError> {
    let mut bytes = head(identity).to_vec();
    if floor > 0 {
        bytes.extend_from_slice(&encode_floor(floor));
    }
    for (key, value) in sealed {
        bytes.extend_from_slice(&encode(key, value));
    }
    let next = bytes.len() / RECORD_BYTES;
    bytes.resize(capacity * RECORD_BYTES, 0);
    let beside = path.with_extension("new");
    let write = || {
        fail_point!("consensus::guard_anew::before_write");
        let mut file = File::create(&beside)?;
        file.write_all(&bytes)?;
        fail_point!("consensus::guard_anew::before_sync");
        file.sync_all()?;
        fail_point!("consensus::guard_anew::before_rename");
        fs::rename(&beside, path)?;
        fail_point!("consensus::guard_anew::after_rename");
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())?;
        fail_point!("consensus::guard_anew::after_sync");
        Ok(())
    };
    write().map_err(|source| io(path, "write", source)).map(|()| next)
}

fn head(identity: &[u8; 32]) -> [u8; RECORD_BYTES] {
    let mut body = [0; BODY_BYTES];
    for (to, from) in body.iter_mut().zip(MAGIC.iter().chain(identity)) {
        *to = *from;
    }
    close(&body)
}

fn encode((height, round, kind): &Key, value: &Sealed) -> [u8; RECORD_BYTES] {
    let block = value.block.as_ref().map_or(&[0; 32], BlockHash::as_bytes);
    let fields = [kind.tag()]
        .into_iter()
        .chain(height.to_be_bytes())
        .chain(round.to_be_bytes())
        .chain([u8::from(value.block.is_some())])
        .chain(*block)
        .chain([u8::from(value.pol_round.is_some())])
        .chain(value.pol_round.unwrap_or(0).to_be_bytes());
    let mut body = [0; BODY_BYTES];
    for (to, from) in body.iter_mut().zip(fields) {
        *to = from;
    }
    close(&body)
}

fn encode_floor(floor: Height) -> [u8; RECORD_BYTES] {
    let mut body = [0; BODY_BYTES];
    for (to, from) in body.iter_mut().zip([FLOOR_TAG].into_iter().chain(floor.to_be_bytes())) {
        *to = from;
    }
    close(&body)
}

/// Adds the checksum.
fn close(body: &[u8; BODY_BYTES]) -> [u8; RECORD_BYTES] {
    let mut record = [0; RECORD_BYTES];
    let sum = blake3::hash(body);
    for (to, from) in record.iter_mut().zip(body.iter().chain(sum.as_bytes())) {
        *to = *from;
    }
    record
}

enum Record {
    Seal(Key, Sealed),
    Floor(Height),
}

/// The record's fields; none if the record is damaged.
fn decode(record: &[u8]) -> Option<Record> {
    let (body, _) = record.split_first_chunk::<BODY_BYTES>()?;
    if record != close(body).as_slice() {
        return None;
    }
    let (tag, rest) = body.split_first()?;
    let (height, rest) = rest.split_first_chunk::<8>()?;
    if *tag == FLOOR_TAG {
        return Some(Record::Floor(u64::from_be_bytes(*height)));
    }
    let (round, rest) = rest.split_first_chunk::<4>()?;
    let (has_block, rest) = rest.split_first()?;
    let (block, rest) = rest.split_first_chunk::<32>()?;
    let (has_pol, rest) = rest.split_first()?;
    let (pol_round, _) = rest.split_first_chunk::<4>()?;
    let key = (u64::from_be_bytes(*height), u32::from_be_bytes(*round), SignedKind::from_tag(*tag)?);
    let block = (*has_block == 1).then(|| BlockHash::from_bytes(*block));
    let pol_round = (*has_pol == 1).then(|| u32::from_be_bytes(*pol_round));
    Some(Record::Seal(key, Sealed { block, pol_round }))
}

/// What counts of a file.
struct Records {
    /// Of the highest height only.
    sealed: BTreeMap<Key, Sealed>,
    floor: Height,
    /// Index of the next record to write.
    next: usize,
}

fn parse(path: &Path, identity: &[u8; 32], bytes: &[u8]) -> Result<Records, GuardError> {
    let damaged = |index| GuardError::Damaged { path: path.to_owned(), index };
    let (records, []) = bytes.as_chunks::<RECORD_BYTES>() else { return Err(damaged(bytes.len() / RECORD_BYTES)) };
    let (first, rest) = records.split_first().ok_or_else(|| damaged(0))?;
    if first.as_slice() != head(identity) {
        let is_head = first.starts_with(MAGIC) && first.first_chunk().is_some_and(|body| close(body) == *first);
        return Err(if is_head { GuardError::OtherKey { path: path.to_owned() } } else { damaged(0) });
    }
    let (mut sealed, mut floor, mut next) = (BTreeMap::new(), 0, 1);
    for record in rest {
        match decode(record) {
            Some(Record::Seal(key, value)) => _ = sealed.insert(key, value),
            Some(Record::Floor(height)) => floor = height,
            None => break,
        }
        next += 1;
    }
    // Behind the first record that does not read there must be nothing: it was the last.
    if records.iter().skip(next + 1).any(|record| record.iter().any(|byte| *byte != 0)) {
        return Err(damaged(next));
    }
    let highest = sealed.last_key_value().map_or(0, |((height, _, _), _)| *height);
    let sealed = sealed.split_off(&(highest, 0, SignedKind::Prevote));
    Ok(Records { sealed, floor, next })
}
