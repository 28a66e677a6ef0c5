//! A transfer signed outside moves the balance; a forged one does not.

use e2e::{Network, Node};
use rand_core::OsRng;
use runtime::crypto::{KeyPair, Purpose};
use serde_json::{Value, json};

fn unhex(value: &Value) -> Vec<u8> {
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

fn sign(pair: &KeyPair, payload: &[u8]) -> String {
    format!("0x{}", pair.sign(Purpose::Account, payload, OsRng))
}

/// Waits, block by block, until the transaction is final.
async fn final_result(node: &Node, hash: &Value) -> Value {
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
