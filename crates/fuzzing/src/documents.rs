//! The XML documents that clients send: what is read, written out in another way and read again, is the same.

use holdfast_model::{ETagMatch, Tags};
use holdfast_s3::{dates::iso8601, error::Code, xml};

use crate::input::Input;

pub(crate) fn xml_documents(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let which = input.byte();
    let body = input.rest();
    match which % 5 {
        0 => create_bucket(body),
        1 => delete(body),
        2 => complete(body),
        3 => tagging(body, xml::parse_object_tagging),
        _ => tagging(body, xml::parse_bucket_tagging),
    }
}

/// An element whose text is written as character references only.
fn element(name: &str, text: &str) -> String {
    let references: String = text.chars().map(|c| format!("&#x{:x};", u32::from(c))).collect();
    format!("<{name}>{references}</{name}>")
}

fn tag_set(tags: &Tags) -> String {
    tags.iter().map(|(key, value)| format!("<Tag>{}{}</Tag>", element("Key", key), element("Value", value))).collect()
}

fn create_bucket(body: &[u8]) {
    let Ok(read) = xml::parse_create_bucket(body) else { return };
    let location = read.location_constraint.as_deref().map(|text| element("LocationConstraint", text)).unwrap_or_default();
    let tags = read.tags.as_ref().map(|tags| format!("<Tags>{}</Tags>", tag_set(tags))).unwrap_or_default();
    let again = format!("<CreateBucketConfiguration>{location}{tags}</CreateBucketConfiguration>");
    assert_eq!(xml::parse_create_bucket(again.as_bytes()).expect("what was read"), read);
}

fn tagging(body: &[u8], parse: fn(&[u8]) -> Result<Tags, holdfast_s3::error::S3Error>) {
    let Ok(read) = parse(body) else { return };
    let again = format!("<Tagging><TagSet>{}</TagSet></Tagging>", tag_set(&read));
    assert_eq!(parse(again.as_bytes()).expect("what was read"), read);
    assert_eq!(parse(xml::tagging_document(&read).as_bytes()).expect("what we answer"), read);
}

fn delete(body: &[u8]) {
    let read = match xml::parse_delete(body) {
        Ok(read) => read,
        // An unknown element may be a condition: nothing may be deleted then, so it must be an error, and one of the client's.
        Err(error) => return assert!(error.code().status_number() < 500 || error.code() == Code::NotImplemented),
    };
    assert!((1..=1000).contains(&read.entries.len()));
    let mut again = format!("<Delete>{}", element("Quiet", if read.quiet { "true" } else { "false" }));
    for entry in &read.entries {
        again.push_str("<Object>");
        again.push_str(&element("Key", entry.key.as_str()));
        let conditions = &entry.conditions;
        let tag = conditions.if_match.as_ref().map(|tag| match tag {
            ETagMatch::Any => "*".to_owned(),
            ETagMatch::Exactly(tag) => tag.quoted(),
        });
        let fields = [
            ("VersionId", entry.version_id.clone()),
            ("ETag", tag),
            ("Size", conditions.size.map(|size| size.to_string())),
            ("LastModifiedTime", conditions.last_modified.map(iso8601)),
        ];
        again.extend(fields.into_iter().filter_map(|(name, text)| Some(element(name, &text?))));
        again.push_str("</Object>");
    }
    again.push_str("</Delete>");
    assert_eq!(xml::parse_delete(again.as_bytes()).expect("what was read"), read);
}

fn complete(body: &[u8]) {
    let Ok(read) = xml::parse_complete_multipart_upload(body) else { return };
    assert!(read.is_sorted_by(|a, b| a.number < b.number), "parts in order, each once");
    let mut again = "<CompleteMultipartUpload>".to_owned();
    for part in &read {
        let checksum = part
            .checksum
            .as_ref()
            .map(|checksum| element(holdfast_s3::checksums::checksum_element(checksum.checksum.algorithm()), &checksum.text()));
        let number = element("PartNumber", &part.number.get().to_string());
        again.push_str(&format!("<Part>{number}{}{}</Part>", element("ETag", &part.etag.quoted()), checksum.unwrap_or_default()));
    }
    again.push_str("</CompleteMultipartUpload>");
    assert_eq!(xml::parse_complete_multipart_upload(again.as_bytes()).expect("what was read"), read);
}
