//! Logs: one line per request, on standard error, without secrets.
//!
//! A request's query is never logged, since a presigned URL carries its signature there; neither are headers.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat, LogKeys};

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A filter that cannot be read.
    #[error("`log-filter` is not a filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
}

/// Sends the log of this process to standard error. A second call changes nothing.
///
/// # Errors
/// A filter that cannot be read.
pub(crate) fn install(config: &Config) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&config.log_filter)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only a second installation in one process fails, and it has nothing to add.
    let _ = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    Ok(())
}

/// An object key as the log shows it.
pub(crate) fn logged_key(key: &str, mode: LogKeys) -> String {
    match mode {
        LogKeys::Plain => key.to_owned(),
        LogKeys::Hash => Sha256::digest(key.as_bytes())[..8].iter().fold(String::with_capacity(16), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}
