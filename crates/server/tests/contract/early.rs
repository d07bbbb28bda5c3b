//! Early refusal: a condition that is false at arrival costs no body, and leaves the connection in a state that both sides know.

use tokio::io::AsyncWriteExt;

use crate::support::client::{connect, expect_end, read_answer};
use crate::support::on_both_stores;
use crate::support::picture::picture;
use crate::support::request::Request;
use crate::support::world::{State, World, check_error};

/// The state at arrival, a condition that is false there, and the refusal.
const FALSE_AT_ARRIVAL: &[(State, (&str, &str), &str)] = &[
    (State::Present, ("if-none-match", "*"), "412 PreconditionFailed If-None-Match"),
    (State::Present, ("if-match", "{other}"), "412 PreconditionFailed If-Match"),
    (State::Absent, ("if-match", "*"), "404 NoSuchKey"),
    (State::Absent, ("if-match", "{other}"), "404 NoSuchKey"),
    (State::Present, ("if-match", "W/{etag}"), "400 InvalidRequest"),
    (State::Present, ("x-holdfast-if-generation-match", "0"), "412 PreconditionFailed x-holdfast-if-generation-match"),
];

const GIB: u64 = 1 << 30;

fn put(world: &World<'_>, condition: (&str, &str)) -> Request {
    let request = world.on("PUT", "k").header(condition.0, &world.fill(condition.1));
    request.header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
}

/// A client that waits for `100 Continue` gets the refusal instead, whatever the size, and has sent nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_is_refused_without_100_continue() {
    on_both_stores(async |server| {
        for (state, condition, expect) in FALSE_AT_ARRIVAL {
            for length in [9, 100_000, GIB] {
                let mut world = World::new(server, *state).await;
                let before = picture(&mut world.client, &world.bucket).await;
                let request = put(&world, *condition).header("expect", "100-continue").declares(Some(length));
                let mut held = world.client.hold(request.clone(), 0).await;
                let answer = held.answer().await;
                let row = format!("{condition:?} {length}");
                assert_eq!((answer.verdict().as_str(), answer.continues), (*expect, 0), "{row}");
                check_error(&answer, &request, &row);
                // Whether the client sends its body after such an answer is its own choice, so nothing can follow.
                assert!(answer.closes(), "{row}");
                expect_end(&mut held.stream).await;
                assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{row}");
            }
        }
    })
    .await;
}

/// A client that does not wait is answered before it has sent a large body, and the connection ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_is_refused_before_it_was_sent() {
    on_both_stores(async |server| {
        for (state, condition, expect) in FALSE_AT_ARRIVAL {
            for sent in [0, 1, 200_000] {
                let world = World::new(server, *state).await;
                let request = put(&world, *condition).body(vec![b'x'; sent]).declares(Some(GIB));
                let mut held = world.client.hold(request, sent).await;
                let answer = held.answer().await;
                assert_eq!(answer.verdict(), *expect, "{condition:?} {sent}");
                assert!(answer.closes(), "{condition:?} {sent}");
                expect_end(&mut held.stream).await;
            }
        }
    })
    .await;
}

/// A small body that came with its head is read away, and the connection goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_small_refused_body_the_connection_goes_on() {
    on_both_stores(async |server| {
        for (state, condition, expect) in FALSE_AT_ARRIVAL {
            for size in [0, 1, 10_000, 200_000] {
                let world = World::new(server, *state).await;
                let first = world.client.wire(put(&world, *condition).body(vec![b'x'; size]));
                let second = world.client.wire(world.on("GET", "z"));
                let mut stream = connect(server.address).await;
                let (mut read, mut write) = tokio::io::split(&mut stream);
                let bytes = [first.head, first.body, second.head].concat();
                let both = async {
                    let first = read_answer(&mut read, false).await;
                    (first, read_answer(&mut read, false).await)
                };
                let (sent, (first, second)) = tokio::join!(write.write_all(&bytes), both);
                sent.expect("all of it is read");
                assert_eq!(first.verdict(), *expect, "{condition:?} {size}");
                assert!(!first.closes(), "{condition:?} {size}");
                assert_eq!((second.status, second.text().as_str()), (200, "a bystander"), "{condition:?} {size}");
            }
        }
    })
    .await;
}

/// When the condition holds, the body is asked for, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_is_told_to_continue_when_its_body_is_wanted() {
    on_both_stores(async |server| {
        for (state, name, value) in
            [(State::Absent, "if-none-match", "*"), (State::Present, "if-match", "{etag}"), (State::Present, "x-amz-meta-a", "1")]
        {
            let mut world = World::new(server, state).await;
            let request = world.on("PUT", "k").header(name, &world.fill(value)).header("expect", "100-continue").body("wanted");
            let mut held = world.client.hold(request, 0).await;
            held.continued().await;
            let answer = held.finish().await;
            assert_eq!((answer.status, answer.continues, answer.closes()), (200, 0, false), "{name}");
            assert_eq!(world.client.must(world.on("GET", "k")).await.text(), "wanted");
        }
    })
    .await;
}
