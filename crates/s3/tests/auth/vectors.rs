//! The examples that AWS publishes with their signatures:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>, `sigv4-query-string-auth.html`,
//! `sigv4-streaming.html` and `sigv4-streaming-trailers.html`.

use holdfast_s3::auth::{BodyDecoder, PayloadKind, SignedBy};

use super::support::{ACCESS_KEY, EMPTY_SHA256, authenticate, decode, head};

const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");
const DATE: (&str, &str) = ("x-amz-date", "20130524T000000Z");

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed_headers},Signature={signature}"
    )
}

/// Method, target, more headers, payload hash, signed headers, signature.
type Example = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str, &'static str, &'static str);

#[test]
fn the_header_examples_verify() {
    const WELCOME: &str = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    const PUT_HEADERS: [(&str, &str); 2] = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
    let cases: [Example; 4] = [
        (
            "GET",
            "/test.txt",
            &[("range", "bytes=0-9")],
            EMPTY_SHA256,
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test$file.text",
            &PUT_HEADERS,
            WELCOME,
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/?lifecycle",
            &[],
            EMPTY_SHA256,
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "/?max-keys=2&prefix=J",
            &[],
            EMPTY_SHA256,
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ];
    for (method, target, extra, hash, signed_headers, signature) in cases {
        let authorization = authorization(signed_headers, signature);
        let mut headers = vec![HOST, DATE, ("x-amz-content-sha256", hash), ("authorization", &authorization)];
        headers.extend_from_slice(extra);
        let identity = authenticate(&head(method, target, &headers)).unwrap_or_else(|e| panic!("{target}: {e:?}"));
        assert_eq!((identity.principal.as_str(), identity.signed_by), ("root", SignedBy::Header));
        assert_eq!(identity.payload.kind(), PayloadKind::parse(hash).unwrap());
    }
}

#[test]
fn the_presigned_example_verifies() {
    let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
        &X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let identity = authenticate(&head("GET", target, &[HOST])).unwrap();
    assert_eq!((identity.signed_by, identity.payload.kind()), (SignedBy::Query, PayloadKind::Unsigned));
    assert_eq!(identity.access_key.as_str(), ACCESS_KEY);
}

fn chunked_example(payload: &str, extra: &[(&str, &str)], signed_headers: &str, seed: &str) -> BodyDecoder {
    let authorization = authorization(signed_headers, seed);
    let mut headers = vec![
        ("host", "s3.amazonaws.com"),
        DATE,
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", payload),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        ("authorization", &authorization),
    ];
    headers.extend_from_slice(extra);
    let head = head("PUT", "/examplebucket/chunkObject.txt", &headers);
    let identity = authenticate(&head).unwrap();
    BodyDecoder::new(identity.payload, &head.headers).unwrap()
}

fn chunks(signatures: [&str; 3]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (size, signature) in [65536, 1024].into_iter().zip(signatures) {
        wire.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        wire.extend(vec![b'a'; size]);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(format!("0;chunk-signature={}\r\n", signatures[2]).as_bytes());
    wire
}

#[test]
fn the_chunked_upload_example_verifies() {
    let decoder = chunked_example(
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        &[("content-length", "66824")],
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    );
    let mut wire = chunks([
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]);
    wire.extend_from_slice(b"\r\n");
    let (payload, end) = decode(decoder, &wire, &[]).unwrap();
    assert_eq!((payload, end.length, end.trailers), (vec![b'a'; 66560], 66560, Vec::new()));
}

/// In both spellings that are about: the documentation's, and LF CR LF behind the checksum as some SDKs write it.
#[test]
fn the_trailer_example_verifies() {
    for line_end in ["\r\n", "\n\r\n"] {
        let decoder = chunked_example(
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            &[("x-amz-trailer", "x-amz-checksum-crc32c")],
            "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        );
        let mut wire = chunks([
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ]);
        let signature = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
        let trailer = format!("x-amz-checksum-crc32c:sOO8/Q=={line_end}x-amz-trailer-signature:{signature}\r\n\r\n");
        wire.extend_from_slice(trailer.as_bytes());
        let (payload, end) = decode(decoder, &wire, &[]).unwrap();
        assert_eq!(payload, vec![b'a'; 66560]);
        assert_eq!(end.trailers, [("x-amz-checksum-crc32c".parse().unwrap(), "sOO8/Q==".parse().unwrap())]);
    }
}
