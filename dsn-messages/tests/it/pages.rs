//! Reads the pages of docs/spec, so that tests can hold them to the code. Other crates' tests include this file.
#![allow(dead_code, reason = "not every crate that includes this file uses all of it")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The bytes that a golden file has under a label.
fn golden(path: &str, label: &str) -> Vec<u8> {
    let text = read(path);
    let line = text.lines().find_map(|line| line.strip_prefix(label)?.strip_prefix(' '));
    hex::decode(line.unwrap_or_else(|| panic!("{path} has no {label}")).trim()).unwrap()
}

/// Compares every example of a page, a block that begins with "```hex PATH LABEL" and perhaps "framed", with its golden
/// file. Each line of one is hex, two spaces, and what it means. Gives the labels that are shown, as `PATH LABEL`.
pub fn check_examples(page: &str) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(named) = line.strip_prefix("```hex ") else { continue };
        let words: Vec<&str> = named.split(' ').collect();
        let (path, label) = (words[0], words[1]);
        let mut expected = golden(path, label);
        if words.get(2) == Some(&"framed") {
            let length = u32::try_from(expected.len()).unwrap().to_be_bytes();
            expected = [&length[..], &expected].concat();
        }
        let block = lines.by_ref().take_while(|line| *line != "```");
        let written: String = block.map(|line| line.split("  ").next().unwrap().trim()).collect();
        assert_eq!(written, hex::encode(expected), "the example {named}");
        shown.insert(format!("{path} {label}"));
    }
    shown
}

/// The labels of a golden file, as `PATH LABEL`.
pub fn labels(path: &str) -> BTreeSet<String> {
    let text = read(path);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("{path} {}", line.split(' ').next().unwrap())).collect()
}

/// The cells of all rows of all tables.
fn rows(page: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

/// The number in a row that begins with `name`, its unit left out.
pub fn number(page: &str, name: &str) -> u64 {
    let quoted = format!("`{name}`");
    let row = rows(page).find(|row| row[0] == quoted).unwrap_or_else(|| panic!("no row for {name}"));
    row[1].split(' ').next().unwrap().parse().unwrap_or_else(|error| panic!("{name}: {error}: {row:?}"))
}

/// The public fields of a struct in a source file, in order.
fn fields(path: &str, name: &str) -> Vec<String> {
    let source = read(path);
    let body = source.split(&format!("pub struct {name} {{\n")).nth(1).unwrap_or_else(|| panic!("no {name} in {path}"));
    let lines = body.lines().take_while(|line| *line != "}");
    lines.filter_map(|line| Some(format!("`{}`", line.trim().strip_prefix("pub ")?.split_once(':')?.0))).collect()
}

/// Checks that a table of the page has a row for each field of a struct, in the same order, with nothing between them.
pub fn check_fields(page: &str, path: &str, name: &str) {
    let fields = fields(path, name);
    let named: Vec<&str> = rows(page).map(|row| row[0]).collect();
    let found = named.windows(fields.len()).any(|rows| rows.iter().zip(&fields).all(|(row, field)| row == field));
    assert!(!fields.is_empty() && found, "no table has the fields of {name}: {fields:?}");
}
