//! Pieces of responses that several operations share.

use holdfast_model::{Checksum, ChecksumKind, ETag, Generation, Timestamp};
use holdfast_objects::{ObjectHead, StoredChecksum, Written};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::{
    body::WireBody,
    checksums::{WireChecksum, checksum_header},
    dates::http_date,
    headers::insert_attributes,
    service::full,
    xml::ChecksumFields,
};

/// The header that carries the number of a write.
const GENERATION: &str = "x-holdfast-generation";

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<WireBody> {
    let mut response = Response::new(full(bytes::Bytes::new()));
    *response.status_mut() = status;
    response
}

/// 200 with a document.
pub(super) fn document(xml: String) -> Response<WireBody> {
    let mut response = Response::new(full(xml.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Sets a header whose value we made ourselves.
pub(super) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

pub(super) fn set_etag(headers: &mut HeaderMap, etag: &ETag) {
    set(headers, "etag", &etag.quoted());
}

pub(super) fn set_generation(headers: &mut HeaderMap, generation: Generation) {
    set(headers, GENERATION, &generation.0.to_string());
}

pub(super) fn set_last_modified(headers: &mut HeaderMap, at: Timestamp) {
    set(headers, "last-modified", &http_date(at));
}

pub(super) fn set_checksum(headers: &mut HeaderMap, checksum: &Checksum, kind: Option<ChecksumKind>, parts: Option<u16>) {
    let wire = WireChecksum { checksum: checksum.clone(), parts: parts.filter(|_| kind == Some(ChecksumKind::Composite)) };
    set(headers, checksum_header(checksum.algorithm()), &wire.text());
    if let Some(kind) = kind {
        set(headers, "x-amz-checksum-type", kind.name());
    }
}

/// The headers of a write that took effect, or had taken effect.
pub(super) fn set_written(headers: &mut HeaderMap, written: &Written) {
    set_etag(headers, &written.etag);
    set_generation(headers, written.generation);
}

/// The headers of an object, but for its length and range.
pub(super) fn set_object(headers: &mut HeaderMap, object: &ObjectHead) {
    insert_attributes(&object.attributes, headers);
    if !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("binary/octet-stream"));
    }
    set_etag(headers, &object.current.etag);
    set_last_modified(headers, object.current.last_modified);
    set_generation(headers, object.current.generation);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if !object.tags.is_empty() {
        set(headers, "x-amz-tagging-count", &object.tags.len().to_string());
    }
}

/// A stored checksum as documents show it; `parts` is how many parts the object has.
pub(super) fn checksum_fields(stored: &StoredChecksum, parts: Option<u16>) -> ChecksumFields {
    let parts = parts.filter(|_| stored.kind == ChecksumKind::Composite);
    ChecksumFields { value: WireChecksum { checksum: stored.checksum.clone(), parts }, kind: Some(stored.kind) }
}
