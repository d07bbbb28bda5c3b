//! Conditions on the source of CopyObject, UploadPartCopy and RenameObject: every failure is 412 under the operation's own name.

use crate::support::client::Answer;
use crate::support::on_both_stores;
use crate::support::picture::picture;
use crate::support::request::Request;
use crate::support::world::{Operation, State, World, for_each_row};

/// Names without their prefix, and the name that a refusal shows, `200`, or another refusal.
type Row = (&'static [(&'static str, &'static str)], &'static str);

const UNREADABLE: &str = "400 InvalidRequest";

const SOURCES: &[Row] = &[
    (&[("match", "{source}")], "200"),
    (&[("match", "{source-bare}")], "200"),
    (&[("match", "*")], "200"),
    (&[("match", "{other}, {source}")], "200"),
    (&[("match", "{other}")], "If-Match"),
    (&[("match", "W/{source}")], "If-Match"),
    (&[("match", "")], UNREADABLE),
    (&[("match", "{source}"), ("match", "{source}")], UNREADABLE),
    (&[("none-match", "{other}"), ("none-match", "{other}")], UNREADABLE),
    (&[("unmodified-since", "{after}"), ("unmodified-since", "{after}")], UNREADABLE),
    (&[("none-match", "{other}")], "200"),
    (&[("none-match", "{source}")], "If-None-Match"),
    (&[("none-match", "W/{source}")], "If-None-Match"),
    (&[("none-match", "{other}, {source}")], "If-None-Match"),
    (&[("none-match", "*")], "If-None-Match"),
    (&[("none-match", "")], UNREADABLE),
    (&[("modified-since", "{before}")], "200"),
    (&[("modified-since", "{future}")], "200"),
    (&[("modified-since", "{same}")], "If-Modified-Since"),
    (&[("modified-since", "{after}")], "If-Modified-Since"),
    (&[("modified-since", "soon")], UNREADABLE),
    (&[("unmodified-since", "{after}")], "200"),
    (&[("unmodified-since", "{same}")], "200"),
    (&[("unmodified-since", "{before}")], "If-Unmodified-Since"),
    (&[("unmodified-since", "")], UNREADABLE),
    // The order of a read: If-Match goes before If-Unmodified-Since, If-None-Match before If-Modified-Since.
    (&[("match", "{source}"), ("unmodified-since", "{before}")], "200"),
    (&[("match", "{other}"), ("unmodified-since", "{after}")], "If-Match"),
    (&[("none-match", "{other}"), ("modified-since", "{after}")], "200"),
    (&[("none-match", "{source}"), ("modified-since", "{before}")], "If-None-Match"),
    (&[("match", "{source}"), ("none-match", "{source}")], "If-None-Match"),
    (&[("unmodified-since", "{before}"), ("none-match", "{source}")], "If-Unmodified-Since"),
];

fn prefixed(world: &World<'_>, prefix: &str, conditions: &[(&str, &str)]) -> Vec<(String, String)> {
    conditions.iter().map(|(name, value)| (format!("{prefix}-if-{name}"), world.fill(value))).collect()
}

