//! Accepts connections: a bounded number at a time, with patience when the system runs out of something.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::limits::LISTEN_BACKLOG;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::connection::{ConnectionInfo, ConnectionRules, Phase};
use crate::metrics::Metrics;
use crate::tls::Tls;

const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// A bound address and what happens to its connections.
pub(crate) struct Listener {
    socket: TcpListener,
    local: SocketAddr,
    tls: Option<Arc<Tls>>,
    connections: Arc<Semaphore>,
    connections_max: u32,
}

impl Listener {
    pub(crate) fn bind(address: SocketAddr, tls: Option<Arc<Tls>>, connections_max: usize) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let socket = socket.listen(LISTEN_BACKLOG)?;
        let local = socket.local_addr()?;
        let connections = Arc::new(Semaphore::new(connections_max));
        let connections_max = u32::try_from(connections_max).unwrap_or(u32::MAX);
        Ok(Listener { socket, local, tls, connections, connections_max })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Accepts while the phase is Serving. At the limit nothing is accepted: the kernel's backlog holds what comes.
    pub(crate) async fn accept_until_draining(self, rules: ConnectionRules, metrics: Arc<Metrics>) -> Connections {
        let mut phase = rules.phase.clone();
        tokio::select! {
            () = past_serving(&mut phase) => {}
            () = self.accept_forever(&rules, &metrics) => {}
        }
        Connections { open: self.connections, max: self.connections_max }
    }

    async fn accept_forever(&self, rules: &ConnectionRules, metrics: &Arc<Metrics>) {
        let mut backoff = BACKOFF_MIN;
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else { return };
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    backoff = BACKOFF_MIN;
                    let local = stream.local_addr().unwrap_or(self.local);
                    let info = ConnectionInfo { peer, local, tls: self.tls.is_some() };
                    let serving = OpenConnection::new(permit, Arc::clone(metrics));
                    tokio::spawn(serve(stream, info, self.tls.clone(), rules.clone(), serving));
                }
                Err(error) if gone_before_accepted(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: closing connections give some back.
                    tracing::error!(%error, "cannot accept connections; raise the limit of open files if this repeats");
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
    }
}

/// The connections that a listener has accepted.
pub(crate) struct Connections {
    open: Arc<Semaphore>,
    max: u32,
}

impl Connections {
    /// Waits until all of them are closed.
    pub(crate) async fn all_closed(&self) {
        let _ = self.open.acquire_many(self.max).await;
    }
}

struct OpenConnection {
    metrics: Arc<Metrics>,
    _permit: OwnedSemaphorePermit,
}

impl OpenConnection {
    fn new(permit: OwnedSemaphorePermit, metrics: Arc<Metrics>) -> Self {
        metrics.connections_accepted.add(1);
        metrics.connections_open.add(1);
        OpenConnection { metrics, _permit: permit }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.metrics.connections_open.add(-1);
    }
}

async fn serve(stream: TcpStream, info: ConnectionInfo, tls: Option<Arc<Tls>>, rules: ConnectionRules, open: OpenConnection) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY is not set");
    }
    match tls {
        None => rules.serve(stream, info).await,
        Some(tls) => {
            let mut phase = rules.phase.clone();
            tokio::select! {
                () = past_serving(&mut phase) => {}
                stream = tls.accept(stream) => {
                    if let Some(stream) = stream {
                        rules.serve(stream, info).await;
                    }
                }
            }
        }
    }
    drop(open);
}

async fn past_serving(phase: &mut watch::Receiver<Phase>) {
    // An error means that the server is gone, which is past serving too.
    let _ = phase.wait_for(|phase| *phase > Phase::Serving).await;
}

fn gone_before_accepted(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
