//! Section 6 of the contract: retries that lost their answer; and section 2's replay of a completion.

use crate::support::client::Answer;
use crate::support::on_both_stores;
use crate::support::picture::picture;
use crate::support::request::Request;
use crate::support::signing::ANOTHER;
use crate::support::world::{Operation, State, World, begin_upload, complete_xml, for_each_row};

const ID: &str = "d6f7a0b2-6d0e-4b62-8e14-3a6d0e9f1c55";

fn attempt(request: Request, id: &str, attempt: u32) -> Request {
    request.header("amz-sdk-invocation-id", id).header("amz-sdk-request", &format!("attempt={attempt}; max=3"))
}

fn told(answer: &Answer) -> (u16, String, u64) {
    (answer.status, answer.etag(), answer.generation())
}

/// What a write may be guarded with, each broken by the very object that the write makes; and the state that it needs.
const GUARDS: [(State, &str, &str); 4] = [
    (State::Absent, "if-none-match", "*"),
    (State::Present, "if-match", "{etag}"),
    (State::Absent, "x-holdfast-if-generation-match", "0"),
    (State::Present, "x-holdfast-if-generation-match", "{generation}"),
];

/// The same request again gets the first answer and writes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resent_conditional_write_gets_its_first_answer() {
    on_both_stores(async |server| {
        let rows = GUARDS.iter().flat_map(|guard| Operation::ALL.map(|operation| (guard.0, (operation, guard))));
        for_each_row(server, rows, async |mut world, (operation, (_, name, value))| {
            let row = format!("{operation:?} {name}");
            let request = world.request(operation).header(name, &world.fill(value));
            let first = world.client.must(attempt(request.clone(), ID, 1)).await;
            let before = picture(&mut world.client, &world.bucket).await;
            for n in 2..4 {
                let again = world.client.send(attempt(request.clone(), ID, n)).await;
                assert_eq!(again.verdict(), "200", "{row}: {}", again.text());
                assert_eq!(told(&again), told(&first), "{row}");
            }
            assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{row}: a repeated answer writes nothing");
        })
        .await;
    })
    .await;
}

/// A resent write whose body waits for `100 Continue` is not refused early either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resent_write_that_waits_for_its_body_gets_its_first_answer() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Absent).await;
        let request = attempt(world.request(Operation::Put).header("if-none-match", "*"), ID, 1);
        let first = world.client.must(request.clone()).await;
        let mut held = world.client.hold(request.header("expect", "100-continue"), 0).await;
        held.continued().await;
        assert_eq!(told(&held.finish().await), told(&first));
    })
    .await;
}

/// Anything else than the same request is judged as if nobody had asked before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_invocation_payload_or_operation_is_refused() {
    const EXISTS: &str = "412 PreconditionFailed If-None-Match";
    on_both_stores(async |server| {
        let put = |world: &World<'_>, body: &str| world.on("PUT", "k").header("if-none-match", "*").body(body);
        let mut world = World::new(server, State::Absent).await;
        world.client.must(attempt(put(&world, "mine"), ID, 1)).await;
        let copy = world.on("PUT", "k").header("if-none-match", "*").header("x-amz-copy-source", &format!("/{}/s", world.bucket));
        let rename = world.on("PUT", "k").query("renameObject", "").header("if-none-match", "*").header("x-amz-rename-source", "s");
        for (row, request) in [
            ("another invocation", attempt(put(&world, "mine"), "another-id", 2)),
            ("no invocation", put(&world, "mine")),
            ("an empty invocation", put(&world, "mine").header("amz-sdk-invocation-id", "")),
            ("another principal", attempt(put(&world, "mine"), ID, 2).signed_by(ANOTHER)),
            ("another payload", attempt(put(&world, "not mine"), ID, 2)),
            ("another payload of the same length", attempt(put(&world, "mina"), ID, 2)),
            ("another operation, copying", attempt(copy, ID, 2)),
            ("another operation, renaming", attempt(rename, ID, 2)),
        ] {
            world.refuses(request, EXISTS, row).await;
        }
    })
    .await;
}

/// The answer is that of the write whose object is still there; once a rival has written, the condition failed against the rival.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rival_in_between_is_a_rival() {
    on_both_stores(async |server| {
        for operation in [Operation::Put, Operation::Copy] {
            let mut world = World::new(server, State::Absent).await;
            let request = world.request(operation).header("if-none-match", "*");
            world.client.must(attempt(request.clone(), ID, 1)).await;
            world.client.must(world.on("PUT", "k").body("a rival")).await;
            world.refuses(attempt(request, ID, 2), "412 PreconditionFailed If-None-Match", &format!("{operation:?}")).await;
        }
        // An unconditional write is simply carried out again.
        let mut world = World::new(server, State::Absent).await;
        let request = attempt(world.request(Operation::Put), ID, 1);
        let first = world.client.must(request.clone()).await;
        let second = world.client.must(request).await;
        assert!(second.generation() > first.generation());
    })
    .await;
}

