//! Whom a node talks to, and where it can be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use chain_spec::ChainType;
use clap::Args;
use dsn::Multiaddr;

use super::limits::Limit;

/// Flags of the two networks: consensus, and storage.
#[derive(Clone, Debug, Args)]
pub struct NetworkArgs {
    /// TCP port of the consensus engine; 0 = any free one.
    #[arg(long, value_name = "PORT", default_value_t = 30_333)]
    pub port: u16,
    /// Port of this node's storage network peer, for TCP and for QUIC; 0 = any free one.
    #[arg(long, value_name = "PORT", default_value_t = 30_433)]
    pub dsn_port: u16,
    /// Where to listen: an IP address, for both networks on their ports, or a multiaddress with a port, for the storage
    /// network alone. May be given several times; consensus takes the first IP address. Without it: loopback on dev and
    /// local chains, all addresses of the host on others.
    #[arg(long, value_name = "ADDR")]
    pub listen_addr: Vec<ListenAddress>,
    /// A multiaddress under which others reach this node's storage network peer, if it is not one that it listens on.
    /// May be given several times.
    #[arg(long, value_name = "ADDR")]
    pub public_addr: Vec<Multiaddr>,
    /// Storage network peers to meet others through, each ending in /p2p/PEER-ID, beside those of the chain spec.
    #[arg(long, value_name = "ADDR", num_args = 1.., value_delimiter = ',')]
    pub bootnodes: Vec<Multiaddr>,
    /// Storage network peers to stay connected to, each ending in /p2p/PEER-ID.
    #[arg(long, value_name = "ADDR", num_args = 1.., value_delimiter = ',')]
    pub reserved_nodes: Vec<Multiaddr>,
    /// Find storage network peers on the same link, and be found there. On by itself on local chains.
    #[arg(long)]
    pub mdns: bool,
    /// Do not, on a local chain.
    #[arg(long, conflicts_with = "mdns")]
    pub no_mdns: bool,
    /// Take no part in the table by which storage network peers find each other.
    #[arg(long)]
    pub no_kademlia: bool,
    /// Be a point where storage network peers meet that know nobody yet: the tracker of other networks.
    #[arg(long)]
    pub rendezvous_server: bool,
    /// Such points to register with and to ask, each ending in /p2p/PEER-ID.
    #[arg(long, value_name = "ADDR", num_args = 1.., value_delimiter = ',')]
    pub rendezvous: Vec<Multiaddr>,
    /// Find out from other peers whether this one is reached from outside, and tell them the same. On by itself on chains
    /// that are neither dev nor local.
    #[arg(long)]
    pub autonat: bool,
    /// Ask the router to map a port to the storage network's.
    #[arg(long)]
    pub upnp: bool,
    /// Pass on the connections of peers that are not reached from outside.
    #[arg(long)]
    pub relay_server: bool,
    /// Such peers to be reached through, each ending in /p2p/PEER-ID. Connections get rid of them where there is a way.
    #[arg(long, value_name = "ADDR", num_args = 1.., value_delimiter = ',')]
    pub relays: Vec<Multiaddr>,
    /// Dial nobody but --relays, and everybody else through them, listen nowhere, and be another peer in each run, so that
    /// holders do not see who reads. Consensus is not hidden.
    #[arg(
        long, requires = "relays",
        conflicts_with_all = ["provider", "dev_provider", "relay_server", "rendezvous_server", "public_addr", "upnp"]
    )]
    pub relay_only: bool,
    /// On a chain that is neither dev nor local: dial private addresses too, as in a network within one organization.
    #[arg(long)]
    pub private_addresses: bool,
    /// Nodes to agree with and to follow: their consensus ports, each as /ip4/HOST/tcp/PORT/p2p/PEER-ID, beside those of
    /// the chain spec and those that validators announce over the storage network.
    #[arg(long, value_name = "ADDR", num_args = 1.., value_delimiter = ',')]
    pub consensus_peers: Vec<String>,
    /// Cut off whoever comes to the consensus port and is not one of --consensus-peers, announce no port and hear of none:
    /// for a validator whose peers are its own nodes.
    #[arg(long)]
    pub consensus_peers_only: bool,
    /// A limit of one of the two networks other than the built-in one, as connections_in=500; docs/limits.md has the names. May be
    /// given several times.
    #[arg(long = "limit", value_name = "NAME=NUMBER")]
    pub limits: Vec<Limit>,
    /// Have the storage network peers of this process use sockets among themselves too, as if each had a machine of its
    /// own; without it they meet in memory.
    #[arg(long)]
    pub dsn_sockets_only: bool,
    /// Secret of this node's storage network peer, 32 bytes of hex; one is made and kept if not given.
    #[arg(long, value_name = "FILE")]
    pub node_key_file: Option<PathBuf>,
}

