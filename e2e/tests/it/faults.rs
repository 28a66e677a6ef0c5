//! One of six providers is slow, silent or gone: files go in and come out all the same, and the log says who it was.

use std::time::{Duration, Instant};

use e2e::{Network, Node, bytes};
use reqwest::Method;
use runtime::crypto::KeyPair;
use serde_json::{Value, json};

use crate::dev_providers::{wait_for_next_epoch, with_short_epochs};
use crate::proxy::{Link, Proxy, socket_of};
use crate::transfer::{final_result, sign, unhex};
use crate::{download, retrieve, submit};

const PROVIDERS: usize = 6;
const SLOW: Link = Link::Slow(10_000);
/// Far less than the slow one would take, or than waiting for the silent one.
const IN_TIME: Duration = Duration::from_secs(25);

/// Six providers, each behind a link of its own.
struct Linked {
    node: Node,
    links: Vec<Proxy>,
    accounts: Vec<String>,
    _network: Network,
}

impl Linked {
    async fn start() -> Self {
        let network = with_short_epochs();
        let node = network.start_with(&["--dev-providers", "6"]).unwrap();
        let (mut links, mut accounts) = (Vec::new(), Vec::new());
        for index in 0..PROVIDERS {
            let pair = KeyPair::from_secret_text(&format!("//Provider//{index}")).unwrap();
            let account = pair.account().to_string();
            let record = node.ok("provider_get", json!([account])).await.unwrap();
            let link = Proxy::start(socket_of(record["addresses"][0].as_str().unwrap()));
            update(&node, &pair, json!({ "addresses": [link.multiaddr()] })).await;
            links.push(link);
            accounts.push(account);
        }
        wait_for_next_epoch(&node).await;
        Self { node, links, accounts, _network: network }
    }

    /// What peers did wrong so far.
    async fn faults(&self) -> u64 {
        faults(&self.node, "").await
    }

    /// Submits files until it was the faulty one's turn; each is there in good time. The last one.
    async fn submit_until_fault(&self, seed: u64) -> (Value, Vec<u8>) {
        let before = self.faults().await;
        for attempt in 0..50 {
            let data = bytes(seed * 1_000 + attempt, 600_000);
            let started = Instant::now();
            let file = submit(&self.node, &data).await["fileId"].clone();
            assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
            if self.faults().await > before {
                return (file, data);
            }
        }
        panic!("it was never its turn");
    }
}

/// What peers did wrong so far: `slow`, `failed` or `lied`, or all of it.
pub async fn faults(node: &Node, fault: &str) -> u64 {
    counted(node, "piecewise_dsn_peer_faults_total{", fault).await
}

