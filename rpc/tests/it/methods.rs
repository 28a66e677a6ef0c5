//! Every method, by position and by name, with the shape that `api.md` promises.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parity_scale_codec::Encode;
use rpc::api::methods::{
    AccountGet, AddressParams, FileParams, NAMES, NoParams, SUBSCRIPTION_NAMES, StorageFile, StorageQuote, SystemHealth,
};
use rpc::client::ClientError;
use rpc::types::QuoteQuery;
use runtime::crypto::Purpose;
use serde_json::{Value, json};

use crate::memory::{HEAD, PENDING, id_of};
use crate::samples::{self, GENESIS, alice, pair};
use crate::world::World;

const CONTENT: &[u8] = b"the bytes of a file";

/// A method, its positional parameters, its named ones, and the keys of its result (none = not an object).
type Row = (&'static str, Value, Value, &'static str);

fn table() -> Vec<Row> {
    [storage_rows(), chain_rows(), author_rows(), node_rows()].concat()
}

/// A method without parameters.
fn plain(method: &'static str, keys: &'static str) -> Row {
    (method, json!([]), json!({}), keys)
}

fn storage_rows() -> Vec<Row> {
    let data = STANDARD.encode(CONTENT);
    let file = json!(id_of(CONTENT));
    let options = json!({ "name": "a.txt", "mediaType": "text/plain", "profile": "dev", "leaseEpochs": 10,
        "from": alice() });
    let part = json!({ "fromSegment": 2, "limit": 5, "proof": true, "trusted": 1 });
    let range = json!({ "offset": 4, "length": 5 });
    let files = json!({ "owner": alice(), "cursor": "c", "limit": 3 });
    let quote = json!({ "size": 12, "profile": "dev", "leaseEpochs": 3 });
    let receipt = "fileId contentHash size profile txHash height blockHash leaseUntilEpoch";
    let located = "fileId height size code survivableProviders survivableOperators segments nextSegment proof";
    let info = "fileId contentHash size mediaType code segments height leases names";
    vec![
        ("storage_submit", json!([data, options]), json!({ "data": data, "options": options }), receipt),
        ("storage_locate", json!([file, part]), json!({ "fileId": file, "options": part }), located),
        ("storage_retrieve", json!([file, range]), json!({ "fileId": file, "range": range }), "data offset size"),
        ("storage_file", json!([file]), json!({ "fileId": file }), info),
        ("storage_files", json!([files]), files, "items cursor"),
        ("storage_quote", json!([quote]), quote, "price deposit fee"),
        (
            "storage_health",
            json!([file]),
            json!({ "fileId": file }),
            "segments survivableProviders survivableOperators repairing",
        ),
        (
            "storage_extend",
            json!([file, { "leaseEpochs": 5 }]),
            json!({ "fileId": file, "leaseEpochs": 5 }),
            "txHash height",
        ),
        ("storage_release", json!([file]), json!({ "fileId": file }), "txHash height refund"),
    ]
}

fn chain_rows() -> Vec<Row> {
    let hash = json!(samples::header(3).hash());
    let transaction = json!(samples::block(HEAD).transactions[1].0.hash());
    let header = "version height hash parentHash round proposer timestampMs epoch stateRoot transactionsRoot \
        eventsRoot validatorsHash nextValidatorsHash beacon vrf encoded";
    let parameters = "time placement prices fees limits staking audits repairs profiles schedule";
    let status = "hash status height index result";
    let proven = "key value height proof";
    vec![
        ("chain_getBlock", json!([0]), json!({ "hashOrHeight": 0 }), "header transactions"),
        ("chain_getHeader", json!([hash]), json!({ "hashOrHeight": hash }), header),
        ("chain_getBlockHash", json!([3]), json!({ "height": 3 }), ""),
        plain("chain_getFinalizedHead", ""),
        ("chain_getTransaction", json!([transaction]), json!({ "hash": transaction }), status),
        ("chain_getCertificate", json!([5]), json!({ "height": 5 }), "height round blockHash signatures"),
        ("state_get", json!(["0x01"]), json!({ "key": "0x01" }), ""),
        ("state_getProof", json!(["0x01", 3, 1]), json!({ "key": "0x01", "height": 3, "trusted": 1 }), proven),
        plain("state_getParameters", parameters),
    ]
}

fn author_rows() -> Vec<Row> {
    let call = json!({ "module": "accounts", "name": "transfer", "args": { "to": alice(), "amount": "5" } });
    let prepare = json!({ "from": alice(), "call": call, "tip": "1" });
    let signed = samples::signed(samples::transfer(), 0);
    let (transaction, signature) = (hex(&signed.transaction.encode()), json!(signed.signature));
    let submit = json!({ "transaction": transaction, "signature": signature });
    vec![
        ("account_get", json!([alice()]), json!({ "address": alice() }), "address free reserved nonce"),
        ("account_nextIndex", json!([alice()]), json!({ "address": alice() }), ""),
        ("author_prepare", json!([prepare]), prepare, "payload transaction"),
        ("author_submitTransaction", json!([transaction, signature]), submit, "txHash"),
        plain("author_pendingTransactions", ""),
    ]
}

