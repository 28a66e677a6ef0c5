//! A transfer signed outside moves the balance; a forged one does not.

use e2e::{Network, Node};
use parity_scale_codec::{DecodeAll, Encode};
use rand_core::OsRng;
use runtime::crypto::{KeyPair, Purpose};
use runtime::types::{BlockHash, Transaction};
use serde_json::{Value, json};

pub fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap()
}

async fn free(node: &Node, pair: &KeyPair) -> u128 {
    let account = node.ok("account_get", json!([pair.account().to_string()])).await.unwrap();
    account["free"].as_str().unwrap().parse().unwrap()
}

async fn prepare(node: &Node, from: &KeyPair, to: &KeyPair, amount: u128) -> Value {
    let args = json!({ "to": to.account().to_string(), "amount": amount.to_string() });
    let call = json!({ "module": "accounts", "name": "transfer", "args": args });
    let params = json!([{ "from": from.account().to_string(), "call": call }]);
    node.ok("author_prepare", params).await.unwrap()
}

pub fn sign(pair: &KeyPair, payload: &[u8]) -> String {
    format!("0x{}", pair.sign(Purpose::Account, payload, OsRng))
}

/// Waits, block by block, until the transaction is final.
pub async fn final_result(node: &Node, hash: &Value) -> Value {
    loop {
        let transaction = node.ok("chain_getTransaction", json!([hash])).await.unwrap();
        if transaction["status"] == "final" {
            return transaction["result"].clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_transfer_signed_outside_moves_the_balance() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let alice = KeyPair::from_secret_text("//Alice").unwrap();
    let bob = KeyPair::from_secret_text("//Bob").unwrap();
    let (alice_before, bob_before) = (free(&node, &alice).await, free(&node, &bob).await);
    for wrapped in [false, true] {
        let prepared = prepare(&node, &alice, &bob, 5_000_000_000).await;
        let payload = unhex(&prepared["payload"]);
        let signed = if wrapped { [b"<Bytes>", payload.as_slice(), b"</Bytes>"].concat() } else { payload };
        let params = json!([prepared["transaction"], sign(&alice, &signed)]);
        let submitted = node.ok("author_submitTransaction", params).await.unwrap();
        final_result(&node, &submitted["txHash"]).await;
    }
    assert_eq!(free(&node, &bob).await, bob_before + 10_000_000_000);
    assert!(free(&node, &alice).await < alice_before - 10_000_000_000, "the fee is paid too");
}

#[tokio::test]
async fn forged_and_stale_transfers_are_refused() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let alice = KeyPair::from_secret_text("//Alice").unwrap();
    let bob = KeyPair::from_secret_text("//Bob").unwrap();
    let prepared = prepare(&node, &alice, &bob, 1_000_000).await;
    let payload = unhex(&prepared["payload"]);

    let forged = json!([prepared["transaction"], sign(&bob, &payload)]);
    let error = node.err("author_submitTransaction", forged).await.unwrap();
    assert_eq!((&error["code"], &error["data"]["rule"]), (&json!(1003), &json!("badSignature")));

    // The genesis is part of what is signed: 24 bytes of tag stand before it.
    let mut elsewhere = payload.clone();
    elsewhere[24] ^= 1;
    let other_chain = json!([prepared["transaction"], sign(&alice, &elsewhere)]);
    let error = node.err("author_submitTransaction", other_chain).await.unwrap();
    assert_eq!(error["data"]["rule"], "badSignature");

    let signed = json!([prepared["transaction"], sign(&alice, &payload)]);
    let submitted = node.ok("author_submitTransaction", signed.clone()).await.unwrap();
    final_result(&node, &submitted["txHash"]).await;
    let error = node.err("author_submitTransaction", signed).await.unwrap();
    assert_eq!((&error["code"], &error["data"]["rule"]), (&json!(1003), &json!("nonceTooLow")));
}

/// Bob's transfer to `to` with a nonce of one's choice, signed.
async fn signed_with(node: &Node, to: &str, nonce: u64) -> Value {
    let bob = KeyPair::from_secret_text("//Bob").unwrap();
    let to = KeyPair::from_secret_text(to).unwrap();
    let prepared = prepare(node, &bob, &to, 1_000_000_000).await;
    let mut transaction = Transaction::decode_all(&mut unhex(&prepared["transaction"]).as_slice()).unwrap();
    let Transaction::Signed { nonce: prepared, .. } = &mut transaction else { panic!("a transfer is paid for") };
    *prepared = nonce;
    let genesis = node.ok("chain_getBlockHash", json!([0])).await.unwrap();
    let genesis = BlockHash::decode_all(&mut unhex(&genesis).as_slice()).unwrap();
    json!([format!("0x{}", hex::encode(transaction.sign(&genesis, &bob, OsRng).encode()))])
}

#[tokio::test]
async fn a_nonce_that_waits_is_told_from_one_that_is_used() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    // Behind a gap, so it waits.
    let first = signed_with(&node, "//Alice", 1).await;
    let waiting = node.ok("author_submitTransaction", first.clone()).await.unwrap();
    let error = node.err("author_submitTransaction", signed_with(&node, "//Charlie", 1).await).await.unwrap();
    assert_eq!(error["code"], 1003);
    assert_eq!(error["data"], json!({ "rule": "noncePending", "txHash": waiting["txHash"] }));
    assert!(error["message"].as_str().unwrap().contains(waiting["txHash"].as_str().unwrap()), "{error}");
    assert_eq!(node.ok("author_submitTransaction", first).await.unwrap(), waiting, "the same one is taken already");
}

#[tokio::test]
async fn a_call_is_tried_only_if_nothing_of_its_account_comes_before_it() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let error = node.err("author_submitTransaction", signed_with(&node, "//Bob", 0).await).await.unwrap();
    assert_eq!((&error["code"], &error["data"]["rule"]), (&json!(1003), &json!("selfTransfer")));
    let behind = node.ok("author_submitTransaction", signed_with(&node, "//Bob", 1).await).await.unwrap();
    let first = node.ok("author_submitTransaction", signed_with(&node, "//Alice", 0).await).await.unwrap();
    final_result(&node, &first["txHash"]).await;
    assert!(final_result(&node, &behind["txHash"]).await.to_string().contains("selfTransfer"));
}
