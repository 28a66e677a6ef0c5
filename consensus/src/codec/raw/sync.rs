//! What nodes that catch up and nodes that serve them say.

use malachite::app::types::PeerId;
use malachite::app::types::sync::{RawDecidedValue, Request, Response, Status};
use malachite_sync::{ValueRequest, ValueResponse};
use parity_scale_codec::{Compact, CompactLen, Decode, DecodeWithMemTracking, Encode};
use runtime::types::Height;

use super::super::{Mirrored, limits};
use super::certificates::Commit;
use crate::context::{ChainContext, ConsensusHeight};

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub struct Tip {
    peer_id: Vec<u8>,
    tip_height: Height,
    history_min_height: Height,
}

impl Mirrored for Status<ChainContext> {
    const NAME: &'static str = "sync status";
    const BYTES_MAX: usize = limits::STATUS_BYTES;
    type Mirror = Tip;

    fn mirror(&self) -> Result<Tip, &'static str> {
        Ok(Tip {
            peer_id: self.peer_id.to_bytes(),
            tip_height: self.tip_height.0,
            history_min_height: self.history_min_height.0,
        })
    }

    fn restore(mirror: Tip) -> Result<Self, &'static str> {
        Ok(Self {
            peer_id: PeerId::from_bytes(&mirror.peer_id).map_err(|_| "not a peer id")?,
            tip_height: ConsensusHeight(mirror.tip_height),
            history_min_height: ConsensusHeight(mirror.history_min_height),
        })
    }
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub enum Ask {
    #[codec(index = 0)]
    Values { from: Height, to: Height },
}

impl Mirrored for Request<ChainContext> {
    const NAME: &'static str = "sync request";
    const BYTES_MAX: usize = limits::REQUEST_BYTES;
    type Mirror = Ask;

    fn mirror(&self) -> Result<Ask, &'static str> {
        let Self::ValueRequest(request) = self;
        Ok(Ask::Values { from: request.range.start().0, to: request.range.end().0 })
    }

    fn restore(mirror: Ask) -> Result<Self, &'static str> {
        let Ask::Values { from, to } = mirror;
        Ok(Self::ValueRequest(ValueRequest::new(ConsensusHeight(from)..=ConsensusHeight(to))))
    }
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub struct Decided {
    block: Vec<u8>,
    certificate: Commit,
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub enum Answer {
    #[codec(index = 0)]
    Values { from: Height, values: Vec<Decided> },
}

impl Mirrored for Response<ChainContext> {
    const NAME: &'static str = "sync response";
    const BYTES_MAX: usize = limits::RESPONSE_BYTES;
    type Mirror = Answer;

    fn mirror(&self) -> Result<Answer, &'static str> {
        let Self::ValueResponse(response) = self;
        let values = response.values.iter().map(|value| {
            let certificate = Commit::mirror(&value.certificate)?;
            Ok(Decided { block: value.value_bytes.to_vec(), certificate })
        });
        let values = values.collect::<Result<_, &'static str>>()?;
        Ok(Answer::Values { from: response.start_height.0, values })
    }

    fn restore(mirror: Answer) -> Result<Self, &'static str> {
        let Answer::Values { from, values } = mirror;
        if values.len() > limits::SYNC_BATCH {
            return Err("more values than a batch");
        }
        let values = values.into_iter().map(|value| {
            let certificate = value.certificate.restore()?;
            Ok(RawDecidedValue::new(value.block.into(), certificate))
        });
        let values = values.collect::<Result<_, &'static str>>()?;
        Ok(Self::ValueResponse(ValueResponse::new(ConsensusHeight(from), values)))
    }
}

/// Bytes of a response's encoding. The engine asks before it sends, so the blocks are not copied to find out.
pub fn response_len(response: &Response<ChainContext>) -> Result<usize, &'static str> {
    let Response::ValueResponse(response) = response;
    let mut len = 1 + response.start_height.0.encoded_size() + list_len(response.values.len())?;
    for value in &response.values {
        let block = value.value_bytes.len();
        len += list_len(block)? + block + Commit::mirror(&value.certificate)?.encoded_size();
    }
    Ok(len)
}

/// Bytes of the count before a list.
fn list_len(count: usize) -> Result<usize, &'static str> {
    u32::try_from(count).map(|count| Compact::compact_len(&count)).map_err(|_| "a list is too long")
}
