//! What is read from the parts when somebody asks: nothing of it is counted twice.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use dsn::PieceService;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use runtime::crypto::AccountId;

use crate::chain::Chain;
use crate::traffic::Traffic;

/// The parts that metrics are read from.
pub struct Observed {
    /// Blocks and waiting transactions.
    pub chain: Arc<Chain>,
    /// This node's peer in the storage network.
    pub peer: dsn::Peer,
    /// Its providers, with their pieces.
    pub providers: Vec<(AccountId, PieceService)>,
    /// Bytes of clients.
    pub traffic: Arc<Traffic>,
    /// On the disk whose room is shown.
    pub folder: PathBuf,
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observed")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfProvider {
    provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Served {
    provider: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFault {
    fault: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

impl Collector for Observed {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        let build = Info::new(Build { version: env!("CARGO_PKG_VERSION") });
        out.one("build", "The program", &build)?;
        self.blocks(&mut out)?;
        self.network(&mut out)?;
        self.stores(&mut out)
    }
}

impl Observed {
    fn blocks(&self, out: &mut Out<'_>) -> fmt::Result {
        let head = self.chain.ledger().head();
        let time = std::time::Duration::from_millis(head.header.timestamp_ms).as_secs_f64();
        out.gauge("block_height", "Height of the last committed block", head.header.height)?;
        out.gauge("block_epoch", "Epoch of the last committed block", u64::from(head.header.epoch))?;
        out.one("block_timestamp_seconds", "Time of the last committed block, since 1970", &ConstGauge::new(time))?;
        let mempool = self.chain.mempool();
        out.gauge("mempool_transactions", "Transactions that wait for a block", count(mempool.len()))?;
        out.gauge("mempool_bytes", "Bytes of the transactions that wait for a block", count(mempool.bytes()))
    }

    fn network(&self, out: &mut Out<'_>) -> fmt::Result {
        let peers = count(self.peer.peer_count());
        out.gauge("dsn_peers", "Peers in the storage network that this node's peer is connected to", peers)?;
        self.judged(out)?;
        let traffic = self.traffic.read();
        let help = "Bytes of files that clients sent";
        out.one("client_received_bytes", help, &ConstCounter::new(traffic.received))?;
        out.one("client_sent_bytes", "Bytes of files that clients were given", &ConstCounter::new(traffic.served))?;
        // A disk that cannot be asked shows as full, which is what somebody should look at.
        let free = fs4::available_space(&self.folder).unwrap_or(0);
        out.gauge("disk_free_bytes", "Free bytes on the disk of the base path", free)
    }

    fn judged(&self, out: &mut Out<'_>) -> fmt::Result {
        let (marked, counts) = (self.peer.judged().marked(), self.peer.judged().counts());
        let help = "Peers that are asked after others, because they were slow, broke off, or could not be reached";
        out.gauge("dsn_peers_poor", help, count(marked.poor))?;
        let help = "Peers that are asked last for a while, because they sent what is wrong";
        out.gauge("dsn_peers_banned", help, count(marked.banned))?;
        let help = "What peers did wrong when pieces were put to them or got from them";
        let mut family = out.0.encode_descriptor("dsn_peer_faults", help, None, MetricType::Counter)?;
        [("slow", counts.slow), ("failed", counts.failed), ("lied", counts.lied)]
            .into_iter()
            .try_for_each(|(fault, count)| ConstCounter::new(count).encode(family.encode_family(&OfFault { fault })?))
    }

    fn stores(&self, out: &mut Out<'_>) -> fmt::Result {
        let free = fs4::available_space(&self.folder).unwrap_or(0);
        let room = |service: &PieceService| {
            let (limits, used) = (service.store().limits(), service.store().used_bytes());
            limits.quota_bytes.min(used.saturating_add(free.saturating_sub(limits.reserve_bytes)))
        };
        let all = &self.providers;
        let (gauge, counter) = (ConstGauge::new, ConstCounter::new);
        out.each("store_pieces", "Pieces that a provider keeps", gauge, all, |of| of.store().piece_count())?;
        out.each("store_bytes", "Bytes of the pieces that a provider keeps", gauge, all, |of| of.store().used_bytes())?;
        let help = "Bytes among them that no block records yet";
        out.each("store_unrecorded_bytes", help, gauge, all, |of| of.store().unrecorded_bytes())?;
        let help = "Bytes a provider may keep: its quota, or less if the disk has less room";
        out.each("store_quota_bytes", help, gauge, all, room)?;
        let help = "Bytes of pieces that a provider read to look for damage";
        out.each("scrubbed_bytes", help, counter, all, |of| of.store().scrubbed_bytes())?;
        let help = "Pieces that a provider found damaged and gave up";
        out.each("damaged_pieces", help, counter, all, |of| of.store().damaged_count())?;
        let help = "Pieces that peers put to a provider";
        out.served("pieces_put", help, all, |of| of.counters().puts())?;
        let help = "Ranges of pieces that peers got from a provider";
        out.served("pieces_got", help, all, |of| of.counters().gets())?;
        let help = "Bytes of pieces that a provider was put";
        out.each("piece_received_bytes", help, counter, all, |of| of.counters().puts().bytes)?;
        let help = "Bytes of pieces that a provider gave, without the hashes between them";
        out.each("piece_sent_bytes", help, counter, all, |of| of.counters().gets().bytes)
    }
}

type Providers = [(AccountId, PieceService)];

/// Writes metrics with their names.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn one(&mut self, name: &str, help: &str, metric: &impl EncodeMetric) -> fmt::Result {
        metric.encode(self.0.encode_descriptor(name, help, None, metric.metric_type())?)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.one(name, help, &ConstGauge::new(value))
    }

    /// One metric of each provider, a gauge or a counter as `metric` makes it.
    fn each<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        metric: impl Fn(u64) -> M,
        providers: &Providers,
        read: impl Fn(&PieceService) -> u64,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, metric(0).metric_type())?;
        providers.iter().try_for_each(|(account, service)| {
            let labels = OfProvider { provider: account.to_string() };
            metric(read(service)).encode(family.encode_family(&labels)?)
        })
    }

    fn served(
        &mut self,
        name: &str,
        help: &str,
        providers: &Providers,
        read: impl Fn(&PieceService) -> dsn::Counted,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (account, service) in providers {
            let counted = read(service);
            let provider = account.to_string();
            for (outcome, count) in [("ok", counted.done), ("refused", counted.refused), ("failed", counted.broken)] {
                let labels = Served { provider: provider.clone(), outcome };
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
