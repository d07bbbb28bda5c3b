//! GetObject and HeadObject: conditions, then the range, then the bytes of one version.

use bytes::Bytes;
use futures_util::StreamExt as _;
use holdfast_model::{ByteRange, ByteSpan, ChecksumKind, ReadConditions};
use holdfast_objects::{ByteStream, ObjectHead, OpenObject};
use http::{HeaderMap, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};

use super::render;
use crate::{
    body::{BoxError, WireBody},
    checksums::wants_checksum,
    conditions::{if_range, read_conditions},
    error::S3Error,
    fields::single,
    headers::response_overrides,
    service::{Answer, Call, full},
};

/// Which bytes are answered, and with what status.
struct Chosen {
    span: ByteSpan,
    status: StatusCode,
    /// The number of parts, when one was asked for.
    parts: Option<u16>,
}

pub(super) async fn get_object(call: &mut Call<'_>) -> Answer {
    let open = opened(call).await?;
    let chosen = choose(call, open.head(), Some(&open))?;
    let mut response = answer(call, open.head(), &chosen)?;
    if !chosen.span.is_empty() {
        *response.body_mut() = stream(open.read(chosen.span));
    }
    Ok(response)
}

pub(super) async fn head_object(call: &mut Call<'_>) -> Answer {
    if call.route.part_number()?.is_some() {
        let open = opened(call).await?;
        let chosen = choose(call, open.head(), Some(&open))?;
        return answer(call, open.head(), &chosen);
    }
    let conditions = read_conditions(call.headers)?;
    let head = call.objects().head(call.bucket()?, call.key()?, &conditions).await.map_err(|e| call.refused(e))?;
    let chosen = choose(call, &head, None)?;
    answer(call, &head, &chosen)
}

async fn opened(call: &Call<'_>) -> Result<OpenObject, S3Error> {
    let conditions: ReadConditions = read_conditions(call.headers)?;
    call.objects().open(call.bucket()?, call.key()?, &conditions).await.map_err(|e| call.refused(e))
}

fn choose(call: &Call<'_>, object: &ObjectHead, open: Option<&OpenObject>) -> Result<Chosen, S3Error> {
    let size = object.current.size;
    let range = single(call.headers, "range")?;
    if let (Some(number), Some(open)) = (call.route.part_number()?, open) {
        if range.is_some() {
            return Err(S3Error::invalid_request("Cannot specify both Range header and partNumber query parameter. Send one."));
        }
        let span = open.part(number).map_err(|e| call.refused(e))?;
        // An object that was not written in parts, and an empty one, is answered whole.
        let status = if object.parts.is_some() && size > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        return Ok(Chosen { span, status, parts: object.parts });
    }
    let whole = Chosen { span: ByteSpan::whole(size), status: StatusCode::OK, parts: None };
    let Some((text, range)) = range.and_then(|text| Some((text, ByteRange::parse(text)?))) else { return Ok(whole) };
    if if_range(call.headers)?.is_some_and(|condition| !condition.holds(&object.current)) {
        return Ok(whole);
    }
    let span = range.resolve(size).map_err(|outside| S3Error::invalid_range(text, outside))?;
    Ok(Chosen { span, status: StatusCode::PARTIAL_CONTENT, parts: None })
}

fn answer(call: &Call<'_>, object: &ObjectHead, chosen: &Chosen) -> Result<Response<WireBody>, S3Error> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = chosen.status;
    let headers = response.headers_mut();
    render::set_object(headers, object);
    headers.insert(header::CONTENT_LENGTH, chosen.span.len().into());
    if chosen.status == StatusCode::PARTIAL_CONTENT {
        let ByteSpan { start, end } = chosen.span;
        let range = format!("bytes {start}-{}/{}", end.saturating_sub(1), object.current.size);
        render::set(headers, "content-range", &range);
    }
    if let Some(parts) = chosen.parts {
        render::set(headers, "x-amz-mp-parts-count", &parts.to_string());
    }
    set_checksum(call, object, chosen, headers);
    for (name, value) in response_overrides(&call.route.query)? {
        headers.insert(name, value);
    }
    Ok(response)
}

/// The stored checksum, where it is one of the bytes that are answered: clients verify what they get with it.
fn set_checksum(call: &Call<'_>, object: &ObjectHead, chosen: &Chosen, headers: &mut HeaderMap) {
    let whole = chosen.span == ByteSpan::whole(object.current.size) && chosen.parts.is_none();
    if let Some(stored) = object.checksum.as_ref().filter(|_| wants_checksum(call.headers) && whole) {
        let parts = object.parts.filter(|_| stored.kind == ChecksumKind::Composite);
        render::set_checksum(headers, &stored.checksum, Some(stored.kind), parts);
    }
}

/// A body whose stream may break: then the connection does, and the client knows that it has not got everything.
fn stream(bytes: ByteStream) -> WireBody {
    let frames = bytes.map(|piece| match piece {
        Ok(bytes) => Ok(Frame::data(bytes)),
        Err(error) => {
            tracing::error!(%error, "a body breaks off");
            Err(Box::new(error) as BoxError)
        }
    });
    StreamBody::new(frames).boxed_unsync()
}
