//! Each code, and parameters that are not what they should be.

use serde_json::{Value, json};

use crate::memory::{Break, id_of};
use crate::samples::alice;
use crate::world::World;

const DATA: &str = "YWJj";

#[tokio::test]
async fn every_code_comes_with_its_data() {
    let world = World::start().await;
    let table = [
        ("refused", 1003, json!({ "rule": "insufficientBalance" })),
        ("full", 1005, Value::Null),
        ("foreign", 1006, Value::Null),
        ("syncing", 1007, json!({ "reason": "syncing" })),
        ("unavailable", 1007, json!({ "reason": "providerUnavailable", "provider": "5F" })),
    ];
    for (profile, code, data) in table {
        let refused = world.refusal("storage_submit", &json!([DATA, { "profile": profile }])).await;
        assert_eq!((refused.code, refused.data), (code, data), "{profile}: {}", refused.message);
        assert!(!refused.message.is_empty());
    }
    let missing = world.refusal("storage_file", &json!([id_of(b"missing")])).await;
    assert_eq!(missing.code, 1001);
    assert!(missing.message.contains(&id_of(b"missing").to_string()), "{}", missing.message);

    let file = world.memory.put(&[7; 100_000], &Default::default()).file_id;
    let broken = |how| world.memory.broken.lock().unwrap().insert(file, how);
    broken(Break::AtOnce);
    let refused = world.refusal("storage_retrieve", &json!([file])).await;
    assert_eq!((refused.code, refused.data), (1002, json!({ "segment": 1, "live": 1, "needed": 2 })));
    for mismatch in [Break::Midway, Break::AtEnd] {
        broken(mismatch);
        assert_eq!(world.refusal("storage_retrieve", &json!([file])).await.code, 1008);
    }
    for wrong_length in [Break::Short, Break::Long] {
        broken(wrong_length);
        assert_eq!(world.refusal("storage_retrieve", &json!([file])).await.code, -32603);
    }
}

#[tokio::test]
async fn internal_errors_show_a_number_and_nothing_else() {
    let world = World::start().await;
    let refused = world.refusal("storage_submit", &json!([DATA, { "profile": "broken" }])).await;
    assert_eq!((refused.code, refused.message.as_str()), (-32603, "internal error"));
    assert!(refused.data["logId"].is_string(), "{}", refused.data);
    assert!(!refused.data.to_string().contains("secret"));
}

