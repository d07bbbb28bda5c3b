//! Additional checksums and Content-MD5 in headers, and their text forms
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use holdfast_model::{Checksum, ChecksumAlgorithm, ChecksumKind, limits::PARTS_MAX};
use http::HeaderMap;

use crate::{
    error::{Code, S3Error},
    fields::{digits, single, single_filled},
};

/// A checksum as a client gives it or reads it: the value, and for a composite one how many parts it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireChecksum {
    /// The value with its algorithm.
    pub checksum: Checksum,
    /// The `N` behind the hyphen of a composite checksum.
    pub parts: Option<u16>,
}

impl WireChecksum {
    /// Reads Base64, with `-N` behind it for a composite checksum.
    pub fn parse(algorithm: ChecksumAlgorithm, text: &str) -> Option<Self> {
        let (value, parts) = match text.split_once('-') {
            Some((value, count)) => {
                (value, Some(digits(count).and_then(|n| u16::try_from(n).ok()).filter(|n| (1..=PARTS_MAX).contains(n))?))
            }
            None => (text, None),
        };
        let checksum = Checksum::new(algorithm, &STANDARD.decode(value).ok()?).ok()?;
        Some(Self { checksum, parts })
    }

    /// The text in headers and documents.
    pub fn text(&self) -> String {
        let value = STANDARD.encode(self.checksum.value());
        match self.parts {
            Some(parts) => format!("{value}-{parts}"),
            None => value,
        }
    }
}

/// The header that carries a checksum of this algorithm.
pub const fn checksum_header(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    }
}

/// The document element that carries a checksum of this algorithm.
pub const fn checksum_element(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
    }
}

/// The algorithm whose [`checksum_header`] or trailer this is, in any case.
pub fn algorithm_of_header(name: &str) -> Option<ChecksumAlgorithm> {
    ChecksumAlgorithm::ALL.into_iter().find(|a| checksum_header(*a).eq_ignore_ascii_case(name))
}

/// What a request says about the checksum of its body or of its object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChecksumRequest {
    /// A value that was given as a header.
    pub value: Option<WireChecksum>,
    /// The value follows the body, in this trailer.
    pub trailer: Option<ChecksumAlgorithm>,
    /// The algorithm that any header names: the one to compute and store.
    pub algorithm: Option<ChecksumAlgorithm>,
    /// `x-amz-checksum-type`.
    pub kind: Option<ChecksumKind>,
}

/// Headers that begin like a checksum's and are none.
const ABOUT_CHECKSUMS: [&str; 3] = ["x-amz-checksum-mode", "x-amz-checksum-type", "x-amz-checksum-algorithm"];

/// Reads `x-amz-checksum-*`, `x-amz-sdk-checksum-algorithm` and `x-amz-trailer`.
///
/// # Errors
/// 400 InvalidRequest if they contradict each other or are no checksums, 501 NotImplemented for an algorithm that we lack.
pub fn checksum_request(headers: &HeaderMap) -> Result<ChecksumRequest, S3Error> {
    let value = value_header(headers)?;
    let trailer = trailer_header(headers)?;
    let named = [named_algorithm(headers, "x-amz-sdk-checksum-algorithm")?, named_algorithm(headers, "x-amz-checksum-algorithm")?];
    let kind = match single(headers, "x-amz-checksum-type")? {
        None => None,
        Some(text) => Some(ChecksumKind::parse(text).ok_or_else(|| {
            S3Error::invalid_header(
                "x-amz-checksum-type",
                "Value for x-amz-checksum-type header is invalid; send FULL_OBJECT or COMPOSITE.",
            )
        })?),
    };
    let carried = value.as_ref().map(|v| v.checksum.algorithm());
    if carried.is_some() && trailer.is_some() {
        return Err(S3Error::invalid_header(
            "x-amz-trailer",
            "Expecting a single x-amz-checksum- value: in a header or in the trailer, not both.",
        ));
    }
    let mut all = carried.into_iter().chain(trailer).chain(named.into_iter().flatten());
    let algorithm = all.next();
    if all.any(|other| Some(other) != algorithm) {
        let message = "The headers name different checksum algorithms; send one algorithm with its value.";
        return Err(S3Error::invalid_header("x-amz-sdk-checksum-algorithm", message));
    }
    Ok(ChecksumRequest { value, trailer, algorithm, kind })
}

fn value_header(headers: &HeaderMap) -> Result<Option<WireChecksum>, S3Error> {
    let mut found = None;
    for name in headers.keys().map(http::HeaderName::as_str) {
        if !name.starts_with("x-amz-checksum-") || ABOUT_CHECKSUMS.contains(&name) {
            continue;
        }
        let Some(algorithm) = algorithm_of_header(name) else { return Err(S3Error::header_not_implemented(name)) };
        if found.is_some() {
            let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
            return Err(S3Error::invalid_header(checksum_header(algorithm), message));
        }
        let text = single(headers, checksum_header(algorithm))?.unwrap_or_default();
        let invalid =
            || S3Error::invalid_header(name, format!("Value for {name} header is invalid; it is the Base64 of the checksum's bytes."));
        found = Some(WireChecksum::parse(algorithm, text).ok_or_else(invalid)?);
    }
    Ok(found)
}