/// A rename that is sent again finds its source gone because the rename took it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resent_rename_does_not_miss_the_source_that_it_took() {
    on_both_stores(async |server| {
        for state in State::ALL {
            let mut world = World::new(server, state).await;
            let request = world.request(Operation::Rename);
            let first = world.client.must(attempt(request.clone(), ID, 1)).await;
            let again = world.client.send(attempt(request.clone(), ID, 2)).await;
            assert_eq!(again.verdict(), "200", "{state:?}: {}", again.text());
            assert_eq!(told(&again), told(&first), "{state:?}");
            world.refuses(request, "404 NoSuchKey", "without an invocation").await;
        }
    })
    .await;
}

/// Somebody writes the source's key again before the rename is resent: that object is not the one that was meant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resent_rename_does_not_take_another_source() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let request = world.request(Operation::Rename);
        let first = world.client.must(attempt(request.clone(), ID, 1)).await;
        world.client.must(world.on("PUT", "s").body("another object")).await;
        let before = picture(&mut world.client, &world.bucket).await;
        let again = world.client.send(attempt(request, ID, 2)).await;
        assert_eq!((again.verdict().as_str(), told(&again)), ("200", told(&first)));
        assert_eq!(before, picture(&mut world.client, &world.bucket).await);
    })
    .await;
}

/// Replaying a completion needs no invocation id: the upload's own id says which one it was. No condition is judged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_is_answered_again_whatever_became_of_the_object() {
    const AFTERWARDS: [&str; 3] = ["nothing", "overwritten", "deleted"];
    on_both_stores(async |server| {
        for afterwards in AFTERWARDS {
            for (name, value) in [("x-amz-meta-none", "1"), ("if-none-match", "*"), ("if-match", "{other}")] {
                let mut world = World::new(server, State::Absent).await;
                let first = world.client.must(world.request(Operation::Complete).header("if-none-match", "*")).await;
                match afterwards {
                    "overwritten" => drop(world.client.must(world.on("PUT", "k").body("later")).await),
                    "deleted" => drop(world.client.must(world.on("DELETE", "k")).await),
                    _ => {}
                }
                server.clock.advance_secs(23 * 3600);
                server.objects.forget_replays().await.expect("forgotten");
                server.objects.collect().await.expect("collected");
                let before = picture(&mut world.client, &world.bucket).await;
                let again = world.client.send(world.request(Operation::Complete).header(name, &world.fill(value))).await;
                assert_eq!(again.verdict(), "200", "{afterwards} {name}: {}", again.text());
                assert_eq!(told(&again), told(&first), "{afterwards} {name}");
                assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{afterwards} {name}");
            }
        }
    })
    .await;
}

/// An upload belongs to its key, also when it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_is_not_answered_again_under_another_key() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Absent).await;
        let completion = world.request(Operation::Complete);
        world.client.must(completion.clone()).await;
        for key in ["z", "other"] {
            let elsewhere = world.on("POST", key).query("uploadId", &world.upload).body(completion.body.clone());
            world.refuses(elsewhere, "404 NoSuchUpload", key).await;
        }
    })
    .await;
}

/// After a refusal the upload is complete with its parts, and may be completed with another condition, without one, or aborted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_completion_leaves_an_upload_that_can_be_completed_or_aborted() {
    on_both_stores(async |server| {
        for next in ["without a condition", "with another condition", "abort"] {
            let mut world = World::new(server, State::Present).await;
            let refused = world.request(Operation::Complete).header("if-none-match", "*");
            world.refuses(refused, "412 PreconditionFailed If-None-Match", next).await;
            let complete = world.request(Operation::Complete);
            match next {
                "abort" => {
                    let abort = world.on("DELETE", "k").query("uploadId", &world.upload.clone());
                    assert_eq!(world.client.send(abort).await.status, 204);
                    world.refuses(complete, "404 NoSuchUpload", next).await;
                }
                "with another condition" => {
                    let condition = world.fill("{etag}");
                    world.carries_out(Operation::Complete, complete.header("if-match", &condition), next).await;
                }
                _ => drop(world.carries_out(Operation::Complete, complete, next).await),
            }
        }
    })
    .await;
}

/// Bad lists of parts come before conditions or after them, but never write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_whose_parts_are_not_there_writes_nothing() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Absent).await;
        let path = format!("/{}/k", world.bucket);
        let (_, other_part) = begin_upload(&mut world.client, &path, "another upload's part").await;
        let mine = world.part_etag.clone();
        for (parts, expect) in [
            (vec![(2, mine.as_str())], "400 InvalidPart"),
            (vec![(1, other_part.as_str())], "400 InvalidPart"),
            (vec![(1, mine.as_str()), (2, mine.as_str())], "400 EntityTooSmall"),
            (vec![(1, mine.as_str()), (1, mine.as_str())], "400 InvalidPartOrder"),
            (vec![(2, mine.as_str()), (1, mine.as_str())], "400 InvalidPartOrder"),
            (vec![], "400 MalformedXML"),
        ] {
            for condition in [None, Some(("if-none-match", "*"))] {
                let request = world.request(Operation::Complete).body(complete_xml(&parts));
                let request = request.headers(&condition.into_iter().collect::<Vec<_>>());
                world.refuses(request, expect, &format!("{parts:?}")).await;
            }
        }
    })
    .await;
}
