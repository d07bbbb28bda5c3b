//! Each document, as S3's reference shows it.

use holdfast_model::{Condition, limits::LIST_PAGE_MAX};

use super::*;
use crate::error::S3Error;

const AT: Timestamp = Timestamp::from_secs(784_111_777);
const DATE: &str = "1994-11-06T08:49:37.000Z";
const OWNER: Owner<'static> = Owner { id: "me", display_name: "Me" };
const OWNER_XML: &str = "<ID>me</ID><DisplayName>Me</DisplayName>";

fn bucket() -> BucketName {
    BucketName::parse("bucket").unwrap()
}

fn etag() -> ETag {
    ETag::parse("abc").unwrap()
}

fn crc32(kind: Option<ChecksumKind>) -> ChecksumFields {
    ChecksumFields::plain(Checksum::new(ChecksumAlgorithm::Crc32, &[0; 4]).unwrap(), kind)
}

fn check(xml: &str, root: &str, inner: &str) {
    let begin = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    assert_eq!(xml, format!("{begin}{inner}</{root}>"));
}

fn listed<'a>(key: &'a str, etag: &'a ETag) -> ListedObject<'a> {
    ListedObject {
        key,
        last_modified: AT,
        etag,
        size: 5,
        checksum_algorithm: Some(ChecksumAlgorithm::Crc64Nvme),
        checksum_kind: Some(ChecksumKind::FullObject),
    }
}

#[test]
fn buckets_and_their_settings() {
    let name = bucket();
    let buckets = ListAllMyBucketsResult {
        owner: OWNER,
        buckets: vec![ListedBucket { name: &name, created: AT, region: Some("eu") }],
        prefix: None,
        continuation_token: None,
    };
    let one = format!("<Bucket><Name>bucket</Name><CreationDate>{DATE}</CreationDate><BucketRegion>eu</BucketRegion></Bucket>");
    check(&buckets.xml(), "ListAllMyBucketsResult", &format!("<Owner>{OWNER_XML}</Owner><Buckets>{one}</Buckets>"));
    check(&location_constraint("eu-west-1"), "LocationConstraint", "eu-west-1");
    check(&location_constraint("us-east-1"), "LocationConstraint", "");
    check(&versioning_configuration(), "VersioningConfiguration", "");
    let tags = Tags::new(vec![("a<".into(), "b".into())], 1).unwrap();
    check(&tagging_document(&tags), "Tagging", "<TagSet><Tag><Key>a&lt;</Key><Value>b</Value></Tag></TagSet>");
}

#[test]
fn listings_encode_keys_only_when_asked() {
    let (name, tag) = (bucket(), etag());
    for (url_encoded, key, prefix, kind) in
        [(false, "a b&#x1;", "p&amp;/", ""), (true, "a%20b%01", "p%26/", "<EncodingType>url</EncodingType>")]
    {
        let entry = format!(
            "<Contents><Key>{key}</Key><LastModified>{DATE}</LastModified><ETag>&quot;abc&quot;</ETag>\
             <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size>OWNER\
             <StorageClass>STANDARD</StorageClass></Contents><CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>"
        );
        let v1 = ListObjectsResult {
            bucket: &name,
            prefix: "p&/",
            marker: "",
            delimiter: Some("/"),
            max_keys: 2,
            url_encoded,
            next_marker: Some("p&/"),
            is_truncated: true,
            owner: OWNER,
            objects: vec![listed("a b\u{1}", &tag)],
            common_prefixes: vec!["p&/"],
        };
        let head = format!(
            "<Name>bucket</Name><Prefix>{prefix}</Prefix><Marker></Marker><NextMarker>{prefix}</NextMarker><MaxKeys>2</MaxKeys>\
             <Delimiter>/</Delimiter>{kind}<IsTruncated>true</IsTruncated>"
        );
        check(&v1.xml(), "ListBucketResult", &(head + &entry.replace("OWNER", &format!("<Owner>{OWNER_XML}</Owner>"))));
        let v2 = ListObjectsV2Result {
            bucket: &name,
            prefix: "",
            delimiter: None,
            max_keys: 1000,
            url_encoded,
            start_after: Some("p&/"),
            continuation_token: Some("dG9r"),
            next_continuation_token: Some("bmV4dA".into()),
            is_truncated: true,
            owner: None,
            objects: vec![listed("a b\u{1}", &tag)],
            common_prefixes: vec!["p&/"],
        };
        let head = format!(
            "<Name>bucket</Name><Prefix></Prefix><StartAfter>{prefix}</StartAfter><ContinuationToken>dG9r</ContinuationToken>\
             <NextContinuationToken>bmV4dA</NextContinuationToken><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>{kind}<IsTruncated>true</IsTruncated>"
        );
        check(&v2.xml(), "ListBucketResult", &(head + &entry.replace("OWNER", "")));
    }
}

