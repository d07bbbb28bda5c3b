//! AWS's published examples for S3 ("Examples: Signature Calculations" and "Authenticating Requests: Using Query Parameters").

use super::*;

const HOST: &str = "examplebucket.s3.amazonaws.com";

fn credentials() -> Credentials {
    Credentials {
        access_key: "AKIAIOSFODNN7EXAMPLE".into(),
        secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        session_token: None,
    }
}

fn pairs(texts: &[(&str, &str)]) -> Vec<(String, String)> {
    texts.iter().map(|(name, value)| pair(name, value)).collect()
}

fn authorization(method: &str, path: &str, query: &[(&str, &str)], headers: &[(&str, &str)], payload: &[u8]) -> String {
    let credentials = credentials();
    let signer = Signer { credentials: &credentials, region: "us-east-1", stamp: "20130524T000000Z" };
    let (query, headers) = (pairs(query), pairs(headers));
    let request = Unsigned { method, host: HOST, path, query: &query, headers: &headers, payload: Some(payload) };
    signer.headers(&request).pop().expect("an Authorization header").1
}

#[test]
fn the_published_header_signatures_come_out() {
    let get = authorization("GET", "/test.txt", &[], &[("Range", "bytes=0-9")], b"");
    assert_eq!(
        get,
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
    let headers = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
    let put = authorization("PUT", "/test$file.text", &[], &headers, b"Welcome to Amazon S3.");
    assert!(put.ends_with("Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"), "{put}");
    let lifecycle = authorization("GET", "/", &[("lifecycle", "")], &[], b"");
    assert!(lifecycle.ends_with("Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"), "{lifecycle}");
    let list = authorization("GET", "/", &[("prefix", "J"), ("max-keys", "2")], &[], b"");
    assert!(list.ends_with("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"), "{list}");
}

#[test]
fn the_published_presigned_url_comes_out() {
    let credentials = credentials();
    let signer = Signer { credentials: &credentials, region: "us-east-1", stamp: "20130524T000000Z" };
    // The example is valid for a day, ours for an hour: put its value where ours is.
    let query = [
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"),
        ("X-Amz-Date", "20130524T000000Z"),
        ("X-Amz-Expires", "86400"),
        ("X-Amz-SignedHeaders", "host"),
    ];
    let request = Unsigned { method: "GET", host: HOST, path: "/test.txt", query: &[], headers: &[], payload: None };
    let signature = signer.signature(&request, &pairs(&query), "host", &format!("host:{HOST}\n"), UNSIGNED);
    assert_eq!(signature, "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    let ours: Vec<String> = signer.query(&request).into_iter().map(|(name, _)| name).collect();
    let theirs: Vec<&str> = query.iter().map(|(name, _)| *name).chain(["X-Amz-Signature"]).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn a_session_token_is_sent_and_signed_both_ways() {
    let credentials = Credentials { session_token: Some("token".into()), ..credentials() };
    let signer = Signer { credentials: &credentials, region: "us-east-1", stamp: "20130524T000000Z" };
    let request = Unsigned { method: "GET", host: HOST, path: "/k", query: &[], headers: &[], payload: None };
    let headers = signer.headers(&request);
    assert!(headers.contains(&pair("x-amz-security-token", "token")));
    assert!(headers.last().expect("one").1.contains("x-amz-date;x-amz-security-token,"), "{headers:?}");
    assert!(signer.query(&request).contains(&pair("X-Amz-Security-Token", "token")));
}

#[test]
fn names_given_twice_are_one_signed_line_in_the_order_sent() {
    let (names, lines) = canonical_headers(&pairs(&[("If-Match", "b"), ("a", " x  y "), ("if-match", "a"), ("e", "")]));
    assert_eq!((names.as_str(), lines.as_str()), ("a;e;if-match", "a:x y\ne:\nif-match:b,a\n"));
}

#[test]
fn queries_are_encoded_and_sorted_for_signing_and_sent_in_order() {
    let query = pairs(&[("renameObject", ""), ("b", "a b/ü"), ("a~", "2"), ("a~", "1")]);
    assert_eq!(canonical_query(&query), "a~=1&a~=2&b=a%20b%2F%C3%BC&renameObject=");
    assert_eq!(encode_query(&query), "renameObject&b=a%20b%2F%C3%BC&a~=2&a~=1");
    assert_eq!(encode_path("/b/a +/ü~"), "/b/a%20%2B/%C3%BC~");
}
