//! The parts that an endpoint may lack: found out first, on keys that nobody needs, so that no row does harm where one is missing.
//!
//! Each probe sends a request that a server with that part answers in one way only. "Ignored" is the dangerous answer: the
//! endpoint took the condition and did not honour it.

use serde::Serialize;

use super::state::Object;
use super::world::{OTHER_TAG, World};
use crate::client::s3::{self, Deletion, Options, Trouble};
use crate::client::{Answer, Client, Lost, xml};

/// A part of the contract that an endpoint may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Object tags.
    Tags,
    /// Multipart uploads.
    Multipart,
    /// `If-None-Match: *` on PutObject.
    CreateOnly,
    /// `If-Match` on PutObject.
    Swap,
    /// `If-Match: *` on PutObject.
    SwapAny,
    /// Conditions on CompleteMultipartUpload.
    CompleteConditions,
    /// A copy of a multipart object has the ETag of its source. S3 computes a new one.
    CopyKeepsTag,
    /// Conditions on the destination of CopyObject.
    CopyDestination,
    /// Conditions on the source of CopyObject.
    CopySource,
    /// `If-Match` on DeleteObject.
    ConditionalDelete,
    /// `x-amz-if-match-size` on DeleteObject.
    DeleteBySize,
    /// `x-amz-if-match-last-modified-time` on DeleteObject.
    DeleteByTime,
    /// `<ETag>` for a key of DeleteObjects.
    ConditionalDeleteObjects,
    /// RenameObject.
    Rename,
    /// Client tokens of RenameObject.
    ClientTokens,
    /// PutObject with `x-amz-write-offset-bytes`.
    Append,
    /// Conditions in the query of presigned URLs.
    PresignedConditions,
    /// `x-holdfast-if-generation-match`.
    Generations,
    /// A resent write gets its first answer.
    RetryMarks,
}

impl Part {
    /// In the order of the report.
    pub const ALL: [Self; 19] = [
        Self::Tags,
        Self::Multipart,
        Self::CreateOnly,
        Self::Swap,
        Self::SwapAny,
        Self::CompleteConditions,
        Self::CopyKeepsTag,
        Self::CopyDestination,
        Self::CopySource,
        Self::ConditionalDelete,
        Self::DeleteBySize,
        Self::DeleteByTime,
        Self::ConditionalDeleteObjects,
        Self::Rename,
        Self::ClientTokens,
        Self::Append,
        Self::PresignedConditions,
        Self::Generations,
        Self::RetryMarks,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tags => "object tags",
            Self::Multipart => "multipart uploads",
            Self::CreateOnly => "PutObject If-None-Match: *",
            Self::Swap => "PutObject If-Match",
            Self::SwapAny => "PutObject If-Match: *",
            Self::CompleteConditions => "conditions of CompleteMultipartUpload",
            Self::CopyKeepsTag => "copies of multipart objects keep the ETag",
            Self::CopyDestination => "conditions on the destination of CopyObject",
            Self::CopySource => "conditions on the source of CopyObject",
            Self::ConditionalDelete => "DeleteObject If-Match",
            Self::DeleteBySize => "DeleteObject x-amz-if-match-size",
            Self::DeleteByTime => "DeleteObject x-amz-if-match-last-modified-time",
            Self::ConditionalDeleteObjects => "conditions for each key of DeleteObjects",
            Self::Rename => "RenameObject",
            Self::ClientTokens => "client tokens of RenameObject",
            Self::Append => "appends (x-amz-write-offset-bytes)",
            Self::PresignedConditions => "conditions in the query of presigned URLs",
            Self::Generations => "generations (x-holdfast-if-generation-match)",
            Self::RetryMarks => "resent writes get their first answer (amz-sdk-invocation-id)",
        }
    }

    /// Whether S3 has it, so that ignoring it deceives a client of S3. What only Holdfast has, others may ignore.
    pub fn is_of_s3(self) -> bool {
        !matches!(self, Self::Generations | Self::RetryMarks | Self::PresignedConditions | Self::CopyKeepsTag)
    }

    fn needs(self) -> Option<Self> {
        match self {
            Self::CompleteConditions | Self::CopyKeepsTag => Some(Self::Multipart),
            Self::ClientTokens => Some(Self::Rename),
            Self::RetryMarks | Self::PresignedConditions => Some(Self::CreateOnly),
            _ => None,
        }
    }
}

