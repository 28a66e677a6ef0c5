//! Files out: file id -> segments and holders from the ledger -> any `k` pieces -> verified bytes.
//!
//! Whoever reads a whole file also has its content hash checked: a manifest can be wrong about the bytes it names.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use dsn::{DownloadError, Segment as DsnSegment, SegmentReader};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use pieces::{ErasureCode, FileId, SegmentManifest, plan_range};
use rpc::downloads::Reader;
use rpc::ports::{ByteStream, Retrieved};
use rpc::types::ByteRange;
use rpc::{ApiError, TryAgain};

use runtime::tables::File;

use crate::chain::Chain;
use crate::directory::{holder, holders, live_file};
use crate::errors::of_state;
use crate::traffic::Traffic;

/// Fetches files for clients.
#[derive(Clone)]
pub struct Fetch {
    chain: Arc<Chain>,
    peer: dsn::Peer,
    traffic: Arc<Traffic>,
}

impl Fetch {
    /// Fetches through this node's peer.
    pub const fn new(chain: Arc<Chain>, peer: dsn::Peer, traffic: Arc<Traffic>) -> Self {
        Self { chain, peer, traffic }
    }

    /// Bytes of a file. The first of them are there when this returns, so that a file that cannot be read is an error
    /// and not a broken stream.
    pub async fn retrieve(&self, id: FileId, range: Option<ByteRange>, reader: Reader) -> Result<Retrieved, ApiError> {
        let state = self.chain.ledger().state();
        let epoch = state.head().header.epoch;
        let file = live_file(&state, &id, epoch).map_err(of_state)?;
        let file = file.ok_or_else(|| no_file(id))?;
        let wanted = match range {
            None => 0..file.size,
            Some(range) => within(range, file.size)?,
        };
        let (offset, size, whole) = (wanted.start, file.size, wanted == (0..file.size));
        let mut bytes = in_turns(Reading { fetch: self.clone(), id, file: file.clone(), wanted, reader, stream: None });
        if whole {
            bytes = check_content(bytes, id, file);
        }
        let first = bytes.next().await.transpose()?;
        let traffic = self.traffic.clone();
        let counted = move |chunk: &Bytes| traffic.serve(chunk.len());
        let stream: ByteStream = futures::stream::iter(first.map(Ok)).chain(bytes).inspect_ok(counted).boxed();
        Ok(Retrieved { offset, size, stream })
    }

    /// Segment after segment; the next one is asked for when the one before has been read.
    fn bytes(&self, id: FileId, file: &File, wanted: Range<u64>) -> Result<ByteStream, ApiError> {
        let piece_bytes_max = self.chain.parameters().map_err(of_state)?.limits.piece_bytes;
        let code = file.code;
        let parts: Vec<_> = plan_range(code, file.size, piece_bytes_max, wanted).collect();
        let fetch = self.clone();
        let streams = futures::stream::iter(parts).then(move |part| {
            let opened = fetch.segment(id, code, part.segment);
            async move {
                let stripes = opened?.stripes(part.stripes).map_err(of_download)?.map_err(of_download);
                Ok::<_, ApiError>(cut(stripes.boxed(), part.skip, part.take))
            }
        });
        Ok(streams.try_flatten().boxed())
    }

    fn segment(&self, id: FileId, code: ErasureCode, segment: u16) -> Result<SegmentReader, ApiError> {
        let state = self.chain.ledger().state();
        // Perhaps it has ended since the read began: then its segments may be swept already.
        live_file(&state, &id, state.head().header.epoch).map_err(of_state)?.ok_or_else(|| no_file(id))?;
        let (entry, providers) = holders(&state, &id, segment).map_err(of_state)?;
        let segment = DsnSegment {
            file: id,
            segment,
            code,
            manifest: SegmentManifest { len: entry.len, piece_hashes: entry.piece_hashes },
            holders: providers.iter().map(|provider| provider.as_ref().map(holder)).collect(),
        };
        SegmentReader::new(self.peer.clone(), segment).map_err(of_download)
    }
}

