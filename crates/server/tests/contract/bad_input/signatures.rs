//! Signatures that do not hold, dates that are off, and presigned URLs that are over.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::check;
use crate::support::client::{Answer, connect, read_answer};
use crate::support::on_both_stores;
use crate::support::picture::picture;
use crate::support::request::Request;
use crate::support::world::{Operation, State, World};

const SKEW_SECS: i64 = 15 * 60;
/// Less than the two seconds for which the server waits for the rest of a known client's body.
const AT_ONCE: Duration = Duration::from_millis(1800);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_outside_their_time_are_refused() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let put = || world.request(Operation::Put);
        let rows = vec![
            ("signed too early", put().signed_away(-SKEW_SECS - 1), "403 RequestTimeTooSkewed"),
            ("signed in the future", put().signed_away(SKEW_SECS + 1), "403 RequestTimeTooSkewed"),
            ("signed years ago", put().signed_away(-100_000_000), "403 RequestTimeTooSkewed"),
            ("an expired URL", put().presigned(60).signed_away(-61), "403 AccessDenied"),
            ("an expired URL of a day ago", put().presigned(3600).signed_away(-86_400), "403 AccessDenied"),
            ("a URL of tomorrow", put().presigned(3600).signed_away(86_400), "403 AccessDenied"),
            ("a URL for more than 7 days", put().presigned(7 * 86_400 + 1), "400 AuthorizationQueryParametersError"),
            ("a URL for no time", put().presigned(0), "400 AuthorizationQueryParametersError"),
        ];
        let good = [
            put().signed_away(-SKEW_SECS),
            put().signed_away(SKEW_SECS),
            put().presigned(60).signed_away(-60),
            put().presigned(7 * 86_400).signed_away(-6 * 86_400),
        ];
        check(&mut world, rows).await;
        for request in good {
            world.client.must(request).await;
        }
    })
    .await;
}

/// Sends bytes that differ from what was signed.
async fn spoilt(world: &mut World<'_>, request: Request, spoil: impl Fn(String) -> String) -> Answer {
    let wire = world.client.wire(request);
    let head = spoil(String::from_utf8(wire.head.clone()).expect("text"));
    assert_ne!(head.as_bytes(), wire.head, "the row spoils something");
    world.client.exchange(&[head.as_bytes(), &wire.body].concat(), wire.is_head).await
}

