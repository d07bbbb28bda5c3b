//! Rows of several sections: appends, presigned contradictions, deletes of several keys, headers of 304, listings.

use super::{Told, lost, stories};
use crate::client::s3::{self, Deletion, Options, Trouble};
use crate::client::{Answer, Call, xml};
use crate::conformance::parts::Part;
use crate::conformance::row::{Row, Severity, Verdict};
use crate::conformance::world::{OTHER_TAG, World};

const APPENDS: &str = "Append";
const PRESIGNED: &str = "Presigned conditions";

pub(super) fn rows() -> Vec<Row> {
    stories! {
        "append.offset-beyond", APPENDS, &[Part::Append] => append_beyond;
        "an append behind the end of an object" => "400 InvalidWriteOffset, nothing changed";
        "append.offset-0", APPENDS, &[Part::Append] => append_at_0;
        "an append at 0 to an object" => "400 InvalidWriteOffset, nothing changed";
        "append.offset-on-absent", APPENDS, &[Part::Append] => append_absent;
        "an append at 5 to no object" => "400 InvalidWriteOffset, nothing changed";
        "presigned.agrees-with-header", PRESIGNED, &[Part::PresignedConditions] => presigned_agrees;
        "If-None-Match: * in the signed query and as a header, on an object" => "412 PreconditionFailed, nothing changed";
        "presigned.contradicts-header", PRESIGNED, &[Part::PresignedConditions] => presigned_contradicts;
        "If-None-Match: * in the signed query, If-None-Match: a tag as a header" => "400, nothing changed";
        "delete-objects.each-by-itself", "DeleteObjects", &[Part::ConditionalDeleteObjects] => each_by_itself;
        "DeleteObjects of four keys: without a condition, true, false, absent" => "each key has its own fate";
        "get.304-headers", "GetObject", &[] => not_modified_get;
        "GetObject If-None-Match: the tag" => "304 with ETag and Last-Modified, without a body";
        "head.304-headers", "HeadObject", &[] => not_modified_head;
        "HeadObject If-None-Match: the tag" => "304 with ETag and Last-Modified, without a body";
        "list.after-put", "Listings", &[] => listed;
        "PutObject, then ListObjectsV2" => "the key is listed";
        "list.after-delete", "Listings", &[] => unlisted;
        "DeleteObject, then ListObjectsV2" => "the key is not listed";
        "list.after-rename", "Listings", &[Part::Rename] => renamed;
        "RenameObject, then ListObjectsV2" => "the destination is listed, the source is not";
        "error.head-without-body", "Error bodies", &[] => head_without_body;
        "HeadObject If-Match: another tag" => "412 without a body, and the connection goes on";
    }
}

/// Sends what must be refused with 4xx, and looks whether anything changed.
async fn refuses(world: &mut World<'_>, call: &Call, status: u16, code: &str) -> Result<Told, Trouble> {
    let key = world.key.clone();
    let before = world.read(&key).await?;
    let answer = world.client.send(call).await.map_err(lost("sending what must be refused"))?;
    let after = world.read(&key).await?;
    let severity = if before.is_some() { Severity::DataLoss } else { Severity::FalseSuccess };
    Ok(if after != before {
        Told::deviates(answer.in_short(), severity, "it must be refused, but something changed")
    } else if answer.is_success() {
        Told::deviates(answer.in_short(), Severity::FalseSuccess, "success for what must be refused")
    } else if answer.status() == status && (code.is_empty() || answer.code().as_deref() == Some(code)) {
        Told::holds(&answer)
    } else {
        Told::deviates(answer.in_short(), Severity::WrongCode, "refused by another answer")
    })
}

async fn append_beyond(world: &mut World<'_>) -> Result<Told, Trouble> {
    append(world, true, |size| size + 1).await
}

async fn append_at_0(world: &mut World<'_>) -> Result<Told, Trouble> {
    append(world, true, |_| 0).await
}

async fn append_absent(world: &mut World<'_>) -> Result<Told, Trouble> {
    append(world, false, |_| 5).await
}

async fn append(world: &mut World<'_>, present: bool, offset: fn(usize) -> usize) -> Result<Told, Trouble> {
    let key = world.key.clone();
    let size = if present { world.make(&key, "old").await?.body.len() } else { 0 };
    let options = Options::none().header("x-amz-write-offset-bytes", &offset(size).to_string());
    let call = s3::put(world.bucket, &key, "more", &options);
    refuses(world, &call, 400, "InvalidWriteOffset").await
}

async fn presigned_agrees(world: &mut World<'_>) -> Result<Told, Trouble> {
    presigned(world, "*", 412, "PreconditionFailed").await
}

async fn presigned_contradicts(world: &mut World<'_>) -> Result<Told, Trouble> {
    presigned(world, "\"0123456789abcdef0123456789abcdef\"", 400, "").await
}

async fn presigned(world: &mut World<'_>, header: &str, status: u16, code: &str) -> Result<Told, Trouble> {
    let key = world.key.clone();
    world.make(&key, "old").await?;
    let options = Options::none().header("if-none-match", header);
    let call = s3::put(world.bucket, &key, "more", &options).query("If-None-Match", "*").presigned();
    refuses(world, &call, status, code).await
}

