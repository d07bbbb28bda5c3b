//! The documents that clients send: what each may contain, and nothing else.
//!
//! An element that occurs once is refused when it comes twice, and an unknown element is refused: it might
//! be a condition of tomorrow.

use holdfast_model::{
    ChecksumAlgorithm, DeleteConditions, ETag, ObjectKey, PartNumber, Tags,
    limits::{BUCKET_TAGS_MAX, DELETE_KEYS_MAX, OBJECT_TAGS_MAX, PARTS_MAX},
};

use super::read::Document;
use crate::{
    checksums::{WireChecksum, checksum_element},
    conditions::etag_match,
    dates::parse_either,
    error::{Code, S3Error},
    fields::digits,
    headers::invalid_tags,
};

type Result<T> = std::result::Result<T, S3Error>;

/// What CreateBucket asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateBucketConfiguration {
    /// The region that the bucket shall be in.
    pub location_constraint: Option<String>,
    /// Tags of the new bucket.
    pub tags: Option<Tags>,
}

/// Reads the body of CreateBucket; an empty body asks for nothing.
///
/// # Errors
/// 400 MalformedXML, 400 InvalidTag, 501 NotImplemented for directory buckets.
pub fn parse_create_bucket(body: &[u8]) -> Result<CreateBucketConfiguration> {
    let mut configuration = CreateBucketConfiguration::default();
    if body.trim_ascii().is_empty() {
        return Ok(configuration);
    }
    let mut document = Document::open(body, "CreateBucketConfiguration")?;
    while let Some(name) = document.child(&["LocationConstraint", "Tags", "Location", "Bucket"])? {
        match name {
            "LocationConstraint" => set(&mut configuration.location_constraint, name, document.text()?.into_owned())?,
            "Tags" => set(&mut configuration.tags, name, tag_set(&mut document, BUCKET_TAGS_MAX)?)?,
            _ => return Err(S3Error::resource_not_implemented(name)),
        }
    }
    document.finish()?;
    Ok(configuration)
}

/// What DeleteObjects asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRequest {
    /// Report only errors.
    pub quiet: bool,
    /// 1 to 1000 entries.
    pub entries: Vec<DeleteEntry>,
}

/// One key of DeleteObjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteEntry {
    /// The key.
    pub key: ObjectKey,
    /// `VersionId`, if it is not empty; only `null` exists.
    pub version_id: Option<String>,
    /// `ETag`, `Size` and `LastModifiedTime`.
    pub conditions: DeleteConditions,
}

/// Reads the body of DeleteObjects.
///
/// # Errors
/// 400 MalformedXML, KeyTooLongError, or InvalidRequest for a condition that cannot be judged. Nothing is deleted then.
pub fn parse_delete(body: &[u8]) -> Result<DeleteRequest> {
    let mut document = Document::open(body, "Delete")?;
    let mut quiet = None;
    let mut entries = Vec::new();
    while let Some(name) = document.child(&["Object", "Quiet"])? {
        if name == "Quiet" {
            let text = document.text()?;
            set(&mut quiet, name, boolean(&text)?)?;
        } else if entries.len() == DELETE_KEYS_MAX {
            return Err(S3Error::malformed_xml(format!("more than {DELETE_KEYS_MAX} objects")));
        } else {
            entries.push(delete_entry(&mut document)?);
        }
    }
    document.finish()?;
    if entries.is_empty() {
        return Err(S3Error::malformed_xml("there is no Object"));
    }
    Ok(DeleteRequest { quiet: quiet.unwrap_or(false), entries })
}

fn delete_entry(document: &mut Document<'_>) -> Result<DeleteEntry> {
    let (mut key, mut version_id) = (None, None);
    let mut conditions = DeleteConditions::default();
    while let Some(name) = document.child(&["Key", "VersionId", "ETag", "Size", "LastModifiedTime"])? {
        let text = document.text()?;
        match name {
            "Key" => set(&mut key, name, object_key(&text)?)?,
            "VersionId" => set(&mut version_id, name, text.into_owned())?,
            "ETag" => set(&mut conditions.if_match, name, etag_match("ETag", text.trim())?)?,
            "Size" => set(&mut conditions.size, name, digits(text.trim()).ok_or_else(|| not_a(name, "whole number"))?)?,
            _ => set(&mut conditions.last_modified, name, parse_either(&text).ok_or_else(|| not_a(name, "date"))?)?,
        }
    }
    let key = key.ok_or_else(|| missing("Key", "Object"))?;
    Ok(DeleteEntry { key, version_id: version_id.filter(|v| !v.is_empty()), conditions })
}

fn object_key(text: &str) -> Result<ObjectKey> {
    ObjectKey::parse(text).map_err(|_| if text.is_empty() { missing("Key", "Object") } else { S3Error::new(Code::KeyTooLong) })
}

/// One part that CompleteMultipartUpload names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// Its number.
    pub number: PartNumber,
    /// Its entity tag.
    pub etag: ETag,
    /// Its checksum, if the client sends it again.
    pub checksum: Option<WireChecksum>,
}

