//! A request as a table writes it down, and the bytes that it becomes.

use holdfast_model::Timestamp;

use super::signing::{Pairs, ROOT, Signable, Signed, Signer, amz_date, presign, sha256_hex, sign};

/// A request before it is signed. Names of headers are lower case.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) query: Pairs,
    pub(crate) headers: Pairs,
    pub(crate) body: Vec<u8>,
    /// Seconds for which a presigned URL is valid; `None` signs in the header.
    presigned_secs: Option<u64>,
    declared: Declared,
    away_secs: i64,
    signer: Signer,
}

/// The length that a head declares.
#[derive(Clone, Copy, Debug)]
enum Declared {
    /// The body's own; none for a read without a body.
    Implied,
    Length(u64),
    Nothing,
}

/// A signed request as it goes to the wire.
pub(crate) struct Wire {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) date: String,
    pub(crate) signature: String,
    pub(crate) is_head: bool,
}

/// Encodes each byte outside RFC 3986's unreserved set, and not `/` where `slashes` stay.
pub(crate) fn encode(text: &str, slashes: bool) -> String {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (slashes && byte == b'/');
    text.bytes().map(|byte| if stays(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl Request {
    /// `path` is not encoded yet.
    pub(crate) fn new(method: &'static str, path: &str) -> Self {
        let (query, headers) = (Vec::new(), Vec::new());
        Self {
            method,
            path: encode(path, true),
            query,
            headers,
            body: Vec::new(),
            presigned_secs: None,
            declared: Declared::Implied,
            away_secs: 0,
            signer: ROOT,
        }
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((encode(name, false), encode(value, false)));
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    pub(crate) fn headers(self, pairs: &[(impl AsRef<str>, impl AsRef<str>)]) -> Self {
        pairs.iter().fold(self, |request, (name, value)| request.header(name.as_ref(), value.as_ref()))
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Signs in the query; the URL is valid for so long.
    pub(crate) fn presigned(mut self, secs: u64) -> Self {
        self.presigned_secs = Some(secs);
        self
    }

    /// Declares another length than the body's, or none.
    pub(crate) fn declares(mut self, length: Option<u64>) -> Self {
        self.declared = length.map_or(Declared::Nothing, Declared::Length);
        self
    }

    /// Is signed as if it were so many seconds later, or earlier.
    pub(crate) fn signed_away(mut self, secs: i64) -> Self {
        self.away_secs = secs;
        self
    }

    pub(crate) fn signed_by(mut self, signer: Signer) -> Self {
        self.signer = signer;
        self
    }

    pub(crate) fn wire(mut self, host: &str, now: Timestamp) -> Wire {
        let now = Timestamp::from_secs(now.secs().checked_add_signed(self.away_secs).expect("near"));
        let date = amz_date(now);
        self.headers.push(("host".to_owned(), host.to_owned()));
        let given = self.headers.iter().find(|(name, _)| name == "x-amz-content-sha256").map(|(_, value)| value.clone());
        let signature = match self.presigned_secs {
            Some(secs) => {
                let payload = given.unwrap_or_else(|| "UNSIGNED-PAYLOAD".to_owned());
                self.query = presign(&self.signable(&payload), &date, secs);
                String::new()
            }
            None => {
                let payload = given.clone().unwrap_or_else(|| sha256_hex(&self.body));
                if given.is_none() {
                    self.headers.push(("x-amz-content-sha256".to_owned(), payload.clone()));
                }
                self.headers.push(("x-amz-date".to_owned(), date.clone()));
                let Signed { authorization, signature } = sign(&self.signable(&payload), &date);
                self.headers.push(("authorization".to_owned(), authorization));
                signature
            }
        };
        Wire { head: self.head(), body: self.body, date, signature, is_head: self.method == "HEAD" }
    }

    fn signable<'a>(&'a self, payload: &'a str) -> Signable<'a> {
        Signable { method: self.method, path: &self.path, query: &self.query, headers: &self.headers, payload, signer: self.signer }
    }

    fn head(&self) -> Vec<u8> {
        let query: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut head = format!("{} {}{mark}{} HTTP/1.1\r\n", self.method, self.path, query.join("&"));
        for (name, value) in &self.headers {
            head = format!("{head}{name}: {value}\r\n");
        }
        let implied = !self.body.is_empty() || self.method != "GET" && self.method != "HEAD";
        let length = match self.declared {
            Declared::Implied => implied.then_some(self.body.len() as u64),
            Declared::Length(length) => Some(length),
            Declared::Nothing => None,
        };
        if let Some(length) = length {
            head = format!("{head}content-length: {length}\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}
