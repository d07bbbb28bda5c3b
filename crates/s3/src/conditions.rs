//! Conditional headers -> `model` condition types. Parsed here, never judged here.
//!
//! One table says which operation honours which header. A condition on a write that cannot honour it is refused, so that
//! nothing is ever written unconditionally by mistake; so is a header that looks like a condition and is not in the table.
//! All functions take the effective headers ([`crate::fields::effective_headers`]).

use holdfast_model::{
    Current, DeleteConditions, ETag, ETagMatch, ETagSet, Generation, ReadConditions, SourceConditions, Timestamp, WriteConditions,
    WriteRule,
};
use http::HeaderMap;

use crate::{
    dates::{parse_either, parse_http_date},
    error::S3Error,
    fields::{ascii, number, single, single_filled},
    route::Operation::{
        self, CompleteMultipartUpload, CopyObject, DeleteObject, GetObject, HeadObject, PutObject, RenameObject, UploadPartCopy,
    },
};

/// A header that makes a request depend on stored state, or names a source.
struct GuardedHeader {
    name: &'static str,
    honoured_by: &'static [Operation],
    /// Reads that do not define an RFC 9110 condition ignore it; any other header here is refused on them too.
    rfc9110: bool,
}

const fn standard(name: &'static str, honoured_by: &'static [Operation]) -> GuardedHeader {
    GuardedHeader { name, honoured_by, rfc9110: true }
}

const fn special(name: &'static str, honoured_by: &'static [Operation]) -> GuardedHeader {
    GuardedHeader { name, honoured_by, rfc9110: false }
}

const GUARDED: &[GuardedHeader] = &[
    standard("if-match", &[GetObject, HeadObject, PutObject, CompleteMultipartUpload, CopyObject, RenameObject, DeleteObject]),
    standard("if-none-match", &[GetObject, HeadObject, PutObject, CompleteMultipartUpload, CopyObject, RenameObject]),
    standard("if-modified-since", &[GetObject, HeadObject, RenameObject]),
    standard("if-unmodified-since", &[GetObject, HeadObject, RenameObject]),
    standard("if-range", &[GetObject, HeadObject]),
    special("x-amz-copy-source", &[CopyObject, UploadPartCopy]),
    special("x-amz-copy-source-range", &[UploadPartCopy]),
    special("x-amz-copy-source-if-match", &[CopyObject, UploadPartCopy]),
    special("x-amz-copy-source-if-none-match", &[CopyObject, UploadPartCopy]),
    special("x-amz-copy-source-if-modified-since", &[CopyObject, UploadPartCopy]),
    special("x-amz-copy-source-if-unmodified-since", &[CopyObject, UploadPartCopy]),
    special("x-amz-rename-source", &[RenameObject]),
    special("x-amz-rename-source-if-match", &[RenameObject]),
    special("x-amz-rename-source-if-none-match", &[RenameObject]),
    special("x-amz-rename-source-if-modified-since", &[RenameObject]),
    special("x-amz-rename-source-if-unmodified-since", &[RenameObject]),
    special("x-amz-if-match-size", &[DeleteObject]),
    special("x-amz-if-match-last-modified-time", &[DeleteObject]),
    special("x-holdfast-if-generation-match", &[PutObject, CompleteMultipartUpload, CopyObject, RenameObject, DeleteObject]),
    special("x-amz-write-offset-bytes", &[PutObject]),
];

/// Refuses what `operation` was sent and would otherwise overlook.
///
/// # Errors
/// 400 InvalidRequest that names the header and the operations that honour it.
pub fn refuse_unsupported(operation: Operation, headers: &HeaderMap) -> Result<(), S3Error> {
    for name in headers.keys().map(http::HeaderName::as_str) {
        match GUARDED.iter().find(|g| g.name == name) {
            Some(guarded) if guarded.honoured_by.contains(&operation) => {}
            Some(guarded) if guarded.rfc9110 && !operation.is_write() => {}
            Some(guarded) => return Err(not_honoured(operation, name, guarded.honoured_by)),
            None if reads_as_a_condition(name) => return Err(not_honoured(operation, name, &[])),
            None => {}
        }
    }
    Ok(())
}

/// Other vendors' conditions (`x-goog-if-generation-match`, `cf-copy-destination-if-match`) and those still to come.
fn reads_as_a_condition(name: &str) -> bool {
    !name.starts_with("x-amz-meta-") && (name == "if" || name.starts_with("if-") || name.contains("-if-"))
}

/// Whether the request depends on stored state by any condition.
pub fn is_conditional(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| reads_as_a_condition(name.as_str()))
}

