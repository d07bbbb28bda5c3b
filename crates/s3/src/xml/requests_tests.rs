//! Good, bad and hostile documents.

use std::time::{Duration, Instant};

use holdfast_model::{ETagMatch, Timestamp};

use super::*;

const NS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

fn code<T>(result: Result<T>) -> Option<Code> {
    result.err().map(|e| e.code())
}

#[test]
fn a_delete_document_is_read_whole() {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete {NS}>\n <!-- two --> <Quiet>true</Quiet>\n\
         <Object><Key>a&amp;b&#x1;&#10;<![CDATA[<c>]]></Key><VersionId>null</VersionId></Object>\
         <Object><Key> k </Key><ETag>&quot;abc&quot;</ETag><Size>5</Size><LastModifiedTime>Sun, 06 Nov 1994 08:49:37 GMT</LastModifiedTime></Object>\
         <Object><Key>x</Key><VersionId/><LastModifiedTime>1994-11-06T08:49:37Z</LastModifiedTime><ETag>*</ETag></Object>\n</Delete>\n"
    );
    let request = parse_delete(body.as_bytes()).unwrap();
    let keys: Vec<&str> = request.entries.iter().map(|e| e.key.as_str()).collect();
    assert_eq!((request.quiet, keys), (true, vec!["a&b\u{1}\n<c>", " k ", "x"]));
    let at = Some(Timestamp::from_secs(784_111_777));
    let full = DeleteConditions {
        if_match: Some(ETagMatch::Exactly(ETag::parse("abc").unwrap())),
        size: Some(5),
        last_modified: at,
        generation: None,
    };
    assert_eq!(request.entries[0].version_id.as_deref(), Some("null"));
    assert_eq!(request.entries[1].conditions, full);
    assert_eq!(request.entries[2].version_id, None);
    assert_eq!(
        request.entries[2].conditions,
        DeleteConditions { if_match: Some(ETagMatch::Any), last_modified: at, ..DeleteConditions::default() }
    );
}

#[test]
fn prefixes_byte_order_marks_and_line_ends_are_taken_as_xml_has_them() {
    for body in [
        "<Delete><Object><Key>k</Key></Object></Delete>",
        "\u{feff}<?xml version='1.0'?><Delete><Object><Key>k</Key></Object></Delete>",
        "<s3:Delete xmlns:s3='http://s3.amazonaws.com/doc/2006-03-01/'><s3:Object><s3:Key>k</s3:Key></s3:Object></s3:Delete>",
    ] {
        assert_eq!(parse_delete(body.as_bytes()).unwrap().entries[0].key.as_str(), "k", "{body}");
    }
    let lines = parse_delete(b"<Delete><Object><Key>a\r\nb\rc&#13;</Key></Object></Delete>").unwrap();
    assert_eq!(lines.entries[0].key.as_str(), "a\nb\nc\r");
}

/// As botocore writes it: other control characters than line ends come raw, although XML 1.0 forbids them.
#[test]
fn keys_with_raw_control_characters_can_be_deleted() {
    let body = b"<Delete><Object><Key>\x01&#xD;&#xA;&lt;&amp;&gt;\"</Key></Object><Quiet>true</Quiet></Delete>";
    assert_eq!(parse_delete(body).unwrap().entries[0].key.as_str(), "\u{1}\r\n<&>\"");
}

