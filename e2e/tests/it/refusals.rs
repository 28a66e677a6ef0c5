//! Bad input gets its code and a sentence that names it, and changes nothing.

use e2e::Network;
use serde_json::json;

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