/// What the endpoint does about a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It has it.
    Supported,
    /// It says that it does not have it, or nothing happens.
    NotSupported,
    /// It accepts the request and does not honour what it demands.
    Ignored,
    /// The probe got no usable answer.
    Unclear,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probed {
    /// Which part.
    pub part: Part,
    /// For people.
    pub name: &'static str,
    /// Whether S3 has it.
    pub of_s3: bool,
    /// What the endpoint does.
    pub presence: Presence,
    /// What came.
    pub came: String,
}

impl Probed {
    /// Whether a client of S3 is deceived. Conditions of PutObject are judged by their rows, which are tried all the same.
    pub fn is_violation(&self) -> bool {
        self.presence == Presence::Ignored && self.of_s3 && !matches!(self.part, Part::CreateOnly | Part::Swap | Part::SwapAny)
    }
}

/// What all probes found.
#[derive(Clone, Debug, Default)]
pub struct Parts(pub Vec<Probed>);

impl Parts {
    /// Whether the endpoint has it and honours it.
    pub fn have(&self, part: Part) -> bool {
        self.0.iter().any(|probed| probed.part == part && probed.presence == Presence::Supported)
    }

    pub(crate) fn came(&self, part: Part) -> Option<&Probed> {
        self.0.iter().find(|probed| probed.part == part)
    }
}

/// Probes every part, one after the other: each on keys of its own.
///
/// # Errors
/// Plain writes and reads do not work.
pub async fn probe(client: &mut Client, bucket: &str, prefix: &str) -> Result<Parts, Trouble> {
    let mut parts = Parts::default();
    for part in Part::ALL {
        let missing = part.needs().filter(|needed| !parts.have(*needed));
        let (presence, came) = match missing {
            Some(needed) => (Presence::NotSupported, format!("needs {}", needed.name())),
            None => {
                let id = format!("probe/{part:?}");
                let mut world = World::new(&mut *client, bucket, &parts, prefix, &id);
                world.probe(part).await?
            }
        };
        parts.0.push(Probed { part, name: part.name(), of_s3: part.is_of_s3(), presence, came });
    }
    Ok(parts)
}

type Found = (Presence, String);

/// What an answer means that is neither the one of a server with the part nor a harmful one.
fn otherwise(answer: &Answer) -> Found {
    let presence = if (400..500).contains(&answer.status()) || answer.status() == 501 { Presence::NotSupported } else { Presence::Unclear };
    (presence, answer.in_short())
}

fn ignored(what: &str) -> Found {
    (Presence::Ignored, what.to_owned())
}

fn lost(lost: &Lost) -> Found {
    (Presence::Unclear, lost.to_string())
}

