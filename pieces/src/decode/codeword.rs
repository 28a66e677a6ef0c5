//! Evidence against whoever encoded a segment wrong.

use super::{DecodeError, SegmentDecoder, check_len, row_of};
use crate::codec::apply;
use crate::slice::VerifiedChunk;

impl SegmentDecoder {
    /// Whether chunks at one offset of `k + 1` or more different columns belong together. The code works byte by byte,
    /// so `false` proves that whoever made the manifest encoded the segment wrong. Pairs are (column, its chunk);
    /// repeated columns count once.
    ///
    /// Padding is not looked at: see [`ErasureCode::padding_range`](crate::ErasureCode::padding_range).
    ///
    /// # Errors
    /// Chunks of different offsets or lengths, a piece that is not the one at its column, a column that does not exist,
    /// or at most `k` different columns.
    pub fn is_codeword(&self, chunks: &[(u8, VerifiedChunk)]) -> Result<bool, DecodeError> {
        let mut sorted: Vec<&(u8, VerifiedChunk)> = chunks.iter().collect();
        sorted.sort_by_key(|(column, _)| *column);
        sorted.dedup_by_key(|(column, _)| *column);
        let too_few = DecodeError::TooFew { have: sorted.len(), k: self.code.k.saturating_add(1) };
        let Some((_, first)) = sorted.first() else {
            return Err(too_few);
        };
        let (index, chunk_bytes) = (first.index(), first.bytes().len());
        for (column, chunk) in chunks {
            self.check_column(*column, chunk.piece())?;
            if chunk.index() != index {
                return Err(DecodeError::OtherChunk { column: *column, expected: index, actual: chunk.index() });
            }
            check_len(*column, chunk_bytes, chunk.bytes().len())?;
        }
        let k = usize::from(self.code.k);
        let (known, rest) = match sorted.split_at_checked(k) {
            Some((known, rest)) if !rest.is_empty() => (known, rest),
            _ => return Err(too_few),
        };
        let present: Vec<u8> = known.iter().map(|(column, _)| *column).collect();
        let basis = self.basis(&present)?;
        let inputs: Vec<&[u8]> = known.iter().map(|(_, chunk)| chunk.bytes().as_ref()).collect();
        let mut computed = vec![0; chunk_bytes];
        for (column, chunk) in rest {
            let row = row_of(Some(&basis), *column, self.code.n)?;
            apply(&[row], &inputs, &mut [computed.as_mut_slice()]);
            if computed != *chunk.bytes() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
