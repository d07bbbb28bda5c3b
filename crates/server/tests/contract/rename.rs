//! Section 3 of the contract: what RenameObject moves, how its source is written, and its client token.

use crate::support::on_both_stores;
use crate::support::picture::picture;
use crate::support::request::{Request, encode};
use crate::support::signing::http_date;
use crate::support::world::{Operation, State, World};

fn rename(world: &World<'_>, source: &str, destination: &str) -> Request {
    world.on("PUT", destination).query("renameObject", "").header("x-amz-rename-source", source)
}

/// Nothing of the object changes but its key and its generation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rename_keeps_everything_but_the_key() {
    on_both_stores(async |server| {
        for state in State::ALL {
            let mut world = World::new(server, state).await;
            let checked = |key| world.on("GET", key).header("x-amz-checksum-mode", "ENABLED");
            let tags = |key| world.on("GET", key).query("tagging", "");
            let (get_before, tags_before, get_after, tags_after) = (checked("s"), tags("s"), checked("k"), tags("k"));
            let before = world.client.must(get_before).await;
            let tags_before = world.client.must(tags_before).await.text();
            let answer = world.client.must(world.request(Operation::Rename)).await;
            assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{state:?}");
            let after = world.client.must(get_after).await;
            let kept = |answer: &crate::support::client::Answer| {
                let passing = ["date", "x-amz-request-id", "x-holdfast-generation"];
                let mut headers = answer.headers.clone();
                headers.retain(|(name, _)| !passing.contains(&name.as_str()));
                (headers, answer.text())
            };
            assert_eq!(kept(&before), kept(&after), "{state:?}");
            assert_eq!(tags_before, world.client.must(tags_after).await.text(), "{state:?}");
            assert!(after.generation() > before.generation(), "{state:?}: a rename is a write of its destination");
            let listing = world.client.must(Request::new("GET", &format!("/{}", world.bucket)).query("list-type", "2")).await.text();
            assert!(listing.contains("<Key>k</Key>") && !listing.contains("<Key>s</Key>"), "{state:?}: {listing}");
        }
    })
    .await;
}

