//! The seam to the store and the S3 service: what the server is given, and where it is put together.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Response, StatusCode};

use crate::config::Config;
use crate::credentials::RootCredentials;
use crate::health::{Readiness, text};
use crate::metrics::Metrics;
use crate::{Handler, ServeError};

/// What answers requests.
#[derive(Clone)]
pub struct Parts {
    /// The S3 service.
    pub handler: Handler,
    /// Whether its store can do its work.
    pub readiness: Arc<dyn Readiness>,
}

/// What is known when the store is opened.
pub struct Opening<'a> {
    /// The whole configuration.
    pub config: &'a Config,
    /// Who may do everything.
    pub credentials: &'a RootCredentials,
    /// Where commits and staged bytes are counted.
    pub metrics: &'a Arc<Metrics>,
}

/// Opens the store and puts the S3 service on it.
///
/// # Errors
/// A data folder that cannot be opened.
#[allow(clippy::unused_async, reason = "opening a store is asynchronous")]
pub(crate) async fn open(opening: Opening<'_>) -> Result<Parts, ServeError> {
    let _ = (opening.config, opening.credentials, opening.metrics);
    let handler: Handler = Arc::new(|_, _| Box::pin(async { not_implemented() }));
    Ok(Parts { handler, readiness: Arc::new(NoStore) })
}

fn not_implemented() -> Response<crate::ResponseBody> {
    text(StatusCode::NOT_IMPLEMENTED, "this build has no store\n".to_owned())
}

struct NoStore;

#[async_trait]
impl Readiness for NoStore {
    async fn ready(&self) -> Result<(), String> {
        Err("this build has no store".to_owned())
    }
}