#[test]
fn documents_that_are_not_well_formed_or_not_expected_are_refused() {
    let object = "<Object><Key>k</Key></Object>";
    for body in [
        String::new(),
        " ".into(),
        "text".into(),
        "<Delete>".into(),
        "<Delete/>".into(),
        "<Delete></Delete>".into(),
        format!("<Remove>{object}</Remove>"),
        format!("<Delete>{object}</delete>"),
        format!("<Delete>{object}</Delete><Delete/>"),
        format!("<Delete>{object}</Delete>x"),
        format!("x<Delete>{object}</Delete>"),
        format!("<Delete>x{object}</Delete>"),
        format!("<Delete>{object}<Other/></Delete>"),
        format!("<Delete>{object}<Quiet>true</Quiet><Quiet>true</Quiet></Delete>"),
        format!("<Delete>{object}<Quiet>maybe</Quiet></Delete>"),
        "<Delete><Object/></Delete>".into(),
        "<Delete><Object><Key/></Object></Delete>".into(),
        "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>".into(),
        "<Delete><Object><Key>a<b/></Key></Object></Delete>".into(),
        "<Delete><Object><Key>k</Key><IfMatch>a</IfMatch></Object></Delete>".into(),
        "<Delete><Object><Key>k</Key><Size>-1</Size></Object></Delete>".into(),
        "<Delete><Object><Key>k</Key><LastModifiedTime>soon</LastModifiedTime></Object></Delete>".into(),
        "<Delete><Object><Key>&nbsp;</Key></Object></Delete>".into(),
        "<Delete><Object><Key>&#xD800;</Key></Object></Delete>".into(),
        "<Delete><Object><Key>&#-1;</Key></Object></Delete>".into(),
        "<Delete><Object><Key>a & b</Key></Object></Delete>".into(),
        format!("<!DOCTYPE Delete>{object}"),
        format!("<!DOCTYPE d [<!ENTITY a \"b\">]><Delete>{object}</Delete>"),
        format!("<?php x?><Delete>{object}</Delete>"),
        format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Delete>{object}</Delete>"),
        format!("<Delete a=>{object}</Delete>"),
        format!("<Delete {}>{object}</Delete>", "a='b' ".repeat(17)),
    ] {
        assert_eq!(code(parse_delete(body.as_bytes())), Some(Code::MalformedXml), "{body}");
    }
    assert_eq!(code(parse_delete(b"<Delete><Object><Key>\xff</Key></Object></Delete>")), Some(Code::MalformedXml));
    assert_eq!(code(parse_delete(b"\xff\xfe<\0D\0")), Some(Code::MalformedXml));
}

#[test]
fn conditions_of_a_delete_are_never_dropped() {
    for (etag, expect) in [("", Code::InvalidRequest), ("W/\"a\"", Code::InvalidRequest), ("\"a\",\"b\"", Code::InvalidRequest)] {
        let body = format!("<Delete><Object><Key>k</Key><ETag>{etag}</ETag></Object></Delete>");
        assert_eq!(code(parse_delete(body.as_bytes())), Some(expect), "{etag}");
    }
    let long = format!("<Delete><Object><Key>{}</Key></Object></Delete>", "k".repeat(1025));
    assert_eq!(code(parse_delete(long.as_bytes())), Some(Code::KeyTooLong));
}

#[test]
fn counts_are_bounded() {
    let delete = |n: usize| format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(n));
    assert_eq!(parse_delete(delete(1000).as_bytes()).unwrap().entries.len(), 1000);
    assert_eq!(code(parse_delete(delete(1001).as_bytes())), Some(Code::MalformedXml));
    let complete = |n: usize| {
        let parts: String = (1..=n).map(|i| format!("<Part><PartNumber>{i}</PartNumber><ETag>e{i}</ETag></Part>")).collect();
        format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
    };
    assert_eq!(parse_complete_multipart_upload(complete(10_000).as_bytes()).unwrap().len(), 10_000);
    assert!(parse_complete_multipart_upload(complete(10_001).as_bytes()).is_err());
}

#[test]
fn hostile_documents_fail_fast() {
    let levels = "<a>".repeat(200_000);
    let mut large = b"<Delete>".to_vec();
    large.resize(10_000_000, b' ');
    let bodies: [Vec<u8>; 6] = [
        levels.clone().into_bytes(),
        format!("<Delete>{levels}").into_bytes(),
        format!("<Delete><Object><Key>{levels}").into_bytes(),
        large,
        format!("<Delete {}/>", "a='b' ".repeat(300_000)).into_bytes(),
        format!("<!DOCTYPE x [{}]>", "<!ENTITY a 'aaaaaaaaaa'>".repeat(50_000)).into_bytes(),
    ];
    for body in bodies {
        let begun = Instant::now();
        assert_eq!(code(parse_delete(&body)), Some(Code::MalformedXml));
        assert!(begun.elapsed() < Duration::from_secs(1), "{} bytes took {:?}", body.len(), begun.elapsed());
    }
}

