//! Section 3: how a source may be named, what cannot be renamed, and client tokens.

use super::{Told, lost, stories};
use crate::client::s3::{self, Options, Trouble};
use crate::client::{Answer, Call};
use crate::conformance::parts::Part;
use crate::conformance::row::{Row, Severity};
use crate::conformance::world::World;

const GROUP: &str = "RenameObject, names";
const TOKENS: &str = "RenameObject, client tokens";
const RENAME: &[Part] = &[Part::Rename];
const TOKEN: &[Part] = &[Part::Rename, Part::ClientTokens];
const CLIENT_TOKEN: &str = "x-amz-client-token";

pub(super) fn rows() -> Vec<Row> {
    stories! {
        "rename.name.bucket-and-key", GROUP, RENAME => bucket_and_key;
        "RenameObject, source as bucket/key" => "done";
        "rename.name.slash-bucket-and-key", GROUP, RENAME => slash_bucket_and_key;
        "RenameObject, source as /bucket/key" => "done";
        "rename.name.encoded", GROUP, RENAME => encoded;
        "RenameObject, source and destination with blanks, plus, percent and umlauts" => "done";
        "rename.name.itself", GROUP, RENAME => itself;
        "RenameObject onto itself" => "400 InvalidRequest, nothing changed";
        "rename.name.other-bucket", GROUP, RENAME => other_bucket;
        "RenameObject, source in another bucket" => "400 InvalidRequest, nothing changed";
        "rename.name.no-source", GROUP, RENAME => no_source;
        "PUT ?renameObject without a source" => "400, nothing changed";
        "rename.token.again", TOKENS, TOKEN => token_again;
        "RenameObject with a client token twice" => "200 both times; renamed once";
        "rename.token.other-parameters", TOKENS, TOKEN => token_mismatch;
        "RenameObject with a used client token and another source" => "400 IdempotencyParameterMismatch, nothing changed";
        "rename.token.refused-first", TOKENS, TOKEN => token_after_refusal;
        "RenameObject with a client token, refused by 412, then without its condition and another token" => "the second is done";
        "rename.token.too-long", TOKENS, TOKEN => token_too_long;
        "RenameObject with a client token of 65 characters" => "400, nothing changed";
        "rename.token.empty", TOKENS, TOKEN => token_empty;
        "RenameObject with an empty client token" => "400, nothing changed";
    }
}

fn from(world: &World<'_>, source: &str) -> Call {
    Call::object("PUT", world.bucket, &world.key).query("renameObject", "").header("x-amz-rename-source", source)
}

async fn send(world: &mut World<'_>, call: &Call) -> Result<Answer, Trouble> {
    world.client.send(call).await.map_err(lost("renaming"))
}

/// Sends a rename that must be done.
async fn renames(world: &mut World<'_>, call: Call) -> Result<Told, Trouble> {
    let (key, source) = (world.key.clone(), world.source.clone());
    let before = world.make(&source, "source").await?;
    let answer = send(world, &call).await?;
    let (object, left) = (world.read(&key).await?, world.read(&source).await?);
    let moved = object.is_some_and(|object| object.is_moved_from(&before)) && left.is_none();
    Ok(match (answer.is_success(), moved) {
        (true, true) => Told::holds(&answer),
        (false, false) => Told::wrong(&answer, "refused, although nothing is in the way"),
        _ => Told::deviates(answer.in_short(), Severity::DataLoss, "the answer and what is there do not agree"),
    })
}

/// Sends a rename that must be refused with that status, and that code if there is one.
async fn refuses(world: &mut World<'_>, call: Call, status: u16, code: &str) -> Result<Told, Trouble> {
    let (key, source) = (world.key.clone(), world.source.clone());
    let before = (world.read(&key).await?, world.read(&source).await?);
    let answer = send(world, &call).await?;
    let after = (world.read(&key).await?, world.read(&source).await?);
    Ok(if after != before {
        Told::deviates(answer.in_short(), Severity::DataLoss, "it must be refused, but something changed")
    } else if answer.is_success() {
        Told::deviates(answer.in_short(), Severity::FalseSuccess, "success for what must be refused")
    } else if answer.status() == status && (code.is_empty() || answer.code().as_deref() == Some(code)) {
        Told::holds(&answer)
    } else {
        Told::deviates(answer.in_short(), Severity::WrongCode, "refused by another answer")
    })
}