fn node_rows() -> Vec<Row> {
    let account = json!(pair(3).account());
    let provider = "account peerId addresses operator zone capacityBytes committedBytes bond score status \
        serviceKeys autoRenew";
    vec![
        ("provider_list", json!(["c"]), json!({ "cursor": "c" }), "items cursor"),
        ("provider_get", json!([account]), json!({ "address": account }), provider),
        ("validator_list", json!([2]), json!({ "epoch": 2 }), ""),
        plain("system_health", "peers isSyncing shouldHavePeers"),
        plain("system_name", ""),
        plain("system_version", ""),
        plain("system_chain", ""),
        plain("system_localPeerId", ""),
        plain("system_localListenAddresses", ""),
        plain("system_peers", ""),
        plain("system_syncState", "startingBlock currentBlock highestBlock"),
        plain("rpc_methods", "methods"),
    ]
}

fn hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Methods that answer otherwise when they are called again; `chunks` has them.
const ELSEWHERE: [&str; 6] = [
    "storage_beginUpload",
    "storage_cancelUpload",
    "storage_finishUpload",
    "storage_uploadChunk",
    "storage_uploadStatus",
    "storage_uploads",
];

#[tokio::test]
async fn every_method_answers_by_position_and_by_name() {
    let world = World::start().await;
    let table = table();
    for (method, listed, named, keys) in &table {
        let by_position = world.call(method, listed).await.unwrap_or_else(|error| panic!("{method}: {error:?}"));
        let by_name = world.call(method, named).await.unwrap_or_else(|error| panic!("{method}: {error:?}"));
        assert_eq!(by_position, by_name, "{method}");
        let found: BTreeSet<&str> =
            by_position.as_object().map(|result| result.keys().map(String::as_str).collect()).unwrap_or_default();
        assert_eq!(found, keys.split_whitespace().collect(), "{method}: {by_position}");
    }
    let elsewhere = ELSEWHERE.iter().copied();
    let covered: BTreeSet<&str> = table.iter().map(|(method, ..)| *method).chain(elsewhere).collect();
    assert_eq!(covered, NAMES.iter().copied().collect(), "the table of this test and that of the crate");
    let listed = world.call("rpc_methods", &json!([])).await.unwrap();
    let with_subscriptions: BTreeSet<&str> = covered.iter().chain(SUBSCRIPTION_NAMES).copied().collect();
    assert_eq!(listed["methods"], json!(with_subscriptions));
}

#[tokio::test]
async fn a_stored_file_comes_back() {
    let world = World::start().await;
    let receipt = world.call("storage_submit", &json!([STANDARD.encode(CONTENT)])).await.unwrap();
    assert_eq!(receipt["fileId"], json!(id_of(CONTENT)));
    assert_eq!(receipt["size"], CONTENT.len());
    assert_eq!(receipt["txHash"].as_str().unwrap().len(), 66);
    let whole = world.call("storage_retrieve", &json!([receipt["fileId"]])).await.unwrap();
    assert_eq!(whole, json!({ "data": STANDARD.encode(CONTENT), "offset": 0, "size": CONTENT.len() }));
    let part = json!({ "offset": 4, "length": 5 });
    let part = world.call("storage_retrieve", &json!([receipt["fileId"], part])).await.unwrap();
    assert_eq!(part, json!({ "data": STANDARD.encode(&CONTENT[4..9]), "offset": 4, "size": CONTENT.len() }));
    let file = world.call("storage_file", &json!([receipt["fileId"]])).await.unwrap();
    assert_eq!(file.get("mediaType"), Some(&json!(null)), "nothing was said of it: {file}");
    assert_eq!(file["code"], json!({ "k": 2, "n": 4, "unit": 65_536 }));
    assert_eq!(file["leases"], json!([{ "payer": alice(), "from": 4, "to": 14 }]));
}

#[tokio::test]
async fn pieces_are_shown_with_their_commitments() {
    let world = World::start().await;
    let file = world.memory.put(CONTENT, &Default::default()).file_id;
    let located = world.call("storage_locate", &json!([file])).await.unwrap();
    assert!(located.get("proof").is_none(), "no proof was asked for");
    assert_eq!(located["nextSegment"], 64, "the largest page is the default");
    let pieces = located["segments"][0]["pieces"].as_array().unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let expected = ["addresses", "commitment", "hash", "index", "peerId", "provider", "size", "status"];
    assert_eq!(keys(&pieces[0]), expected.map(String::from).into());
    let expected = ["message", "serviceKey", "signature", "txHash", "untilEpoch"];
    assert_eq!(keys(&pieces[0]["commitment"]), expected.map(String::from).into());
    assert_eq!(pieces[0]["commitment"]["message"], "0x00ff");
    assert_eq!(pieces[2]["commitment"], Value::Null, "pruned");
    assert_eq!((pieces[0]["status"].as_str(), pieces[3]["status"].as_str()), (Some("live"), Some("lost")));
    let capped = world.call("storage_locate", &json!([file, { "limit": 65 }])).await.unwrap();
    assert_eq!(capped["nextSegment"], 64);
}

