//! Bad input gets its code and a sentence that names it, and changes nothing.

use e2e::{Network, Node};
use parity_scale_codec::{DecodeAll, Encode};
use runtime::crypto::KeyPair;
use runtime::rule::Rule;
use runtime::state::{Changes, MemoryState, ReadTables};
use runtime::tables::{Accounts, Files, LeaseCounts, Leases, ParameterTable, Providers, Segments, Snapshots, Table};
use runtime::testkit::{Kit, ProviderKeys, key, manifest};
use runtime::types::{Header, Store};
use serde_json::{Value, json};

use crate::transfer::{final_result, unhex};

#[tokio::test]
async fn each_bad_input_gets_its_code_and_changes_nothing() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let unknown = format!("0x{}", "ab".repeat(32));
    let cases = [
        ("storage_submit", json!(["not base64!"]), -32602, "data"),
        ("storage_submit", json!(["", { "colour": "red" }]), -32602, "colour"),
        ("storage_submit", json!(["", { "profile": "nope" }]), -32602, "nope"),
        ("storage_submit", json!(["", { "leaseEpochs": 0 }]), -32602, "lease"),
        ("storage_retrieve", json!(["0x1234"]), -32602, "fileId"),
        ("storage_retrieve", json!([unknown]), 1001, "file"),
        ("storage_locate", json!([unknown]), 1001, "file"),
        ("storage_file", json!([]), -32602, "fileId"),
        ("chain_getBlock", json!([1_000_000]), 1001, "1000000"),
        ("chain_getBlock", json!(["0x12"]), -32602, "hash"),
        ("chain_getTransaction", json!([unknown]), 1001, "transaction"),
        ("account_get", json!(["Alice"]), -32602, "ddress"),
        ("author_submitTransaction", json!(["0x00"]), -32602, "transaction"),
        ("no_such_method", json!([]), -32601, ""),
    ];
    let alice = json!(["5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"]);
    let before = node.ok("account_get", alice.clone()).await.unwrap();
    for (method, params, code, named) in cases {
        let error = node.err(method, params.clone()).await.unwrap();
        assert_eq!(error["code"], code, "{method} {params}: {error}");
        assert!(error["message"].as_str().unwrap().contains(named), "{method} {params}: {error}");
    }
    assert_eq!(node.ok("account_get", alice).await.unwrap(), before);
    let stranger = json!(["", { "from": "5C4hrfjw9DjXZTzV3MwzrrAr9P1MJhSrvWGWqi1eSuyUpnhM" }]);
    assert_eq!(node.err("storage_submit", stranger).await.unwrap()["code"], 1006);
}

/// The dev chain of a node: its head, what a Store is made from, and the well-known keys that sign it.
struct Seen {
    kit: Kit,
    state: MemoryState,
    head: Header,
}

async fn value(node: &Node, key: &[u8]) -> Value {
    node.ok("state_get", json!([format!("0x{}", hex::encode(key))])).await.unwrap()
}

impl Seen {
    async fn of(node: &Node) -> Self {
        let header = node.ok("chain_getHeader", json!([])).await.unwrap();
        let head = Header::decode_all(&mut unhex(&header["encoded"]).as_slice()).unwrap();
        let mut changes = Changes::new();
        let keys = [ParameterTable::key(&()), Snapshots::key(&head.epoch)];
        for key in keys.into_iter().chain((0..4).map(|number| Providers::key(&number))) {
            let value = unhex(&value(node, &key).await);
            changes.insert(key, Some(value));
        }
        let state = MemoryState::from(changes);
        let mut kit = Kit::dev();
        kit.genesis.parameters = state.require::<ParameterTable>(&()).unwrap();
        let genesis = node.ok("chain_getBlockHash", json!([0])).await.unwrap();
        kit.genesis_hash = DecodeAll::decode_all(&mut unhex(&genesis).as_slice()).unwrap();
        kit.providers = (0..4).map(|number| provider_keys(&format!("//Provider//{number}"))).collect();
        Self { kit, state, head }
    }

