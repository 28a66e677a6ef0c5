//! Bodies of files on their way in: kept on disk until their pieces are committed, so that a column can be coded again
//! for another provider, and encoded once while they arrive, so that the file's id is known before anything is sent.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use pieces::{ErasureCode, FileEncoder, FileManifest, MediaType};
use rpc::ApiError;
use rpc::ports::ByteStream;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// Bodies up to this size stay in memory.
const MEMORY_BYTES_MAX: u64 = 1024 * 1024;

/// A body that has arrived whole.
#[derive(Clone, Debug)]
pub enum Spool {
    /// A small one.
    Memory(Bytes),
    /// A larger one, in a file without a name: it is gone when the node is.
    File(Arc<std::fs::File>),
}

/// A body and what the file made of it is called.
#[derive(Debug)]
pub struct Spooled {
    /// The bytes.
    pub spool: Spool,
    /// All sizes and hashes.
    pub manifest: FileManifest,
}

/// What a body is encoded with, and where it may lie meanwhile.
#[derive(Debug)]
pub struct SpoolTerms<'a> {
    /// Folder of larger bodies.
    pub folder: &'a Path,
    /// The code.
    pub code: ErasureCode,
    /// Most bytes of a piece.
    pub piece_bytes_max: u32,
    /// Most bytes of the file.
    pub file_bytes_max: u64,
    /// Its media type.
    pub media_type: MediaType,
}

/// Takes a whole body, encoding it on the way for its hashes.
pub async fn spool(mut body: ByteStream, terms: SpoolTerms<'_>) -> Result<Spooled, ApiError> {
    let mut encoder =
        FileEncoder::new(terms.code, terms.piece_bytes_max, terms.media_type).map_err(ApiError::internal)?;
    let mut sink = Sink::Memory(Vec::new());
    let mut size = 0u64;
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        size = size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if size > terms.file_bytes_max {
            return Err(ApiError::TooLarge { what: "the file", limit: terms.file_bytes_max });
        }
        sink = sink.write(&chunk, terms.folder).await.map_err(disk_error)?;
        // Coding costs a millisecond a megabyte: too long for a task that others wait behind.
        encoder = tokio::task::spawn_blocking(move || hash_chunk(encoder, chunk))
            .await
            .map_err(ApiError::internal)?
            .map_err(ApiError::internal)?;
    }
    let (_, manifest) = encoder.finish().map_err(ApiError::internal)?;
    Ok(Spooled { spool: sink.finish().await.map_err(disk_error)?, manifest })
}

fn hash_chunk(mut encoder: FileEncoder, mut chunk: Bytes) -> Result<FileEncoder, pieces::EncodeError> {
    while encoder.push(&mut chunk)?.is_some() {}
    Ok(encoder)
}

/// A full disk is the operator's to mend and the client's to know.
pub fn disk_error(error: std::io::Error) -> ApiError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            ApiError::Full("the gateway's disk is full".into())
        }
        _ => ApiError::internal(error),
    }
}

enum Sink {
    Memory(Vec<u8>),
    File(File),
}

impl Sink {
    async fn write(self, chunk: &[u8], folder: &Path) -> std::io::Result<Self> {
        match self {
            Self::Memory(mut bytes) => {
                bytes.extend_from_slice(chunk);
                if u64::try_from(bytes.len()).unwrap_or(u64::MAX) <= MEMORY_BYTES_MAX {
                    return Ok(Self::Memory(bytes));
                }
                let mut file = File::from_std(tempfile::tempfile_in(folder)?);
                file.write_all(&bytes).await?;
                Ok(Self::File(file))
            }
            Self::File(mut file) => {
                file.write_all(chunk).await?;
                Ok(Self::File(file))
            }
        }
    }

    async fn finish(self) -> std::io::Result<Spool> {
        match self {
            Self::Memory(bytes) => Ok(Spool::Memory(bytes.into())),
            Self::File(mut file) => {
                // Not synced: until the answer nothing is promised, and a crash before it loses the spool anyway.
                file.flush().await?;
                Ok(Spool::File(Arc::new(file.into_std().await)))
            }
        }
    }
}

impl Spool {
    /// Reads `buffer.len()` bytes at `offset`.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        use std::os::unix::fs::FileExt;
        match self {
            Self::File(file) => file.read_exact_at(buffer, offset),
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let part = start.checked_add(buffer.len()).and_then(|end| bytes.get(start..end));
                buffer.copy_from_slice(part.ok_or(std::io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}
