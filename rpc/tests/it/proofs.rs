//! Proofs as JSON: what is printed is read again, and what is malformed is named.

use rpc::proven::Shown;
use rpc::types::{ProofInfo, ProvenValue};
use serde_json::{Value, json};

use crate::memory::HEAD;
use crate::samples;
use crate::world::World;

#[test]
fn a_proof_is_read_as_it_is_printed() {
    for height in [0, 1, HEAD] {
        for key in [1, 2] {
            let proof = samples::proof(height, vec![key]);
            let text = serde_json::to_string(&ProofInfo::from(&proof)).unwrap();
            let read: ProofInfo = serde_json::from_str(&text).unwrap();
            assert_eq!(read.decode().unwrap(), proof, "{text}");
        }
    }
}

#[test]
fn a_malformed_field_is_named() {
    let good = serde_json::to_value(ProofInfo::from(&samples::proof(HEAD, vec![1]))).unwrap();
    let cases: [(&[&str], Value, &str); 8] = [
        (&["/genesis"], json!("0x00"), "proof.genesis is malformed"),
        (&["/header"], json!("0x"), "proof.header is malformed"),
        (&["/certificate"], json!("0x01"), "proof.certificate is malformed"),
        (&["/validators"], json!("0xfeffffff"), "proof.validators is malformed"),
        (&["/handoffs/0/validators"], json!("0x"), "proof.handoffs[0].validators is malformed"),
        (&["/entries/0/path"], json!("0xff"), "proof.entries[0].path is malformed"),
        (&["/certificate"], json!(null), "go together"),
        (&["/certificate", "/validators"], json!(null), "go together"),
    ];
    for (fields, value, named) in cases {
        let mut bad = good.clone();
        for field in fields {
            *bad.pointer_mut(field).unwrap() = value.clone();
        }
        let error = serde_json::from_value::<ProofInfo>(bad).unwrap().decode().unwrap_err();
        let text = format!("{error}");
        assert!(text.contains(named), "{text}");
    }
    let mut unknown = good;
    unknown["colour"] = json!("red");
    assert!(serde_json::from_value::<ProofInfo>(unknown).is_err());
}

#[tokio::test]
async fn a_value_comes_with_its_proof_and_so_does_absence() {
    let world = World::start().await;
    for (key, value) in [("0x01", json!("0x010203")), ("0x02", Value::Null)] {
        let shown = world.call("state_getProof", &json!([key])).await.unwrap();
        assert_eq!((&shown["key"], &shown["value"], &shown["height"]), (&json!(key), &value, &json!(HEAD)));
        let ProvenValue { proof, .. } = serde_json::from_value(shown).unwrap();
        assert_eq!(proof.decode().unwrap().header(), &samples::header(HEAD));
    }
    let refused = world.refusal("state_getProof", &json!(["0x01", HEAD + 1])).await;
    assert_eq!(refused.code, 1001);
}

#[test]
fn an_answer_is_read_alone_or_inside_its_response_and_what_is_none_is_named() {
    let proof = ProofInfo::from(&samples::proof(HEAD, vec![1]));
    let result = json!({ "key": "0x01", "value": "0x010203", "height": HEAD, "proof": proof });
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    for json in [&result, &response] {
        let shown = Shown::read(json.to_string().as_bytes()).unwrap();
        assert_eq!((&shown.result, &shown.proof), (&result, &proof));
        assert_eq!(shown.field::<u64>("height").unwrap(), HEAD);
        assert!(shown.field::<u64>("key").unwrap_err().to_string().starts_with("key: "));
    }
    let mut no_proof = result.clone();
    no_proof.as_object_mut().unwrap().remove("proof");
    let mut wrong = result.clone();
    wrong["proof"]["genesis"] = json!(7);
    for (json, named) in [
        (no_proof, "carries no proof"),
        (wrong, "proof: "),
        (json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": 1001 } }), "with an error: {\"code\":1001}"),
        (json!({ "jsonrpc": "2.0", "id": 1 }), "no result"),
        (json!([]), "carries no proof"),
    ] {
        let said = Shown::read(json.to_string().as_bytes()).unwrap_err().to_string();
        assert!(said.contains(named), "{said}");
    }
    for text in ["", "{", "{} {}", "{\"proof\":1,\"proof\":1}", "\u{feff}{}"] {
        assert!(Shown::read(text.as_bytes()).unwrap_err().to_string().contains("not JSON"), "{text}");
    }
    let deep = "[".repeat(1_000_000);
    assert!(Shown::read(deep.as_bytes()).is_err());
}
