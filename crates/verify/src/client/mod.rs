//! A plain S3 client that hides nothing: no retries, no pools, and when nobody knows what happened it says so.

mod call;
mod connection;
pub mod s3;
mod sign;
mod target;
pub(crate) mod xml;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

pub use call::{Answer, Call, Head, Lost, Payload, Pieces, Proof};
use connection::{Connection, Request};
use sign::{Signer, Unsigned};
pub use target::{Credentials, Endpoint, Target, TargetError, Timeouts};

/// More than any answer that the checks ask for.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// One client: one connection, kept alive, opened when it is needed. One request at a time.
pub struct Client {
    target: Arc<Target>,
    endpoint: usize,
    connection: Option<(String, Connection)>,
}

impl Client {
    /// A client of one of the target's endpoints.
    pub fn new(target: Arc<Target>, endpoint: usize) -> Self {
        assert!(endpoint < target.endpoints.len(), "the target has no such endpoint");
        Self { target, endpoint, connection: None }
    }

    /// Where it sends to.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The number of its endpoint.
    pub fn endpoint(&self) -> usize {
        self.endpoint
    }

    /// Closes the connection, also in the middle of an answer.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Whether certainly nothing happened, or nobody knows. It never sends again by itself.
    pub async fn send(&mut self, call: &Call) -> Result<Answer, Lost> {
        let head = self.open(call).await?;
        self.rest(head).await
    }

    /// Like [`Client::send`], with a body of `length` bytes that comes in pieces, as slowly as it likes. An answer that comes before
    /// the body is finished is returned at once; the rest is not sent.
    ///
    /// # Errors
    /// As [`Client::send`]; [`Lost::GaveUp`] when the pieces end before `length`.
    pub async fn send_pieces(&mut self, call: &Call, length: u64, pieces: &mut impl Pieces) -> Result<Answer, Lost> {
        let head = self.exchange(call, length, pieces, false).await?;
        self.rest(head).await
    }

    /// Like [`Client::send_pieces`], but the first piece is asked for only when the server wants the body (or says nothing for a
    /// while): then it has seen the head.
    ///
    /// # Errors
    /// As [`Client::send_pieces`].
    pub async fn send_pieces_expecting(&mut self, call: &Call, length: u64, pieces: &mut impl Pieces) -> Result<Answer, Lost> {
        let call = call.clone().header("expect", "100-continue");
        let head = self.exchange(&call, length, pieces, true).await?;
        self.rest(head).await
    }

    /// Sends the head with `Expect: 100-continue`, and the body only when it is wanted, or when the server says nothing
    /// for a while. `Head::continued` says whether it was wanted.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_expecting(&mut self, call: &Call) -> Result<Answer, Lost> {
        let call = call.clone().header("expect", "100-continue");
        let mut whole = call::Whole(Some(call.body.clone()));
        let head = self.exchange(&call, call.body.len() as u64, &mut whole, true).await?;
        self.rest(head).await
    }

    /// Sends a request and reads the head of the answer; [`Client::next_piece`] reads its body.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn open(&mut self, call: &Call) -> Result<Head, Lost> {
        let mut whole = call::Whole(Some(call.body.clone()));
        self.exchange(call, call.body.len() as u64, &mut whole, false).await
    }

    /// The next piece of the body of the answer that [`Client::open`] began, or None at its end.
    ///
    /// # Errors
    /// The connection broke, or nothing came for too long.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, Lost> {
        // Taken out, so that a caller who stops waiting leaves no half-read connection.
        let Some((host, mut connection)) = self.connection.take() else { return Ok(None) };
        let piece = connection.next_piece().await?;
        self.connection = Some((host, connection));
        Ok(piece)
    }

    async fn rest(&mut self, head: Head) -> Result<Answer, Lost> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.next_piece().await? {
            if body.len() + piece.len() > ANSWER_BYTES_MAX {
                self.disconnect();
                return Err(Lost::Unknown("the answer is too large".to_owned()));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { head, body: body.freeze() })
    }

    async fn exchange(&mut self, call: &Call, length: u64, pieces: &mut impl Pieces, expects: bool) -> Result<Head, Lost> {
        let given = length == call.body.len() as u64;
        let whole = (given && call.payload == Payload::Signed).then_some(&call.body[..]);
        let (host, head) = self.encode(call, length, whole);
        let mut connection = self.connected(&host).await?;
        let request = Request { head: &head, method: call.method, length, pieces, expects };
        let answered = connection.exchange(request).await?;
        self.connection = Some((host, connection));
        Ok(answered)
    }

    async fn connected(&mut self, host: &str) -> Result<Connection, Lost> {
        if let Some((to, mut connection)) = self.connection.take()
            && to == host
            && connection.is_reusable().await
        {
            return Ok(connection);
        }
        Connection::open(&self.target, self.endpoint, host).await
    }

    /// The `Host` header and the signed head, encoded.
    fn encode(&self, call: &Call, length: u64, payload: Option<&[u8]>) -> (String, Vec<u8>) {
        let (host, path) = self.target.host_and_path(self.endpoint, call.bucket.as_deref(), call.key.as_deref());
        let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let signer = Signer { credentials: &self.target.credentials, region: &self.target.region, stamp: &stamp };
        // `expect` is between two hops: it is not signed, so that a proxy may answer it.
        let (hop, signed): (Vec<_>, Vec<_>) = call.headers.iter().cloned().partition(|(name, _)| name == "expect");
        let unsigned = Unsigned { method: call.method, host: &host, path: &path, query: &call.query, headers: &signed, payload };
        let (query, added) = match call.proof {
            Proof::Header => (call.query.clone(), signer.headers(&unsigned)),
            Proof::Presigned => (signer.query(&Unsigned { payload: None, ..unsigned }), Vec::new()),
        };
        let question = if query.is_empty() { "" } else { "?" };
        let mut head =
            format!("{} {}{question}{} HTTP/1.1\r\nhost: {host}\r\n", call.method, sign::encode_path(&path), sign::encode_query(&query));
        for (name, value) in signed.iter().chain(&hop).chain(&added) {
            head.extend([name.as_str(), ": ", value, "\r\n"]);
        }
        if length > 0 || matches!(call.method, "PUT" | "POST") {
            head.extend(["content-length: ", &length.to_string(), "\r\n"]);
        }
        head.push_str("user-agent: holdfast-verify\r\n\r\n");
        (host, head.into_bytes())
    }
}

#[cfg(test)]
mod tests;
