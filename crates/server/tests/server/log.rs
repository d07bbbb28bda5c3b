//! The log line of a request: there is exactly one, it says what happened, and it holds no secret.

use std::io;
use std::sync::{Arc, Mutex};

use holdfast_server::{Handler, RequestFacts};
use http_body_util::BodyExt;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Running, config, exchange, handler, text};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while logging").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn of_requests(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().expect("no panic while logging").clone();
        let text = String::from_utf8(bytes).expect("utf-8");
        assert!(!text.contains("deadbeef") && !text.contains("hunter2"), "{text}");
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        lines.filter(|line| line["target"] == "holdfast::request").collect()
    }
}

/// Answers as a failed conditional put of `secret/plans` does, once it has read the body.
fn refusing_put() -> Handler {
    handler(|request, _| async {
        let _ = request.into_body().collect().await;
        let mut response = text("refused".to_owned());
        *response.status_mut() = http::StatusCode::PRECONDITION_FAILED;
        response.extensions_mut().insert(RequestFacts {
            request_id: "ABC".to_owned(),
            operation: "PutObject",
            bucket: Some("bucket".to_owned()),
            key: Some("secret/plans".to_owned()),
            access_key: Some("root".to_owned()),
            code: "PreconditionFailed",
            verdict: Some("failed"),
        });
        response
    })
}

const PUT: &[u8] =
    b"PUT /bucket/secret/plans?X-Amz-Signature=deadbeef HTTP/1.1\r\nHost: a\r\nAuthorization: hunter2\r\nContent-Length: 5\r\n\
                     Connection: close\r\n\r\nhello";

// One thread, so that the subscriber of the test is the server's too.
#[tokio::test]
async fn a_request_is_one_line_with_its_facts_and_without_secrets() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(tracing::Level::TRACE).with_writer(lines.clone());
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    let server = Running::start(&config(&[]), refusing_put());
    exchange(server.address, PUT).await;
    exchange(server.address, b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;

    let logged = lines.of_requests();
    assert_eq!(logged.len(), 1, "{logged:?}");
    let expected = serde_json::json!({
        "request_id": "ABC", "method": "PUT", "operation": "PutObject", "bucket": "bucket", "access_key": "root", "status": 412,
        "code": "PreconditionFailed", "verdict": "failed", "complete": true, "bytes_in": PUT.len(), "bytes_out": 7,
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&logged[0][field], value, "{field}");
    }
    let key = logged[0]["key"].as_str().expect("a key");
    assert!(key.len() == 16 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
}

#[tokio::test]
async fn keys_are_plain_where_the_operator_wants_them() {
    let lines = Lines::default();
    let _logging =
        tracing::subscriber::set_default(tracing_subscriber::fmt().json().flatten_event(true).with_writer(lines.clone()).finish());
    let server = Running::start(&config(&[("log-keys", "plain")]), refusing_put());
    exchange(server.address, PUT).await;
    assert_eq!(lines.of_requests()[0]["key"], "secret/plans");
}

#[tokio::test]
async fn a_refused_head_is_one_line_too() {
    let lines = Lines::default();
    let _logging =
        tracing::subscriber::set_default(tracing_subscriber::fmt().json().flatten_event(true).with_writer(lines.clone()).finish());
    let server = Running::start(&config(&[]), refusing_put());
    exchange(server.address, b"PUT /deadbeef HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    let logged = lines.of_requests();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!((&logged[0]["code"], &logged[0]["status"]), (&"BadRequest".into(), &400.into()));
}
