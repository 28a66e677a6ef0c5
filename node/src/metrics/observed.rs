//! What is read from the parts when somebody asks: nothing of it is counted twice.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use dsn::{PieceService, PieceStore};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use runtime::crypto::AccountId;

use super::network;
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
    /// What its peer serves of what it has read, if it keeps that and no provider serves it.
    pub sharing: Option<PieceService>,
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
struct Served {
    provider: String,
    outcome: &'static str,
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
        network::write(&mut out, &self.peer.network_counts())?;
        self.shared(&mut out)?;
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
        let faults = [("slow", counts.slow), ("failed", counts.failed), ("lied", counts.lied)];
        out.counters("dsn_peer_faults", help, "fault", faults)
    }

    /// Bytes of pieces by where they come from: committed pieces, and those that are kept because they were read.
    fn shared(&self, out: &mut Out<'_>) -> fmt::Result {
        let services = || self.providers.iter().map(|(_, service)| service).chain(&self.sharing);
        let sum = |read: fn(&PieceService) -> u64| services().map(read).sum::<u64>();
        let served = [
            ("committed", sum(|service| service.counters().committed_bytes())),
            ("cached", sum(|service| service.counters().cached_bytes())),
        ];
        let help = "Bytes of pieces that this node gave to other peers, without the hashes between them";
        out.counters("dsn_served_bytes", help, "source", served)?;
        let reads = self.peer.reads();
        let read =
            [("committed", reads.committed_bytes()), ("cached", reads.cached_bytes()), ("own", reads.own_bytes())];
        out.counters("dsn_read_bytes", "Bytes of pieces that this node read to rebuild files", "source", read)?;
        let help = "Readers of committed pieces that were named others who had read them";
        let referrals = sum(|service| service.counters().referrals());
        out.one("dsn_referrals", help, &ConstCounter::new(referrals))?;
        let cache = services().find_map(PieceService::cache);
        let (pieces, bytes) = cache.map_or((0, 0), |cache| (count(cache.piece_count()), cache.used_bytes()));
        out.gauge("cache_pieces", "Pieces that this node keeps because it read them, whole or in part", pieces)?;
        out.gauge("cache_bytes", "Bytes that those take", bytes)?;
        let help = "Bytes that those may take";
        out.gauge("cache_limit_bytes", help, cache.map_or(0, |cache| cache.limit_bytes()))
    }

    fn stores(&self, out: &mut Out<'_>) -> fmt::Result {
        let free = fs4::available_space(&self.folder).unwrap_or(0);
        let room = |service: &PieceService| {
            let Some(store) = service.store() else { return 0 };
            let (limits, used) = (store.limits(), store.used_bytes());
            limits.quota_bytes.min(used.saturating_add(free.saturating_sub(limits.reserve_bytes)))
        };
        let all = &self.providers;
        let (gauge, counter) = (ConstGauge::new, ConstCounter::new);
        out.each("store_pieces", "Pieces that a provider keeps", gauge, all, |of| {
            of_store(of, PieceStore::piece_count)
        })?;
        let help = "Bytes of the pieces that a provider keeps";
        out.each("store_bytes", help, gauge, all, |of| of_store(of, PieceStore::used_bytes))?;
        let help = "Bytes among them that no block records yet";
        out.each("store_unrecorded_bytes", help, gauge, all, |of| of_store(of, PieceStore::unrecorded_bytes))?;
        let help = "Bytes a provider may keep: its quota, or less if the disk has less room";
        out.each("store_quota_bytes", help, gauge, all, room)?;
        let help = "Bytes of pieces that a provider read to look for damage";
        out.each("scrubbed_bytes", help, counter, all, |of| of_store(of, PieceStore::scrubbed_bytes))?;
        let help = "Pieces that a provider found damaged and gave up";
        out.each("damaged_pieces", help, counter, all, |of| of_store(of, PieceStore::damaged_count))?;
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
pub(super) struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    pub(super) fn one(&mut self, name: &str, help: &str, metric: &impl EncodeMetric) -> fmt::Result {
        metric.encode(self.0.encode_descriptor(name, help, None, metric.metric_type())?)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.one(name, help, &ConstGauge::new(value))
    }

    /// Metrics that differ in one label, gauges or counters as `metric` makes them.
    pub(super) fn labelled<M: EncodeMetric, Value: EncodeLabelValue>(
        &mut self,
        name: &str,
        help: &str,
        metric: impl Fn(u64) -> M,
        label: &'static str,
        values: impl IntoIterator<Item = (Value, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, metric(0).metric_type())?;
        values.into_iter().try_for_each(|(value, count)| metric(count).encode(family.encode_family(&[(label, value)])?))
    }

    /// Counters that differ in one label.
    pub(super) fn counters<Value: EncodeLabelValue>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl IntoIterator<Item = (Value, u64)>,
    ) -> fmt::Result {
        self.labelled(name, help, ConstCounter::new, label, values)
    }

    /// One metric of each provider.
    fn each<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        metric: impl Fn(u64) -> M,
        providers: &Providers,
        read: impl Fn(&PieceService) -> u64,
    ) -> fmt::Result {
        let values = providers.iter().map(|(account, service)| (account.to_string(), read(service)));
        self.labelled(name, help, metric, "provider", values)
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

/// Every provider has a store.
fn of_store(service: &PieceService, read: fn(&PieceStore) -> u64) -> u64 {
    service.store().map_or(0, |store| read(store))
}

pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
