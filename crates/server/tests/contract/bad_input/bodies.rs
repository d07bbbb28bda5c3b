//! Bodies that are not what their heads declare: lengths, digests, checksums, and clients that stop.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;

use super::check;
use crate::support::client::read_answer;
use crate::support::on_both_stores;
use crate::support::picture::picture;
use crate::support::request::Request;
use crate::support::world::{Operation, State, World};

/// The two writes that take bytes.
fn with_bodies(world: &World<'_>) -> [(&'static str, Request); 2] {
    let part = world.on("PUT", "k").query("uploadId", &world.upload).query("partNumber", "2").body("new bytes");
    [("PutObject", world.request(Operation::Put)), ("UploadPart", part)]
}

/// Headers that the body does not keep, and the refusal.
type Row = (&'static [(&'static str, &'static str)], &'static str);

const ZEROES: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const DIGESTS: &[Row] = &[
    (&[("content-md5", "MD5")], "400 BadDigest"),
    (&[("content-md5", "short")], "400 InvalidDigest"),
    (&[("content-md5", "")], "400 InvalidDigest"),
    (&[("x-amz-checksum-crc32", "AAAAAA==")], "400 BadDigest"),
    (&[("x-amz-checksum-crc32c", "AAAAAA==")], "400 BadDigest"),
    (&[("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")], "400 BadDigest"),
    (&[("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")], "400 BadDigest"),
    (&[("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")], "400 BadDigest"),
    (&[("x-amz-checksum-crc32", "AAAA")], "400 InvalidRequest"),
    (&[("x-amz-checksum-crc32", "")], "400 InvalidRequest"),
    (&[("x-amz-checksum-crc32", "not base64!!")], "400 InvalidRequest"),
    (&[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")], "400 InvalidRequest"),
    (&[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "SHA256")], "400 InvalidRequest"),
    (&[("x-amz-sdk-checksum-algorithm", "MD4")], "400 InvalidRequest"),
    (&[("x-amz-trailer", "x-amz-checksum-crc32")], "400 InvalidRequest"),
    (&[("x-amz-content-sha256", "ab")], "400 InvalidArgument"),
    (&[("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")], "400 InvalidArgument"),
    (&[("x-amz-content-sha256", ZEROES)], "400 XAmzContentSHA256Mismatch"),
    (&[("x-amz-decoded-content-length", "8")], "400 InvalidArgument"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_do_not_match_their_digests_are_not_written() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let md5 = STANDARD.encode([0; 16]);
        let mut rows = Vec::new();
        for (operation, request) in with_bodies(&world) {
            for (headers, expect) in DIGESTS {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.replace("MD5", &md5))).collect();
                rows.push((format!("{operation} {headers:?}"), request.clone().headers(&headers), *expect));
            }
            // Larger than what is committed in one piece with its record.
            let large = request.body(vec![b'x'; 300_000]).header("content-md5", &md5);
            rows.push((format!("{operation}, a large body"), large, "400 BadDigest"));
        }
        check(&mut world, rows).await;
        server.nothing_is_staged().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lengths_that_are_missing_or_too_large_are_refused_before_the_body() {
    const GIB: u64 = 1 << 30;
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let before = picture(&mut world.client, &world.bucket).await;
        for (operation, request) in with_bodies(&world) {
            let request = request.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").body("");
            for (what, request, expect) in [
                ("too large", request.clone().declares(Some(5 * GIB + 1)), "400 EntityTooLarge"),
                ("far too large", request.clone().declares(Some(1 << 50)), "400 EntityTooLarge"),
                ("chunked", request.clone().declares(None).header("transfer-encoding", "chunked"), "411 MissingContentLength"),
            ] {
                let mut held = world.client.hold(request, 0).await;
                let answer = held.answer().await;
                assert_eq!(answer.verdict(), expect, "{operation}, {what}: {}", answer.text());
                assert!(answer.closes(), "{operation}, {what}");
            }
        }
        assert_eq!(before, picture(&mut world.client, &world.bucket).await);
    })
    .await;
}

