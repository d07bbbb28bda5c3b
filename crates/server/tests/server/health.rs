//! Health and metrics, on both listeners.

use std::sync::{Arc, Mutex};

use holdfast_server::Handler;

use crate::support::{Ready, Running, config, exchange, handler, statuses, text};

/// Refuses everything, as an S3 service does with requests that nobody signed.
fn forbidding() -> Handler {
    handler(|_, _| async {
        let mut response = text("forbidden".to_owned());
        *response.status_mut() = http::StatusCode::FORBIDDEN;
        response
    })
}

fn request(method: &str, target: &str, host: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_answers_before_authentication_and_shadows_nothing_else() {
    let server = Running::start(&config(&[("domain", "s3.example.com")]), forbidding());
    let cases = [
        ("GET", "/health/live", "a", 200),
        ("HEAD", "/health/live", "a", 200),
        ("GET", "/health/ready", "s3.example.com:9000", 200),
        ("PUT", "/health/live", "a", 405),
        ("DELETE", "/health/ready", "a", 405),
        ("GET", "/health", "a", 403),
        ("GET", "/health/", "a", 403),
        ("GET", "/health/live/", "a", 403),
        ("GET", "/health/lively", "a", 403),
        ("PUT", "/health/object", "a", 403),
        ("GET", "/metrics", "a", 403),
        ("GET", "/health/live", "bucket.s3.example.com", 403),
        ("PUT", "/health/ready", "Bucket.S3.Example.com:9000", 403),
    ];
    for (method, target, host, expected) in cases {
        let answer = exchange(server.address, &request(method, target, host)).await;
        assert_eq!(statuses(&answer), [expected], "{method} {target} {host}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_write_is_alive_but_not_ready() {
    let readiness = Arc::new(Ready(Mutex::new(Err("the disk is full".to_owned()))));
    let server = Running::start_with(&config(&[]), forbidding(), readiness);
    let live = exchange(server.address, &request("GET", "/health/live", "a")).await;
    assert_eq!(statuses(&live), [200]);
    let ready = exchange(server.address, &request("GET", "/health/ready", "a")).await;
    assert!(statuses(&ready) == [503] && ready.ends_with("not ready: the disk is full\n"), "{ready}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_listener_serves_metrics_and_health_and_no_s3() {
    let server = Running::start(&config(&[("admin-listen", "127.0.0.1:0")]), forbidding());
    let admin = server.admin.expect("an admin address");
    assert_eq!(statuses(&exchange(server.address, &request("GET", "/bucket/key?X-Amz-Signature=secret", "a")).await), [403]);
    let cases = [("GET", "/health/live", 200), ("HEAD", "/metrics", 200), ("POST", "/metrics", 405), ("GET", "/bucket/key", 404)];
    for (method, target, expected) in cases {
        let answer = exchange(admin, &request(method, target, "a")).await;
        assert_eq!(statuses(&answer), [expected], "{method} {target}: {answer}");
    }
    let metrics = exchange(admin, &request("GET", "/metrics", "a")).await;
    for expected in [
        "content-type: text/plain; version=0.0.4",
        "holdfast_s3_requests_total{operation=\"Test\",code=\"403\"} 1\n",
        "holdfast_connections_accepted_total 1\n",
        "holdfast_build_info{version=",
    ] {
        assert!(metrics.contains(expected), "{expected} is missing in\n{metrics}");
    }
    assert!(!metrics.contains("secret"));
}
