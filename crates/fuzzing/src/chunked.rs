//! Bodies in aws-chunked framing: signed, unsigned, with trailers.
//!
//! However the bytes are cut into pieces, the result is the same. A body that was framed right gives back its payload; a signed one in
//! which a byte was changed never gives another payload.

use std::sync::OnceLock;

use bytes::Bytes;
use holdfast_s3::auth::{BodyDecoder, BodyEnd, BodyError, PayloadMode};
use http::{HeaderMap, HeaderValue, Request};

use crate::{
    auth::authenticate,
    input::{Input, mutate, pieces},
    signer::{ACCESS_KEY, SCOPE, STAMP, canonical, request_signature, sha256_hex, signature},
};

const KINDS: [&str; 3] =
    ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"];
const TRAILER: &str = "x-amz-checksum-crc32c";

/// For each kind: what opens the body of a request of that kind, and the request's signature.
fn requests() -> &'static [(PayloadMode, String)] {
    static REQUESTS: OnceLock<Vec<(PayloadMode, String)>> = OnceLock::new();
    REQUESTS.get_or_init(|| KINDS.iter().map(|kind| request(kind)).collect())
}

fn request(kind: &str) -> (PayloadMode, String) {
    let request = Request::put("/bucket/key").header("host", "h").header("x-amz-date", STAMP).header("x-amz-content-sha256", kind);
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    let names = ["host", "x-amz-content-sha256", "x-amz-date"].map(str::to_owned);
    let seed = request_signature(STAMP, SCOPE, &canonical(&head, &names, kind, false).unwrap());
    let value = format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{SCOPE}, SignedHeaders={}, Signature={seed}", names.join(";"));
    head.headers.insert("authorization", value.parse().unwrap());
    (authenticate(&head).expect("a good signature").payload, seed)
}

pub(crate) fn aws_chunked(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mode, seed) = (input.byte(), input.u16());
    let mut controls = Input::new(input.take(6));
    let kind = usize::from(mode) % KINDS.len();
    let with_trailer = kind > 0 && mode & 0x40 == 0;
    let (wire, payload, changed) = if mode & 0x80 == 0 {
        let payload = input.rest();
        let mut wire = frame(kind, with_trailer, payload, seed);
        let changed = mode & 0x20 != 0 && mutate(&mut wire, &mut controls);
        (wire, payload, changed)
    } else {
        (input.rest().to_vec(), &b""[..], true)
    };
    let declared = if mode & 0x80 == 0 { payload.len() as u64 } else { u64::from(controls.u16()) };
    let decode = |cut: &[&[u8]]| decode(kind, with_trailer, wire.len() as u64, declared, cut);
    let whole = decode(&[&wire]);
    for cut in [wire.chunks(1).collect(), pieces(&wire, seed)] {
        let found = decode(&cut);
        // What is too long is seen with the piece that brings it, and so before or after what else is wrong.
        let too_long = [&found, &whole].into_iter().any(|result| matches!(result, Err(BodyError::TooLong { .. })));
        assert!(found == whole || too_long && found.is_err() && whole.is_err(), "cut in another way: {found:?}, {whole:?}");
    }
    match whole {
        Ok((found, end)) => {
            assert_eq!(end.length, found.len() as u64);
            let signed = kind < 2;
            assert!(found == payload || changed && !signed, "another payload was accepted");
            assert_eq!(end.trailers.len(), usize::from(with_trailer));
        }
        Err(why) => assert!(changed, "a good body is refused: {why:?}"),
    }
}

fn decode(kind: usize, with_trailer: bool, encoded: u64, decoded: u64, cut: &[&[u8]]) -> Result<(Vec<u8>, BodyEnd), BodyError> {
    let mut headers = HeaderMap::new();
    headers.insert("content-length", HeaderValue::from(encoded));
    headers.insert("x-amz-decoded-content-length", HeaderValue::from(decoded));
    if with_trailer {
        headers.insert("x-amz-trailer", HeaderValue::from_static(TRAILER));
    }
    let mut decoder = BodyDecoder::new(requests()[kind].0.clone(), &headers)?;
    let mut payload: Vec<Bytes> = Vec::new();
    for piece in cut {
        decoder.push(Bytes::copy_from_slice(piece), &mut payload)?;
    }
    decoder.finish().map(|end| (payload.concat(), end))
}

/// `payload` as a client frames it, in chunks whose sizes follow from `seed`.
fn frame(kind: usize, with_trailer: bool, payload: &[u8], seed: u16) -> Vec<u8> {
    let signed = kind < 2;
    let mut previous = requests()[kind].1.clone();
    let mut wire = Vec::new();
    let chunks = pieces(payload, seed.rotate_left(5)).into_iter().chain([&b""[..]]);
    for chunk in chunks {
        wire.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
        if signed {
            previous = chunk_signature(&previous, chunk);
            wire.extend_from_slice(format!(";chunk-signature={previous}").as_bytes());
        }
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(chunk);
        if !chunk.is_empty() {
            wire.extend_from_slice(b"\r\n");
        }
    }
    if with_trailer {
        wire.extend_from_slice(format!("{TRAILER}:sOO8/Q==\r\n").as_bytes());
    }
    if kind == 1 {
        let lines = if with_trailer { format!("{TRAILER}:sOO8/Q==\n") } else { String::new() };
        let to_sign = format!("AWS4-HMAC-SHA256-TRAILER\n{STAMP}\n{SCOPE}\n{previous}\n{}", sha256_hex(lines.as_bytes()));
        wire.extend_from_slice(format!("x-amz-trailer-signature:{}\r\n", signature(SCOPE, &to_sign)).as_bytes());
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

fn chunk_signature(previous: &str, chunk: &[u8]) -> String {
    let (nothing, bytes) = (sha256_hex(b""), sha256_hex(chunk));
    signature(SCOPE, &format!("AWS4-HMAC-SHA256-PAYLOAD\n{STAMP}\n{SCOPE}\n{previous}\n{nothing}\n{bytes}"))
}