async fn bucket_and_key(world: &mut World<'_>) -> Result<Told, Trouble> {
    let call = from(world, &format!("{}/{}", world.bucket, world.source));
    renames(world, call).await
}

async fn slash_bucket_and_key(world: &mut World<'_>) -> Result<Told, Trouble> {
    let call = from(world, &format!("/{}/{}", world.bucket, world.source));
    renames(world, call).await
}

async fn encoded(world: &mut World<'_>) -> Result<Told, Trouble> {
    world.source.push_str(" +%41ü");
    world.key.push_str(" &=?ß");
    let call = s3::rename(world.bucket, &world.source, &world.key, &Options::none());
    renames(world, call).await
}

async fn itself(world: &mut World<'_>) -> Result<Told, Trouble> {
    let key = world.key.clone();
    world.make(&key, "old").await?;
    let call = s3::rename(world.bucket, &key, &key, &Options::none());
    refuses(world, call, 400, "InvalidRequest").await
}

async fn other_bucket(world: &mut World<'_>) -> Result<Told, Trouble> {
    let (key, source) = (world.key.clone(), world.source.clone());
    world.make(&key, "old").await?;
    let call = from(world, &format!("/{}-none/{source}", world.bucket));
    refuses(world, call, 400, "InvalidRequest").await
}

async fn no_source(world: &mut World<'_>) -> Result<Told, Trouble> {
    let key = world.key.clone();
    world.make(&key, "old").await?;
    let call = Call::object("PUT", world.bucket, &key).query("renameObject", "");
    refuses(world, call, 400, "").await
}

fn with_token(world: &World<'_>, token: &str) -> Call {
    s3::rename(world.bucket, &world.source, &world.key, &Options::none().header(CLIENT_TOKEN, token))
}

async fn token_again(world: &mut World<'_>) -> Result<Told, Trouble> {
    let call = with_token(world, &world.token("1"));
    let first = renames(world, call.clone()).await?;
    if first.verdict != crate::conformance::row::Verdict::Holds {
        return Ok(first);
    }
    let key = world.key.clone();
    let before = world.read(&key).await?;
    let again = send(world, &call).await?;
    let after = world.read(&key).await?;
    Ok(if after != before {
        Told::deviates(again.in_short(), Severity::DataLoss, "the replay changed the object")
    } else if again.is_success() {
        Told::holds(&again)
    } else {
        Told::wrong(&again, "the first answer must come again")
    })
}

async fn token_mismatch(world: &mut World<'_>) -> Result<Told, Trouble> {
    let source = world.source.clone();
    world.make(&source, "source").await?;
    let first = with_token(world, &world.token("2"));
    world.client.must("renaming", &first).await?;
    world.source.push_str("-2");
    let other = world.source.clone();
    world.make(&other, "source").await?;
    let call = with_token(world, &world.token("2"));
    refuses(world, call, 400, "IdempotencyParameterMismatch").await
}

async fn token_after_refusal(world: &mut World<'_>) -> Result<Told, Trouble> {
    let key = world.key.clone();
    world.make(&key, "old").await?;
    let refused = with_token(world, &world.token("3")).header("if-none-match", "*");
    let answer = send(world, &refused).await?;
    if !matches!(answer.status(), 404 | 412) {
        return Ok(Told::wrong(&answer, "it must be refused"));
    }
    let call = with_token(world, &world.token("4"));
    renames(world, call).await
}

async fn token_too_long(world: &mut World<'_>) -> Result<Told, Trouble> {
    token_refused(world, &"t".repeat(65)).await
}

async fn token_empty(world: &mut World<'_>) -> Result<Told, Trouble> {
    token_refused(world, "").await
}

async fn token_refused(world: &mut World<'_>, token: &str) -> Result<Told, Trouble> {
    let source = world.source.clone();
    world.make(&source, "source").await?;
    let call = with_token(world, token);
    let told = refuses(world, call, 400, "").await?;
    // Nothing is lost by a rename that was asked for; its token protects nobody.
    let taken = told.verdict.severity() == Some(Severity::DataLoss);
    Ok(if taken { Told::deviates(told.came, Severity::WrongAnswer, "a token that cannot be one is taken") } else { told })
}
