//! Buffers that are written over once nobody holds what was in them: fresh memory would have to be cleared first.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Buffers that are remembered while others hold them.
const SPARES_MAX: usize = 64;

/// The buffers that were given out, the oldest first. Together they are never more than were held by others at one time.
#[derive(Debug, Default)]
pub struct Spares(VecDeque<Bytes>);

impl Spares {
    /// A buffer of `bytes` bytes with any content.
    pub fn take(&mut self, bytes: usize) -> BytesMut {
        match self.0.pop_front().map(Bytes::try_into_mut) {
            Some(Ok(mut buffer)) if buffer.len() >= bytes => {
                buffer.truncate(bytes);
                return buffer;
            }
            Some(Err(held)) => self.0.push_front(held),
            Some(Ok(_)) | None => {}
        }
        BytesMut::zeroed(bytes)
    }

    /// What a buffer holds now. The buffer is given out again when all that was cut from it is dropped.
    pub fn freeze(&mut self, buffer: BytesMut) -> Bytes {
        let bytes = buffer.freeze();
        if self.0.len() < SPARES_MAX {
            self.0.push_back(bytes.clone());
        }
        bytes
    }
}