/// A file that is being read.
struct Reading {
    fetch: Fetch,
    id: FileId,
    file: File,
    /// What is still to come.
    wanted: Range<u64>,
    reader: Reader,
    /// Held while it is this reader's turn.
    stream: Option<ByteStream>,
}

/// Bytes in order. Between two windows others may go first: then nothing of the file is kept in memory until it is this
/// reader's turn again.
fn in_turns(reading: Reading) -> ByteStream {
    let read = futures::stream::try_unfold(reading, |mut reading| async move {
        if reading.wanted.is_empty() {
            return Ok(None);
        }
        if reading.reader.is_over() {
            reading.stream = None;
            reading.reader.wait().await?;
        }
        let mut stream = match reading.stream.take() {
            Some(stream) => stream,
            None => reading.fetch.bytes(reading.id, &reading.file, reading.wanted.clone())?,
        };
        let Some(chunk) = stream.try_next().await? else { return Ok(None) };
        reading.reader.count(chunk.len());
        reading.wanted.start = reading.wanted.start.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        reading.stream = Some(stream);
        Ok(Some((chunk, reading)))
    });
    read.boxed()
}

fn no_file(id: FileId) -> ApiError {
    ApiError::NotFound(format!("there is no file 0x{id}"))
}

/// A client's range, if it lies within the file.
fn within(range: ByteRange, size: u64) -> Result<Range<u64>, ApiError> {
    let end = range.offset.checked_add(range.length).filter(|end| *end <= size);
    let end = end.ok_or_else(|| {
        ApiError::BadParams(format!("range: {}+{} is past the end, {size}", range.offset, range.length))
    })?;
    Ok(range.offset..end)
}

/// `take` bytes after the first `skip` of a stream.
fn cut(
    stripes: BoxStream<'static, Result<Bytes, ApiError>>,
    skip: u64,
    take: u64,
) -> BoxStream<'static, Result<Bytes, ApiError>> {
    let cut = stripes.scan((skip, take), |(skip, take), stripe| {
        let part = stripe.map(|mut bytes| {
            let skipped = usize::try_from(*skip).unwrap_or(usize::MAX).min(bytes.len());
            let mut part = bytes.split_off(skipped);
            part.truncate(usize::try_from(*take).unwrap_or(usize::MAX));
            *skip -= u64::try_from(skipped).unwrap_or(0);
            *take -= u64::try_from(part.len()).unwrap_or(0);
            part
        });
        std::future::ready(Some(part))
    });
    cut.try_filter(|part| std::future::ready(!part.is_empty())).boxed()
}

/// Passes a whole file on, and ends with an error if its bytes are not those of its content hash.
fn check_content(bytes: ByteStream, id: FileId, file: File) -> ByteStream {
    let checked = futures::stream::try_unfold((bytes, Some(blake3::Hasher::new())), move |(mut bytes, hasher)| {
        let wanted = file.content_hash;
        async move {
            let Some(mut hasher) = hasher else { return Ok(None) };
            match bytes.try_next().await? {
                Some(chunk) => {
                    hasher.update(&chunk);
                    Ok(Some((chunk, (bytes, Some(hasher)))))
                }
                None if hasher.finalize().as_bytes() == wanted.as_bytes() => Ok(None),
                None => Err(ApiError::ContentMismatch { file: id }),
            }
        }
    });
    checked.boxed()
}

fn of_download(error: DownloadError) -> ApiError {
    match error {
        DownloadError::NotEnough { segment, live, needed } => ApiError::NotEnoughPieces {
            segment: segment.into(),
            live: u32::try_from(live).unwrap_or(u32::MAX),
            needed: u32::try_from(needed).unwrap_or(u32::MAX),
        },
        DownloadError::Busy { .. } => {
            TryAgain::Overloaded("the holders of the file have no room for one more reader").into()
        }
        other => ApiError::internal(other),
    }
}
