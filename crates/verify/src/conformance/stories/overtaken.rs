//! Section 2: refused before the body, and judged again at its end, when a rival was faster.

use bytes::Bytes;

use super::{Told, lost, stories};
use crate::client::s3::{self, Options, Trouble};
use crate::client::{Call, Client, Pieces};
use crate::conformance::parts::Part;
use crate::conformance::row::{AWS, Case, Operation, Row, Severity, Want};
use crate::conformance::world::{OTHER_TAG, World};

const EARLY: &str = "Early refusal";
const OVERTAKEN: &str = "Overtaken while the body comes";

pub(super) fn rows() -> Vec<Row> {
    stories! {
        "early.put.if-none-match-star", EARLY, &[Part::CreateOnly] => refused_none_match;
        "PutObject If-None-Match: * with Expect: 100-continue on an object" => "412 PreconditionFailed; no 100 Continue, no byte of the body is taken";
        "early.put.if-match-other", EARLY, &[Part::Swap] => refused_match;
        "PutObject If-Match: another tag with Expect: 100-continue" => "412 PreconditionFailed; no 100 Continue, no byte of the body is taken";
        "early.put.if-match-absent", EARLY, &[Part::Swap] => refused_absent;
        "PutObject If-Match: a tag with Expect: 100-continue, no object" => "404 NoSuchKey; no 100 Continue, no byte of the body is taken";
        "early.put.generation", EARLY, &[Part::Generations] => refused_generation;
        "PutObject of another generation with Expect: 100-continue" => "412 PreconditionFailed; no 100 Continue, no byte of the body is taken";
        "early.put.condition-holds", EARLY, &[] => wanted;
        "PutObject If-Match: the tag with Expect: 100-continue" => "done; the body is asked for with 100 Continue";
        "overtaken.put.if-none-match-star", OVERTAKEN, &[Part::CreateOnly] => put_absent;
        "PutObject If-None-Match: * on no object; a rival writes while the body comes" => "409 ConditionalRequestConflict, the rival's object stays";
        "overtaken.put.if-match", OVERTAKEN, &[Part::Swap] => put_match;
        "PutObject If-Match: the tag; a rival overwrites while the body comes" => "412 PreconditionFailed (If-Match), the rival's object stays";
        "overtaken.put.if-match-deleted", OVERTAKEN, &[Part::Swap] => put_deleted;
        "PutObject If-Match: the tag; a rival deletes while the body comes" => "404 NoSuchKey, there is no object";
        "overtaken.put.plain", OVERTAKEN, &[] => put_plain;
        "PutObject without a condition; a rival writes while the body comes" => "done: the last write is there";
        "overtaken.complete.if-none-match-star", OVERTAKEN, &[Part::CompleteConditions] => complete_absent;
        "CompleteMultipartUpload If-None-Match: *; a rival writes while the list of parts comes" => "409 ConditionalRequestConflict, the rival's object and the upload stay";
        "overtaken.complete.if-match", OVERTAKEN, &[Part::CompleteConditions] => complete_match;
        "CompleteMultipartUpload If-Match: the tag; a rival overwrites while the list of parts comes" => "412 PreconditionFailed (If-Match), the rival's object and the upload stay";
    }
}

async fn refused_none_match(world: &mut World<'_>) -> Result<Told, Trouble> {
    early(world, true, Options::none().if_absent(), Want::failed("If-None-Match")).await
}

async fn refused_match(world: &mut World<'_>) -> Result<Told, Trouble> {
    early(world, true, Options::none().if_match(OTHER_TAG), Want::failed("If-Match")).await
}

async fn refused_absent(world: &mut World<'_>) -> Result<Told, Trouble> {
    early(world, false, Options::none().if_match(OTHER_TAG), Want::MISSING).await
}

async fn refused_generation(world: &mut World<'_>) -> Result<Told, Trouble> {
    early(world, true, Options::none().if_generation(0), Want::failed("x-holdfast-if-generation-match")).await
}

async fn early(world: &mut World<'_>, present: bool, options: Options, want: Want) -> Result<Told, Trouble> {
    let case = Case::new(Operation::Put, present, &[], want);
    let (before, _) = world.prepare(&case).await?;
    let call = s3::put(world.bucket, &world.key, world.body("new"), &options);
    let answer = world.client.send_expecting(&call).await.map_err(lost("sending a write that is to be refused"))?;
    let after = world.look(Operation::Put, None).await?;
    let told = world.judged(&case, &answer, &before, &after);
    if told.verdict == crate::conformance::row::Verdict::Holds && answer.head.continued {
        return Ok(Told::accepted(&answer, "refused, but only after the body was asked for: S3 promises no more"));
    }
    Ok(told)
}

