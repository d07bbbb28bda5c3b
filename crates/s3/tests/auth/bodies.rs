//! Bodies: however the wire cuts them they decode alike, and nothing that is cut short or changed comes through.

use aws_sigv4::{
    http_request::{SignableBody, SignatureLocation},
    sign::v4::{sign_chunk, sign_trailer},
};
use aws_smithy_runtime_api::http::Headers;
use bytes::Bytes;
use holdfast_s3::auth::{BodyDecoder, BodyError, PayloadMode};
use http::HeaderMap;
use proptest::prelude::*;

use super::support::{authenticate, aws_identity, aws_params, decode, signed_by_aws};

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const TRAILER: (&str, &str) = ("x-amz-checksum-crc32", "AAAAAA==");

/// The payload mode of a request signed by AWS's signer, with its signature: the seed of the chain.
fn payload_mode(payload: &str) -> (PayloadMode, String) {
    let body = SignableBody::Precomputed(payload.to_owned());
    let parts = signed_by_aws("PUT", "/bucket/key", &[], body, "us-east-1", SignatureLocation::Headers);
    let authorization = parts.headers["authorization"].to_str().unwrap();
    let seed = authorization.rsplit_once("Signature=").unwrap().1.to_owned();
    (authenticate(&parts).unwrap().payload, seed)
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// A body of the given kind, as AWS's signer would send it.
struct Sent {
    kind: &'static str,
    payload: Vec<u8>,
    wire: Vec<u8>,
    mode: PayloadMode,
}

impl Sent {
    fn new(kind: &'static str, chunks: &[Vec<u8>]) -> Self {
        let (mode, mut previous) = payload_mode(kind);
        let identity = aws_identity();
        let params = aws_params(&identity, "us-east-1", SignatureLocation::Headers);
        let mut wire = Vec::new();
        for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()).chain([&Vec::new()]) {
            wire.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
            if kind != UNSIGNED_TRAILER {
                previous = sign_chunk(&Bytes::copy_from_slice(chunk), &previous, &params).unwrap().into_parts().1;
                wire.extend_from_slice(format!(";chunk-signature={previous}").as_bytes());
            }
            wire.extend_from_slice(b"\r\n");
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(if chunk.is_empty() { b"" } else { b"\r\n" });
        }
        if kind != SIGNED {
            wire.extend_from_slice(format!("{}:{}\r\n", TRAILER.0, TRAILER.1).as_bytes());
        }
        if kind == SIGNED_TRAILER {
            let mut trailers = Headers::new();
            trailers.insert(TRAILER.0, TRAILER.1);
            let signature = sign_trailer(&trailers, &previous, &params).unwrap().into_parts().1;
            wire.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
        }
        wire.extend_from_slice(b"\r\n");
        Self { kind, payload: chunks.concat(), wire, mode }
    }

    fn decoder(&self) -> BodyDecoder {
        let mut headers = headers(&[("x-amz-decoded-content-length", &self.payload.len().to_string())]);
        if self.kind != SIGNED {
            headers.insert("x-amz-trailer", TRAILER.0.parse().unwrap());
        }
        BodyDecoder::new(self.mode.clone(), &headers).unwrap()
    }
}

fn kinds() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_the_wire_is_cut_the_body_is_the_same(
        kind in kinds(),
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..5),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let sent = Sent::new(kind, &chunks);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(sent.wire.len() + 1)).collect();
        cuts.sort_unstable();
        let (payload, end) = decode(sent.decoder(), &sent.wire, &cuts).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(end.length, payload.len() as u64);
        prop_assert_eq!(end.trailers.len(), usize::from(kind != SIGNED));
        prop_assert_eq!(payload, sent.payload);
    }
}

fn small(kind: &'static str) -> Sent {
    Sent::new(kind, &[b"first\r\n".to_vec(), b"0\r\n\r\n".to_vec(), b"last chunk".to_vec()])
}

#[test]
fn a_body_pushed_byte_by_byte_decodes() {
    for kind in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        let sent = small(kind);
        let cuts: Vec<usize> = (0..sent.wire.len()).collect();
        assert_eq!(decode(sent.decoder(), &sent.wire, &cuts).unwrap().0, sent.payload);
    }
}

#[test]
fn a_body_cut_short_at_any_byte_fails() {
    for kind in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        let sent = small(kind);
        for length in 0..sent.wire.len() {
            let refused = decode(sent.decoder(), &sent.wire[..length], &[]).unwrap_err();
            assert!(matches!(refused, BodyError::Incomplete { .. }), "{kind} {length}: {refused:?}");
        }
    }
}

