//! What is there: everything that a refused request must leave as it was, read whole and compared whole.

use bytes::Bytes;

use crate::client::s3::{self, Options, Trouble};
use crate::client::{Answer, Call, Client, xml};

/// One object as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) body: Bytes,
    pub(crate) etag: String,
    /// `x-amz-meta-*` and `content-type`, sorted.
    pub(crate) metadata: Vec<(String, String)>,
    /// None where the endpoint has no tags.
    pub(crate) tags: Option<Vec<(String, String)>>,
    pub(crate) last_modified: String,
    pub(crate) generation: Option<u64>,
}

impl Object {
    /// Whether it is the same content with the same properties; the key and the generation may be others.
    pub(crate) fn is_moved_from(&self, source: &Self) -> bool {
        Self { generation: None, ..self.clone() } == Self { generation: None, ..source.clone() }
    }

    /// The value of the metadata that every write of the checks carries.
    pub(crate) fn made(&self) -> Option<&str> {
        self.metadata.iter().find(|(name, _)| name == "x-amz-meta-made").map(|(_, value)| value.as_str())
    }
}

/// Everything that a case can touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) object: Option<Object>,
    pub(crate) source: Option<Object>,
    /// Numbers and ETags of the parts of the upload, None if it is not there.
    pub(crate) upload: Option<Vec<(String, String)>>,
}

impl State {
    /// What differs, in words.
    pub(crate) fn difference(&self, after: &Self) -> String {
        let object = |name: &str, before: &Option<Object>, after: &Option<Object>| match (before, after) {
            (Some(_), None) => Some(format!("the {name} is gone")),
            (None, Some(after)) => Some(format!("the {name} now exists ({} bytes)", after.body.len())),
            (Some(before), Some(after)) if before.body != after.body => {
                Some(format!("the {name} is overwritten ({} bytes)", after.body.len()))
            }
            (Some(before), Some(after)) if before != after => Some(format!("the {name} has {}", changes(before, after))),
            _ => None,
        };
        let upload = match (&self.upload, &after.upload) {
            (Some(_), None) => Some("the upload is gone".to_owned()),
            (before, after) if before != after => Some("the upload has other parts".to_owned()),
            _ => None,
        };
        let all = [object("object", &self.object, &after.object), object("source", &self.source, &after.source), upload];
        all.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Whether something that existed is changed or gone.
    pub(crate) fn lost_something(&self, after: &Self) -> bool {
        let lost = |before: &Option<Object>, after: &Option<Object>| before.is_some() && before != after;
        lost(&self.object, &after.object) || lost(&self.source, &after.source) || (self.upload.is_some() && after.upload.is_none())
    }
}

fn changes(before: &Object, after: &Object) -> String {
    let differs = [
        (before.etag != after.etag, "another ETag"),
        (before.metadata != after.metadata, "other metadata"),
        (before.tags != after.tags, "other tags"),
        (before.last_modified != after.last_modified, "another Last-Modified"),
        (before.generation != after.generation, "another generation"),
    ];
    differs.into_iter().filter_map(|(differs, what)| differs.then_some(what)).collect::<Vec<_>>().join(" and ")
}

impl Client {
    /// The object of that key, or None if there is none.
    pub(crate) async fn read_object(&mut self, bucket: &str, key: &str, with_tags: bool) -> Result<Option<Object>, Trouble> {
        let what = "reading an object";
        let answer = self.send(&s3::get(bucket, key, &Options::none())).await.map_err(|lost| Trouble::Lost { what, lost })?;
        match answer.status() {
            200 => {}
            404 => return Ok(None),
            _ => return Err(Trouble::Refused { what, answer: answer.in_short() }),
        }
        let tags = if with_tags { Some(self.read_tags(bucket, key).await?) } else { None };
        Ok(Some(object(&answer, tags)))
    }

    async fn read_tags(&mut self, bucket: &str, key: &str) -> Result<Vec<(String, String)>, Trouble> {
        let answer = self.must("reading tags", &Call::object("GET", bucket, key).query("tagging", "")).await?;
        Ok(tags(&answer))
    }

    /// The parts of an upload, or None if it is not there.
    pub(crate) async fn read_upload(&mut self, bucket: &str, key: &str, id: &str) -> Result<Option<Vec<(String, String)>>, Trouble> {
        let what = "listing parts";
        let answer = self.send(&Call::object("GET", bucket, key).query("uploadId", id)).await;
        let answer = answer.map_err(|lost| Trouble::Lost { what, lost })?;
        match answer.status() {
            200 => Ok(Some(xml::records(&answer.body, "Part").iter().map(|part| part_of(part)).collect())),
            404 => Ok(None),
            _ => Err(Trouble::Refused { what, answer: answer.in_short() }),
        }
    }
}

fn part_of(part: &[(String, String)]) -> (String, String) {
    let text = |name| xml::field(part, name).unwrap_or_default().trim_matches('"').to_owned();
    (text("PartNumber"), text("ETag"))
}

pub(crate) fn tags(answer: &Answer) -> Vec<(String, String)> {
    let tag = |tag: &Vec<(String, String)>| Some((xml::field(tag, "Key")?.to_owned(), xml::field(tag, "Value")?.to_owned()));
    xml::records(&answer.body, "Tag").iter().filter_map(tag).collect()
}

pub(crate) fn object(answer: &Answer, tags: Option<Vec<(String, String)>>) -> Object {
    let text = |name: &str| answer.header(name).unwrap_or_default().to_owned();
    let kept = |name: &str| name.starts_with("x-amz-meta-") || name == "content-type";
    let mut metadata: Vec<_> = answer.head.headers.iter().filter(|(name, _)| kept(name)).cloned().collect();
    metadata.sort();
    Object {
        body: answer.body.clone(),
        etag: answer.head.etag().unwrap_or_default().to_owned(),
        metadata,
        tags,
        last_modified: text("last-modified"),
        generation: answer.header("x-holdfast-generation").and_then(|n| n.parse().ok()),
    }
}
