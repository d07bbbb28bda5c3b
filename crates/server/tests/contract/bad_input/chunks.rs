//! aws-chunked bodies, signed and unsigned, with and without trailers: each good form is written, and each that is spoilt is not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum};

use crate::support::client::Answer;
use crate::support::on_both_stores;
use crate::support::picture::picture;
use crate::support::request::Wire;
use crate::support::signing::{sign_chunk, sign_trailer};
use crate::support::world::{State, World};

const BODY: &[u8] = b"the body, which comes in two chunks and has a checksum";
const SPLIT: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Signed,
    SignedTrailer,
    UnsignedTrailer,
}

impl Form {
    const fn payload(self) -> &'static str {
        match self {
            Self::Signed => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::SignedTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }

    fn signs(self) -> bool {
        self != Self::UnsignedTrailer
    }

    fn trails(self) -> bool {
        self != Self::Signed
    }
}

/// The framed body, in pieces that a row can spoil.
#[derive(Clone, Debug)]
struct Framed {
    chunks: Vec<(String, Vec<u8>)>,
    trailer: String,
    end: String,
}

impl Framed {
    /// Signs over what `wire` was signed with; the signature of each part depends on the one before it.
    fn new(form: Form, wire: &Wire, trailer: &str) -> Self {
        let mut before = wire.signature.clone();
        let mut chunks = Vec::new();
        for bytes in [&BODY[..SPLIT], &BODY[SPLIT..], &[]] {
            let mut line = format!("{:x}", bytes.len());
            if form.signs() {
                before = sign_chunk(&wire.date, &before, bytes);
                line = format!("{line};chunk-signature={before}");
            }
            chunks.push((line, bytes.to_vec()));
        }
        let mut lines = String::new();
        if form.trails() {
            lines = format!("{trailer}\r\n");
            if form.signs() {
                let signature = sign_trailer(&wire.date, &before, &format!("{trailer}\n"));
                lines = format!("{lines}x-amz-trailer-signature:{signature}\r\n");
            }
        }
        Self { chunks, trailer: lines, end: "\r\n".to_owned() }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for (line, bytes) in &self.chunks {
            all.extend_from_slice(line.as_bytes());
            all.extend_from_slice(b"\r\n");
            all.extend_from_slice(bytes);
            if !bytes.is_empty() {
                all.extend_from_slice(b"\r\n");
            }
        }
        all.extend_from_slice(self.trailer.as_bytes());
        all.extend_from_slice(self.end.as_bytes());
        all
    }
}

fn crc32() -> String {
    let value = u32::try_from(checksum(CrcAlgorithm::Crc32IsoHdlc, BODY)).expect("32 bits");
    format!("x-amz-checksum-crc32:{}", STANDARD.encode(value.to_be_bytes()))
}

