//! Section 7: a generation grows with every write of a key and is never used twice.

use super::{Told, lost, stories};
use crate::client::s3::{self, Options, Trouble};
use crate::client::{Answer, Call};
use crate::conformance::parts::Part;
use crate::conformance::row::{Row, Severity, Verdict};
use crate::conformance::world::World;

const GROUP: &str = "Generations";
const NEEDS: &[Part] = &[Part::Generations];

pub(super) fn rows() -> Vec<Row> {
    stories! {
        "generation.carried", GROUP, NEEDS => carried;
        "PutObject, HeadObject, GetObject" => "each answer carries the same x-holdfast-generation";
        "generation.grows", GROUP, NEEDS => grows;
        "PutObject three times, then DeleteObject and PutObject" => "a larger generation each time";
        "generation.aba", GROUP, NEEDS => aba;
        "PutObject of A, of B, of A; then PutObject of the first generation" => "412 PreconditionFailed, though the ETag is the same";
        "generation.tags-keep-it", GROUP, &[Part::Generations, Part::Tags] => tags_keep_it;
        "PutObjectTagging" => "the generation stays";
    }
}

fn generation(answer: &Answer) -> Option<u64> {
    answer.header("x-holdfast-generation").and_then(|number| number.parse().ok())
}

fn put(world: &World<'_>, made: &str) -> Call {
    s3::put(world.bucket, &world.key, world.body(made), &Options::none())
}

async fn carried(world: &mut World<'_>) -> Result<Told, Trouble> {
    let (bucket, key) = (world.bucket, world.key.clone());
    let calls = [put(world, "old"), s3::head(bucket, &key, &Options::none()), s3::get(bucket, &key, &Options::none())];
    let mut seen = Vec::new();
    for call in calls {
        seen.push(generation(&world.client.must("writing or reading", &call).await?));
    }
    let came = format!("{seen:?}");
    let same = seen[0].is_some() && seen.iter().all(|one| *one == seen[0]);
    Ok(if same { Told { came, verdict: Verdict::Holds } } else { Told::deviates(came, Severity::WrongAnswer, "missing or different") })
}

async fn grows(world: &mut World<'_>) -> Result<Told, Trouble> {
    let mut seen = Vec::new();
    for made in ["old", "new", "old"] {
        let call = put(world, made);
        seen.push(generation(&world.client.must("writing", &call).await?).unwrap_or_default());
    }
    let delete = s3::delete(world.bucket, &world.key, &Options::none());
    world.client.must("deleting", &delete).await?;
    let call = put(world, "new");
    seen.push(generation(&world.client.must("writing", &call).await?).unwrap_or_default());
    let came = format!("{seen:?}");
    let grows = seen.windows(2).all(|pair| pair[0] < pair[1]);
    Ok(if grows { Told { came, verdict: Verdict::Holds } } else { Told::deviates(came, Severity::WrongAnswer, "it does not grow") })
}

async fn aba(world: &mut World<'_>) -> Result<Told, Trouble> {
    let first = put(world, "old");
    let generation = generation(&world.client.must("writing", &first).await?).unwrap_or_default();
    for made in ["new", "old"] {
        let call = put(world, made);
        world.client.must("writing", &call).await?;
    }
    let call = s3::put(world.bucket, &world.key, world.body("late"), &Options::none().if_generation(generation));
    let answer = world.client.send(&call).await.map_err(lost("writing"))?;
    Ok(match answer.status() {
        412 => Told::holds(&answer),
        status if status < 300 => Told::deviates(answer.in_short(), Severity::DataLoss, "a newer write was overwritten"),
        _ => Told::deviates(answer.in_short(), Severity::WrongCode, "refused by another answer"),
    })
}

async fn tags_keep_it(world: &mut World<'_>) -> Result<Told, Trouble> {
    let key = world.key.clone();
    let before = world.make(&key, "old").await?;
    let document = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    let call = Call::object("PUT", world.bucket, &key).query("tagging", "").body(document);
    let answer = world.client.must("tagging", &call).await?;
    let after = world.read(&key).await?;
    let kept = after.is_some_and(|after| (after.generation, after.etag) == (before.generation, before.etag));
    Ok(if kept { Told::holds(&answer) } else { Told::wrong(&answer, "tagging changed the generation or the ETag") })
}
