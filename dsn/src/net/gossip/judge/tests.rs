#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{Judges, NoRoom, Sender};
use crate::net::gossip::{Acceptance, Kind, TransactionGossip};
use bytes::Bytes;
use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use std::sync::{Arc, Barrier};

/// Stops at each transaction that is empty, and panics at one that begins with a zero.
struct Slow(Barrier);

impl TransactionGossip for Slow {
    fn admit(&self, transaction: &[u8]) -> Acceptance {
        match transaction.first() {
            None => {
                self.0.wait();
                self.0.wait();
                Acceptance::Ignore
            }
            Some(0) => panic!("a transaction that nobody thought of"),
            Some(_) => Acceptance::Accept,
        }
    }

    fn hear(&self, _: &[u8]) -> Acceptance {
        Acceptance::Reject
    }
}

fn id(number: u8) -> MessageId {
    MessageId::new(&[number])
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_wait_than_allowed_by_count_and_by_bytes_and_a_panic_is_no_end() {
    let (slow, from) = (Arc::new(Slow(Barrier::new(2))), Sender { peer: PeerId::random(), host: None });
    let (judges, mut judged) = Judges::start(slow.clone(), 3, 1000);
    judges.judge(id(0), from, Kind::Transaction, Bytes::new()).unwrap();
    tokio::task::block_in_place(|| slow.0.wait());
    let of = |byte: u8, count: usize| Bytes::from(vec![byte; count]);
    assert_eq!(judges.judge(id(1), from, Kind::Transaction, of(1, 1001)), Err(NoRoom));
    judges.judge(id(2), from, Kind::Transaction, of(0, 600)).unwrap();
    assert_eq!(judges.judge(id(3), from, Kind::Transaction, of(1, 401)), Err(NoRoom));
    judges.judge(id(4), from, Kind::Transaction, of(1, 200)).unwrap();
    judges.judge(id(5), from, Kind::Transaction, of(1, 200)).unwrap();
    assert_eq!(judges.judge(id(6), from, Kind::Transaction, Bytes::new()), Err(NoRoom));
    tokio::task::block_in_place(|| slow.0.wait());
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        let outcome = judged.recv().await.unwrap();
        assert_eq!(outcome.from, from);
        outcomes.push((outcome.id, outcome.acceptance));
    }
    use Acceptance::{Accept, Ignore};
    assert_eq!(outcomes, [(id(0), Ignore), (id(2), Ignore), (id(4), Accept), (id(5), Accept)]);
    // All room is free again.
    judges.judge(id(7), from, Kind::Transaction, of(1, 1000)).unwrap();
    assert_eq!(judged.recv().await.unwrap().acceptance, Accept);
}