#[tokio::test]
async fn bad_parameters_are_refused_by_name() {
    let world = World::start().await;
    let file = world.memory.put(b"abc", &Default::default()).file_id;
    let id = json!(file);
    let table = [
        ("storage_submit", json!([]), "data"),
        ("storage_submit", json!(["abc"]), "data: not base64"),
        ("storage_submit", json!(["YWJ-"]), "data: not base64"),
        ("storage_submit", json!(["YWI"]), "data: not base64"),
        ("storage_submit", json!([7]), "data: "),
        ("storage_submit", json!({ "data": DATA, "extra": 1 }), "extra"),
        ("storage_submit", json!([DATA, { "names": "x" }]), "names"),
        ("storage_submit", json!([DATA, { "leaseEpochs": -1 }]), "options.leaseEpochs: "),
        ("storage_submit", json!([DATA, { "leaseEpochs": 0 }]), "leaseEpochs"),
        ("storage_submit", json!([DATA, { "name": "" }]), "options.name: "),
        ("storage_submit", json!([DATA, { "name": "a\nb" }]), "options.name: "),
        ("storage_submit", json!([DATA, { "mediaType": "x".repeat(128) }]), "options.mediaType: "),
        ("storage_submit", json!([DATA, { "from": "nobody" }]), "options.from: not an SS58 address"),
        ("storage_submit", json!([DATA, { "resumeKey": "k" }]), "resumeKey"),
        ("storage_submit", json!([DATA, null, 1]), "at most 2 parameters"),
        ("storage_locate", json!(["0x00"]), "fileId: expected 64 hex digits"),
        ("storage_locate", json!([id, { "limit": 0 }]), "limit"),
        ("storage_locate", json!([id, { "limit": 1.5 }]), "options.limit: "),
        ("storage_locate", json!([id, []]), "options: "),
        ("storage_retrieve", json!([id, { "offset": 0 }]), "length"),
        ("storage_retrieve", json!([id, { "offset": 0, "length": 1, "end": 2 }]), "end"),
        ("storage_retrieve", json!([id, { "offset": 4, "length": 0 }]), "range: the file ends at byte 3"),
        ("storage_retrieve", json!([id, { "offset": 1, "length": 3 }]), "range: the file ends at byte 3"),
        ("storage_retrieve", json!([id, { "offset": u64::MAX, "length": 1 }]), "range: "),
        ("storage_file", json!({ "fileID": id }), "fileID"),
        ("storage_files", json!({ "owner": "x" }), "owner: not an SS58 address"),
        ("storage_files", json!([{ "contentHash": "0x12" }]), "contentHash: expected 64 hex digits"),
        ("storage_files", json!({ "cursor": "c".repeat(513) }), "cursor"),
        ("storage_files", json!(["x"]), "one object"),
        ("storage_quote", json!({}), "size"),
        ("storage_quote", json!({ "size": "12" }), "size: "),
        ("chain_getBlock", json!(["latest"]), "hashOrHeight: expected 64 hex digits"),
        ("chain_getBlock", json!([-1]), "hashOrHeight: "),
        ("chain_getBlock", json!([true]), "hashOrHeight: "),
        ("chain_getTransaction", json!(["0x"]), "hash: "),
        ("chain_getCertificate", json!([]), "height"),
        ("state_get", json!(["01"]), "key: hex begins with 0x"),
        ("state_get", json!(["0x0"]), "key: "),
        ("state_get", json!(["0x"]), "key: "),
        ("state_get", json!([format!("0x{}", "00".repeat(1025))]), "key: "),
        ("state_getProof", json!(["0x"]), "key: "),
        ("state_getProof", json!([format!("0x{}", "00".repeat(1025))]), "key: "),
        ("state_getProof", json!(["0x01", "latest"]), "height: "),
        ("state_getProof", json!(["0x01", null, -1]), "trusted: "),
        ("account_get", json!(["5Grw"]), "address: not an SS58 address"),
        ("author_submitTransaction", json!(["0x00"]), "transaction: "),
        ("author_submitTransaction", json!(["0x00", "0x00"]), "signature: "),
        ("author_prepare", json!({ "from": alice(), "call": 7 }), "call: "),
        ("provider_list", json!([7]), "cursor: "),
        ("validator_list", json!(["now"]), "epoch: "),
        ("system_name", json!([1]), "at most 0 parameters"),
    ];
    for (method, params, named) in table {
        let refused = world.refusal(method, &params).await;
        assert_eq!(refused.code, -32602, "{method} {params}: {}", refused.message);
        assert!(refused.message.contains(named), "{method} {params}: {}", refused.message);
    }
}

#[tokio::test]
async fn a_page_of_files_is_no_longer_than_the_limit_whoever_asks() {
    let world = World::start().await;
    for number in 0..1001_u32 {
        world.memory.put(&number.to_be_bytes(), &Default::default());
    }
    for (limit, items) in [(1, 1), (1000, 1000), (1001, 1000), (100_000, 1000)] {
        let page = world.call("storage_files", &json!({ "limit": limit })).await.unwrap();
        assert_eq!(page["items"].as_array().unwrap().len(), items, "{limit}");
    }
}

#[tokio::test]
async fn what_is_no_call_is_refused_as_json_rpc_says() {
    let world = World::start().await;
    assert_eq!(world.refusal("storage_burn", &json!([])).await.code, -32601);
    let post =
        |body: &'static str| world.http.post(world.url("/")).header("content-type", "application/json").body(body);
    for (body, code) in [("{", -32700), (r#"{"id":1,"method":1}"#, -32600), ("[1]", -32600), ("[{]", -32700)] {
        let answer: Value = post(body).send().await.unwrap().json().await.unwrap();
        let error = answer.get(0).unwrap_or(&answer);
        assert_eq!(error["error"]["code"], code, "{body}: {answer}");
    }
    let text = world.http.post(world.url("/")).header("content-type", "text/plain").body("{}").send().await.unwrap();
    assert_eq!(text.status(), 415, "any page may send text, so it must not be a call");
    let text: Value = text.json().await.unwrap();
    assert_eq!(text["error"]["code"], -32602);
    assert!(text["error"]["message"].as_str().unwrap().starts_with("content-type"), "{text}");
    let form = world.http.post(world.url("/")).body("{}").send().await.unwrap();
    assert_eq!(form.status(), 415);
}
