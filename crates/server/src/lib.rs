//! The composition root: configuration, credentials, listeners, TLS, limits, telemetry, shutdown.
//!
//! Reading order: `settings` and `config` (what is wanted), `credentials` and `exposure` (may it be served), `parts` (the store and
//! the S3 service), `listener`, `connection`, `wire_guard` (bytes in), `front` (the door), `request_trace` (what became of it).
//! Nothing here knows what an S3 operation means.

mod admin;
mod banner;
mod check;
mod collector;
mod config;
mod connection;
mod credentials;
mod exposure;
mod framer;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod head_rules;
mod health;
mod listener;
mod metrics;
mod parts;
mod request_trace;
mod server;
mod settings;
mod stall;
mod store_metrics;
mod telemetry;
mod tls;
mod wire_guard;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

pub use check::{CheckError, Report, check};
pub use config::{Config, ConfigError, LogFormat, LogKeys, Source, TlsFiles, Values};
pub use connection::ConnectionInfo;
pub use credentials::{CREDENTIALS_FILE, CredentialsError, Origin, RootCredentials, Secret};
pub use exposure::{Exposed, refuse_exposure};
pub use health::Readiness;
pub use holdfast_s3::RequestFacts;
pub use metrics::{Counter, Finished, Gauge, Histogram, Metrics, Source as MetricsSource};
pub use parts::{Opening, Parts};
pub use server::{ServeError, Server, serve, until_told_to_stop};
pub use settings::{Arity, SECRET_VARIABLES, SETTINGS, Setting, setting};
pub use telemetry::TelemetryError;
pub use tls::TlsError;

/// Any error, as a response's body may end with one.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of a response.
pub type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;
/// The S3 service, as the server calls it. It answers every request: its errors are responses.
///
/// The future is dropped when the client goes away, so what must not be left half done belongs into a task of its own.
/// The body should be read to its end, beyond the last byte that matters: what is left makes the connection end.
pub type Handler = Arc<dyn Fn(http::Request<Incoming>, ConnectionInfo) -> BoxFuture<'static, http::Response<ResponseBody>> + Send + Sync>;

/// A body that is all there.
pub(crate) fn body(text: String) -> ResponseBody {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}
