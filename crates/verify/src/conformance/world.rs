//! The room of one row: keys of its own, what is put there before, and the requests that are sent there.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::parts::{Part, Parts};
use super::row::{Case, Operation};
use super::state::{Object, State};
use crate::client::s3::{self, Deletion, Options, Trouble};
use crate::client::{Call, Client};

/// A tag that no object here has.
pub(crate) const OTHER_TAG: &str = "0123456789abcdef0123456789abcdef";
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// An upload with one part.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) part: (u32, String),
}

pub(crate) struct World<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) bucket: &'a str,
    pub(crate) parts: &'a Parts,
    /// The key that is written.
    pub(crate) key: String,
    pub(crate) source: String,
    /// Of this row in this run.
    room: String,
}

impl<'a> World<'a> {
    pub(crate) fn new(client: &'a mut Client, bucket: &'a str, parts: &'a Parts, prefix: &str, id: &str) -> Self {
        Self {
            client,
            bucket,
            parts,
            key: format!("{prefix}{id}/key"),
            source: format!("{prefix}{id}/source"),
            room: format!("{prefix}{id}"),
        }
    }

    /// What the checks write as `made`: bytes, metadata and tags tell of it.
    pub(crate) fn body(&self, made: &str) -> String {
        format!("{made} bytes of {}", self.key)
    }

    /// A client token or invocation id that no other row and no other run uses.
    pub(crate) fn token(&self, label: &str) -> String {
        hex::encode(&Sha256::digest(format!("{} {label}", self.room))[..16])
    }

    fn marks(made: &str) -> Options {
        Options::none().metadata("made", made)
    }

    fn marks_and_tags(&self, made: &str) -> Options {
        let marks = Self::marks(made).header("content-type", &format!("text/{made}"));
        if self.parts.have(Part::Tags) { marks.header("x-amz-tagging", &format!("made={made}")) } else { marks }
    }

    /// Writes an object without any condition and reads it back.
    pub(crate) async fn make(&mut self, key: &str, made: &str) -> Result<Object, Trouble> {
        let call = s3::put(self.bucket, key, self.body(made), &self.marks_and_tags(made));
        self.client.must("writing an object", &call).await?;
        let read = self.read(key).await?;
        read.filter(|object| object.body == self.body(made))
            .ok_or_else(|| Trouble::Refused { what: "reading what was just written", answer: "something else".to_owned() })
    }

    pub(crate) async fn read(&mut self, key: &str) -> Result<Option<Object>, Trouble> {
        self.client.read_object(self.bucket, key, self.parts.have(Part::Tags)).await
    }

    /// Begins an upload to the key and sends one part, `made`.
    pub(crate) async fn begin_upload(&mut self, made: &str) -> Result<Upload, Trouble> {
        let call = s3::create_upload(self.bucket, &self.key, &Self::marks(made));
        let answer = self.client.must("creating an upload", &call).await?;
        let id = s3::upload_id(&answer).ok_or_else(|| Trouble::Refused { what: "creating an upload", answer: "no UploadId".to_owned() })?;
        let part = self.client.must("sending a part", &s3::upload_part(self.bucket, &self.key, &id, 1, self.body(made))).await?;
        Ok(Upload { id, part: (1, part.etag().unwrap_or_default()) })
    }

    pub(crate) fn complete(&self, upload: &Upload, options: &Options) -> Call {
        s3::complete_upload(self.bucket, &self.key, &upload.id, std::slice::from_ref(&upload.part), options)
    }

    /// Puts in place what the case begins with.
    pub(crate) async fn prepare(&mut self, case: &Case) -> Result<(State, Option<Upload>), Trouble> {
        let (key, source) = (self.key.clone(), self.source.clone());
        if case.present {
            self.make(&key, "old").await?;
        }
        if case.operation.has_source() && case.source {
            self.make(&source, "source").await?;
        }
        let upload = if case.operation.has_upload() { Some(self.begin_upload("new").await?) } else { None };
        let state = self.look(case.operation, upload.as_ref()).await?;
        Ok((state, upload))
    }

    pub(crate) async fn look(&mut self, operation: Operation, upload: Option<&Upload>) -> Result<State, Trouble> {
        let (key, source) = (self.key.clone(), self.source.clone());
        let object = self.read(&key).await?;
        let source = if operation.has_source() { self.read(&source).await? } else { None };
        let upload = match upload {
            Some(upload) => self.client.read_upload(self.bucket, &key, &upload.id).await?,
            None => None,
        };
        Ok(State { object, source, upload })
    }

