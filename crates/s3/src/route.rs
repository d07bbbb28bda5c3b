//! Method, host, path and query -> which operation on what. Pure; nothing is guessed.
//!
//! A sub-resource that S3 has and we lack is 501, an unknown parameter on a write is 400: it may be a verb of tomorrow
//! and must not become a PutObject. Unknown parameters of reads are ignored, as S3 does, and so are those that begin
//! with `x-` (SDKs add `x-id`; what stands for a header is folded in by [`crate::fields`]).

use holdfast_model::{BucketName, InvalidBucketName, ObjectKey, PartNumber, UploadId};
use http::{HeaderMap, HeaderValue, Method, header};

use crate::{
    error::{Code, S3Error},
    fields::is_hoisted_header,
    query::Query,
    uri::{Plus, decode},
};

macro_rules! operations {
    ($($operation:ident $effect:ident [$($parameter:literal)*];)*) => {
        /// An S3 operation that we serve.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each is the S3 operation of its name")]
        pub enum Operation { $($operation,)* }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$operation,)*];

            /// The name in S3's reference, for logs and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$operation => stringify!($operation),)* }
            }

            /// Whether the operation changes anything.
            pub const fn is_write(self) -> bool {
                match self { $(Self::$operation => matches!(Effect::$effect, Effect::Writes),)* }
            }

            /// The query parameters that the operation knows.
            const fn parameters(self) -> &'static [&'static str] {
                match self { $(Self::$operation => &[$($parameter,)*],)* }
            }
        }
    };
}

enum Effect {
    Reads,
    Writes,
}

operations! {
    ListBuckets Reads ["prefix" "continuation-token" "max-buckets" "bucket-region"];
    CreateBucket Writes [];
    HeadBucket Reads [];
    DeleteBucket Writes [];
    GetBucketLocation Reads ["location"];
    GetBucketVersioning Reads ["versioning"];
    GetBucketTagging Reads ["tagging"];
    PutBucketTagging Writes ["tagging"];
    DeleteBucketTagging Writes ["tagging"];
    ListObjects Reads ["prefix" "delimiter" "marker" "max-keys" "encoding-type"];
    ListObjectsV2 Reads ["list-type" "prefix" "delimiter" "start-after" "continuation-token" "max-keys" "encoding-type" "fetch-owner"];
    ListMultipartUploads Reads ["uploads" "prefix" "delimiter" "key-marker" "upload-id-marker" "max-uploads" "encoding-type"];
    DeleteObjects Writes ["delete"];
    PutObject Writes [];
    GetObject Reads ["versionId" "partNumber" "response-content-type" "response-content-language" "response-expires"
        "response-cache-control" "response-content-disposition" "response-content-encoding"];
    HeadObject Reads ["versionId" "partNumber" "response-content-type" "response-content-language" "response-expires"
        "response-cache-control" "response-content-disposition" "response-content-encoding"];
    DeleteObject Writes ["versionId"];
    CopyObject Writes [];
    RenameObject Writes ["renameObject"];
    GetObjectAttributes Reads ["attributes" "versionId"];
    GetObjectTagging Reads ["tagging" "versionId"];
    PutObjectTagging Writes ["tagging" "versionId"];
    DeleteObjectTagging Writes ["tagging" "versionId"];
    CreateMultipartUpload Writes ["uploads"];
    UploadPart Writes ["uploadId" "partNumber"];
    UploadPartCopy Writes ["uploadId" "partNumber"];
    CompleteMultipartUpload Writes ["uploadId"];
    AbortMultipartUpload Writes ["uploadId"];
    ListParts Reads ["uploadId" "max-parts" "part-number-marker"];
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The bucket, for every operation but ListBuckets.
    pub bucket: Option<BucketName>,
    /// The key, for operations on objects and uploads.
    pub key: Option<ObjectKey>,
    /// The operation.
    pub operation: Operation,
    /// The decoded query.
    pub query: Query,
}

/// The parts of a request that routing looks at, as they came.
#[derive(Clone, Copy, Debug)]
pub struct Target<'r> {
    /// The method.
    pub method: &'r Method,
    /// The `Host` header, or the authority of an absolute request target.
    pub host: Option<&'r str>,
    /// The path, still encoded.
    pub path: &'r str,
    /// What follows `?`, still encoded.
    pub query: Option<&'r str>,
    /// The headers; only `x-amz-copy-source` matters here.
    pub headers: &'r HeaderMap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Service,
    Bucket,
    Object,
}