#[test]
fn deletes_tell_each_key_and_the_condition_that_failed() {
    let outcomes = [
        DeleteOutcome::Deleted { key: "a", version_id: Some("null") },
        DeleteOutcome::Error { key: "b<", version_id: None, error: S3Error::precondition_failed(Condition::IfMatch) },
    ];
    let deleted = "<Deleted><Key>a</Key><VersionId>null</VersionId></Deleted>";
    let failed = "<Error><Key>b&lt;</Key><Code>PreconditionFailed</Code>";
    let loud = delete_result(&outcomes, false);
    assert!(loud.contains(deleted) && loud.contains(failed) && loud.contains("<Condition>If-Match</Condition></Error></DeleteResult>"));
    let quiet = delete_result(&outcomes, true);
    assert!(!quiet.contains(deleted) && quiet.contains(failed));
}

#[test]
fn copies_and_uploads() {
    let (name, tag, id) = (bucket(), etag(), UploadId::new("up"));
    let copied = format!("<LastModified>{DATE}</LastModified><ETag>&quot;abc&quot;</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32>");
    check(&copy_part_result(&tag, AT, Some(&crc32(None))), "CopyPartResult", &copied);
    let typed = format!("{copied}<ChecksumType>FULL_OBJECT</ChecksumType>");
    check(&copy_object_result(&tag, AT, Some(&crc32(Some(ChecksumKind::FullObject)))), "CopyObjectResult", &typed);
    let begun = "<Bucket>bucket</Bucket><Key>a&amp;</Key><UploadId>up</UploadId>";
    check(&initiate_multipart_upload_result(&name, "a&", &id), "InitiateMultipartUploadResult", begun);
    let value = WireChecksum { checksum: Checksum::new(ChecksumAlgorithm::Crc32, &[0; 4]).unwrap(), parts: Some(3) };
    let complete = CompleteMultipartUploadResult {
        location: "http://h/bucket/k",
        bucket: &name,
        key: "k",
        etag: &tag,
        checksum: Some(ChecksumFields { value, kind: Some(ChecksumKind::Composite) }),
    };
    check(
        &complete.xml(),
        "CompleteMultipartUploadResult",
        "<Location>http://h/bucket/k</Location><Bucket>bucket</Bucket><Key>k</Key><ETag>&quot;abc&quot;</ETag>\
         <ChecksumCRC32>AAAAAA==-3</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType>",
    );
}

