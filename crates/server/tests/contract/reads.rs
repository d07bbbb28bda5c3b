//! Section 5 of the contract: conditional reads.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::client::{Answer, connect, read_answer};
use crate::support::on_both_stores;
use crate::support::request::Request;
use crate::support::world::{State, World, check_error};

/// What a read answers: GET with the code and the condition, HEAD with the status alone.
fn verdict_of(method: &str, verdict: &str) -> String {
    if method == "HEAD" { verdict.split(' ').next().unwrap_or_default().to_owned() } else { verdict.to_owned() }
}

fn check_answer(answer: &Answer, request: &Request, verdict: &str, world: &World<'_>, row: &str) {
    assert_eq!(answer.verdict(), verdict_of(request.method, verdict), "{row}: {}", answer.text());
    match answer.status {
        304 => {
            assert_eq!((answer.etag(), answer.text().as_str()), (world.fill("{etag}"), ""), "{row}");
            assert_eq!(answer.header("last-modified"), Some(world.fill("{same}").as_str()), "{row}");
        }
        200 => {
            let body = if request.method == "GET" { "the target's bytes" } else { "" };
            assert_eq!((answer.etag(), answer.text().as_str()), (world.fill("{etag}"), body), "{row}");
        }
        _ => check_error(answer, request, row),
    }
}

/// Each of the four conditions absent, true or false, against the order of RFC 9110 written out by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_combination_of_the_four_conditions_is_judged_in_order() {
    let states = [None, Some(true), Some(false)];
    let value = |state: Option<bool>, holds: &'static str, fails: &'static str| state.map(|s| if s { holds } else { fails });
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        for at in 0..81 {
            let [matches, unmodified, none_match, modified] = [states[at / 27], states[at / 9 % 3], states[at / 3 % 3], states[at % 3]];
            let given = [
                ("if-match", value(matches, "{etag}", "{other}")),
                ("if-unmodified-since", value(unmodified, "{same}", "{before}")),
                ("if-none-match", value(none_match, "{other}", "{etag}")),
                ("if-modified-since", value(modified, "{before}", "{same}")),
            ];
            let expect = if matches == Some(false) {
                "412 PreconditionFailed If-Match"
            } else if matches.is_none() && unmodified == Some(false) {
                "412 PreconditionFailed If-Unmodified-Since"
            } else if none_match == Some(false) || none_match.is_none() && modified == Some(false) {
                "304"
            } else {
                "200"
            };
            let headers: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            for method in ["GET", "HEAD"] {
                let request = world.on(method, "k").headers(&world.filled(&headers));
                let answer = world.client.send(request.clone()).await;
                check_answer(&answer, &request, expect, &world, &format!("{method} {headers:?}"));
                let absent = world.on(method, "absent").headers(&world.filled(&headers));
                assert_eq!(world.client.send(absent).await.verdict(), verdict_of(method, "404 NoSuchKey"), "{method} {headers:?}");
            }
        }
    })
    .await;
}

/// A header and its value, and what is answered.
const FORMS: &[(&[(&str, &str)], &str)] = &[
    (&[("if-match", "*")], "200"),
    (&[("if-match", "{bare}")], "200"),
    (&[("if-match", "{other}, {etag}")], "200"),
    (&[("if-match", "{other}"), ("if-match", "{etag}")], "200"),
    (&[("if-match", "W/{etag}")], "412 PreconditionFailed If-Match"),
    (&[("if-none-match", "*")], "304"),
    (&[("if-none-match", "{bare}")], "304"),
    (&[("if-none-match", "W/{etag}")], "304"),
    (&[("if-none-match", "{other}, W/{etag}")], "304"),
    (&[("if-none-match", "{other}"), ("if-none-match", "{etag}")], "304"),
    (&[("if-none-match", "{other}, W/{other}")], "200"),
    (&[("if-modified-since", "{future}")], "200"),
    (&[("if-modified-since", "a while ago")], "200"),
    (&[("if-unmodified-since", "a while ago")], "200"),
    (&[("if-unmodified-since", "{future}")], "200"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_take_lists_weak_tags_and_stars_and_ignore_dates_that_are_none() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        for (headers, expect) in FORMS {
            for method in ["GET", "HEAD"] {
                let request = world.on(method, "k").headers(&world.filled(headers));
                let answer = world.client.send(request.clone()).await;
                check_answer(&answer, &request, expect, &world, &format!("{method} {headers:?}"));
            }
        }
    })
    .await;
}

/// Listings and the like define no conditions, and reading is harmless: RFC 9110 lets them ignore the header.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_reads_ignore_the_conditions_of_http_and_refuse_those_of_s3() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let upload = world.upload.clone();
        let bucket = Request::new("GET", &format!("/{}", world.bucket));
        for request in [
            bucket.clone(),
            bucket.clone().query("list-type", "2"),
            bucket.clone().query("uploads", ""),
            bucket.query("location", ""),
            world.on("GET", "k").query("tagging", ""),
            world.on("GET", "k").query("uploadId", &upload),
            world.on("GET", "k").query("attributes", "").header("x-amz-object-attributes", "ETag"),
        ] {
            for (name, value) in [("if-match", "{other}"), ("if-none-match", "*"), ("if-modified-since", "{after}")] {
                world.client.must(request.clone().header(name, &world.fill(value))).await;
            }
            let refused = world.client.send(request.clone().header("x-amz-if-match-size", "1")).await;
            assert_eq!(refused.verdict(), "400 InvalidRequest", "{request:?}");
        }
    })
    .await;
}

/// Overwritten and deleted while it is sent, a body stays what it was when it began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_was_started_is_of_one_version() {
    const SIZE: usize = 16 << 20;
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let put = |byte: u8| world.on("PUT", "large").body(vec![byte; SIZE]);
        let (first, second) = (put(b'1'), put(b'2'));
        world.client.must(first).await;
        let wire = world.client.wire(world.on("GET", "large"));
        let mut reader = connect(server.address).await;
        reader.write_all(&wire.head).await.expect("sent");
        let mut body = vec![0; SIZE];
        // The head has arrived and the body has begun, and 16 MiB do not fit into what lies between two sockets.
        let head = read_answer(&mut reader, true).await;
        reader.read_exact(&mut body[..1]).await.expect("begun");
        world.client.must(second).await;
        world.client.must(world.on("DELETE", "large")).await;
        server.objects.collect().await.expect("collected");
        reader.read_exact(&mut body[1..]).await.expect("the rest");
        assert_eq!(head.header("content-length"), Some(SIZE.to_string().as_str()));
        assert!(body.iter().all(|byte| *byte == b'1'), "a torn body");
    })
    .await;
}
