//! docs/spec/consensus.md says what the messages are.

use consensus::formats::{StreamLimits, Validators, limits};
use consensus::{Announcement, ConsensusConfig};

use crate::pages::{check_examples, check_fields, labels, number, read};

const FORMATS: &str = "consensus/tests/golden/formats.txt";

fn page() -> String {
    read("docs/spec/consensus.md")
}

#[test]
fn every_golden_format_is_an_example_and_every_example_is_golden() {
    let shown = check_examples(&page());
    let missing: Vec<_> = labels(FORMATS).difference(&shown).cloned().collect();
    assert!(missing.is_empty(), "no example of {missing:?}");
    for label in ["types.hex header", "types.hex validator-set", "types.hex certificate", "hashes.hex block-hash"] {
        assert!(shown.contains(&format!("runtime/tests/golden/{label}")), "no example of {label}");
    }
}

/// The number in the row of a message, which also names its limit.
fn message_bytes(page: &str, limit: &str) -> u64 {
    let end = format!("| `{limit}` |");
    let row = page.lines().find(|line| line.ends_with(&end)).unwrap_or_else(|| panic!("no row ends in {limit}"));
    row.split('|').nth(3).unwrap().trim().parse().unwrap()
}

#[test]
fn every_message_has_its_name_and_its_limit() {
    let page = page();
    let sizes = [
        ("CONSENSUS_MESSAGE_BYTES", limits::CONSENSUS_MESSAGE_BYTES),
        ("LIVENESS_BYTES", limits::LIVENESS_BYTES),
        ("STREAM_MESSAGE_BYTES", limits::STREAM_MESSAGE_BYTES),
        ("PART_BYTES", limits::PART_BYTES),
        ("VALIDATOR_PROOF_BYTES", limits::VALIDATOR_PROOF_BYTES),
        ("STATUS_BYTES", limits::STATUS_BYTES),
        ("REQUEST_BYTES", limits::REQUEST_BYTES),
        ("RESPONSE_BYTES", limits::RESPONSE_BYTES),
        ("PROPOSED_VALUE_BYTES", limits::PROPOSED_VALUE_BYTES),
        ("CERTIFICATE_BYTES", limits::CERTIFICATE_BYTES),
    ];
    for (limit, bytes) in sizes {
        assert_eq!(message_bytes(&page, limit), u64::try_from(bytes).unwrap(), "{limit}");
    }
    let sources = ["certificates", "messages", "sync"].map(|part| read(&format!("consensus/src/codec/raw/{part}.rs")));
    let names = sources.iter().flat_map(|source| source.split("const NAME: &'static str = \"").skip(1));
    let names: Vec<&str> = names.map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(names.len(), sizes.len(), "{names:?}");
    for name in names {
        assert!(page.contains(&format!("| {name} |")), "no row for {name}");
    }
}

#[test]
fn every_table_has_the_fields_of_its_struct() {
    let page = page();
    check_fields(&page, "runtime/src/types/block.rs", "Header");
    check_fields(&page, "runtime/src/types/certificate.rs", "Vote");
    check_fields(&page, "consensus/src/types/part.rs", "PartManifest");
    check_fields(&page, "consensus/src/announcement.rs", "Announcement");
}

#[test]
fn limits_are_those_of_the_code() {
    let page = page();
    let is = |name, expected: u64| assert_eq!(number(&page, name), expected, "{name}");
    let bytes = |count: usize| u64::try_from(count).unwrap();
    is("PARTS_MAX", limits::PARTS_MAX.into());
    is("PART_BYTES_MAX", ConsensusConfig::PART_BYTES_MAX.into());
    is("BLOCK_BYTES_MAX", ConsensusConfig::BLOCK_BYTES_MAX.into());
    is("STREAM_ID_BYTES", bytes(limits::STREAM_ID_BYTES));
    is("ANNOUNCEMENT_BYTES", bytes(Announcement::BYTES_MAX));
    is("ANNOUNCEMENT_ADDRESSES", bytes(Announcement::ADDRESSES_MAX));
    is("SYNC_BATCH", bytes(limits::SYNC_BATCH));
    is("COUNT_MAX", bytes(Validators::COUNT_MAX));
    is("GOSSIP_CONSENSUS_BYTES", bytes(limits::GOSSIP_CONSENSUS_BYTES));
    is("GOSSIP_PART_BYTES", bytes(limits::GOSSIP_PART_BYTES));
    is("GOSSIP_LIVENESS_BYTES", bytes(limits::GOSSIP_LIVENESS_BYTES));
    let streams = StreamLimits::new(0);
    is("open_per_proposer", bytes(streams.open_per_proposer));
    is("open", bytes(streams.open));
    is("heights_ahead", streams.heights_ahead);
    is("judgements", streams.judgements.into());
}

#[test]
fn protocols_and_what_is_signed_are_named_as_in_the_code() {
    let page = page();
    let engine = read("consensus/src/engine.rs");
    let names: Vec<&str> = engine.split(": name(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`/piecewise/<genesis>/{name}/1`")), "no row for {name}");
    }
    let sources = ["runtime/src/types", "consensus/src/types"].map(written).concat();
    let sources = sources + &read("consensus/src/announcement.rs");
    let crypto = read("runtime/src/crypto.rs");
    for (source, marker) in
        [(&sources, "consensus_message(b\""), (&crypto, "> b\""), (&crypto, "VRF_CONTEXT: &[u8] = b\"")]
    {
        for rest in source.split(marker).skip(1) {
            let tag = rest.split('"').next().unwrap();
            // A provider's promise is wire.md's.
            let named = page.contains(tag) || tag == "piecewise/commitment/v1";
            assert!(named, "{tag} is signed and not in the page");
        }
    }
}

/// Everything that is written in a folder's files.
fn written(folder: &str) -> String {
    let entries = std::fs::read_dir(crate::pages::root().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    paths.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}
