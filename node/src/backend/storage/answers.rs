//! Answers that are the same until the next block.

use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::Mutex;
use runtime::types::BlockHash;

/// Bytes of answers that are kept; what comes on top is made anew each time.
pub const ANSWERS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Answers to questions that only the last block decides: a popular file is looked up once a block, however many ask.
#[derive(Debug)]
pub struct Answers<Q, A> {
    kept: Mutex<Kept<Q, A>>,
}

#[derive(Debug)]
struct Kept<Q, A> {
    block: BlockHash,
    answers: HashMap<Q, A>,
    bytes: usize,
}

impl<Q, A> Default for Answers<Q, A> {
    fn default() -> Self {
        Self { kept: Mutex::new(Kept { block: BlockHash::ZERO, answers: HashMap::new(), bytes: 0 }) }
    }
}

impl<Q: Hash + Eq, A: Clone> Answers<Q, A> {
    /// The answer that was kept after this block.
    pub fn at(&self, block: &BlockHash, question: &Q) -> Option<A> {
        let kept = self.kept.lock();
        kept.answers.get(question).filter(|_| kept.block == *block).cloned()
    }

    /// Keeps an answer of `bytes` bytes until another block's is kept.
    pub fn keep(&self, block: BlockHash, question: Q, answer: &A, bytes: usize) {
        let mut kept = self.kept.lock();
        if kept.block != block {
            *kept = Kept { block, answers: HashMap::new(), bytes: 0 };
        }
        let total = kept.bytes.saturating_add(bytes);
        if total <= ANSWERS_BYTES_MAX && kept.answers.insert(question, answer.clone()).is_none() {
            kept.bytes = total;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ANSWERS_BYTES_MAX, Answers};
    use runtime::types::BlockHash;

    const FIRST: BlockHash = BlockHash::from_bytes([1; 32]);
    const SECOND: BlockHash = BlockHash::from_bytes([2; 32]);

    #[test]
    fn an_answer_is_given_until_the_next_block() {
        let answers = Answers::default();
        assert_eq!(answers.at(&FIRST, &"where"), None);
        answers.keep(FIRST, "where", &"there", 5);
        assert_eq!((answers.at(&FIRST, &"where"), answers.at(&SECOND, &"where")), (Some("there"), None));
        answers.keep(SECOND, "when", &"now", 3);
        assert_eq!((answers.at(&SECOND, &"when"), answers.at(&SECOND, &"where")), (Some("now"), None));
        assert_eq!(answers.at(&FIRST, &"where"), None);
    }

    #[test]
    fn no_more_bytes_are_kept_than_the_limit() {
        let answers = Answers::default();
        answers.keep(FIRST, 1, &"a", ANSWERS_BYTES_MAX);
        answers.keep(FIRST, 2, &"b", 1);
        assert_eq!((answers.at(&FIRST, &1), answers.at(&FIRST, &2)), (Some("a"), None));
        // The same once more counts once.
        answers.keep(SECOND, 1, &"a", ANSWERS_BYTES_MAX / 2);
        answers.keep(SECOND, 1, &"a", ANSWERS_BYTES_MAX / 2);
        answers.keep(SECOND, 2, &"b", ANSWERS_BYTES_MAX / 2);
        assert_eq!(answers.at(&SECOND, &2), Some("b"));
    }
}