async fn wanted(world: &mut World<'_>) -> Result<Told, Trouble> {
    let case = Case::new(Operation::Put, true, &[], Want::Done);
    let (before, _) = world.prepare(&case).await?;
    let etag = before.object.as_ref().map_or("", |object| object.etag.as_str());
    let options = Options::none().if_match(etag).metadata("made", "new");
    let call = s3::put(world.bucket, &world.key, world.body("new"), &options);
    let answer = world.client.send_expecting(&call).await.map_err(lost("sending a write"))?;
    let after = world.look(Operation::Put, None).await?;
    let told = world.judged(&case, &answer, &before, &after);
    if told.verdict == crate::conformance::row::Verdict::Holds && !answer.head.continued {
        return Ok(Told::accepted(&answer, "done, but the endpoint never says 100 Continue: RFC 9110 lets the client send after a while"));
    }
    Ok(told)
}

/// A body before whose first piece a rival sends its request.
struct Overtaken {
    rival: Client,
    call: Call,
    body: Option<Bytes>,
    rival_done: bool,
}

impl Pieces for Overtaken {
    async fn next(&mut self) -> Option<Bytes> {
        let body = self.body.take()?;
        self.rival_done = self.rival.send(&self.call).await.is_ok_and(|answer| answer.is_success());
        Some(body)
    }
}

async fn put_absent(world: &mut World<'_>) -> Result<Told, Trouble> {
    let want = Want::Refused { status: 409, code: "ConditionalRequestConflict", condition: "If-None-Match" };
    let case = Case::new(Operation::Put, false, &[("if-none-match", "*")], want).also(Want::refused(412, "PreconditionFailed"), AWS);
    let rival = s3::put(world.bucket, &world.key, world.body("rival"), &Options::none());
    overtake(world, case, rival).await
}

async fn put_match(world: &mut World<'_>) -> Result<Told, Trouble> {
    let conflict = Want::refused(409, "ConditionalRequestConflict");
    let case = Case::new(Operation::Put, true, &[("if-match", "{etag}")], Want::failed("If-Match")).also(conflict, AWS);
    let rival = s3::put(world.bucket, &world.key, world.body("rival"), &Options::none());
    overtake(world, case, rival).await
}

async fn put_deleted(world: &mut World<'_>) -> Result<Told, Trouble> {
    let conflict = Want::refused(409, "ConditionalRequestConflict");
    let case = Case::new(Operation::Put, true, &[("if-match", "{etag}")], Want::MISSING).also(conflict, AWS);
    let rival = s3::delete(world.bucket, &world.key, &Options::none());
    overtake(world, case, rival).await
}

async fn put_plain(world: &mut World<'_>) -> Result<Told, Trouble> {
    let rival = s3::put(world.bucket, &world.key, world.body("rival"), &Options::none());
    overtake(world, Case::new(Operation::Put, true, &[], Want::Done), rival).await
}

async fn complete_absent(world: &mut World<'_>) -> Result<Told, Trouble> {
    let want = Want::Refused { status: 409, code: "ConditionalRequestConflict", condition: "If-None-Match" };
    let case = Case::new(Operation::Complete, false, &[("if-none-match", "*")], want).also(Want::refused(412, "PreconditionFailed"), AWS);
    let rival = s3::put(world.bucket, &world.key, world.body("rival"), &Options::none());
    overtake(world, case, rival).await
}

async fn complete_match(world: &mut World<'_>) -> Result<Told, Trouble> {
    let conflict = Want::refused(409, "ConditionalRequestConflict");
    let case = Case::new(Operation::Complete, true, &[("if-match", "{etag}")], Want::failed("If-Match")).also(conflict, AWS);
    let rival = s3::put(world.bucket, &world.key, world.body("rival"), &Options::none());
    overtake(world, case, rival).await
}

/// The case's request, with the rival's in the middle. "Before" is the state that the rival leaves.
async fn overtake(world: &mut World<'_>, case: Case, rival_call: Call) -> Result<Told, Trouble> {
    let (state, upload) = world.prepare(&case).await?;
    let call = world.call(&case, &state, upload.as_ref());
    let body = call.body.clone();
    let length = body.len() as u64;
    let mut pieces = Overtaken { rival: world.rival(), call: rival_call.clone(), body: Some(body), rival_done: false };
    let call = Call { body: Bytes::new(), ..call };
    let answer = world.client.send_pieces_expecting(&call, length, &mut pieces).await.map_err(lost("sending a write that is overtaken"))?;
    let after = world.look(case.operation, upload.as_ref()).await?;
    if !pieces.rival_done {
        return Ok(Told::deviates(
            answer.in_short(),
            Severity::WrongAnswer,
            "the rival's request was refused, or this one answered before its body was sent",
        ));
    }
    // What the rival left cannot be looked at in between: it is what a refused request must leave.
    let mut before = state;
    let rivals = after.object.as_ref().is_some_and(|object| object.body == world.body("rival"));
    let deleted = rival_call.method == "DELETE" && after.object.is_none();
    if rivals || deleted {
        before.object.clone_from(&after.object);
    }
    Ok(world.judged(&case, &answer, &before, &after))
}
