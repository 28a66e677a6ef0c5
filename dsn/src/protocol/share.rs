//! `share`: give me this range of that piece, or name others who have read it. See [`dsn_messages::share`] for what is
//! said.

use super::Protocol;
use super::get::{self, Found, GetError, Missing, SliceStream};
use super::wire::{Wire, WireError};
use crate::net::{Peer, PeerTarget};
use crate::service::{PieceService, Served};
use dsn_messages::get::GetRequest;
use dsn_messages::share::{SHARERS_NAMED_MAX, ShareRequest, Sharer, are_addresses};
use dsn_messages::{Refusal, RefusalCode};
use libp2p::{Multiaddr, PeerId, identity};
use runtime::crypto::PeerKey;

pub(crate) use dsn_messages::share::{SHARER_ADDRESS_BYTES_MAX, SHARER_ADDRESSES_MAX, ShareReply};

/// What a holder does when it is asked so.
#[derive(Debug)]
pub(crate) enum Shared {
    /// It gives what was asked for.
    Here(SliceStream),
    /// It names others.
    Elsewhere(Vec<PeerTarget>),
}

impl Peer {
    /// As [`get_in_windows`](Self::get_in_windows), with the promise to serve at `addresses` what is read.
    pub(crate) async fn share(
        &self,
        target: &PeerTarget,
        get: GetRequest,
        addresses: Vec<Vec<u8>>,
    ) -> Result<Shared, GetError> {
        let mut slices = SliceStream::open(self, target, Protocol::Share, get).await?;
        match slices.ask(&ShareRequest { get, addresses }).await? {
            ShareReply::Found => Ok(Shared::Here(slices)),
            ShareReply::NotFound => Err(slices.not_found()),
            ShareReply::Refused(refusal) => Err(slices.refused(refusal)),
            ShareReply::Elsewhere { sharers } => {
                let sharers = sharers.into_iter().take(SHARERS_NAMED_MAX);
                Ok(Shared::Elsewhere(sharers.filter_map(target_of).collect()))
            }
        }
    }

    /// Where others can be told to find this peer, in bytes; none if they cannot.
    pub(crate) fn shared_addresses(&self) -> Vec<Vec<u8>> {
        let addresses = self.told_addresses();
        let short = addresses.iter().map(Multiaddr::to_vec).filter(|bytes| bytes.len() <= SHARER_ADDRESS_BYTES_MAX);
        short.take(SHARER_ADDRESSES_MAX).collect()
    }
}

/// A peer that was named, if it can be asked at all.
fn target_of(Sharer { peer_key, addresses }: Sharer) -> Option<PeerTarget> {
    let addresses = read_addresses(addresses)?;
    Some(PeerTarget { peer_key: PeerKey::from_bytes(peer_key), addresses })
}

fn read_addresses(addresses: Vec<Vec<u8>>) -> Option<Vec<Multiaddr>> {
    if !are_addresses(&addresses) {
        return None;
    }
    addresses.into_iter().map(|address| Multiaddr::try_from(address).ok()).collect()
}

/// Answers one request. Only a piece of the store has readers that are named to each other: whoever has it in its cache
/// gives it.
pub(crate) async fn serve(wire: &mut Wire, service: &PieceService, peer: PeerId) -> Result<Served, WireError> {
    let ShareRequest { get, addresses } = wire.receive().await?;
    let (Some(addresses), Some(key)) = (read_addresses(addresses), key_of(&peer)) else {
        let refusal = Refusal::new(RefusalCode::OutOfBounds, "these are no addresses of a peer");
        wire.send(&ShareReply::Refused(refusal)).await?;
        return Ok(Served::Refused);
    };
    let found = match get::find(get, service).await {
        Ok(found) => found,
        Err(missing) => {
            let reply = match missing {
                Missing::NotFound => ShareReply::NotFound,
                Missing::Refused(refusal) => ShareReply::Refused(refusal),
            };
            wire.send(&reply).await?;
            return Ok(Served::Refused);
        }
    };
    if matches!(found, Found::Held(_)) {
        let named = service.named_to(key, get.piece_hash, addresses);
        if !named.is_empty() {
            wire.send(&ShareReply::Elsewhere { sharers: named.iter().map(sharer).collect() }).await?;
            return Ok(Served::Done { bytes: 0 });
        }
    }
    wire.send(&ShareReply::Found).await?;
    get::give(wire, service, peer, get, found).await
}

fn sharer(target: &PeerTarget) -> Sharer {
    let addresses = target.addresses.iter().map(Multiaddr::to_vec).collect();
    Sharer { peer_key: *target.peer_key.as_bytes(), addresses }
}

/// The key that a peer has proved; its id holds it.
fn key_of(peer: &PeerId) -> Option<PeerKey> {
    let key = identity::PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok()?;
    Some(PeerKey::from_bytes(key.try_into_ed25519().ok()?.to_bytes()))
}