#[test]
fn bytes_behind_the_end_fail() {
    for kind in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        let sent = small(kind);
        for more in [&b"\r\n"[..], b"\n", b"x", b"0\r\n\r\n"] {
            assert_eq!(decode(sent.decoder(), &[&sent.wire, more].concat(), &[]), Err(BodyError::BytesAfterEnd), "{kind} {more:?}");
        }
    }
}

/// A flip in the framing may leave the meaning as it was (the case of a hex digit or of a trailer's name); then all is as it was.
#[test]
fn a_flipped_bit_of_a_signed_body_never_changes_what_comes_through() {
    for kind in [SIGNED, SIGNED_TRAILER] {
        let sent = small(kind);
        let genuine = decode(sent.decoder(), &sent.wire, &[]).unwrap();
        for bit in 0..sent.wire.len() * 8 {
            let mut wire = sent.wire.clone();
            wire[bit / 8] ^= 1 << (bit % 8);
            if let Ok(decoded) = decode(sent.decoder(), &wire, &[]) {
                assert_eq!(decoded, genuine, "{kind} bit {bit}");
            }
        }
    }
}

#[test]
fn every_flipped_payload_byte_of_a_signed_body_fails() {
    let payload = b"every byte counts".to_vec();
    let (chunked, hashed) = (Sent::new(SIGNED, std::slice::from_ref(&payload)), plain_sha256(&payload));
    let at = chunked.wire.windows(payload.len()).position(|window| window == payload).unwrap();
    for i in 0..payload.len() {
        let mut wire = chunked.wire.clone();
        wire[at + i] ^= 1;
        assert_eq!(decode(chunked.decoder(), &wire, &[]), Err(BodyError::ChunkSignatureMismatch { index: 0 }));
        let mut wire = payload.clone();
        wire[i] ^= 1;
        assert!(matches!(decode(hashed(), &wire, &[]), Err(BodyError::PayloadHashMismatch { .. })));
    }
}

#[test]
fn chunks_cannot_be_reordered_or_left_out() {
    let sent = Sent::new(SIGNED, &[vec![b'x'; 4], vec![b'x'; 4], vec![b'x'; 4]]);
    let chunk = (sent.wire.len() - (1 + 17 + 64 + 4)) / 3;
    let (first, second, rest) = (&sent.wire[..chunk], &sent.wire[chunk..2 * chunk], &sent.wire[2 * chunk..]);
    for (wire, index) in [([second, first, rest].concat(), 0), ([first, rest].concat(), 1), ([first, first, rest].concat(), 1)] {
        assert_eq!(decode(sent.decoder(), &wire, &[]), Err(BodyError::ChunkSignatureMismatch { index }));
    }
}

#[test]
fn an_error_is_final() {
    let sent = small(SIGNED);
    let (mut decoder, mut out) = (sent.decoder(), Vec::new());
    let first = decoder.push(Bytes::from_static(b"zz\r\n"), &mut out).unwrap_err();
    assert_eq!(decoder.push(Bytes::from(sent.wire.clone()), &mut out), Err(first.clone()));
    assert_eq!(decoder.finish(), Err(first));
}

fn plain_sha256(payload: &[u8]) -> impl Fn() -> BodyDecoder {
    use sha2::{Digest, Sha256};
    let (mode, _) = payload_mode(&hex::encode(Sha256::digest(payload)));
    let length = payload.len().to_string();
    move || BodyDecoder::new(mode.clone(), &headers(&[("content-length", &length)])).unwrap()
}

