//! A server with a handler of the test's own, and a client that sends exactly the bytes that it is given.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use holdfast_server::{Config, ConnectionInfo, Handler, Metrics, Parts, Readiness, RequestFacts, ResponseBody, ServeError, Server, Values};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) fn flags(given: &[(&'static str, &str)]) -> Values {
    let mut values = Values::new();
    for (name, value) in given {
        values.entry(name).or_default().push((*value).to_owned());
    }
    values
}

/// A configuration on a port that the system chooses.
pub(crate) fn config(given: &[(&'static str, &str)]) -> Config {
    let mut values = flags(&[("data", "/nonexistent"), ("listen", "127.0.0.1:0")]);
    values.extend(flags(given));
    Config::resolve(values, []).expect("a valid configuration")
}

pub(crate) struct Ready(pub(crate) Mutex<Result<(), String>>);

#[async_trait]
impl Readiness for Ready {
    async fn ready(&self) -> Result<(), String> {
        self.0.lock().expect("no panic while ready").clone()
    }
}

/// What a server is given, with nothing to close.
pub(crate) fn parts(handler: Handler, readiness: Arc<dyn Readiness>) -> Parts {
    Parts { handler, readiness, close: Arc::new(|| Box::pin(std::future::ready(()))) }
}

/// A server under test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) metrics: Arc<Metrics>,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub(crate) fn start(config: &Config, handler: Handler) -> Self {
        Self::start_with(config, handler, Arc::new(Ready(Mutex::new(Ok(())))))
    }

    pub(crate) fn start_with(config: &Config, handler: Handler, readiness: Arc<dyn Readiness>) -> Self {
        let metrics = Metrics::new(0);
        let server = Server::bind(config, parts(handler, readiness), Arc::clone(&metrics)).expect("bound");
        let (address, admin) = (server.s3_address(), server.admin_address());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Running { address, admin, metrics, stop: Some(stop), ended }
    }

    pub(crate) fn tell_to_stop(&mut self) {
        let _ = self.stop.take().expect("told once").send(());
    }

    pub(crate) async fn ended(self) {
        self.ended.await.expect("no panic").expect("no error");
    }
}

/// A handler out of a function.
pub(crate) fn handler<F>(answer: impl Fn(Request<Incoming>, ConnectionInfo) -> F + Send + Sync + 'static) -> Handler
where
    F: Future<Output = Response<ResponseBody>> + Send + 'static,
{
    Arc::new(move |request, info| -> BoxFuture<'static, _> { Box::pin(answer(request, info)) })
}

/// What a handler saw: `METHOD target body`, or `METHOD target !` for a body that broke off.
pub(crate) type Seen = Arc<Mutex<Vec<String>>>;

/// Reads each request whole, notes it, and answers 200 with the note as body.
pub(crate) fn noting(seen: &Seen) -> Handler {
    let seen = Arc::clone(seen);
    handler(move |request, _| {
        let seen = Arc::clone(&seen);
        async move {
            let line = format!("{} {} ", request.method(), request.uri().path());
            let note = match request.into_body().collect().await {
                Ok(body) => line + &String::from_utf8_lossy(&body.to_bytes()),
                Err(_) => line + "!",
            };
            seen.lock().expect("no panic while noting").push(note.clone());
            text(note)
        }
    })
}

pub(crate) fn text(text: String) -> Response<ResponseBody> {
    let mut response = Response::new(full(text));
    response.extensions_mut().insert(RequestFacts { operation: "Test", ..RequestFacts::default() });
    response
}

pub(crate) fn full(text: String) -> ResponseBody {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("connected");
    stream.set_nodelay(true).expect("nodelay");
    stream
}

/// Sends `bytes` and reads until the server closes.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address).await;
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    // Sending and reading at once: an early answer must arrive although more is being sent.
    let _ = tokio::join!(write.write_all(bytes), read.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of all answers in `text`.
pub(crate) fn statuses(text: &str) -> Vec<u16> {
    let status = |(at, marker): (usize, &str)| text[at + marker.len()..].get(..3)?.parse().ok();
    text.match_indices("HTTP/1.1 ").chain(text.match_indices("HTTP/1.0 ")).filter_map(status).collect()
}

/// Reads until `end` has been seen.
pub(crate) async fn read_until(stream: &mut (impl AsyncReadExt + Unpin), end: &str) -> String {
    let mut answer = String::new();
    while !answer.ends_with(end) {
        let mut byte = [0];
        let bytes = stream.read(&mut byte).await.expect("readable");
        assert_eq!(bytes, 1, "closed after {answer:?}");
        answer.push(char::from(byte[0]));
    }
    answer
}

pub(crate) fn write_file(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
}
