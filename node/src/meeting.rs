//! Where validators are: each says so over the storage network, and whoever hears it agrees with it, or follows it. A node
//! that knows any storage peer has to be told no consensus port.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use consensus::{Announcement, ConsensusPeers};
use dsn::{Acceptance, GossipError, Multiaddr};
use parity_scale_codec::Encode;
use parking_lot::Mutex;
use runtime::crypto::{KeyPair, PeerKey, PublicKey};
use runtime::types::Text;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::chain::{Chain, clock_ms, next_validators};

/// How often a validator says where it is; also when somebody listens who did not.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(15);
/// An announcement that follows the last one of its validator sooner is not heard.
const APART: Duration = Duration::from_secs(1);
/// So far clocks may be apart.
const AHEAD_MAX: Duration = Duration::from_secs(60);
/// Later, an announcement is no news.
const AGE_MAX: Duration = Duration::from_secs(60 * 60);
/// Changes that wait for the engine.
const CHANGES_MAX: usize = 128;
/// A node that depends on others is told if it has met nobody by then.
const MEETS_WITHIN: Duration = Duration::from_secs(30);

/// Hears where validators are.
pub struct Meeting {
    chain: Arc<Chain>,
    /// The key of this node's own validator.
    own: Option<PublicKey>,
    /// When this node started.
    since_ms: u64,
    /// When it last said where its validator is.
    own_at_ms: AtomicU64,
    /// Where another node with the same key is that started before this one.
    twin: watch::Sender<Option<String>>,
    /// By validator; no more than there are.
    known: Mutex<BTreeMap<PublicKey, Known>>,
    changes: mpsc::Sender<Change>,
}

struct Known {
    at_ms: u64,
    addresses: Vec<Text<128>>,
}

/// A validator is somewhere else.
struct Change {
    key: PublicKey,
    old: Vec<Text<128>>,
    new: Vec<Text<128>>,
}

impl Meeting {
    fn new(chain: Arc<Chain>, own: Option<PublicKey>) -> (Arc<Self>, mpsc::Receiver<Change>) {
        let (changes, heard) = mpsc::channel(CHANGES_MAX);
        let since_ms = clock_ms();
        let (own_at_ms, known, twin) = (AtomicU64::new(since_ms), Mutex::default(), watch::Sender::new(None));
        (Arc::new(Self { chain, own, since_ms, own_at_ms, twin, known, changes }), heard)
    }

    /// Resolves if another node votes with this one's key, and was there first; says where it is.
    pub fn twin(&self) -> impl Future<Output = String> + use<> {
        let mut twin = self.twin.subscribe();
        async move {
            match twin.wait_for(Option::is_some).await.ok().and_then(|twin| twin.clone()) {
                Some(twin) => twin,
                None => std::future::pending().await,
            }
        }
    }

    /// Judges what a peer says is an announcement.
    pub fn hear(&self, announcement: &[u8]) -> Acceptance {
        match Announcement::read(announcement, &self.chain.ledger().genesis_hash()) {
            Ok(announcement) => self.judge(announcement, clock_ms()),
            Err(error) => {
                tracing::debug!(%error, "a peer passed it on all the same");
                Acceptance::Reject
            }
        }
    }

    fn judge(&self, announcement: Announcement, now_ms: u64) -> Acceptance {
        let Announcement { key, addresses, since_ms, at_ms, .. } = announcement;
        let is_news =
            at_ms <= now_ms.saturating_add(millis(AHEAD_MAX)) && at_ms.saturating_add(millis(AGE_MAX)) >= now_ms;
        if !is_news || !self.votes(&key) {
            return Acceptance::Ignore;
        }
        if self.own == Some(key) {
            if at_ms > self.own_at_ms.load(Ordering::Acquire) {
                self.meet_twin(&addresses, since_ms);
            }
            return Acceptance::Ignore;
        }
        let mut all = self.known.lock();
        let known = all.entry(key).or_insert(Known { at_ms: 0, addresses: Vec::new() });
        if at_ms < known.at_ms.saturating_add(millis(APART)) {
            return Acceptance::Ignore;
        }
        if known.addresses != addresses {
            let change = Change { key, old: known.addresses.clone(), new: addresses.clone() };
            if self.changes.try_send(change).is_err() {
                // It is said again.
                return Acceptance::Ignore;
            }
        }
        *known = Known { at_ms, addresses };
        Acceptance::Accept
    }

    /// Two nodes with one key contradict each other sooner or later, and are punished for it.
    fn meet_twin(&self, addresses: &[Text<128>], since_ms: u64) {
        let at = addresses.iter().map(Text::as_str).collect::<Vec<_>>().join(", ");
        tracing::error!(at, "ANOTHER NODE VOTES WITH THIS VALIDATOR'S KEY; the one that started later stops");
        if since_ms < self.since_ms {
            self.twin.send_replace(Some(at));
        }
    }

    fn votes(&self, key: &PublicKey) -> bool {
        let ledger = self.chain.ledger();
        let voters = next_validators(&ledger.state(), &ledger.head());
        voters.is_ok_and(|voters| voters.entries().iter().any(|voter| voter.consensus_key == *key))
    }
}

/// A meeting that has not begun.
pub struct Invitation {
    meeting: Arc<Meeting>,
    changes: mpsc::Receiver<Change>,
    announcer: Option<Announcer>,
}

impl Invitation {
    /// For a node that votes with `own`, and says by `announcer` where it does.
    pub fn new(chain: Arc<Chain>, own: Option<PublicKey>, announcer: Option<Announcer>) -> Self {
        let (meeting, changes) = Meeting::new(chain, own);
        Self { meeting, changes, announcer }
    }

