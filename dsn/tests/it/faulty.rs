//! Providers that take pieces in their own way.

use crate::hostile::{Raw, frame, protocol, read_frame, rest};
use crate::support::{Chain, PLACEMENT_EPOCHS};
use dsn::protocol::put::{PutAnswer, PutEnd, PutReply};
use dsn::{Admission as _, Authority, Candidate, PutOpen, Refusal, RefusalCode};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::Stream;
use pieces::PieceHash;
use runtime::terms::commitment_for;
use runtime::types::StorageCommitment;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_util::task::AbortOnDropHandle;

/// What is wrong with a provider that is put a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not say whether it takes the piece.
    NoReply,
    /// It says something that is no reply.
    WrongReply,
    /// It has no room.
    Refuses,
    /// It ends the stream in the middle of the units.
    EndsInUnits,
    /// It takes everything and says nothing.
    NoAnswer,
    /// It says something that is no answer.
    WrongAnswer,
    /// It promises another piece.
    WrongPromise,
    /// Its answer has a byte too many.
    LongAnswer,
    /// Its answer would be longer than any may be.
    EndlessAnswer,
    /// It ends the stream in the middle of its answer.
    ShortAnswer,
}

/// A provider with a fault: a real peer that speaks the real protocol up to that.
pub struct Faulty {
    raw: Raw,
    chain: Arc<Chain>,
    asked: Arc<AtomicUsize>,
    _accept: AbortOnDropHandle<()>,
}

impl Faulty {
    pub async fn start(number: u8, fault: Fault) -> Self {
        let mut raw = Raw::start().await;
        let mut incoming = raw.control.accept(protocol("put")).unwrap();
        let (chain, asked) = (Arc::new(Chain::new(number)), Arc::new(AtomicUsize::new(0)));
        let (of_task, counted) = (Arc::clone(&chain), Arc::clone(&asked));
        let accept = async move {
            while let Some((_, stream)) = incoming.next().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let chain = Arc::clone(&of_task);
                tokio::spawn(async move { drop(serve(stream, &chain, fault).await) });
            }
        };
        Self { raw, chain, asked, _accept: AbortOnDropHandle::new(tokio::spawn(accept)) }
    }

    pub fn candidate(&self, slot: u8) -> Candidate {
        let (provider, service_key) = (self.chain.account.account(), self.chain.service.public_key());
        Candidate { slot, raised: false, target: self.raw.target(), provider, service_key }
    }

    /// Times it was asked to take a piece.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn serve(mut stream: Stream, chain: &Chain, fault: Fault) -> io::Result<()> {
    let open: PutOpen = read_frame(&mut stream).await;
    let refusal = Refusal::new(RefusalCode::Full, "there is no room left");
    let reply = match fault {
        Fault::NoReply => return silence(stream).await,
        Fault::WrongReply => [&4_u32.to_be_bytes()[..], &[0xee; 4]].concat(),
        Fault::Refuses => frame(&PutReply::Refused(refusal)),
        _ => frame(&PutReply::Accepted),
    };
    stream.write_all(&reply).await?;
    stream.flush().await?;
    let mut piece = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await?;
        let count = usize::try_from(u32::from_be_bytes(length)).unwrap();
        if count == 0 {
            break;
        }
        let start = piece.len();
        piece.resize(start + count, 0);
        stream.read_exact(&mut piece[start..]).await?;
        if fault == Fault::EndsInUnits {
            return stream.close().await;
        }
    }
    let PutEnd { piece_hash, piece_bytes } = read_frame(&mut stream).await;
    let promised = if fault == Fault::WrongPromise { PieceHash::of(b"another") } else { piece_hash };
    let commitment = commitment(chain, &open, promised, piece_bytes);
    let signature = chain.sign(&commitment);
    let mut answer = frame(&PutAnswer::Committed { commitment, signature });
    match fault {
        Fault::NoAnswer => return silence(stream).await,
        Fault::WrongAnswer => answer[4..].fill(0xee),
        Fault::LongAnswer => {
            answer.push(0);
            let length = u32::try_from(answer.len() - 4).unwrap();
            answer[..4].copy_from_slice(&length.to_be_bytes());
        }
        Fault::EndlessAnswer => answer[..4].copy_from_slice(&u32::MAX.to_be_bytes()),
        Fault::ShortAnswer => answer.truncate(answer.len() / 2),
        _ => {}
    }
    stream.write_all(&answer).await?;
    stream.close().await
}

fn commitment(chain: &Chain, open: &PutOpen, hash: PieceHash, bytes: u32) -> StorageCommitment {
    let Authority::Intent(signed) = &open.authority else { panic!("a put without an intent") };
    let account = chain.account.account();
    commitment_for(&signed.intent, PLACEMENT_EPOCHS, open.segment, open.index, hash, bytes, account)
}

/// Takes whatever comes, and says nothing until the other side gives up.
async fn silence(mut stream: Stream) -> io::Result<()> {
    rest(&mut stream).await;
    Ok(())
}
