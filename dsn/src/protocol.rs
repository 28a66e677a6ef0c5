//! The wire protocols: what two peers say to each other on a stream.
//!
//! Every protocol is one request on a stream of its own. The messages are those of [`dsn_messages`].

pub mod get;
pub mod have;
pub mod put;
pub(crate) mod share;
pub mod wire;

use libp2p::StreamProtocol;
use runtime::types::BlockHash;

/// One of the protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Give a piece to a provider.
    Put,
    /// Read a range of a piece.
    Get,
    /// Read a range of a piece and pass it on.
    Share,
    /// Ask which pieces a provider holds.
    Have,
}

const PROTOCOLS: [Protocol; 4] = [Protocol::Put, Protocol::Get, Protocol::Share, Protocol::Have];

/// The names of the protocols on one chain: `/piecewise/<genesis hash>/put/1`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProtocolNames {
    put: StreamProtocol,
    get: StreamProtocol,
    share: StreamProtocol,
    have: StreamProtocol,
}

impl ProtocolNames {
    pub(crate) fn new(genesis: &BlockHash) -> Self {
        let name = |verb: &str| {
            StreamProtocol::try_from_owned(format!("/piecewise/{genesis}/{verb}/1")).expect("it starts with a slash")
        };
        Self { put: name("put"), get: name("get"), share: name("share"), have: name("have") }
    }

    pub(crate) fn name(&self, protocol: Protocol) -> StreamProtocol {
        match protocol {
            Protocol::Put => self.put.clone(),
            Protocol::Get => self.get.clone(),
            Protocol::Share => self.share.clone(),
            Protocol::Have => self.have.clone(),
        }
    }

    pub(crate) fn all(&self) -> Vec<StreamProtocol> {
        PROTOCOLS.map(|protocol| self.name(protocol)).into()
    }

    pub(crate) fn protocol(&self, name: &StreamProtocol) -> Option<Protocol> {
        PROTOCOLS.into_iter().find(|protocol| self.name(*protocol) == *name)
    }
}