impl World<'_> {
    async fn probe(&mut self, part: Part) -> Result<Found, Trouble> {
        let (bucket, key, source) = (self.bucket, self.key.clone(), self.source.clone());
        let other = Options::none().if_match(OTHER_TAG);
        match part {
            Part::Tags => self.probe_tags().await,
            Part::Multipart => self.probe_multipart().await,
            Part::CreateOnly => self.refuses(|world, _| s3::put(bucket, &key, world.body("new"), &Options::none().if_absent())).await,
            Part::Swap => self.refuses(|world, _| s3::put(bucket, &key, world.body("new"), &other)).await,
            Part::SwapAny => self.probe_any().await,
            Part::CompleteConditions => {
                let upload = self.begin_upload("new").await?;
                self.refuses(|world, _| world.complete(&upload, &Options::none().if_absent())).await
            }
            Part::CopyKeepsTag => self.probe_copied_tag().await,
            Part::CopyDestination => {
                self.make(&source, "source").await?;
                self.refuses(|_, _| s3::copy(bucket, &source, &key, &Options::none().if_absent())).await
            }
            Part::CopySource => {
                self.make(&source, "source").await?;
                self.refuses(|_, _| s3::copy(bucket, &source, &key, &Options::none().if_copy_source_match(OTHER_TAG))).await
            }
            Part::ConditionalDelete => self.refuses(|_, _| s3::delete(bucket, &key, &other)).await,
            Part::DeleteBySize => self.refuses(|_, _| s3::delete(bucket, &key, &Options::none().header("x-amz-if-match-size", "1"))).await,
            Part::DeleteByTime => {
                let header = ("x-amz-if-match-last-modified-time", "Fri, 24 May 2013 00:00:00 GMT");
                self.refuses(|_, _| s3::delete(bucket, &key, &Options::none().header(header.0, header.1))).await
            }
            Part::ConditionalDeleteObjects => {
                let conditions = vec![("ETag".to_owned(), OTHER_TAG.to_owned())];
                self.refuses(|_, _| s3::delete_objects(bucket, &[Deletion { key: key.clone(), conditions }])).await
            }
            Part::Rename => self.probe_rename().await,
            Part::ClientTokens => self.probe_tokens().await,
            Part::Append => self.probe_append().await,
            Part::PresignedConditions => {
                let call = |world: &Self| s3::put(bucket, &key, world.body("new"), &Options::none());
                self.refuses(|world, _| call(world).query("If-None-Match", "*").presigned()).await
            }
            Part::Generations => {
                self.refuses(|world, old| {
                    let generation = old.generation.unwrap_or_default() + 1;
                    s3::put(bucket, &key, world.body("new"), &Options::none().if_generation(generation))
                })
                .await
            }
            Part::RetryMarks => self.probe_retry_marks().await,
        }
    }

    /// Makes an object and sends a request whose condition is false on it.
    async fn refuses(&mut self, call: impl FnOnce(&Self, &Object) -> crate::client::Call) -> Result<Found, Trouble> {
        let key = self.key.clone();
        let before = self.make(&key, "old").await?;
        let call = call(self, &before);
        let answer = match self.client.send(&call).await {
            Ok(answer) => answer,
            Err(error) => return Ok(lost(&error)),
        };
        let after = self.read(&key).await?;
        let by_key = xml::records(&answer.body, "Error").into_iter().find_map(|error| xml::field(&error, "Code").map(str::to_owned));
        let failed = answer.status() == 412 || by_key.as_deref() == Some("PreconditionFailed");
        Ok(match after {
            None => ignored("the condition is false, and the object is deleted"),
            Some(after) if after != before => ignored("the condition is false, and the object is overwritten"),
            Some(_) if failed => (Presence::Supported, answer.in_short()),
            Some(_) if answer.is_success() && by_key.is_none() => ignored("the condition is false, and the answer is success"),
            Some(_) => otherwise(&answer),
        })
    }

    /// On no object it must fail, and on an object hold: a server that compares the star like a tag does the first only.
    async fn probe_any(&mut self) -> Result<Found, Trouble> {
        let (key, source) = (self.key.clone(), self.source.clone());
        self.make(&source, "old").await?;
        let call = |world: &Self, key: &str| s3::put(world.bucket, key, world.body("new"), &Options::none().if_present());
        let (absent, present) = (call(self, &key), call(self, &source));
        let (absent, present) = (self.client.send(&absent).await, self.client.send(&present).await);
        Ok(match (absent, present) {
            (Ok(absent), _) if absent.is_success() => ignored("there is no object, and one is written"),
            (Ok(absent), Ok(present)) if matches!(absent.status(), 404 | 412) && present.is_success() => {
                (Presence::Supported, absent.in_short())
            }
            (Ok(_), Ok(present)) => otherwise(&present),
            (Err(error), _) | (_, Err(error)) => lost(&error),
        })
    }

    async fn probe_copied_tag(&mut self) -> Result<Found, Trouble> {
        let upload = self.begin_upload("new").await?;
        let completed = self.client.must("completing an upload", &self.complete(&upload, &Options::none())).await?;
        let copied = self.client.send(&s3::copy(self.bucket, &self.key, &self.source, &Options::none())).await;
        Ok(match copied {
            Ok(copied) if copied.is_success() && copied.etag() == completed.etag() => (Presence::Supported, copied.in_short()),
            Ok(copied) if copied.is_success() => (Presence::NotSupported, "another ETag, as S3 has it".to_owned()),
            Ok(copied) => otherwise(&copied),
            Err(error) => lost(&error),
        })
    }

    async fn probe_tags(&mut self) -> Result<Found, Trouble> {
        let key = self.key.clone();
        let options = Options::none().header("x-amz-tagging", "made=old");
        let wrote = self.client.send(&s3::put(self.bucket, &key, self.body("old"), &options)).await;
        match wrote {
            Ok(answer) if answer.is_success() => {}
            Ok(answer) => return Ok(otherwise(&answer)),
            Err(error) => return Ok(lost(&error)),
        }
        let read = self.client.send(&crate::client::Call::object("GET", self.bucket, &key).query("tagging", "")).await;
        Ok(match read {
            Ok(answer) if super::state::tags(&answer) == [("made".to_owned(), "old".to_owned())] => {
                (Presence::Supported, answer.in_short())
            }
            Ok(answer) if answer.is_success() => (Presence::NotSupported, "the tags that were sent are not there".to_owned()),
            Ok(answer) => otherwise(&answer),
            Err(error) => lost(&error),
        })
    }

    async fn probe_multipart(&mut self) -> Result<Found, Trouble> {
        let upload = match self.begin_upload("new").await {
            Ok(upload) => upload,
            Err(trouble) => return Ok((Presence::NotSupported, trouble.to_string())),
        };
        let listed = self.client.read_upload(self.bucket, &self.key, &upload.id).await;
        let answer = self.client.send(&self.complete(&upload, &Options::none())).await;
        Ok(match (listed, answer) {
            (Ok(Some(parts)), Ok(answer)) if answer.is_success() && parts.len() == 1 => (Presence::Supported, answer.in_short()),
            (Ok(_), Ok(answer)) => otherwise(&answer),
            (Err(trouble), _) => (Presence::NotSupported, trouble.to_string()),
            (_, Err(error)) => lost(&error),
        })
    }

    /// A server that takes the request for a PutObject truncates the destination: these keys are for that.
    async fn probe_rename(&mut self) -> Result<Found, Trouble> {
        let (key, source) = (self.key.clone(), self.source.clone());
        let before = self.make(&source, "source").await?;
        let replaced = self.make(&key, "old").await?;
        let answer = match self.client.send(&s3::rename(self.bucket, &source, &key, &Options::none())).await {
            Ok(answer) => answer,
            Err(error) => return Ok(lost(&error)),
        };
        let (object, left) = (self.read(&key).await?, self.read(&source).await?);
        Ok(match (object, left) {
            (Some(object), None) if object.body == before.body && answer.is_success() => (Presence::Supported, answer.in_short()),
            (Some(object), Some(left)) if object == replaced && left == before && !answer.is_success() => otherwise(&answer),
            (Some(object), Some(_)) if object.body.is_empty() => {
                ignored("PUT ?renameObject is served as a PutObject: it truncates the destination")
            }
            (object, left) => ignored(&format!(
                "{}: the destination is {}, the source is {}",
                answer.in_short(),
                if object.is_some() { "there" } else { "gone" },
                if left.is_some() { "there" } else { "gone" }
            )),
        })
    }

    async fn probe_tokens(&mut self) -> Result<Found, Trouble> {
        let (key, source) = (self.key.clone(), self.source.clone());
        self.make(&source, "source").await?;
        let call = s3::rename(self.bucket, &source, &key, &Options::none().header("x-amz-client-token", &self.token("rename")));
        self.client.must("renaming", &call).await?;
        Ok(match self.client.send(&call).await {
            Ok(answer) if answer.is_success() => (Presence::Supported, answer.in_short()),
            Ok(answer) => otherwise(&answer),
            Err(error) => lost(&error),
        })
    }

    async fn probe_append(&mut self) -> Result<Found, Trouble> {
        let key = self.key.clone();
        let before = self.make(&key, "old").await?;
        let options = Options::none().header("x-amz-write-offset-bytes", &before.body.len().to_string());
        let answer = match self.client.send(&s3::put(self.bucket, &key, "more", &options)).await {
            Ok(answer) => answer,
            Err(error) => return Ok(lost(&error)),
        };
        let after = self.read(&key).await?.map(|object| object.body);
        Ok(match after {
            Some(body) if answer.is_success() && body == [&before.body[..], b"more"].concat() => (Presence::Supported, answer.in_short()),
            Some(body) if body == before.body => otherwise(&answer),
            _ => ignored("the append replaces the object"),
        })
    }

    async fn probe_retry_marks(&mut self) -> Result<Found, Trouble> {
        let options = Options::none().if_absent().header("amz-sdk-invocation-id", &self.token("put"));
        let call = |attempt: &str| {
            let options = options.clone().header("amz-sdk-request", &format!("attempt={attempt}; max=3"));
            s3::put(self.bucket, &self.key, "body", &options)
        };
        let (first, second) = (call("1"), call("2"));
        let first = self.client.send(&first).await;
        if !first.as_ref().is_ok_and(Answer::is_success) {
            return Ok((Presence::NotSupported, "the conditional write itself is refused".to_owned()));
        }
        Ok(match self.client.send(&second).await {
            Ok(answer) if answer.is_success() => (Presence::Supported, answer.in_short()),
            Ok(answer) => otherwise(&answer),
            Err(error) => lost(&error),
        })
    }
}
