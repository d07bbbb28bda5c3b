//! The operations of S3 that the checks use, one request each. Nothing is sent twice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use md5::{Digest, Md5};

use super::xml;
use super::{Answer, Call, Client, Lost};

/// Pages of a listing, and rounds of a clean-up: more means that it does not end.
const PAGES_MAX: usize = 10_000;
const KEYS_PER_PAGE: usize = 1000;

/// What a write or a read demands, and what else it says, as headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// As they are sent.
    pub headers: Vec<(String, String)>,
}

impl Options {
    /// No condition and nothing else.
    pub fn none() -> Self {
        Self::default()
    }

    /// Any header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `If-None-Match: *`
    #[must_use]
    pub fn if_absent(self) -> Self {
        self.header("if-none-match", "*")
    }

    /// `If-Match: *`
    #[must_use]
    pub fn if_present(self) -> Self {
        self.header("if-match", "*")
    }

    /// `If-Match: "<etag>"`
    #[must_use]
    pub fn if_match(self, etag: &str) -> Self {
        self.header("if-match", &quoted(etag))
    }

    /// `x-holdfast-if-generation-match`; 0 means absent.
    #[must_use]
    pub fn if_generation(self, generation: u64) -> Self {
        self.header("x-holdfast-if-generation-match", &generation.to_string())
    }

    /// `x-amz-copy-source-if-match`
    #[must_use]
    pub fn if_copy_source_match(self, etag: &str) -> Self {
        self.header("x-amz-copy-source-if-match", &quoted(etag))
    }

    /// `x-amz-rename-source-if-match`
    #[must_use]
    pub fn if_rename_source_match(self, etag: &str) -> Self {
        self.header("x-amz-rename-source-if-match", &quoted(etag))
    }

    /// `x-amz-meta-<name>`
    #[must_use]
    pub fn metadata(self, name: &str, value: &str) -> Self {
        self.header(&format!("x-amz-meta-{name}"), value)
    }
}

/// A tag in quotes; `*` stays as it is.
pub fn quoted(etag: &str) -> String {
    if etag == "*" { etag.to_owned() } else { format!("\"{}\"", etag.trim_matches('"')) }
}

/// PutObject.
pub fn put(bucket: &str, key: &str, body: impl Into<Bytes>, options: &Options) -> Call {
    Call::object("PUT", bucket, key).headers(&options.headers).body(body)
}

/// GetObject.
pub fn get(bucket: &str, key: &str, options: &Options) -> Call {
    Call::object("GET", bucket, key).headers(&options.headers)
}

/// HeadObject.
pub fn head(bucket: &str, key: &str, options: &Options) -> Call {
    Call::object("HEAD", bucket, key).headers(&options.headers)
}

/// DeleteObject.
pub fn delete(bucket: &str, key: &str, options: &Options) -> Call {
    Call::object("DELETE", bucket, key).headers(&options.headers)
}

/// CopyObject within the bucket.
pub fn copy(bucket: &str, source: &str, key: &str, options: &Options) -> Call {
    let source = super::sign::encode_path(&format!("{bucket}/{source}"));
    Call::object("PUT", bucket, key).header("x-amz-copy-source", &source).headers(&options.headers)
}

/// RenameObject. Never send it to an endpoint that is not known to support it, with keys that matter: where `?renameObject`
/// is not known, it may be served as a PutObject of no bytes.
pub fn rename(bucket: &str, source: &str, key: &str, options: &Options) -> Call {
    let source = super::sign::encode_path(source);
    Call::object("PUT", bucket, key).query("renameObject", "").header("x-amz-rename-source", &source).headers(&options.headers)
}

/// CreateMultipartUpload; [`upload_id`] reads the answer.
pub fn create_upload(bucket: &str, key: &str, options: &Options) -> Call {
    Call::object("POST", bucket, key).query("uploads", "").headers(&options.headers)
}

/// The id of the upload that was created.
pub fn upload_id(answer: &Answer) -> Option<String> {
    answer.is_success().then(|| xml::first(&answer.body, "UploadId")).flatten()
}

/// UploadPart.
pub fn upload_part(bucket: &str, key: &str, upload: &str, number: u32, body: impl Into<Bytes>) -> Call {
    Call::object("PUT", bucket, key).query("partNumber", &number.to_string()).query("uploadId", upload).body(body)
}

/// CompleteMultipartUpload with the parts' numbers and ETags. 200 with an `<Error>` is a failure: ask [`Answer::is_success`].
pub fn complete_upload(bucket: &str, key: &str, upload: &str, parts: &[(u32, String)], options: &Options) -> Call {
    let part = |(number, etag): &(u32, String)| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", xml::escape(&quoted(etag)))
    };
    let parts: String = parts.iter().map(part).collect();
    let document = format!("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>");
    Call::object("POST", bucket, key).query("uploadId", upload).headers(&options.headers).body(document)
}

/// AbortMultipartUpload.
pub fn abort_upload(bucket: &str, key: &str, upload: &str) -> Call {
    Call::object("DELETE", bucket, key).query("uploadId", upload)
}

/// One key of a DeleteObjects, with the elements of its conditions (`ETag`, `Size`, `LastModifiedTime`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletion {
    /// The key.
    pub key: String,
    /// Names and texts of elements.
    pub conditions: Vec<(String, String)>,
}

