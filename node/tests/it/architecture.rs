//! The arrows of ARCHITECTURE.md: which crate may know which, and through which one door a library comes in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{MetadataCommand, Package};

use rules::{Dependency, impurity, out_of_its_room, refused_dependency};

mod rules;
mod source;

/// A new edge is a reviewed decision: it is made here and in ARCHITECTURE.md.
pub const EDGES: &[(&str, &[&str])] = &[
    ("pieces", &[]),
    ("runtime", &["pieces"]),
    ("chain-spec", &["runtime"]),
    ("ledger", &["chain-spec", "pieces", "runtime"]),
    ("consensus", &["chain-spec", "pieces", "runtime"]),
    ("dsn-messages", &["pieces", "runtime"]),
    ("dsn", &["chain-spec", "dsn-messages", "pieces", "runtime"]),
    ("rpc", &["chain-spec", "pieces", "runtime"]),
    ("node", &["chain-spec", "consensus", "dsn", "ledger", "pieces", "rpc", "runtime"]),
];

/// Edges that only tests have: what a crate's tests may know, and the crate may not.
const TEST_EDGES: &[(&str, &str)] = &[("chain-spec", "pieces")];

/// The stories, which run the node from outside, and what they preload into it.
const OUTSIDE: &[&str] = &["e2e", "power-cut"];

/// Package and the crates that may depend on it; `*` at the end stands for anything.
const DOORS: &[(&str, &[&str])] = &[
    ("rocksdb", &["ledger", "dsn"]),
    ("libp2p", &["dsn"]),
    ("libp2p-*", &["dsn"]),
    ("arc-malachitebft-*", &["consensus"]),
    ("ractor", &["consensus"]),
    ("jsonrpsee", &["rpc"]),
    ("jsonrpsee-*", &["rpc"]),
    ("axum", &["rpc"]),
    ("hyper", &["rpc"]),
    ("tower", &["rpc"]),
    ("s3s", &["rpc"]),
    ("reed-solomon-erasure", &["pieces"]),
    ("bao-tree", &["pieces"]),
    ("schnorrkel", &["runtime"]),
    ("merlin", &["runtime"]),
    ("ed25519-dalek", &["runtime"]),
    ("jmt", &["ledger"]),
    ("borsh", &["ledger"]),
    ("prometheus-client", &["node"]),
];

/// Dependencies of tests that go past a door: crate, package, and why.
const TEST_KEYS: &[(&str, &str, &str)] = &[
    ("chain-spec", "ed25519-dalek", "the presets' peer keys are made from their seeds"),
    ("runtime", "ed25519-dalek", "its own door"),
    ("e2e", "libp2p", "a provider that lies has a peer"),
    ("e2e", "hyper", "a router that maps ports answers over HTTP"),
    ("e2e", "libp2p-stream", "the same"),
];

/// Inside a crate, where a library (as code names it) may be named; a place is a prefix of a path.
const ROOMS: &[(&str, &[&str])] = &[
    ("rocksdb", &["ledger/src/", "dsn/src/store"]),
    ("schnorrkel", &["runtime/src/crypto"]),
    ("ed25519_dalek", &["runtime/src/crypto"]),
    ("jmt", &["ledger/src/"]),
    ("borsh", &["ledger/src/tree"]),
    ("prometheus_client", &["node/src/metrics"]),
];

/// Names that the pure crates must not have, wherever they come from.
const IMPURE_NAMES: &[&str] =
    &["SystemTime", "Instant", "tokio", "OsRng", "getrandom", "thread_rng", "HashMap", "HashSet"];

/// Modules of `std` that the pure crates must not reach into; nor may they call it by another name.
const IMPURE_STD: &[&str] = &["fs", "net", "thread", "process", "env", "std"];

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Production sources of a crate by path from the root: no tests beside the code.
pub fn crate_sources(name: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(&root().join(name).join("src"), &mut found);
    let production = found.into_iter().filter(|path| !path.ends_with("tests.rs"));
    production
        .map(|path| {
            let from_root = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            (from_root, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn packages() -> Vec<Package> {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap().packages
}

#[test]
fn crates_know_each_other_only_along_the_arrows_and_libraries_come_in_through_their_doors() {
    let mut seen = BTreeSet::new();
    for package in packages() {
        let of = package.name.as_str();
        if !OUTSIDE.contains(&of) {
            assert!(EDGES.iter().any(|(known, _)| *known == of), "{of} has no place in ARCHITECTURE.md");
            seen.insert(of.to_owned());
        }
        for dependency in &package.dependencies {
            let (name, kind, renamed) = (dependency.name.clone(), dependency.kind, dependency.rename.is_some());
            let refused = refused_dependency(of, &Dependency { name, kind, renamed });
            assert_eq!(refused, None);
        }
    }
    assert_eq!(seen.len(), EDGES.len(), "a crate of ARCHITECTURE.md is missing");
}

#[test]
fn each_library_stays_in_its_rooms() {
    for (name, _) in EDGES {
        for (path, source) in crate_sources(name) {
            let strange = out_of_its_room(&path, &source);
            assert_eq!(strange, None, "{path} names it");
        }
    }
}

#[test]
fn pieces_runtime_and_messages_are_pure() {
    for name in ["pieces", "runtime", "dsn-messages"] {
        for (path, source) in crate_sources(name) {
            assert_eq!(impurity(&source), None, "{path} names it");
        }
    }
}

#[test]
fn files_stay_short_enough_to_read() {
    for (name, _) in EDGES {
        for (path, source) in crate_sources(name) {
            let lines = source.lines().count();
            assert!(lines <= 500, "{path} has {lines} lines");
        }
    }
}
