//! Requests for other hosts and from other pages are refused.

use crate::raw::exchange;
use crate::world::World;

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")
}

async fn status(world: &World, request: &str) -> String {
    let answer = exchange(world, request).await;
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn only_known_names_of_this_host_are_answered() {
    let world = World::with(|config| config.hosts = vec!["node.example".into()]).await;
    for host in
        ["localhost", "LOCALHOST:9944", "127.0.0.1", "127.0.0.1:1", "[::1]:80", "node.example", "Node.Example:1"]
    {
        assert_eq!(status(&world, &get("/health", &format!("Host: {host}\r\n"))).await, "200", "{host}");
    }
    for host in ["evil.com", "localhost.evil.com", "127.0.0.1.evil.com", "10.0.0.1", "evil.com:9944"] {
        let answer = exchange(&world, &get("/health", &format!("Host: {host}\r\n"))).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("1006"), "{host}: {answer}");
    }
    assert_eq!(status(&world, &get("/health", "")).await, "403", "no host at all");
    assert_eq!(status(&world, &get("/health", "Host: localhost\r\nHost: evil.com\r\n")).await, "403");
    assert_eq!(status(&world, &get("http://evil.com/health", "Host: localhost\r\n")).await, "403");
    for path in ["/", "/v1/files", "/nothing"] {
        let post = format!("POST {path} HTTP/1.1\r\nHost: evil.com\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(status(&world, &post).await, "403", "{path}");
    }
}

#[tokio::test]
async fn any_host_can_be_allowed() {
    let world = World::with(|config| config.hosts = vec!["*".into()]).await;
    assert_eq!(status(&world, &get("/health", "Host: whatever.example\r\n")).await, "200");
}

#[tokio::test]
async fn pages_of_other_origins_may_not_call() {
    let world = World::start().await;
    let port = world.addr().port();
    let own = format!("http://127.0.0.1:{port}");
    let send = async |origin: &str| {
        let request = world.http.put(world.url("/v1/files")).header("origin", origin).body("abc");
        request.send().await.unwrap()
    };
    let answer = send(&own).await;
    assert_eq!(answer.status(), 201);
    assert!(answer.headers().get("access-control-allow-origin").is_none());
    for origin in ["https://evil.com", "null", "http://127.0.0.1:1", "http://localhost", ""] {
        assert_eq!(send(origin).await.status(), 403, "{origin:?}");
    }
    let preflight = world.http.request(reqwest::Method::OPTIONS, world.url("/"));
    let preflight = preflight.header("origin", "https://evil.com").header("access-control-request-method", "POST");
    assert_eq!(preflight.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn listed_origins_are_told_so() {
    let world = World::with(|config| config.cors_origins = vec!["https://app.example/".into()]).await;
    let preflight = async |origin: &str| {
        let request = world.http.request(reqwest::Method::OPTIONS, world.url("/"));
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "content-type").send().await.unwrap()
    };
    let answer = preflight("https://app.example").await;
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example");
    assert!(answer.headers()["access-control-allow-methods"].to_str().unwrap().contains("PUT"));
    assert!(answer.headers()["access-control-allow-headers"].to_str().unwrap().contains("content-type"));
    assert_eq!(preflight("https://other.example").await.status(), 403);

    let health = world.http.get(world.url("/health")).header("origin", "https://app.example").send().await.unwrap();
    assert_eq!(health.headers()["access-control-allow-origin"], "https://app.example");
    assert_eq!(health.headers()["vary"], "origin");
}

#[tokio::test]
async fn other_paths_and_methods_are_named() {
    let world = World::start().await;
    let table = [
        (reqwest::Method::GET, "/", 405),
        (reqwest::Method::PUT, "/", 405),
        (reqwest::Method::GET, "/v1/files", 405),
        (reqwest::Method::DELETE, "/v1/files/0x00", 405),
        (reqwest::Method::POST, "/health", 405),
        (reqwest::Method::GET, "/nothing", 404),
        (reqwest::Method::POST, "/v1", 404),
        (reqwest::Method::GET, "/v1/files/", 404),
    ];
    for (method, path, expected) in table {
        let response = world.http.request(method.clone(), world.url(path)).send().await.unwrap();
        let allow = response.headers().contains_key("allow");
        let (status, refused) = crate::world::http_refusal(response).await;
        assert_eq!(status, expected, "{method} {path}");
        assert_eq!(allow, expected == 405, "{method} {path}");
        assert!(refused.message.contains(path) && refused.message.contains(method.as_str()), "{}", refused.message);
    }
}