#[test]
fn completed_parts_have_a_number_a_tag_and_perhaps_a_checksum() {
    let part = |inner: &str| format!("<CompleteMultipartUpload {NS}>{inner}</CompleteMultipartUpload>");
    let good = part(
        "<Part><ETag>\"a\"</ETag><PartNumber>1</PartNumber></Part>\
         <Part><PartNumber>3</PartNumber><ETag>b</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>",
    );
    let parts = parse_complete_multipart_upload(good.as_bytes()).unwrap();
    assert_eq!(parts.iter().map(|p| (p.number.get(), p.etag.as_str())).collect::<Vec<_>>(), [(1, "a"), (3, "b")]);
    assert_eq!(parts[1].checksum.as_ref().map(WireChecksum::text).as_deref(), Some("AAAAAA=="));
    let numbered = |n: &str| format!("<Part><PartNumber>{n}</PartNumber><ETag>a</ETag></Part>");
    for (inner, expect) in [
        (numbered("2") + &numbered("1"), Code::InvalidPartOrder),
        (numbered("1") + &numbered("1"), Code::InvalidPartOrder),
        (numbered("0"), Code::InvalidArgument),
        (numbered("10001"), Code::InvalidArgument),
        (numbered("x"), Code::InvalidArgument),
        ("<Part><PartNumber>1</PartNumber></Part>".into(), Code::MalformedXml),
        ("<Part><ETag>a</ETag></Part>".into(), Code::MalformedXml),
        ("<Part><PartNumber>1</PartNumber><PartNumber>1</PartNumber><ETag>a</ETag></Part>".into(), Code::MalformedXml),
        ("<Part><PartNumber>1</PartNumber><ETag></ETag></Part>".into(), Code::InvalidPart),
        ("<Part><PartNumber>1</PartNumber><ETag>a</ETag><ChecksumCRC32>x</ChecksumCRC32></Part>".into(), Code::InvalidPart),
        ("<Part><PartNumber>1</PartNumber><ETag>a</ETag><Colour>x</Colour></Part>".into(), Code::MalformedXml),
        (String::new(), Code::MalformedXml),
    ] {
        assert_eq!(code(parse_complete_multipart_upload(part(&inner).as_bytes())), Some(expect), "{inner}");
    }
}

#[test]
fn tags_come_from_documents_by_the_rules_of_tags() {
    let document = |inner: &str| format!("<Tagging {NS}><TagSet>{inner}</TagSet></Tagging>");
    let tag = |k: &str| format!("<Tag><Key>{k}</Key><Value>v</Value></Tag>");
    assert_eq!(parse_object_tagging(document(&tag("a&lt;")).as_bytes()).unwrap().iter().collect::<Vec<_>>(), [("a<", "v")]);
    assert!(parse_object_tagging(document("").as_bytes()).unwrap().is_empty());
    let eleven: String = (0..11).map(|n| tag(&n.to_string())).collect();
    assert_eq!(parse_bucket_tagging(document(&eleven).as_bytes()).unwrap().len(), 11);
    for (body, expect) in [
        (document(&eleven), Code::BadRequest),
        (document(&(tag("a") + &tag("a"))), Code::InvalidTag),
        (document("<Tag><Key>a</Key></Tag>"), Code::MalformedXml),
        (document("<Tag><Value>a</Value></Tag>"), Code::MalformedXml),
        ("<Tagging/>".into(), Code::MalformedXml),
        ("<Tagging><TagSet/><TagSet/></Tagging>".into(), Code::MalformedXml),
    ] {
        assert_eq!(code(parse_object_tagging(body.as_bytes())), Some(expect), "{body}");
    }
}

#[test]
fn a_bucket_may_ask_for_a_location_and_tags() {
    let document = |inner: &str| format!("<CreateBucketConfiguration {NS}>{inner}</CreateBucketConfiguration>");
    assert_eq!(parse_create_bucket(b"").unwrap(), CreateBucketConfiguration::default());
    let read = parse_create_bucket(
        document("<LocationConstraint>eu-west-1</LocationConstraint><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>").as_bytes(),
    )
    .unwrap();
    assert_eq!((read.location_constraint.as_deref(), read.tags.unwrap().len()), (Some("eu-west-1"), 1));
    for (inner, expect) in [("<Bucket><Type>Directory</Type></Bucket>", Code::NotImplemented), ("<Other/>", Code::MalformedXml)] {
        assert_eq!(code(parse_create_bucket(document(inner).as_bytes())), Some(expect), "{inner}");
    }
}