fn flip_last_digit(head: &str, mark: &str) -> String {
    let at = head.find(mark).expect("a signature") + mark.len() + 63;
    let other = if head.as_bytes()[at] == b'0' { "1" } else { "0" };
    [&head[..at], other, &head[at + 1..]].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bit_of_what_was_signed_breaks_the_signature() {
    type Spoil = fn(String) -> String;
    const MISMATCH: &str = "403 SignatureDoesNotMatch";
    let rows: &[(&str, Spoil, &str)] = &[
        ("the signature", |head| flip_last_digit(&head, "Signature="), MISMATCH),
        ("the path", |head| head.replacen("/k ", "/l ", 1), MISMATCH),
        ("the method", |head| head.replacen("PUT", "POST", 1).replacen("/k ", "/k?uploads= ", 1), MISMATCH),
        ("a query parameter more", |head| head.replacen("/k ", "/k?x-id=PutObject ", 1), MISMATCH),
        ("a signed header", |head| head.replacen("x-amz-meta-of: new", "x-amz-meta-of: nev", 1), MISMATCH),
        (
            "the hash of the body",
            |head| head.replacen("x-amz-content-sha256: ", "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-was: ", 1),
            MISMATCH,
        ),
        ("the host", |head| head.replacen("host: 127", "host: 128", 1), MISMATCH),
        ("the day of the scope", |head| head.replacen("/20260102/", "/20260103/", 1), "400 AuthorizationHeaderMalformed"),
        ("the region of the scope", |head| head.replacen("/us-east-1/", "/us-east-2/", 1), MISMATCH),
        ("the service of the scope", |head| head.replacen("/s3/", "/ec2/", 1), "400 AuthorizationHeaderMalformed"),
        ("the access key", |head| head.replacen("Credential=conformance", "Credential=conformancf", 1), "403 InvalidAccessKeyId"),
        ("no signature", |head| head.replacen("authorization: ", "x-authorization: ", 1), "403 AccessDenied"),
        ("another algorithm", |head| head.replacen("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA512 ", 1), "400 InvalidRequest"),
        ("a basic authorization", |head| head.replacen("AWS4-HMAC-SHA256 ", "Basic ", 1), "400 InvalidRequest"),
        ("a cut signature", |head| head.replacen("Signature=", "Signature=0", 1), "400 AuthorizationHeaderMalformed"),
        ("an unsigned header of S3", |head| head.replacen("host: ", "x-amz-acl: private\r\nhost: ", 1), "403 AccessDenied"),
        ("no date", |head| head.replacen("x-amz-date: ", "x-other-date: ", 1), "403 AccessDenied"),
        ("a date that is none", |head| head.replacen("x-amz-date: 2026", "x-amz-date: 202x", 1), "403 AccessDenied"),
        ("no hash of the body", |head| head.replacen("x-amz-content-sha256: ", "x-sha256: ", 1), "400 MissingSecurityHeader"),
        ("a session token", |head| head.replacen("host: ", "x-amz-security-token: t\r\nhost: ", 1), "400 InvalidToken"),
    ];
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let before = picture(&mut world.client, &world.bucket).await;
        for (what, spoil, expect) in rows {
            let request = world.request(Operation::Put);
            let answer = spoilt(&mut world, request, spoil).await;
            assert_eq!(answer.verdict(), *expect, "{what}: {}", answer.text());
        }
        // The same with a signature in the query.
        let request = world.request(Operation::Put).presigned(600);
        let answer = spoilt(&mut world, request.clone(), |head| flip_last_digit(&head, "X-Amz-Signature=")).await;
        assert_eq!(answer.verdict(), MISMATCH);
        let answer = spoilt(&mut world, request.clone(), |head| head.replacen("X-Amz-Expires=600", "X-Amz-Expires=601", 1)).await;
        assert_eq!(answer.verdict(), MISMATCH);
        let answer = spoilt(&mut world, request, |head| head.replacen("X-Amz-Date=", "X-Amz-Date=20260102T030405Z&X-Amz-Date=", 1)).await;
        assert_eq!(answer.verdict(), "400 InvalidArgument");
        assert_eq!(before, picture(&mut world.client, &world.bucket).await);
    })
    .await;
}

/// A stranger who promises a body holds no place until it comes: the answer is there at once, and the connection is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_promises_a_body_is_not_waited_for() {
    on_both_stores(async |server| {
        let world = World::new(server, State::Present).await;
        let wire = world.client.wire(world.request(Operation::Put).declares(Some(100)));
        let head = flip_last_digit(&String::from_utf8(wire.head).expect("text"), "Signature=");
        let mut stream = connect(server.address).await;
        stream.write_all(head.as_bytes()).await.expect("sent");
        let answer = tokio::time::timeout(AT_ONCE, read_answer(&mut stream, false)).await.expect("at once");
        assert_eq!((answer.verdict().as_str(), answer.closes()), ("403 SignatureDoesNotMatch", true));
    })
    .await;
}

/// An answer to a request that nobody signed says nothing of what is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_learn_nothing() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        for path in [world.bucket.clone(), format!("{}/k", world.bucket), format!("{}/gone", world.bucket), "no-such-bucket/k".to_owned()] {
            for method in ["GET", "PUT", "DELETE", "POST"] {
                let raw = format!("{method} /{path} HTTP/1.1\r\nhost: x\r\nif-match: \"a\"\r\ncontent-length: 0\r\n\r\n");
                let answer = world.client.exchange(raw.as_bytes(), false).await;
                let verdict = answer.verdict();
                let unroutable = method == "POST";
                assert!(verdict == "403 AccessDenied" || unroutable && answer.status >= 400, "{method} {path}: {verdict}");
                assert!(!answer.headers.iter().any(|(name, _)| name == "etag"), "{method} {path}");
            }
        }
    })
    .await;
}