#[test]
fn a_plain_body_is_held_to_its_length_and_its_hash() {
    let decoder = plain_sha256(b"hello");
    let (payload, end) = decode(decoder(), b"hello", &[2]).unwrap();
    assert_eq!((payload.as_slice(), end.length, end.sha256.is_some()), (&b"hello"[..], 5, true));
    assert_eq!(decode(decoder(), b"hell", &[]), Err(BodyError::Incomplete { received: 4 }));
    assert_eq!(decode(decoder(), b"hello!", &[]), Err(BodyError::TooLong { declared: 5 }));
    let (unsigned, _) = payload_mode("UNSIGNED-PAYLOAD");
    let unsigned = |pairs: &[(&'static str, &str)]| BodyDecoder::new(unsigned.clone(), &headers(pairs)).unwrap();
    assert_eq!(decode(unsigned(&[("content-length", "2")]), b"h", &[]), Err(BodyError::Incomplete { received: 1 }));
    assert_eq!(decode(unsigned(&[]), b"any", &[]).unwrap().1.length, 3);
    assert_eq!((unsigned(&[]).length(), unsigned(&[("content-length", "2")]).length()), (None, Some(2)));
}

/// The kind of payload, the headers, and what opening the body says.
type Declared = (&'static str, &'static [(&'static str, &'static str)], Result<(), BodyError>);

#[test]
fn declared_lengths_and_trailers_are_judged_before_the_body() {
    const CONTENT: &str = "content-length";
    const DECODED: &str = "x-amz-decoded-content-length";
    let length = |header| Err(BodyError::InvalidLength { header });
    let cases: [Declared; 19] = [
        (UNSIGNED_TRAILER, &[(DECODED, "5")], Ok(())),
        (UNSIGNED_TRAILER, &[(DECODED, "5"), (CONTENT, "20")], Ok(())),
        (UNSIGNED_TRAILER, &[(DECODED, "5"), ("x-amz-trailer", " X-Amz-Checksum-Crc32 ")], Ok(())),
        (UNSIGNED_TRAILER, &[(CONTENT, "20")], Err(BodyError::MissingDecodedLength)),
        (UNSIGNED_TRAILER, &[(DECODED, "21"), (CONTENT, "20")], length(DECODED)),
        (UNSIGNED_TRAILER, &[(DECODED, "")], length(DECODED)),
        (UNSIGNED_TRAILER, &[(DECODED, "-1")], length(DECODED)),
        (UNSIGNED_TRAILER, &[(DECODED, "+1")], length(DECODED)),
        (UNSIGNED_TRAILER, &[(DECODED, "5,5")], length(DECODED)),
        (UNSIGNED_TRAILER, &[(DECODED, "99999999999999999999")], length(DECODED)),
        (UNSIGNED_TRAILER, &[(DECODED, "5"), (DECODED, "5")], length(DECODED)),
        (UNSIGNED_TRAILER, &[(DECODED, "5"), ("x-amz-trailer", "x-amz-meta-a")], Err(BodyError::TrailerNotSupported)),
        (UNSIGNED_TRAILER, &[(DECODED, "5"), ("x-amz-trailer", "")], Err(BodyError::TrailerNotSupported)),
        (
            UNSIGNED_TRAILER,
            &[(DECODED, "5"), ("x-amz-trailer", "x-amz-checksum-crc32,x-amz-checksum-crc32")],
            Err(BodyError::TrailerNotSupported),
        ),
        (SIGNED, &[(DECODED, "5"), ("x-amz-trailer", "x-amz-checksum-crc32")], Err(BodyError::TrailerNotPossible)),
        ("UNSIGNED-PAYLOAD", &[("x-amz-trailer", "x-amz-checksum-crc32")], Err(BodyError::TrailerNotPossible)),
        ("UNSIGNED-PAYLOAD", &[(CONTENT, "5"), (DECODED, "4")], length(DECODED)),
        ("UNSIGNED-PAYLOAD", &[(CONTENT, "5"), (DECODED, "5")], Ok(())),
        ("UNSIGNED-PAYLOAD", &[(CONTENT, "x")], length(CONTENT)),
    ];
    for (kind, pairs, want) in cases {
        let found = BodyDecoder::new(payload_mode(kind).0, &map(pairs)).map(|_| ());
        assert_eq!(found, want, "{kind} {pairs:?}");
    }
}

/// Unlike `collect`, keeps a header that is given twice.
fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, value.parse().unwrap());
    }
    map
}

