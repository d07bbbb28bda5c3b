//! Append (`x-amz-write-offset-bytes`): section 2's last rule.

use crate::support::on_both_stores;
use crate::support::request::Request;
use crate::support::world::{Operation, State, World, for_each_row};

/// The state, the offset, other headers, and the answer.
type Row = (State, &'static str, &'static [(&'static str, &'static str)], &'static str);

const ROWS: &[Row] = &[
    (State::Absent, "0", &[], "200"),
    (State::Deleted, "0", &[], "200"),
    (State::Absent, "0", &[("if-none-match", "*")], "200"),
    (State::Absent, "1", &[], "400 InvalidWriteOffset"),
    (State::Absent, "0", &[("if-match", "*")], "404 NoSuchKey"),
    (State::Absent, "5", &[("if-match", "*")], "404 NoSuchKey"),
    (State::Present, "{size}", &[], "200"),
    (State::Present, "{size}", &[("if-match", "{etag}")], "200"),
    (State::Present, "{size}", &[("if-match", "*")], "200"),
    (State::Present, "{size}", &[("x-holdfast-if-generation-match", "{generation}")], "200"),
    (State::Present, "{size}", &[("if-match", "{other}")], "412 PreconditionFailed If-Match"),
    (State::Present, "{size}", &[("if-none-match", "*")], "412 PreconditionFailed If-None-Match"),
    (State::Present, "0", &[], "400 InvalidWriteOffset"),
    (State::Present, "1", &[], "400 InvalidWriteOffset"),
    (State::Present, "19", &[], "400 InvalidWriteOffset"),
    (State::Present, "0", &[("if-match", "{etag}")], "400 InvalidWriteOffset"),
    (State::Present, "-1", &[], "400 InvalidArgument"),
    (State::Present, "", &[], "400 InvalidArgument"),
    (State::Present, "18446744073709551616", &[], "400 InvalidArgument"),
    (State::Present, "{size}", &[("x-amz-write-offset-bytes", "{size}")], "400 InvalidRequest"),
];

fn append(world: &World<'_>, offset: &str) -> Request {
    world.on("PUT", "k").body(" and more").header("x-amz-write-offset-bytes", &world.fill(offset))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_needs_the_offset_that_is_the_size() {
    on_both_stores(async |server| {
        let rows = ROWS.iter().map(|row| (row.0, row));
        for_each_row(server, rows, async |mut world, (state, offset, headers, expect)| {
            let row = format!("{state:?} {offset} {headers:?}");
            let request = append(&world, offset).headers(&world.filled(headers));
            if *expect != "200" {
                world.refuses(request, expect, &row).await;
                return;
            }
            let answer = world.client.send(request).await;
            assert_eq!(answer.verdict(), "200", "{row}: {}", answer.text());
            let before = if *state == State::Present { "the target's bytes" } else { "" };
            let now = world.client.must(world.on("GET", "k")).await;
            assert_eq!(now.text(), format!("{before} and more"), "{row}");
            assert_eq!((now.etag(), now.generation()), (answer.etag(), answer.generation()), "{row}");
            assert_eq!(answer.header("x-amz-object-size"), Some(now.body.len().to_string().as_str()), "{row}");
        })
        .await;
    })
    .await;
}

/// The refusal tells the size, so that a client can go on from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_appends_make_one_object_and_a_wrong_offset_is_told_the_size() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Absent).await;
        let mut whole = String::new();
        for n in 0..20 {
            let piece = format!("piece {n}, ");
            let request = world.on("PUT", "k").header("x-amz-write-offset-bytes", &whole.len().to_string()).body(piece.clone());
            world.client.must(request).await;
            whole.push_str(&piece);
        }
        assert_eq!(world.client.must(world.on("GET", "k")).await.text(), whole);
        let refused = world.refuses(append(&world, "3"), "400 InvalidWriteOffset", "too early").await;
        assert_eq!(refused.element("ObjectSize"), Some(whole.len().to_string()));
    })
    .await;
}

/// A copy and its source have the same bytes until one of them grows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appending_to_a_copy_or_its_source_leaves_the_other_alone() {
    on_both_stores(async |server| {
        for (grows, stays) in [("k", "s"), ("s", "k")] {
            let mut world = World::new(server, State::Absent).await;
            world.client.must(world.request(Operation::Copy)).await;
            let source = "the source's bytes";
            let append = |offset: usize| world.on("PUT", grows).body("!").header("x-amz-write-offset-bytes", &offset.to_string());
            let (refused, first, second) = (append(3), append(source.len()), append(source.len() + 1));
            world.refuses(refused, "400 InvalidWriteOffset", grows).await;
            world.client.must(first).await;
            world.client.must(second).await;
            assert_eq!(world.client.must(world.on("GET", grows)).await.text(), format!("{source}!!"), "{grows}");
            assert_eq!(world.client.must(world.on("GET", stays)).await.text(), source, "{grows}");
        }
    })
    .await;
}

/// A resent append is answered again; appended bytes are never there twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resent_append_does_not_append_twice() {
    on_both_stores(async |server| {
        for state in [State::Absent, State::Present] {
            let mut world = World::new(server, state).await;
            let offset = if state == State::Present { "{size}" } else { "0" };
            let request = append(&world, offset).header("amz-sdk-invocation-id", "an-append");
            let first = world.client.must(request.clone()).await;
            let again = world.client.send(request).await;
            assert_eq!(again.verdict(), "200", "{state:?}: {}", again.text());
            assert_eq!((first.etag(), first.generation()), (again.etag(), again.generation()), "{state:?}");
            assert_eq!(world.client.must(world.on("GET", "k")).await.text().matches(" and more").count(), 1, "{state:?}");
        }
    })
    .await;
}
