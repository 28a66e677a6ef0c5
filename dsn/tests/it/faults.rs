//! A provider that is slow, lying or gone: what is put goes to a spare slot, what is got comes from the parity.

use crate::faulty::{Fault, Faulty};
use crate::hostile::{Liar, Lie};
use crate::loads::{WIDE, dead, read, segment, stored, stranger, targets};
use crate::proxy::{Link, Proxy, socket_of};
use crate::support::{GENESIS, MemorySegment, Provider, SMALL, bytes_of, config, providers};
use crate::uploads::upload;
use dsn::{Candidate, Deed, DownloadError, Peer, PeerTarget, Standing, UploadError, UploadedSegment, upload_segment};
use futures::StreamExt as _;
use pieces::ErasureCode;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

/// Far more than a fault may cost, and far less than waiting for the faulty one would take.
const IN_TIME: Duration = Duration::from_secs(40);
/// The link of a slow provider.
const SLOW: Link = Link::Slow(10_000);

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(IN_TIME, work).await.expect("it is done without waiting for the faulty one")
}

/// A client that gives nobody up by itself before a test has failed.
async fn patient() -> Peer {
    waiting_for(IN_TIME * 3).await
}

async fn waiting_for(idle: Duration) -> Peer {
    let mut patient = config(GENESIS);
    patient.timeouts.idle = idle;
    Peer::start(patient).await.unwrap()
}

/// A real provider behind a link.
fn behind(provider: &Provider) -> (Proxy, PeerTarget) {
    let proxy = Proxy::start(socket_of(&provider.target().addresses[0].to_string()));
    let target = PeerTarget { addresses: vec![proxy.multiaddr().parse().unwrap()], ..provider.target() };
    (proxy, target)
}

/// Six providers' slots: the last of the first four is `last`, and the two others are spare.
struct Six {
    good: Vec<Provider>,
    last: Candidate,
}

impl Six {
    async fn with(last: Candidate) -> Self {
        Self { good: providers(5).await, last }
    }

    fn columns(&self) -> BTreeMap<u8, Vec<Candidate>> {
        let spare = [self.good[3].candidate(4), self.good[4].candidate(5)];
        let own = |index: u8| match index {
            3 => self.last.clone(),
            index => self.good[usize::from(index)].candidate(index),
        };
        (0..4).map(|index| (index, [vec![own(index)], spare.to_vec()].concat())).collect()
    }

