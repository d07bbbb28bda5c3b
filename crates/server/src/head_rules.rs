//! Which request heads have exactly one reading. Pure: bytes in, framing or refusal out.
//!
//! Two parties that read one request differently can be played against each other (request smuggling), so whatever
//! RFC 9112 leaves to a recipient's leniency is refused here. Input is a whole head: every line ends in CRLF and the last line is empty.

use holdfast_model::limits::HEADERS_MAX;
use holdfast_s3::error::Code;

/// How the body that follows a head is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// This many bytes; zero without a Content-Length.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $code:ident, $message:literal;)*) => {
        /// Why a head is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Refusal { $($(#[$doc])* $name,)* }

        impl Refusal {
            /// A name that fits into a path and a metric's label.
            pub(crate) fn slug(self) -> &'static str { match self { $(Refusal::$name => $slug,)* } }
            /// The S3 error code of the answer.
            pub(crate) fn code(self) -> Code { match self { $(Refusal::$name => Code::$code,)* } }
            /// What is wrong and what would be right.
            pub(crate) fn message(self) -> &'static str { match self { $(Refusal::$name => $message,)* } }
            /// The refusal of that name.
            pub(crate) fn from_slug(slug: &str) -> Option<Self> { match slug { $($slug => Some(Refusal::$name),)* _ => None } }
        }
    };
}

refusals! {
    /// A line that ends in LF alone.
    BareLineFeed = "bare-line-feed", BadRequest, "A line of the request head ends in LF alone; end every line in CRLF.";
    /// CR that does not belong to a line end.
    BareCarriageReturn = "bare-carriage-return", BadRequest, "The request head has a CR that does not end a line.";
    /// A header line that begins with white space.
    FoldedLine = "folded-line", BadRequest, "A header is folded over several lines; send it on one line.";
    /// Not `METHOD target HTTP/1.x`.
    RequestLine = "request-line", BadRequest, "The request line must be METHOD, one space, target, one space, HTTP/1.1.";
    /// A target that is neither a path, `*`, nor a URL.
    Target = "target", BadRequest, "The request target must be a path of visible ASCII characters without `#`.";
    /// A name that is no token, or is followed by white space.
    HeaderName = "header-name", BadRequest, "A header line must be a name, a colon without white space before it, and a value.";
    /// A control character in a value.
    HeaderValue = "header-value", BadRequest, "A header value has a control character.";
    /// More than [`HEADERS_MAX`] lines.
    TooManyHeaders = "too-many-headers", RequestHeaderSectionTooLarge, "The request has more than 100 headers.";
    /// More than `HEAD_BYTES_MAX` bytes.
    HeadTooLarge = "head-too-large", RequestHeaderSectionTooLarge, "The request line and headers are larger than 64 KiB.";
    /// The head took too long.
    HeadTooSlow = "head-too-slow", RequestTimeout, "The request head did not arrive in time.";
    /// Content-Length given more than once, or as a list.
    SeveralLengths = "several-lengths", BadRequest, "Content-Length is given more than once; send it once.";
    /// Content-Length that is not a number.
    Length = "length", BadRequest, "Content-Length must be a whole number of bytes.";
    /// Content-Length and Transfer-Encoding.
    LengthAndEncoding = "length-and-encoding", BadRequest, "Content-Length and Transfer-Encoding exclude each other; send one.";
    /// Transfer-Encoding other than `chunked`, or twice, or in HTTP/1.0.
    TransferEncoding = "transfer-encoding", BadRequest, "The only Transfer-Encoding is `chunked`, once, in HTTP/1.1.";
    /// HTTP/1.1 without Host.
    MissingHost = "missing-host", BadRequest, "HTTP/1.1 needs a Host header.";
    /// Host more than once.
    SeveralHosts = "several-hosts", BadRequest, "Host is given more than once; send it once.";
    /// A Host that is no host.
    Host = "host", BadRequest, "The Host header must be a host with an optional port.";
    /// A URL as target whose authority is not the Host.
    HostMismatch = "host-mismatch", BadRequest, "The authority of the request target and the Host header differ.";
}

/// The headers that decide how a request is read, as far as they have been met.
#[derive(Default)]
struct Meaning<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    encoding: Option<&'a [u8]>,
}

