//! Conditional headers, ranges and dates, against a second reading written from `docs/consistency.md`.

use holdfast_model::{Arrival, ByteRange, Current, DeleteConditions, ETag, ETagMatch, Generation, Timestamp, WriteConditions, WriteRule};
use holdfast_s3::{
    conditions as read, dates,
    error::Code,
    fields::effective_headers,
    query::Query,
    route::Operation::{
        self, CompleteMultipartUpload, CopyObject, DeleteObject, GetObject, HeadObject, PutObject, RenameObject, UploadPartCopy,
    },
    sources,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::input::Input;

const NAMES: [&str; 18] = [
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
    "x-holdfast-if-generation-match",
    "x-amz-if-match-size",
    "x-amz-if-match-last-modified-time",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-rename-source-if-match",
    "x-amz-rename-source-if-none-match",
    "x-amz-rename-source-if-modified-since",
    "x-amz-rename-source-if-unmodified-since",
    "x-goog-if-generation-match",
    "x-amz-meta-if-match",
];

/// Which of [`NAMES`] an operation honours, from sections 2 to 5 of the contract.
fn honours(operation: Operation, name: &str) -> bool {
    let written = [PutObject, CompleteMultipartUpload, CopyObject, RenameObject];
    let reads = [GetObject, HeadObject].contains(&operation);
    match name {
        "if-match" => reads || operation == DeleteObject || written.contains(&operation),
        "if-none-match" => reads || written.contains(&operation),
        "if-modified-since" | "if-unmodified-since" => reads || operation == RenameObject,
        "if-range" => reads,
        "x-holdfast-if-generation-match" => operation == DeleteObject || written.contains(&operation),
        "x-amz-if-match-size" | "x-amz-if-match-last-modified-time" => operation == DeleteObject,
        "x-amz-meta-if-match" => true,
        copy if copy.starts_with("x-amz-copy-source-if-") => [CopyObject, UploadPartCopy].contains(&operation),
        rename if rename.starts_with("x-amz-rename-source-if-") => operation == RenameObject,
        _ => false,
    }
}

type Given = Vec<(&'static str, Vec<u8>)>;

pub(crate) fn conditions(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let operation = *input.pick(Operation::ALL);
    let mut given: Given = Vec::new();
    while !input.is_empty() && given.len() < 8 {
        let name = *input.pick(&NAMES);
        let value = input.field();
        if HeaderValue::from_bytes(value).is_ok() {
            given.push((name, value.to_vec()));
        }
    }
    let headers = |given: &Given| {
        let pairs = given.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()));
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    };
    let headers = headers(&given);
    let overlooked = |name: &str| !honours(operation, name);
    let ignorable = |name: &str| name.starts_with("if-") && !operation.is_write();
    let refused = given.iter().any(|(name, _)| overlooked(name) && !ignorable(name));
    let found = read::refuse_unsupported(operation, &headers);
    assert_eq!(found.is_err(), refused, "{operation:?} {given:?}");
    check_all(operation, &given, &headers);
    check_hoisted(operation, &given, &headers);
}

