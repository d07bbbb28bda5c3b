//! The documents that we answer with: plain structs that operations fill, and how each is written.
//!
//! Where a listing has `url_encoded`, keys, prefixes, markers and delimiters are percent-encoded as S3 does for
//! `encoding-type=url`; tokens and upload ids never are.

use holdfast_model::{BucketName, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, PartNumber, Tags, Timestamp, UploadId};

use super::XmlWriter;
use crate::{
    checksums::{WireChecksum, checksum_element},
    dates::write_iso8601,
    uri::encode_key,
};

/// Bytes to reserve for an entry of a listing.
const ENTRY_BYTES: usize = 400;

/// Who owns things: there is one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The canonical id.
    pub id: &'a str,
    /// A name for people.
    pub display_name: &'a str,
}

/// A checksum with the kind that documents tell beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChecksumFields {
    /// The value.
    pub value: WireChecksum,
    /// `ChecksumType`; parts have none.
    pub kind: Option<ChecksumKind>,
}

impl ChecksumFields {
    /// The checksum of one part, or of bytes that came in one piece.
    pub fn plain(checksum: Checksum, kind: Option<ChecksumKind>) -> Self {
        Self { value: WireChecksum { checksum, parts: None }, kind }
    }
}

impl XmlWriter {
    fn timestamp(&mut self, tag: &str, at: Timestamp) {
        self.open(tag);
        write_iso8601(self.plain(), at);
        self.close(tag);
    }

    fn key(&mut self, tag: &str, key: &str, url_encoded: bool) {
        if url_encoded { self.text(tag, &encode_key(key)) } else { self.text(tag, key) }
    }

    fn key_if(&mut self, tag: &str, key: Option<&str>, url_encoded: bool) {
        if let Some(key) = key {
            self.key(tag, key, url_encoded);
        }
    }

    fn etag(&mut self, etag: &ETag) {
        self.open("ETag");
        self.characters("\"");
        self.characters(etag.as_str());
        self.characters("\"");
        self.close("ETag");
    }

    fn owner(&mut self, tag: &str, owner: Owner<'_>) {
        self.open(tag);
        self.text("ID", owner.id);
        self.text("DisplayName", owner.display_name);
        self.close(tag);
    }

    fn checksum(&mut self, checksum: Option<&ChecksumFields>) {
        let Some(fields) = checksum else { return };
        self.text(checksum_element(fields.value.checksum.algorithm()), &fields.value.text());
        self.text_if("ChecksumType", fields.kind.map(ChecksumKind::name));
    }

    fn algorithm(&mut self, algorithm: Option<ChecksumAlgorithm>, kind: Option<ChecksumKind>) {
        self.text_if("ChecksumAlgorithm", algorithm.map(ChecksumAlgorithm::name));
        self.text_if("ChecksumType", kind.map(ChecksumKind::name));
    }

    fn common_prefixes<S: AsRef<str>>(&mut self, prefixes: &[S], url_encoded: bool) {
        for prefix in prefixes {
            self.open("CommonPrefixes");
            self.key("Prefix", prefix.as_ref(), url_encoded);
            self.close("CommonPrefixes");
        }
    }
}

/// A bucket of ListBuckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedBucket<'a> {
    /// Its name.
    pub name: &'a BucketName,
    /// When it was created.
    pub created: Timestamp,
    /// Its region.
    pub region: Option<&'a str>,
}

/// The answer of ListBuckets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub struct ListAllMyBucketsResult<'a> {
    pub owner: Owner<'a>,
    pub buckets: Vec<ListedBucket<'a>>,
    pub prefix: Option<&'a str>,
    pub continuation_token: Option<String>,
}

