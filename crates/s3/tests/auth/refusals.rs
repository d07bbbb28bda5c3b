//! Heads that must be refused, each for its own reason.

use holdfast_model::Timestamp;
use holdfast_s3::auth::{AuthError, Malformed};
use http::request::Parts;

use super::support::{ACCESS_KEY, EMPTY_SHA256, NOW, authenticate, authenticator, head, seconds_later};

const SIGNATURE: &str = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
     SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
const PRESIGNED: &str = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
     &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
     &X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

/// The documentation's first example, with `extra` in place of or besides its headers; an empty value takes a header away.
fn get(authorization: &str, extra: &[(&str, &str)]) -> Parts {
    let base = [
        ("host", "examplebucket.s3.amazonaws.com"),
        ("range", "bytes=0-9"),
        ("x-amz-content-sha256", EMPTY_SHA256),
        ("x-amz-date", "20130524T000000Z"),
        ("authorization", authorization),
    ];
    let kept = base.iter().filter(|(name, _)| extra.iter().all(|(other, _)| other != name));
    let headers: Vec<_> = kept.chain(extra).copied().filter(|(_, value)| !value.is_empty()).collect();
    head("GET", "/test.txt", &headers)
}

fn presigned(target: &str, extra: &[(&str, &str)]) -> Parts {
    let mut headers = vec![("host", "examplebucket.s3.amazonaws.com")];
    headers.extend_from_slice(extra);
    head("GET", target, &headers)
}

#[test]
fn every_malformed_authorization_header_is_named() {
    use Malformed as M;
    assert!(authenticate(&get(AUTHORIZATION, &[])).is_ok());
    for (from, to, why) in [
        (" Credential", " credential", M::UnknownComponent),
        (" Credential=", " ", M::UnknownComponent),
        (" SignedHeaders", " Signedheaders", M::UnknownComponent),
        (" Signature=", " Signature==", M::Signature),
        (", Signature", ", X=1, Signature", M::UnknownComponent),
        (", Signature", ",, Signature", M::UnknownComponent),
        (", Signature", "; Signature", M::SignedHeaders),
        (", Signature", ", Signature=00, Signature", M::Duplicate("Signature")),
        (" Credential", " Credential=x, Credential", M::Duplicate("Credential")),
        ("Signature=f", "Signature=", M::Signature),
        ("Signature=f", "Signature=F", M::Signature),
        ("Signature=f", "Signature=g", M::Signature),
        ("/20130524/", "/", M::Credential),
        ("/20130524/", "/20130525/", M::ScopeDate),
        ("/20130524/", "/2013-5-4/", M::ScopeDate),
        ("/us-east-1/", "//", M::Credential),
        ("/s3/", "/s4/", M::Service),
        ("aws4_request", "aws5_request", M::Terminator),
        ("aws4_request", "aws4_request/x", M::Credential),
        ("=host;", "=", M::HostNotSigned),
        ("=host;", "=Host;", M::SignedHeaders),
        ("=host;", "=host;host;", M::SignedHeaders),
        ("=host;", "=host;;", M::SignedHeaders),
        (", SignedHeaders=host;range;x-amz-content-sha256;x-amz-date", "", M::Missing("SignedHeaders")),
        (&format!(", Signature={SIGNATURE}"), "", M::Missing("Signature")),
        ("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ", "", M::Missing("Credential")),
    ] {
        let broken = AUTHORIZATION.replacen(from, to, 1);
        assert_ne!(broken, AUTHORIZATION, "{from}");
        assert_eq!(authenticate(&get(&broken, &[])).unwrap_err(), AuthError::MalformedHeader(why), "{from} -> {to}");
    }
}

#[test]
fn the_order_of_components_and_of_signed_headers_is_free() {
    let swapped = format!(
        "AWS4-HMAC-SHA256 Signature={SIGNATURE},SignedHeaders=x-amz-date;range;host;x-amz-content-sha256,\
         Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request"
    );
    assert!(authenticate(&get(&swapped, &[])).is_ok());
}

