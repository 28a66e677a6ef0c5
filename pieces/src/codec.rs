//! The algebra under encoder and decoder: coefficient rows, and applying them to units.
//!
//! All matrices come from the library: coding the identity gives the rows themselves. Rows are then applied with the
//! library's kernels to exactly the columns that are wanted, from borrowed inputs, in blocks that stay in the
//! first-level cache.

use crate::code::{CodeError, ErasureCode};
use reed_solomon_erasure::ReedSolomon;
use reed_solomon_erasure::galois_8::{self, mul_slice, mul_slice_xor};

/// Bytes of each unit coded at a time: an output block stays in the first-level cache while its inputs pass by.
const BLOCK_BYTES: usize = 8192;

/// Coefficients of one column over `k` others: `column = sum(row[i] * input[i])`.
pub(crate) type Row = Vec<u8>;

/// The generator of one checked [`ErasureCode`].
#[derive(Debug)]
pub(crate) struct Codec {
    k: usize,
    n: usize,
    library: ReedSolomon<galois_8::Field>,
}

impl Codec {
    pub(crate) fn new(code: &ErasureCode) -> Result<Self, CodeError> {
        code.check()?;
        let (k, n) = (usize::from(code.k), usize::from(code.n));
        let library = ReedSolomon::new(k, n - k).map_err(|_| CodeError::Counts { k: code.k, n: code.n })?;
        Ok(Self { k, n, library })
    }

    /// The rows of all `n` columns over the columns `present`: `k` different ones, ascending. `None` if they are not
    /// that.
    pub(crate) fn rows(&self, present: &[u8]) -> Option<Vec<Row>> {
        let ascending = present.windows(2).all(|pair| pair.first() < pair.last());
        if present.len() != self.k || !ascending {
            return None;
        }
        // Unit vectors as shards: what the library rebuilds from them are the coefficients.
        let mut shards: Vec<Option<Row>> = vec![None; self.n];
        for (position, column) in present.iter().enumerate() {
            let mut unit_vector = vec![0; self.k];
            *unit_vector.get_mut(position)? = 1;
            *shards.get_mut(usize::from(*column))? = Some(unit_vector);
        }
        self.library.reconstruct(&mut shards).ok()?;
        shards.into_iter().collect()
    }
}

/// Sets every output to its row's combination of the inputs. All slices have the same length; rows have one coefficient
/// an input.
pub(crate) fn apply(rows: &[&[u8]], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    let unit_bytes = inputs.first().map_or(0, |input| input.len());
    let mut start = 0;
    while start < unit_bytes {
        let end = unit_bytes.min(start + BLOCK_BYTES);
        for (row, output) in rows.iter().zip(outputs.iter_mut()) {
            let output = &mut output[start..end];
            let mut terms = row.iter().zip(inputs);
            if let Some((coefficient, input)) = terms.next() {
                mul_slice(*coefficient, &input[start..end], output);
            }
            for (coefficient, input) in terms {
                mul_slice_xor(*coefficient, &input[start..end], output);
            }
        }
        start = end;
    }
}
