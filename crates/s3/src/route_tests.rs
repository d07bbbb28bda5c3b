//! Tables of requests and what they mean.

use super::*;

fn at(method: &str, host: Option<&str>, target: &str, copy_source: bool) -> Result<Route, S3Error> {
    let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
    let mut headers = HeaderMap::new();
    if copy_source {
        headers.insert(COPY_SOURCE, HeaderValue::from_static("b/k"));
    }
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    route(Target { method: &method, host, path, query, headers: &headers }, &["s3.local".to_owned(), "eu.s3.local:9000".to_owned()])
}

#[test]
fn every_operation_is_found_by_its_method_and_query() {
    use Operation::*;
    let cases = [
        ("GET", "/", ListBuckets),
        ("GET", "/?x-id=ListBuckets", ListBuckets),
        ("PUT", "/bucket", CreateBucket),
        ("PUT", "/bucket/", CreateBucket),
        ("HEAD", "/bucket", HeadBucket),
        ("DELETE", "/bucket", DeleteBucket),
        ("GET", "/bucket?location", GetBucketLocation),
        ("GET", "/bucket?location=", GetBucketLocation),
        ("GET", "/bucket?versioning", GetBucketVersioning),
        ("GET", "/bucket?tagging", GetBucketTagging),
        ("PUT", "/bucket?tagging", PutBucketTagging),
        ("DELETE", "/bucket?tagging", DeleteBucketTagging),
        ("GET", "/bucket", ListObjects),
        ("GET", "/bucket/?prefix=a&cache=1", ListObjects),
        ("GET", "/bucket?list-type=2&prefix=", ListObjectsV2),
        ("GET", "/bucket?uploads", ListMultipartUploads),
        ("POST", "/bucket?delete", DeleteObjects),
        ("POST", "/bucket/?delete=&x-id=DeleteObjects", DeleteObjects),
        ("PUT", "/bucket/k", PutObject),
        ("PUT", "/bucket/k?x-id=PutObject&X-Amz-Signature=1&If-None-Match=*", PutObject),
        ("GET", "/bucket/k", GetObject),
        ("GET", "/bucket/k?partNumber=3&versionId=null&anything=1", GetObject),
        ("HEAD", "/bucket/k", HeadObject),
        ("DELETE", "/bucket/k", DeleteObject),
        ("DELETE", "/bucket/k?versionId=null", DeleteObject),
        ("PUT", "/bucket/k?AWSAccessKeyId=a&Signature=b&Expires=1", PutObject),
        ("PUT", "/bucket/k?renameObject", RenameObject),
        ("GET", "/bucket/k?attributes", GetObjectAttributes),
        ("GET", "/bucket/k?tagging", GetObjectTagging),
        ("PUT", "/bucket/k?tagging&versionId=null", PutObjectTagging),
        ("DELETE", "/bucket/k?tagging", DeleteObjectTagging),
        ("POST", "/bucket/k?uploads", CreateMultipartUpload),
        ("PUT", "/bucket/k?uploadId=u&partNumber=1", UploadPart),
        ("POST", "/bucket/k?uploadId=u", CompleteMultipartUpload),
        ("DELETE", "/bucket/k?uploadId=u", AbortMultipartUpload),
        ("GET", "/bucket/k?uploadId=u&max-parts=2", ListParts),
    ];
    for (method, target, operation) in cases {
        assert_eq!(at(method, None, target, false).map(|r| r.operation), Ok(operation), "{method} {target}");
    }
    let copies = [("/bucket/k", CopyObject), ("/bucket/k?uploadId=u&partNumber=1", UploadPartCopy)];
    for (target, operation) in copies {
        assert_eq!(at("PUT", None, target, true).map(|r| r.operation), Ok(operation), "{target}");
        let hoisted = format!("{target}{}X-Amz-Copy-Source=b%2Fk", if target.contains('?') { '&' } else { '?' });
        assert_eq!(at("PUT", None, &hoisted, false).map(|r| r.operation), Ok(operation), "{hoisted}");
    }
    let reached = cases.iter().map(|c| c.2).chain(copies.map(|c| c.1)).collect::<std::collections::HashSet<_>>();
    assert_eq!(reached.len(), Operation::ALL.len());
}