    /// A Store of a file of one segment by Bob, as a gateway of his own would make it.
    fn store(&mut self, bob: &KeyPair) -> Store {
        let parameters = &self.kit.genesis.parameters;
        let manifest = manifest(parameters.profiles[0].code, 100_000, parameters.limits.piece_bytes, 1);
        let intent = self.kit.intent(bob, 0, &manifest, 10, &self.head);
        self.kit.store(&self.state, bob, intent, manifest)
    }
}

fn provider_keys(secret: &str) -> ProviderKeys {
    let key = |secret: &str| KeyPair::from_secret_text(secret).unwrap();
    ProviderKeys { account: key(secret), service: key(&format!("{secret}//service")), peer_secret: [0; 32] }
}

fn wrong_sizes(_: &mut Seen, store: &mut Store) {
    store.manifest.segments[0].len += 1;
}

fn by_a_stranger(seen: &mut Seen, store: &mut Store) {
    let service = key("a stranger");
    seen.kit.providers.iter_mut().for_each(|keys| keys.service = service.clone());
    let by_stranger = seen.kit.holders(&seen.state, &store.intent.intent, &store.manifest);
    store.holders[0][1] = by_stranger[0][1];
}

fn for_another_deal(seen: &mut Seen, store: &mut Store) {
    let mut next = store.intent.intent.clone();
    next.deal_nonce += 1;
    store.holders = seen.kit.promises(&seen.state, &store.intent.intent, &next, &store.manifest);
}

fn missing(_: &mut Seen, store: &mut Store) {
    store.holders[0].pop();
}

/// Everything that a Store would change of payer, deal and file.
async fn changeable(node: &Node, bob: &KeyPair, store: &Store) -> Vec<Value> {
    let (payer, file) = (bob.account(), store.manifest.file_id());
    // The deals that are used are part of the account.
    let keys = [
        Accounts::key(&payer),
        Files::key(&file),
        Segments::key(&(file, 0)),
        Leases::key(&(file, payer)),
        LeaseCounts::key(&file),
    ];
    let mut values = vec![node.ok("account_get", json!([payer.to_string()])).await.unwrap()];
    for key in keys {
        values.push(value(node, &key).await);
    }
    values
}

#[tokio::test]
async fn a_store_that_the_rules_refuse_is_refused_when_it_is_sent_and_changes_nothing() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let bob = KeyPair::from_secret_text("//Bob").unwrap();
    type Spoil = fn(&mut Seen, &mut Store);
    let cases: [(Spoil, Rule); 4] = [
        (wrong_sizes, Rule::BadManifest),
        (by_a_stranger, Rule::BadCommitment),
        (for_another_deal, Rule::BadCommitment),
        (missing, Rule::MissingCommitment),
    ];
    for (case, (spoil, rule)) in cases.into_iter().enumerate() {
        let mut seen = Seen::of(&node).await;
        let mut store = seen.store(&bob);
        spoil(&mut seen, &mut store);
        let before = changeable(&node, &bob, &store).await;
        let transaction = seen.kit.sign_store(&bob, 0, store.clone()).encode();
        let params = json!([format!("0x{}", hex::encode(transaction))]);
        let error = node.err("author_submitTransaction", params).await.unwrap();
        assert_eq!(
            (&error["code"], &error["data"]["rule"]),
            (&json!(1003), &json!(rule.name())),
            "case {case}: {error}"
        );
        assert!(error["message"].as_str().unwrap().contains(&rule.to_string()), "case {case}: {error}");
        assert_eq!(node.ok("author_pendingTransactions", json!([])).await.unwrap(), json!([]), "case {case}");
        assert_eq!(changeable(&node, &bob, &store).await, before, "case {case}");
    }
    // With nothing wrong it is taken, so each was refused for what was wrong with it.
    let mut seen = Seen::of(&node).await;
    let store = seen.store(&bob);
    let before = changeable(&node, &bob, &store).await;
    let transaction = seen.kit.sign_store(&bob, 0, store.clone()).encode();
    let params = json!([format!("0x{}", hex::encode(transaction))]);
    let submitted = node.ok("author_submitTransaction", params).await.unwrap();
    final_result(&node, &submitted["txHash"]).await;
    let after = changeable(&node, &bob, &store).await;
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{before:?} {after:?}");
}
