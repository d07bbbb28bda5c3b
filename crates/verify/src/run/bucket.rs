//! The bucket of a run: made or borrowed, never touched outside the run's own prefix, and left as it was found.

use std::sync::Arc;

use super::{CouldNotRun, Options};
use crate::client::{Client, Target, s3};

/// Rounds of removing: a request that was cut off may still be carried out in the middle of one.
const ROUNDS_MAX: usize = 5;

pub(super) struct Place {
    pub(super) bucket: String,
    /// Of this run; everything that it makes is under it.
    name: String,
    /// Whether the bucket is ours to delete.
    made: bool,
}

impl Place {
    /// Makes a bucket, or finds the one that was named.
    pub(super) async fn take(options: &Options) -> Result<Self, CouldNotRun> {
        let mut suffix = [0; 6];
        getrandom::fill(&mut suffix).map_err(|error| cannot("(none)", error.to_string()))?;
        let name = format!("holdfast-verify-{}", hex::encode(suffix));
        let mut client = Client::new(Arc::clone(&options.target), 0);
        let bucket = options.bucket.clone().unwrap_or_else(|| name.clone());
        if options.bucket.is_some() {
            let answer = client.send(&s3::head_bucket(&bucket)).await.map_err(|lost| cannot(&bucket, lost.to_string()))?;
            match answer.status() {
                200 => return Ok(Self { bucket, name, made: false }),
                404 => {}
                _ => return Err(cannot(&bucket, format!("HeadBucket answers {}", answer.in_short()))),
            }
        }
        let answer = client.send(&s3::create_bucket(&bucket, &options.target.region)).await;
        match answer {
            Ok(answer) if answer.is_success() => Ok(Self { bucket, name, made: true }),
            Ok(answer) => Err(cannot(&bucket, refusal(&answer))),
            Err(lost) => Err(cannot(&bucket, lost.to_string())),
        }
    }

    /// The prefix of a part of the run.
    pub(super) fn prefix(&self, part: &str) -> String {
        format!("{}/{part}/", self.name)
    }

    /// Removes everything of this run, and the bucket if this run made it. What could not be removed, with what to do.
    pub(super) async fn remove(&self, target: &Arc<Target>) -> Option<String> {
        let mut client = Client::new(Arc::clone(target), 0);
        let prefix = format!("{}/", self.name);
        let mut why = String::new();
        for _ in 0..ROUNDS_MAX {
            match client.remove_all(&self.bucket, &prefix).await {
                Err(trouble) => why = trouble.to_string(),
                Ok(0) if !self.made => return None,
                Ok(_) if !self.made => {}
                Ok(_) => match client.must("deleting the bucket", &s3::delete_bucket(&self.bucket)).await {
                    Ok(_) => return None,
                    Err(trouble) => why = trouble.to_string(),
                },
            }
        }
        let what =
            if self.made { format!("the bucket {}", self.bucket) } else { format!("keys under {prefix} in the bucket {}", self.bucket) };
        let why = if why.is_empty() { "new keys keep coming".to_owned() } else { why };
        Some(format!("{what} could not be removed ({why}). Remove it by hand."))
    }
}

fn cannot(bucket: &str, why: String) -> CouldNotRun {
    CouldNotRun::Bucket { bucket: bucket.to_owned(), why }
}

fn refusal(answer: &crate::client::Answer) -> String {
    let message = answer.error_field("Message").map_or(String::new(), |message| format!(": {message}"));
    format!("the endpoint answers {}{message}", answer.in_short())
}
