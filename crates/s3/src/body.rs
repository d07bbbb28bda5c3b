//! The body of a request: taken piece by piece, decoded and verified, bounded in size and time.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{
    BodyExt as _,
    combinators::{BoxBody, UnsyncBoxBody},
};

use crate::{
    auth::{BodyDecoder, BodyEnd, PayloadMode},
    error::{Code, S3Error},
};

/// Any error, as a body may end with one.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body as it goes to the wire.
pub type WireBody = UnsyncBoxBody<Bytes, BoxError>;

/// How long a client may send nothing of a body that is waited for.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// What is read and thrown away of a refused body so that the connection can be used again.
const DRAIN_BYTES_MAX: u64 = 256 * 1024;
/// How long that may take.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// A body that is being read.
pub(crate) struct RequestBody {
    wire: BoxBody<Bytes, BoxError>,
    decoder: Option<BodyDecoder>,
    encoded_length: Option<u64>,
    received: u64,
    expects_continue: bool,
    ended: bool,
}

impl RequestBody {
    /// Nothing is read yet: a client that waits for `100 Continue` gets it when the first piece is asked for.
    pub(crate) fn new(wire: BoxBody<Bytes, BoxError>, headers: &HeaderMap) -> Self {
        let length = headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let chunked = headers.contains_key(http::header::TRANSFER_ENCODING);
        let expects_continue = headers.get(http::header::EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let encoded_length = if chunked { None } else { Some(length.unwrap_or(0)) };
        Self { wire, decoder: None, encoded_length, received: 0, expects_continue, ended: encoded_length == Some(0) }
    }

    /// Says how the body proves itself.
    pub(crate) fn prepare(&mut self, payload: PayloadMode, headers: &HeaderMap) -> Result<(), S3Error> {
        self.decoder = Some(BodyDecoder::new(payload, headers)?);
        Ok(())
    }

    /// The length of the payload, if it was declared.
    pub(crate) fn length(&self) -> Option<u64> {
        self.decoder.as_ref().and_then(BodyDecoder::length)
    }

    /// The next pieces of the payload, UNPROVEN until [`Self::finish`]; `None` when there are no more.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Bytes>>, S3Error> {
        let mut pieces = Vec::new();
        while let Some(bytes) = self.frame().await? {
            let decoder = self.decoder.as_mut().ok_or_else(|| S3Error::internal(&"a body is read before its decoder is there"))?;
            decoder.push(bytes, &mut pieces)?;
            if !pieces.is_empty() {
                return Ok(Some(pieces));
            }
        }
        Ok(None)
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, S3Error> {
        loop {
            let frame = match tokio::time::timeout(IDLE_MAX, self.wire.frame()).await {
                Err(_) => return Err(S3Error::new(Code::RequestTimeout)),
                Ok(None) => {
                    self.ended = true;
                    return Ok(None);
                }
                Ok(Some(Err(_))) => return Err(S3Error::new(Code::IncompleteBody)),
                Ok(Some(Ok(frame))) => frame,
            };
            if let Ok(bytes) = frame.into_data() {
                self.received += bytes.len() as u64;
                return Ok(Some(bytes));
            }
        }
    }

    /// Judges the whole body, once everything was taken.
    pub(crate) fn finish(&mut self) -> Result<BodyEnd, S3Error> {
        let decoder = self.decoder.take().ok_or_else(|| S3Error::internal(&"a body is finished once"))?;
        Ok(decoder.finish()?)
    }

    /// The whole payload, which must be small.
    pub(crate) async fn whole(&mut self, bytes_max: usize) -> Result<(Bytes, Vec<(HeaderName, HeaderValue)>), S3Error> {
        let too_long = || S3Error::new(Code::MaxMessageLengthExceeded).with_field("MaxMessageLengthBytes", &bytes_max.to_string());
        if self.length().is_some_and(|n| n > bytes_max as u64) {
            return Err(too_long());
        }
        let mut all = Vec::new();
        while let Some(pieces) = self.next().await? {
            for piece in pieces {
                if all.len() + piece.len() > bytes_max {
                    return Err(too_long());
                }
                all.extend_from_slice(&piece);
            }
        }
        Ok((all.into(), self.finish()?.trailers))
    }

    /// Leaves the connection in a state that both sides agree on: a small rest is read away, and then it can go on; otherwise the
    /// answer must say that it is over. True if it can go on.
    ///
    /// Only for a client that is known is waited: a stranger could hold a place in the server by promising a body.
    pub(crate) async fn drain(mut self, known: bool) -> bool {
        if self.ended {
            return true;
        }
        // A client that was not told to continue may send its body or not: nobody can tell what its next bytes are.
        let rest = self.encoded_length.map(|length| length.saturating_sub(self.received));
        if self.expects_continue && self.received == 0 || rest.is_none_or(|rest| rest > DRAIN_BYTES_MAX) {
            return false;
        }
        let patience = if known { DRAIN_MAX } else { Duration::ZERO };
        let drained = tokio::time::timeout(patience, async {
            while let Ok(Some(_)) = self.frame().await {}
            self.ended
        });
        drained.await.unwrap_or(false)
    }
}