/// A head without any length declares an empty body, and HTTP has no other way to read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_any_length_is_refused_or_empty_but_never_hangs() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let request = world.request(Operation::Put).header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").body("").declares(None);
        world.refuses(request, "411 MissingContentLength", "no length").await;
    })
    .await;
}

/// The client goes away in the middle, at once or half closed: nothing is written, what was staged is given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_in_the_middle_writes_nothing() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let before = picture(&mut world.client, &world.bucket).await;
        for size in [10, 100_000, 3_000_000] {
            for (operation, request) in with_bodies(&world) {
                let complete = request.clone().body(vec![b'x'; size]);
                let gone = world.client.hold(complete.clone(), size / 2).await;
                drop(gone);
                let mut half_closed = world.client.hold(complete, size - 1).await;
                half_closed.stream.shutdown().await.expect("half closed");
                let ended = tokio::time::timeout(std::time::Duration::from_secs(10), async {
                    let mut rest = Vec::new();
                    let _ = tokio::io::AsyncReadExt::read_to_end(&mut half_closed.stream, &mut rest).await;
                    String::from_utf8_lossy(&rest).into_owned()
                });
                let answer = ended.await.expect("the connection ends");
                assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{operation} {size}: {answer}");
            }
        }
        server.nothing_is_staged().await;
        assert_eq!(before, picture(&mut world.client, &world.bucket).await);
    })
    .await;
}

/// Bytes behind the declared length are the next request, and only that; a length that is too short cuts the body, and its hash tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_ends_where_it_was_declared_to_end() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let before = picture(&mut world.client, &world.bucket).await;
        // One byte less is declared than was hashed: the last byte begins a request that is none.
        let request = world.request(Operation::Put).declares(Some(8));
        let mut held = world.client.hold(request, 9).await;
        held.stream.write_all(b"\r\n\r\n").await.expect("sent");
        let first = read_answer(&mut held.stream, false).await;
        assert_eq!(first.verdict(), "400 XAmzContentSHA256Mismatch");
        let second = read_answer(&mut held.stream, false).await;
        assert_eq!((second.status, second.closes()), (400, true), "{}", second.text());
        // One byte more is declared than is sent, and then another request follows: its first byte belongs to the body.
        let request = world.request(Operation::Put).declares(Some(10));
        let mut held = world.client.hold(request, 9).await;
        held.stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
        let first = read_answer(&mut held.stream, false).await;
        assert_eq!(first.verdict(), "400 XAmzContentSHA256Mismatch");
        assert_eq!(before, picture(&mut world.client, &world.bucket).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_beyond_the_bounds_are_refused() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let before = picture(&mut world.client, &world.bucket).await;
        let many: Vec<(String, String)> = (0..150).map(|n| (format!("x-many-{n}"), "v".to_owned())).collect();
        for (what, request) in [
            ("a large header", world.request(Operation::Put).header("x-large", &"v".repeat(100_000))),
            ("many headers", world.request(Operation::Put).headers(&many)),
            ("a long target", world.on("PUT", &"k".repeat(100_000)).body("x")),
        ] {
            let answer = world.client.send(request).await;
            assert!([400, 414, 431].contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
            assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{what}");
        }
    })
    .await;
}

/// An operation without a body refuses one, however it is declared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_that_take_no_body_refuse_one() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let rows = vec![
            ("DeleteObject", world.on("DELETE", "k").body("x"), "400 InvalidRequest"),
            ("RenameObject", world.request(Operation::Rename).body("x"), "400 InvalidRequest"),
            ("CopyObject", world.request(Operation::Copy).body("x"), "400 InvalidRequest"),
            ("CreateMultipartUpload", world.on("POST", "k").query("uploads", "").body("x"), "400 InvalidRequest"),
            ("AbortMultipartUpload", world.on("DELETE", "k").query("uploadId", &world.upload).body("x"), "400 InvalidRequest"),
            ("DeleteBucket", Request::new("DELETE", &format!("/{}", world.bucket)).body("x"), "400 InvalidRequest"),
        ];
        check(&mut world, rows).await;
    })
    .await;
}
