//! Bodies of files on their way in: kept on disk until their pieces are recorded, so that a column can be coded again for
//! another provider, what holders lost can be put back, and an upload that broke off can go on.
//!
//! ```text
//! Writer: chunks -> buffer -> file, content hash        Body: any number of readers, up to what is written
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use pieces::ContentHash;
use rpc::ApiError;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// Bytes that wait in memory to be written, as many as the API counts for an upload. A body that is not longer stays there,
/// unless it is to survive a crash.
const BUFFER_BYTES: usize = 64 * 1024;
/// Bytes of a kept body that may be lost in a crash, as nobody was told that they are here.
const UNSYNCED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes that are hashed at once when an upload goes on.
const READ_BYTES: usize = 1024 * 1024;

/// How much of a body is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Bytes that can be read.
    pub bytes: u64,
    /// The hash of the whole, once all of it is here.
    pub content: Option<ContentHash>,
}

/// A body: the part of it that is here can be read by many while the rest still comes.
#[derive(Debug)]
pub struct Body {
    folder: PathBuf,
    memory: OnceLock<Bytes>,
    file: OnceLock<File>,
    /// Where it is written down how many bytes are synced, for a body that is to survive a crash.
    mark: Option<File>,
    growth: watch::Sender<Growth>,
}

impl Body {
    /// A body that is gone with the process. Its file, in `folder`, has no name.
    pub fn passing(folder: &Path) -> Arc<Self> {
        Arc::new(Self {
            folder: folder.to_owned(),
            memory: OnceLock::new(),
            file: OnceLock::new(),
            mark: None,
            growth: watch::Sender::default(),
        })
    }

    /// The body that is kept in `folder`, perhaps from before a crash: as much of it as was synced.
    pub fn kept(folder: &Path) -> io::Result<Arc<Self>> {
        let open = |name| {
            let path = folder.join(name);
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
        };
        let (file, mark) = (open("body")?, open("received")?);
        let mut bytes = [0; 8];
        let synced = if mark.metadata()?.len() < 8 {
            0
        } else {
            mark.read_exact_at(&mut bytes, 0)?;
            u64::from_be_bytes(bytes)
        };
        let synced = synced.min(file.metadata()?.len());
        // What was not synced may be anything after a power cut.
        file.set_len(synced)?;
        let growth = watch::Sender::new(Growth { bytes: synced, content: None });
        Ok(Arc::new(Self {
            folder: folder.to_owned(),
            memory: OnceLock::new(),
            file: OnceLock::from(file),
            mark: Some(mark),
            growth,
        }))
    }

    /// How much of it is here now.
    pub fn growth(&self) -> Growth {
        *self.growth.borrow()
    }

    /// Waits until the first `bytes` are here.
    pub async fn reaches(&self, bytes: u64) {
        // The sender lives as long as the body.
        self.growth.subscribe().wait_for(|growth| growth.bytes >= bytes).await.ok();
    }

    /// Waits until all of it is here; its length and its hash.
    pub async fn whole(&self) -> (u64, ContentHash) {
        let mut growth = self.growth.subscribe();
        loop {
            let Growth { bytes, content } = *growth.borrow_and_update();
            if let Some(content) = content {
                return (bytes, content);
            }
            growth.changed().await.ok();
        }
    }

    /// Reads `buffer.len()` bytes at `offset`, which must be here.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if let Some(bytes) = self.memory.get() {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let part = start.checked_add(buffer.len()).and_then(|end| bytes.get(start..end));
            buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
            return Ok(());
        }
        match self.file.get() {
            Some(file) => file.read_exact_at(buffer, offset),
            None if buffer.is_empty() => Ok(()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if free_bytes(&self.folder)? < u64::try_from(bytes.len()).unwrap_or(u64::MAX) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = match self.file.get() {
            Some(file) => file,
            None => {
                let file = tempfile::tempfile_in(&self.folder)?;
                self.file.get_or_init(|| file)
            }
        };
        file.write_all_at(bytes, offset)
    }

    /// Makes the first `bytes` last.
    fn sync(&self, bytes: u64) -> io::Result<()> {
        let (Some(file), Some(mark)) = (self.file.get(), &self.mark) else { return Ok(()) };
        file.sync_data()?;
        mark.write_all_at(&bytes.to_be_bytes(), 0)?;
        mark.sync_data()
    }

    /// Gives the disk back; nobody reads it any more.
    pub fn let_go(&self) {
        let files = self.file.get().into_iter().chain(&self.mark);
        if let Some(error) = files.filter_map(|file| file.set_len(0).err()).next() {
            tracing::warn!(folder = %self.folder.display(), %error, "the body of an upload was not removed");
        }
    }

    /// The hasher that has seen the first `bytes`.
    pub fn rehash(&self, bytes: u64) -> io::Result<blake3::Hasher> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut offset = 0;
        while offset < bytes {
            let count = usize::try_from(bytes - offset).unwrap_or(usize::MAX).min(READ_BYTES);
            let part = buffer.get_mut(..count).unwrap_or_default();
            self.read_exact_at(part, offset)?;
            hasher.update(part);
            offset += u64::try_from(count).unwrap_or(0);
        }
        Ok(hasher)
    }
}

