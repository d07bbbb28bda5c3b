//! May this endpoint be reached from other machines? Decided before anything listens.

use std::net::SocketAddr;

use crate::config::Config;
use crate::credentials::{Origin, RootCredentials};

/// Why the server does not listen.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exposed {
    /// Anyone could guess the credentials.
    #[error(
        "refusing to listen on {0}, which other machines can reach, with root credentials that are publicly known; \
         set HOLDFAST_ROOT_ACCESS_KEY and HOLDFAST_ROOT_SECRET_KEY to values of your own, listen on 127.0.0.1, or give --insecure"
    )]
    WellKnownCredentials(SocketAddr),
    /// Nobody can have seen the credentials.
    #[error(
        "refusing to listen on {0}, which other machines can reach, with root credentials that were generated just now; \
         note them (they are printed above and kept in the data folder) and start again, set HOLDFAST_ROOT_ACCESS_KEY and \
         HOLDFAST_ROOT_SECRET_KEY, or give --insecure"
    )]
    UnseenCredentials(SocketAddr),
    /// The network could read everything.
    #[error(
        "refusing to listen on {0}, which other machines can reach, without TLS; give --tls-cert and --tls-key, \
         listen on 127.0.0.1 behind a proxy that has TLS, or give --insecure"
    )]
    NoTls(SocketAddr),
}

/// Passes an endpoint that only this machine can reach, one that is protected, and one that the operator insists on.
///
/// # Errors
/// The first reason why the endpoint should not be reachable from other machines.
pub fn refuse_exposure(config: &Config, credentials: &RootCredentials) -> Result<(), Exposed> {
    if config.insecure || config.listen.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    if credentials.are_well_known() {
        return Err(Exposed::WellKnownCredentials(config.listen));
    }
    if matches!(credentials.origin, Origin::GeneratedNow(_)) {
        return Err(Exposed::UnseenCredentials(config.listen));
    }
    if config.tls.is_none() {
        return Err(Exposed::NoTls(config.listen));
    }
    Ok(())
}
