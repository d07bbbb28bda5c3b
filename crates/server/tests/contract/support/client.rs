//! An HTTP/1.1 client that shows exactly what came. It keeps its connection as long as the server does, so that every answer of a table
//! is also a test of where the one before it ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_objects::{Clock, ManualClock};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::request::{Request, Wire};

/// Longer than any answer may take, far shorter than a hanging test.
const PATIENCE: Duration = Duration::from_secs(15);

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// `100 Continue` answers before it.
    pub(crate) continues: usize,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of an element of the body, with the predefined entities resolved.
    pub(crate) fn element(&self, name: &str) -> Option<String> {
        element(&self.text(), name)
    }

    pub(crate) fn etag(&self) -> String {
        self.header("etag").map(str::to_owned).or_else(|| self.element("ETag")).unwrap_or_else(|| panic!("no ETag in {self:?}"))
    }

    pub(crate) fn generation(&self) -> u64 {
        self.header("x-holdfast-generation").unwrap_or_else(|| panic!("no generation in {self:?}")).parse().expect("a number")
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// `status`, or `status code`, or `status code condition`.
    pub(crate) fn verdict(&self) -> String {
        let error = self.status >= 300;
        let parts = [Some(self.status.to_string()), error.then(|| self.element("Code")).flatten(), self.element("Condition")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

pub(crate) fn element(text: &str, name: &str) -> Option<String> {
    let from = text.find(&format!("<{name}>"))? + name.len() + 2;
    let to = from + text[from..].find(&format!("</{name}>"))?;
    let text = text[from..to].replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#34;", "\"");
    Some(text.replace("&apos;", "'").replace("&amp;", "&"))
}

/// Every text of an element of that name.
pub(crate) fn elements(text: &str, name: &str) -> Vec<String> {
    let open = format!("<{name}>");
    text.match_indices(&open).filter_map(|(at, _)| element(&text[at..], name)).collect()
}

pub(crate) struct Client {
    address: SocketAddr,
    clock: Arc<ManualClock>,
    connection: Option<Connection>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, clock: Arc<ManualClock>) -> Self {
        Self { address, clock, connection: None }
    }

    pub(crate) fn wire(&self, request: Request) -> Wire {
        request.wire(&self.address.to_string(), self.clock.now())
    }

    pub(crate) async fn send(&mut self, request: Request) -> Answer {
        let wire = self.wire(request);
        self.exchange(&[wire.head, wire.body].concat(), wire.is_head).await
    }

    /// Sends the request and insists on success.
    pub(crate) async fn must(&mut self, request: Request) -> Answer {
        let shown = format!("{} {} {:?}", request.method, request.path, request.query);
        let answer = self.send(request).await;
        assert!((200..300).contains(&answer.status), "{shown}: {} {}", answer.status, answer.text());
        answer
    }

    /// Sends raw bytes of one request and reads its answer, both at once.
    pub(crate) async fn exchange(&mut self, bytes: &[u8], is_head: bool) -> Answer {
        let mut stream = match self.connection.take() {
            Some(stream) => stream,
            None => connect(self.address).await,
        };
        let (mut read, mut write) = tokio::io::split(&mut stream);
        let answer = {
            let sending = write.write_all(bytes);
            let reading = read_answer(&mut read, is_head);
            tokio::pin!(sending, reading);
            let mut sent = false;
            loop {
                tokio::select! {
                    biased;
                    answer = &mut reading => {
                        // An answer that leaves the connection open promises to read the rest of the body.
                        if !sent && !answer.closes() {
                            sending.await.expect("the rest is read");
                        }
                        break answer;
                    }
                    _ = &mut sending, if !sent => sent = true,
                }
            }
        };
        if answer.closes() {
            expect_end(&mut stream).await;
        } else {
            self.connection = Some(stream);
        }
        answer
    }

    /// Sends the head and the first `count` bytes of the body on a connection of its own.
    pub(crate) async fn hold(&self, request: Request, count: usize) -> Held {
        let wire = self.wire(request);
        let mut stream = connect(self.address).await;
        stream.write_all(&[&wire.head[..], &wire.body[..count]].concat()).await.expect("sent");
        Held { stream, rest: wire.body[count..].to_vec() }
    }
}

/// A request of which a part has been sent.
pub(crate) struct Held {
    pub(crate) stream: Connection,
    rest: Vec<u8>,
}

impl Held {
    pub(crate) async fn finish(mut self) -> Answer {
        self.stream.write_all(&self.rest).await.expect("sent");
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        read_answer(&mut self.stream, false).await
    }

    /// Waits for `100 Continue`: the early check is over and the body is wanted.
    pub(crate) async fn continued(&mut self) {
        let head = tokio::time::timeout(PATIENCE, read_head(&mut self.stream)).await.expect("in time");
        assert_eq!(head.status, 100, "{head:?}");
    }
}

/// A connection whose incoming bytes are buffered.
pub(crate) type Connection = BufReader<TcpStream>;

pub(crate) async fn connect(address: SocketAddr) -> Connection {
    let stream = TcpStream::connect(address).await.expect("connected");
    stream.set_nodelay(true).expect("nodelay");
    BufReader::new(stream)
}

/// After an answer that announced it, the connection ends without another byte.
pub(crate) async fn expect_end(stream: &mut Connection) {
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection was announced closed and stays open");
    assert_eq!(String::from_utf8_lossy(&rest), "", "nothing follows the last answer");
}

/// Reads one answer, and those with status 100 before it.
pub(crate) async fn read_answer(stream: &mut (impl AsyncRead + Unpin), is_head: bool) -> Answer {
    let read = async {
        let mut continues = 0;
        loop {
            let mut answer = read_head(stream).await;
            if answer.status == 100 {
                continues += 1;
                continue;
            }
            let bodiless = is_head || matches!(answer.status, 204 | 304);
            assert_eq!(answer.header("transfer-encoding"), None, "every length is known: {answer:?}");
            let length: usize = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
            answer.body = vec![0; if bodiless { 0 } else { length }];
            stream.read_exact(&mut answer.body).await.expect("a whole body");
            answer.continues = continues;
            return answer;
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("an answer in time")
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Answer {
    let mut head = Vec::with_capacity(1024);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) => panic!("the connection ended after {:?}: {error}", String::from_utf8_lossy(&head)),
        }
    }
    let head = String::from_utf8(head).expect("text");
    let mut lines = head.trim_end().split("\r\n");
    let first = lines.next().expect("a status line");
    let status = first.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("out of step: {first:?}"));
    let header = |line: &str| {
        let (name, value) = line.split_once(':').expect("a header");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let status = status[..3].parse().expect("a status");
    Answer { status, headers: lines.map(header).collect(), body: Vec::new(), continues: 0 }
}
