//! The peers that are known, and what is held against them, over a restart: one file, replaced as a whole.

use crate::scores::SavedScore;
use libp2p::{Multiaddr, PeerId};
use parity_scale_codec::{Decode, DecodeAll as _, Encode};
use runtime::types::BlockHash;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// A file that is longer is not read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const VERSION: u8 = 2;
/// The version before: without scores and spammers.
const VERSION_1: u8 = 1;

/// What is to be known after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// Peers, their addresses, and when they were last seen, in seconds since 1970.
    pub(crate) peers: Vec<(PeerId, Vec<Multiaddr>, u64)>,
    pub(crate) scores: Vec<SavedScore>,
    /// Who sent spam, and until when it is kept out, in milliseconds since 1970.
    pub(crate) spammers: Vec<(PeerId, u64)>,
}

#[derive(Encode, Decode)]
struct Saved {
    version: u8,
    genesis: BlockHash,
    peers: Vec<SavedPeer>,
    scores: Vec<SavedScore>,
    spammers: Vec<SavedSpammer>,
}

#[derive(Encode, Decode)]
struct SavedV1 {
    version: u8,
    genesis: BlockHash,
    peers: Vec<SavedPeer>,
}

#[derive(Encode, Decode)]
struct SavedPeer {
    id: Vec<u8>,
    addresses: Vec<Vec<u8>>,
    last_seen_s: u64,
}

#[derive(Encode, Decode)]
struct SavedSpammer {
    id: Vec<u8>,
    until_unix_ms: u64,
}

impl From<SavedV1> for Saved {
    fn from(SavedV1 { version, genesis, peers }: SavedV1) -> Self {
        Self { version, genesis, peers, scores: Vec::new(), spammers: Vec::new() }
    }
}

/// Why there is nothing in the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read it")]
    Read(#[source] io::Error),
    #[error("it is longer than {FILE_BYTES_MAX} bytes")]
    TooLong,
    #[error("it is damaged, or of another version")]
    Damaged,
    #[error("it is of the chain with genesis {theirs}")]
    OtherChain { theirs: BlockHash },
}

/// What was saved; nothing if there is no file. A peer that cannot be read is left out.
pub(crate) fn load(path: &Path, genesis: &BlockHash) -> Result<Remembered, FileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Remembered::default()),
        Err(error) => return Err(FileError::Read(error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(FileError::Read)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        return Err(FileError::TooLong);
    }
    // The types nest three levels and no value decides how deep.
    let mut input = bytes.as_slice();
    let saved = match bytes.first() {
        Some(&VERSION) => Saved::decode_all(&mut input),
        Some(&VERSION_1) => SavedV1::decode_all(&mut input).map(Saved::from),
        _ => return Err(FileError::Damaged),
    };
    let saved = saved.map_err(|_| FileError::Damaged)?;
    if saved.genesis != *genesis {
        return Err(FileError::OtherChain { theirs: saved.genesis });
    }
    let spammers = saved.spammers.into_iter();
    let spammers = spammers.filter_map(|spammer| Some((PeerId::from_bytes(&spammer.id).ok()?, spammer.until_unix_ms)));
    let peers = saved.peers.into_iter().filter_map(SavedPeer::read).collect();
    Ok(Remembered { peers, scores: saved.scores, spammers: spammers.collect() })
}

/// Replaces the file: whoever reads it finds all of the old or all of the new.
pub(crate) fn save(path: &Path, genesis: &BlockHash, remembered: Remembered) -> io::Result<()> {
    let Remembered { peers, scores, spammers } = remembered;
    let peers = peers.iter().map(|(id, addresses, last_seen_s)| SavedPeer {
        id: id.to_bytes(),
        addresses: addresses.iter().map(Multiaddr::to_vec).collect(),
        last_seen_s: *last_seen_s,
    });
    let (peers, genesis) = (peers.collect(), *genesis);
    let spammers =
        spammers.iter().map(|(id, until_unix_ms)| SavedSpammer { id: id.to_bytes(), until_unix_ms: *until_unix_ms });
    let bytes = Saved { version: VERSION, genesis, peers, scores, spammers: spammers.collect() }.encode();
    let fresh = fresh(path);
    let mut file = File::create(&fresh)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn fresh(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

impl SavedPeer {
    fn read(self) -> Option<(PeerId, Vec<Multiaddr>, u64)> {
        let id = PeerId::from_bytes(&self.id).ok()?;
        let addresses = self.addresses.into_iter().filter_map(|bytes| Multiaddr::try_from(bytes).ok()).collect();
        Some((id, addresses, self.last_seen_s))
    }
}

#[cfg(test)]
mod tests;
