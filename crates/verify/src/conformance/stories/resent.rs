//! Section 6: a resent write gets its first answer, and nobody else does.

use super::{Told, lost, stories};
use crate::client::s3::{self, Options, Trouble};
use crate::client::{Answer, Call};
use crate::conformance::parts::Part;
use crate::conformance::row::{Row, Severity};
use crate::conformance::world::World;

const GROUP: &str = "Retries whose answer was lost";
const MARKS: &[Part] = &[Part::RetryMarks];

pub(super) fn rows() -> Vec<Row> {
    stories! {
        "resent.put.if-none-match-star", GROUP, MARKS => put_absent;
        "PutObject If-None-Match: * twice, one invocation id" => "200 with the first ETag";
        "resent.put.if-match", GROUP, MARKS => put_match;
        "PutObject If-Match: the tag twice, one invocation id" => "200 with the first ETag";
        "resent.complete.if-none-match-star", GROUP, &[Part::RetryMarks, Part::CompleteConditions] => complete;
        "CompleteMultipartUpload If-None-Match: * twice, one invocation id" => "200 with the first ETag";
        "resent.copy.if-none-match-star", GROUP, &[Part::RetryMarks, Part::CopyDestination] => copy;
        "CopyObject If-None-Match: * twice, one invocation id" => "200 with the first ETag";
        "resent.rename.if-none-match-star", GROUP, &[Part::RetryMarks, Part::Rename] => rename;
        "RenameObject If-None-Match: * twice, one invocation id" => "200";
        "resent.append.if-match", GROUP, &[Part::RetryMarks, Part::Append] => append;
        "an append If-Match: the tag twice, one invocation id" => "200 with the first ETag; appended once";
        "resent.put.other-invocation", GROUP, MARKS => other_invocation;
        "PutObject If-None-Match: * twice, two invocation ids" => "412 PreconditionFailed";
        "resent.put.other-payload", GROUP, MARKS => other_payload;
        "PutObject If-None-Match: * twice with one invocation id and two bodies" => "412 PreconditionFailed";
        "resent.put.other-operation", GROUP, &[Part::RetryMarks, Part::CopyDestination] => other_operation;
        "PutObject, then CopyObject of the same bytes If-None-Match: *, one invocation id" => "412 PreconditionFailed";
        "resent.put.rival-in-between", GROUP, MARKS => rival;
        "PutObject If-None-Match: *, a rival's PutObject of the same bytes, and the first again" => "412 PreconditionFailed";
        "resent.put.no-mark", GROUP, MARKS => unmarked;
        "PutObject If-None-Match: * twice without invocation ids" => "412 PreconditionFailed";
    }
}

/// One attempt of an invocation.
fn attempt(call: Call, id: &str, number: u32) -> Call {
    call.header("amz-sdk-invocation-id", id).header("amz-sdk-request", &format!("attempt={number}; max=3"))
}

async fn both(world: &mut World<'_>, first: Call, second: Call) -> Result<(Answer, Answer), Trouble> {
    let first = world.client.must("the first attempt", &first).await?;
    let second = world.client.send(&second).await.map_err(lost("the second attempt"))?;
    Ok((first, second))
}

/// Both attempts of one call, and what the second is told.
async fn answered_again(world: &mut World<'_>, call: Call) -> Result<Told, Trouble> {
    let a = world.token("a");
    let key = world.key.clone();
    let first = world.client.must("the first attempt", &attempt(call.clone(), &a, 1)).await?;
    let before = world.read(&key).await?;
    let second = world.client.send(&attempt(call, &a, 2)).await.map_err(lost("the second attempt"))?;
    let after = world.read(&key).await?;
    Ok(if after != before {
        Told::deviates(second.in_short(), Severity::DataLoss, "the resent write changed the object")
    } else if second.is_success() && second.etag() == first.etag() {
        Told::holds(&second)
    } else {
        Told::wrong(&second, "the first answer must come again")
    })
}