impl ListAllMyBucketsResult<'_> {
    /// Writes the document.
    pub fn xml(&self) -> String {
        let mut xml = XmlWriter::document(512 + 200 * self.buckets.len());
        xml.open_root("ListAllMyBucketsResult");
        xml.owner("Owner", self.owner);
        xml.open("Buckets");
        for bucket in &self.buckets {
            xml.open("Bucket");
            xml.text("Name", bucket.name.as_str());
            xml.timestamp("CreationDate", bucket.created);
            xml.text_if("BucketRegion", bucket.region);
            xml.close("Bucket");
        }
        xml.close("Buckets");
        xml.text_if("ContinuationToken", self.continuation_token.as_deref());
        xml.text_if("Prefix", self.prefix);
        xml.close("ListAllMyBucketsResult");
        xml.finish()
    }
}

/// The answer of GetBucketLocation; the first region of S3 is written as an empty element.
pub fn location_constraint(region: &str) -> String {
    let mut xml = XmlWriter::document(256);
    xml.open_root("LocationConstraint");
    if region != "us-east-1" {
        xml.characters(region);
    }
    xml.close("LocationConstraint");
    xml.finish()
}

/// The answer of GetBucketVersioning: versioning was never turned on.
pub fn versioning_configuration() -> String {
    let mut xml = XmlWriter::document(256);
    xml.open_root("VersioningConfiguration");
    xml.close("VersioningConfiguration");
    xml.finish()
}

/// An object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub struct ListedObject<'a> {
    pub key: &'a str,
    pub last_modified: Timestamp,
    pub etag: &'a ETag,
    pub size: u64,
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    pub checksum_kind: Option<ChecksumKind>,
}

fn contents(xml: &mut XmlWriter, objects: &[ListedObject<'_>], owner: Option<Owner<'_>>, url_encoded: bool) {
    for object in objects {
        xml.open("Contents");
        xml.key("Key", object.key, url_encoded);
        xml.timestamp("LastModified", object.last_modified);
        xml.etag(object.etag);
        xml.algorithm(object.checksum_algorithm, object.checksum_kind);
        xml.number("Size", object.size);
        if let Some(owner) = owner {
            xml.owner("Owner", owner);
        }
        xml.text("StorageClass", "STANDARD");
        xml.close("Contents");
    }
}

/// The answer of ListObjects, version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub struct ListObjectsResult<'a> {
    pub bucket: &'a BucketName,
    pub prefix: &'a str,
    pub marker: &'a str,
    pub delimiter: Option<&'a str>,
    pub max_keys: usize,
    pub url_encoded: bool,
    /// The last key or common prefix of this page, if there are more.
    pub next_marker: Option<&'a str>,
    pub is_truncated: bool,
    pub owner: Owner<'a>,
    pub objects: Vec<ListedObject<'a>>,
    pub common_prefixes: Vec<&'a str>,
}

impl ListObjectsResult<'_> {
    /// Writes the document.
    pub fn xml(&self) -> String {
        let encoded = self.url_encoded;
        let mut xml = XmlWriter::document(1024 + ENTRY_BYTES * (self.objects.len() + self.common_prefixes.len()));
        xml.open_root("ListBucketResult");
        xml.text("Name", self.bucket.as_str());
        xml.key("Prefix", self.prefix, encoded);
        xml.key("Marker", self.marker, encoded);
        xml.key_if("NextMarker", self.next_marker, encoded);
        xml.number("MaxKeys", self.max_keys as u64);
        xml.key_if("Delimiter", self.delimiter, encoded);
        xml.text_if("EncodingType", encoded.then_some("url"));
        xml.boolean("IsTruncated", self.is_truncated);
        contents(&mut xml, &self.objects, Some(self.owner), encoded);
        xml.common_prefixes(&self.common_prefixes, encoded);
        xml.close("ListBucketResult");
        xml.finish()
    }
}

/// The answer of ListObjectsV2.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub struct ListObjectsV2Result<'a> {
    pub bucket: &'a BucketName,
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    pub max_keys: usize,
    pub url_encoded: bool,
    pub start_after: Option<&'a str>,
    pub continuation_token: Option<&'a str>,
    pub next_continuation_token: Option<String>,
    pub is_truncated: bool,
    /// With `fetch-owner`.
    pub owner: Option<Owner<'a>>,
    pub objects: Vec<ListedObject<'a>>,
    pub common_prefixes: Vec<&'a str>,
}