#[test]
fn parts_uploads_and_attributes() {
    let (name, tag, id) = (bucket(), etag(), UploadId::new("up"));
    let number = PartNumber::new(2).unwrap();
    let parts = ListPartsResult {
        bucket: &name,
        key: "k",
        upload_id: &id,
        owner: OWNER,
        part_number_marker: 1,
        next_part_number_marker: Some(2),
        max_parts: 1,
        is_truncated: true,
        checksum_algorithm: Some(ChecksumAlgorithm::Crc32),
        checksum_kind: Some(ChecksumKind::Composite),
        parts: vec![ListedPart { number, last_modified: AT, etag: etag(), size: 5, checksum: Some(crc32(None)) }],
    };
    let inner = format!(
        "<Bucket>bucket</Bucket><Key>k</Key><UploadId>up</UploadId><Initiator>{OWNER_XML}</Initiator><Owner>{OWNER_XML}</Owner>\
         <StorageClass>STANDARD</StorageClass><PartNumberMarker>1</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker>\
         <MaxParts>1</MaxParts><IsTruncated>true</IsTruncated><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType>\
         <Part><PartNumber>2</PartNumber><LastModified>{DATE}</LastModified><ETag>&quot;abc&quot;</ETag><Size>5</Size>\
         <ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>"
    );
    check(&parts.xml(), "ListPartsResult", &inner);
    let uploads = ListMultipartUploadsResult {
        bucket: &name,
        prefix: "",
        delimiter: None,
        key_marker: "",
        upload_id_marker: "",
        next_key_marker: Some("k"),
        next_upload_id_marker: Some("up"),
        max_uploads: 1,
        is_truncated: true,
        url_encoded: false,
        owner: OWNER,
        uploads: vec![ListedUpload { key: "k", upload_id: &id, initiated: AT, checksum_algorithm: None, checksum_kind: None }],
        common_prefixes: vec![],
    };
    let inner = format!(
        "<Bucket>bucket</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker><NextKeyMarker>k</NextKeyMarker>\
         <NextUploadIdMarker>up</NextUploadIdMarker><Prefix></Prefix><MaxUploads>1</MaxUploads><IsTruncated>true</IsTruncated>\
         <Upload><Key>k</Key><UploadId>up</UploadId><Initiator>{OWNER_XML}</Initiator><Owner>{OWNER_XML}</Owner>\
         <StorageClass>STANDARD</StorageClass><Initiated>{DATE}</Initiated></Upload>"
    );
    check(&uploads.xml(), "ListMultipartUploadsResult", &inner);
    let object_parts = ObjectParts {
        total_parts_count: 3,
        part_number_marker: 0,
        next_part_number_marker: 2,
        max_parts: 1,
        is_truncated: true,
        parts: vec![(number, 5, Some(crc32(None)))],
    };
    let attributes = GetObjectAttributesResult {
        etag: Some(&tag),
        checksum: Some(crc32(Some(ChecksumKind::FullObject))),
        object_parts: Some(object_parts),
        storage_class: Some("STANDARD"),
        object_size: Some(15),
    };
    check(
        &attributes.xml(),
        "GetObjectAttributesResponse",
        "<ETag>abc</ETag><Checksum><ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType></Checksum>\
         <ObjectParts><PartsCount>3</PartsCount><PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker>\
         <MaxParts>1</MaxParts><IsTruncated>true</IsTruncated><Part><PartNumber>2</PartNumber><Size>5</Size>\
         <ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></ObjectParts><StorageClass>STANDARD</StorageClass><ObjectSize>15</ObjectSize>",
    );
}

/// Reserved once: a page of the largest size grows its `String` at most a little.
#[test]
fn a_full_page_is_written_without_growing_step_by_step() {
    let (name, tag) = (bucket(), etag());
    let keys: Vec<String> = (0..LIST_PAGE_MAX).map(|n| format!("data/shard-{n:08}.tar")).collect();
    let page = ListObjectsV2Result {
        bucket: &name,
        prefix: "data/",
        delimiter: None,
        max_keys: LIST_PAGE_MAX,
        url_encoded: true,
        start_after: None,
        continuation_token: None,
        next_continuation_token: None,
        is_truncated: false,
        owner: None,
        objects: keys.iter().map(|key| listed(key, &tag)).collect(),
        common_prefixes: vec![],
    };
    let xml = page.xml();
    assert_eq!(xml.matches("<Contents>").count(), LIST_PAGE_MAX);
    assert_eq!(xml.capacity(), 1024 + ENTRY_BYTES * LIST_PAGE_MAX);
}