    /// Every column is held, and none by the last provider.
    async fn take(&self, client: &Peer, segment: &MemorySegment) -> UploadedSegment {
        let done = in_time(upload_segment(client, upload(segment.code, self.columns()), segment)).await.unwrap();
        assert_eq!(done.manifest, segment.manifest());
        assert_eq!(done.holders.iter().map(|held| held.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
        let is_last = |held: &&dsn::ColumnCommitment| held.commitment.provider == self.last.provider;
        assert!(done.holders.iter().find(is_last).is_none(), "{:?}", done.holders);
        done
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_goes_wrong_goes_to_a_spare_slot_and_the_provider_loses_its_standing() {
    for (number, fault, standing) in [
        (10, Fault::NoReply, Standing::Poor),
        (11, Fault::WrongReply, Standing::Banned),
        (12, Fault::Refuses, Standing::Good),
        (13, Fault::EndsInUnits, Standing::Poor),
        (14, Fault::NoAnswer, Standing::Poor),
        (15, Fault::WrongAnswer, Standing::Banned),
        (16, Fault::WrongPromise, Standing::Banned),
        (17, Fault::LongAnswer, Standing::Banned),
        (18, Fault::EndlessAnswer, Standing::Banned),
        (19, Fault::ShortAnswer, Standing::Poor),
    ] {
        let (faulty, client) = (Faulty::start(number, fault).await, patient().await);
        let six = Six::with(faulty.candidate(3)).await;
        let segment = MemorySegment::new(SMALL, bytes_of(number, 400_000));
        let done = six.take(&client, &segment).await;
        assert!(done.failures.iter().all(|failure| failure.slot == 3), "{fault:?}: {:?}", done.failures);
        assert_eq!(client.judged().standing(&six.last.target.peer_key), standing, "{fault:?}");
        assert_eq!(faulty.asked(), 1, "{fault:?}");
        if standing != Standing::Good {
            // Next time others are asked first.
            let again = MemorySegment::new(SMALL, bytes_of(number + 100, 400_000));
            let done = six.take(&client, &again).await;
            assert_eq!((faulty.asked(), done.failures), (1, vec![]), "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_to_a_stopped_provider_goes_to_a_spare_slot() {
    let (gone, client) = (Provider::start(9).await, patient().await);
    let six = Six::with(gone.candidate(3)).await;
    gone.peer.stop().await;
    let done = six.take(&client, &MemorySegment::new(SMALL, bytes_of(1, 400_000))).await;
    assert!(done.failures[0].reason.contains("cannot connect"), "{:?}", done.failures);
    assert_eq!(client.judged().standing(&six.last.target.peer_key), Standing::Poor);
}

/// Short pieces go into the buffers on the way at once: only the answer is late. Long ones make the others wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_or_silent_provider_is_raced_by_a_spare_slot() {
    for (link, len) in [(SLOW, 300_000), (SLOW, 30_000_000), (Link::Mute, 300_000), (Link::Mute, 30_000_000)] {
        let (provider, client) = (Provider::start(9).await, patient().await);
        let (proxy, target) = behind(&provider);
        let six = Six::with(Candidate { target, ..provider.candidate(3) }).await;
        // The connection is there before the link gets bad.
        client.have(&six.last.target, vec![]).await.unwrap();
        proxy.set(link);
        let done = six.take(&client, &MemorySegment::new(WIDE, bytes_of(1, len))).await;
        assert_eq!(done.failures, [], "{link:?}, {len} bytes: it was slow, which is no failure");
        assert_eq!(client.judged().standing(&six.last.target.peer_key), Standing::Poor);
        assert!(client.judged().counts().slow >= 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_cut_off_in_the_middle_is_replaced() {
    let (provider, client) = (Provider::start(9).await, patient().await);
    let (proxy, target) = behind(&provider);
    let six = Six::with(Candidate { target, ..provider.candidate(3) }).await;
    let segment = MemorySegment::new(WIDE, bytes_of(1, 30_000_000));
    proxy.set(Link::Slow(400_000));
    let taking = six.take(&client, &segment);
    let cutting = async {
        crate::support::wait_until(|| crate::transfer::files_in(provider.dir.path()) == 1).await;
        proxy.set(Link::Cut);
    };
    let (done, ()) = futures::join!(taking, cutting);
    assert_eq!(done.failures.iter().map(|failure| failure.slot).collect::<Vec<_>>(), [3]);
}

/// A slot that was filled under raised caps puts two pieces on one provider: it never races, but it is better than none.
#[tokio::test(flavor = "multi_thread")]
async fn a_much_too_slow_provider_is_given_up_for_a_raised_slot() {
    let (good, provider, client) = (providers(3).await, Provider::start(9).await, patient().await);
    let (proxy, target) = behind(&provider);
    client.have(&target, vec![]).await.unwrap();
    proxy.set(SLOW);
    let slow = Candidate { target, ..provider.candidate(3) };
    let raised = Candidate { raised: true, ..good[0].candidate(4) };
    let mut columns: BTreeMap<u8, Vec<_>> =
        (0..).zip(&good).map(|(index, provider)| (index, vec![provider.candidate(index)])).collect();
    columns.insert(3, vec![raised, slow]);
    let segment = MemorySegment::new(WIDE, bytes_of(1, 1_000_000));
    let done = in_time(upload_segment(&client, upload(WIDE, columns), &segment)).await.unwrap();
    assert_eq!(done.holders.iter().map(|held| held.slot).collect::<Vec<_>>(), [0, 1, 2, 4]);
    assert!(done.failures[0].reason.contains("and the others much more"), "{:?}", done.failures);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_few_providers_left_a_put_fails_at_once_and_names_them() {
    let (good, client) = (providers(3).await, patient().await);
    let (gone, full) = (Provider::start(9).await, Faulty::start(10, Fault::Refuses).await);
    let (dead, full) = (gone.candidate(3), full.candidate(4));
    gone.peer.stop().await;
    let mut columns: BTreeMap<u8, Vec<_>> =
        (0..).zip(&good).map(|(index, provider)| (index, vec![provider.candidate(index)])).collect();
    columns.insert(3, vec![dead.clone(), full.clone()]);
    let segment = MemorySegment::new(WIDE, bytes_of(1, 30_000_000));
    let error = in_time(upload_segment(&client, upload(WIDE, columns), &segment)).await.unwrap_err();
    let text = error.to_string();
    let UploadError::NoHolder { segment: 0, missing, failures } = error else { panic!("{error:?}") };
    assert_eq!((missing, failures.len()), (vec![3], 2));
    for named in [dead.provider.to_string(), full.provider.to_string(), "cannot connect".into(), "no room".into()] {
        assert!(text.contains(&named), "{named}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_few_providers_left_a_put_to_a_silent_one_ends_in_bounded_time() {
    let (good, silent) = (providers(3).await, Faulty::start(10, Fault::NoAnswer).await);
    let client = waiting_for(Duration::from_secs(3)).await;
    let mut columns: BTreeMap<u8, Vec<_>> =
        (0..).zip(&good).map(|(index, provider)| (index, vec![provider.candidate(index)])).collect();
    columns.insert(3, vec![silent.candidate(3)]);
    let segment = MemorySegment::new(WIDE, bytes_of(1, 400_000));
    let error = in_time(upload_segment(&client, upload(WIDE, columns), &segment)).await.unwrap_err();
    assert!(matches!(&error, UploadError::NoHolder { missing, .. } if missing == &[3]), "{error:?}");
    assert!(error.to_string().contains("did nothing"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_that_goes_wrong_goes_on_elsewhere_and_the_holder_loses_its_standing() {
    let (_, holders, stored) = stored(WIDE, bytes_of(3, 3_000_000)).await;
    let count = WIDE.stripe_count(3_000_000);
    for (lie, standing) in [
        (Lie::FlipInWindow(0), Standing::Banned),
        (Lie::FlipInWindow(3), Standing::Banned),
        (Lie::TooManyInWindow(0), Standing::Banned),
        (Lie::TooManyInWindow(5), Standing::Banned),
        (Lie::NotEvenHeader, Standing::Banned),
        (Lie::EndInWindow(0), Standing::Poor),
        (Lie::EndInWindow(2), Standing::Poor),
        (Lie::SilentFromTheStart, Standing::Poor),
        (Lie::SilentInWindow(1), Standing::Poor),
    ] {
        let client = patient().await;
        let liar = Liar::start(stored.pieces().swap_remove(1), lie).await;
        let mut with_liar = targets(&holders);
        with_liar[1] = stranger(liar.target());
        let got = in_time(read(&client, segment(&stored, with_liar.clone()), 0..count)).await.unwrap();
        assert!(got == stored.content, "{lie:?}");
        assert_eq!(client.judged().standing(&liar.target().peer_key), standing, "{lie:?}");
        assert_eq!(liar.asked(), 1, "{lie:?}");
        // Next time others are asked first.
        let got = in_time(read(&client, segment(&stored, with_liar), 0..count)).await.unwrap();
        assert!(got == stored.content && liar.asked() == 1, "{lie:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_silent_or_cut_off_holder_is_not_waited_for() {
    let len = 40_000_000;
    let (_, holders, stored) = stored(WIDE, bytes_of(3, len)).await;
    let count = WIDE.stripe_count(u64::try_from(len).unwrap());
    // At the second rate each window comes soon enough, but all of them would take more than a minute.
    for link in [SLOW, Link::Slow(250_000), Link::Mute, Link::Cut] {
        let (client, (proxy, target)) = (patient().await, behind(&holders[0]));
        let mut with_slow = targets(&holders);
        with_slow[0] = stranger(target.clone());
        let reader = dsn::SegmentReader::new(client.clone(), segment(&stored, with_slow)).unwrap();
        let mut stripes = reader.stripes(0..count).unwrap();
        let mut got = stripes.next().await.unwrap().unwrap().to_vec();
        proxy.set(link);
        let reading = async {
            while let Some(stripe) = stripes.next().await {
                got.extend_from_slice(&stripe.unwrap());
            }
        };
        in_time(reading).await;
        assert!(got == stored.content, "{link:?}");
        assert_eq!(client.judged().standing(&target.peer_key), Standing::Poor, "{link:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_holder_is_asked_if_nobody_else_is_left() {
    let (client, holders, stored) = stored(WIDE, bytes_of(3, 500_000)).await;
    client.judged().note(holders[0].target().peer_key, Deed::Lied);
    let mut left = targets(&holders);
    (left[1], left[2]) = (None, stranger(dead().await));
    let count = WIDE.stripe_count(500_000);
    assert!(in_time(read(&client, segment(&stored, left), 0..count)).await.unwrap() == stored.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_few_holders_left_a_get_fails_in_bounded_time_and_names_the_segment() {
    let (_, holders, stored) = stored(WIDE, bytes_of(3, 500_000)).await;
    let client = waiting_for(Duration::from_secs(3)).await;
    let silent = Liar::start(stored.pieces().swap_remove(2), Lie::SilentFromTheStart).await;
    let liar = Liar::start(stored.pieces().swap_remove(1), Lie::FlipInWindow(0)).await;
    let mut left = targets(&holders);
    left[0] = stranger(dead().await);
    (left[1], left[2]) = (stranger(liar.target()), stranger(silent.target()));
    let error = in_time(read(&client, segment(&stored, left), 0..1)).await.unwrap_err();
    assert!(matches!(error, DownloadError::NotEnough { segment: 0, live: 1, needed: 2 }), "{error:?}");
}

/// More are silent than are hedged at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_silent_holders_do_not_stop_a_reader() {
    let code = ErasureCode::new(5, 15, 4096);
    let (_, holders, stored) = stored(code, bytes_of(3, 400_000)).await;
    let (client, mut mostly_silent) = (patient().await, targets(&holders));
    let mut silent = Vec::new();
    for (holder, piece) in mostly_silent.iter_mut().zip(stored.pieces()).take(5) {
        let liar = Liar::start(piece, Lie::SilentFromTheStart).await;
        *holder = stranger(liar.target());
        silent.push(liar);
    }
    let got = in_time(read(&client, segment(&stored, mostly_silent), 0..code.stripe_count(400_000))).await.unwrap();
    assert!(got == stored.content);
}