impl ListObjectsV2Result<'_> {
    /// Writes the document.
    pub fn xml(&self) -> String {
        let encoded = self.url_encoded;
        let count = self.objects.len() + self.common_prefixes.len();
        let mut xml = XmlWriter::document(1024 + ENTRY_BYTES * count);
        xml.open_root("ListBucketResult");
        xml.text("Name", self.bucket.as_str());
        xml.key("Prefix", self.prefix, encoded);
        xml.key_if("StartAfter", self.start_after, encoded);
        xml.text_if("ContinuationToken", self.continuation_token);
        xml.text_if("NextContinuationToken", self.next_continuation_token.as_deref());
        xml.number("KeyCount", count as u64);
        xml.number("MaxKeys", self.max_keys as u64);
        xml.key_if("Delimiter", self.delimiter, encoded);
        xml.text_if("EncodingType", encoded.then_some("url"));
        xml.boolean("IsTruncated", self.is_truncated);
        contents(&mut xml, &self.objects, self.owner, encoded);
        xml.common_prefixes(&self.common_prefixes, encoded);
        xml.close("ListBucketResult");
        xml.finish()
    }
}

/// What became of one key of DeleteObjects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub enum DeleteOutcome<'a> {
    Deleted { key: &'a str, version_id: Option<&'a str> },
    Error { key: &'a str, version_id: Option<&'a str>, error: crate::error::S3Error },
}

/// The answer of DeleteObjects. `quiet` leaves out what was deleted.
pub fn delete_result(outcomes: &[DeleteOutcome<'_>], quiet: bool) -> String {
    let mut xml = XmlWriter::document(512 + 200 * outcomes.len());
    xml.open_root("DeleteResult");
    for outcome in outcomes {
        match outcome {
            DeleteOutcome::Deleted { .. } if quiet => {}
            DeleteOutcome::Deleted { key, version_id } => {
                xml.open("Deleted");
                xml.text("Key", key);
                xml.text_if("VersionId", *version_id);
                xml.close("Deleted");
            }
            DeleteOutcome::Error { key, version_id, error } => {
                xml.open("Error");
                xml.text("Key", key);
                xml.text_if("VersionId", *version_id);
                xml.text("Code", error.code().name());
                xml.text("Message", error.message());
                xml.text_if("Condition", error.condition().map(holdfast_model::Condition::name));
                xml.close("Error");
            }
        }
    }
    xml.close("DeleteResult");
    xml.finish()
}

/// The answer of CopyObject.
pub fn copy_object_result(etag: &ETag, last_modified: Timestamp, checksum: Option<&ChecksumFields>) -> String {
    copied("CopyObjectResult", etag, last_modified, checksum)
}

/// The answer of UploadPartCopy.
pub fn copy_part_result(etag: &ETag, last_modified: Timestamp, checksum: Option<&ChecksumFields>) -> String {
    copied("CopyPartResult", etag, last_modified, checksum)
}

fn copied(root: &str, etag: &ETag, last_modified: Timestamp, checksum: Option<&ChecksumFields>) -> String {
    let mut xml = XmlWriter::document(512);
    xml.open_root(root);
    xml.timestamp("LastModified", last_modified);
    xml.etag(etag);
    xml.checksum(checksum);
    xml.close(root);
    xml.finish()
}

/// The answer of CreateMultipartUpload.
pub fn initiate_multipart_upload_result(bucket: &BucketName, key: &str, upload: &UploadId) -> String {
    let mut xml = XmlWriter::document(512 + key.len());
    xml.open_root("InitiateMultipartUploadResult");
    xml.text("Bucket", bucket.as_str());
    xml.text("Key", key);
    xml.text("UploadId", upload.as_str());
    xml.close("InitiateMultipartUploadResult");
    xml.finish()
}

/// The answer of CompleteMultipartUpload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub struct CompleteMultipartUploadResult<'a> {
    pub location: &'a str,
    pub bucket: &'a BucketName,
    pub key: &'a str,
    pub etag: &'a ETag,
    pub checksum: Option<ChecksumFields>,
}