fn not_honoured(operation: Operation, name: &str, honoured_by: &[Operation]) -> S3Error {
    let whom = match honoured_by {
        [] => "No operation of this server honours it".to_owned(),
        some => format!("It is honoured by {}", some.iter().map(|o| o.name()).collect::<Vec<_>>().join(", ")),
    };
    S3Error::invalid_header(name, format!("{} cannot honour the header {name}; nothing was changed. {whom}.", operation.name()))
}

/// Conditions on the destination of PutObject, CompleteMultipartUpload, CopyObject or RenameObject.
///
/// # Errors
/// 400 InvalidRequest for every form that section 2 of the contract refuses.
pub fn write_conditions(operation: Operation, headers: &HeaderMap) -> Result<WriteConditions, S3Error> {
    let if_match = single_filled(headers, "if-match")?;
    let if_none_match = single_filled(headers, "if-none-match")?;
    let rule = match (if_match, if_none_match) {
        (None, None) => WriteRule::Always,
        (Some(tag), None) => WriteRule::IfMatch(etag_match("if-match", tag)?),
        (None, Some("*")) => WriteRule::CreateOnly,
        (None, Some(_)) => {
            let message = "On a write, If-None-Match takes only * without quotes: write if there is no object. To replace a known object send If-Match.";
            return Err(S3Error::invalid_header("if-none-match", message));
        }
        (Some(_), Some(_)) => {
            return Err(S3Error::invalid_header(
                "if-match,if-none-match",
                "If-Match and If-None-Match exclude each other on a write; send one.",
            ));
        }
    };
    let dates = operation == RenameObject;
    Ok(WriteConditions {
        rule,
        generation: generation(headers)?,
        modified_since: if dates { strict_date(headers, "if-modified-since")? } else { None },
        unmodified_since: if dates { strict_date(headers, "if-unmodified-since")? } else { None },
    })
}

/// Conditions of DeleteObject.
///
/// # Errors
/// 400 InvalidRequest for a form that cannot be judged, 400 InvalidArgument for a number that is none.
pub fn delete_conditions(headers: &HeaderMap) -> Result<DeleteConditions, S3Error> {
    const TIME: &str = "x-amz-if-match-last-modified-time";
    let last_modified = match single_filled(headers, TIME)? {
        None => None,
        Some(text) => Some(parse_either(text).ok_or_else(|| unreadable_date(TIME))?),
    };
    Ok(DeleteConditions {
        if_match: single_filled(headers, "if-match")?.map(|tag| etag_match("if-match", tag)).transpose()?,
        size: number(headers, "x-amz-if-match-size")?,
        last_modified,
        generation: generation(headers)?,
    })
}

/// One strong tag or `*`, as a write's If-Match and the `<ETag>` of a delete entry have it.
///
/// # Errors
/// 400 InvalidRequest for a weak tag, a list or an empty text.
pub fn etag_match(name: &'static str, text: &str) -> Result<ETagMatch, S3Error> {
    match text {
        "*" => Ok(ETagMatch::Any),
        tag => ETag::parse(tag).map(ETagMatch::Exactly).map_err(|why| S3Error::invalid_header(name, format!("{name}: {why}."))),
    }
}

/// `x-amz-write-offset-bytes`: append at this offset.
///
/// # Errors
/// 400 for anything but one whole number.
pub fn write_offset(headers: &HeaderMap) -> Result<Option<u64>, S3Error> {
    number(headers, "x-amz-write-offset-bytes")
}

fn generation(headers: &HeaderMap) -> Result<Option<Generation>, S3Error> {
    Ok(number(headers, "x-holdfast-if-generation-match")?.map(Generation))
}

/// Conditions of GetObject and HeadObject. A date that cannot be read is ignored (RFC 9110 section 13.1.3).
///
/// # Errors
/// 400 InvalidRequest for bytes outside ASCII or a date given twice.
pub fn read_conditions(headers: &HeaderMap) -> Result<ReadConditions, S3Error> {
    Ok(ReadConditions {
        if_match: tag_list(headers, "if-match")?,
        if_none_match: tag_list(headers, "if-none-match")?,
        modified_since: single(headers, "if-modified-since")?.and_then(parse_http_date),
        unmodified_since: single(headers, "if-unmodified-since")?.and_then(parse_http_date),
    })
}

