#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{DEV_PROVIDERS_MAX, count};
use chain_spec::ChainSpec;

#[test]
fn the_number_counts_those_of_the_genesis_and_has_a_limit() {
    let dev = ChainSpec::load("dev").unwrap();
    assert_eq!(count(&dev, None).unwrap(), 4);
    for wanted in [4, 6, DEV_PROVIDERS_MAX] {
        assert_eq!(count(&dev, Some(wanted)).unwrap(), wanted);
    }
    for wanted in [0, 3, DEV_PROVIDERS_MAX + 1, u32::MAX] {
        let refused = count(&dev, Some(wanted)).unwrap_err().to_string();
        assert!(refused.contains(&format!("--dev-providers {wanted}")) && refused.contains("4 providers"), "{refused}");
    }
}

#[test]
fn only_development_chains_take_it() {
    let local = ChainSpec::load("local").unwrap();
    assert!(count(&local, Some(8)).unwrap_err().to_string().contains("no development chain"));
    assert_eq!(count(&local, None).unwrap(), 8);
}
