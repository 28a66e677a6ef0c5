#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{Host, Pending, host_of};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn v4(number: u8) -> Host {
    host_of(&format!("/ip4/192.0.2.{number}/tcp/1").parse().unwrap())
}

#[test]
fn a_host_has_its_share_and_its_oldest_gives_way_to_its_newest() {
    let mut pending = Pending::new(10, 2);
    let of = |address: &str| host_of(&address.parse().unwrap());
    assert_eq!(pending.enter(of("/ip4/192.0.2.1/tcp/1"), "a").1, None);
    let second = pending.enter(of("/ip4/192.0.2.1/tcp/2"), "b");
    assert_eq!(second.1, None);
    assert_eq!(pending.enter(of("/ip4/192.0.2.1/udp/3/quic-v1"), "c").1, Some("a"), "over whatever it comes");
    assert_eq!(pending.enter(of("/ip4/192.0.2.2/tcp/1"), "d").1, None);
    assert_eq!(pending.enter(of("/ip6/2001:db8::1/tcp/1"), "e").1, None);
    assert_eq!(pending.enter(of("/ip6/2001:db8::2/tcp/1"), "f").1, None);
    assert_eq!(pending.enter(of("/ip6/2001:db8::3/tcp/1"), "g").1, Some("e"), "the same 64 bits");
    assert_eq!(pending.enter(of("/ip6/2001:db8:0:1::3/tcp/1"), "h").1, None);
    // What comes through relays has no host of its own here, and no share.
    for _ in 0..3 {
        assert_eq!(pending.enter(of("/p2p-circuit"), "i").1, None);
    }
    assert_eq!(pending.leave(of("/ip4/192.0.2.1/tcp/9"), second.0), Some("b"));
    assert_eq!(pending.leave(of("/ip4/192.0.2.1/tcp/9"), second.0), None, "it has left already");
    assert_eq!(pending.enter(of("/ip4/192.0.2.1/tcp/9"), "j").1, None, "one has ended");
}

#[test]
fn whoever_makes_one_is_not_pushed_out_by_hosts_that_make_more() {
    let mut pending = Pending::new(128, 64);
    (0..2 * 64).for_each(|number| assert_eq!(pending.enter(v4(number % 100), false).1, None));
    let honest = v4(200);
    assert_eq!(pending.enter(honest, true).1, Some(false));
    for round in 0..100_000_u32 {
        let number = u8::try_from(round % 127).unwrap();
        assert_eq!(pending.enter(v4(number), false).1, Some(false), "{round}");
    }
    assert_eq!(pending.count, 128);
}

#[test]
fn with_more_hosts_than_places_everybody_has_as_long_as_it_takes_all_the_others_to_come() {
    let mut pending = Pending::new(4, 2);
    let given: Vec<_> = (0..12).map(|number| pending.enter(v4(number), number).1).collect();
    let expected: Vec<_> = (0..12_u8).map(|number| number.checked_sub(4)).collect();
    assert_eq!(given, expected);
}

proptest! {
    #[test]
    fn there_are_never_more_than_allowed_and_the_newest_is_always_among_them(
        all_max in 0_u32..12, per_host in 0_u32..6, steps in prop::collection::vec((0_u8..8, any::<bool>(), any::<prop::sample::Index>()), 0..200),
    ) {
        let mut pending = Pending::new(all_max, per_host);
        // Who is in, in the order in which they came, as somebody with less to look after would keep it.
        let mut inside: Vec<(Host, u64)> = Vec::new();
        for (host, leaves, which) in steps {
            let host = (host > 0).then(|| v4(host)).flatten();
            if leaves && !inside.is_empty() {
                let (host, number) = inside.remove(which.index(inside.len()));
                prop_assert!(pending.leave(host, number).is_some() && pending.leave(host, number).is_none());
                continue;
            }
            let count = |of: Host| inside.iter().filter(|(host, _)| *host == of).count();
            let with = |of: Host| count(of) + usize::from(of == host);
            let most = inside.iter().map(|(of, _)| with(*of)).max().unwrap_or_default();
            let (own, all) = (count(host), inside.len());
            let is_full = all >= usize::try_from(all_max.max(1)).unwrap();
            let has_share = host.is_some() && own >= usize::try_from(per_host.max(1)).unwrap();
            let expected = match (has_share, is_full) {
                (true, _) => inside.iter().position(|(of, _)| *of == host),
                (false, true) => inside.iter().position(|(of, _)| with(*of) == most),
                (false, false) => None,
            };
            let (number, given) = pending.enter(host, ());
            prop_assert_eq!(given.is_some(), expected.is_some());
            expected.map(|at| inside.remove(at));
            inside.push((host, number));
            let held: BTreeSet<_> = pending.hosts.values().flat_map(|of_host| of_host.keys().copied()).collect();
            prop_assert_eq!(held, inside.iter().map(|(_, number)| *number).collect::<BTreeSet<_>>());
            prop_assert_eq!(pending.count, inside.len());
            prop_assert!(pending.count <= usize::try_from(all_max.max(1)).unwrap());
            prop_assert!(pending.hosts.values().all(|of_host| !of_host.is_empty()));
        }
    }
}