#[test]
fn what_is_not_understood_is_refused() {
    for (method, target, code) in [
        ("PUT", "/bucket/k?unknown", Code::InvalidArgument),
        ("PUT", "/bucket/k?append", Code::InvalidArgument),
        ("PUT", "/bucket/k?renameobject", Code::InvalidArgument),
        ("PUT", "/bucket/k?versionId=null", Code::InvalidArgument),
        ("PUT", "/bucket/k?partNumber=1", Code::InvalidArgument),
        ("PUT", "/bucket/k?uploadId=u", Code::InvalidArgument),
        ("PUT", "/bucket/k?uploadId=u&partNumber=0", Code::InvalidArgument),
        ("PUT", "/bucket/k?uploadId=u&partNumber=10001", Code::InvalidArgument),
        ("PUT", "/bucket/k?uploadId=u&partNumber=1&partNumber=2", Code::InvalidArgument),
        ("PUT", "/bucket/k?tagging&uploadId=u&partNumber=1", Code::InvalidArgument),
        ("PUT", "/bucket/k?tagging&acl", Code::InvalidArgument),
        ("PUT", "/bucket/k?location", Code::InvalidArgument),
        ("PUT", "/bucket?renameObject", Code::InvalidArgument),
        ("PUT", "/bucket?prefix=a", Code::InvalidArgument),
        ("DELETE", "/bucket?uploadId=u", Code::InvalidArgument),
        ("DELETE", "/bucket?force=true", Code::InvalidArgument),
        ("DELETE", "/bucket/k?recursive", Code::InvalidArgument),
        ("POST", "/bucket/k?uploads&x", Code::InvalidArgument),
        ("POST", "/bucket?delete&quiet", Code::InvalidArgument),
        ("GET", "/bucket/k?uploadId=u&partNumber=1", Code::InvalidArgument),
        ("GET", "/bucket?list-type=3", Code::InvalidArgument),
        ("GET", "/bucket/k?versionId=", Code::InvalidArgument),
        ("GET", "/bucket/k?versionId=3HL4", Code::NoSuchVersion),
        ("DELETE", "/bucket/k?versionId=3HL4", Code::NoSuchVersion),
        ("POST", "/bucket", Code::NotImplemented),
        ("POST", "/bucket/k", Code::MethodNotAllowed),
        ("POST", "/bucket/k?tagging", Code::MethodNotAllowed),
        ("PUT", "/bucket/k?uploads", Code::MethodNotAllowed),
        ("GET", "/bucket/k?uploads", Code::MethodNotAllowed),
        ("HEAD", "/bucket/k?uploadId=u", Code::MethodNotAllowed),
        ("PATCH", "/bucket/k", Code::MethodNotAllowed),
        ("PUT", "/", Code::MethodNotAllowed),
        ("HEAD", "/", Code::MethodNotAllowed),
        ("OPTIONS", "/bucket/k", Code::AccessForbidden),
        ("GET", "/bu%ZZcket/k", Code::InvalidUri),
        ("GET", "/bucket/%", Code::InvalidUri),
        ("GET", "/bucket/%ff", Code::InvalidUri),
        ("GET", "*", Code::InvalidUri),
        ("GET", "/Bucket/k", Code::InvalidBucketName),
        ("GET", "//k", Code::InvalidBucketName),
        ("GET", "/bucket%2Fk", Code::InvalidBucketName),
    ] {
        assert_eq!(at(method, None, target, false).map(|r| r.operation).map_err(|e| e.code()), Err(code), "{method} {target}");
    }
    assert_eq!(at("PUT", None, &format!("/bucket/{}", "k".repeat(1025)), false).unwrap_err().code(), Code::KeyTooLong);
    assert_eq!(at("PUT", None, "/bucket/k?what=1", false).unwrap_err().field("ArgumentName"), Some("what"));
}

#[test]
fn sub_resources_that_we_lack_are_501_and_never_another_operation() {
    for sub_resource in SUB_RESOURCES {
        let target = if sub_resource.level == Level::Bucket { "/bucket" } else { "/bucket/k" };
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"] {
            let got = at(method, None, &format!("{target}?{}", sub_resource.name), false).map(|r| r.operation);
            match sub_resource.methods.iter().find(|(m, _)| *m == method) {
                Some((_, None)) => assert_eq!(got.unwrap_err().code(), Code::NotImplemented, "{method} {target}?{}", sub_resource.name),
                Some((_, Some(Operation::UploadPart))) => assert_eq!(got.unwrap_err().code(), Code::InvalidArgument),
                Some((_, Some(operation))) => assert_eq!(got, Ok(*operation)),
                None => assert_eq!(got.unwrap_err().code(), Code::MethodNotAllowed, "{method} {target}?{}", sub_resource.name),
            }
        }
    }
}

#[test]
fn buckets_come_from_the_path_or_from_the_host() {
    for (host, path, bucket, key) in [
        (None, "/bucket/k", Some("bucket"), Some("k")),
        (Some("s3.local"), "/bucket/k", Some("bucket"), Some("k")),
        (Some("s3.local:9000"), "/", None, None),
        (Some("bucket.s3.local"), "/", Some("bucket"), None),
        (Some("bucket.s3.local:9000"), "/k/l", Some("bucket"), Some("k/l")),
        (Some("Bucket.S3.Local."), "/k", Some("bucket"), Some("k")),
        (Some("my.dotted.bucket.s3.local"), "/k", Some("my.dotted.bucket"), Some("k")),
        (Some("bucket.eu.s3.local"), "/k", Some("bucket"), Some("k")),
        (Some("eu.s3.local"), "/bucket/k", Some("bucket"), Some("k")),
        (Some("127.0.0.1:9000"), "/bucket/k", Some("bucket"), Some("k")),
        (Some("[::1]:9000"), "/bucket/k", Some("bucket"), Some("k")),
        (Some("bucket.elsewhere.org"), "/bucket/k", Some("bucket"), Some("k")),
        (Some("nots3.local"), "/bucket/k", Some("bucket"), Some("k")),
    ] {
        let route = at("GET", host, path, false).unwrap();
        assert_eq!(route.bucket.as_ref().map(BucketName::as_str), bucket, "{host:?} {path}");
        assert_eq!(route.key.as_ref().map(ObjectKey::as_str), key, "{host:?} {path}");
    }
    assert_eq!(at("GET", Some("a_b.s3.local"), "/k", false).unwrap_err().code(), Code::InvalidBucketName);
}

#[test]
fn keys_are_decoded_once_and_never_normalised() {
    for (path, key) in [
        ("/bucket//", "/"),
        ("/bucket//a//b/", "/a//b/"),
        ("/bucket/../etc/./passwd", "../etc/./passwd"),
        ("/bucket/a+b", "a+b"),
        ("/bucket/a%2Bb%20c", "a+b c"),
        ("/bucket/%252F", "%2F"),
        ("/bucket/%2F", "/"),
        ("/bucket/%F0%9F%A6%80%00%3F", "\u{1f980}\0?"),
    ] {
        assert_eq!(at("PUT", None, path, false).unwrap().key.unwrap().as_str(), key, "{path}");
    }
}