fn check_all(operation: Operation, given: &Given, headers: &HeaderMap) {
    let current = Current { etag: ETag::parse("a").unwrap(), size: 5, last_modified: Timestamp::from_secs(500), generation: Generation(7) };
    let now = Timestamp::from_secs(1000);
    let found = read::write_conditions(operation, headers);
    assert_eq!(found.as_ref().ok(), expected_write(operation, given).as_ref(), "{operation:?} {given:?}");
    if let Ok(write) = found {
        let absent = write.judge(None, Arrival::Absent, now);
        let present = write.judge(Some(&current), Arrival::Present, now);
        match &write.rule {
            WriteRule::CreateOnly => assert!(present.is_err()),
            WriteRule::IfMatch(_) => assert!(absent.is_err()),
            WriteRule::Always => assert!(write != WriteConditions::default() || (absent.is_ok() && present.is_ok())),
        }
    }
    let found = read::delete_conditions(headers);
    assert_eq!(found.as_ref().ok(), expected_delete(given).as_ref(), "{given:?}");
    if let Ok(delete) = found {
        assert!(delete.judge(None).is_ok() || !delete.is_empty());
        let _ = delete.judge(Some(&current));
    }
    let ascii = |name: &str| all(given, name).iter().all(|value| text(value).is_some());
    let once = |name: &str| all(given, name).len() < 2;
    let readable = ascii("if-match")
        && ascii("if-none-match")
        && ["if-modified-since", "if-unmodified-since"].into_iter().all(|name| once(name) && ascii(name));
    let found = read::read_conditions(headers);
    assert_eq!(found.is_ok(), readable, "{given:?}");
    if let Ok(conditions) = found {
        let _ = conditions.judge(&current, now);
        let any = all(given, "if-match").iter().any(|value| text(value) == Some("*"));
        let failed = conditions.judge(&current, now) == holdfast_model::ReadVerdict::Failed(holdfast_model::Condition::IfMatch);
        assert!(!any || !failed, "If-Match: * holds for every object: {given:?}");
    }
    for (found, prefix) in
        [(read::copy_source_conditions(headers), "x-amz-copy-source-"), (read::rename_source_conditions(headers), "x-amz-rename-source-")]
    {
        let filled = |name: &str| one(given, &format!("{prefix}{name}")).is_ok();
        let date =
            |name: &str| matches!(one(given, &format!("{prefix}{name}")), Ok(None)) || date_of(given, &format!("{prefix}{name}")).is_some();
        let good = filled("if-match") && filled("if-none-match") && date("if-modified-since") && date("if-unmodified-since");
        assert_eq!(found.is_ok(), good, "{given:?}");
    }
    let _ = read::if_range(headers);
}

/// Conditions given in a signed query mean what they mean as headers.
fn check_hoisted(operation: Operation, given: &Given, headers: &HeaderMap) {
    let mut names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    let utf8 = given.iter().all(|(_, value)| std::str::from_utf8(value).is_ok());
    if names.len() < given.len() || !utf8 || names.contains(&"x-goog-if-generation-match") {
        return;
    }
    let query: Vec<String> =
        given.iter().map(|(name, value)| format!("{name}={}", value.iter().map(|b| format!("%{b:02x}")).collect::<String>())).collect();
    let query = Query::parse(Some(&query.join("&"))).expect("a query");
    let folded = effective_headers(HeaderMap::new(), &query).expect("values of headers");
    let verdicts = |headers: &HeaderMap| {
        let write = read::write_conditions(operation, headers).map_err(|error| error.code());
        let delete = read::delete_conditions(headers).map_err(|error| error.code());
        let reads = read::read_conditions(headers).map_err(|error| error.code());
        (read::refuse_unsupported(operation, headers).is_err(), write, delete, reads)
    };
    assert_eq!(verdicts(&folded), verdicts(headers), "{given:?}");
    assert_eq!(verdicts(&effective_headers(headers.clone(), &query).expect("the same both ways")), verdicts(headers), "{given:?}");
}

// ---- the second reading -----------------------------------------------------------------------------------------

fn all<'g>(given: &'g Given, name: &str) -> Vec<&'g [u8]> {
    given.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_slice()).collect()
}

/// Visible ASCII, spaces and tabs, trimmed.
fn text(value: &[u8]) -> Option<&str> {
    let plain = value.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e));
    plain.then(|| std::str::from_utf8(value).unwrap().trim_matches([' ', '\t']))
}

/// One value that is not empty, or none at all.
fn one<'g>(given: &'g Given, name: &str) -> Result<Option<&'g str>, ()> {
    match all(given, name)[..] {
        [] => Ok(None),
        [value] => text(value).filter(|text| !text.is_empty()).map(Some).ok_or(()),
        _ => Err(()),
    }
}

fn number(given: &Given, name: &str) -> Result<Option<u64>, ()> {
    let Some(text) = one(given, name)? else { return Ok(None) };
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().map(Some).map_err(drop) } else { Err(()) }
}

fn date_of(given: &Given, name: &str) -> Option<Timestamp> {
    one(given, name).ok()?.and_then(dates::parse_either)
}

fn date(given: &Given, name: &str) -> Result<Option<Timestamp>, ()> {
    match one(given, name)? {
        None => Ok(None),
        Some(text) => dates::parse_either(text).map(Some).ok_or(()),
    }
}

