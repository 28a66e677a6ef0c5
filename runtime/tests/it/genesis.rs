//! Block 0: what can be a chain, and what names it.

use runtime::execute::RULES_VERSION;
use runtime::genesis::{Genesis, GenesisError};
use runtime::state::MemoryState;
use runtime::testkit::{Kit, digest, key};
use runtime::types::RulesVersion;

use crate::laws;

fn refused(edit: impl FnOnce(&mut Genesis)) -> GenesisError {
    let mut genesis = Kit::dev().genesis;
    edit(&mut genesis);
    genesis.changes().unwrap_err()
}

#[test]
fn the_first_state_keeps_every_law() {
    let genesis = Kit::dev().genesis;
    let state = MemoryState::from(genesis.changes().unwrap());
    laws::check(&state, 0);
    assert_eq!(genesis.changes().unwrap(), genesis.changes().unwrap());
}

#[test]
fn everything_in_a_genesis_changes_its_hash() {
    let hash = |edit: &dyn Fn(&mut Genesis)| {
        let mut genesis = Kit::dev().genesis;
        edit(&mut genesis);
        genesis.header(digest(&MemoryState::from(genesis.changes().unwrap()))).hash()
    };
    let edits: [&dyn Fn(&mut Genesis); 7] = [
        &|_| {},
        &|genesis| genesis.timestamp_ms += 1,
        &|genesis| genesis.seed.push(0),
        &|genesis| genesis.parameters.time.epoch_ms += 1,
        &|genesis| genesis.accounts[0].1 += 1,
        &|genesis| genesis.providers[0].auto_renew = false,
        &|genesis| genesis.validators[0].power = 2,
    ];
    let hashes: std::collections::BTreeSet<_> = edits.into_iter().map(hash).collect();
    assert_eq!(hashes.len(), edits.len());
}

#[test]
fn what_cannot_be_a_chain_is_refused_by_name() {
    assert!(matches!(refused(|g| g.accounts.push(g.accounts[0])), GenesisError::Twice { list: "accounts", .. }));
    assert!(matches!(
        refused(|g| g.accounts.push((key("new").account(), 1))),
        GenesisError::BelowExistentialDeposit(_)
    ));
    assert!(matches!(refused(|g| g.accounts[0].1 = u128::MAX), GenesisError::Overflow));
    assert!(matches!(refused(|g| g.providers.push(g.providers[0].clone())), GenesisError::Twice { .. }));
    assert!(matches!(refused(|g| g.providers[0].peer_key = g.providers[1].peer_key), GenesisError::PeerTwice(_)));
    assert!(matches!(refused(|g| g.providers[0].bond = 1), GenesisError::BondTooSmall(_)));
    let bad_address = runtime::types::Text::new("nowhere").unwrap();
    assert!(matches!(refused(|g| g.providers[0].addresses = vec![bad_address]), GenesisError::BadAddresses(_)));
    assert!(matches!(refused(|g| g.validators.clear()), GenesisError::Power));
    assert!(matches!(refused(|g| g.validators[0].power = 0), GenesisError::Power));
    assert!(matches!(refused(|g| g.validators[0].power = u64::MAX), GenesisError::Power));
    assert!(matches!(refused(|g| g.validators.push(g.validators[0].clone())), GenesisError::Twice { .. }));
    assert!(matches!(refused(|g| g.parameters.limits.providers = 3), GenesisError::TooMany { list: "providers" }));
    assert!(matches!(refused(|g| g.parameters.limits.validators = 0), GenesisError::TooMany { list: "validators" }));
    assert!(matches!(refused(|g| g.parameters.profiles.clear()), GenesisError::Parameters(_)));
    assert!(matches!(refused(|g| g.parameters.time.epoch_ms = 0), GenesisError::Parameters(_)));
    let unknown = RulesVersion { rules_version: RULES_VERSION + 1, height: 0 };
    assert!(matches!(refused(|g| g.parameters.schedule = vec![unknown]), GenesisError::Parameters(_)));
}
