//! Section 2 of the contract: write preconditions, for each operation, on each state of the key.

use crate::support::on_both_stores;
use crate::support::world::{Operation, State, World, for_each_row};

/// Headers, and what is answered if the key is absent or present.
type Row = (&'static [(&'static str, &'static str)], &'static str, &'static str);

const REFUSED: &str = "400 InvalidRequest";
const NOT_A_NUMBER: &str = "400 InvalidArgument";
const MISSING: &str = "404 NoSuchKey";
const EXISTS: &str = "412 PreconditionFailed If-None-Match";
const DIFFERS: &str = "412 PreconditionFailed If-Match";
const OTHER_WRITE: &str = "412 PreconditionFailed x-holdfast-if-generation-match";

const WRITES: &[Row] = &[
    (&[], "200", "200"),
    (&[("if-none-match", "*")], "200", EXISTS),
    (&[("if-none-match", "\"*\"")], REFUSED, REFUSED),
    (&[("if-none-match", "{etag}")], REFUSED, REFUSED),
    (&[("if-none-match", "{other}")], REFUSED, REFUSED),
    (&[("if-none-match", "{bare}")], REFUSED, REFUSED),
    (&[("if-none-match", "W/{etag}")], REFUSED, REFUSED),
    (&[("if-none-match", "{etag}, {other}")], REFUSED, REFUSED),
    (&[("if-none-match", "*, *")], REFUSED, REFUSED),
    (&[("if-none-match", "")], REFUSED, REFUSED),
    (&[("if-none-match", "*"), ("if-none-match", "*")], REFUSED, REFUSED),
    (&[("if-match", "{etag}")], MISSING, "200"),
    (&[("if-match", "{bare}")], MISSING, "200"),
    (&[("if-match", "{other}")], MISSING, DIFFERS),
    (&[("if-match", "*")], MISSING, "200"),
    (&[("if-match", "W/{etag}")], REFUSED, REFUSED),
    (&[("if-match", "{etag}, {other}")], REFUSED, REFUSED),
    (&[("if-match", "*, {etag}")], REFUSED, REFUSED),
    (&[("if-match", "")], REFUSED, REFUSED),
    (&[("if-match", "{etag}"), ("if-match", "{etag}")], REFUSED, REFUSED),
    (&[("if-match", "{etag}"), ("if-none-match", "*")], REFUSED, REFUSED),
    (&[("if-match", "*"), ("if-none-match", "*")], REFUSED, REFUSED),
    // Section 7: generations, alone and with tags.
    (&[("x-holdfast-if-generation-match", "0")], "200", OTHER_WRITE),
    (&[("x-holdfast-if-generation-match", "{generation}")], MISSING, "200"),
    (&[("x-holdfast-if-generation-match", "{older-generation}")], MISSING, OTHER_WRITE),
    (&[("x-holdfast-if-generation-match", "{generation}"), ("if-match", "{etag}")], MISSING, "200"),
    (&[("x-holdfast-if-generation-match", "{older-generation}"), ("if-match", "{etag}")], MISSING, OTHER_WRITE),
    (&[("x-holdfast-if-generation-match", "0"), ("if-none-match", "*")], "200", EXISTS),
    (&[("x-holdfast-if-generation-match", "")], NOT_A_NUMBER, NOT_A_NUMBER),
    (&[("x-holdfast-if-generation-match", "-1")], NOT_A_NUMBER, NOT_A_NUMBER),
    (&[("x-holdfast-if-generation-match", "*")], NOT_A_NUMBER, NOT_A_NUMBER),
    (&[("x-holdfast-if-generation-match", "1"), ("x-holdfast-if-generation-match", "1")], REFUSED, REFUSED),
];

const UNMODIFIED: &str = "412 PreconditionFailed If-Modified-Since";
const MODIFIED: &str = "412 PreconditionFailed If-Unmodified-Since";

/// RenameObject's destination knows dates too; without an object they do not hold, and every false condition is 412.
const RENAMES: &[Row] = &[
    (&[("if-modified-since", "{before}")], UNMODIFIED, "200"),
    (&[("if-modified-since", "{same}")], UNMODIFIED, UNMODIFIED),
    (&[("if-modified-since", "{after}")], UNMODIFIED, UNMODIFIED),
    (&[("if-modified-since", "{future}")], UNMODIFIED, "200"),
    (&[("if-unmodified-since", "{after}")], MODIFIED, "200"),
    (&[("if-unmodified-since", "{same}")], MODIFIED, "200"),
    (&[("if-unmodified-since", "{before}")], MODIFIED, MODIFIED),
    (&[("if-unmodified-since", "{before}"), ("if-match", "{etag}")], MISSING, "200"),
    (&[("if-unmodified-since", "{after}"), ("if-modified-since", "{before}")], MODIFIED, "200"),
    (&[("if-modified-since", "{before}"), ("if-none-match", "*")], "200", EXISTS),
    (&[("if-modified-since", "yesterday")], REFUSED, REFUSED),
    (&[("if-unmodified-since", "")], REFUSED, REFUSED),
    (&[("if-unmodified-since", "{after}"), ("if-unmodified-since", "{after}")], REFUSED, REFUSED),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn put_object_follows_the_table_of_write_preconditions() {
    check(WRITES, Operation::Put).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn complete_multipart_upload_follows_the_table_of_write_preconditions() {
    check(WRITES, Operation::Complete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_object_follows_the_table_of_write_preconditions() {
    check(WRITES, Operation::Copy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rename_object_follows_the_table_of_write_preconditions() {
    check(WRITES, Operation::Rename).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_destination_of_a_rename_is_judged_by_dates_too() {
    check(RENAMES, Operation::Rename).await;
}

/// Without a bucket there is nothing to judge, whatever the condition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_not_there_is_told_before_any_condition() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Absent).await;
        for operation in Operation::ALL {
            for (name, value) in [("x-amz-meta-none", "1"), ("if-none-match", "*"), ("if-match", "*"), ("if-match", "{other}")] {
                let mut request = world.request(operation).header(name, &world.fill(value));
                request.path = "/no-such-bucket/k".to_owned();
                let row = format!("{operation:?} {name}: {value}");
                let answer = world.refuses(request, "404 NoSuchBucket", &row).await;
                assert_eq!(answer.element("BucketName").as_deref(), Some("no-such-bucket"), "{row}");
            }
        }
    })
    .await;
}

async fn check(table: &[Row], operation: Operation) {
    on_both_stores(async |server| {
        let rows = table.iter().flat_map(|row| State::ALL.map(|state| (state, (state, row))));
        for_each_row(server, rows, async |mut world, (state, (headers, absent, present))| {
            let expect = if state == State::Present { present } else { absent };
            world.check_write(operation, headers, expect, &format!("{operation:?} {state:?} {headers:?}")).await;
        })
        .await;
    })
    .await;
}