/// Sends the body in a form, spoilt, with a Content-Length that agrees with what is sent.
async fn send(world: &mut World<'_>, form: Form, trailer: &str, decoded: usize, spoil: &dyn Fn(&mut Framed)) -> Answer {
    let mut request = world.on("PUT", "k").header("x-amz-content-sha256", form.payload()).header("content-encoding", "aws-chunked");
    request = request.header("x-amz-decoded-content-length", &decoded.to_string());
    if form.trails() {
        request = request.header("x-amz-trailer", "x-amz-checksum-crc32");
    }
    // The head is signed without its length, so the wire of any length has the signature that the chunks need.
    let unframed = world.client.wire(request.clone());
    let mut framed = Framed::new(form, &unframed, trailer);
    spoil(&mut framed);
    let bytes = framed.bytes();
    let wire = world.client.wire(request.declares(Some(bytes.len() as u64)));
    world.client.exchange(&[wire.head, bytes].concat(), false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_of_chunks_is_written_as_its_payload() {
    on_both_stores(async |server| {
        for form in [Form::Signed, Form::SignedTrailer, Form::UnsignedTrailer] {
            let mut world = World::new(server, State::Present).await;
            let answer = send(&mut world, form, &crc32(), BODY.len(), &|_| {}).await;
            assert_eq!(answer.verdict(), "200", "{form:?}: {}", answer.text());
            let now = world.client.must(world.on("GET", "k").header("x-amz-checksum-mode", "ENABLED")).await;
            assert_eq!((now.body.as_slice(), now.header("content-encoding")), (BODY, None), "{form:?}");
            if form.trails() {
                let sent = crc32();
                assert_eq!(now.header("x-amz-checksum-crc32"), sent.split(':').nth(1), "{form:?}");
            }
        }
    })
    .await;
}

const SIGNATURE: &str = "403 SignatureDoesNotMatch";
const INCOMPLETE: &str = "400 IncompleteBody";
const TRAILER: &str = "400 MalformedTrailerError";
const REQUEST: &str = "400 InvalidRequest";

type Spoil = fn(&mut Framed);

fn flip(text: &mut String) {
    let last = if text.trim_end().ends_with('0') { '1' } else { '0' };
    let kept = text.trim_end().len() - 1;
    let ending = text[kept + 1..].to_owned();
    text.truncate(kept);
    text.push(last);
    text.push_str(&ending);
}

/// What is wrong, in which forms, and the refusals that may name it.
const SPOILT: &[(&str, &[Form], Spoil, &[&str])] = {
    use Form::{Signed, SignedTrailer, UnsignedTrailer};
    const ALL: &[Form] = &[Signed, SignedTrailer, UnsignedTrailer];
    const SIGNING: &[Form] = &[Signed, SignedTrailer];
    const TRAILING: &[Form] = &[SignedTrailer, UnsignedTrailer];
    &[
        ("the first chunk's signature", SIGNING, |f| flip(&mut f.chunks[0].0), &[SIGNATURE]),
        ("the last chunk's signature", SIGNING, |f| flip(&mut f.chunks[2].0), &[SIGNATURE]),
        ("a byte of the payload", SIGNING, |f| f.chunks[0].1[3] ^= 1, &[SIGNATURE]),
        ("a byte of the payload, with a checksum only", &[UnsignedTrailer], |f| f.chunks[0].1[3] ^= 1, &["400 BadDigest"]),
        ("chunks in another order", SIGNING, |f| f.chunks.swap(0, 1), &[SIGNATURE]),
        ("a chunk twice", SIGNING, |f| f.chunks.insert(0, f.chunks[0].clone()), &[SIGNATURE, REQUEST]),
        ("a chunk left out", SIGNING, |f| drop(f.chunks.remove(0)), &[SIGNATURE, INCOMPLETE]),
        ("a chunk left out, unsigned", &[UnsignedTrailer], |f| drop(f.chunks.remove(0)), &[INCOMPLETE, "400 BadDigest"]),
        ("no signature", SIGNING, |f| f.chunks[0].0.truncate(2), &[REQUEST, SIGNATURE]),
        ("cut after the first chunk", ALL, |f| cut(f, 1), &[INCOMPLETE, "400 InvalidArgument"]),
        ("cut before the last chunk", ALL, |f| cut(f, 2), &[INCOMPLETE]),
        (
            "cut in a chunk",
            ALL,
            |f| {
                f.chunks[1].1.truncate(5);
                cut(f, 2);
            },
            &[INCOMPLETE, REQUEST, "400 InvalidArgument"],
        ),
        ("no end", ALL, |f| f.end.clear(), &[INCOMPLETE, TRAILER]),
        ("more after the end", ALL, |f| f.end.push_str("more"), &[REQUEST]),
        ("a size that is no number", ALL, |f| f.chunks[0].0.replace_range(..2, "xy"), &["400 InvalidChunkSizeError", REQUEST]),
        ("a size that is negative", ALL, |f| f.chunks[0].0.replace_range(..2, "-1"), &["400 InvalidChunkSizeError", REQUEST]),
        ("a huge size", ALL, |f| f.chunks[0].0.replace_range(..2, "ffffffffffffffff"), &["400 InvalidChunkSizeError", REQUEST]),
        ("a size that is too small", ALL, |f| f.chunks[0].0.replace_range(..2, "13"), &[REQUEST, SIGNATURE]),
        ("a line without end", ALL, |f| f.chunks[0].0.push_str(&";x=".repeat(3000)), &[REQUEST]),
        ("no trailer", TRAILING, |f| f.trailer.clear(), &[TRAILER]),
        ("a trailer that was not announced", TRAILING, |f| f.trailer.insert_str(0, "x-amz-checksum-sha1:AAAA\r\n"), &[TRAILER]),
        ("a trailer of metadata", TRAILING, |f| f.trailer.insert_str(0, "x-amz-meta-a:b\r\n"), &[TRAILER]),
        ("the trailer's signature", &[SignedTrailer], |f| flip(&mut f.trailer), &[SIGNATURE]),
        ("no signature of the trailer", &[SignedTrailer], |f| unsign(f), &[TRAILER, SIGNATURE]),
    ]
};

fn cut(framed: &mut Framed, chunks: usize) {
    framed.chunks.truncate(chunks);
    framed.trailer.clear();
    framed.end.clear();
}

fn unsign(framed: &mut Framed) {
    let at = framed.trailer.find("x-amz-trailer-signature").expect("signed");
    framed.trailer.truncate(at);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoilt_chunk_or_trailer_writes_nothing() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let before = picture(&mut world.client, &world.bucket).await;
        for (what, forms, spoil, expect) in SPOILT {
            for form in *forms {
                eprintln!("{what}, {form:?}");
                let answer = send(&mut world, *form, &crc32(), BODY.len(), spoil).await;
                assert!(expect.contains(&answer.verdict().as_str()), "{what}, {form:?}: {}", answer.text());
                assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{what}, {form:?}");
            }
        }
        server.nothing_is_staged().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trailer_or_a_decoded_length_that_is_wrong_writes_nothing() {
    on_both_stores(async |server| {
        let mut world = World::new(server, State::Present).await;
        let before = picture(&mut world.client, &world.bucket).await;
        let length = BODY.len();
        for (what, trailer, decoded, expect) in [
            ("a wrong checksum", "x-amz-checksum-crc32:AAAAAA==", length, "400 BadDigest"),
            ("a checksum that is none", "x-amz-checksum-crc32:nonsense", length, "400 InvalidRequest"),
            ("an empty checksum", "x-amz-checksum-crc32:", length, "400 InvalidRequest"),
            ("a shorter decoded length", &crc32(), length - 1, "400 InvalidRequest"),
            ("a longer decoded length", &crc32(), length + 1, "400 IncompleteBody"),
        ] {
            for form in [Form::SignedTrailer, Form::UnsignedTrailer] {
                let answer = send(&mut world, form, trailer, decoded, &|_| {}).await;
                assert_eq!(answer.verdict(), expect, "{what}, {form:?}: {}", answer.text());
                assert_eq!(before, picture(&mut world.client, &world.bucket).await, "{what}, {form:?}");
            }
        }
        let request = world.on("PUT", "k").header("x-amz-content-sha256", Form::Signed.payload()).body("0\r\n\r\n");
        world.refuses(request, "411 MissingContentLength", "no decoded length").await;
        let request = world.on("PUT", "k").header("x-amz-content-sha256", Form::UnsignedTrailer.payload()).body("0\r\n\r\n");
        let request = request.header("x-amz-decoded-content-length", "0").header("x-amz-trailer", "x-amz-checksum-sha512");
        world.refuses(request, "501 NotImplemented", "a checksum that we lack").await;
    })
    .await;
}