#[tokio::test]
async fn blocks_can_be_checked_from_what_is_shown() {
    let world = World::start().await;
    let block = world.call("chain_getBlock", &json!([])).await.unwrap();
    assert_eq!(block["header"]["height"], HEAD);
    assert_eq!(block["header"]["encoded"], hex(&samples::header(HEAD).encode()));
    assert_eq!(block["header"]["hash"], json!(samples::header(HEAD).hash()));
    assert_eq!(block["transactions"][0]["result"], json!({ "ok": true }));
    assert_eq!(block["transactions"][0]["nonce"], 0);
    let failed = &block["transactions"][1]["result"];
    assert_eq!(*failed, json!({ "ok": false, "rule": "noCapacity", "message": "no provider has capacity" }));
    let by_hash = world.call("chain_getBlock", &json!([block["header"]["hash"]])).await.unwrap();
    assert_eq!(by_hash, block);

    let certificate = world.call("chain_getCertificate", &json!([5])).await.unwrap();
    let precommit = &certificate["signatures"][0];
    let signed = hex::decode(precommit["signed"].as_str().unwrap().strip_prefix("0x").unwrap()).unwrap();
    let signature = serde_json::from_value(precommit["signature"].clone()).unwrap();
    alice().public_key().verify(Purpose::Consensus, &signed, &signature).unwrap();

    let pending = world.call("chain_getTransaction", &json!([PENDING])).await.unwrap();
    assert_eq!(pending, json!({ "hash": PENDING, "status": "pending" }));
    let last = world.call("chain_getTransaction", &json!([block["transactions"][1]["hash"]])).await.unwrap();
    assert_eq!((last["status"].as_str(), last["index"].as_u64()), (Some("final"), Some(1)));
    let latest = world.call("chain_getBlockHash", &json!([])).await.unwrap();
    assert_eq!(latest, world.call("chain_getFinalizedHead", &json!([])).await.unwrap());
    assert_eq!(world.call("state_get", &json!(["0xff"])).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn a_prepared_transaction_is_taken_once_signed() {
    let world = World::start().await;
    let call = json!({ "module": "accounts", "name": "transfer", "args": { "to": alice(), "amount": "5" } });
    let prepared = world.call("author_prepare", &json!({ "from": alice(), "call": call })).await.unwrap();
    let payload = hex::decode(prepared["payload"].as_str().unwrap().strip_prefix("0x").unwrap()).unwrap();
    assert!(payload.starts_with(b"piecewise/transaction/v1"));
    assert!(payload.windows(32).any(|window| window == GENESIS.as_bytes()), "the payload names the chain");
    let signature = pair(1).sign(Purpose::Account, &payload, samples::rng());
    let beside = world.call("author_submitTransaction", &json!([prepared["transaction"], signature])).await.unwrap();
    let whole = format!("{}{}", prepared["transaction"].as_str().unwrap(), hex::encode(signature.as_bytes()));
    let within = world.call("author_submitTransaction", &json!([whole])).await.unwrap();
    assert_eq!(beside, within);

    let other = pair(2).sign(Purpose::Account, &payload, samples::rng());
    let refused = world.refusal("author_submitTransaction", &json!([prepared["transaction"], other])).await;
    assert_eq!((refused.code, refused.data), (1003, json!({ "rule": "badSignature" })));
}

#[tokio::test]
async fn the_typed_client_speaks_the_same_table() {
    let world = World::start().await;
    let client = world.client();
    let file = world.memory.put(CONTENT, &Default::default());
    assert_eq!(client.call::<StorageFile>(&FileParams { file_id: file.file_id }).await.unwrap(), file);
    assert_eq!(client.call::<SystemHealth>(&NoParams {}).await.unwrap().peers, 4);
    let account = client.call::<AccountGet>(&AddressParams { address: alice() }).await.unwrap();
    assert_eq!(account.free, u128::MAX);
    let quote = QuoteQuery { size: 2, profile: None, lease_epochs: None };
    assert_eq!(client.call::<StorageQuote>(&quote).await.unwrap().price, 2 << 64);
    let missing = client.call::<StorageFile>(&FileParams { file_id: id_of(b"missing") }).await.unwrap_err();
    assert!(matches!(missing, ClientError::Refused { code: 1001, .. }), "{missing:?}");
}