const PART_ELEMENTS: &[&str] =
    &["PartNumber", "ETag", "ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256"];

/// Reads the body of CompleteMultipartUpload: 1 to 10,000 parts in ascending order.
///
/// # Errors
/// 400 MalformedXML, InvalidPartOrder, or InvalidPart for an entity tag or checksum that no part can have.
pub fn parse_complete_multipart_upload(body: &[u8]) -> Result<Vec<CompletedPart>> {
    let mut document = Document::open(body, "CompleteMultipartUpload")?;
    let mut parts: Vec<CompletedPart> = Vec::new();
    while document.child(&["Part"])?.is_some() {
        if parts.len() == usize::from(PARTS_MAX) {
            return Err(S3Error::malformed_xml(format!("more than {PARTS_MAX} parts")));
        }
        let part = completed_part(&mut document)?;
        if parts.last().is_some_and(|last| last.number >= part.number) {
            return Err(S3Error::new(Code::InvalidPartOrder).with_field("PartNumber", &part.number.to_string()));
        }
        parts.push(part);
    }
    document.finish()?;
    if parts.is_empty() {
        return Err(S3Error::malformed_xml("you must specify at least one part"));
    }
    Ok(parts)
}

fn completed_part(document: &mut Document<'_>) -> Result<CompletedPart> {
    let (mut number, mut etag, mut checksum) = (None, None, None);
    while let Some(name) = document.child(PART_ELEMENTS)? {
        let text = document.text()?;
        let text = text.trim();
        match name {
            "PartNumber" => set(&mut number, name, PartNumber::parse(text).map_err(|e| part_number_refused(text, e))?)?,
            "ETag" => set(&mut etag, name, ETag::parse(text).map_err(|_| S3Error::new(Code::InvalidPart).with_field("ETag", text))?)?,
            element => {
                let algorithm = ChecksumAlgorithm::ALL.into_iter().find(|a| checksum_element(*a) == element);
                let value = algorithm.and_then(|a| WireChecksum::parse(a, text));
                set(&mut checksum, "checksum", value.ok_or_else(|| S3Error::new(Code::InvalidPart).with_field("Checksum", text))?)?;
            }
        }
    }
    Ok(CompletedPart {
        number: number.ok_or_else(|| missing("PartNumber", "Part"))?,
        etag: etag.ok_or_else(|| missing("ETag", "Part"))?,
        checksum,
    })
}

fn part_number_refused(text: &str, why: holdfast_model::InvalidPartNumber) -> S3Error {
    S3Error::invalid_argument("partNumber", text, why.to_string())
}

/// Reads the body of PutObjectTagging.
///
/// # Errors
/// 400 MalformedXML or InvalidTag.
pub fn parse_object_tagging(body: &[u8]) -> Result<Tags> {
    parse_tagging_document(body, OBJECT_TAGS_MAX)
}

/// Reads the body of PutBucketTagging.
///
/// # Errors
/// 400 MalformedXML or InvalidTag.
pub fn parse_bucket_tagging(body: &[u8]) -> Result<Tags> {
    parse_tagging_document(body, BUCKET_TAGS_MAX)
}

fn parse_tagging_document(body: &[u8], max: usize) -> Result<Tags> {
    let mut document = Document::open(body, "Tagging")?;
    let mut tags = None;
    while let Some(name) = document.child(&["TagSet"])? {
        set(&mut tags, name, tag_set(&mut document, max)?)?;
    }
    document.finish()?;
    tags.ok_or_else(|| missing("TagSet", "Tagging"))
}

fn tag_set(document: &mut Document<'_>, max: usize) -> Result<Tags> {
    let mut pairs = Vec::new();
    while document.child(&["Tag"])?.is_some() {
        let (mut key, mut value) = (None, None);
        while let Some(name) = document.child(&["Key", "Value"])? {
            let text = document.text()?.into_owned();
            set(if name == "Key" { &mut key } else { &mut value }, name, text)?;
        }
        // One more than allowed is enough to refuse; the rest need not be kept.
        if pairs.len() <= max {
            pairs.push((key.ok_or_else(|| missing("Key", "Tag"))?, value.ok_or_else(|| missing("Value", "Tag"))?));
        }
    }
    Tags::new(pairs, max).map_err(invalid_tags)
}

fn set<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(S3Error::malformed_xml(format!("<{name}> is given twice"))),
    }
}

fn boolean(text: &str) -> Result<bool> {
    match text.trim() {
        "true" | "True" | "1" => Ok(true),
        "false" | "False" | "0" | "" => Ok(false),
        _ => Err(not_a("Quiet", "boolean")),
    }
}

fn not_a(name: &str, what: &str) -> S3Error {
    S3Error::malformed_xml(format!("<{name}> is not a {what}"))
}

fn missing(name: &str, parent: &str) -> S3Error {
    S3Error::malformed_xml(format!("<{parent}> has no <{name}>"))
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
