//! docs/limits.md says what the code says: names and tests that are there, and no limit left out.

use std::collections::BTreeSet;
use std::fs;

use super::architecture::{EDGES, crate_sources, root, sources};

/// The crates whose tests are named.
const TESTED: &[&str] =
    &["pieces", "runtime", "chain-spec", "ledger", "consensus", "dsn-messages", "dsn", "rpc", "node", "e2e"];

/// The words between backticks of a text.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The cells of each row of each table, headings left out.
fn rows(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| name "));
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

fn limits() -> String {
    fs::read_to_string(root().join("docs/limits.md")).unwrap()
}

/// Everything that is written in the sources and tests of all crates.
fn written() -> String {
    let mut found = Vec::new();
    for name in TESTED {
        for part in ["src", "tests"] {
            let folder = root().join(name).join(part);
            if folder.is_dir() {
                sources(&folder, &mut found);
            }
        }
    }
    found.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_row_names_a_limit_and_a_test_that_are_there() {
    let text = written();
    let table = limits();
    for row in rows(&table) {
        let (names, test) = (quoted(row[0]), row.last().unwrap());
        for name in names.iter().filter(|name| !name.starts_with("...")) {
            let found = match row.len() {
                5 => quoted(row[1]).into_iter().filter(|place| place.contains('/')).any(|place| {
                    let path = root().join(place);
                    let mut paths = vec![path.clone()];
                    if path.is_dir() {
                        paths.clear();
                        sources(&path, &mut paths);
                    }
                    paths.iter().any(|path| fs::read_to_string(path).unwrap_or_default().contains(name))
                }),
                _ => text.contains(&format!("pub {name}: ")),
            };
            assert!(found, "{name} is not where the table says: {row:?}");
        }
        let tests = quoted(test);
        assert!(!tests.is_empty() || test.starts_with("none: "), "{names:?} has no test and no reason");
        for test in tests {
            assert!(text.contains(&format!("fn {test}(")), "there is no test {test}");
        }
    }
}

#[test]
fn every_limit_of_the_code_is_in_a_row() {
    let table = limits();
    let named: BTreeSet<&str> = quoted(&table).into_iter().collect();
    let mut missing = Vec::new();
    for (name, _) in EDGES {
        for (path, source) in crate_sources(name) {
            for line in source.lines() {
                let constant = line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
                let constant = constant.strip_prefix("const ").and_then(|rest| rest.split(':').next());
                let unnamed = constant.filter(|constant| constant.ends_with("_MAX") && !named.contains(constant));
                missing.extend(unnamed.map(|constant| format!("{path}: {constant}")));
            }
        }
    }
    let limits = fs::read_to_string(root().join("rpc/src/limits.rs")).unwrap();
    let fields = limits.split("pub struct Limits {").nth(1).unwrap().split('}').next().unwrap();
    let fields = fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next());
    missing.extend(fields.filter(|field| !named.contains(field)).map(str::to_owned));
    assert!(missing.is_empty(), "in no row of docs/limits.md: {missing:#?}");
}
