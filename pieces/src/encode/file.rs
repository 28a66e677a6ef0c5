//! A stream of bytes into segments, stripes and a manifest.

use super::{EncodeError, SegmentEncoder, len_u64};
use crate::code::ErasureCode;
use crate::code::UNIT_ALIGN_BYTES;
use crate::hash::{ContentHash, Hash};
use crate::manifest::{FileManifest, ManifestBuilder, MediaType, SegmentManifest};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// What a [`FileEncoder`] has made of the bytes it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileEvent {
    /// The units of a stripe, in column order.
    Stripe {
        /// The segment, from 0.
        segment: u16,
        /// The stripe of the segment, from 0.
        stripe: u64,
        /// One unit for each of the `n` pieces.
        units: Vec<Bytes>,
    },
    /// A segment is complete: all its stripes have been given out.
    Segment {
        /// The segment, from 0.
        segment: u16,
        /// Its length and hashes.
        manifest: SegmentManifest,
    },
}

/// Encodes a file of unknown length from chunks of any size. Holds at most one stripe of source bytes and one of
/// parity.
///
/// ```
/// # use bytes::Bytes;
/// # use pieces::{ErasureCode, FileEncoder, MediaType};
/// let mut encoder = FileEncoder::new(ErasureCode::new(2, 4, 64), 1024, MediaType::default())?;
/// let mut chunk = Bytes::from_static(b"any number of bytes");
/// while let Some(event) = encoder.push(&mut chunk)? {
///     // send the units, note the segment
/// #   drop(event);
/// }
/// let (last_events, manifest) = encoder.finish()?;
/// assert_eq!((last_events.len(), manifest.size), (2, 19));
/// # Ok::<(), pieces::EncodeError>(())
/// ```
#[derive(Debug)]
pub struct FileEncoder {
    code: ErasureCode,
    segment_bytes_max: u64,
    content: blake3::Hasher,
    manifest: ManifestBuilder,
    /// The segment being encoded; `None` before its first stripe.
    current: Option<SegmentEncoder>,
    /// Source bytes of the next stripe, not yet all of them.
    pending: BytesMut,
    /// The stripe of the segment that comes next.
    stripe: u64,
    /// The segment that is being encoded or comes next.
    segment: u16,
    /// Events not yet given out, at most two.
    ready: VecDeque<FileEvent>,
}

impl FileEncoder {
    /// An encoder of a new file, in segments of up to `k * max_piece_bytes` bytes.
    ///
    /// # Errors
    /// The code is not possible, or `max_piece_bytes` is not a multiple of 64 above zero.
    pub fn new(code: ErasureCode, max_piece_bytes: u32, media_type: MediaType) -> Result<Self, EncodeError> {
        code.check().map_err(EncodeError::Code)?;
        if max_piece_bytes == 0 || !max_piece_bytes.is_multiple_of(UNIT_ALIGN_BYTES) {
            return Err(EncodeError::MaxPiece { max_piece_bytes });
        }
        Ok(Self {
            code,
            segment_bytes_max: code.segment_bytes_max(max_piece_bytes),
            content: blake3::Hasher::new(),
            manifest: ManifestBuilder::new(code, max_piece_bytes, media_type),
            current: None,
            pending: BytesMut::new(),
            stripe: 0,
            segment: 0,
            ready: VecDeque::new(),
        })
    }

    /// Marks the file as a bundle with this table.
    pub fn set_bundle(&mut self, table: Hash) {
        self.manifest.set_bundle(table);
    }

    /// Bytes taken so far.
    pub fn file_bytes(&self) -> u64 {
        self.content.count()
    }

    /// Takes bytes from the front of `input` until something is ready or `input` is empty. Call it until it returns
    /// `None`. Stripes that lie whole in `input` are not copied.
    ///
    /// # Errors
    /// [`EncodeError::TooManySegments`]; then the encoder cannot go on.
    pub fn push(&mut self, input: &mut Bytes) -> Result<Option<FileEvent>, EncodeError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let missing = self.next_stripe_bytes() - self.pending.len();
            let taken = input.split_to(input.len().min(missing));
            self.content.update(&taken);
            if taken.len() < missing {
                self.pending.extend_from_slice(&taken);
                return Ok(None);
            }
            let stripe = if self.pending.is_empty() {
                taken
            } else {
                self.pending.extend_from_slice(&taken);
                self.pending.split().freeze()
            };
            self.encode_stripe(stripe)?;
        }
    }

    /// Ends the file: the events that are left, in order, and the manifest.
    ///
    /// # Errors
    /// [`EncodeError::TooManySegments`].
    pub fn finish(mut self) -> Result<(Vec<FileEvent>, FileManifest), EncodeError> {
        let rest = self.pending.split().freeze();
        if let Some(encoder) = self.current.take() {
            self.end_segment(encoder, &rest)?;
        } else if !rest.is_empty() {
            let encoder = SegmentEncoder::new(self.code)?;
            self.end_segment(encoder, &rest)?;
        }
        let content_hash = ContentHash::from_bytes(*self.content.finalize().as_bytes());
        let manifest = self.manifest.finish(content_hash).map_err(EncodeError::Manifest)?;
        Ok((self.ready.into(), manifest))
    }

    /// File bytes of the next stripe: a full one, or less where the segment's limit comes first. Never zero, because a
    /// segment at its limit has been ended.
    fn next_stripe_bytes(&self) -> usize {
        let taken = self.current.as_ref().map_or(0, SegmentEncoder::segment_len);
        let room = self.segment_bytes_max.saturating_sub(taken);
        usize::try_from(room.min(self.code.stripe_bytes())).unwrap_or(usize::MAX)
    }

    fn encode_stripe(&mut self, stripe: Bytes) -> Result<(), EncodeError> {
        let mut encoder = match self.current.take() {
            Some(encoder) => encoder,
            None => SegmentEncoder::new(self.code)?,
        };
        if len_u64(&stripe) < self.code.stripe_bytes() {
            return self.end_segment(encoder, &stripe);
        }
        let units = encoder.push_bytes(stripe)?;
        self.give_stripe(units);
        if encoder.segment_len() == self.segment_bytes_max {
            return self.end_segment(encoder, &[]);
        }
        self.current = Some(encoder);
        Ok(())
    }

    fn give_stripe(&mut self, units: Vec<Bytes>) {
        self.ready.push_back(FileEvent::Stripe { segment: self.segment, stripe: self.stripe, units });
        self.stripe += 1;
    }

    fn end_segment(&mut self, encoder: SegmentEncoder, rest: &[u8]) -> Result<(), EncodeError> {
        let (units, manifest) = encoder.finish(rest)?;
        if let Some(units) = units {
            self.give_stripe(units);
        }
        self.manifest.add_segment(manifest.clone());
        self.ready.push_back(FileEvent::Segment { segment: self.segment, manifest });
        self.segment = self.segment.checked_add(1).ok_or(EncodeError::TooManySegments)?;
        self.stripe = 0;
        Ok(())
    }
}