/// Judges one whole head, from the request line to the empty line.
pub(crate) fn judge_head(head: &[u8]) -> Result<Framing, Refusal> {
    let mut lines = Lines(head);
    let request_line = lines.next().ok_or(Refusal::RequestLine)??;
    let (target, http_1_1) = judge_request_line(request_line)?;
    let mut meaning = Meaning::default();
    for (count, line) in lines.enumerate() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if count >= HEADERS_MAX {
            return Err(Refusal::TooManyHeaders);
        }
        judge_header(line, &mut meaning)?;
    }
    judge_host(target, meaning.host, http_1_1)?;
    match (meaning.length, meaning.encoding) {
        (Some(_), Some(_)) => Err(Refusal::LengthAndEncoding),
        (None, Some(encoding)) if http_1_1 && encoding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (None, Some(_)) => Err(Refusal::TransferEncoding),
        (length, None) => Ok(Framing::Length(length.unwrap_or(0))),
    }
}

/// Judges the lines after the last chunk: fields as in a head, none of which may reframe the message.
pub(crate) fn judge_trailer(line: &[u8]) -> Result<(), Refusal> {
    let mut meaning = Meaning::default();
    judge_header(line, &mut meaning)?;
    if meaning.length.is_some() || meaning.encoding.is_some() {
        return Err(Refusal::LengthAndEncoding);
    }
    if meaning.host.is_some() { Err(Refusal::SeveralHosts) } else { Ok(()) }
}

struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        let end = self.0.iter().position(|&byte| byte == b'\n')?;
        let line = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(line.strip_suffix(b"\r").ok_or(Refusal::BareLineFeed))
    }
}

/// The target, and whether the version is HTTP/1.1.
fn judge_request_line(line: &[u8]) -> Result<(&[u8], bool), Refusal> {
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(Refusal::RequestLine);
    };
    if method.is_empty() || !method.iter().all(|&byte| is_token(byte)) || method == crate::wire_guard::REFUSED_METHOD.as_bytes() {
        return Err(Refusal::RequestLine);
    }
    let http_1_1 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ => return Err(Refusal::RequestLine),
    };
    // `http::Uri` drops a fragment: `/key#1` would silently become `/key`.
    let visible = target.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#');
    let form = target.starts_with(b"/") || target == b"*" && method == b"OPTIONS" || authority(target).is_some();
    if visible && form { Ok((target, http_1_1)) } else { Err(Refusal::Target) }
}

fn judge_header<'a>(line: &'a [u8], meaning: &mut Meaning<'a>) -> Result<(), Refusal> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Refusal::FoldedLine);
    }
    let colon = line.iter().position(|&byte| byte == b':').ok_or(Refusal::HeaderName)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
        return Err(Refusal::HeaderName);
    }
    if value.contains(&b'\r') {
        return Err(Refusal::BareCarriageReturn);
    }
    if line[colon + 1..].iter().any(|&byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        return Err(Refusal::HeaderValue);
    }
    match name.len() {
        4 if name.eq_ignore_ascii_case(b"host") => once(meaning.host.replace(value), Refusal::SeveralHosts),
        14 if name.eq_ignore_ascii_case(b"content-length") => once(meaning.length.replace(length(value)?), Refusal::SeveralLengths),
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => once(meaning.encoding.replace(value), Refusal::TransferEncoding),
        _ => Ok(()),
    }
}

fn once<T>(earlier: Option<T>, refusal: Refusal) -> Result<(), Refusal> {
    earlier.map_or(Ok(()), |_| Err(refusal))
}

fn length(value: &[u8]) -> Result<u64, Refusal> {
    if value.contains(&b',') {
        return Err(Refusal::SeveralLengths);
    }
    // 18 digits stay below both u64::MAX and the largest length that hyper can count.
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Length);
    }
    Ok(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

fn judge_host(target: &[u8], host: Option<&[u8]>, http_1_1: bool) -> Result<(), Refusal> {
    let Some(host) = host else {
        // Without Host there is nothing that a URL as target could agree with.
        return if http_1_1 || authority(target).is_some() { Err(Refusal::MissingHost) } else { Ok(()) };
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']');
    if host.is_empty() || !host.iter().all(|&byte| plain(byte)) {
        return Err(Refusal::Host);
    }
    match authority(target) {
        Some(authority) if !authority.eq_ignore_ascii_case(host) => Err(Refusal::HostMismatch),
        _ => Ok(()),
    }
}

/// The authority of a target in absolute form.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let scheme_end = target.windows(3).take(6).position(|window| window == b"://")?;
    let scheme = &target[..scheme_end];
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    target[scheme_end + 3..].split(|&byte| byte == b'/' || byte == b'?').next()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