/// The sum of the samples whose line begins with `name` and names `label`.
async fn counted(node: &Node, name: &str, label: &str) -> u64 {
    let url = format!("{}/metrics", node.metrics_url().unwrap());
    let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let counts = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Has a provider change its record.
pub async fn update(node: &Node, pair: &KeyPair, args: Value) {
    let call = json!({ "module": "providers", "name": "update", "args": args });
    let params = json!([{ "from": pair.account().to_string(), "call": call }]);
    let prepared = node.ok("author_prepare", params).await.unwrap();
    let signature = sign(pair, &unhex(&prepared["payload"]));
    let sent = node.ok("author_submitTransaction", json!([prepared["transaction"], signature])).await.unwrap();
    final_result(node, &sent["txHash"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_succeeds_while_one_of_six_is_slow_silent_or_gone_and_the_log_names_it() {
    for (seed, link, said) in [
        (1, SLOW, "many times slower than the others"),
        (2, Link::Mute, "many times slower than the others"),
        (3, Link::Cut, "cannot reach"),
    ] {
        let mut linked = Linked::start().await;
        linked.links[1].set(link);
        let (file, data) = linked.submit_until_fault(seed).await;
        let line = linked.node.wait_for(said).unwrap();
        assert!(line.contains(&linked.accounts[1]) && line.contains("12D3Koo"), "{line}");
        assert!(line.contains("upload{"), "the upload is named: {line}");
        assert!(retrieve(&linked.node, &file).await == data);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_succeeds_while_one_of_six_is_slow_silent_or_gone_and_the_log_names_it() {
    for (seed, link) in [(4, SLOW), (5, Link::Mute), (6, Link::Cut)] {
        let mut linked = Linked::start().await;
        let data = bytes(seed, 2_000_000);
        let file = submit(&linked.node, &data).await["fileId"].clone();
        let located = linked.node.ok("storage_locate", json!([file])).await.unwrap();
        let holder = located["segments"][0]["pieces"][0]["provider"].as_str().unwrap().to_owned();
        let place = linked.accounts.iter().position(|account| *account == holder).unwrap();
        linked.links[place].set(link);
        let started = Instant::now();
        assert!(retrieve(&linked.node, &file).await == data);
        assert!(started.elapsed() < IN_TIME, "{link:?}: {:?}", started.elapsed());
        let line = linked.node.wait_for("holder").unwrap();
        let named = [holder.as_str(), "12D3Koo", file.as_str().unwrap().trim_start_matches("0x")];
        assert!(named.iter().all(|name| line.contains(name)), "{line}");
        // From now on others are asked first.
        let started = Instant::now();
        assert!(retrieve(&linked.node, &file).await == data);
        assert!(started.elapsed() < Duration::from_secs(2), "{link:?}: {:?}", started.elapsed());
    }
}

/// Three segments, each of which finds the slow one in one of its slots or among its spares. At 10 kB/s a single piece of a
/// whole segment would take almost two hours.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_not_paced_by_a_slow_provider() {
    let linked = Linked::start().await;
    linked.links[1].set(SLOW);
    linked.links[4].set(SLOW);
    let data = bytes(10, 300_000_000);
    let put = linked.node.http(Method::PUT, "/v1/files").body(data.clone()).send().await.unwrap();
    assert_eq!(put.status(), 201);
    let receipt: Value = put.json().await.unwrap();
    assert!(linked.faults().await >= 1);
    assert!(download(&linked.node, &receipt["fileId"]).await == data);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_few_left_the_errors_name_what_is_missing_at_once() {
    let linked = Linked::start().await;
    let data = bytes(7, 600_000);
    let file = submit(&linked.node, &data).await["fileId"].clone();
    linked.links[1..].iter().for_each(|link| link.set(Link::Cut));
    let paid = alices_balance(&linked.node).await;
    let started = Instant::now();
    let error = linked.node.err("storage_retrieve", json!([file])).await.unwrap();
    assert_eq!(
        (&error["code"], &error["data"]["segment"], &error["data"]["needed"]),
        (&json!(1002), &json!(0), &json!(2))
    );
    let other = json!([base64_of(&bytes(8, 600_000))]);
    let error = linked.node.err("storage_submit", other).await.unwrap();
    assert_eq!((&error["code"], &error["data"]["reason"]), (&json!(1007), &json!("noProvider")), "{error}");
    let named = error["data"]["providers"][0]["provider"].as_str().unwrap().to_owned();
    assert!(linked.accounts[1..].contains(&named), "{error}");
    let said = error["message"].as_str().unwrap();
    assert!(said.contains("of segment 0") && said.contains(&named) && said.contains("cannot reach"), "{said}");
    assert!(started.elapsed() < IN_TIME, "{:?}", started.elapsed());
    assert_eq!(alices_balance(&linked.node).await, paid, "nothing is paid for what was not recorded");
}

async fn alices_balance(node: &Node) -> Value {
    let alice = KeyPair::from_secret_text("//Alice").unwrap().account().to_string();
    node.ok("account_get", json!([alice])).await.unwrap()["free"].clone()
}

fn base64_of(data: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(data)
}

/// What is read ahead for a client that has gone is let go at once: the providers see their streams end.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_broken_off_frees_its_streams_at_once() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let data = bytes(9, 120_000_000);
    let put = node.http(Method::PUT, "/v1/files").body(data.clone()).send().await.unwrap();
    let receipt: Value = put.json().await.unwrap();
    let path = format!("/v1/files/{}", receipt["fileId"].as_str().unwrap());
    let mut answer = node.http(Method::GET, &path).send().await.unwrap();
    answer.chunk().await.unwrap().unwrap();
    assert_eq!(broken_gets(&node).await, 0);
    let dropped = Instant::now();
    drop(answer);
    while broken_gets(&node).await < 2 {
        // Well before anybody takes the other side for dead, which takes half a minute.
        assert!(dropped.elapsed() < Duration::from_secs(15));
        tokio::task::yield_now().await;
    }
    assert!(download(&node, &receipt["fileId"]).await == data);
}

/// Streams of gets that ended before all was sent.
async fn broken_gets(node: &Node) -> u64 {
    counted(node, "piecewise_pieces_got_total{", "failed").await
}
