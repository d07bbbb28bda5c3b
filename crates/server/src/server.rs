//! Puts a server together, runs it, and stops it: no connection is accepted after the signal, what runs may finish
//! within the grace, and then nothing goes on.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;

use holdfast_model::limits::ADMIN_CONNECTIONS_MAX;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::Config;
use crate::connection::{ConnectionRules, Phase};
use crate::credentials::{CredentialsError, RootCredentials};
use crate::exposure::{Exposed, refuse_exposure};
use crate::front::Front;
use crate::health::Health;
use crate::listener::Listener;
use crate::metrics::Metrics;
use crate::parts::{Opening, Parts, open};
use crate::telemetry::{self, TelemetryError};
use crate::tls::{Tls, TlsError};
use crate::wire_guard::Timeouts;
use crate::{admin, banner};

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// See the inner error.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// See the inner error.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// See the inner error.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// See the inner error.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// An address that cannot be listened on.
    #[error("cannot listen on {address}: {error}; is another server using it?")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The data folder cannot be opened.
    #[error("the data folder cannot be opened: {0}")]
    Store(Box<dyn std::error::Error + Send + Sync>),
    /// Signals cannot be received.
    #[error("signals cannot be received: {0}")]
    Signals(io::Error),
}

/// Serves until `stop` resolves, from a configuration to the last closed connection.
///
/// # Errors
/// Whatever keeps the server from starting; once it serves, it ends without error.
pub async fn serve(config: Config, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    telemetry::install(&config)?;
    keep_private(&config.data).map_err(|error| ServeError::Store(Box::new(error)))?;
    let credentials = RootCredentials::obtain(&config.data, |name| std::env::var(name).ok())?;
    if let Some(text) = banner::first_credentials(&config, &credentials, config.listen) {
        print(&text);
    }
    refuse_exposure(&config, &credentials)?;
    let metrics = Metrics::new(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0));
    let parts = open(Opening { config: &config, credentials: &credentials, metrics: &metrics }).await?;
    let close = Arc::clone(&parts.close);
    let server = Server::bind(&config, parts, metrics)?;
    print(&banner::started(&config, &credentials, server.s3_address(), server.admin_address()));
    let ended = server.run(stop).await;
    close().await;
    ended
}

/// Resolves at the first SIGTERM or SIGINT.
///
/// # Errors
/// Signals cannot be received.
pub fn until_told_to_stop() -> Result<impl Future<Output = ()>, ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A server whose addresses are bound, so that connections already wait for it.
pub struct Server {
    s3: Listener,
    admin: Option<Listener>,
    tls: Option<Arc<Tls>>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    front: Front,
    timeouts: Timeouts,
    config: Config,
}

impl Server {
    /// Binds the addresses of `config`. Needs a tokio runtime.
    ///
    /// # Errors
    /// TLS files that cannot be used, an address that cannot be listened on.
    pub fn bind(config: &Config, parts: Parts, metrics: Arc<Metrics>) -> Result<Self, ServeError> {
        let tls = config.tls.clone().map(Tls::load).transpose()?.map(Arc::new);
        let bind = |address, tls, max| Listener::bind(address, tls, max).map_err(|error| ServeError::Listen { address, error });
        let s3 = bind(config.listen, tls.clone(), config.max_connections)?;
        let admin = config.admin_listen.map(|address| bind(address, None, ADMIN_CONNECTIONS_MAX)).transpose()?;
        let health = Arc::new(Health::new(parts.readiness));
        let front = Front::new(config, parts.handler, Arc::clone(&health), Arc::clone(&metrics));
        let timeouts = Timeouts { head: config.head_timeout, stall: config.stall_timeout };
        Ok(Server { s3, admin, tls, health, metrics, front, timeouts, config: config.clone() })
    }

    /// Where the S3 endpoint listens.
    pub fn s3_address(&self) -> SocketAddr {
        self.s3.local()
    }

    /// Where the admin endpoint listens.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Listener::local)
    }

    /// Serves until `stop` resolves and what ran then is finished, or out of grace.
    ///
    /// # Errors
    /// Signals cannot be received.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        // Before any connection is accepted: from then on a hangup must not end the process.
        let reloading = self.tls.map(reload_on_hangup).transpose()?.map(tokio::spawn);
        let (phase, s3_phase) = watch::channel(Phase::Serving);
        // The admin endpoint outlives the S3 endpoint, so that probes see it drain.
        let (admin_phase, admin_phase_seen) = watch::channel(Phase::Serving);
        let rules = |respond, phase| ConnectionRules { respond, timeouts: self.timeouts, idle_timeout: self.config.idle_timeout, phase };
        let s3 = tokio::spawn(self.s3.accept_until_draining(rules(self.front.respond(), s3_phase), Arc::clone(&self.metrics)));
        if let Some(listener) = self.admin {
            let respond = admin::respond(Arc::clone(&self.health), Arc::clone(&self.metrics));
            // Its connections are not counted with those of S3.
            let uncounted = Metrics::new(0);
            tokio::spawn(listener.accept_until_draining(rules(respond, admin_phase_seen), uncounted));
        }

        stop.await;
        tracing::info!(grace = ?self.config.shutdown_grace, "stopping: no new connections, requests under way may finish");
        self.health.stop();
        phase.send_replace(Phase::Draining);
        if let Ok(connections) = s3.await
            && tokio::time::timeout(self.config.shutdown_grace, connections.all_closed()).await.is_err()
        {
            tracing::warn!("out of grace: closing connections with requests under way");
            phase.send_replace(Phase::Closing);
            connections.all_closed().await;
        }
        admin_phase.send_replace(Phase::Closing);
        if let Some(reloading) = reloading {
            reloading.abort();
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Creates the data folder, if it is not there, for nobody else to read: it holds every object. One that is there keeps its mode.
fn keep_private(data: &std::path::Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data)
}

fn reload_on_hangup(tls: Arc<Tls>) -> Result<impl Future<Output = ()> + Send + 'static, ServeError> {
    let mut hangup = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            match tls.reload() {
                Ok(()) => tracing::info!("TLS certificate read again"),
                Err(error) => tracing::error!(%error, "TLS certificate not replaced; the old one stays"),
            }
        }
    })
}

/// Standard output is for the operator; a closed one is no reason not to serve.
fn print(text: &str) {
    use io::Write;
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
