//! Requests in, answers out: as much of S3 over HTTP as the checker uses, path style.
//!
//! What it does not know it refuses with 501, so that no request is taken for another.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, Response, body::Incoming};
use md5::{Digest, Md5};
use percent_encoding::percent_decode_str;

use super::{
    fault::Operation,
    store::{Conditions, Name, Object, Refusal, Side, Store, Write, pause},
};

type Answer = Response<Full<Bytes>>;
type Query = HashMap<String, String>;

/// Why a request has another answer than it hoped for.
enum Failure {
    Refused(Refusal),
    Invalid(String),
    NoSuchBucket,
    NotEmpty,
    Exists,
    NotImplemented(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

type Answered = Result<Answer, Failure>;

/// A request whose head was read.
struct Call {
    store: Arc<Store>,
    endpoint: usize,
    method: Method,
    headers: HeaderMap,
    query: Query,
    bucket: String,
    key: String,
    body: Incoming,
}

pub(super) async fn answer(store: Arc<Store>, endpoint: usize, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let is_head = head.method == Method::HEAD;
    let path = percent_decode_str(head.uri.path()).decode_utf8_lossy().into_owned();
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    let call = Call {
        store,
        endpoint,
        method: head.method,
        headers: head.headers,
        query: query(head.uri.query().unwrap_or_default()),
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        body,
    };
    let resource = path.clone();
    let answer = call.route().await.unwrap_or_else(|failure| failure.render(&resource));
    if is_head && !answer.status().is_success() {
        return Ok(answer.map(|_| Full::default()));
    }
    Ok(answer)
}

fn query(text: &str) -> Query {
    let decode = |s: &str| percent_decode_str(&s.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

impl Call {
    async fn route(self) -> Answered {
        if self.key.is_empty() {
            return self.route_bucket();
        }
        if !self.store.has_bucket(&self.bucket) {
            return Err(Failure::NoSuchBucket);
        }
        if let Some(name) = self.unknown_verb() {
            return Err(Failure::NotImplemented(name));
        }
        let has = |name: &str| self.query.contains_key(name);
        match self.method {
            Method::GET | Method::HEAD if !has("uploadId") => self.read().await,
            Method::PUT if has("renameObject") => self.rename().await,
            Method::PUT if has("uploadId") => self.put_part().await,
            Method::PUT if self.headers.contains_key("x-amz-copy-source") => self.copy().await,
            Method::PUT => self.put().await,
            Method::POST if has("uploads") => self.begin(),
            Method::POST if has("uploadId") => self.complete().await,
            Method::DELETE if has("uploadId") => self.abort(),
            Method::DELETE => self.delete().await,
            _ => Err(Failure::NotImplemented("this method".to_owned())),
        }
    }

    fn route_bucket(self) -> Answered {
        if self.method != Method::GET && self.method != Method::HEAD {
            self.has_no_condition()?;
        }
        let exists = self.store.has_bucket(&self.bucket);
        match self.method {
            Method::GET if self.bucket.is_empty() => Ok(xml("<ListAllMyBucketsResult><Buckets></Buckets></ListAllMyBucketsResult>")),
            Method::PUT if self.query.is_empty() => {
                if self.store.create_bucket(&self.bucket) {
                    Ok(empty(200))
                } else {
                    Err(Failure::Exists)
                }
            }
            _ if !exists => Err(Failure::NoSuchBucket),
            Method::HEAD => Ok(empty(200)),
            Method::DELETE if self.query.is_empty() => {
                if self.store.delete_bucket(&self.bucket) {
                    Ok(empty(204))
                } else {
                    Err(Failure::NotEmpty)
                }
            }
            Method::GET if self.query.get("list-type").is_some_and(|t| t == "2") => self.list(),
            _ => Err(Failure::NotImplemented("this request to a bucket".to_owned())),
        }
    }

    /// A query parameter or a header that changes what is meant, and is not known here.
    fn unknown_verb(&self) -> Option<String> {
        const KNOWN: &[&str] = &["renameobject", "uploads", "uploadid", "partnumber", "if-match", "if-none-match"];
        const KNOWN_HEADERS: &[&str] = &[
            "if-match",
            "if-none-match",
            "x-amz-copy-source-if-match",
            "x-amz-copy-source-if-none-match",
            "x-amz-rename-source-if-match",
            "x-amz-rename-source-if-none-match",
        ];
        let verb =
            self.query.keys().map(|name| name.to_lowercase()).find(|name| !name.starts_with("x-") && !KNOWN.contains(&name.as_str()));
        let is_read = self.method == Method::GET || self.method == Method::HEAD;
        let header = self.headers.keys().map(|name| name.as_str().to_owned()).find(|name| {
            let looks_like_one = name.starts_with("if-") || name.contains("-if-") || name == "x-amz-write-offset-bytes";
            looks_like_one && !is_read && !KNOWN_HEADERS.contains(&name.as_str())
        });
        verb.or(header)
    }

    fn name(&self) -> Name {
        (self.bucket.clone(), self.key.clone())
    }

    async fn read(self) -> Answered {
        let seen = self.store.read(&self.name()).await.ok_or(Refusal::NoSuchKey)?;
        let mut answer = Response::builder().header("ETag", format!("\"{}\"", seen.etag)).header("Last-Modified", LONG_AGO);
        if self.is_unchanged(&seen.etag)? {
            return Ok(answer.status(304).body(Full::default()).expect("a head of known headers"));
        }
        for (name, value) in &seen.metadata {
            answer = answer.header(name, value);
        }
        if self.method == Method::HEAD {
            return Ok(answer.header("Content-Length", seen.body.len()).body(Full::default()).expect("a head of known headers"));
        }
        Ok(answer.body(Full::new(seen.body.clone())).expect("a head of known headers"))
    }

    /// The conditions of a read: 412, or whether it is 304.
    fn is_unchanged(&self, etag: &str) -> Result<bool, Refusal> {
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let is_newer_than = |date: &str| seconds(date).is_some_and(|date| seconds(LONG_AGO).is_some_and(|modified| modified > date));
        match (header("if-match"), header("if-unmodified-since")) {
            (Some(tags), _) if !is_listed(tags, etag) => return Err(Refusal::Failed("If-Match")),
            (None, Some(date)) if is_newer_than(date) => return Err(Refusal::Failed("If-Unmodified-Since")),
            _ => {}
        }
        Ok(match (header("if-none-match"), header("if-modified-since")) {
            (Some(tags), _) => is_listed(tags, etag),
            (None, Some(date)) => {
                let is_past = seconds(date).is_some_and(|date| date <= jiff::Timestamp::now().as_second());
                is_past && !is_newer_than(date)
            }
            (None, None) => false,
        })
    }

    async fn put(self) -> Answered {
        let (name, conditions) = (self.name(), self.conditions(Operation::Put)?);
        let metadata = metadata(&self.headers);
        let was_absent = self.store.early(self.endpoint, &name, &conditions)?;
        let body = whole(self.body).await?;
        let etag = hex::encode(Md5::digest(&body));
        let object = Arc::new(Object { body, etag, metadata });
        let write = Write { operation: Operation::Put, endpoint: self.endpoint, name: &name, conditions: &conditions, object, was_absent };
        Ok(tagged(&self.store.write(write).await?))
    }

    async fn copy(self) -> Answered {
        let (name, conditions) = (self.name(), self.conditions(Operation::Copy)?);
        let source = self.named_by("x-amz-copy-source")?;
        let on_source = self.source_conditions("x-amz-copy-source", Side::CopySource, Operation::Copy)?;
        let replaces = self.headers.get("x-amz-metadata-directive").is_some_and(|v| v == "REPLACE");
        if source == name && !replaces {
            return Err(Failure::Invalid("a copy onto itself changes nothing".to_owned()));
        }
        let metadata = replaces.then(|| metadata(&self.headers));
        let etag = self.store.copy(self.endpoint, (&source, &on_source), (&name, &conditions), metadata).await?;
        Ok(xml(&format!("<CopyObjectResult><ETag>&quot;{etag}&quot;</ETag><LastModified>{DATE}</LastModified></CopyObjectResult>")))
    }

    async fn rename(self) -> Answered {
        let (name, conditions) = (self.name(), self.conditions(Operation::Rename)?);
        let source = self.named_by("x-amz-rename-source")?;
        let on_source = self.source_conditions("x-amz-rename-source", Side::RenameSource, Operation::Rename)?;
        if source == name {
            return Err(Failure::Invalid("the source is the destination".to_owned()));
        }
        self.store.rename(self.endpoint, (&source, &on_source), (&name, &conditions)).await?;
        Ok(empty(200))
    }

    async fn delete(self) -> Answered {
        if self.headers.keys().any(|name| name.as_str().starts_with("x-amz-if-match-")) {
            return Err(Failure::NotImplemented("x-amz-if-match-*".to_owned()));
        }
        let conditions = self.conditions(Operation::Delete)?;
        if conditions.differs.is_some() {
            return Err(Failure::Invalid("If-None-Match of a delete".to_owned()));
        }
        self.store.delete(self.endpoint, &self.name(), &conditions).await?;
        Ok(empty(204))
    }

    fn begin(self) -> Answered {
        self.has_no_condition()?;
        let id = self.store.begin(&self.name(), metadata(&self.headers));
        let (bucket, key) = (escape(&self.bucket), escape(&self.key));
        Ok(xml(&format!(
            "<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
        )))
    }

    async fn put_part(self) -> Answered {
        if self.headers.contains_key("x-amz-copy-source") {
            return Err(Failure::NotImplemented("UploadPartCopy".to_owned()));
        }
        self.has_no_condition()?;
        let number = self.query.get("partNumber").and_then(|n| n.parse().ok());
        let number = number.ok_or_else(|| Failure::Invalid("partNumber".to_owned()))?;
        let (name, id) = (self.name(), self.query["uploadId"].clone());
        let body = whole(self.body).await?;
        let etag = hex::encode(Md5::digest(&body));
        if self.store.add_part(&name, &id, number, body) { Ok(tagged(&etag)) } else { Err(Refusal::NoSuchUpload.into()) }
    }

    fn abort(self) -> Answered {
        if self.store.abort(&self.name(), &self.query["uploadId"]) { Ok(empty(204)) } else { Err(Refusal::NoSuchUpload.into()) }
    }

    async fn complete(self) -> Answered {
        let (name, id) = (self.name(), self.query["uploadId"].clone());
        let conditions = self.conditions(Operation::Complete)?;
        let document = String::from_utf8_lossy(&whole(self.body).await?).into_owned();
        if let Some(etag) = self.store.completed(&name, &id) {
            return Ok(completed(&etag));
        }
        let upload = self.store.upload(&name, &id).ok_or(Refusal::NoSuchUpload)?;
        let wanted: Vec<u32> = document.split("<PartNumber>").skip(1).filter_map(|s| s.split('<').next()?.trim().parse().ok()).collect();
        let parts: Option<Vec<Bytes>> = wanted.iter().map(|number| upload.parts.get(number).cloned()).collect();
        let parts = parts.filter(|p| !p.is_empty()).ok_or_else(|| Failure::Invalid("InvalidPart".to_owned()))?;
        let digests: Vec<u8> = parts.iter().flat_map(Md5::digest).collect();
        let etag = format!("{}-{}", hex::encode(Md5::digest(&digests)), parts.len());
        let object = Arc::new(Object { body: parts.concat().into(), etag: etag.clone(), metadata: upload.metadata.clone() });
        let write = Write {
            operation: Operation::Complete,
            endpoint: self.endpoint,
            name: &name,
            conditions: &conditions,
            object,
            was_absent: false,
        };
        self.store.write(write).await?;
        self.store.remember_completed(&name, &id, &etag);
        Ok(completed(&etag))
    }

    fn list(self) -> Answered {
        let text = |name: &str| self.query.get(name).cloned().unwrap_or_default();
        if !text("delimiter").is_empty() {
            return Err(Failure::NotImplemented("delimiter".to_owned()));
        }
        let limit = self.query.get("max-keys").and_then(|n| n.parse().ok()).unwrap_or(1000).min(1000);
        let after = if self.query.contains_key("continuation-token") { text("continuation-token") } else { text("start-after") };
        let (page, is_truncated) = self.store.list(&self.bucket, &text("prefix"), &after, limit);
        let contents: String = page
            .iter()
            .map(|(key, object)| {
                let (key, etag, size) = (escape(key), &object.etag, object.body.len());
                format!("<Contents><Key>{key}</Key><LastModified>{DATE}</LastModified><ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size></Contents>")
            })
            .collect();
        let next =
            page.last().filter(|_| is_truncated).map(|(key, _)| format!("<NextContinuationToken>{}</NextContinuationToken>", escape(key)));
        Ok(xml(&format!(
            "<ListBucketResult><Name>{}</Name><KeyCount>{}</KeyCount><IsTruncated>{is_truncated}</IsTruncated>{}{contents}</ListBucketResult>",
            escape(&self.bucket),
            page.len(),
            next.unwrap_or_default(),
        )))
    }

    /// The conditions on the key of the request, as far as this server hears them.
    fn conditions(&self, operation: Operation) -> Result<Conditions, Failure> {
        let presigned = self.query.contains_key("X-Amz-Signature");
        let deaf = self.store.fault().deaf_to(operation, presigned);
        let read = |name: &str| self.condition(name);
        let (differs, matches) = (read("If-None-Match")?, read("If-Match")?);
        let conditions = parse(differs.as_deref(), matches.as_deref(), Side::Target)?;
        let differs = conditions.differs.filter(|_| !deaf.absent);
        Ok(Conditions { differs, matches: conditions.matches.filter(|_| !deaf.matches), ..conditions })
    }

    fn source_conditions(&self, prefix: &str, side: Side, operation: Operation) -> Result<Conditions, Failure> {
        let read = |name: &str| self.condition(&format!("{prefix}-{name}"));
        let conditions = parse(read("if-none-match")?.as_deref(), read("if-match")?.as_deref(), side)?;
        let is_deaf = self.store.fault().deaf_to(operation, false).source;
        Ok(if is_deaf { Conditions { side, ..Conditions::default() } } else { conditions })
    }

    /// A header's value, or the signed query parameter of its name; both must agree.
    fn condition(&self, name: &str) -> Result<Option<String>, Failure> {
        let mut values = self.headers.get_all(name).iter();
        let header = values.next().map(|value| value.to_str().unwrap_or("?").to_owned());
        let parameter = self.query.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
        if values.next().is_some() || (header.is_some() && parameter.is_some() && header != parameter) {
            return Err(Failure::Invalid(name.to_owned()));
        }
        Ok(header.or(parameter))
    }

    /// A request that does not judge conditions must have none.
    fn has_no_condition(&self) -> Result<(), Failure> {
        let found = self.headers.keys().find(|name| name.as_str().starts_with("if-"));
        found.map_or(Ok(()), |name| Err(Failure::Invalid(format!("{name}: PutObject and CompleteMultipartUpload would honour it"))))
    }

    /// The object that a header names: `bucket/key`, with or without a slash in front.
    fn named_by(&self, header: &str) -> Result<Name, Failure> {
        let value = self.headers.get(header).and_then(|v| v.to_str().ok()).ok_or_else(|| Failure::Invalid(header.to_owned()))?;
        let text = percent_decode_str(value).decode_utf8_lossy().into_owned();
        let in_bucket = |path: &str| path.strip_prefix(&format!("{}/", self.bucket)).map(str::to_owned);
        let key = match text.strip_prefix('/') {
            Some(path) => in_bucket(path).ok_or_else(|| Failure::Invalid("the source is in another bucket".to_owned()))?,
            None => in_bucket(&text).unwrap_or(text),
        };
        Ok((self.bucket.clone(), key))
    }
}

/// Waits for the whole body. Rivals commit meanwhile, as they do when it is long.
async fn whole(body: Incoming) -> Result<Bytes, Failure> {
    let body = body.collect().await.map_err(|_| Failure::Refused(Refusal::Unsure))?.to_bytes();
    pause().await;
    Ok(body)
}

fn parse(differs: Option<&str>, matches: Option<&str>, side: Side) -> Result<Conditions, Failure> {
    let invalid = |what: &str| Failure::Invalid(what.to_owned());
    if differs.is_some() && matches.is_some() && side == Side::Target {
        return Err(invalid("If-Match and If-None-Match"));
    }
    if side == Side::Target && differs.is_some_and(|value| value != "*") {
        return Err(invalid("If-None-Match is * on a write"));
    }
    let tag = |value: Option<&str>| value.map(|value| strong_tag(value).ok_or_else(|| invalid("one strong tag, or *"))).transpose();
    Ok(Conditions { differs: tag(differs)?, matches: tag(matches)?, side })
}

fn strong_tag(value: &str) -> Option<String> {
    let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    let is_one = !bare.is_empty() && !bare.contains(['"', ',', ' ']) && !value.starts_with("W/");
    is_one.then(|| bare.to_owned())
}

/// A date of HTTP, in seconds.
fn seconds(date: &str) -> Option<i64> {
    let time = jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S GMT", date).ok()?.to_datetime().ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Whether a list of tags names this one.
fn is_listed(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == etag)
}

fn metadata(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = |name: &str| name.starts_with("x-amz-meta-") || name == "content-type";
    let pairs = headers.iter().filter(|(name, _)| kept(name.as_str()));
    pairs.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

const DATE: &str = "2001-02-03T04:05:06.000Z";
const LONG_AGO: &str = "Sat, 03 Feb 2001 04:05:06 GMT";

fn empty(status: u16) -> Answer {
    Response::builder().status(status).body(Full::default()).expect("a status of known numbers")
}

fn tagged(etag: &str) -> Answer {
    Response::builder().header("ETag", format!("\"{etag}\"")).body(Full::default()).expect("an ETag is hexadecimal")
}

fn completed(etag: &str) -> Answer {
    xml(&format!("<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>"))
}

fn xml(document: &str) -> Answer {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{document}");
    Response::builder().header("Content-Type", "application/xml").body(Full::from(text)).expect("a head of known headers")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Failure {
    fn render(self, resource: &str) -> Answer {
        let key = format!("<Key>{}</Key>", escape(resource.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key)));
        let (status, code, more) = match self {
            Self::Refused(Refusal::NoSuchKey) => (404, "NoSuchKey", key),
            Self::Refused(Refusal::NoSuchUpload) => (404, "NoSuchUpload", String::new()),
            Self::Refused(Refusal::Failed(name)) => (412, "PreconditionFailed", format!("<Condition>{name}</Condition>")),
            Self::Refused(Refusal::Conflict) => (409, "ConditionalRequestConflict", format!("<Condition>If-None-Match</Condition>{key}")),
            Self::Refused(Refusal::Unsure) => (500, "InternalError", String::new()),
            Self::Invalid(what) => (400, "InvalidRequest", format!("<Message>{}</Message>", escape(&what))),
            Self::NoSuchBucket => (404, "NoSuchBucket", String::new()),
            Self::NotEmpty => (409, "BucketNotEmpty", String::new()),
            Self::Exists => (409, "BucketAlreadyOwnedByYou", String::new()),
            Self::NotImplemented(what) => (501, "NotImplemented", format!("<Message>{}</Message>", escape(&what))),
        };
        let more = if more.contains("<Message>") { more } else { format!("<Message>It was not done.</Message>{more}") };
        let ids = "<RequestId>1</RequestId><HostId>here</HostId>";
        let body = format!("<Error><Code>{code}</Code>{more}<Resource>{}</Resource>{ids}</Error>", escape(resource));
        let mut answer = xml(&body);
        *answer.status_mut() = hyper::StatusCode::from_u16(status).expect("a status of known numbers");
        answer
    }
}
