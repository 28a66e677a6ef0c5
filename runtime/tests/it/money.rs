//! Where every unit goes: fees to the proposer, prices into the escrow, income out of it.

use runtime::event::Event;
use runtime::fees::{fee, signature_count};
use runtime::rule::Rule;
use runtime::state::ReadTables;
use runtime::tables::{Accounts, ChainState};
use runtime::terms::{lease_price, unit_price};
use runtime::testkit::{Kit, SeededRng, Simulation, dev_parameters, key, manifest};
use runtime::types::{Balance, PriceParameters, Transaction};

use crate::laws;
use crate::rules::{dev, fails, storage, succeeds, transactions::transfer};

fn free(simulation: &Simulation, account: &runtime::crypto::AccountId) -> Balance {
    simulation.state.read::<Accounts>(account).unwrap().unwrap_or_default().free
}

#[test]
fn fee_and_tip_go_to_the_proposer() {
    let mut simulation = dev();
    let proposer = simulation.kit.validators[0].account.account();
    let mut transaction = simulation.kit.sign(&key("Alice"), 0, transfer("Bob", 1)).transaction;
    if let Transaction::Signed { tip, .. } = &mut transaction {
        *tip = 12_345;
    }
    let transaction = transaction.sign(&simulation.kit.genesis_hash, &key("Alice"), SeededRng::new(1));
    let bytes = u32::try_from(parity_scale_codec::Encode::encoded_size(&transaction)).unwrap();
    // 1,000,000 + 1,000 a byte + 10,000 a signature.
    let expected = 1_000_000 + 1_000 * Balance::from(bytes) + 10_000 + 12_345;
    let (before, alice) = (free(&simulation, &proposer), free(&simulation, &key("Alice").account()));
    simulation.block(&[transaction]);
    assert_eq!(free(&simulation, &proposer), before + expected);
    assert_eq!(free(&simulation, &key("Alice").account()), alice - expected - 1);
}

#[test]
fn the_treasury_takes_the_fee_of_a_proposer_without_account() {
    let mut kit = Kit::dev();
    kit.genesis.validators[0].bond = 0;
    let account = kit.validators[0].account.account();
    kit.genesis.accounts.retain(|(id, _)| *id != account);
    let mut simulation = Simulation::new(kit);
    simulation.kit.genesis_hash = simulation.head.hash();
    let transaction = simulation.kit.sign(&key("Alice"), 0, transfer("Bob", 1));
    let executed = simulation.block(&[transaction]);
    let Event::FeePaid { amount, .. } = executed.events[0].event else { panic!("a fee was paid") };
    assert_eq!(simulation.state.require::<ChainState>(&()).unwrap().treasury, amount);
    assert_eq!(simulation.state.read::<Accounts>(&account).unwrap(), None);
    laws::check(&simulation.state, 0);
}

#[test]
fn signatures_are_counted_as_they_are_checked() {
    let mut simulation = dev();
    let count = |call| {
        let signed = Kit::dev().sign(&key("Alice"), 0, call);
        signature_count(&signed.transaction)
    };
    assert_eq!(count(transfer("Bob", 1)), 1);
    // Transaction, intent, four holders.
    assert_eq!(count(storage::call(storage::file(&mut simulation, 1))), 6);
    let register = runtime::testkit::ProviderKeys::new(9).register(&simulation.kit.genesis_hash);
    assert_eq!(count(runtime::types::Call::Providers(runtime::types::ProvidersCall::Register(register))), 2);
    let fees = dev_parameters().fees;
    assert_eq!(fee(&fees, 10, 3), 1_000_000 + 10_000 + 30_000);
    assert_eq!(fee(&runtime::types::FeeParameters { per_byte: Balance::MAX, ..fees }, 2, 1), Balance::MAX);
}

#[test]
fn providers_earn_exactly_what_the_owner_paid() {
    let mut simulation = dev();
    let before: Vec<_> =
        simulation.kit.providers.iter().map(|keys| free(&simulation, &keys.account.account())).collect();
    let manifest = storage::small(&simulation, 1);
    let Simulation { kit, state, head } = &mut simulation;
    let intent = kit.intent(&key("Alice"), 0, &manifest, 3, head);
    let store = kit.store(state, &key("Alice"), intent, manifest.clone());
    storage::stores(&mut simulation, store);
    let prices = &simulation.kit.genesis.parameters.prices;
    let piece = 1_000 + Balance::from(manifest.code.piece_bytes(manifest.size));
    assert_eq!(lease_price(prices, &manifest.code, manifest.size, 64 << 20, 3), Some(3 * 4 * piece));
    assert_eq!(simulation.state.require::<ChainState>(&()).unwrap().escrow, 3 * 4 * piece);
    // Epoch 1 is the first paid for, and is paid when it has ended: at the first block of epoch 2.
    for (epoch, paid) in [(1, 0), (2, 1), (3, 2), (4, 3), (5, 3), (6, 3)] {
        simulation.next_epoch();
        assert_eq!(simulation.head.epoch, epoch);
        for (keys, before) in simulation.kit.providers.iter().zip(&before) {
            assert_eq!(free(&simulation, &keys.account.account()) - before, paid * piece);
        }
        laws::check(&simulation.state, epoch);
    }
    assert_eq!(simulation.state.require::<ChainState>(&()).unwrap().escrow, 0);
}

#[test]
fn a_price_is_the_sum_over_segments() {
    let prices = PriceParameters { piece_base: 7, byte_rate: 3, default_lease_epochs: 1, max_lease_epochs: 9 };
    for (size, piece_bytes_max) in
        [(0, 65_536), (1, 65_536), (131_072, 65_536), (1_000_000, 65_536), (1 << 30, 1 << 20)]
    {
        for profile in &dev_parameters().profiles {
            let code = profile.code;
            let by_segment: Balance = manifest(code, size, piece_bytes_max, 0)
                .segments
                .iter()
                .map(|segment| Balance::from(code.n) * (7 + 3 * Balance::from(code.piece_bytes(segment.len))))
                .sum();
            assert_eq!(unit_price(&prices, &code, size, piece_bytes_max), Some(by_segment));
        }
    }
    // A size that no chain allows is priced at once, or does not fit.
    let code = dev_parameters().profiles[0].code;
    assert!(unit_price(&prices, &code, u64::MAX, 65_536).is_some());
    let dear = PriceParameters { byte_rate: Balance::MAX / 2, ..prices };
    assert_eq!(unit_price(&dear, &code, 1 << 20, 65_536), None);
}

#[test]
fn an_account_holds_the_existential_deposit_exactly_or_more() {
    let mut simulation = dev();
    let least = simulation.kit.genesis.parameters.fees.existential_deposit;
    let rule = fails(&mut simulation, &key("Alice"), transfer("new", least - 1));
    assert_eq!(rule, Rule::BelowExistentialDeposit);
    succeeds(&mut simulation, &key("Alice"), transfer("new", least));
    assert_eq!(free(&simulation, &key("new").account()), least);
    // The fee of a transfer does not depend on its amount.
    let before = free(&simulation, &key("Alice").account());
    succeeds(&mut simulation, &key("Alice"), transfer("Bob", 1));
    let after = free(&simulation, &key("Alice").account());
    let all_but_least = after - (before - after - 1) - least;
    let rule = fails(&mut simulation, &key("Alice"), transfer("Bob", all_but_least + 1));
    assert_eq!(rule, Rule::BelowExistentialDeposit);
    let all_but_least = all_but_least - (before - after - 1);
    succeeds(&mut simulation, &key("Alice"), transfer("Bob", all_but_least));
    assert_eq!(free(&simulation, &key("Alice").account()), least);
}
