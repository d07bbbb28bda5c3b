//! Writes that are overtaken while they are under way: section 2's 409, and that the commit point judges, not the arrival.

use std::collections::BTreeMap;

use crate::support::client::Client;
use crate::support::picture::picture;
use crate::support::request::Request;
use crate::support::world::{Operation, State, World, begin_upload, check_error, new_bucket};
use crate::support::{TestServer, on_both_stores};

/// What happens to the key between a request's arrival and its commit point.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Nothing,
    /// Another body.
    Put,
    /// The same body again: the same tag, another write.
    PutSame,
    Copied,
    Rename,
    Complete,
    Delete,
    /// Written and deleted.
    ComeAndGo,
}

use Meanwhile::{ComeAndGo, Complete, Copied, Delete, Nothing, Put, PutSame, Rename};

const CONFLICT: &str = "409 ConditionalRequestConflict If-None-Match";
const DIFFERS: &str = "412 PreconditionFailed If-Match";
const OTHER_WRITE: &str = "412 PreconditionFailed x-holdfast-if-generation-match";

/// The state at arrival, the condition, what happens meanwhile, and the answer.
const ROWS: &[(State, (&str, &str), &[Meanwhile], &str)] = &[
    (State::Absent, ("if-none-match", "*"), &[Nothing, ComeAndGo], "200"),
    (State::Absent, ("if-none-match", "*"), &[Put, Copied, Rename, Complete], CONFLICT),
    (State::Deleted, ("if-none-match", "*"), &[Nothing, ComeAndGo], "200"),
    (State::Deleted, ("if-none-match", "*"), &[Put, Complete], CONFLICT),
    (State::Absent, ("x-holdfast-if-generation-match", "0"), &[Nothing, ComeAndGo], "200"),
    (State::Absent, ("x-holdfast-if-generation-match", "0"), &[Put], "409 ConditionalRequestConflict x-holdfast-if-generation-match"),
    (State::Present, ("if-match", "{etag}"), &[Nothing, PutSame], "200"),
    (State::Present, ("if-match", "{etag}"), &[Put, Copied, Rename, Complete], DIFFERS),
    (State::Present, ("if-match", "{etag}"), &[Delete], "404 NoSuchKey"),
    (State::Present, ("if-match", "*"), &[Nothing, Put, Copied], "200"),
    (State::Present, ("if-match", "*"), &[Delete, ComeAndGo], "404 NoSuchKey"),
    (State::Present, ("x-holdfast-if-generation-match", "{generation}"), &[Nothing], "200"),
    (State::Present, ("x-holdfast-if-generation-match", "{generation}"), &[Put, PutSame, Copied, Rename], OTHER_WRITE),
    (State::Present, ("x-holdfast-if-generation-match", "{generation}"), &[Delete], "404 NoSuchKey"),
];

async fn happen(world: &mut World<'_>, meanwhile: Meanwhile) {
    let put = |body: &str| world.on("PUT", "k").body(body);
    let requests = match meanwhile {
        Nothing => vec![],
        Put => vec![put("a rival's bytes")],
        PutSame => vec![put("the target's bytes")],
        Copied => vec![world.request(Operation::Copy)],
        Rename => vec![world.request(Operation::Rename)],
        Complete => {
            let path = format!("/{}/k", world.bucket);
            let (upload, part) = begin_upload(&mut world.client, &path, "a rival's part").await;
            let body = crate::support::world::complete_xml(&[(1, &part)]);
            vec![world.on("POST", "k").query("uploadId", &upload).body(body)]
        }
        Delete => vec![world.on("DELETE", "k")],
        ComeAndGo => vec![put("for a moment"), world.on("DELETE", "k")],
    };
    for request in requests {
        world.client.must(request).await;
    }
}

/// Waits until the server has read the head: what a request does next can only be seen from the outside by what it changes, so the
/// test asks for a `100 Continue`, which is sent when the early check is over.
async fn held(world: &World<'_>, request: Request) -> crate::support::client::Held {
    let mut held = world.client.hold(request.header("expect", "100-continue"), 0).await;
    held.continued().await;
    held
}