impl CompleteMultipartUploadResult<'_> {
    /// Writes the document.
    pub fn xml(&self) -> String {
        let mut xml = XmlWriter::document(1024);
        xml.open_root("CompleteMultipartUploadResult");
        xml.text("Location", self.location);
        xml.text("Bucket", self.bucket.as_str());
        xml.text("Key", self.key);
        xml.etag(self.etag);
        xml.checksum(self.checksum.as_ref());
        xml.close("CompleteMultipartUploadResult");
        xml.finish()
    }
}

/// A part of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub struct ListedPart {
    pub number: PartNumber,
    pub last_modified: Timestamp,
    pub etag: ETag,
    pub size: u64,
    pub checksum: Option<ChecksumFields>,
}

/// The answer of ListParts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub struct ListPartsResult<'a> {
    pub bucket: &'a BucketName,
    pub key: &'a str,
    pub upload_id: &'a UploadId,
    pub owner: Owner<'a>,
    pub part_number_marker: u16,
    /// The last number of this page, if it has any part.
    pub next_part_number_marker: Option<u16>,
    pub max_parts: usize,
    pub is_truncated: bool,
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    pub checksum_kind: Option<ChecksumKind>,
    pub parts: Vec<ListedPart>,
}

impl ListPartsResult<'_> {
    /// Writes the document.
    pub fn xml(&self) -> String {
        let mut xml = XmlWriter::document(1024 + 300 * self.parts.len());
        xml.open_root("ListPartsResult");
        xml.text("Bucket", self.bucket.as_str());
        xml.text("Key", self.key);
        xml.text("UploadId", self.upload_id.as_str());
        xml.owner("Initiator", self.owner);
        xml.owner("Owner", self.owner);
        xml.text("StorageClass", "STANDARD");
        xml.number("PartNumberMarker", u64::from(self.part_number_marker));
        xml.number("NextPartNumberMarker", u64::from(self.next_part_number_marker.unwrap_or(0)));
        xml.number("MaxParts", self.max_parts as u64);
        xml.boolean("IsTruncated", self.is_truncated);
        xml.algorithm(self.checksum_algorithm, self.checksum_kind);
        for part in &self.parts {
            xml.open("Part");
            xml.number("PartNumber", u64::from(part.number.get()));
            xml.timestamp("LastModified", part.last_modified);
            xml.etag(&part.etag);
            xml.number("Size", part.size);
            xml.checksum(part.checksum.as_ref());
            xml.close("Part");
        }
        xml.close("ListPartsResult");
        xml.finish()
    }
}

/// An upload of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub struct ListedUpload<'a> {
    pub key: &'a str,
    pub upload_id: &'a UploadId,
    pub initiated: Timestamp,
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    pub checksum_kind: Option<ChecksumKind>,
}

/// The answer of ListMultipartUploads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub struct ListMultipartUploadsResult<'a> {
    pub bucket: &'a BucketName,
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    pub key_marker: &'a str,
    pub upload_id_marker: &'a str,
    pub next_key_marker: Option<&'a str>,
    pub next_upload_id_marker: Option<&'a str>,
    pub max_uploads: usize,
    pub is_truncated: bool,
    pub url_encoded: bool,
    pub owner: Owner<'a>,
    pub uploads: Vec<ListedUpload<'a>>,
    pub common_prefixes: Vec<&'a str>,
}