fn expected(prefix: &str, refused: &str) -> String {
    if refused.starts_with("If-") { format!("412 PreconditionFailed {prefix}-{refused}") } else { refused.to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_of_a_copy_follows_its_table() {
    check(Operation::Copy, "x-amz-copy-source").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_of_a_rename_follows_its_table() {
    check(Operation::Rename, "x-amz-rename-source").await;
}

async fn check(operation: Operation, prefix: &str) {
    on_both_stores(async |server| {
        for_each_row(server, SOURCES.iter().map(|row| (State::Present, row)), async |mut world, (conditions, refused)| {
            let request = world.request(operation).headers(&prefixed(&world, prefix, conditions));
            let row = format!("{operation:?} {conditions:?}");
            match expected(prefix, refused).as_str() {
                "200" => drop(world.carries_out(operation, request, &row).await),
                refusal => drop(world.refuses(request, refusal, &row).await),
            }
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_of_a_copied_part_follows_the_table_of_copies() {
    on_both_stores(async |server| {
        for_each_row(server, SOURCES.iter().map(|row| (State::Present, row)), async |mut world, (conditions, refused)| {
            let request = part_copy(&world, "s").headers(&prefixed(&world, "x-amz-copy-source", conditions));
            let row = format!("UploadPartCopy {conditions:?}");
            match expected("x-amz-copy-source", refused).as_str() {
                "200" => {
                    let copied = world.client.must(request).await;
                    assert_eq!(copied.etag(), world.fill("{source}"), "{row}");
                }
                refusal => drop(world.refuses(request, refusal, &row).await),
            }
        })
        .await;
    })
    .await;
}

fn part_copy(world: &World<'_>, source: &str) -> Request {
    let request = world.on("PUT", "k").query("uploadId", &world.upload).query("partNumber", "2");
    request.header("x-amz-copy-source", &format!("/{}/{source}", world.bucket))
}

/// Whatever the conditions: no source, no object; and the error names the source, not the destination.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_source_is_not_found() {
    on_both_stores(async |server| {
        for condition in [None, Some(("if-match", "*")), Some(("if-none-match", "*")), Some(("if-match", "{other}"))] {
            let mut world = World::new(server, State::Present).await;
            let condition = |name: &str| condition.map(|(c, value)| (format!("{name}-{c}"), world.fill(value)));
            let copied = world.on("PUT", "k").header("x-amz-copy-source", &format!("/{}/gone", world.bucket));
            let renamed = world.on("PUT", "k").query("renameObject", "").header("x-amz-rename-source", "gone");
            let part = part_copy(&world, "gone");
            let copy_condition: Vec<_> = condition("x-amz-copy-source").into_iter().collect();
            let rename_condition: Vec<_> = condition("x-amz-rename-source").into_iter().collect();
            for request in [copied.headers(&copy_condition), renamed.headers(&rename_condition), part.headers(&copy_condition)] {
                let row = format!("{request:?}");
                let answer = world.refuses(request, "404 NoSuchKey", &row).await;
                assert_eq!(answer.element("Key").as_deref(), Some("gone"), "{row}");
            }
            let elsewhere = world.on("PUT", "k").header("x-amz-copy-source", "/no-such-bucket/s").headers(&copy_condition);
            world.refuses(elsewhere, "404 NoSuchBucket", "a source bucket that is not there").await;
        }
    })
    .await;
}

/// Source and destination are judged together: nothing happens unless both hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn source_and_destination_must_both_hold() {
    const NEITHER: [&str; 2] = ["If-Match", "SOURCE-If-Match"];
    let rows: [(&str, &str, &[&str]); 4] = [
        ("{etag}", "{source}", &[]),
        ("{other}", "{source}", &["If-Match"]),
        ("{etag}", "{other}", &["SOURCE-If-Match"]),
        ("{other}", "{other}", &NEITHER),
    ];
    on_both_stores(async |server| {
        for (operation, prefix) in [(Operation::Copy, "x-amz-copy-source"), (Operation::Rename, "x-amz-rename-source")] {
            for (destination, source, refused) in rows {
                let mut world = World::new(server, State::Present).await;
                let request = world.request(operation).header("if-match", &world.fill(destination));
                let request = request.header(&format!("{prefix}-if-match"), &world.fill(source));
                let row = format!("{operation:?} {destination} {source}");
                if refused.is_empty() {
                    world.carries_out(operation, request, &row).await;
                    continue;
                }
                let before = picture(&mut world.client, &world.bucket).await;
                let answer: Answer = world.client.send(request).await;
                let condition = answer.element("Condition").unwrap_or_default().replace(prefix, "SOURCE");
                assert_eq!(answer.status, 412, "{row}");
                assert!(refused.contains(&condition.as_str()), "{row}: {condition}");
                assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{row}");
            }
        }
    })
    .await;
}

/// A copy onto itself is refused unless it changes something, and is conditional like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_onto_itself_is_judged_like_any_other() {
    let rows: [(&[(&str, &str)], &str); 5] = [
        (&[], "400 InvalidRequest"),
        (&[("x-amz-metadata-directive", "REPLACE")], "200"),
        (&[("x-amz-metadata-directive", "REPLACE"), ("if-match", "{etag}")], "200"),
        (&[("x-amz-metadata-directive", "REPLACE"), ("if-match", "{other}")], "412 PreconditionFailed If-Match"),
        (&[("x-amz-metadata-directive", "REPLACE"), ("if-none-match", "*")], "412 PreconditionFailed If-None-Match"),
    ];
    on_both_stores(async |server| {
        for (headers, expect) in rows {
            let mut world = World::new(server, State::Present).await;
            let source = format!("/{}/k", world.bucket);
            let request = world.on("PUT", "k").header("x-amz-copy-source", &source).headers(&world.filled(headers));
            if expect == "200" {
                let before = world.client.must(world.on("GET", "k")).await;
                let copied = world.client.must(request).await;
                let after = world.client.must(world.on("GET", "k")).await;
                assert_eq!((after.text(), after.etag()), (before.text(), before.etag()), "{headers:?}");
                assert_eq!((after.generation(), after.header("x-amz-meta-of")), (copied.generation(), None), "{headers:?}");
                assert!(after.generation() > before.generation(), "{headers:?}");
            } else {
                world.refuses(request, expect, &format!("{headers:?}")).await;
            }
        }
    })
    .await;
}
