//! The mirror structs. Field order and indices are the wire format, frozen by `tests/golden/formats.txt`.
//!
//! Rounds are `Option<u32>`: the engine's own conversion from integers asserts. Only the rounds that point back to
//! an earlier one may be undefined; elsewhere an undefined round is refused before the engine sees it.

#![expect(clippy::cast_possible_truncation, reason = "the derive casts the indices of variants, which are written out")]

mod certificates;
mod messages;
mod sync;

use malachite::app::types::core::{NilOrVal, Round};

pub use sync::response_len;

fn round(round: Round) -> Option<u32> {
    round.as_u32()
}

fn defined(round: Option<u32>) -> Result<Round, &'static str> {
    round.map(Round::new).ok_or("the round is undefined")
}

fn value<T>(value: NilOrVal<T>) -> Option<T> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(value) => Some(value),
    }
}

fn unvalue<T>(value: Option<T>) -> NilOrVal<T> {
    value.map_or(NilOrVal::Nil, NilOrVal::Val)
}
