//! The contract's tables of headers, row by row.

use http::HeaderValue;

use super::*;
use crate::error::Code;

type Given = &'static [(&'static str, &'static str)];

fn headers(given: Given) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in given {
        map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

fn tag(text: &str) -> ETag {
    ETag::parse(text).unwrap()
}

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AT: Timestamp = Timestamp::from_secs(784_111_777);

#[test]
fn write_conditions_are_read_or_refused_as_section_2_says() {
    let refused = || Err(Code::InvalidRequest);
    let exactly = |t: &str| Ok(WriteRule::IfMatch(ETagMatch::Exactly(tag(t))));
    let cases: [(Given, Result<WriteRule, Code>); 19] = [
        (&[], Ok(WriteRule::Always)),
        (&[("if-none-match", "*")], Ok(WriteRule::CreateOnly)),
        (&[("if-none-match", " * ")], Ok(WriteRule::CreateOnly)),
        (&[("if-none-match", "\"*\"")], refused()),
        (&[("if-none-match", "\"abc\"")], refused()),
        (&[("if-none-match", "abc")], refused()),
        (&[("if-none-match", "W/\"abc\"")], refused()),
        (&[("if-none-match", "*, \"abc\"")], refused()),
        (&[("if-none-match", "")], refused()),
        (&[("if-none-match", "*"), ("if-none-match", "*")], refused()),
        (&[("if-match", "*")], Ok(WriteRule::IfMatch(ETagMatch::Any))),
        (&[("if-match", "\"abc\"")], exactly("abc")),
        (&[("if-match", "abc")], exactly("abc")),
        (&[("if-match", "W/\"abc\"")], refused()),
        (&[("if-match", "\"a\", \"b\"")], refused()),
        (&[("if-match", "")], refused()),
        (&[("if-match", "a"), ("if-match", "a")], refused()),
        (&[("if-match", "\"\u{e9}\"")], refused()),
        (&[("if-match", "*"), ("if-none-match", "*")], refused()),
    ];
    for (given, expect) in cases {
        for operation in [PutObject, CompleteMultipartUpload, CopyObject, RenameObject] {
            let got = write_conditions(operation, &headers(given)).map(|c| c.rule).map_err(|e| e.code());
            assert_eq!(got, expect, "{given:?}");
        }
    }
}

#[test]
fn dates_and_generations_of_writes_are_never_ignored() {
    let got = write_conditions(RenameObject, &headers(&[("if-modified-since", DATE), ("x-holdfast-if-generation-match", "0")])).unwrap();
    assert_eq!((got.modified_since, got.generation), (Some(AT), Some(Generation(0))));
    for given in [
        &[("if-unmodified-since", "yesterday")] as Given,
        &[("if-modified-since", "")],
        &[("if-modified-since", DATE), ("if-modified-since", DATE)],
        &[("x-holdfast-if-generation-match", "-1")],
        &[("x-holdfast-if-generation-match", "")],
    ] {
        assert!(write_conditions(RenameObject, &headers(given)).is_err(), "{given:?}");
    }
    for name in GUARDED.iter().map(|g| g.name).filter(|n| n.ends_with("-since")) {
        let map = |value: &'static str| HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))]);
        assert_eq!(strict_date(&map(DATE), name).unwrap(), Some(AT));
        assert_eq!(strict_date(&map("no date"), name).unwrap_err().code(), Code::InvalidRequest);
    }
}

#[test]
fn delete_conditions_are_read_whole() {
    let all: Given = &[
        ("if-match", "\"abc\""),
        ("x-amz-if-match-size", "5"),
        ("x-amz-if-match-last-modified-time", DATE),
        ("x-holdfast-if-generation-match", "7"),
    ];
    let expect = DeleteConditions {
        if_match: Some(ETagMatch::Exactly(tag("abc"))),
        size: Some(5),
        last_modified: Some(AT),
        generation: Some(Generation(7)),
    };
    assert_eq!(delete_conditions(&headers(all)), Ok(expect));
    assert_eq!(
        delete_conditions(&headers(&[("x-amz-if-match-last-modified-time", "1994-11-06T08:49:37.000Z")])).unwrap().last_modified,
        Some(AT)
    );
    for given in [
        &[("if-match", "")] as Given,
        &[("if-match", "W/\"a\"")],
        &[("x-amz-if-match-size", "many")],
        &[("x-amz-if-match-last-modified-time", "soon")],
        &[("x-amz-if-match-size", "1"), ("x-amz-if-match-size", "1")],
    ] {
        assert!(delete_conditions(&headers(given)).is_err(), "{given:?}");
    }
}

#[test]
fn reads_take_lists_and_ignore_dates_that_are_none() {
    let list = |tags: &[(&str, bool)]| ETagSet::OneOf(tags.iter().map(|(t, weak)| (tag(t), *weak)).collect());
    for (text, expect) in [
        ("*", ETagSet::Any),
        ("\"a\"", list(&[("a", false)])),
        ("a", list(&[("a", false)])),
        ("\"a\", W/\"b\" ,c,, \"d\"", list(&[("a", false), ("b", true), ("c", false), ("d", false)])),
        ("\"a,b\", \"c\"", list(&[("c", false)])),
        ("\"a", list(&[])),
        ("", list(&[])),
        (" , ,", list(&[])),
    ] {
        assert_eq!(parse_tag_list(text), expect, "{text}");
    }
    let got = read_conditions(&headers(&[("if-none-match", "\"a\""), ("if-none-match", "\"b\""), ("if-modified-since", "never")])).unwrap();
    assert_eq!(got.if_none_match, Some(list(&[("a", false), ("b", false)])));
    assert_eq!(got.modified_since, None);
    assert_eq!(read_conditions(&headers(&[("if-unmodified-since", DATE)])).unwrap().unmodified_since, Some(AT));
    assert!(read_conditions(&headers(&[("if-match", "\u{e9}")])).is_err());
}

#[test]
fn source_conditions_are_read_under_their_own_names() {
    let copy = copy_source_conditions(&headers(&[("x-amz-copy-source-if-match", "abc"), ("if-none-match", "*")])).unwrap();
    assert_eq!(copy.0, ReadConditions { if_match: Some(ETagSet::OneOf(vec![(tag("abc"), false)])), ..ReadConditions::default() });
    let rename = rename_source_conditions(&headers(&[("x-amz-rename-source-if-none-match", "*")])).unwrap();
    assert_eq!(rename.0.if_none_match, Some(ETagSet::Any));
    assert!(copy_source_conditions(&headers(&[("x-amz-copy-source-if-match", "")])).is_err());
    assert!(copy_source_conditions(&headers(&[("x-amz-copy-source-if-unmodified-since", "x")])).is_err());
}

#[test]
fn if_range_takes_a_strong_tag_or_a_date() {
    for (text, expect) in [
        ("\"abc\"", IfRange::Tag(tag("abc"))),
        (DATE, IfRange::Date(AT)),
        ("W/\"abc\"", IfRange::Never),
        ("", IfRange::Never),
        ("\"a\", \"b\"", IfRange::Never),
    ] {
        let map = HeaderMap::from_iter([(http::header::IF_RANGE, HeaderValue::from_static(text))]);
        assert_eq!(if_range(&map), Ok(Some(expect)), "{text}");
    }
}

/// Which operation honours which header, written out by hand from the contract.
#[test]
fn a_condition_is_honoured_or_refused_by_every_operation() {
    let honoured = |operation: Operation, name: &str| match name {
        "if-match" => {
            matches!(operation, PutObject | CompleteMultipartUpload | CopyObject | RenameObject | DeleteObject | GetObject | HeadObject)
        }
        "if-none-match" => matches!(operation, PutObject | CompleteMultipartUpload | CopyObject | RenameObject | GetObject | HeadObject),
        "if-modified-since" | "if-unmodified-since" => matches!(operation, RenameObject | GetObject | HeadObject),
        "if-range" => matches!(operation, GetObject | HeadObject),
        "x-amz-if-match-size" | "x-amz-if-match-last-modified-time" => operation == DeleteObject,
        "x-holdfast-if-generation-match" => {
            matches!(operation, PutObject | CompleteMultipartUpload | CopyObject | RenameObject | DeleteObject)
        }
        "x-amz-write-offset-bytes" => operation == PutObject,
        "x-amz-copy-source-range" => operation == UploadPartCopy,
        name if name.starts_with("x-amz-copy-source") => matches!(operation, CopyObject | UploadPartCopy),
        name if name.starts_with("x-amz-rename-source") => operation == RenameObject,
        _ => false,
    };
    let foreign =
        ["x-goog-if-generation-match", "cf-copy-destination-if-none-match", "if", "if-schedule-tag-match", "x-amz-if-match-initiated-time"];
    for operation in Operation::ALL.iter().copied() {
        for name in GUARDED.iter().map(|g| g.name).chain(foreign) {
            let map = HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static("1"))]);
            let ignored = !operation.is_write() && name.starts_with("if-") && GUARDED.iter().any(|g| g.name == name);
            match refuse_unsupported(operation, &map) {
                Ok(()) => assert!(honoured(operation, name) || ignored, "{operation:?} overlooks {name}"),
                Err(error) => {
                    assert!(!honoured(operation, name) && !ignored, "{operation:?} refuses {name}");
                    assert_eq!((error.code(), error.field("Header")), (Code::InvalidRequest, Some(name)));
                }
            }
        }
        for harmless in ["content-type", "x-amz-meta-if-match", "x-amz-meta-a-if-b", "amz-sdk-request", "expect"] {
            let map = HeaderMap::from_iter([(http::HeaderName::from_static(harmless), HeaderValue::from_static("1"))]);
            assert_eq!(refuse_unsupported(operation, &map), Ok(()), "{operation:?} {harmless}");
        }
    }
}