/// Finds the operation and what it is about. `domains` are those under which `bucket.domain` names a bucket.
///
/// # Errors
/// 400, 404 NoSuchVersion, 405 or 501; an error tells nothing about what is stored.
pub fn route(target: Target<'_>, domains: &[String]) -> Result<Route, S3Error> {
    let query = Query::parse(target.query)?;
    let (bucket, key) = split(target, domains)?;
    let level = match (&bucket, &key) {
        (None, _) => Level::Service,
        (Some(_), None) => Level::Bucket,
        (Some(_), Some(_)) => Level::Object,
    };
    let copies = target.headers.contains_key(COPY_SOURCE) || query.iter().any(|(name, _)| name.eq_ignore_ascii_case(COPY_SOURCE));
    let operation = resolve(target.method, level, &query, copies)?;
    check_parameters(operation, &query)?;
    Ok(Route { bucket, key, operation, query })
}

const COPY_SOURCE: &str = "x-amz-copy-source";

impl Route {
    /// `uploadId`. An unknown one finds no upload.
    pub fn upload_id(&self) -> Option<UploadId> {
        self.query.get("uploadId").map(UploadId::new)
    }

    /// `partNumber`.
    ///
    /// # Errors
    /// 400 InvalidArgument outside 1 to 10,000.
    pub fn part_number(&self) -> Result<Option<PartNumber>, S3Error> {
        part_number(&self.query)
    }
}

fn part_number(query: &Query) -> Result<Option<PartNumber>, S3Error> {
    let Some(text) = query.get("partNumber") else { return Ok(None) };
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    PartNumber::parse(text).map(Some).map_err(|_| S3Error::invalid_argument("partNumber", text, message))
}

fn split(target: Target<'_>, domains: &[String]) -> Result<(Option<BucketName>, Option<ObjectKey>), S3Error> {
    let path = target.path.strip_prefix('/').ok_or_else(|| S3Error::invalid_uri("the path does not begin with a slash"))?;
    let decoded = |part: &str| decode(part.as_bytes(), Plus::Literal).map_err(|e| S3Error::invalid_uri(format!("{e}, in the path")));
    let (bucket, key) = match target.host.and_then(|host| bucket_of_host(host, domains)) {
        Some(bucket) => (bucket, path),
        None if path.is_empty() => return Ok((None, None)),
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            (decoded(bucket)?, key)
        }
    };
    let bucket = BucketName::parse(&bucket).map_err(|why| invalid_bucket(&bucket, why))?;
    let key = match key {
        "" => None,
        key => Some(ObjectKey::parse(&decoded(key)?).map_err(|_| S3Error::new(Code::KeyTooLong))?),
    };
    Ok((Some(bucket), key))
}

fn invalid_bucket(name: &str, why: InvalidBucketName) -> S3Error {
    S3Error::new(Code::InvalidBucketName)
        .with_message(format!("{} ({why})", Code::InvalidBucketName.message()))
        .with_field("BucketName", name)
}

/// The bucket that `host` names, if it lies directly or deeper under one of `domains`; the longest domain counts.
fn bucket_of_host(host: &str, domains: &[String]) -> Option<String> {
    let host = without_port(host).to_ascii_lowercase();
    let labels = |domain: &String| {
        let domain = without_port(domain).to_ascii_lowercase();
        if host == domain {
            return Some((domain.len(), None));
        }
        let bucket = host.strip_suffix(&domain)?.strip_suffix('.')?;
        (!domain.is_empty()).then(|| (domain.len(), Some(bucket.to_owned())))
    };
    domains.iter().filter_map(labels).max_by_key(|(length, _)| *length)?.1
}

fn without_port(host: &str) -> &str {
    let bare = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    bare.strip_suffix('.').unwrap_or(bare)
}

/// A query name that makes a request mean another thing than its path.
struct SubResource {
    level: Level,
    name: &'static str,
    /// Each method with the operation that we have for it, or none if only S3 has one.
    methods: &'static [(&'static str, Option<Operation>)],
}