/// A host to listen on, or a whole address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// Both networks, each on its port.
    Host(IpAddr),
    /// The storage network, exactly here.
    Exact(Multiaddr),
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(host) = text.parse() {
            return Ok(Self::Host(host));
        }
        let address: Multiaddr =
            text.parse().map_err(|error| format!("neither an IP address nor a multiaddress: {error}"))?;
        let host = text.strip_prefix("/ip4/").or_else(|| text.strip_prefix("/ip6/"));
        Ok(host.and_then(|host| host.parse().ok()).map_or(Self::Exact(address), Self::Host))
    }
}

impl NetworkArgs {
    /// A flag that makes sense only among several nodes.
    pub fn asks_for_others(&self) -> Option<&'static str> {
        let lists = [
            ("--bootnodes", &self.bootnodes),
            ("--reserved-nodes", &self.reserved_nodes),
            ("--rendezvous", &self.rendezvous),
            ("--relays", &self.relays),
        ];
        let flags = [
            ("--mdns", self.mdns),
            ("--rendezvous-server", self.rendezvous_server),
            ("--autonat", self.autonat),
            ("--upnp", self.upnp),
            ("--relay-server", self.relay_server),
        ];
        let given = lists.into_iter().map(|(flag, addresses)| (flag, !addresses.is_empty())).chain(flags);
        given.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    /// Whether peers on the same link are looked for.
    pub fn finds_by_mdns(&self, chain: ChainType) -> bool {
        self.mdns || (chain == ChainType::Local && !self.no_mdns && !self.relay_only)
    }

    /// Hosts that both networks listen on: those given; without any, all of the host if it `is_public`, else loopback.
    pub fn hosts(&self, is_public: bool, has_ipv6: bool) -> Vec<IpAddr> {
        if !self.listen_addr.is_empty() {
            let given = self.listen_addr.iter().filter_map(|address| match address {
                ListenAddress::Host(host) => Some(*host),
                ListenAddress::Exact(_) => None,
            });
            return given.collect();
        }
        let (v4, v6) = match is_public {
            true => (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
            false => (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
        };
        let v6 = has_ipv6.then_some(IpAddr::V6(v6));
        [IpAddr::V4(v4)].into_iter().chain(v6).collect()
    }

    /// Whole addresses that the storage network listens on beside those hosts.
    pub fn exact(&self) -> Vec<Multiaddr> {
        let given = self.listen_addr.iter().filter_map(|address| match address {
            ListenAddress::Host(_) => None,
            ListenAddress::Exact(address) => Some(address.clone()),
        });
        given.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::ListenAddress;

    #[test]
    fn an_address_to_listen_on_is_a_host_or_a_whole_address() {
        let host = |text: &str| Ok(ListenAddress::Host(text.parse().expect("an IP address")));
        assert_eq!("0.0.0.0".parse(), host("0.0.0.0"));
        assert_eq!("/ip4/10.0.0.1".parse(), host("10.0.0.1"));
        assert_eq!("/ip6/::1".parse(), host("::1"));
        let exact = "/ip4/127.0.0.1/udp/30433/quic-v1";
        assert_eq!(exact.parse(), Ok(ListenAddress::Exact(exact.parse().expect("a multiaddress"))));
        assert!("somewhere".parse::<ListenAddress>().is_err());
    }
}