fn trailer_header(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let Some(text) = single_filled(headers, "x-amz-trailer")? else { return Ok(None) };
    if let Some(algorithm) = algorithm_of_header(text) {
        return Ok(Some(algorithm));
    }
    if text.to_ascii_lowercase().starts_with("x-amz-checksum-") && !text.contains(',') {
        return Err(S3Error::header_not_implemented(text));
    }
    Err(S3Error::invalid_header(
        "x-amz-trailer",
        "The value specified in the x-amz-trailer header is not supported; name one checksum header.",
    ))
}

fn named_algorithm(headers: &HeaderMap, name: &'static str) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let Some(text) = single(headers, name)? else { return Ok(None) };
    match ChecksumAlgorithm::parse(text) {
        Some(algorithm) => Ok(Some(algorithm)),
        None => Err(S3Error::invalid_header(
            name,
            format!(
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{}]",
                names_of_algorithms()
            ),
        )),
    }
}

fn names_of_algorithms() -> String {
    ChecksumAlgorithm::ALL.map(ChecksumAlgorithm::name).join(", ")
}

/// `Content-MD5`.
///
/// # Errors
/// 400 InvalidDigest if it is not the Base64 of 16 bytes.
pub fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, S3Error> {
    let Some(text) = single(headers, "content-md5")? else { return Ok(None) };
    let bytes = STANDARD.decode(text).ok().and_then(|b| <[u8; 16]>::try_from(b).ok());
    bytes.map(Some).ok_or_else(|| {
        S3Error::new(Code::InvalidDigest).with_message("The Content-MD5 you specified was invalid.").with_field("Content-MD5", text)
    })
}

/// `x-amz-checksum-mode: ENABLED`: the answer carries the stored checksum.
pub fn wants_checksum(headers: &HeaderMap) -> bool {
    headers.get("x-amz-checksum-mode").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"ENABLED"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in given {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn headers_agree_on_one_checksum() {
        use ChecksumAlgorithm::{Crc32, Crc64Nvme, Sha256};
        for (given, expect) in [
            (&[][..], Ok(None)),
            (&[("x-amz-checksum-crc32", "AAAAAA==")], Ok(Some(Crc32))),
            (&[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "CRC32")], Ok(Some(Crc32))),
            (&[("x-amz-sdk-checksum-algorithm", "crc64nvme"), ("x-amz-trailer", "x-amz-checksum-crc64nvme")], Ok(Some(Crc64Nvme))),
            (&[("x-amz-checksum-algorithm", "SHA256"), ("x-amz-checksum-type", "COMPOSITE")], Ok(Some(Sha256))),
            (&[("x-amz-checksum-mode", "ENABLED")], Ok(None)),
            (&[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")], Err(Code::InvalidRequest)),
            (&[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32", "AAAAAA==")], Err(Code::InvalidRequest)),
            (&[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "SHA1")], Err(Code::InvalidRequest)),
            (&[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-trailer", "x-amz-checksum-crc32")], Err(Code::InvalidRequest)),
            (&[("x-amz-checksum-crc32", "AAAA")], Err(Code::InvalidRequest)),
            (&[("x-amz-checksum-crc32", "")], Err(Code::InvalidRequest)),
            (&[("x-amz-sdk-checksum-algorithm", "MD4")], Err(Code::InvalidRequest)),
            (&[("x-amz-checksum-type", "HALF")], Err(Code::InvalidRequest)),
            (&[("x-amz-trailer", "x-amz-meta-a")], Err(Code::InvalidRequest)),
            (&[("x-amz-trailer", "")], Err(Code::InvalidRequest)),
            (&[("x-amz-checksum-xxhash3", "AAAAAA==")], Err(Code::NotImplemented)),
            (&[("x-amz-trailer", "x-amz-checksum-sha512")], Err(Code::NotImplemented)),
        ] {
            assert_eq!(checksum_request(&headers(given)).map(|r| r.algorithm).map_err(|e| e.code()), expect, "{given:?}");
        }
    }

    #[test]
    fn composite_checksums_carry_their_count() {
        for (text, parts) in
            [("AAAAAA==", Some(None)), ("AAAAAA==-3", Some(Some(3))), ("AAAAAA==-0", None), ("AAAAAA==-x", None), ("AAAA-3", None)]
        {
            let read = WireChecksum::parse(ChecksumAlgorithm::Crc32, text);
            assert_eq!(read.as_ref().map(|c| c.parts), parts, "{text}");
            assert!(read.is_none_or(|c| c.text() == text));
        }
    }

    #[test]
    fn content_md5_is_16_bytes_in_base64() {
        assert_eq!(content_md5(&headers(&[("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")])).unwrap().unwrap()[0], 0xd4);
        for bad in ["", "1B2M2Y8AsgTpgAmY7PhCfg", "d41d8cd98f00b204e9800998ecf8427e", "AAAA"] {
            assert_eq!(content_md5(&headers(&[("content-md5", bad)])).unwrap_err().code(), Code::InvalidDigest, "{bad}");
        }
    }
}
