//! The arrows of ARCHITECTURE.md: which crate may know which, and through which one door a library comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// A new edge is a reviewed decision: it is made here and in ARCHITECTURE.md.
const EDGES: &[(&str, &[&str])] = &[
    ("pieces", &[]),
    ("runtime", &["pieces"]),
    ("chain-spec", &["pieces", "runtime"]),
    ("ledger", &["chain-spec", "pieces", "runtime"]),
    ("consensus", &["chain-spec", "pieces", "runtime"]),
    ("dsn", &["chain-spec", "pieces", "runtime"]),
    ("rpc", &["chain-spec", "pieces", "runtime"]),
    ("node", &["chain-spec", "consensus", "dsn", "ledger", "pieces", "rpc", "runtime"]),
];

/// Package and the crates that may depend on it; `*` at the end stands for anything.
const DOORS: &[(&str, &[&str])] = &[
    ("rocksdb", &["ledger", "dsn"]),
    ("libp2p", &["dsn"]),
    ("libp2p-*", &["dsn"]),
    ("arc-malachitebft-*", &["consensus"]),
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
    ("jmt", &["ledger", "runtime"]),
    ("prometheus-client", &["node"]),
];

/// Dependencies of tests that go past a door: crate, package, and why.
const TEST_KEYS: &[(&str, &str, &str)] = &[
    ("chain-spec", "ed25519-dalek", "the presets' peer keys are made from their seeds"),
    ("runtime", "ed25519-dalek", "its own door"),
];

/// Inside a crate, where a library (as code names it) may be named; a place is a prefix of a path.
const ROOMS: &[(&str, &[&str])] = &[
    ("rocksdb", &["ledger/src/", "dsn/src/store"]),
    ("schnorrkel", &["runtime/src/crypto"]),
    ("ed25519_dalek", &["runtime/src/crypto"]),
    ("jmt", &["ledger/src/", "runtime/src/light.rs"]),
    ("prometheus_client", &["node/src/metrics"]),
];

/// What the pure crates must not reach for.
const IMPURE: &[&str] = &[
    "std::time::SystemTime",
    "std::time::Instant",
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "tokio",
    "OsRng",
    "getrandom::",
    "thread_rng",
    "HashMap",
    "HashSet",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
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
fn crate_sources(name: &str) -> Vec<(String, String)> {
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

fn without_comments(source: &str) -> String {
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn packages() -> Vec<Package> {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap().packages
}

#[test]
fn crates_know_each_other_only_along_the_arrows() {
    let crates: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for package in packages() {
        let Some(allowed) = crates.get(package.name.as_str()) else {
            assert_eq!(package.name.as_str(), "e2e", "a crate without a place in ARCHITECTURE.md");
            continue;
        };
        seen.insert(package.name.to_string());
        for dependency in package.dependencies.iter().filter(|known| crates.contains_key(known.name.as_str())) {
            assert!(allowed.contains(&dependency.name.as_str()), "{} must not know {}", package.name, dependency.name);
        }
    }
    assert_eq!(seen.len(), EDGES.len(), "a crate of ARCHITECTURE.md is missing");
}

#[test]
fn each_library_comes_in_through_its_one_door() {
    for package in packages() {
        for dependency in &package.dependencies {
            let doors = DOORS.iter().filter(|(name, _)| match name.strip_suffix('*') {
                Some(prefix) => dependency.name.starts_with(prefix),
                None => dependency.name == *name,
            });
            let crate_name = package.name.as_str();
            let of_test = dependency.kind == DependencyKind::Development
                && TEST_KEYS
                    .iter()
                    .any(|(name, library, _)| (crate_name, dependency.name.as_str()) == (*name, *library));
            for (_, crates) in doors {
                assert!(of_test || crates.contains(&crate_name), "{crate_name} depends on {}", dependency.name);
            }
        }
    }
}

#[test]
fn each_library_stays_in_its_rooms() {
    for (name, _) in EDGES {
        for (path, source) in crate_sources(name) {
            let source = without_comments(&source);
            for (library, places) in ROOMS {
                let named = [format!("{library}::"), format!("use {library};")];
                let names_it = named.iter().any(|text| source.contains(text.as_str()));
                let allowed = places.iter().any(|place| path.starts_with(place));
                assert!(allowed || !names_it, "{path} names {library}; its room is {places:?}");
            }
        }
    }
}

#[test]
fn pieces_and_runtime_are_pure() {
    for name in ["pieces", "runtime"] {
        for (path, source) in crate_sources(name) {
            let source = without_comments(&source);
            for word in IMPURE {
                assert!(!source.contains(word), "{path} names {word}");
            }
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