#[test]
fn every_other_broken_header_request_is_refused_for_its_reason() {
    let unsigned = |names: &[&str]| AuthError::UnsignedHeaders { names: names.iter().map(|name| (*name).to_owned()).collect() };
    let payload = |value: &str| AuthError::UnknownPayloadHash { value: value.to_owned() };
    let upper = EMPTY_SHA256.to_uppercase();
    let cases: Vec<(Parts, AuthError)> = vec![
        (get("", &[]), AuthError::Anonymous),
        (get("AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=", &[]), AuthError::UnsupportedMechanism),
        (get("Bearer token", &[]), AuthError::UnsupportedMechanism),
        (get(&AUTHORIZATION.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), &[]), AuthError::UnsupportedMechanism),
        (get(&AUTHORIZATION.replace("AWS4-HMAC-SHA256 ", "aws4-hmac-sha256 "), &[]), AuthError::UnsupportedMechanism),
        (get("AWS4-HMAC-SHA256", &[]), AuthError::MalformedHeader(Malformed::UnknownComponent)),
        (get(AUTHORIZATION, &[("authorization", "\u{e9}")]), AuthError::MalformedHeader(Malformed::NotOneValue)),
        (
            get(AUTHORIZATION, &[("authorization", AUTHORIZATION), ("authorization", "x")]),
            AuthError::MalformedHeader(Malformed::NotOneValue),
        ),
        (get(AUTHORIZATION, &[("x-amz-date", "")]), AuthError::MissingDate),
        (get(AUTHORIZATION, &[("x-amz-date", "20130524")]), AuthError::MissingDate),
        (get(AUTHORIZATION, &[("x-amz-date", "20130524T000000Z"), ("x-amz-date", "20130524T000000Z")]), AuthError::MissingDate),
        (get(AUTHORIZATION, &[("x-amz-content-sha256", "")]), AuthError::MissingPayloadHash),
        (get(AUTHORIZATION, &[("x-amz-content-sha256", "unsigned-payload")]), payload("unsigned-payload")),
        (get(AUTHORIZATION, &[("x-amz-content-sha256", &upper)]), payload(&upper)),
        (get(AUTHORIZATION, &[("x-amz-content-sha256", EMPTY_SHA256), ("x-amz-content-sha256", EMPTY_SHA256)]), payload("")),
        (get(AUTHORIZATION, &[("x-amz-security-token", "t")]), AuthError::SecurityToken),
        (get(AUTHORIZATION, &[("x-amz-acl", "private")]), unsigned(&["x-amz-acl"])),
        (
            get(AUTHORIZATION, &[("x-amz-meta-a", "1"), ("x-holdfast-if-generation-match", "0")]),
            unsigned(&["x-amz-meta-a", "x-holdfast-if-generation-match"]),
        ),
        (get(&AUTHORIZATION.replace(";x-amz-date", ""), &[]), unsigned(&["x-amz-date"])),
        (get(&AUTHORIZATION.replace(ACCESS_KEY, "AKIANOBODY"), &[]), AuthError::UnknownAccessKey { access_key: "AKIANOBODY".to_owned() }),
    ];
    for (parts, why) in cases {
        assert_eq!(authenticate(&parts).unwrap_err(), why, "{parts:?}");
    }
}

#[test]
fn standard_headers_may_be_unsigned() {
    for name in
        ["content-type", "content-md5", "if-none-match", "user-agent", "x-amzn-trace-id", "x-forwarded-for", "amz-sdk-invocation-id"]
    {
        assert!(authenticate(&get(AUTHORIZATION, &[(name, "v")])).is_ok(), "{name}");
    }
}

#[test]
fn one_flipped_bit_of_the_signature_is_a_mismatch() {
    for at in 0..SIGNATURE.len() {
        let digit = u8::from_str_radix(&SIGNATURE[at..=at], 16).unwrap();
        for bit in 0..4 {
            let mut flipped = SIGNATURE.to_owned();
            flipped.replace_range(at..=at, &format!("{:x}", digit ^ (1 << bit)));
            let AuthError::SignatureMismatch(found) = authenticate(&get(&AUTHORIZATION.replace(SIGNATURE, &flipped), &[])).unwrap_err()
            else {
                panic!("digit {at} bit {bit}")
            };
            assert_eq!(found.signature_provided, flipped);
        }
    }
}