/// Conditions on the source of CopyObject and UploadPartCopy.
///
/// # Errors
/// 400 InvalidRequest for what cannot be read: it guards a write, so it is never ignored.
pub fn copy_source_conditions(headers: &HeaderMap) -> Result<SourceConditions, S3Error> {
    source_conditions(
        headers,
        [
            "x-amz-copy-source-if-match",
            "x-amz-copy-source-if-none-match",
            "x-amz-copy-source-if-modified-since",
            "x-amz-copy-source-if-unmodified-since",
        ],
    )
}

/// Conditions on the source of RenameObject.
///
/// # Errors
/// 400 InvalidRequest for what cannot be read: it guards a write, so it is never ignored.
pub fn rename_source_conditions(headers: &HeaderMap) -> Result<SourceConditions, S3Error> {
    source_conditions(
        headers,
        [
            "x-amz-rename-source-if-match",
            "x-amz-rename-source-if-none-match",
            "x-amz-rename-source-if-modified-since",
            "x-amz-rename-source-if-unmodified-since",
        ],
    )
}

fn source_conditions(headers: &HeaderMap, names: [&'static str; 4]) -> Result<SourceConditions, S3Error> {
    let [if_match, if_none_match, modified_since, unmodified_since] = names;
    let tags = |name| -> Result<Option<ETagSet>, S3Error> { Ok(single_filled(headers, name)?.map(parse_tag_list)) };
    Ok(SourceConditions(ReadConditions {
        if_match: tags(if_match)?,
        if_none_match: tags(if_none_match)?,
        modified_since: strict_date(headers, modified_since)?,
        unmodified_since: strict_date(headers, unmodified_since)?,
    }))
}

fn strict_date(headers: &HeaderMap, name: &'static str) -> Result<Option<Timestamp>, S3Error> {
    match single_filled(headers, name)? {
        None => Ok(None),
        Some(text) => parse_either(text).map(Some).ok_or_else(|| unreadable_date(name)),
    }
}

fn unreadable_date(name: &'static str) -> S3Error {
    S3Error::invalid_header(name, format!("{name} is not a date; send one like Sun, 06 Nov 1994 08:49:37 GMT."))
}

/// Several fields of one name are one list (RFC 9110 section 5.3).
fn tag_list(headers: &HeaderMap, name: &'static str) -> Result<Option<ETagSet>, S3Error> {
    let mut tags: Option<ETagSet> = None;
    for value in headers.get_all(name) {
        tags = Some(match (tags, parse_tag_list(ascii(name, value)?)) {
            (Some(ETagSet::Any), _) | (_, ETagSet::Any) => ETagSet::Any,
            (Some(ETagSet::OneOf(mut earlier)), ETagSet::OneOf(more)) => {
                earlier.extend(more);
                ETagSet::OneOf(earlier)
            }
            (None, first) => first,
        });
    }
    Ok(tags)
}

/// Reads `*` or a list of tags, strong or weak, quoted or not. A text that no entity tag of ours can equal is left out: it
/// matches nothing either way.
pub fn parse_tag_list(text: &str) -> ETagSet {
    let text = text.trim_matches([' ', '\t']);
    if text == "*" {
        return ETagSet::Any;
    }
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return ETagSet::OneOf(tags);
        }
        let (weak, unmarked) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let quoted = unmarked.strip_prefix('"').and_then(|inner| inner.split_once('"'));
        let (tag, after) = quoted.unwrap_or_else(|| unmarked.split_once(',').unwrap_or((unmarked, "")));
        if let Ok(tag) = ETag::parse(tag.trim_end_matches([' ', '\t'])) {
            tags.push((tag, weak));
        }
        rest = after;
    }
}

/// `If-Range`: whether a Range header is to be honoured (RFC 9110 section 13.1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfRange {
    /// A strong tag.
    Tag(ETag),
    /// A date, compared exactly.
    Date(Timestamp),
    /// A weak tag or something unreadable: never holds, the whole object is sent.
    Never,
}

impl IfRange {
    /// Whether the range may be served from `current`.
    pub fn holds(&self, current: &Current) -> bool {
        match self {
            Self::Tag(tag) => *tag == current.etag,
            Self::Date(date) => date.secs() == current.last_modified.secs(),
            Self::Never => false,
        }
    }
}

/// Reads `If-Range`.
///
/// # Errors
/// 400 InvalidRequest if it comes twice or not in ASCII.
pub fn if_range(headers: &HeaderMap) -> Result<Option<IfRange>, S3Error> {
    let Some(text) = single(headers, "if-range")? else { return Ok(None) };
    let date = parse_http_date(text).map(IfRange::Date);
    Ok(Some(date.unwrap_or_else(|| ETag::parse(text).map_or(IfRange::Never, IfRange::Tag))))
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