/// `*`, or one strong tag with or without quotes.
fn tag(given: &Given, name: &str) -> Result<Option<ETagMatch>, ()> {
    let Some(text) = one(given, name)? else { return Ok(None) };
    if text == "*" {
        return Ok(Some(ETagMatch::Any));
    }
    let bare = if text.len() >= 2 && text.starts_with('"') && text.ends_with('"') { &text[1..text.len() - 1] } else { text };
    let strong =
        !text.starts_with("W/") && !bare.is_empty() && bare.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'"' && byte != b',');
    if strong { Ok(Some(ETagMatch::Exactly(ETag::parse(bare).map_err(drop)?))) } else { Err(()) }
}

fn expected_write(operation: Operation, given: &Given) -> Option<WriteConditions> {
    let none_match = one(given, "if-none-match").ok()?;
    let rule = match (tag(given, "if-match").ok()?, none_match) {
        (None, None) => WriteRule::Always,
        (Some(tag), None) => WriteRule::IfMatch(tag),
        (None, Some("*")) => WriteRule::CreateOnly,
        _ => return None,
    };
    let dates = |name| if operation == RenameObject { date(given, name) } else { Ok(None) };
    Some(WriteConditions {
        rule,
        generation: number(given, "x-holdfast-if-generation-match").ok()?.map(Generation),
        modified_since: dates("if-modified-since").ok()?,
        unmodified_since: dates("if-unmodified-since").ok()?,
    })
}

fn expected_delete(given: &Given) -> Option<DeleteConditions> {
    Some(DeleteConditions {
        if_match: tag(given, "if-match").ok()?,
        size: number(given, "x-amz-if-match-size").ok()?,
        last_modified: date(given, "x-amz-if-match-last-modified-time").ok()?,
        generation: number(given, "x-holdfast-if-generation-match").ok()?.map(Generation),
    })
}

// ---- ranges and dates -------------------------------------------------------------------------------------------

pub(crate) fn ranges_and_dates(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let size = input.take(8).iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let text = String::from_utf8_lossy(input.rest()).into_owned();
    let found = ByteRange::parse(&text);
    assert_eq!(found, expected_range(&text), "{text:?}");
    if let Some(range) = found {
        check_range(range, size);
    }
    if let Some((first, last)) = sources::parse_copy_source_range(&text) {
        assert!(first <= last && found == Some(ByteRange::FromTo(first, last)), "{text:?}");
    }
    for date in [dates::parse_http_date(&text), dates::parse_iso8601(&text)].into_iter().flatten() {
        let (http, iso) = (dates::http_date(date), dates::iso8601(date));
        // Four digits for the year are all that HTTP has, and ISO 8601 is read by a library that ends a day earlier.
        if date.secs() < 253_402_300_800 {
            assert_eq!(dates::parse_http_date(&http).map(Timestamp::secs), Some(date.secs()), "{text:?} {http}");
        }
        if date.secs() < 253_402_207_200 {
            assert_eq!(dates::parse_iso8601(&iso), Some(date), "{text:?} {iso}");
        }
    }
    let refused = |error: holdfast_s3::error::S3Error| assert_eq!(error.code(), Code::InvalidArgument);
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
        headers.insert("x-amz-copy-source-range", value);
        let _ = sources::copy_source_range(&headers).map_err(refused);
    }
}

fn check_range(range: ByteRange, size: u64) {
    let expected = match range {
        ByteRange::FromTo(first, last) => (first < size).then(|| (first, last.min(size - 1))),
        ByteRange::From(first) => (first < size).then(|| (first, size - 1)),
        ByteRange::Last(n) => (n > 0 && size > 0).then(|| (size - n.min(size), size - 1)),
    };
    match (range.resolve(size), expected) {
        (Ok(span), Some((first, last))) => assert_eq!((span.start, span.end - 1, span.len()), (first, last, last - first + 1)),
        (Err(_), None) => {}
        (found, expected) => panic!("{range:?} of {size} bytes: {found:?}, and not {expected:?}"),
    }
}

/// `bytes=first-last`, `bytes=first-`, `bytes=-n`; white space at the ends of each part; what does not fit is behind every object.
fn expected_range(text: &str) -> Option<ByteRange> {
    let equals = text.find('=')?;
    if !text[..equals].trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let set = text[equals + 1..].trim();
    let dash = set.find('-')?;
    let (first, last) = (set[..dash].trim_end(), set[dash + 1..].trim_start());
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().unwrap_or(u64::MAX));
    match (first, last) {
        ("", "") => None,
        ("", n) => Some(ByteRange::Last(number(n)?)),
        (first, "") => Some(ByteRange::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::FromTo(first, last))
        }
    }
}