#[test]
fn a_mismatch_shows_what_was_signed_and_no_secret() {
    let AuthError::SignatureMismatch(found) = authenticate(&get(AUTHORIZATION, &[("range", "bytes=0-8")])).unwrap_err() else { panic!() };
    let canonical = format!(
        "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-8\nx-amz-content-sha256:{EMPTY_SHA256}\n\
         x-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\n{EMPTY_SHA256}"
    );
    assert_eq!(found.canonical_request, canonical);
    assert!(found.string_to_sign.starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"));
    assert_eq!((found.access_key.as_str(), found.signature_provided.as_str()), (ACCESS_KEY, SIGNATURE));
}

#[test]
fn a_header_signature_is_good_for_15_minutes_both_ways() {
    for (secs, good) in [(-901, false), (-900, true), (0, true), (900, true), (901, false), (-86_400 * 400, false), (86_400 * 400, false)] {
        let server_time = seconds_later(secs);
        match authenticator().authenticate(&get(AUTHORIZATION, &[]), server_time) {
            Ok(_) => assert!(good, "{secs}"),
            Err(e) => assert_eq!((e, good), (AuthError::TimeTooSkewed { request_time: NOW, server_time }, false), "{secs}"),
        }
    }
}

#[test]
fn the_date_header_stands_in_for_x_amz_date() {
    let signed = AUTHORIZATION.replace(";x-amz-date", "").replace("=host", "=date;host");
    for (date, known) in [("Fri, 24 May 2013 00:00:00 GMT", true), ("20130524T000000Z", true), ("24 May 2013", false), ("now", false)] {
        let refused = authenticate(&get(&signed, &[("x-amz-date", ""), ("date", date)])).unwrap_err();
        assert_eq!(refused == AuthError::MissingDate, !known, "{date}: {refused:?}");
        assert_eq!(matches!(refused, AuthError::SignatureMismatch(_)), known, "{date}: {refused:?}");
    }
}

#[test]
fn every_malformed_presigned_url_is_named() {
    use Malformed as M;
    assert!(authenticate(&presigned(PRESIGNED, &[])).is_ok());
    for (from, to, why) in [
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256&", "", M::Missing("X-Amz-Algorithm")),
        ("=AWS4-HMAC-SHA256", "=AWS4-HMAC-SHA1", M::Algorithm),
        ("=AWS4-HMAC-SHA256", "=", M::Algorithm),
        ("X-Amz-Credential", "X-Amz-Other", M::Missing("X-Amz-Credential")),
        ("X-Amz-Credential", "x-amz-credential", M::WrongCase("X-Amz-Credential")),
        ("%2Fs3%2F", "%2Fsts%2F", M::Service),
        ("%2F20130524%2F", "%2F20130523%2F", M::ScopeDate),
        ("%2Faws4_request", "", M::Credential),
        ("&X-Amz-Date=20130524T000000Z", "", M::Missing("X-Amz-Date")),
        ("20130524T000000Z", "2013-05-24T00:00:00Z", M::Date),
        ("&X-Amz-Expires=86400", "", M::Missing("X-Amz-Expires")),
        ("=86400", "=0", M::Expires),
        ("=86400", "=604801", M::Expires),
        ("=86400", "=-1", M::Expires),
        ("=86400", "=%2B1", M::Expires),
        ("=86400", "=1.5", M::Expires),
        ("=86400", "=99999999999999999999999", M::Expires),
        ("=86400", "=", M::Expires),
        ("=86400", "=86400&X-Amz-Expires=86400", M::Duplicate("X-Amz-Expires")),
        ("=host", "=range", M::HostNotSigned),
        ("=host", "=", M::SignedHeaders),
        ("=host", "=Host", M::SignedHeaders),
        ("&X-Amz-SignedHeaders=host", "", M::Missing("X-Amz-SignedHeaders")),
        ("X-Amz-Signature=a", "X-Amz-Signature=", M::Signature),
        ("X-Amz-Signature=a", "X-Amz-Signature=A", M::Signature),
        ("X-Amz-Signature=a", "X-Amz-Signature=00&X-Amz-Signature=a", M::Duplicate("X-Amz-Signature")),
        ("X-Amz-Signature=a", "Y=a", M::Missing("X-Amz-Signature")),
    ] {
        let broken = PRESIGNED.replacen(from, to, 1);
        assert_ne!(broken, PRESIGNED, "{from}");
        assert_eq!(authenticate(&presigned(&broken, &[])).unwrap_err(), AuthError::MalformedQuery(why), "{from} -> {to}");
    }
}

#[test]
fn every_other_broken_presigned_url_is_refused_for_its_reason() {
    let with = |more: &str| format!("{PRESIGNED}&{more}");
    let unsigned = |name: &str| AuthError::UnsignedHeaders { names: vec![name.to_owned()] };
    let payload = |value: &str| AuthError::UnknownPayloadHash { value: value.to_owned() };
    for (target, extra, why) in [
        (PRESIGNED.to_owned(), ("authorization", AUTHORIZATION), AuthError::SignedTwice),
        ("/k?x-amz-signature=0".to_owned(), ("authorization", AUTHORIZATION), AuthError::SignedTwice),
        ("/k?AWSAccessKeyId=a&Signature=b&Expires=1".to_owned(), ("x", "y"), AuthError::UnsupportedMechanism),
        ("/k?a=%zz&X-Amz-Signature=0".to_owned(), ("x", "y"), AuthError::InvalidUri),
        ("/k?%zz=1".to_owned(), ("x", "y"), AuthError::InvalidUri),
        ("/k?a=1&X-Amz-Expires=60".to_owned(), ("x", "y"), AuthError::Anonymous),
        (with("X-Amz-Security-Token=t"), ("x", "y"), AuthError::SecurityToken),
        (PRESIGNED.to_owned(), ("x-amz-security-token", "t"), AuthError::SecurityToken),
        (PRESIGNED.to_owned(), ("x-amz-copy-source", "/b/k"), unsigned("x-amz-copy-source")),
        (PRESIGNED.to_owned(), ("x-amz-meta-a", "1"), unsigned("x-amz-meta-a")),
        (PRESIGNED.to_owned(), ("x-holdfast-if-generation-match", "1"), unsigned("x-holdfast-if-generation-match")),
        (PRESIGNED.to_owned(), ("x-amz-content-sha256", "junk"), payload("junk")),
        (with("X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"), ("x-amz-content-sha256", EMPTY_SHA256), payload(EMPTY_SHA256)),
        (PRESIGNED.replace(ACCESS_KEY, "AKIANOBODY"), ("x", "y"), AuthError::UnknownAccessKey { access_key: "AKIANOBODY".to_owned() }),
    ] {
        assert_eq!(authenticate(&presigned(&target, &[extra])).unwrap_err(), why, "{target}");
    }
    for changed in [with("If-None-Match=%2A"), PRESIGNED.replace("=86400", "=86401"), PRESIGNED.replace("/test.txt", "/test2.txt")] {
        assert!(matches!(authenticate(&presigned(&changed, &[])), Err(AuthError::SignatureMismatch(_))), "{changed}");
    }
}

#[test]
fn headers_that_change_nothing_may_be_added_to_a_presigned_request() {
    for extra in [
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-date", "20130524T000500Z"),
        ("x-amz-user-agent", "aws-sdk-js"),
        ("x-amz-checksum-mode", "ENABLED"),
        ("content-type", "text/plain"),
        ("if-none-match", "*"),
    ] {
        assert!(authenticate(&presigned(PRESIGNED, &[extra])).is_ok(), "{extra:?}");
    }
}

#[test]
fn a_presigned_url_is_good_from_its_date_to_its_expiry() {
    let (ahead, over) = (seconds_later(-901), seconds_later(86_401));
    let expired = AuthError::Expired { expires_secs: 86_400, expired_at: seconds_later(86_400), server_time: over };
    for (server_time, refused) in [
        (ahead, Some(AuthError::NotYetValid { request_time: NOW, server_time: ahead })),
        (seconds_later(-900), None),
        (seconds_later(86_400), None),
        (over, Some(expired)),
    ] {
        assert_eq!(authenticator().authenticate(&presigned(PRESIGNED, &[]), server_time).err(), refused, "{server_time:?}");
    }
    let late = Timestamp::from_millis(seconds_later(86_400).millis() + 1);
    assert!(matches!(authenticator().authenticate(&presigned(PRESIGNED, &[]), late), Err(AuthError::Expired { .. })));
}

#[test]
fn a_kept_signing_key_changes_no_verdict() {
    let authenticator = authenticator();
    let wrong = get(&AUTHORIZATION.replace("Signature=f", "Signature=e"), &[]);
    for _ in 0..3 {
        assert!(matches!(authenticator.authenticate(&wrong, NOW), Err(AuthError::SignatureMismatch(_))));
        assert!(authenticator.authenticate(&get(AUTHORIZATION, &[]), NOW).is_ok());
    }
}