async fn refused_again(world: &mut World<'_>, first: Call, second: Call) -> Result<Told, Trouble> {
    let key = world.key.clone();
    let (_, second) = both(world, first, second).await?;
    let is_first = world.read(&key).await?.is_some_and(|object| object.body == world.body("new"));
    Ok(match (second.is_success(), is_first) {
        (_, false) => Told::deviates(second.in_short(), Severity::DataLoss, "the first object was replaced"),
        (true, true) => Told::deviates(second.in_short(), Severity::FalseSuccess, "success for a write that was not done"),
        (false, true) if second.status() == 412 => Told::holds(&second),
        (false, true) => Told::deviates(second.in_short(), Severity::WrongCode, "refused by another answer"),
    })
}

fn put(world: &World<'_>, made: &str) -> Call {
    s3::put(world.bucket, &world.key, world.body(made), &Options::none().if_absent())
}

async fn put_absent(world: &mut World<'_>) -> Result<Told, Trouble> {
    let call = put(world, "new");
    answered_again(world, call).await
}

async fn put_match(world: &mut World<'_>) -> Result<Told, Trouble> {
    let key = world.key.clone();
    let old = world.make(&key, "old").await?;
    let call = s3::put(world.bucket, &key, world.body("new"), &Options::none().if_match(&old.etag));
    answered_again(world, call).await
}

async fn complete(world: &mut World<'_>) -> Result<Told, Trouble> {
    let upload = world.begin_upload("new").await?;
    let call = world.complete(&upload, &Options::none().if_absent());
    answered_again(world, call).await
}

async fn copy(world: &mut World<'_>) -> Result<Told, Trouble> {
    let source = world.source.clone();
    world.make(&source, "source").await?;
    let call = s3::copy(world.bucket, &source, &world.key, &Options::none().if_absent());
    answered_again(world, call).await
}

async fn rename(world: &mut World<'_>) -> Result<Told, Trouble> {
    let source = world.source.clone();
    world.make(&source, "source").await?;
    let call = s3::rename(world.bucket, &source, &world.key, &Options::none().if_absent());
    answered_again(world, call).await
}

async fn append(world: &mut World<'_>) -> Result<Told, Trouble> {
    let key = world.key.clone();
    let old = world.make(&key, "old").await?;
    let options = Options::none().if_match(&old.etag).header("x-amz-write-offset-bytes", &old.body.len().to_string());
    let call = s3::put(world.bucket, &key, world.body("new"), &options);
    answered_again(world, call).await
}

async fn other_invocation(world: &mut World<'_>) -> Result<Told, Trouble> {
    let a = world.token("a");
    let b = world.token("b");
    let call = put(world, "new");
    refused_again(world, attempt(call.clone(), &a, 1), attempt(call, &b, 2)).await
}

async fn other_payload(world: &mut World<'_>) -> Result<Told, Trouble> {
    let a = world.token("a");
    let (first, second) = (put(world, "new"), put(world, "more"));
    refused_again(world, attempt(first, &a, 1), attempt(second, &a, 2)).await
}

async fn other_operation(world: &mut World<'_>) -> Result<Told, Trouble> {
    let a = world.token("a");
    let source = world.source.clone();
    let bytes = s3::put(world.bucket, &source, world.body("new"), &Options::none());
    world.client.must("writing the source", &bytes).await?;
    let copy = s3::copy(world.bucket, &source, &world.key, &Options::none().if_absent());
    let first = put(world, "new");
    refused_again(world, attempt(first, &a, 1), attempt(copy, &a, 2)).await
}

async fn rival(world: &mut World<'_>) -> Result<Told, Trouble> {
    let a = world.token("a");
    let b = world.token("b");
    let call = put(world, "new");
    world.client.must("the first attempt", &attempt(call.clone(), &a, 1)).await?;
    let rivals = s3::put(world.bucket, &world.key, world.body("new"), &Options::none());
    refused_again(world, attempt(rivals, &b, 1), attempt(call, &a, 2)).await
}

async fn unmarked(world: &mut World<'_>) -> Result<Told, Trouble> {
    let call = put(world, "new");
    refused_again(world, call.clone(), call).await
}
