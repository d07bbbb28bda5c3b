//! Properties of the wire's parsers over arbitrary input: nothing a client sends makes them panic, and what is written is
//! read back unchanged.

use holdfast_model::{BucketName, Tags, Timestamp};
use holdfast_s3::{
    conditions, dates, fields, headers, listing,
    query::Query,
    route::{Target, route},
    sources,
    uri::{Plus, decode, encode_key},
    xml,
};
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;

/// Keys with what usually goes wrong in them.
fn key() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("..".to_owned()),
        Just("%2F".to_owned()),
        Just("+ ".to_owned()),
        Just("?versionId=1".to_owned()),
        Just("\r\n\t\0\u{1}".to_owned()),
        Just("]]>&amp;<\"'".to_owned()),
        Just("\u{1f980}\u{fffe}\u{e9}".to_owned()),
        "\\PC{1,8}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

fn bucket() -> BucketName {
    BucketName::parse("bucket").expect("a bucket name")
}

fn ask(method: &Method, path: &str, query: Option<&str>) -> Result<holdfast_s3::route::Route, holdfast_s3::error::S3Error> {
    let headers = HeaderMap::new();
    route(Target { method, host: Some("bucket.h"), path, query, headers: &headers }, &["h".to_owned()])
}

proptest! {
    #[test]
    fn every_key_is_routed_to_itself(key in key()) {
        let path = format!("/{}", encode_key(&key));
        let found = ask(&Method::PUT, &path, None).expect("a route");
        let found = found.key.expect("a key");
        prop_assert_eq!(found.as_str(), key);
    }

    #[test]
    fn encoded_keys_are_read_back_by_both_kinds_of_decoder(key in key()) {
        let encoded = encode_key(&key);
        prop_assert_eq!(&decode(encoded.as_bytes(), Plus::Literal).expect("decodes"), &key);
        prop_assert_eq!(&decode(encoded.as_bytes(), Plus::Space).expect("decodes"), &key);
    }

    #[test]
    fn sources_are_read_back(key in key()) {
        let copy = sources::parse_copy_source(encode_key(&format!("/bucket/{key}")).as_bytes()).expect("a source");
        prop_assert_eq!(copy.key.as_str(), &key);
        let rename = sources::parse_rename_source(encode_key(&key).as_bytes(), &bucket()).expect("a source");
        prop_assert_eq!(rename.literal.as_str(), &key);
        let rename = sources::parse_rename_source(encode_key(&format!("bucket/{key}")).as_bytes(), &bucket()).expect("a source");
        let behind = rename.behind_bucket.expect("a key");
        prop_assert_eq!(behind.as_str(), &key);
    }

    #[test]
    fn texts_in_documents_are_read_back_unchanged(pairs in prop::collection::btree_map(key(), key(), 0..5)) {
        let short = |text: &str, max: usize| text.chars().take(max).collect::<String>();
        let pairs: std::collections::BTreeMap<_, _> = pairs.iter().map(|(k, v)| (short(k, 128), short(v, 256))).collect();
        let Ok(tags) = Tags::new(pairs.into_iter().collect(), 50) else { return Ok(()) };
        prop_assert_eq!(xml::parse_bucket_tagging(xml::tagging_document(&tags).as_bytes()).expect("a document"), tags);
    }

    #[test]
    fn tokens_are_read_back(key in key()) {
        prop_assert_eq!(listing::continue_after(&listing::continuation_token(&key)).expect("a token"), key);
    }

    #[test]
    fn dates_are_read_back(millis in 0_u64..253_402_300_800_000) {
        let at = Timestamp::from_millis(millis);
        prop_assert_eq!(dates::parse_iso8601(&dates::iso8601(at)), Some(at));
        prop_assert_eq!(dates::parse_http_date(&dates::http_date(at)), Some(Timestamp::from_secs(at.secs())));
    }

    #[test]
    fn no_target_makes_routing_panic(method in "(GET|HEAD|PUT|POST|DELETE|PATCH)", path in "(/|/bucket/)?[ -~]{0,20}", query in "([a-zA-Z-]{1,12}=?[%&+=a-f0-9]{0,6}&?){0,5}") {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        if let Ok(found) = ask(&method, &path, Some(&query)) {
            let _ = (listing::list_objects(&found.query), listing::list_objects_v2(&found.query), listing::list_uploads(&found.query));
            let _ = (listing::list_parts(&found.query), listing::list_buckets(&found.query), headers::response_overrides(&found.query));
        }
    }

    #[test]
    fn no_header_value_makes_a_parser_panic(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'%'), Just(b'*'), 0x20_u8..=0xff], 0..64)) {
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = (conditions::parse_tag_list(text), dates::parse_either(text), headers::parse_tagging(text));
            let _ = (sources::parse_copy_source_range(text), Query::parse(Some(text)));
        }
        let _ = (sources::parse_copy_source(&bytes), sources::parse_rename_source(&bytes, &bucket()));
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        let names = ["if-match", "if-none-match", "if-modified-since", "x-amz-if-match-size", "content-md5", "x-amz-checksum-crc32", "content-type"];
        let map = HeaderMap::from_iter(names.map(|n| (http::HeaderName::from_static(n), value.clone())));
        let _ = (conditions::read_conditions(&map), conditions::delete_conditions(&map), headers::attributes(&map));
        let _ = (holdfast_s3::checksums::checksum_request(&map), holdfast_s3::checksums::content_md5(&map));
        let _ = fields::effective_headers(map, &Query::default());
    }

    #[test]
    fn no_document_makes_a_parser_panic(cut in 0_usize..400, at in 0_usize..400, junk in prop::collection::vec(any::<u8>(), 0..8)) {
        for valid in [
            "<Delete xmlns='x'><Quiet>true</Quiet><Object><Key>a&amp;&#x41;<![CDATA[b]]></Key><ETag>&quot;a&quot;</ETag><Size>5</Size></Object></Delete>",
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>",
            "<?xml version='1.0' encoding='UTF-8'?><Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
            "<CreateBucketConfiguration><LocationConstraint>eu</LocationConstraint></CreateBucketConfiguration>",
        ] {
            let mut bytes = valid.as_bytes().to_vec();
            let at = at.min(bytes.len());
            bytes.splice(at..at, junk.iter().copied());
            bytes.truncate(cut.max(1));
            let _ = (xml::parse_delete(&bytes), xml::parse_complete_multipart_upload(&bytes), xml::parse_object_tagging(&bytes));
            let _ = xml::parse_create_bucket(&bytes);
        }
    }
}
