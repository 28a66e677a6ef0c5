//! Who a node is, from what it was asked to be.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use clap::Parser;
use runtime::types::ValidatorEntry;

use super::*;
use crate::keystore::write_secret;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    roles: RoleArgs,
}

/// What `flags` make of a node on `chain`, and the account that its gateway pays with.
fn roles(chain: &str, flags: &str, has_peers: bool) -> anyhow::Result<(Roles, Option<AccountId>)> {
    find(&ChainSpec::load(chain).unwrap(), flags, has_peers, &[])
}

/// The same with these secrets in the keystore.
fn find(
    spec: &ChainSpec,
    flags: &str,
    has_peers: bool,
    secrets: &[(Purpose, &str)],
) -> anyhow::Result<(Roles, Option<AccountId>)> {
    let args = Cli::try_parse_from(["node"].into_iter().chain(flags.split_whitespace()))?.roles;
    let entry = |validator: &chain_spec::ValidatorSpec| ValidatorEntry {
        account: validator.account,
        consensus_key: validator.consensus_key,
        power: validator.power,
    };
    let voters = ValidatorSet::new(spec.genesis.validators.iter().map(entry).collect());
    let folder = tempfile::tempdir().unwrap();
    let mut keystore = Keystore::open(folder.path()).unwrap();
    for (purpose, secret) in secrets {
        write_secret(&keystore.path(*purpose), secret).unwrap();
    }
    let roles = Roles::find(&args, spec, &voters, has_peers, &mut keystore)?;
    Ok((roles, keystore.gateway_account()))
}

fn account(name: &str) -> AccountId {
    dev_keys::account(name).unwrap().account()
}

#[test]
fn the_dev_chain_without_flags_is_everything_and_with_peers_it_is_not() {
    let (all, pays) = roles("dev", "", false).unwrap();
    assert!(all.is_everything && all.validator.is_some() && all.provider.is_none());
    assert_eq!((all.providers.len(), pays), (4, Some(account("Alice"))));
    // Or two would vote with one key.
    let (follows, pays) = roles("dev", "", true).unwrap();
    assert!(!follows.is_everything && follows.validator.is_none() && follows.providers.is_empty());
    assert_eq!(pays, None);
}

#[test]
fn a_name_votes_where_the_genesis_knows_it_and_pays_everywhere() {
    let (bob, pays) = roles("local", "--bob", true).unwrap();
    assert_eq!(bob.validator.unwrap().account, dev_keys::validator_account("Bob").unwrap().account());
    assert_eq!(pays, Some(account("Bob")));
    let (eve, pays) = roles("local", "--eve", true).unwrap();
    assert!(eve.validator.is_none());
    assert_eq!(pays, Some(account("Eve")));
    assert!(roles("local", "--eve --validator", true).is_err());
    assert!(roles("local", "--alice --bob", true).is_err(), "one node, one key");
}

#[test]
fn a_numbered_provider_pays_for_itself() {
    let (roles, pays) = roles("local", "--provider --dev-provider 5", true).unwrap();
    let provider = roles.provider.unwrap();
    assert_eq!(pays, Some(provider.account.account()));
    assert_eq!(*provider.peer_seed, dev_keys::provider_peer_seed(5));
    assert!(roles.validator.is_none());
}

#[test]
fn a_role_without_its_key_is_refused_with_the_file_that_is_missing_and_how_to_make_it() {
    for (flags, purpose) in
        [("--validator", "consensus"), ("--provider", "provider"), ("--provider --gateway", "provider")]
    {
        let error = format!("{:#}", roles("local", flags, true).err().unwrap());
        for named in [format!("{purpose}.key"), format!("key generate --purpose {purpose}")] {
            assert!(error.contains(&named), "{error}");
        }
    }
}

#[test]
fn a_node_is_who_its_keystore_says() {
    let mut spec = ChainSpec::load("local").unwrap();
    spec.chain_type = ChainType::Live;
    let own = [
        (Purpose::Consensus, "//Charlie//consensus"),
        (Purpose::Provider, "//Provider//77"),
        (Purpose::Service, "//Provider//77//service"),
        (Purpose::Account, "//Gateway"),
    ];
    let (found, pays) = find(&spec, "--validator --provider --gateway", true, &own).unwrap();
    assert_eq!(found.validator.unwrap().account, dev_keys::validator_account("Charlie").unwrap().account());
    assert_eq!(found.provider.unwrap().account.account(), dev_keys::provider_account(77).unwrap().account());
    assert_eq!(pays, Some(KeyPair::from_secret_text("//Gateway").unwrap().account()));
    let stranger = [(Purpose::Consensus, "//Nobody")];
    assert!(find(&spec, "--validator", true, &stranger).is_err(), "no validator has that key");
}

#[test]
fn keys_that_everybody_knows_are_refused_on_a_live_chain() {
    let mut spec = ChainSpec::load("local").unwrap();
    spec.chain_type = ChainType::Live;
    for flags in ["--alice", "--dev-provider 0", "--gateway"] {
        assert!(find(&spec, flags, true, &[]).is_err(), "{flags}");
    }
}