/// DeleteObjects.
pub fn delete_objects(bucket: &str, deletions: &[Deletion]) -> Call {
    let element = |(name, text): &(String, String)| format!("<{name}>{}</{name}>", xml::escape(text));
    let object = |d: &Deletion| {
        let conditions: String = d.conditions.iter().map(element).collect();
        format!("<Object><Key>{}</Key>{conditions}</Object>", xml::escape(&d.key))
    };
    let objects: String = deletions.iter().map(object).collect();
    let document = format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{objects}</Delete>");
    let digest = BASE64.encode(Md5::digest(document.as_bytes()));
    Call::new("POST", bucket, None).query("delete", "").header("content-md5", &digest).body(document)
}

/// CreateBucket in `region`.
pub fn create_bucket(bucket: &str, region: &str) -> Call {
    let call = Call::new("PUT", bucket, None);
    if region == "us-east-1" {
        return call;
    }
    call.body(format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
        xml::escape(region)
    ))
}

/// DeleteBucket.
pub fn delete_bucket(bucket: &str) -> Call {
    Call::new("DELETE", bucket, None)
}

/// HeadBucket.
pub fn head_bucket(bucket: &str) -> Call {
    Call::new("HEAD", bucket, None)
}

/// Something that did not go as it must for the checks to go on.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No answer.
    #[error("{what}: {lost}")]
    Lost {
        /// Doing what.
        what: &'static str,
        /// How.
        lost: Lost,
    },
    /// An answer other than success.
    #[error("{what}: the endpoint answers {answer}")]
    Refused {
        /// Doing what.
        what: &'static str,
        /// Status and code.
        answer: String,
    },
    /// A listing that does not end.
    #[error("{0} does not come to an end")]
    Endless(&'static str),
}

impl Client {
    /// Sends what must succeed.
    ///
    /// # Errors
    /// No answer, or one that is no success.
    pub async fn must(&mut self, what: &'static str, call: &Call) -> Result<Answer, Trouble> {
        let answer = self.send(call).await.map_err(|lost| Trouble::Lost { what, lost })?;
        if answer.is_success() { Ok(answer) } else { Err(Trouble::Refused { what, answer: answer.in_short() }) }
    }

    /// All keys with that prefix, by pages.
    ///
    /// # Errors
    /// A page that cannot be had.
    pub async fn list(&mut self, bucket: &str, prefix: &str) -> Result<Vec<String>, Trouble> {
        let mut keys = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut call = Call::new("GET", bucket, None).query("list-type", "2").query("prefix", prefix);
            if let Some(token) = &token {
                call = call.query("continuation-token", token);
            }
            let page = self.must("listing objects", &call).await?;
            keys.extend(xml::records(&page.body, "Contents").iter().filter_map(|r| xml::field(r, "Key").map(str::to_owned)));
            token = xml::first(&page.body, "NextContinuationToken");
            if token.is_none() {
                return Ok(keys);
            }
        }
        Err(Trouble::Endless("the listing of objects"))
    }

    /// Keys and ids of all uploads under way with that prefix, by pages.
    ///
    /// # Errors
    /// A page that cannot be had.
    pub async fn list_uploads(&mut self, bucket: &str, prefix: &str) -> Result<Vec<(String, String)>, Trouble> {
        let mut uploads = Vec::new();
        let mut marker: Option<(String, String)> = None;
        for _ in 0..PAGES_MAX {
            let mut call = Call::new("GET", bucket, None).query("uploads", "").query("prefix", prefix);
            if let Some((key, id)) = &marker {
                call = call.query("key-marker", key).query("upload-id-marker", id);
            }
            let page = self.must("listing uploads", &call).await?;
            let upload = |r: &Vec<(String, String)>| Some((xml::field(r, "Key")?.to_owned(), xml::field(r, "UploadId")?.to_owned()));
            uploads.extend(xml::records(&page.body, "Upload").iter().filter_map(upload));
            if xml::first(&page.body, "IsTruncated").as_deref() != Some("true") {
                return Ok(uploads);
            }
            let text = |name| xml::first(&page.body, name).unwrap_or_default();
            marker = Some((text("NextKeyMarker"), text("NextUploadIdMarker")));
        }
        Err(Trouble::Endless("the listing of uploads"))
    }

    /// Aborts every upload and deletes every object with that prefix. Nothing else is touched.
    ///
    /// # Errors
    /// What could not be removed. An endpoint without uploads is none.
    pub async fn remove_all(&mut self, bucket: &str, prefix: &str) -> Result<usize, Trouble> {
        let mut removed = 0;
        for (key, id) in self.list_uploads(bucket, prefix).await.unwrap_or_default() {
            // Gone is as good as aborted.
            let _ = self.send(&abort_upload(bucket, &key, &id)).await;
            removed += 1;
        }
        let keys = self.list(bucket, prefix).await?;
        for page in keys.chunks(KEYS_PER_PAGE) {
            removed += page.len();
            let deletions: Vec<Deletion> = page.iter().map(|key| Deletion { key: key.clone(), conditions: Vec::new() }).collect();
            let at_once = self.must("deleting objects", &delete_objects(bucket, &deletions)).await;
            if at_once.is_ok_and(|answer| xml::records(&answer.body, "Error").is_empty()) {
                continue;
            }
            for key in page {
                self.must("deleting an object", &delete(bucket, key, &Options::none())).await?;
            }
        }
        Ok(removed)
    }
}
