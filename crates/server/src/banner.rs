//! What `holdfast serve` prints when it starts: where it is, and lines to paste.
//!
//! The secret is printed once, at the start that generated it, and never again.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::config::Config;
use crate::credentials::{Origin, RootCredentials};

/// Lines for a shell that make AWS tools use this server. Holds the secret: for the operator's terminal only.
pub(crate) fn first_credentials(config: &Config, credentials: &RootCredentials, listening: SocketAddr) -> Option<String> {
    let Origin::GeneratedNow(path) = &credentials.origin else { return None };
    let mut text = format!("\nRoot credentials were generated and are kept in {}. They are shown only now:\n\n", path.display());
    let _ = writeln!(text, "  export AWS_ACCESS_KEY_ID={}", credentials.access_key);
    let _ = writeln!(text, "  export AWS_SECRET_ACCESS_KEY={}", credentials.secret_key.expose());
    let _ = writeln!(text, "  export AWS_ENDPOINT_URL={}", endpoint(config, listening));
    let _ = writeln!(text, "  export AWS_REGION={}", config.region);
    Some(text)
}

/// Where the server is, and how to use it.
pub(crate) fn started(config: &Config, credentials: &RootCredentials, listening: SocketAddr, admin: Option<SocketAddr>) -> String {
    let endpoint = endpoint(config, listening);
    let mut text = format!("\nholdfast {} is serving\n\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "  endpoint     {endpoint}");
    if let Some(admin) = admin {
        let _ = writeln!(text, "  admin        http://{admin}/metrics");
    }
    let _ = writeln!(text, "  data folder  {}", config.data.display());
    let _ = writeln!(text, "  region       {}", config.region);
    let source = match &credentials.origin {
        Origin::Environment => "from the environment".to_owned(),
        Origin::Kept(path) | Origin::GeneratedNow(path) => format!("in {}", path.display()),
    };
    let _ = writeln!(text, "  credentials  {} ({source})", credentials.access_key);
    let _ = writeln!(text, "\n  aws --endpoint-url {endpoint} s3 mb s3://my-bucket");
    let _ =
        writeln!(text, "  aws --endpoint-url {endpoint} s3api put-object --bucket my-bucket --key once --if-none-match '*' --body FILE");
    text
}

/// The URL for a client on this machine, or under the first domain.
fn endpoint(config: &Config, listening: SocketAddr) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    match config.domains.first() {
        Some(domain) => format!("{scheme}://{domain}:{}", listening.port()),
        None if listening.ip().is_unspecified() => format!("{scheme}://localhost:{}", listening.port()),
        None => format!("{scheme}://{listening}"),
    }
}
