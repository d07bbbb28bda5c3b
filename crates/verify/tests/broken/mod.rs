//! Small S3 servers in memory, written for this test only: one that is right, and one for each way to be wrong.
//!
//! They look at no signature: what they are asked about is conditions and order.

pub(crate) mod fault;
pub(crate) mod store;
mod wire;

use std::{net::SocketAddr, sync::Arc};

use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::Mutex, task::JoinHandle};

use fault::Fault;
use store::Store;

/// A server under test, with one or several endpoints of the same store.
pub(crate) struct Server {
    store: Arc<Store>,
    addresses: Vec<SocketAddr>,
    listeners: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    pub(crate) async fn start(fault: Fault, endpoints: usize) -> Self {
        let server = Self { store: Arc::new(Store::new(fault)), addresses: Vec::new(), listeners: Mutex::default() };
        let unbound = vec![SocketAddr::from(([127, 0, 0, 1], 0)); endpoints];
        let addresses = server.listen(&unbound).await;
        Self { addresses, ..server }
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("http://{address}")).collect()
    }

    /// As `kill -9` does: connections break, requests under way stop where they are, and what is not durable is gone.
    pub(crate) async fn kill(&self) {
        for listener in self.listeners.lock().await.drain(..) {
            listener.abort();
            // An aborted task ends at its next await; only then are its connections closed.
            drop(listener.await);
        }
        self.store.crash();
    }

    /// Listens again at the same addresses.
    pub(crate) async fn restart(&self) {
        self.listen(&self.addresses).await;
    }

    async fn listen(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut listeners = self.listeners.lock().await;
        let mut bound = Vec::new();
        for (endpoint, address) in addresses.iter().enumerate() {
            let listener = TcpListener::bind(address).await.expect("an address of the loopback");
            bound.push(listener.local_addr().expect("a bound listener has an address"));
            listeners.push(tokio::spawn(accept(listener, self.store.clone(), endpoint)));
        }
        bound
    }
}

/// Serves until it is aborted; its connections end with it.
async fn accept(listener: TcpListener, store: Arc<Store>, endpoint: usize) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else { continue };
        drop(stream.set_nodelay(true));
        let store = store.clone();
        let service = hyper::service::service_fn(move |request| wire::answer(store.clone(), endpoint, request));
        connections.spawn(async move {
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}