    /// The request of a case.
    pub(crate) fn call(&self, case: &Case, state: &State, upload: Option<&Upload>) -> Call {
        let filled: Vec<(String, String)> = case
            .headers
            .iter()
            .map(|(name, value)| {
                let of = if name.contains("-source-") { &state.source } else { &state.object };
                ((*name).to_owned(), fill(value, of.as_ref()))
            })
            .collect();
        if case.operation == Operation::DeleteObjects {
            return s3::delete_objects(self.bucket, &[Deletion { key: self.key.clone(), conditions: filled }]);
        }
        let call = self.plain(case.operation, state, upload);
        if case.presigned {
            return filled.iter().fold(call, |call, (name, value)| call.query(name, value)).presigned();
        }
        call.headers(&filled)
    }

    fn plain(&self, operation: Operation, state: &State, upload: Option<&Upload>) -> Call {
        let (bucket, key, none) = (self.bucket, self.key.as_str(), Options::none());
        let id = upload.map_or("", |upload| upload.id.as_str());
        let object = |method| Call::object(method, bucket, key);
        match operation {
            Operation::Put => s3::put(bucket, key, self.body("new"), &Self::marks("new")),
            Operation::Append => {
                let size = state.object.as_ref().map_or(0, |object| object.body.len());
                s3::put(bucket, key, self.body("new"), &none.header("x-amz-write-offset-bytes", &size.to_string()))
            }
            Operation::Complete => upload.map_or_else(Call::default, |upload| self.complete(upload, &none)),
            Operation::Copy => s3::copy(bucket, &self.source, key, &none),
            Operation::Rename => s3::rename(bucket, &self.source, key, &none),
            Operation::Delete => s3::delete(bucket, key, &none),
            Operation::DeleteObjects => unreachable!("its conditions are elements"),
            Operation::Get => s3::get(bucket, key, &none),
            Operation::Head => s3::head(bucket, key, &none),
            Operation::UploadPart => s3::upload_part(bucket, key, id, 2, self.body("more")),
            Operation::UploadPartCopy => {
                let copy = s3::copy(bucket, &self.source, key, &none);
                copy.query("partNumber", "2").query("uploadId", id)
            }
            Operation::CreateUpload => s3::create_upload(bucket, key, &none),
            Operation::AbortUpload => s3::abort_upload(bucket, key, id),
            Operation::PutTagging => object("PUT").query("tagging", "").body(
                "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet><Tag><Key>made</Key><Value>new</Value></Tag></TagSet></Tagging>",
            ),
            Operation::DeleteTagging => object("DELETE").query("tagging", ""),
            Operation::GetTagging => object("GET").query("tagging", ""),
            Operation::List => Call::new("GET", bucket, None).query("list-type", "2").query("prefix", key),
            Operation::DeleteBucket => s3::delete_bucket(&format!("{bucket}-none")),
        }
    }
}

/// Replaces what stands in braces by what the object has. Of an absent object, something that no object has.
fn fill(template: &str, object: Option<&Object>) -> String {
    let etag = object.map_or("fedcba9876543210fedcba9876543210", |object| object.etag.as_str());
    let size = object.map_or(0, |object| object.body.len());
    let generation = object.map_or(7, |object| object.generation.unwrap_or_default());
    let modified = object.and_then(|object| modified(&object.last_modified)).unwrap_or_else(Timestamp::now);
    let date = |seconds: i64| (modified + SignedDuration::from_secs(seconds)).strftime(HTTP_DATE).to_string();
    let year = 366 * 24 * 3600;
    template
        .replace("{etag}", &format!("\"{etag}\""))
        .replace("{bare}", etag)
        .replace("{other}", &format!("\"{OTHER_TAG}\""))
        .replace("{size}", &size.to_string())
        .replace("{size+1}", &(size + 1).to_string())
        .replace("{generation}", &generation.to_string())
        .replace("{generation+1}", &(generation + 1).to_string())
        .replace("{modified}", &date(0))
        .replace("{before}", &date(-1))
        .replace("{past}", &date(-year))
        .replace("{future}", &date(year))
}

fn modified(http_date: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(http_date).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_filled_from_the_object() {
        let object = Object {
            body: "four".into(),
            etag: "e".to_owned(),
            metadata: Vec::new(),
            tags: None,
            last_modified: "Fri, 24 May 2013 00:00:00 GMT".to_owned(),
            generation: Some(3),
        };
        let filled = fill("{etag} {bare} W/{etag} {size} {size+1} {generation+1} {modified} {before}", Some(&object));
        assert_eq!(filled, "\"e\" e W/\"e\" 4 5 4 Fri, 24 May 2013 00:00:00 GMT Thu, 23 May 2013 23:59:59 GMT");
        assert!(!fill("{etag}{other}{past}{future}{generation}", None).contains('{'));
    }
}
