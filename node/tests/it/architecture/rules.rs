//! The rules themselves, on plain data: each is shown to refuse something by a small text.

use cargo_metadata::DependencyKind;

use super::source::tokens;
use super::{DOORS, EDGES, IMPURE_NAMES, IMPURE_STD, OUTSIDE, ROOMS, TEST_EDGES, TEST_KEYS};

/// One line of a crate's list of dependencies.
pub struct Dependency {
    pub name: String,
    pub kind: DependencyKind,
    pub renamed: bool,
}

/// Why a crate must not have a dependency, if it must not. What a test needs is not what the crate knows, and what a
/// build script needs is.
pub fn refused_dependency(of: &str, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    let of_test = dependency.kind == DependencyKind::Development;
    if EDGES.iter().any(|(known, _)| *known == name) {
        let edges = EDGES.iter().find(|(known, _)| *known == of).map_or(&[][..], |(_, edges)| edges);
        // What runs the node from outside knows what it likes; libraries have their doors for it too.
        if OUTSIDE.contains(&of) {
            return None;
        }
        let of_test = of_test && TEST_EDGES.contains(&(of, name));
        return (!edges.contains(&name) && !of_test).then(|| format!("{of} must not know {name}"));
    }
    if dependency.renamed && ROOMS.iter().any(|(library, _)| library.replace('_', "-") == name) {
        return Some(format!("{of} renames {name}, so that its rooms cannot be seen"));
    }
    let door = DOORS.iter().filter(|(library, _)| match library.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => *library == name,
    });
    let of_test = of_test && TEST_KEYS.iter().any(|(known, library, _)| (*known, *library) == (of, name));
    let refused = door.filter(|(_, crates)| !crates.contains(&of)).count() > 0;
    (refused && !of_test).then(|| format!("{of} depends on {name}, whose door is elsewhere"))
}

/// A library that the source at `path` names outside its rooms, in whatever way.
pub fn out_of_its_room(path: &str, source: &str) -> Option<&'static str> {
    let tokens = tokens(source);
    let names = |library: &str| tokens.iter().any(|token| token == library);
    let strange = |places: &[&str]| !places.iter().any(|place| path.starts_with(place));
    ROOMS.iter().find(|(library, places)| strange(places) && names(library)).map(|(library, _)| *library)
}

/// What a pure crate's source names and must not.
pub fn impurity(source: &str) -> Option<String> {
    let tokens = tokens(source);
    let named = tokens.iter().find(|token| IMPURE_NAMES.contains(&token.as_str()));
    named.cloned().or_else(|| of_std(&tokens).into_iter().find(|name| IMPURE_STD.contains(&name.as_str())))
}

/// The first names behind `std::`, those in braces too; `std` itself if it gets another name.
fn of_std(tokens: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in tokens.iter().enumerate().filter(|(_, token)| *token == "std") {
        match &tokens[at + 1..] {
            [a, b, brace, group @ ..] if [a, b] == [":", ":"] && brace == "{" => found.extend(group_names(group)),
            [a, b, name, ..] if [a, b] == [":", ":"] => found.push(name.clone()),
            [word, ..] if word == "as" => found.push("std".into()),
            _ => {}
        }
    }
    found
}

/// The first name of each path in a group, behind its opening brace.
fn group_names(group: &[String]) -> Vec<String> {
    let mut depth = 1;
    let mut begins = true;
    let mut found = Vec::new();
    for token in group {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            "," if depth == 1 => begins = true,
            name if begins && depth == 1 => {
                found.push(name.to_owned());
                begins = false;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn an_edge_or_a_door_of_tests_is_none_of_the_crate() {
    use DependencyKind::{Build, Development, Normal};
    let cases = [
        ("chain-spec", "runtime", Normal, false, true),
        ("chain-spec", "pieces", Development, false, true),
        ("chain-spec", "pieces", Normal, false, false),
        ("chain-spec", "pieces", Build, false, false),
        ("chain-spec", "ledger", Development, false, false),
        ("pieces", "runtime", Development, false, false),
        ("chain-spec", "ed25519-dalek", Development, false, true),
        ("chain-spec", "ed25519-dalek", Normal, false, false),
        ("rpc", "rocksdb", Development, false, false),
        ("rpc", "libp2p-stream", Normal, false, false),
        ("dsn", "libp2p-stream", Normal, false, true),
        ("ledger", "rocksdb", Normal, false, true),
        ("ledger", "rocksdb", Normal, true, false),
        ("rpc", "serde", Normal, true, true),
        ("e2e", "ledger", Normal, false, true),
        ("e2e", "rocksdb", Development, false, false),
    ];
    for (of, name, kind, renamed, allowed) in cases {
        let refused = refused_dependency(of, &Dependency { name: name.into(), kind, renamed });
        assert_eq!(refused.is_none(), allowed, "{of} -> {name} ({kind}): {refused:?}");
    }
}

#[test]
fn a_library_cannot_leave_its_room_under_another_name() {
    let strangers = [
        "use rocksdb;",
        "use rocksdb as db;",
        "use ::rocksdb::DB;",
        "use {std::fs, rocksdb as db};",
        "extern crate rocksdb;",
        "fn a() { rocksdb::DB::open(b) }",
        "let a = \"http://b\"; rocksdb::DB::open(a);",
        "let a = '\"'; rocksdb::open(a);",
    ];
    for source in strangers {
        assert_eq!(out_of_its_room("rpc/src/a.rs", source), Some("rocksdb"), "{source}");
        assert_eq!(out_of_its_room("ledger/src/a.rs", source), None, "{source}");
    }
    for source in ["// rocksdb::DB", "/* use rocksdb; */", "let a = \"use rocksdb;\";", "use rocksdb_like::DB;"] {
        assert_eq!(out_of_its_room("rpc/src/a.rs", source), None, "{source}");
    }
}

#[test]
fn a_pure_crate_cannot_reach_out_by_any_path() {
    let impure = [
        "use std::fs;",
        "std::fs::read(a)",
        "use std::{collections::BTreeMap, fs::File};",
        "use std::{collections::{BTreeMap, BTreeSet}, net};",
        "use std as s;",
        "extern crate std as s;",
        "use std::time::{self, Duration}; let a = time::Instant::now();",
        "use std::collections::{HashMap};",
        "let a = \"//\"; std::env::var(a)",
    ];
    for source in impure {
        assert!(impurity(source).is_some(), "{source}");
    }
    let pure = [
        "use std::{collections::BTreeMap, fmt};",
        "// std::fs::read",
        "let a = \"std::fs\";",
        "use std::collections::{btree_map, BTreeSet}; mod env; fn net() {}",
        "std::time::Duration::ZERO",
    ];
    for source in pure {
        assert_eq!(impurity(source), None, "{source}");
    }
}