async fn each_by_itself(world: &mut World<'_>) -> Result<Told, Trouble> {
    let name = |n: usize| format!("{}-{n}", world.key);
    let keys = [name(0), name(1), name(2), name(3)];
    let mut tags = Vec::new();
    for key in &keys[..3] {
        tags.push(world.make(key, "old").await?.etag);
    }
    let conditions = [None, Some(tags[1].as_str()), Some(OTHER_TAG), Some(OTHER_TAG)];
    let deletion = |(key, etag): (&String, Option<&str>)| Deletion {
        key: key.clone(),
        conditions: etag.map(|etag| ("ETag".to_owned(), etag.to_owned())).into_iter().collect(),
    };
    let deletions: Vec<Deletion> = keys.iter().zip(conditions).map(deletion).collect();
    let call = s3::delete_objects(world.bucket, &deletions);
    let answer = world.client.must("deleting four keys", &call).await?;
    let mut left = Vec::new();
    for key in &keys {
        left.push(world.read(key).await?.is_some());
    }
    let fates: Vec<String> = keys.iter().map(|key| fate(&answer, key)).collect();
    let came = format!("{}; left: {left:?}", fates.join(", "));
    let expected = ["Deleted", "Deleted", "PreconditionFailed", "NoSuchKey"];
    Ok(if left != [false, false, true, false] {
        Told::deviates(came, Severity::DataLoss, "another key was deleted than the conditions allow, or one is left")
    } else if fates == expected {
        Told { came, verdict: Verdict::Holds }
    } else {
        Told::deviates(came, Severity::WrongAnswer, "the right keys were deleted, but the answer tells it otherwise")
    })
}

/// `Deleted`, or the code of the key's error.
fn fate(answer: &Answer, key: &str) -> String {
    let of_key = |record: &&Vec<(String, String)>| xml::field(record, "Key") == Some(key);
    if xml::records(&answer.body, "Deleted").iter().any(|record| of_key(&record)) {
        return "Deleted".to_owned();
    }
    let errors = xml::records(&answer.body, "Error");
    errors.iter().find(of_key).and_then(|error| xml::field(error, "Code")).unwrap_or("nothing").to_owned()
}

async fn not_modified_get(world: &mut World<'_>) -> Result<Told, Trouble> {
    not_modified(world, "GET").await
}

async fn not_modified_head(world: &mut World<'_>) -> Result<Told, Trouble> {
    not_modified(world, "HEAD").await
}

async fn not_modified(world: &mut World<'_>, method: &'static str) -> Result<Told, Trouble> {
    let key = world.key.clone();
    let object = world.make(&key, "old").await?;
    let call = Call::object(method, world.bucket, &key).header("if-none-match", &s3::quoted(&object.etag));
    let answer = world.client.send(&call).await.map_err(lost("reading"))?;
    let same = answer.head.etag() == Some(object.etag.as_str()) && answer.header("last-modified") == Some(object.last_modified.as_str());
    Ok(match (answer.status(), same && answer.body.is_empty()) {
        (304, true) => Told::holds(&answer),
        (304, false) => Told::deviates(answer.in_short(), Severity::WrongCode, "304 without ETag or Last-Modified"),
        _ => Told::wrong(&answer, "the condition was not honoured"),
    })
}

async fn is_listed(world: &mut World<'_>, key: &str) -> Result<bool, Trouble> {
    Ok(world.client.list(world.bucket, key).await?.iter().any(|listed| listed == key))
}

fn listing(right: bool) -> Told {
    let came = if right { "as it must be" } else { "an older state" }.to_owned();
    if right {
        Told { came, verdict: Verdict::Holds }
    } else {
        Told::deviates(came, Severity::WrongAnswer, "the listing is older than an acknowledged write")
    }
}

async fn listed(world: &mut World<'_>) -> Result<Told, Trouble> {
    let key = world.key.clone();
    world.make(&key, "old").await?;
    Ok(listing(is_listed(world, &key).await?))
}

async fn unlisted(world: &mut World<'_>) -> Result<Told, Trouble> {
    let key = world.key.clone();
    world.make(&key, "old").await?;
    let delete = s3::delete(world.bucket, &key, &Options::none());
    world.client.must("deleting", &delete).await?;
    Ok(listing(!is_listed(world, &key).await?))
}

async fn renamed(world: &mut World<'_>) -> Result<Told, Trouble> {
    let (key, source) = (world.key.clone(), world.source.clone());
    world.make(&source, "source").await?;
    let rename = s3::rename(world.bucket, &source, &key, &Options::none());
    world.client.must("renaming", &rename).await?;
    Ok(listing(is_listed(world, &key).await? && !is_listed(world, &source).await?))
}

async fn head_without_body(world: &mut World<'_>) -> Result<Told, Trouble> {
    let key = world.key.clone();
    world.make(&key, "old").await?;
    let call = s3::head(world.bucket, &key, &Options::none().if_match(OTHER_TAG));
    let answer = world.client.send(&call).await.map_err(lost("reading"))?;
    // A body after the head would be read as the next answer.
    let next = world.client.send(&s3::head(world.bucket, &key, &Options::none())).await;
    Ok(match (answer.status(), next.map(|next| next.status())) {
        (412, Ok(200)) => Told::holds(&answer),
        (412, _) => Told::wrong(&answer, "the connection cannot be used after it"),
        _ => Told::wrong(&answer, "the condition was not honoured"),
    })
}
