//! `GET|HEAD /v1/files/{fileId}`: whole, in parts, not at all.

use pieces::FileId;
use reqwest::header::{HeaderMap, RANGE};
use reqwest::{Response, StatusCode};
use rpc::types::{FileInfo, SubmitOptions};
use serde_json::{Value, json};

use crate::memory::{Break, id_of};
use crate::world::{World, http_refusal};

fn content() -> Vec<u8> {
    (0..100_000u32).map(|index| (index % 251) as u8).collect()
}

fn put(world: &World) -> FileInfo {
    let options = SubmitOptions { media_type: Some("text/html".parse().unwrap()), ..Default::default() };
    world.memory.put(&content(), &options)
}

async fn get(world: &World, path: &str, headers: &[(&'static str, &str)]) -> Response {
    let request = world.http.get(world.url(path));
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn path(file: FileId) -> String {
    format!("/v1/files/0x{file}")
}

#[tokio::test]
async fn a_file_comes_with_headers_that_keep_it_harmless() {
    let world = World::start().await;
    let file = put(&world).file_id;
    let response = get(&world, &path(file), &[]).await;
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    assert_eq!(header(&headers, "content-type"), "text/html");
    assert_eq!(header(&headers, "content-length"), "100000");
    assert_eq!(header(&headers, "etag"), format!("\"0x{file}\""));
    assert_eq!(header(&headers, "accept-ranges"), "bytes");
    assert_eq!(header(&headers, "x-content-type-options"), "nosniff");
    assert!(header(&headers, "content-security-policy").contains("sandbox"));
    assert!(!headers.contains_key("content-disposition"));
    assert_eq!(response.bytes().await.unwrap(), content());

    let bare = get(&world, &format!("/v1/files/{file}"), &[]).await;
    assert_eq!(bare.bytes().await.unwrap(), content(), "without 0x");
    let unnamed = world.memory.put(b"raw", &SubmitOptions::default()).file_id;
    let unnamed = get(&world, &path(unnamed), &[]).await;
    assert_eq!(header(unnamed.headers(), "content-type"), "application/octet-stream");
}

#[tokio::test]
async fn ranges_give_their_part() {
    let world = World::start().await;
    let content = content();
    let file = put(&world).file_id;
    let table = [
        ("bytes=0-0", 0, 1),
        ("bytes=99999-", 99_999, 100_000),
        ("bytes=-10", 99_990, 100_000),
        ("bytes=16383-16385", 16_383, 16_386),
        ("bytes=0-999999999", 0, 100_000),
        ("bytes=-999999999", 0, 100_000),
    ];
    for (range, from, to) in table {
        let response = get(&world, &path(file), &[("range", range)]).await;
        assert_eq!(response.status(), 206, "{range}");
        let expected = format!("bytes {from}-{}/100000", to - 1);
        assert_eq!(header(response.headers(), "content-range"), expected, "{range}");
        assert_eq!(header(response.headers(), "content-length"), (to - from).to_string(), "{range}");
        assert_eq!(response.bytes().await.unwrap(), content[from..to], "{range}");
    }
    for range in ["bytes=100000-", "bytes=100000-100001", "bytes=-0"] {
        let response = get(&world, &path(file), &[("range", range)]).await;
        assert_eq!(header(response.headers(), "content-range"), "bytes */100000", "{range}");
        let (status, refused) = http_refusal(response).await;
        assert_eq!((status, refused.code), (416, -32602), "{range}");
    }
    for range in ["bytes=0-1,4-5", "lines=1-2", "bytes=5-4", "nonsense"] {
        let response = get(&world, &path(file), &[("range", range)]).await;
        assert_eq!(response.status(), 200, "{range}");
        assert_eq!(response.bytes().await.unwrap(), content, "{range}");
    }
}

#[tokio::test]
async fn an_empty_file_is_served_too() {
    let world = World::start().await;
    let file = world.memory.put(b"", &SubmitOptions::default()).file_id;
    let response = get(&world, &path(file), &[]).await;
    assert_eq!((response.status(), header(response.headers(), "content-length")), (StatusCode::OK, "0"));
    assert!(response.bytes().await.unwrap().is_empty());
    assert_eq!(get(&world, &path(file), &[("range", "bytes=0-")]).await.status(), 416);
}

#[tokio::test]
async fn a_range_holds_only_for_the_same_file() {
    let world = World::start().await;
    let file = put(&world).file_id;
    let tag = format!("\"0x{file}\"");
    let weak = format!("W/{tag}");
    for (if_range, expected) in [(tag.as_str(), 206), (weak.as_str(), 200), ("\"other\"", 200)] {
        let response = get(&world, &path(file), &[("range", "bytes=0-1"), ("if-range", if_range)]).await;
        assert_eq!(response.status(), expected, "{if_range}");
    }
}

#[tokio::test]
async fn a_client_that_has_it_is_told_so() {
    let world = World::start().await;
    let file = put(&world).file_id;
    let tag = format!("\"0x{file}\"");
    for tags in [tag.clone(), format!("\"a\", W/{tag}"), "*".into()] {
        let response = get(&world, &path(file), &[("if-none-match", &tags), ("range", "bytes=0-1")]).await;
        assert_eq!(response.status(), 304, "{tags}");
        assert_eq!(header(response.headers(), "etag"), tag);
        assert!(response.bytes().await.unwrap().is_empty());
        let head = world.http.head(world.url(&path(file))).header("if-none-match", &tags).send().await.unwrap();
        assert_eq!(head.status(), 304, "{tags}");
    }
    assert_eq!(get(&world, &path(file), &[("if-none-match", "\"other\"")]).await.status(), 200);
    assert_eq!(get(&world, &path(id_of(b"missing")), &[("if-none-match", "*")]).await.status(), 404);
}

#[tokio::test]
async fn head_says_what_get_would_without_bytes() {
    let world = World::start().await;
    let file = put(&world).file_id;
    // Its bytes cannot be read, and nobody tries.
    world.memory.broken.lock().unwrap().insert(file, Break::AtOnce);
    let head = world.http.head(world.url(&path(file))).header(RANGE, "bytes=0-1").send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(header(head.headers(), "content-length"), "100000");
    assert_eq!(header(head.headers(), "content-type"), "text/html");
    assert_eq!(header(head.headers(), "accept-ranges"), "bytes");
    assert!(head.bytes().await.unwrap().is_empty());
    let missing = world.http.head(world.url(&path(id_of(b"missing")))).send().await.unwrap();
    assert_eq!(missing.status(), 404);
}

#[tokio::test]
async fn a_download_is_saved_under_its_name() {
    let world = World::start().await;
    let file = put(&world).file_id;
    let named = get(&world, &format!("{}?download=gr%C3%BCn.txt", path(file)), &[]).await;
    let expected = "attachment; filename=\"gr_n.txt\"; filename*=UTF-8''gr%C3%BCn.txt";
    assert_eq!(header(named.headers(), "content-disposition"), expected);
    let unnamed = get(&world, &format!("{}?download", path(file)), &[]).await;
    assert!(header(unnamed.headers(), "content-disposition").contains(&file.to_string()));
    let (status, refused) = http_refusal(get(&world, &format!("{}?dowload=x", path(file)), &[]).await).await;
    assert_eq!((status, refused.code), (400, -32602));
    assert!(refused.message.contains("dowload"), "{}", refused.message);
}

#[tokio::test]
async fn a_stream_that_fails_never_looks_complete() {
    let world = World::start().await;
    let file = put(&world).file_id;
    for how in [Break::Midway, Break::AtEnd, Break::Short, Break::Long] {
        world.memory.broken.lock().unwrap().insert(file, how);
        let response = get(&world, &path(file), &[]).await;
        assert_eq!(response.status(), 200, "it began well");
        assert!(response.bytes().await.is_err(), "{how:?} ended with an error");
    }
    world.memory.broken.lock().unwrap().insert(file, Break::AtOnce);
    let (status, refused) = http_refusal(get(&world, &path(file), &[]).await).await;
    assert_eq!((status, refused.code), (503, 1002));
}

#[tokio::test]
async fn pieces_are_as_storage_locate_shows_them() {
    let world = World::start().await;
    let file = put(&world).file_id;
    let over_http: Value = get(&world, &format!("{}/pieces", path(file)), &[]).await.json().await.unwrap();
    assert_eq!(over_http, world.call("storage_locate", &json!([file])).await.unwrap());
    let part = format!("{}/pieces?fromSegment=2&limit=3&proof=true", path(file));
    let part: Value = get(&world, &part, &[]).await.json().await.unwrap();
    assert_eq!((part["segments"][0]["index"].as_u64(), part["nextSegment"].as_u64()), (Some(2), Some(3)));
    assert!(part["proof"].is_object());
    for (query, named) in [("limit=0", "limit"), ("limt=1", "limt"), ("proof=maybe", "proof")] {
        let (status, refused) = http_refusal(get(&world, &format!("{}/pieces?{query}", path(file)), &[]).await).await;
        assert_eq!(status, 400, "{query}");
        assert!(refused.message.contains(named), "{query}: {}", refused.message);
    }
}

#[tokio::test]
async fn ids_that_are_none_are_named() {
    let world = World::start().await;
    for id in ["0x12", "..%2f..%2fetc%2fpasswd", "%00", "%00%ff", "%ff/pieces", "zz"] {
        let (status, refused) = http_refusal(get(&world, &format!("/v1/files/{id}"), &[]).await).await;
        assert_eq!((status, refused.code), (400, -32602), "{id}");
        assert!(refused.message.starts_with("fileId: "), "{id}: {}", refused.message);
    }
    let (status, refused) = http_refusal(get(&world, &path(id_of(b"missing")), &[]).await).await;
    assert_eq!((status, refused.code), (404, 1001));
}