/// The source as a key, behind the bucket's name, encoded or not; a literal key goes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_a_literal_key_first_and_then_a_key_behind_the_bucket() {
    on_both_stores(async |server| {
        for form in ["s", "/{bucket}/s", "{bucket}/s", "%73", "%2F{bucket}%2Fs"] {
            let mut world = World::new(server, State::Absent).await;
            let source = form.replace("{bucket}", &world.bucket);
            let request = rename(&world, &source, "k");
            world.carries_out(Operation::Rename, request, form).await;
        }
        for form in ["/{bucket}/s", "{bucket}/s"] {
            let mut world = World::new(server, State::Absent).await;
            let source = form.replace("{bucket}", &world.bucket);
            // A key that looks like the other reading is meant where it exists.
            world.client.must(world.on("PUT", &source).body("the literal key")).await;
            world.client.must(rename(&world, &source, "k")).await;
            assert_eq!(world.client.must(world.on("GET", "k")).await.text(), "the literal key", "{form}");
            assert_eq!(world.client.must(world.on("GET", "s")).await.text(), "the source's bytes", "{form}");
        }
        for key in ["a b", "a+b", "a%b", "a//b", "../b", "b/", "\u{1f980}", "?x=y", "k;k"] {
            let mut world = World::new(server, State::Absent).await;
            world.client.must(world.on("PUT", key).body("odd")).await;
            world.client.must(rename(&world, &encode(key, false), "k")).await;
            assert_eq!(world.client.must(world.on("GET", "k")).await.text(), "odd", "{key}");
            assert_eq!(world.client.send(world.on("HEAD", key)).await.status, 404, "{key}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_that_cannot_be_renamed_are_refused() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let other = World::new(server, State::Present).await.bucket;
        let bucket = world.bucket.clone();
        for (row, source, destination, expect) in [
            ("itself", "k", "k", "400 InvalidRequest"),
            ("itself behind the bucket", &format!("/{bucket}/k"), "k", "400 InvalidRequest"),
            ("another bucket", &format!("/{other}/s"), "k", "400 InvalidRequest"),
            ("missing", "gone", "k", "404 NoSuchKey"),
            ("missing, behind the bucket", &format!("/{bucket}/gone"), "k", "404 NoSuchKey"),
            ("missing itself", "gone", "gone", "404 NoSuchKey"),
            ("empty", "", "k", "400 InvalidArgument"),
            ("half a sequence", "%7", "k", "400 InvalidArgument"),
            ("not UTF-8", "%ff", "k", "400 InvalidArgument"),
            ("too long", &"x".repeat(2000), "k", "400 InvalidArgument"),
        ] {
            let request = rename(&world, source, destination);
            world.refuses(request, expect, row).await;
        }
        for (row, request, expect) in [
            ("no source", world.on("PUT", "k").query("renameObject", ""), "400 InvalidArgument"),
            ("two sources", rename(&world, "s", "k").header("x-amz-rename-source", "z"), "400 InvalidArgument"),
            ("a body", rename(&world, "s", "k").body("a body"), "400 InvalidRequest"),
            ("a source without the verb", world.on("PUT", "k").header("x-amz-rename-source", "s"), "400 InvalidRequest"),
            ("a copy too", rename(&world, "s", "k").header("x-amz-copy-source", "b/s"), "400 InvalidRequest"),
        ] {
            world.refuses(request, expect, row).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_token_gets_the_first_answer_for_the_same_request_only() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let token = |request: Request| request.header("x-amz-client-token", "a-token!~");
        let first = world.client.must(token(world.request(Operation::Rename))).await;
        // Whatever happens to the keys afterwards.
        for afterwards in ["nothing", "a new source", "no destination"] {
            match afterwards {
                "a new source" => drop(world.client.must(world.on("PUT", "s").body("another source")).await),
                "no destination" => drop(world.client.must(world.on("DELETE", "k")).await),
                _ => {}
            }
            let before = picture(&mut world.client, &world.bucket).await;
            let again = world.client.send(token(world.request(Operation::Rename))).await;
            assert_eq!(again.verdict(), "200", "{afterwards}: {}", again.text());
            assert_eq!((again.etag(), again.generation()), (first.etag(), first.generation()), "{afterwards}");
            assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{afterwards}");
        }
        let date = http_date(server.now(), -10);
        for (row, request) in [
            ("another source", rename(&world, "z", "k")),
            ("another destination", rename(&world, "s", "other")),
            ("a condition more", rename(&world, "s", "k").header("if-none-match", "*")),
            ("a date more", rename(&world, "s", "k").header("if-modified-since", &date)),
            ("a source condition more", rename(&world, "s", "k").header("x-amz-rename-source-if-match", "*")),
        ] {
            world.refuses(token(request), "400 IdempotencyParameterMismatch", row).await;
        }
        for bad in ["", &"x".repeat(65), "a token"] {
            let request = rename(&world, "s", "k").header("x-amz-client-token", bad);
            world.refuses(request, "400 InvalidArgument", bad).await;
        }
    })
    .await;
}

/// The answer is kept for 24 hours at least; a refused rename leaves its token unused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_kept_for_a_day_and_not_spent_by_a_refusal() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let token = |request: Request| request.header("x-amz-client-token", "one");
        let refused = token(rename(&world, "s", "k").header("if-none-match", "*"));
        world.refuses(refused, "412 PreconditionFailed If-None-Match", "refused").await;
        let first = world.client.must(token(world.request(Operation::Rename))).await;
        server.clock.advance_secs(24 * 3600 - 60);
        server.objects.forget_replays().await.expect("forgotten");
        let again = world.client.send(token(world.request(Operation::Rename))).await;
        assert_eq!((again.verdict().as_str(), again.generation()), ("200", first.generation()));
    })
    .await;
}
