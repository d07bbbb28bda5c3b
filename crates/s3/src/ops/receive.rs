//! Bodies of requests: staged, read as a document, or required to be empty. All are verified to their end.

use bytes::Bytes;
use holdfast_model::{Checksum, limits::XML_BYTES_MAX};
use holdfast_objects::{ExpectedDigests, Stage, Staged};
use http::{HeaderName, HeaderValue};

use crate::{
    checksums::{ChecksumRequest, WireChecksum, algorithm_of_header, checksum_request, content_md5},
    error::{Code, S3Error},
    service::Call,
};

/// The digests that the head announced, refused early where they cannot be.
pub(super) struct Announced {
    pub(super) checksum: ChecksumRequest,
    md5: Option<[u8; 16]>,
}

impl Announced {
    pub(super) fn read(call: &Call<'_>) -> Result<Self, S3Error> {
        Ok(Self { checksum: checksum_request(call.headers)?, md5: content_md5(call.headers)? })
    }

    fn expected(&self, trailers: &[(HeaderName, HeaderValue)]) -> Result<ExpectedDigests, S3Error> {
        let header = self.checksum.value.as_ref().map(|value| value.checksum.clone());
        Ok(ExpectedDigests { md5: self.md5, checksum: header.or(trailing(trailers)?) })
    }
}

/// The checksum that came as a trailer.
fn trailing(trailers: &[(HeaderName, HeaderValue)]) -> Result<Option<Checksum>, S3Error> {
    for (name, value) in trailers {
        let Some(algorithm) = algorithm_of_header(name.as_str()) else { continue };
        let parsed = value.to_str().ok().and_then(|text| WireChecksum::parse(algorithm, text));
        let unfit = || {
            S3Error::invalid_header(
                name.as_str(),
                format!("Value for {name} trailing header is invalid; it is the Base64 of the checksum's bytes."),
            )
        };
        return Ok(Some(parsed.ok_or_else(unfit)?.checksum));
    }
    Ok(None)
}

/// Stages the body to its verified end. The length must be declared and within `bytes_max`: both are known before a byte is read.
pub(super) async fn stage(call: &mut Call<'_>, mut stage: Stage, announced: &Announced) -> Result<Staged, S3Error> {
    while let Some(pieces) = call.body.next().await? {
        for piece in pieces {
            stage.append(piece).await.map_err(|error| call.refused(error))?;
        }
    }
    let end = call.body.finish()?;
    let expected = announced.expected(&end.trailers)?;
    stage.seal(&expected).await.map_err(|error| call.refused(error))
}

/// Refuses a body whose length is not declared or too large, before a byte of it is read.
pub(super) fn check_length(call: &Call<'_>, bytes_max: u64) -> Result<(), S3Error> {
    match call.body.length() {
        None => Err(S3Error::new(Code::MissingContentLength)),
        Some(length) if length > bytes_max => Err(S3Error::entity_too_large(length, bytes_max)),
        Some(_) => Ok(()),
    }
}

/// Refuses a body that says it is framed in a way that its signature does not tell of: the framing would be stored as content.
pub(super) fn check_encoding(call: &Call<'_>) -> Result<(), S3Error> {
    let values = call.headers.get_all(http::header::CONTENT_ENCODING).iter();
    let framed = values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"aws-chunked"));
    if framed && !call.identity.payload.kind().is_chunked() {
        let message = "Content-Encoding aws-chunked needs x-amz-content-sha256 to be one of the STREAMING-... values.";
        return Err(S3Error::invalid_header("content-encoding", message));
    }
    Ok(())
}

/// A body that is a document, whole and verified.
pub(super) async fn document(call: &mut Call<'_>) -> Result<Bytes, S3Error> {
    let announced = Announced::read(call)?;
    let (bytes, trailers) = call.body.whole(XML_BYTES_MAX).await?;
    let expected = announced.expected(&trailers)?;
    holdfast_objects::verify(&bytes, &expected).map_err(|error| call.refused(error))?;
    Ok(bytes)
}

/// As [`document`], of an operation whose `x-amz-checksum-*` headers are about the object, not about the document.
pub(super) async fn document_about_object(call: &mut Call<'_>) -> Result<Bytes, S3Error> {
    let md5 = content_md5(call.headers)?;
    let (bytes, trailers) = call.body.whole(XML_BYTES_MAX).await?;
    let expected = ExpectedDigests { md5, checksum: trailing(&trailers)? };
    holdfast_objects::verify(&bytes, &expected).map_err(|error| call.refused(error))?;
    Ok(bytes)
}

/// The body of an operation that takes none.
pub(super) async fn nothing(call: &mut Call<'_>) -> Result<(), S3Error> {
    if document(call).await?.is_empty() {
        return Ok(());
    }
    Err(S3Error::invalid_request(format!("{} takes no body; nothing was changed. Send it without one.", call.operation().name())))
}
