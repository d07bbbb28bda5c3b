//! Writes that are overtaken while they are under way: section 2's 409, and that the commit point judges, not the arrival.

use tokio::task::JoinSet;

use crate::support::client::{Answer, Client};
use crate::support::picture::picture;
use crate::support::request::Request;
use crate::support::world::{Operation, State, World, begin_upload, check_error, for_each_row, new_bucket};
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
type Row = (State, (&'static str, &'static str), &'static [Meanwhile], &'static str);

const ROWS: &[Row] = &[
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
        let rows = ROWS.iter().flat_map(|row| row.2.iter().map(move |meanwhile| (row.0, (row, *meanwhile))));
        for_each_row(server, rows, async |mut world, ((state, (name, value), _, expect), meanwhile)| {
            let row = format!("{operation:?} {state:?} {name}: {value}, meanwhile {meanwhile:?}");
            let request = world.request(operation).header(name, &world.fill(value));
            let held = held(&world, request.clone()).await;
            happen(&mut world, meanwhile).await;
            let before = picture(&mut world.client, &world.bucket).await;
            let answer = held.finish().await;
            assert_eq!(answer.verdict(), *expect, "{row}: {}", answer.text());
            if *expect == "200" {
                let now = world.client.must(world.on("GET", "k")).await;
                assert_eq!((now.etag(), now.generation()), (answer.etag(), answer.generation()), "{row}");
                return;
            }
            check_error(&answer, &request, &row);
            if matches!(answer.status, 404 | 409) {
                assert_eq!(answer.element("Key").as_deref(), Some("k"), "{row}");
            }
            assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{row}: a refused request changes nothing");
        })
        .await;
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

/// The upload is aborted, or completed by somebody else, while a completion is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_whose_upload_goes_meanwhile_is_told_what_became_of_it() {
    on_both_stores(async |server| {
        for (name, value) in [("x-amz-meta-none", "1"), ("if-none-match", "*")] {
            let mut world = World::new(server, State::Absent).await;
            let completion = held(&world, world.request(Operation::Complete).header(name, value)).await;
            world.client.must(world.on("DELETE", "k").query("uploadId", &world.upload)).await;
            let before = picture(&mut world.client, &world.bucket).await;
            assert_eq!(completion.finish().await.verdict(), "404 NoSuchUpload", "{name}");
            assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{name}");

            let mut world = World::new(server, State::Absent).await;
            let completion = held(&world, world.request(Operation::Complete).header(name, value)).await;
            let first = world.client.must(world.request(Operation::Complete)).await;
            let before = picture(&mut world.client, &world.bucket).await;
            let second = completion.finish().await;
            assert_eq!(second.verdict(), "200", "{name}: {}", second.text());
            assert_eq!((second.etag(), second.generation()), (first.etag(), first.generation()), "{name}");
            assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{name}");
        }
    })
    .await;
}

/// The bucket goes while a body is on its way; one of the same name that comes is another bucket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_bucket_goes_meanwhile_is_not_written() {
    on_both_stores(async |server| {
        for comes_again in [false, true] {
            for size in [10, 300_000] {
                let mut client = server.client();
                let bucket = new_bucket(&mut client).await;
                let at = format!("/{bucket}");
                let put = Request::new("PUT", &format!("{at}/k")).header("if-none-match", "*").body(vec![b'x'; size]);
                let mut put = client.hold(put.header("expect", "100-continue"), 0).await;
                put.continued().await;
                client.must(Request::new("DELETE", &at)).await;
                if comes_again {
                    client.must(Request::new("PUT", &at)).await;
                }
                assert_eq!(put.finish().await.verdict(), "404 NoSuchBucket", "{comes_again} {size}");
                if comes_again {
                    let listing = client.must(Request::new("GET", &at).query("list-type", "2")).await.text();
                    assert!(!listing.contains("<Key>"), "{listing}");
                }
                server.nothing_is_staged().await;
            }
        }
    })
    .await;
}

const RACERS: usize = 8;

/// Sends all requests at once.
fn send_together(server: &TestServer, requests: Vec<Request>) -> JoinSet<Answer> {
    let mut racing = JoinSet::new();
    for request in requests {
        let mut client = server.client();
        racing.spawn(async move { client.send(request).await });
    }
    racing
}

/// All racers have arrived before the first of them commits: one wins, and for every other a rival's write committed first.
async fn overlap(server: &TestServer, operation: Operation) {
    let mut client = server.client();
    let bucket = new_bucket(&mut client).await;
    let mut requests = racers(&mut client, &bucket, operation).await;
    // One that comes after all the others is not overtaken but late.
    let late = requests.pop().expect("racers");
    server.gate.close();
    let racing = send_together(server, requests);
    server.gate.holds(RACERS - 1).await;
    server.gate.open();
    let answers = racing.join_all().await;
    let mut verdicts: Vec<String> = answers.iter().map(Answer::verdict).collect();
    verdicts.sort_unstable();
    let expect: Vec<&str> = ["200"].into_iter().chain([CONFLICT; RACERS - 2]).collect();
    assert_eq!(verdicts, expect, "{operation:?}");
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        check_error(answer, &late, &format!("{operation:?}"));
        assert_eq!(answer.element("Key").as_deref(), Some("k"), "{operation:?}");
    }
    assert_eq!(client.send(late).await.verdict(), "412 PreconditionFailed If-None-Match", "{operation:?}");
    winner_is_there(&mut client, &bucket, &answers).await;
}

/// Nobody orders the racers: one wins, and the others are overtaken or late.
async fn race(server: &TestServer, operation: Operation) {
    let mut client = server.client();
    let bucket = new_bucket(&mut client).await;
    let requests = racers(&mut client, &bucket, operation).await;
    let answers = send_together(server, requests).join_all().await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{operation:?}: {statuses:?}");
    assert!(statuses.iter().all(|status| [200, 409, 412].contains(status)), "{operation:?}: {statuses:?}");
    winner_is_there(&mut client, &bucket, &answers).await;
}

async fn winner_is_there(client: &mut Client, bucket: &str, answers: &[Answer]) {
    let winner = answers.iter().find(|answer| answer.status == 200).expect("one");
    let now = client.must(Request::new("HEAD", &format!("/{bucket}/k"))).await;
    assert_eq!((now.etag(), now.generation()), (winner.etag(), winner.generation()));
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
async fn of_creators_that_overlap_one_wins_and_the_others_conflict() {
    on_both_stores(async |server| {
        for operation in Operation::ALL {
            overlap(server, operation).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_creators_that_race_one_wins() {
    on_both_stores(async |server| {
        for operation in Operation::ALL {
            race(server, operation).await;
        }
    })
    .await;
}
