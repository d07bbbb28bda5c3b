//! Whatever AWS's own signer signs, in the header or in the query, verifies here; changed afterwards, it does not.

use aws_sigv4::http_request::{SignableBody, SignatureLocation};
use holdfast_s3::auth::{AuthError, PayloadKind, SignedBy};
use http::{HeaderValue, Uri, request::Parts};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::support::{authenticate, signed_by_aws};

const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What AWS's SDKs leave as it is in a path.
const PATH: AsciiSet = UNRESERVED.remove(b'/');
/// What careless clients leave as it is and sign so.
const CARELESS_PATH: AsciiSet =
    PATH.remove(b'!').remove(b'*').remove(b'(').remove(b')').remove(b'\'').remove(b'+').remove(b'$').remove(b'=');

#[derive(Debug, Clone)]
struct Plan {
    method: &'static str,
    key: String,
    careless: bool,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    region: &'static str,
    payload: &'static str,
}

fn plans() -> impl Strategy<Value = Plan> {
    let key = prop_oneof!["\\PC{1,40}", "[a-c/.%+ ~!*()=]{1,30}", "[\\x00-\\x20/]{1,10}"];
    let pair = ("[a-zA-Z][a-zA-Z0-9 %+=&-]{0,8}", "[ -~\u{e9}\u{1f980}]{0,12}");
    let header = ("x-amz-meta-[a-z]{1,3}|cache-control|if-match|range", "[!-~]{1,5}( {1,3}[!-~]{1,5}){0,3}");
    (
        proptest::sample::select(vec!["GET", "PUT", "HEAD", "DELETE", "POST"]),
        (key, any::<bool>()),
        proptest::collection::vec(pair, 0..5),
        proptest::collection::vec(header, 0..6),
        proptest::sample::select(vec!["us-east-1", "auto", "eu-central-2"]),
        proptest::sample::select(vec!["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"]),
    )
        .prop_map(|(method, (key, careless), query, headers, region, payload)| Plan {
            method,
            key,
            careless,
            query,
            headers,
            region,
            payload,
        })
}

impl Plan {
    fn target(&self) -> String {
        let encode = |text: &str| utf8_percent_encode(text, &UNRESERVED).to_string();
        let path = utf8_percent_encode(&self.key, if self.careless { &CARELESS_PATH } else { &PATH });
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        format!("/bucket/{path}{}{}", if query.is_empty() { "" } else { "?" }, query.join("&"))
    }

    fn signed(&self, location: SignatureLocation) -> Parts {
        let payload = if location == SignatureLocation::Headers { self.payload } else { "UNSIGNED-PAYLOAD" };
        let body = SignableBody::Precomputed(payload.to_owned());
        signed_by_aws(self.method, &self.target(), &self.headers, body, self.region, location)
    }
}

fn is_mismatch(parts: &Parts) -> bool {
    matches!(authenticate(parts), Err(AuthError::SignatureMismatch(_)))
}

/// Every way in which a signed request can be changed that its signature must notice.
fn check_changes(signed: &Parts) {
    let changed = |change: &dyn Fn(&mut Parts)| {
        let mut parts = signed.clone();
        change(&mut parts);
        assert!(is_mismatch(&parts), "{parts:?}");
    };
    let target = signed.uri.to_string();
    let retarget = |target: String| move |parts: &mut Parts| parts.uri = target.parse::<Uri>().unwrap();
    changed(&|parts| parts.method = http::Method::OPTIONS);
    changed(&retarget(target.replacen("/bucket/", "/bucket/x", 1)));
    changed(&retarget(format!("{target}{}acl", if target.contains('?') { "&" } else { "?" })));
    changed(&|parts| {
        parts.headers.insert("host", HeaderValue::from_static("127.0.0.1:9001"));
    });
    for name in signed.headers.keys().filter(|name| name.as_str().starts_with("x-amz-meta-")) {
        changed(&|parts| {
            parts.headers.insert(name, HeaderValue::from_static("\u{7e}other"));
        });
        changed(&|parts| {
            parts.headers.append(name, HeaderValue::from_static("more"));
        });
        changed(&|parts| {
            parts.headers.remove(name);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_signed_in_its_header_verifies_until_it_is_changed(plan in plans()) {
        let parts = plan.signed(SignatureLocation::Headers);
        let identity = authenticate(&parts).map_err(|e| TestCaseError::fail(format!("{e:?}")))?;
        prop_assert_eq!(identity.signed_by, SignedBy::Header);
        prop_assert_eq!(identity.payload.kind(), PayloadKind::parse(plan.payload).unwrap());
        prop_assert_eq!(identity.signed_query.pairs().count(), 0);
        check_changes(&parts);
    }

    #[test]
    fn a_presigned_url_verifies_until_it_is_changed(plan in plans()) {
        let parts = plan.signed(SignatureLocation::QueryParams);
        let identity = authenticate(&parts).map_err(|e| TestCaseError::fail(format!("{e:?}")))?;
        prop_assert_eq!((identity.signed_by, identity.payload.kind()), (SignedBy::Query, PayloadKind::Unsigned));
        let signed: Vec<_> = identity.signed_query.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        prop_assert_eq!(&signed, &plan.query);
        check_changes(&parts);
    }
}

/// The careless spellings, one by one: they verify as sent, and the key that they name stays bound.
#[test]
fn a_path_that_is_signed_as_it_is_sent_verifies() {
    for target in ["/bucket/a(1)+b!.txt", "/bucket/a%2fb", "/bucket/%41%2d", "/bucket/k?prefix=a/b"] {
        let parts = signed_by_aws("GET", target, &[], SignableBody::Bytes(b""), "us-east-1", SignatureLocation::Headers);
        assert!(authenticate(&parts).is_ok(), "{target}");
        check_changes(&parts);
    }
}
