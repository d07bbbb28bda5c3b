//! Every bound of the product, in one place, with how they relate.
//!
//! Sizes are bytes, times are seconds unless the name says otherwise. S3's own numbers:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>.

/// 1 KiB, 1 MiB, 1 GiB in bytes.
pub const KIB: u64 = 1024;
/// 1 MiB in bytes.
pub const MIB: u64 = 1024 * KIB;
/// 1 GiB in bytes.
pub const GIB: u64 = 1024 * MIB;

/// Longest object key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;
/// Shortest and longest bucket name, in bytes.
pub const BUCKET_NAME_BYTES_MIN: usize = 3;
/// Longest bucket name, in bytes.
pub const BUCKET_NAME_BYTES_MAX: usize = 63;
/// Buckets that one installation holds; their records stay in memory.
pub const BUCKETS_MAX: usize = 10_000;

/// Highest part number, and so the most parts of one upload.
pub const PARTS_MAX: u16 = 10_000;
/// Smallest part, except the last one of an object.
pub const PART_BYTES_MIN: u64 = 5 * MIB;
/// Largest part.
pub const PART_BYTES_MAX: u64 = 5 * GIB;
/// Largest body of one PutObject, and the largest source of one CopyObject part.
pub const PUT_BYTES_MAX: u64 = 5 * GIB;
/// Largest object: as many of the largest parts as an upload may have.
pub const OBJECT_BYTES_MAX: u64 = PARTS_MAX as u64 * PART_BYTES_MAX;

/// User metadata (`x-amz-meta-*`), names without the prefix and values added up.
pub const USER_METADATA_BYTES_MAX: usize = 2 * KIB as usize;
/// One standard header value (Content-Type and the like).
pub const STANDARD_HEADER_BYTES_MAX: usize = 2 * KIB as usize;
/// Tags of one object.
pub const OBJECT_TAGS_MAX: usize = 10;
/// Tags of one bucket.
pub const BUCKET_TAGS_MAX: usize = 50;
/// Characters of a tag's key.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// Characters of a tag's value.
pub const TAG_VALUE_CHARS_MAX: usize = 256;

/// Entries of one page of any listing.
pub const LIST_PAGE_MAX: usize = 1000;
/// Keys of one DeleteObjects request.
pub const DELETE_KEYS_MAX: usize = 1000;

/// Largest XML document that a request may carry (a CompleteMultipartUpload of 10,000 parts with checksums fits).
pub const XML_BYTES_MAX: usize = 2 * MIB as usize;
/// Deepest nesting of an XML document.
pub const XML_DEPTH_MAX: usize = 16;
/// All header bytes of a request, request line included.
pub const HEAD_BYTES_MAX: usize = 64 * KIB as usize;
/// Header lines of a request (hyper keeps this many without allocating).
pub const HEADERS_MAX: usize = 100;
/// One chunk-size line, or all trailer lines, of an HTTP body in `Transfer-Encoding: chunked`.
pub const TRANSFER_LINES_BYTES_MAX: usize = 16 * KIB as usize;
/// Bytes that a peer must send or take within the stall timeout.
pub const STALL_BYTES_MIN: u64 = 16 * KIB;
/// After an early answer, bytes and seconds that are read and dropped so that the answer arrives before the reset.
pub const LINGER_BYTES_MAX: u64 = 4 * MIB;
/// See [`LINGER_BYTES_MAX`].
pub const LINGER_SECS: u64 = 5;
/// Longest TLS handshake.
pub const TLS_HANDSHAKE_SECS_MAX: u64 = 10;
/// Connections that the kernel holds for a listener that is at its limit.
pub const LISTEN_BACKLOG: u32 = 1024;
/// Connections of the admin listener.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Label combinations that one metric may have; further ones are counted together.
pub const METRIC_SERIES_MAX: usize = 1024;
/// One chunk header or trailer line of an aws-chunked body.
pub const CHUNK_LINE_BYTES_MAX: usize = 4 * KIB as usize;
/// Largest single chunk of a signed aws-chunked body that is decoded before its signature is known.
pub const CHUNK_BYTES_MAX: u64 = PUT_BYTES_MAX;

/// How far a client's clock may be from ours.
pub const CLOCK_SKEW_SECS: u64 = 15 * 60;
/// Longest access key id.
pub const ACCESS_KEY_BYTES_MAX: usize = 128;
/// Longest region name in a signature's scope.
pub const REGION_BYTES_MAX: usize = 64;
/// Derived signing keys that are kept, one for each access key, day and region in use.
pub const SIGNING_KEYS_MAX: usize = 1024;
/// Longest validity of a presigned URL.
pub const PRESIGN_EXPIRY_SECS_MAX: u64 = 7 * 24 * 3600;

/// Characters of `x-amz-client-token` (ASCII 33 to 126).
pub const CLIENT_TOKEN_BYTES_MAX: usize = 64;
/// Bytes of `amz-sdk-invocation-id` that are kept; a longer one is not remembered.
pub const INVOCATION_ID_BYTES_MAX: usize = 128;
/// How long a completed upload or a client token is remembered, so that a replay gets the first answer.
pub const REPLAY_SECS_MIN: u64 = 24 * 3600;
/// When a remembered answer may be forgotten.
pub const REPLAY_SECS_KEPT: u64 = 2 * REPLAY_SECS_MIN;

/// Bodies up to this size are committed together with their record, in one durable step.
pub const INLINE_BYTES_MAX: usize = 64 * KIB as usize;
/// Bytes handed on at a time when a body is read or written.
pub const BODY_CHUNK_BYTES: usize = 256 * KIB as usize;
/// Memory that one request may hold for its body.
pub const REQUEST_BODY_BYTES_MAX: usize = 2 * MIB as usize;

/// Records that one transaction may name.
pub const TRANSACTION_KEYS_MAX: usize = 64;

const _: () = assert!(OBJECT_BYTES_MAX == 53_687_091_200_000);
const _: () = assert!(PART_BYTES_MIN < PART_BYTES_MAX && PUT_BYTES_MAX <= OBJECT_BYTES_MAX);
const _: () = assert!(INLINE_BYTES_MAX < REQUEST_BODY_BYTES_MAX && BODY_CHUNK_BYTES * 4 <= REQUEST_BODY_BYTES_MAX);
const _: () = assert!(HEAD_BYTES_MAX > HEADERS_MAX * 2 && TRANSFER_LINES_BYTES_MAX < HEAD_BYTES_MAX);
const _: () = assert!(REPLAY_SECS_KEPT > REPLAY_SECS_MIN);
const _: () = assert!(KEY_BYTES_MAX < CHUNK_LINE_BYTES_MAX);