impl ListMultipartUploadsResult<'_> {
    /// Writes the document.
    pub fn xml(&self) -> String {
        let encoded = self.url_encoded;
        let mut xml = XmlWriter::document(1024 + 500 * (self.uploads.len() + self.common_prefixes.len()));
        xml.open_root("ListMultipartUploadsResult");
        xml.text("Bucket", self.bucket.as_str());
        xml.key("KeyMarker", self.key_marker, encoded);
        xml.text("UploadIdMarker", self.upload_id_marker);
        xml.key_if("NextKeyMarker", self.next_key_marker, encoded);
        xml.text_if("NextUploadIdMarker", self.next_upload_id_marker);
        xml.key("Prefix", self.prefix, encoded);
        xml.key_if("Delimiter", self.delimiter, encoded);
        xml.text_if("EncodingType", encoded.then_some("url"));
        xml.number("MaxUploads", self.max_uploads as u64);
        xml.boolean("IsTruncated", self.is_truncated);
        for upload in &self.uploads {
            xml.open("Upload");
            xml.key("Key", upload.key, encoded);
            xml.text("UploadId", upload.upload_id.as_str());
            xml.owner("Initiator", self.owner);
            xml.owner("Owner", self.owner);
            xml.text("StorageClass", "STANDARD");
            xml.timestamp("Initiated", upload.initiated);
            xml.algorithm(upload.checksum_algorithm, upload.checksum_kind);
            xml.close("Upload");
        }
        xml.common_prefixes(&self.common_prefixes, encoded);
        xml.close("ListMultipartUploadsResult");
        xml.finish()
    }
}

/// The parts of a multipart object, as GetObjectAttributes tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub struct ObjectParts {
    pub total_parts_count: u64,
    pub part_number_marker: u16,
    pub next_part_number_marker: u16,
    pub max_parts: usize,
    pub is_truncated: bool,
    /// Number, size and checksum; S3 lists parts only of objects with a composite or part-level checksum.
    pub parts: Vec<(PartNumber, u64, Option<ChecksumFields>)>,
}

/// The answer of GetObjectAttributes: only what was asked for is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the element of its name")]
pub struct GetObjectAttributesResult<'a> {
    pub etag: Option<&'a ETag>,
    pub checksum: Option<ChecksumFields>,
    pub object_parts: Option<ObjectParts>,
    pub storage_class: Option<&'a str>,
    pub object_size: Option<u64>,
}

impl GetObjectAttributesResult<'_> {
    /// Writes the document. The tag has no quotes here, as at S3.
    pub fn xml(&self) -> String {
        let parts = self.object_parts.as_ref().map_or(0, |p| p.parts.len());
        let mut xml = XmlWriter::document(1024 + 200 * parts);
        xml.open_root("GetObjectAttributesResponse");
        xml.text_if("ETag", self.etag.map(ETag::as_str));
        if self.checksum.is_some() {
            xml.open("Checksum");
            xml.checksum(self.checksum.as_ref());
            xml.close("Checksum");
        }
        if let Some(parts) = &self.object_parts {
            object_parts(&mut xml, parts);
        }
        xml.text_if("StorageClass", self.storage_class);
        if let Some(size) = self.object_size {
            xml.number("ObjectSize", size);
        }
        xml.close("GetObjectAttributesResponse");
        xml.finish()
    }
}

fn object_parts(xml: &mut XmlWriter, parts: &ObjectParts) {
    xml.open("ObjectParts");
    xml.number("PartsCount", parts.total_parts_count);
    xml.number("PartNumberMarker", u64::from(parts.part_number_marker));
    xml.number("NextPartNumberMarker", u64::from(parts.next_part_number_marker));
    xml.number("MaxParts", parts.max_parts as u64);
    xml.boolean("IsTruncated", parts.is_truncated);
    for (number, size, checksum) in &parts.parts {
        xml.open("Part");
        xml.number("PartNumber", u64::from(number.get()));
        xml.number("Size", *size);
        xml.checksum(checksum.as_ref());
        xml.close("Part");
    }
    xml.close("ObjectParts");
}

/// The answer of GetObjectTagging and GetBucketTagging.
pub fn tagging_document(tags: &Tags) -> String {
    let mut xml = XmlWriter::document(256 + 128 * tags.len());
    xml.open_root("Tagging");
    xml.open("TagSet");
    for (key, value) in tags.iter() {
        xml.open("Tag");
        xml.text("Key", key);
        xml.text("Value", value);
        xml.close("Tag");
    }
    xml.close("TagSet");
    xml.close("Tagging");
    xml.finish()
}

#[cfg(test)]
#[path = "responses_tests.rs"]
mod tests;