async fn check(operation: Operation) {
    on_both_stores(async |server| {
        for (state, (name, value), all, expect) in ROWS {
            for meanwhile in *all {
                let mut world = World::new(server, *state).await;
                let row = format!("{operation:?} {state:?} {name}: {value}, meanwhile {meanwhile:?}");
                let request = world.request(operation).header(name, &world.fill(value));
                let held = held(&world, request.clone()).await;
                happen(&mut world, *meanwhile).await;
                let before = picture(&mut world.client, &world.bucket).await;
                let answer = held.finish().await;
                assert_eq!(answer.verdict(), *expect, "{row}: {}", answer.text());
                if *expect == "200" {
                    let now = world.client.must(world.on("GET", "k")).await;
                    assert_eq!((now.etag(), now.generation()), (answer.etag(), answer.generation()), "{row}");
                    continue;
                }
                check_error(&answer, &request, &row);
                if matches!(answer.status, 404 | 409) {
                    assert_eq!(answer.element("Key").as_deref(), Some("k"), "{row}");
                }
                assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{row}: a refused request changes nothing");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_is_judged_on_what_it_meets_at_its_end() {
    check(Operation::Put).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_complete_is_judged_on_what_it_meets_at_its_end() {
    check(Operation::Complete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_is_judged_on_the_size_it_meets_at_its_end() {
    on_both_stores(async |server| {
        let size = "the target's bytes".len().to_string();
        for (meanwhile, headers, expect) in [
            (Nothing, vec![], "200"),
            (Nothing, vec![("if-match", "{etag}")], "200"),
            (Put, vec![], "400 InvalidWriteOffset"),
            (PutSame, vec![], "200"),
            (Put, vec![("if-match", "{etag}")], DIFFERS),
            (Delete, vec![], "400 InvalidWriteOffset"),
            (Delete, vec![("if-match", "{etag}")], "404 NoSuchKey"),
        ] {
            let mut world = World::new(server, State::Present).await;
            let request = world.on("PUT", "k").body(" and more").header("x-amz-write-offset-bytes", &size).headers(&world.filled(&headers));
            let held = held(&world, request).await;
            happen(&mut world, meanwhile).await;
            let answer = held.finish().await;
            assert_eq!(answer.verdict(), expect, "{meanwhile:?} {headers:?}: {}", answer.text());
        }
    })
    .await;
}

const RACERS: usize = 16;

/// Rounds in which 16 requests create one key: one succeeds, the others get 409 or 412, until both were seen.
async fn race(server: &TestServer, operation: Operation) {
    let mut seen = BTreeMap::new();
    for round in 0..200 {
        let mut client = server.client();
        let bucket = new_bucket(&mut client).await;
        let requests = racers(&mut client, &bucket, operation).await;
        // One that comes after all the others is always too late.
        let late = requests.last().cloned().expect("racers");
        let racers: Vec<_> = requests.into_iter().map(|request| (server.client(), request)).collect();
        let racing = racers.into_iter().map(|(mut client, request)| tokio::spawn(async move { client.send(request).await }));
        let mut answers = Vec::new();
        for racer in racing.collect::<Vec<_>>() {
            answers.push(racer.await.expect("no panic"));
        }
        let mut verdicts: Vec<String> = answers.iter().map(super::support::client::Answer::verdict).collect();
        assert_eq!(verdicts.iter().filter(|verdict| *verdict == "200").count(), 1, "{operation:?}: {verdicts:?}");
        let winner = answers.iter().find(|answer| answer.status == 200).expect("one");
        let now = client.must(Request::new("HEAD", &format!("/{bucket}/k"))).await;
        assert_eq!((now.etag(), now.generation()), (winner.etag(), winner.generation()));
        verdicts.push(client.send(late).await.verdict());
        for verdict in verdicts {
            *seen.entry(verdict).or_insert(0) += 1;
        }
        if seen.contains_key(CONFLICT) && round >= 4 {
            break;
        }
    }
    let codes: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(codes, ["200", CONFLICT, "412 PreconditionFailed If-None-Match"], "{operation:?}: {seen:?}");
}

/// Requests that each create `k` from bytes of their own.
async fn racers(client: &mut Client, bucket: &str, operation: Operation) -> Vec<Request> {
    let target = format!("/{bucket}/k");
    let mut requests = Vec::new();
    for n in 0..RACERS {
        let body = format!("the bytes of racer {n}");
        let request = match operation {
            Operation::Put => Request::new("PUT", &target).body(body),
            Operation::Complete => {
                let (upload, part) = begin_upload(client, &target, &body).await;
                Request::new("POST", &target).query("uploadId", &upload).body(crate::support::world::complete_xml(&[(1, &part)]))
            }
            Operation::Copy => {
                client.must(Request::new("PUT", &format!("/{bucket}/s{n}")).body(body)).await;
                Request::new("PUT", &target).header("x-amz-copy-source", &format!("/{bucket}/s{n}"))
            }
            Operation::Rename => {
                client.must(Request::new("PUT", &format!("/{bucket}/s{n}")).body(body)).await;
                Request::new("PUT", &target).query("renameObject", "").header("x-amz-rename-source", &format!("s{n}"))
            }
        };
        requests.push(request.header("if-none-match", "*"));
    }
    requests
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creators_one_wins_and_conflict_and_refusal_are_both_reached() {
    on_both_stores(async |server| {
        for operation in Operation::ALL {
            race(server, operation).await;
        }
    })
    .await;
}