#[test]
fn every_malformed_chunk_and_trailer_is_named() {
    use BodyError as E;
    let crc = "x-amz-checksum-crc32";
    let long = format!("5\r\nhello\r\n0\r\n{crc}:{}\r\n\r\n", "A".repeat(5000));
    let endless = "0".repeat(5000);
    let cases: Vec<(&str, Result<(), BodyError>)> = vec![
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n", Ok(())),
        ("2\r\nhe\r\n3\r\nllo\r\n0\r\nx-amz-checksum-crc32: AA== \r\n\r\n", Ok(())),
        ("0005\r\nhello\r\n000\r\nX-Amz-Checksum-Crc32:AA==\r\n\r\n", Ok(())),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AA==\n\n", Ok(())),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AA==\n\r\n", Ok(())),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AA==\n\r\n\r\n", Ok(())),
        ("5\r\nhello\r\n0\r\n\r\n", Err(E::TrailerMissing { name: crc.parse().unwrap() })),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-sha1:AA==\r\n\r\n", Err(E::TrailerUnannounced)),
        (
            "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:A\r\nx-amz-checksum-crc32:A\r\n\r\n",
            Err(E::MalformedTrailer("each trailer comes once")),
        ),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32\r\n\r\n", Err(E::MalformedTrailer("each line must be name:value"))),
        ("5\r\nhello\r\n0\r\nx amz:1\r\n\r\n", Err(E::MalformedTrailer("each line must be name:value"))),
        ("5\r\nhello\r\n0\r\n:1\r\n\r\n", Err(E::MalformedTrailer("each line must be name:value"))),
        ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:A\u{1}\r\n\r\n", Err(E::MalformedTrailer("each line must be name:value"))),
        (
            "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:A\r\nx-amz-trailer-signature:00\r\n\r\n",
            Err(E::MalformedTrailer("x-amz-trailer-signature belongs to signed trailers only")),
        ),
        (&long, Err(E::MalformedTrailer("a line is too long"))),
        (&endless, Err(E::MalformedChunk("a line is too long"))),
        ("5\nhello\r\n", Err(E::MalformedChunk("a chunk's line must end with CR LF"))),
        ("5;chunk-signature=00\r\nhello\r\n", Err(E::MalformedChunk("an unsigned chunk has no extension"))),
        ("5\r\nhello0\r\n\r\n", Err(E::MalformedChunk("a chunk's bytes must end with CR LF where its size says"))),
        ("5\r\nhello\n0\r\n\r\n", Err(E::MalformedChunk("a chunk's bytes must end with CR LF where its size says"))),
        ("4\r\nhello\r\n", Err(E::MalformedChunk("a chunk's bytes must end with CR LF where its size says"))),
        ("\r\n", Err(E::InvalidChunkSize)),
        ("x\r\n", Err(E::InvalidChunkSize)),
        ("-5\r\nhello\r\n", Err(E::InvalidChunkSize)),
        ("+5\r\nhello\r\n", Err(E::InvalidChunkSize)),
        ("0x5\r\nhello\r\n", Err(E::InvalidChunkSize)),
        (" 5\r\nhello\r\n", Err(E::InvalidChunkSize)),
        ("00000000000000005\r\nhello\r\n", Err(E::InvalidChunkSize)),
        ("140000001\r\nhello\r\n", Err(E::InvalidChunkSize)),
        ("ffffffffffffffff\r\nhello\r\n", Err(E::InvalidChunkSize)),
        ("6\r\nhello!\r\n0\r\n\r\n", Err(E::TooLong { declared: 5 })),
        ("4\r\nhell\r\n0\r\nx-amz-checksum-crc32:A\r\n\r\n", Err(E::Incomplete { received: 4 })),
    ];
    for (wire, want) in cases {
        let headers = headers(&[("x-amz-decoded-content-length", "5"), ("x-amz-trailer", crc)]);
        let decoder = BodyDecoder::new(payload_mode(UNSIGNED_TRAILER).0, &headers).unwrap();
        assert_eq!(decode(decoder, wire.as_bytes(), &[]).map(|_| ()), want, "{wire:.60}");
    }
}

#[test]
fn signed_framing_must_be_signed_through() {
    use BodyError as E;
    let sent = small(SIGNED_TRAILER);
    let text = String::from_utf8(sent.wire.clone()).unwrap();
    let signature = &text[text.find("x-amz-trailer-signature:").unwrap()..text.len() - 2];
    let zeros = "0".repeat(64);
    for (wire, why) in [
        (text.replacen(";chunk-signature=", "", 1), E::InvalidChunkSize),
        (text.replacen(&text[1..82], "", 1), E::MalformedChunk("a chunk must carry ;chunk-signature=")),
        (
            text.replacen("chunk-signature", "chunk-sig", 1),
            E::MalformedChunk("a chunk's extension must be chunk-signature= and 64 lower-case hex digits"),
        ),
        (text.replace(signature, ""), E::MalformedTrailer("x-amz-trailer-signature is missing")),
        (text.replace(signature, "x-amz-trailer-signature:1\r\n"), E::MalformedTrailer("a signature has 64 lower-case hex digits")),
        (text.replace(signature, &format!("x-amz-trailer-signature:{zeros}\r\n")), E::TrailerSignatureMismatch),
        (text.replace("AAAAAA==", "AAAAAB=="), E::TrailerSignatureMismatch),
        (
            text.replace(signature, &format!("{signature}x-amz-checksum-sha1:A\r\n")),
            E::MalformedTrailer("x-amz-trailer-signature must come last"),
        ),
    ] {
        assert_ne!(wire, text);
        assert_eq!(decode(sent.decoder(), wire.as_bytes(), &[]).unwrap_err(), why, "{wire}");
    }
}

#[test]
fn an_encoded_length_that_was_declared_is_kept() {
    let sent = small(UNSIGNED_TRAILER);
    for (off, good) in [(0, true), (1, false), (-1, false)] {
        let encoded = sent.wire.len().checked_add_signed(off).unwrap().to_string();
        let decoded = sent.payload.len().to_string();
        let headers = headers(&[("x-amz-decoded-content-length", &decoded), ("content-length", &encoded), ("x-amz-trailer", TRAILER.0)]);
        let decoder = BodyDecoder::new(sent.mode.clone(), &headers).unwrap();
        assert_eq!(decode(decoder, &sent.wire, &[]).is_ok(), good, "{off}");
    }
}
