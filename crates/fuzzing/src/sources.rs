//! Where copies and renames take their objects from, against a second reading; and what was read is read again from another spelling.

use holdfast_model::{BucketName, ObjectKey};
use holdfast_s3::{
    error::Code,
    query::Query,
    sources::{parse_copy_source, parse_rename_source},
    uri::{Plus, decode, encode_key},
};

use crate::{input::Input, signer};

pub(crate) fn sources(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let which = input.byte();
    let value = input.rest();
    match which % 3 {
        0 => copy(value),
        1 => rename(value),
        _ => query(value),
    }
}

/// Decodes bytes of which some may not be ASCII.
fn decoded(value: &[u8], plus_is_space: bool) -> Option<String> {
    let latin: String =
        value.iter().map(|byte| if byte.is_ascii() { char::from(*byte).to_string() } else { format!("%{byte:02x}") }).collect();
    String::from_utf8(signer::decode(&latin, plus_is_space)?).ok()
}

fn copy(value: &[u8]) {
    let marker = b"?versionId=";
    let at = (0..value.len()).rev().find(|at| value[*at..].starts_with(marker));
    let (path, version) = at.map_or((value, None), |at| (&value[..at], Some(&value[at + marker.len()..])));
    let expected = decoded(path, true).and_then(|text| {
        let text = text.strip_prefix('/').map_or(text.clone(), str::to_owned);
        let (bucket, key) = text.split_once('/')?;
        Some((BucketName::parse(bucket).ok()?, ObjectKey::parse(key).ok()?))
    });
    match (parse_copy_source(value), expected, version) {
        (Ok(found), Some(expected), None | Some(b"null")) => {
            assert_eq!((&found.bucket, &found.key), (&expected.0, &expected.1));
            let again = parse_copy_source(encode_key(&format!("/{}/{}", found.bucket, found.key)).as_bytes());
            assert_eq!(again.expect("what was read"), found);
        }
        (Err(error), Some(_), Some(_)) => assert_eq!(error.code(), Code::NoSuchVersion),
        (Err(error), None, _) => assert_eq!(error.code(), Code::InvalidArgument),
        (found, expected, _) => panic!("{found:?}, and not {expected:?}"),
    }
}

fn rename(value: &[u8]) {
    let bucket = BucketName::parse("bucket").unwrap();
    let expected = decoded(value, false).and_then(|text| {
        let literal = ObjectKey::parse(&text).ok();
        let behind = ["/bucket/", "bucket/"].into_iter().find_map(|prefix| ObjectKey::parse(text.strip_prefix(prefix)?).ok());
        (literal.is_some() || behind.is_some()).then_some((literal, behind))
    });
    match (parse_rename_source(value, &bucket), expected) {
        (Ok(found), Some((literal, behind))) => {
            assert_eq!(found.behind_bucket, behind);
            let expected: Vec<ObjectKey> = literal.into_iter().chain(behind).collect();
            assert_eq!(found.candidates(), expected, "the literal key first, then the one behind the bucket");
            assert!(found.other_bucket.is_none_or(|other| other != bucket && found.literal.as_str().starts_with(&format!("/{other}/"))));
        }
        (Err(error), None) => assert_eq!(error.code(), Code::InvalidArgument),
        (found, expected) => panic!("{found:?}, and not {expected:?}"),
    }
}

/// The query string: decoded once, no name twice; what was read is read again from another spelling.
fn query(value: &[u8]) {
    let Ok(text) = std::str::from_utf8(value) else { return };
    for (plus, is_space) in [(Plus::Literal, false), (Plus::Space, true)] {
        assert_eq!(decode(value, plus).ok(), decoded(value, is_space), "{text:?}");
    }
    let Ok(read) = Query::parse(Some(text)) else { return };
    let mut names: Vec<String> = read.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{text:?}");
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let again: Vec<String> = read.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    assert_eq!(Query::parse(Some(&again.join("&"))).expect("what was read"), read, "{text:?}");
}
