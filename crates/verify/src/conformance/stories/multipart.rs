//! Section 2: what a refused completion leaves, and what a repeated one is told.

use super::{Told, lost, stories};
use crate::client::Answer;
use crate::client::s3::{self, Options, Trouble};
use crate::conformance::parts::Part;
use crate::conformance::row::{Row, Severity};
use crate::conformance::world::{OTHER_TAG, Upload, World};

const GROUP: &str = "Multipart: survival and replay";
const CONDITIONS: &[Part] = &[Part::Multipart, Part::CompleteConditions];

pub(super) fn rows() -> Vec<Row> {
    stories! {
        "multipart.after-412.complete", GROUP, CONDITIONS => after_412;
        "CompleteMultipartUpload refused by 412, then again without a condition" => "the second is done";
        "multipart.after-404.complete", GROUP, CONDITIONS => after_404;
        "CompleteMultipartUpload refused by 404, then again without a condition" => "the second is done";
        "multipart.after-412.abort", GROUP, CONDITIONS => then_abort;
        "CompleteMultipartUpload refused by 412, then AbortMultipartUpload" => "204, and the upload is gone";
        "multipart.after-412.part", GROUP, CONDITIONS => then_part;
        "CompleteMultipartUpload refused by 412, then another UploadPart" => "the part is taken, and the upload can be completed with it";
        "multipart.replay.plain", GROUP, &[Part::Multipart] => replay_plain;
        "CompleteMultipartUpload twice" => "200 with the same ETag";
        "multipart.replay.if-none-match-star", GROUP, CONDITIONS => replay_absent;
        "CompleteMultipartUpload If-None-Match: * twice" => "200 with the same ETag, before the condition is judged";
        "multipart.replay.after-overwrite", GROUP, &[Part::Multipart] => replay_overwritten;
        "CompleteMultipartUpload, an overwrite by a rival, and the completion again" => "200 with the same ETag; the rival's object stays";
        "multipart.replay.after-delete", GROUP, &[Part::Multipart] => replay_deleted;
        "CompleteMultipartUpload, a delete, and the completion again" => "200 with the same ETag; there is no object";
    }
}

async fn refused(world: &mut World<'_>, present: bool) -> Result<(Upload, Answer), Trouble> {
    let key = world.key.clone();
    if present {
        world.make(&key, "old").await?;
    }
    let upload = world.begin_upload("new").await?;
    let options = if present { Options::none().if_absent() } else { Options::none().if_match(OTHER_TAG) };
    let answer = world.client.send(&world.complete(&upload, &options)).await.map_err(lost("completing an upload"))?;
    Ok((upload, answer))
}

async fn after_412(world: &mut World<'_>) -> Result<Told, Trouble> {
    completes_after(world, true, 412).await
}

async fn after_404(world: &mut World<'_>) -> Result<Told, Trouble> {
    completes_after(world, false, 404).await
}

async fn completes_after(world: &mut World<'_>, present: bool, status: u16) -> Result<Told, Trouble> {
    let (upload, answer) = refused(world, present).await?;
    if answer.status() != status {
        return Ok(Told::wrong(&answer, format!("the conditional completion must be refused by {status}")));
    }
    let answer = world.client.send(&world.complete(&upload, &Options::none())).await.map_err(lost("completing an upload"))?;
    is_new(world, &answer, "the upload did not survive its refusal").await
}

/// Done, and the object is that of the upload.
async fn is_new(world: &mut World<'_>, answer: &Answer, otherwise: &str) -> Result<Told, Trouble> {
    let key = world.key.clone();
    let is_new = world.read(&key).await?.is_some_and(|object| object.body == world.body("new"));
    Ok(match (answer.is_success(), is_new) {
        (true, true) => Told::holds(answer),
        (true, false) => Told::deviates(answer.in_short(), Severity::DataLoss, "success, but the object is another"),
        (false, _) => Told::deviates(answer.in_short(), Severity::DataLoss, otherwise),
    })
}

async fn then_abort(world: &mut World<'_>) -> Result<Told, Trouble> {
    let (upload, _) = refused(world, true).await?;
    let abort = s3::abort_upload(world.bucket, &world.key, &upload.id);
    let answer = world.client.send(&abort).await.map_err(lost("aborting an upload"))?;
    let left = world.client.read_upload(world.bucket, &world.key, &upload.id).await?;
    Ok(if answer.status() == 204 && left.is_none() { Told::holds(&answer) } else { Told::wrong(&answer, "the upload cannot be aborted") })
}

async fn then_part(world: &mut World<'_>) -> Result<Told, Trouble> {
    let (upload, _) = refused(world, true).await?;
    let part = s3::upload_part(world.bucket, &world.key, &upload.id, 1, world.body("more"));
    let part = world.client.send(&part).await.map_err(lost("sending a part"))?;
    if !part.is_success() {
        return Ok(Told::deviates(part.in_short(), Severity::DataLoss, "the upload did not survive its refusal"));
    }
    let upload = Upload { part: (1, part.etag().unwrap_or_default()), ..upload };
    let answer = world.client.send(&world.complete(&upload, &Options::none())).await.map_err(lost("completing an upload"))?;
    let key = world.key.clone();
    let is_more = world.read(&key).await?.is_some_and(|object| object.body == world.body("more"));
    Ok(if answer.is_success() && is_more { Told::holds(&answer) } else { Told::wrong(&answer, "the upload cannot be completed") })
}

async fn replay_plain(world: &mut World<'_>) -> Result<Told, Trouble> {
    replay(world, Options::none(), Meanwhile::Nothing).await
}

async fn replay_absent(world: &mut World<'_>) -> Result<Told, Trouble> {
    replay(world, Options::none().if_absent(), Meanwhile::Nothing).await
}

async fn replay_overwritten(world: &mut World<'_>) -> Result<Told, Trouble> {
    replay(world, Options::none(), Meanwhile::Overwrite).await
}

async fn replay_deleted(world: &mut World<'_>) -> Result<Told, Trouble> {
    replay(world, Options::none(), Meanwhile::Delete).await
}

enum Meanwhile {
    Nothing,
    Overwrite,
    Delete,
}

async fn replay(world: &mut World<'_>, options: Options, meanwhile: Meanwhile) -> Result<Told, Trouble> {
    let key = world.key.clone();
    let upload = world.begin_upload("new").await?;
    let call = world.complete(&upload, &options);
    let first = world.client.must("completing an upload", &call).await?;
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Overwrite => drop(world.make(&key, "rival").await?),
        Meanwhile::Delete => {
            let delete = s3::delete(world.bucket, &key, &Options::none());
            world.client.must("deleting", &delete).await?;
        }
    }
    let before = world.read(&key).await?;
    let second = world.client.send(&call).await.map_err(lost("completing an upload again"))?;
    let after = world.read(&key).await?;
    Ok(if after != before {
        Told::deviates(second.in_short(), Severity::DataLoss, "the repeated completion changed the object")
    } else if !second.is_success() {
        Told::wrong(&second, "a completion whose answer was lost cannot be told from one that failed")
    } else if second.etag() != first.etag() {
        Told::wrong(&second, "another ETag")
    } else {
        Told::holds(&second)
    })
}
