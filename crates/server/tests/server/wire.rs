//! Requests that two parties could read in two ways, over raw sockets.

use std::sync::Arc;

use holdfast_server::Handler;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Running, Seen, config, connect, exchange, handler, noting, read_until, statuses, text};

const FOLLOWER: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn start() -> (Running, Seen) {
    let seen = Seen::default();
    (Running::start(&config(&[]), noting(&seen)), seen)
}

/// Requests of which each must be refused: what is wrong, and the bytes.
fn ambiguous() -> Vec<(&'static str, Vec<u8>)> {
    let with = |headers: &str| format!("PUT /k HTTP/1.1\r\nHost: a\r\n{headers}\r\n").into_bytes();
    let cases: Vec<(&'static str, Vec<u8>)> = vec![
        ("Content-Length twice", with("Content-Length: 5\r\nContent-Length: 6\r\n")),
        ("Content-Length twice, equal", with("Content-Length: 5\r\nContent-Length: 5\r\n")),
        ("Content-Length as a list", with("Content-Length: 5, 5\r\n")),
        ("Content-Length with a sign", with("Content-Length: +5\r\n")),
        ("Content-Length in hex", with("Content-Length: 0x5\r\n")),
        ("Content-Length negative", with("Content-Length: -1\r\n")),
        ("Content-Length empty", with("Content-Length:\r\n")),
        ("Content-Length huge", with("Content-Length: 99999999999999999999\r\n")),
        ("Content-Length then Transfer-Encoding", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")),
        ("Transfer-Encoding then Content-Length", with("transfer-encoding: chunked\r\ncontent-length: 5\r\n")),
        ("Transfer-Encoding of another kind", with("Transfer-Encoding: gzip\r\n")),
        ("Transfer-Encoding of two kinds", with("Transfer-Encoding: gzip, chunked\r\n")),
        ("Transfer-Encoding twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        ("Transfer-Encoding identity", with("Transfer-Encoding: identity\r\n")),
        ("Transfer-Encoding with a tail", with("Transfer-Encoding: chunked;q=1\r\n")),
        ("Transfer-Encoding behind vertical tab", with("Transfer-Encoding: \x0bchunked\r\n")),
        ("folded value", with("x-a: 1\r\n 2\r\n")),
        ("folded value by tab", with("x-a: 1\r\n\tContent-Length: 5\r\n")),
        ("folded first line", b"PUT /k HTTP/1.1\r\n Host: a\r\n\r\n".to_vec()),
        ("bare LF after the request line", b"PUT /k HTTP/1.1\nHost: a\r\n\r\n".to_vec()),
        ("bare LF after a header", b"PUT /k HTTP/1.1\r\nHost: a\nx: y\r\n\r\n".to_vec()),
        ("bare LF at the end", b"PUT /k HTTP/1.1\r\nHost: a\r\n\n".to_vec()),
        ("bare LF only", b"PUT /k HTTP/1.1\nHost: a\n\n".to_vec()),
        ("bare LF before the request line", b"\nPUT /k HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("bare CR in a value", with("x-a: 1\r2\r\n")),
        ("CR CR LF", with("x-a: 1\r\r\n")),
        ("white space before the colon", with("Content-Length : 5\r\n")),
        ("tab before the colon", with("Content-Length\t: 5\r\n")),
        ("no colon", with("Content-Length 5\r\n")),
        ("no name", with(": 5\r\n")),
        ("a name with a control character", with("Content\x01Length: 5\r\n")),
        ("NUL in a value", with("x-a: 1\x002\r\n")),
        ("DEL in a value", with("x-a: 1\x7f2\r\n")),
        ("absolute form of another host", b"PUT http://b/k HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("absolute form with user", b"PUT http://x@a/k HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("absolute form without Host", b"PUT http://a/k HTTP/1.0\r\n\r\n".to_vec()),
        ("Host twice", b"PUT /k HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_vec()),
        ("Host missing", b"PUT /k HTTP/1.1\r\nx: y\r\n\r\n".to_vec()),
        ("Host empty", b"PUT /k HTTP/1.1\r\nHost:\r\n\r\n".to_vec()),
        ("Host as a list", b"PUT /k HTTP/1.1\r\nHost: a, b\r\n\r\n".to_vec()),
        ("Host with a path", b"PUT /k HTTP/1.1\r\nHost: a/b\r\n\r\n".to_vec()),
        ("chunked in HTTP/1.0", b"PUT /k HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
        ("HTTP/1.2", b"PUT /k HTTP/1.2\r\nHost: a\r\n\r\n".to_vec()),
        ("HTTP/2.0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("HTTP/0.9", b"GET /k\r\n\r\n".to_vec()),
        ("lower-case version", b"PUT /k http/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("two spaces", b"PUT  /k HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("tab in the request line", b"PUT\t/k HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("space in the target", b"PUT /k k HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("fragment", b"PUT /k#1 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("no target", b"PUT HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("relative target", b"PUT k HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("our own stand-in", b"HOLDFAST-REFUSED /folded-line HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
    ];
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_with_two_readings_is_refused_and_what_follows_it_is_never_read() {
    let (server, seen) = start();
    for (what, request) in ambiguous() {
        let answer = exchange(server.address, &[request.as_slice(), b"hello", FOLLOWER].concat()).await;
        assert_eq!(statuses(&answer), [400], "{what}: {answer}");
        assert!(answer.contains("<Error><Code>BadRequest</Code><Message>") && answer.contains("connection: close"), "{what}: {answer}");
        assert_eq!(*seen.lock().expect("notes"), Vec::<String>::new(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_comes_after_the_answers_to_the_requests_before_it() {
    let (server, seen) = start();
    let first = b"PUT /first HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".as_slice();
    for (what, request) in ambiguous() {
        let answer = exchange(server.address, &[first, first, &request, FOLLOWER].concat()).await;
        assert_eq!(statuses(&answer), [200, 200, 400], "{what}: {answer}");
        assert_eq!(std::mem::take(&mut *seen.lock().expect("notes")), ["PUT /first hello", "PUT /first hello"], "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_do_not_depend_on_how_the_bytes_are_cut() {
    let (server, seen) = start();
    for (what, request) in ambiguous() {
        for cut in 1..request.len() {
            let mut stream = connect(server.address).await;
            stream.write_all(&request[..cut]).await.expect("sent");
            tokio::task::yield_now().await;
            // A refusal in the first part may close the connection before the second one is sent.
            let _ = stream.write_all(&request[cut..]).await;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("answered");
            assert_eq!(statuses(&answer), [400], "{what}, cut at {cut}: {answer}");
        }
    }
    assert_eq!(seen.lock().expect("notes").len(), 0);
}

/// Why there is a guard: without it, these requests would be served. An upgrade of hyper may shorten the list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hyper_alone_serves_some_of_these_requests() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async {
                let _ = http_body_util::BodyExt::collect(request.into_body()).await;
                Ok::<_, std::convert::Infallible>(text("served".to_owned()))
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
    let mut served = Vec::new();
    for (what, request) in ambiguous() {
        let answer = exchange(address, &[request.as_slice(), b"5\r\nhello\r\n0\r\n\r\n", FOLLOWER].concat()).await;
        if statuses(&answer).first() == Some(&200) {
            served.push(what);
        }
    }
    let expected = [
        "Content-Length twice, equal",
        "Content-Length then Transfer-Encoding",
        "Transfer-Encoding then Content-Length",
        "Transfer-Encoding of two kinds",
        "Transfer-Encoding twice",
        "bare LF after the request line",
        "bare LF after a header",
        "bare LF at the end",
        "bare LF only",
        "bare LF before the request line",
        "absolute form of another host",
        "absolute form with user",
        "absolute form without Host",
        "Host twice",
        "Host missing",
        "Host empty",
        "Host as a list",
        "Host with a path",
        "fragment",
        "relative target",
        "CONNECT",
        "our own stand-in",
    ];
    assert_eq!(served, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_requests_pass_whole_however_they_are_cut() {
    let (server, seen) = start();
    let smuggled = "POST /not-me HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n";
    let stream_of_requests = [
        format!("PUT /a%2F%23 HTTP/1.1\r\nHost: a:9000\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!(
            "PUT /b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: Chunked\r\n\r\n{:x};ext=1\r\n{smuggled}\r\n0\r\nx-trailer: y\r\n\r\n",
            smuggled.len()
        ),
        "\r\nGET http://A/c HTTP/1.1\r\nHost: a\r\nx-amz-meta-a: \u{e9}\u{1f980}\tb\r\nx-empty:\r\n\r\n".to_owned(),
        "HEAD /d HTTP/1.1\r\nHost: [::1]:9000\r\n\r\n".to_owned(),
        "PUT /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "GET /f HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
    ]
    .concat();
    let bytes = stream_of_requests.as_bytes();
    let expected = [
        format!("PUT /a%2F%23 {smuggled}"),
        format!("PUT /b {smuggled}"),
        "GET /c ".into(),
        "HEAD /d ".into(),
        "PUT /e ".into(),
        "GET /f ".into(),
    ];
    for cut in 0..bytes.len() {
        let mut stream = connect(server.address).await;
        stream.write_all(&bytes[..cut]).await.expect("sent");
        tokio::task::yield_now().await;
        stream.write_all(&bytes[cut..]).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        assert_eq!(std::mem::take(&mut *seen.lock().expect("notes")), expected, "cut at {cut}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_cannot_be_followed_break_the_body_and_the_connection() {
    let (server, seen) = start();
    for body in
        ["5\nhello\r\n0\r\n\r\n", "5\r\nhellox\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "-1\r\n", "5\r\nhello\r\n0\r\nHost: b\r\n\r\n"]
    {
        let request = format!("PUT /k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let answer = exchange(server.address, &[request.as_bytes(), FOLLOWER].concat()).await;
        assert!(statuses(&answer).len() <= 1, "{body:?}: {answer}");
        assert_eq!(std::mem::take(&mut *seen.lock().expect("notes")), ["PUT /k !"], "{body:?}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_beyond_the_limits_are_refused() {
    let (server, seen) = start();
    let large = format!("GET /k HTTP/1.1\r\nHost: a\r\nx-a: {}\r\n\r\n", "a".repeat(64 * 1024));
    let endless = format!("GET /k HTTP/1.1\r\nHost: a\r\nx-a: {}", "a".repeat(300 * 1024));
    let many = format!("GET /k HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(100));
    for request in [large, endless, many] {
        let answer = exchange(server.address, request.as_bytes()).await;
        assert_eq!(statuses(&answer), [400], "{answer}");
        assert!(answer.contains("<Code>RequestHeaderSectionTooLarge</Code>"), "{answer}");
    }
    let largest =
        format!("GET /k HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}x-a: {}\r\n\r\n", "x: y\r\n".repeat(97), "a".repeat(60 * 1024));
    assert_eq!(statuses(&exchange(server.address, largest.as_bytes()).await), [200]);
    assert_eq!(seen.lock().expect("notes").len(), 1);
}

/// Answers without a look at the body.
fn refusing() -> Handler {
    handler(|_, _| async {
        let mut response = text("no".to_owned());
        *response.status_mut() = http::StatusCode::PRECONDITION_FAILED;
        response
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_arrives_although_the_body_is_still_being_sent() {
    let server = Running::start(&config(&[]), refusing());
    let head = "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n";
    let answer = exchange(server.address, &[head.as_bytes(), &vec![b'x'; 3_000_000]].concat()).await;
    assert_eq!(statuses(&answer), [412], "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_body_that_waits_for_100_continue_is_not_asked_for() {
    let server = Running::start(&config(&[]), refusing());
    let head = "PUT /k HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3000000\r\n\r\n";
    let mut stream = connect(server.address).await;
    stream.write_all(head.as_bytes()).await.expect("sent");
    let answer = read_until(&mut stream, "\r\n\r\nno").await;
    assert_eq!(statuses(&answer), [412], "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wanted_body_gets_100_continue() {
    let seen = Arc::default();
    let server = Running::start(&config(&[]), noting(&seen));
    let mut stream = connect(server.address).await;
    stream.write_all(b"PUT /k HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await.expect("sent");
    let interim = read_until(&mut stream, "\r\n\r\n").await;
    assert_eq!(statuses(&interim), [100]);
    stream.write_all(b"hello").await.expect("sent");
    let answer = read_until(&mut stream, "PUT /k hello").await;
    assert!(!answer.contains("connection: close"), "{answer}");
}