const fn lacking(level: Level, name: &'static str, methods: &'static [(&'static str, Option<Operation>)]) -> SubResource {
    SubResource { level, name, methods }
}

const GET: &[(&str, Option<Operation>)] = &[("GET", None)];
const PUT: &[(&str, Option<Operation>)] = &[("PUT", None)];
const POST: &[(&str, Option<Operation>)] = &[("POST", None)];
const GET_PUT: &[(&str, Option<Operation>)] = &[("GET", None), ("PUT", None)];
const GET_PUT_DELETE: &[(&str, Option<Operation>)] = &[("GET", None), ("PUT", None), ("DELETE", None)];
const GET_POST_DELETE: &[(&str, Option<Operation>)] = &[("GET", None), ("POST", None), ("DELETE", None)];

/// S3's sub-resources, from the service description that its SDKs are made of.
const SUB_RESOURCES: &[SubResource] = &[
    SubResource { level: Level::Bucket, name: "location", methods: &[("GET", Some(Operation::GetBucketLocation))] },
    SubResource { level: Level::Bucket, name: "versioning", methods: &[("GET", Some(Operation::GetBucketVersioning)), ("PUT", None)] },
    SubResource { level: Level::Bucket, name: "uploads", methods: &[("GET", Some(Operation::ListMultipartUploads))] },
    SubResource { level: Level::Bucket, name: "delete", methods: &[("POST", Some(Operation::DeleteObjects))] },
    SubResource {
        level: Level::Bucket,
        name: "tagging",
        methods: &[
            ("GET", Some(Operation::GetBucketTagging)),
            ("PUT", Some(Operation::PutBucketTagging)),
            ("DELETE", Some(Operation::DeleteBucketTagging)),
        ],
    },
    SubResource {
        level: Level::Object,
        name: "tagging",
        methods: &[
            ("GET", Some(Operation::GetObjectTagging)),
            ("PUT", Some(Operation::PutObjectTagging)),
            ("DELETE", Some(Operation::DeleteObjectTagging)),
        ],
    },
    SubResource { level: Level::Object, name: "attributes", methods: &[("GET", Some(Operation::GetObjectAttributes))] },
    SubResource { level: Level::Object, name: "renameObject", methods: &[("PUT", Some(Operation::RenameObject))] },
    SubResource { level: Level::Object, name: "uploads", methods: &[("POST", Some(Operation::CreateMultipartUpload))] },
    SubResource {
        level: Level::Object,
        name: "uploadId",
        methods: &[
            ("GET", Some(Operation::ListParts)),
            ("PUT", Some(Operation::UploadPart)),
            ("POST", Some(Operation::CompleteMultipartUpload)),
            ("DELETE", Some(Operation::AbortMultipartUpload)),
        ],
    },
    lacking(Level::Bucket, "abac", GET_PUT),
    lacking(Level::Bucket, "accelerate", GET_PUT),
    lacking(Level::Bucket, "acl", GET_PUT),
    lacking(Level::Bucket, "analytics", GET_PUT_DELETE),
    lacking(Level::Bucket, "cors", GET_PUT_DELETE),
    lacking(Level::Bucket, "encryption", GET_PUT_DELETE),
    lacking(Level::Bucket, "intelligent-tiering", GET_PUT_DELETE),
    lacking(Level::Bucket, "inventory", GET_PUT_DELETE),
    lacking(Level::Bucket, "lifecycle", GET_PUT_DELETE),
    lacking(Level::Bucket, "logging", GET_PUT),
    lacking(Level::Bucket, "metadataConfiguration", GET_POST_DELETE),
    lacking(Level::Bucket, "metadataInventoryTable", PUT),
    lacking(Level::Bucket, "metadataJournalTable", PUT),
    lacking(Level::Bucket, "metadataTable", GET_POST_DELETE),
    lacking(Level::Bucket, "metrics", GET_PUT_DELETE),
    lacking(Level::Bucket, "notification", GET_PUT),
    lacking(Level::Bucket, "object-lock", GET_PUT),
    lacking(Level::Bucket, "ownershipControls", GET_PUT_DELETE),
    lacking(Level::Bucket, "policy", GET_PUT_DELETE),
    lacking(Level::Bucket, "policyStatus", GET),
    lacking(Level::Bucket, "publicAccessBlock", GET_PUT_DELETE),
    lacking(Level::Bucket, "replication", GET_PUT_DELETE),
    lacking(Level::Bucket, "requestPayment", GET_PUT),
    lacking(Level::Bucket, "session", GET),
    lacking(Level::Bucket, "versions", GET),
    lacking(Level::Bucket, "website", GET_PUT_DELETE),
    lacking(Level::Object, "acl", GET_PUT),
    lacking(Level::Object, "encryption", PUT),
    lacking(Level::Object, "legal-hold", GET_PUT),
    lacking(Level::Object, "restore", POST),
    lacking(Level::Object, "retention", GET_PUT),
    lacking(Level::Object, "select", POST),
    lacking(Level::Object, "torrent", GET),
];

fn resolve(method: &Method, level: Level, query: &Query, copies: bool) -> Result<Operation, S3Error> {
    if *method == Method::OPTIONS {
        return Err(S3Error::new(Code::AccessForbidden));
    }
    let mut named = query.iter().map(|(name, _)| name).filter(|name| SUB_RESOURCES.iter().any(|s| s.name == *name));
    let operation = match (named.next(), named.next()) {
        (None, _) => without_sub_resource(method, level, query)?,
        (Some(name), None) => of_sub_resource(method, level, name)?,
        (Some(name), Some(other)) => {
            let message = format!("Conflicting query string parameters: {name}, {other}. Send one of them.");
            return Err(S3Error::invalid_argument("ResourceType", name, message));
        }
    };
    match operation {
        Operation::PutObject if copies => Ok(Operation::CopyObject),
        Operation::UploadPart | Operation::UploadPartCopy => match part_number(query)? {
            None => {
                Err(S3Error::invalid_argument("partNumber", "", "A part is uploaded with both uploadId and partNumber; add partNumber."))
            }
            Some(_) if copies => Ok(Operation::UploadPartCopy),
            Some(_) => Ok(Operation::UploadPart),
        },
        Operation::ListParts if query.has("partNumber") => {
            Err(S3Error::invalid_argument("partNumber", "", "ListParts takes part-number-marker; a part is read without uploadId."))
        }
        operation => Ok(operation),
    }
}

fn of_sub_resource(method: &Method, level: Level, name: &str) -> Result<Operation, S3Error> {
    let Some(sub_resource) = SUB_RESOURCES.iter().find(|s| s.level == level && s.name == name) else {
        let message = format!("The sub-resource \"{name}\" does not belong to this kind of resource.");
        return Err(S3Error::invalid_argument("ResourceType", name, message));
    };
    match sub_resource.methods.iter().find(|(m, _)| *m == method.as_str()) {
        Some((_, Some(operation))) => Ok(*operation),
        Some((_, None)) => Err(S3Error::resource_not_implemented(name)),
        None => Err(method_not_allowed(method, name, sub_resource.methods.iter().map(|(m, _)| *m))),
    }
}

fn without_sub_resource(method: &Method, level: Level, query: &Query) -> Result<Operation, S3Error> {
    use Level::{Bucket, Object, Service};
    match (level, method.as_str()) {
        (Service, "GET") => Ok(Operation::ListBuckets),
        (Service, _) => Err(method_not_allowed(method, "SERVICE", ["GET"])),
        (Bucket, "GET") => match query.get("list-type") {
            None => Ok(Operation::ListObjects),
            Some("2") => Ok(Operation::ListObjectsV2),
            Some(other) => {
                Err(S3Error::invalid_argument("list-type", other, "Invalid list type: send list-type=2, or leave it out for version 1."))
            }
        },
        (Bucket, "HEAD") => Ok(Operation::HeadBucket),
        (Bucket, "PUT") => Ok(Operation::CreateBucket),
        (Bucket, "DELETE") => Ok(Operation::DeleteBucket),
        (Bucket, "POST") => Err(S3Error::resource_not_implemented("POST Object (browser form)")),
        (Bucket, _) => Err(method_not_allowed(method, "BUCKET", ["GET", "HEAD", "PUT", "DELETE", "POST"])),
        (Object, "GET") => Ok(Operation::GetObject),
        (Object, "HEAD") => Ok(Operation::HeadObject),
        (Object, "PUT") => Ok(Operation::PutObject),
        (Object, "DELETE") => Ok(Operation::DeleteObject),
        (Object, _) => Err(method_not_allowed(method, "OBJECT", ["GET", "HEAD", "PUT", "DELETE"])),
    }
}

fn method_not_allowed(method: &Method, resource: &str, allowed: impl IntoIterator<Item = &'static str>) -> S3Error {
    let allowed = allowed.into_iter().collect::<Vec<_>>().join(", ");
    let error = S3Error::new(Code::MethodNotAllowed).with_field("Method", method.as_str()).with_field("ResourceType", resource);
    match HeaderValue::from_str(&allowed) {
        Ok(value) => error.with_header(header::ALLOW, value),
        Err(_) => error,
    }
}

/// Refuses parameters that might change what a write means, and versions that cannot exist.
fn check_parameters(operation: Operation, query: &Query) -> Result<(), S3Error> {
    let known = |name: &str| operation.parameters().contains(&name);
    // The parameters of Signature Version 2 are for `auth` to refuse, with a word on what to send instead.
    let ignored = |name: &str| {
        ["AWSAccessKeyId", "Signature", "Expires"].contains(&name)
            || name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"))
            || is_hoisted_header(name)
    };
    if operation.is_write()
        && let Some((name, value)) = query.iter().find(|(name, _)| !known(name) && !ignored(name))
    {
        let message =
            format!("{} does not take the query parameter \"{name}\". Nothing was changed; send the request without it.", operation.name());
        return Err(S3Error::invalid_argument(name, value, message));
    }
    match query.get("versionId") {
        Some("") if known("versionId") => Err(S3Error::invalid_argument("versionId", "", "Version id cannot be the empty string")),
        Some(id) if known("versionId") && id != "null" => Err(S3Error::new(Code::NoSuchVersion).with_field("VersionId", id)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