/// Appends to a body; a body has one at a time.
#[derive(Debug)]
pub struct Writer {
    body: Arc<Body>,
    buffer: BytesMut,
    hasher: blake3::Hasher,
    /// Bytes in the file.
    written: u64,
    /// Bytes that are known to last.
    synced: u64,
    limit: u64,
}

impl Writer {
    /// A writer that goes on where the body ends. No body is longer than `limit`.
    pub async fn resume(body: Arc<Body>, limit: u64) -> Result<Self, ApiError> {
        let written = body.growth().bytes;
        let read = body.clone();
        let hasher = spawn_blocking(move || read.rehash(written)).await;
        let hasher = hasher.map_err(ApiError::internal)?.map_err(disk_error)?;
        Ok(Self { body, buffer: BytesMut::new(), hasher, written, synced: written, limit })
    }

    /// Bytes of the body, with those that wait to be written.
    pub fn len(&self) -> u64 {
        self.written.saturating_add(u64::try_from(self.buffer.len()).unwrap_or(u64::MAX))
    }

    fn is_on_disk(&self) -> bool {
        self.body.file.get().is_some()
    }

    /// Appends a chunk.
    pub async fn push(&mut self, chunk: &[u8]) -> Result<(), ApiError> {
        let count = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if self.len().saturating_add(count) > self.limit {
            return Err(ApiError::TooLarge { what: "the file", limit: self.limit });
        }
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() > BUFFER_BYTES {
            let sync = self.len() - self.synced > UNSYNCED_BYTES_MAX;
            self.flush(sync).await?;
        }
        Ok(())
    }

    /// Writes what waits, and makes it last if `sync` says so.
    pub async fn flush(&mut self, sync: bool) -> Result<(), ApiError> {
        let (body, offset, len) = (self.body.clone(), self.written, self.len());
        let (mut buffer, mut hasher) = (std::mem::take(&mut self.buffer), std::mem::take(&mut self.hasher));
        let written = spawn_blocking(move || {
            hasher.update(&buffer);
            body.write_at(&buffer, offset)?;
            if sync {
                body.sync(len)?;
            }
            buffer.clear();
            Ok((buffer, hasher))
        });
        (self.buffer, self.hasher) = written.await.map_err(ApiError::internal)?.map_err(disk_error)?;
        self.written = len;
        if sync {
            self.synced = len;
        }
        self.body.growth.send_modify(|growth| growth.bytes = len);
        Ok(())
    }

    /// Ends the body.
    pub async fn end(mut self) -> Result<(), ApiError> {
        if self.is_on_disk() {
            self.flush(self.body.mark.is_some()).await?;
        } else {
            self.hasher.update(&self.buffer);
            self.written = self.len();
            // Nobody else writes to this body.
            self.body.memory.set(self.buffer.freeze()).ok();
        }
        let content = ContentHash::from_bytes(*self.hasher.finalize().as_bytes());
        self.body.growth.send_replace(Growth { bytes: self.written, content: Some(content) });
        Ok(())
    }
}

/// Bytes that stay free on the disk: the ledger and the engine stop the node when they cannot write.
pub const RESERVE_BYTES: u64 = 1024 * 1024 * 1024;

/// Bytes that can be written to the disk of `folder` without touching the reserve.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    Ok(fs4::available_space(folder)?.saturating_sub(RESERVE_BYTES))
}

/// Whether two folders are on one disk; if that cannot be told, they are.
pub fn share_disk(one: &Path, other: &Path) -> bool {
    let disk = |folder| std::fs::metadata(folder).map(|known| known.dev());
    match (disk(one), disk(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => true,
    }
}

/// Refuses a body of `size` bytes that cannot be kept together with the `piece_bytes` that will be beside it. Small ones
/// are not looked at.
pub fn check_room(folder: &Path, size: u64, piece_bytes: u64) -> Result<(), ApiError> {
    if usize::try_from(size).is_ok_and(|size| size <= BUFFER_BYTES) {
        return Ok(());
    }
    let free = free_bytes(folder).map_err(disk_error)?;
    if free >= size.saturating_add(piece_bytes) {
        return Ok(());
    }
    Err(ApiError::Full(format!(
        "the gateway's disk has room for {free} bytes, and the file takes {size} and {piece_bytes} of its pieces; \
         unfinished uploads take room too: node file uploads shows them, node file cancel gives it back"
    )))
}

/// A full disk is the operator's to mend and the client's to know.
pub fn disk_error(error: io::Error) -> ApiError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ApiError::Full("the gateway's disk is full".into())
        }
        _ => ApiError::internal(error),
    }
}

#[cfg(test)]
mod tests;