    /// Who hears; it keeps what it hears until the meeting begins.
    pub const fn meeting(&self) -> &Arc<Meeting> {
        &self.meeting
    }

    /// Begins. `is_waiting`: without others this node stands still.
    pub fn begin(self, peers: ConsensusPeers, peer: &dsn::Peer, is_waiting: bool) -> Vec<JoinHandle<()>> {
        let Self { meeting, changes, announcer } = self;
        let announcing = announcer.map(|announcer| tokio::spawn(announcer.run(meeting, peer.clone())));
        let meeting = tokio::spawn(meet(changes, peers, is_waiting));
        announcing.into_iter().chain([meeting]).collect()
    }
}

/// Has the engine stay connected to where validators are, until it is dropped.
async fn meet(mut changes: mpsc::Receiver<Change>, peers: ConsensusPeers, is_waiting: bool) {
    let mut first = timeout(MEETS_WITHIN, changes.recv()).await;
    if first.is_err() {
        if is_waiting {
            tracing::warn!(
                "no other validator is known yet: --bootnodes names storage peers that know some, --consensus-peers names \
                 their consensus ports"
            );
        }
        first = Ok(changes.recv().await);
    }
    let mut next = first.ok().flatten();
    while let Some(Change { key, old, new }) = next {
        for address in new.iter().filter(|address| !old.contains(address)) {
            tracing::info!(validator = %key, %address, "a validator says where it is");
            if let Err(error) = peers.add(address.as_str()).await {
                tracing::warn!(%address, %error, "cannot connect to a validator");
            }
        }
        for address in old.iter().filter(|address| !new.contains(address)) {
            if let Err(error) = peers.remove(address.as_str()).await {
                tracing::warn!(%address, %error, "a validator that has moved is still looked for where it was");
            }
        }
        next = changes.recv().await;
    }
}

/// A validator that says where it is.
pub struct Announcer {
    /// Its consensus key.
    pub key: KeyPair,
    /// Where its consensus port listens.
    pub host: IpAddr,
    /// The port.
    pub port: u16,
    /// The peer there.
    pub peer_key: PeerKey,
}

impl Announcer {
    /// Says it again and again, until it is dropped.
    pub async fn run(self, meeting: Arc<Meeting>, peer: dsn::Peer) {
        let genesis = meeting.chain.ledger().genesis_hash();
        let mut listeners = peer.gossip_peers();
        let mut heard_by = *listeners.borrow_and_update();
        let mut ticks = interval(ANNOUNCE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                changed = listeners.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = *listeners.borrow_and_update();
                    if now <= std::mem::replace(&mut heard_by, now) {
                        continue;
                    }
                }
            }
            let addresses = self.addresses(&peer.external_addresses(), &peer.listen_addresses());
            let next = Instant::now() + APART;
            if !addresses.is_empty() {
                let at_ms = clock_ms();
                meeting.own_at_ms.fetch_max(at_ms, Ordering::AcqRel);
                let announcement = Announcement::sign(&genesis, &self.key, addresses, meeting.since_ms, at_ms);
                match peer.gossip_announcement(Bytes::from(announcement.encode())).await {
                    Ok(()) | Err(GossipError::NoPeers | GossipError::Off | GossipError::Stopped) => {}
                    Err(error) => tracing::warn!(%error, "cannot say where this validator is"),
                }
            }
            sleep_until(next).await;
        }
    }

    /// The consensus port on every host where others may reach it: where it listens, and where others see this node's
    /// storage peer.
    fn addresses(&self, external: &[Multiaddr], listening: &[Multiaddr]) -> Vec<Text<128>> {
        let own = format!("/{}/{}", if self.host.is_ipv4() { "ip4" } else { "ip6" }, self.host);
        let hosts_of = |addresses: &[Multiaddr]| -> Vec<String> {
            addresses.iter().filter(|address| !dsn::is_relayed(address)).filter_map(host_of).collect()
        };
        let mut hosts = match self.host {
            host if host.is_loopback() => vec![own],
            host if host.is_unspecified() => [hosts_of(external), hosts_of(listening)].concat(),
            _ => [vec![own], hosts_of(external)].concat(),
        };
        hosts.retain(|host| ip_of(host).is_none_or(|ip| ip.is_ipv4() == self.host.is_ipv4()));
        let is_loopback = |host: &String| ip_of(host).is_some_and(|ip| ip.is_loopback());
        if !hosts.iter().all(is_loopback) {
            hosts.retain(|host| !is_loopback(host));
        }
        let mut addresses = Vec::new();
        for host in hosts {
            let address = Text::new(format!("{host}/tcp/{}/p2p/{}", self.port, self.peer_key));
            addresses.extend(address.ok().filter(|address| !addresses.contains(address)));
        }
        addresses.truncate(Announcement::ADDRESSES_MAX);
        addresses
    }
}

/// `/ip4/HOST`, `/ip6/HOST` or `/dns4/HOST` at the beginning of an address.
fn host_of(address: &Multiaddr) -> Option<String> {
    let text = address.to_string();
    let mut parts = text.split('/').skip(1);
    match (parts.next()?, parts.next()?) {
        (kind @ ("ip4" | "ip6" | "dns" | "dns4" | "dns6"), host) => Some(format!("/{kind}/{host}")),
        _ => None,
    }
}

fn ip_of(host: &str) -> Option<IpAddr> {
    host.rsplit_once('/').and_then(|(_, ip)| ip.parse().ok())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
