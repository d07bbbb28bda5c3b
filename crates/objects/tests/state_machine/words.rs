//! Scripts and answers in the words of S3.

use holdfast_model::{
    Checksum, ChecksumAlgorithm, ChecksumKind, ETagMatch, ETagSet, ReadConditions, WriteConditions, WriteRefusal, WriteRule,
};
use holdfast_objects::{ObjectsError, StoreError};

use crate::{naive::Args, script::*};

/// A refusal of the product.
pub fn refusal(error: &ObjectsError) -> String {
    use ObjectsError as E;
    match error {
        E::NoSuchBucket | E::NoSuchSourceBucket => "404 NoSuchBucket".into(),
        E::BucketAlreadyOwnedByYou => "409 BucketAlreadyOwnedByYou".into(),
        E::BucketNotEmpty => "409 BucketNotEmpty".into(),
        E::NoSuchKey => "404 NoSuchKey".into(),
        E::NoSuchSource { .. } => "404 NoSuchKey of the source".into(),
        E::Write(WriteRefusal::NoSuchKey(condition)) => format!("404 NoSuchKey {}", condition.name()),
        E::Write(WriteRefusal::Conflict(condition)) => format!("409 ConditionalRequestConflict {}", condition.name()),
        E::Write(WriteRefusal::PreconditionFailed(condition)) | E::SourcePrecondition(condition) | E::ReadPrecondition(condition) => {
            format!("412 PreconditionFailed {}", condition.name())
        }
        E::NotModified { etag, last_modified } => format!("304 NotModified etag={etag} modified={}", last_modified.millis()),
        E::InvalidWriteOffset { size } => format!("400 InvalidWriteOffset {size}"),
        E::SelfCopy => "400 InvalidRequest a copy onto itself".into(),
        E::SelfRename => "400 InvalidRequest a rename onto itself".into(),
        E::TokenMismatch => "400 IdempotencyParameterMismatch".into(),
        E::NoSuchUpload => "404 NoSuchUpload".into(),
        E::InvalidPart { part } => format!("400 InvalidPart {part}"),
        E::InvalidPartOrder => "400 InvalidPartOrder".into(),
        E::NoParts => "400 MalformedXML no parts".into(),
        E::PartTooSmall { part, .. } => format!("400 EntityTooSmall {part}"),
        E::ObjectSizeMismatch { .. } => "400 InvalidRequest the size".into(),
        E::ChecksumAlgorithmMismatch { expected } => format!("400 InvalidRequest the upload is for {}", expected.name()),
        E::ChecksumMissing { part, .. } => format!("400 InvalidRequest the checksum of part {part} is missing"),
        E::ChecksumKindImpossible(_) => "400 InvalidRequest checksum type".into(),
        E::UnsatisfiableRange(range) => format!("416 InvalidRange of {}", range.size),
        E::NoSuchPart { parts } => format!("416 InvalidPartNumber of {parts}"),
        E::Contended => "409 OperationAborted".into(),
        E::Store(StoreError::Busy) => "503 SlowDown".into(),
        E::Store(StoreError::Indefinite(_)) => "500 InternalError".into(),
        other => format!("unexpected: {other}"),
    }
}

pub fn sum(checksum: &Checksum, kind: ChecksumKind) -> String {
    format!("{}:{}:{}", checksum.algorithm().name(), kind.name(), hex::encode(checksum.value()))
}

fn who(who: Who) -> String {
    who.1.map_or(String::new(), |id| format!(" by user {} as invocation {id}", who.0))
}

fn conditions(when: &WriteConditions) -> String {
    let mut words = match &when.rule {
        WriteRule::Always => String::new(),
        WriteRule::CreateOnly => " If-None-Match:*".into(),
        WriteRule::IfMatch(ETagMatch::Any) => " If-Match:*".into(),
        WriteRule::IfMatch(ETagMatch::Exactly(tag)) => format!(" If-Match:{tag}"),
    };
    if let Some(generation) = when.generation {
        words += &format!(" generation:{}", generation.0);
    }
    for (name, date) in [("If-Modified-Since", when.modified_since), ("If-Unmodified-Since", when.unmodified_since)] {
        words += &date.map_or(String::new(), |date| format!(" {name}:{}s", date.secs()));
    }
    words
}

fn read_conditions(when: &ReadConditions, of: &str) -> String {
    let mut words = String::new();
    for (name, set) in [("if-match", &when.if_match), ("if-none-match", &when.if_none_match)] {
        match set {
            None => {}
            Some(ETagSet::Any) => words += &format!(" {of}{name}:*"),
            Some(ETagSet::OneOf(tags)) => {
                let tags: Vec<_> = tags.iter().map(|(tag, weak)| format!("{}{tag}", if *weak { "W/" } else { "" })).collect();
                words += &format!(" {of}{name}:{}", tags.join(","));
            }
        }
    }
    for (name, date) in [("if-modified-since", when.modified_since), ("if-unmodified-since", when.unmodified_since)] {
        words += &date.map_or(String::new(), |date| format!(" {of}{name}:{}s", date.secs()));
    }
    words
}

fn place(at: At) -> String {
    format!("{}/{}", at.bucket(), at.key().escape_default())
}

fn body(body: Body) -> String {
    format!("{} bytes of kind {}", body.0, body.1)
}

fn pages(bucket: u8, pages: &Pages) -> String {
    let after = pages.after.map_or(String::new(), |after| format!(" after {:?}", KEYS[usize::from(after)]));
    let (prefix, delimiter) = (PREFIXES[usize::from(pages.prefix)], DELIMITERS[usize::from(pages.delimiter)]);
    format!("{} prefix {prefix:?} delimiter {delimiter:?}{after} max {}", BUCKETS[usize::from(bucket)], pages.max)
}

/// A request as one line.
pub fn request(ask: &Ask, args: &Args) -> String {
    let upload = || format!("{}/{} upload {}", args.upload.bucket, args.upload.key.escape_default(), args.upload.id);
    let when = conditions(&args.when);
    match ask {
        Ask::CreateBucket(bucket) => format!("CREATE BUCKET {}", BUCKETS[usize::from(*bucket)]),
        Ask::DeleteBucket(bucket) => format!("DELETE BUCKET {}", BUCKETS[usize::from(*bucket)]),
        Ask::Put { at, body: bytes, who: from, sum, .. } => {
            format!("PUT {}{when} {} {}{}", place(*at), body(*bytes), sum.name(), who(*from))
        }
        Ask::Append { at, body: bytes, who: from, .. } => {
            format!("APPEND {} at {}{when} {}{}", place(*at), args.offset, body(*bytes), who(*from))
        }
        Ask::Copy { from, to, meta, tags, sum, who: caller, .. } => {
            let source = read_conditions(&args.source, "copy-source-");
            let replaced = format!("metadata {meta:?} tags {tags:?} checksum {:?}", sum.map(ChecksumAlgorithm::name));
            format!("COPY {} to {}{source}{when} {replaced}{}", place(*from), place(*to), who(*caller))
        }
        Ask::Rename { bucket, from, to, token, who: caller, .. } => {
            let source = read_conditions(&args.source, "rename-source-");
            let token = token.map_or(String::new(), |token| format!(" token {token}"));
            format!("RENAME {} to {}{source}{when}{token}{}", place(At(*bucket, *from)), place(At(*bucket, *to)), who(*caller))
        }
        Ask::Delete { at, .. } => format!("DELETE {} {}", place(*at), deletes(args)),
        Ask::Tag { at, tags } => format!("PUT TAGS {} {tags}", place(*at)),
        Ask::CreateUpload { at, sum, kind, .. } => {
            format!("CREATE UPLOAD {} checksums {:?} {:?}", place(*at), sum.map(ChecksumAlgorithm::name), kind.map(ChecksumKind::name))
        }
        Ask::PutPart { number, body: bytes, given, .. } => {
            let number = PART_NUMBERS[usize::from(*number)];
            format!("PUT PART {number} of {} {} checksum {:?}", upload(), body(*bytes), given.map(ChecksumAlgorithm::name))
        }
        Ask::CopyPart { number, from, .. } => {
            let source = read_conditions(&args.source, "copy-source-");
            format!("COPY PART {} of {} from {}{source}", PART_NUMBERS[usize::from(*number)], upload(), place(*from))
        }
        Ask::Complete { who: caller, .. } => {
            let parts: Vec<_> =
                args.parts.iter().map(|(n, tag, sum)| format!("{n}:{tag}{}", if sum.is_some() { "+" } else { "" })).collect();
            let size = args.size.map_or(String::new(), |size| format!(" size {size}"));
            format!("COMPLETE {}{when} of parts [{}]{size}{}", upload(), parts.join(" "), who(*caller))
        }
        Ask::Abort { .. } => format!("ABORT {}", upload()),
        Ask::ListParts { after, max, .. } => format!("LIST PARTS {} after {} max {max}", upload(), PART_NUMBERS[usize::from(*after)] - 1),
        Ask::ListUploads { bucket, pages: asked } => format!("LIST UPLOADS {}", pages(*bucket, asked)),
        Ask::List { bucket, pages: asked } => format!("LIST {}", pages(*bucket, asked)),
        Ask::Get { at, span, .. } => format!("GET {}{} {span:?}", place(*at), read_conditions(&args.source, "")),
        Ask::Hold { at } => format!("BEGIN TO GET {}", place(*at)),
        Ask::Release => "READ TO THE END".into(),
        Ask::Collect => "(the collector runs)".into(),
        Ask::Forget => "(old answers are forgotten)".into(),
        Ask::Wait(millis) => format!("({millis} ms pass)"),
        Ask::Again(_) => "(again: there is nothing to send again)".into(),
    }
}

fn deletes(args: &Args) -> String {
    let when = &args.deletes;
    let tag = conditions(&WriteConditions {
        rule: when.if_match.clone().map_or(WriteRule::Always, WriteRule::IfMatch),
        generation: when.generation,
        ..WriteConditions::default()
    });
    let size = when.size.map_or(String::new(), |size| format!(" size:{size}"));
    let date = when.last_modified.map_or(String::new(), |date| format!(" last-modified:{}s", date.secs()));
    format!("{tag}{size}{date}").trim_start().to_owned()
}
