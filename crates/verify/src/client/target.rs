//! Where the store is and who we are there: endpoints, region, credentials, TLS.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// Who we are. Never printed.
#[derive(Clone)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`
    pub access_key: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret_key: String,
    /// `AWS_SESSION_TOKEN`
    pub session_token: Option<String>,
}

/// One address of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Without port and brackets.
    pub host: String,
    /// The port, also where the URL names none.
    pub port: u16,
    /// Whether it is https.
    pub tls: bool,
}

/// Why there is no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A variable of the environment that is needed.
    #[error("{0} is not set: export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, with AWS_SESSION_TOKEN if the credentials are temporary")]
    NoCredentials(&'static str),
    /// No endpoint at all.
    #[error("no endpoint was given")]
    NoEndpoint,
    /// Something that is no URL of an endpoint.
    #[error("{url} is not the URL of an endpoint: {why}; give it as http://HOST:PORT or https://HOST")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No trust anchors.
    #[error("certificates cannot be checked: {0}; set AWS_CA_BUNDLE to a PEM file with the certificates to trust")]
    Roots(String),
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the head of an answer after the request was sent, and between two pieces of its body.
    pub answer: Duration,
    /// For a `100 Continue`; then the body is sent without it.
    pub continued: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), answer: seconds(30), continued: seconds(2) }
    }
}

/// Everything that clients share.
#[derive(Clone)]
pub struct Target {
    /// At least one; all of the same store.
    pub endpoints: Vec<Endpoint>,
    /// What signatures name.
    pub region: String,
    /// Who signs.
    pub credentials: Credentials,
    /// `bucket.host` instead of `/bucket`.
    pub virtual_hosted: bool,
    /// How long to wait.
    pub timeouts: Timeouts,
    tls: Option<TlsConnector>,
}

impl Target {
    /// A target with the credentials and the region of `variable`, which looks a variable of the environment up.
    ///
    /// # Errors
    /// What is missing or unreadable, with what to do.
    pub fn new(urls: &[String], virtual_hosted: bool, variable: impl Fn(&str) -> Option<String>) -> Result<Self, TargetError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let needed = |name: &'static str| variable(name).ok_or(TargetError::NoCredentials(name));
        let credentials = Credentials {
            access_key: needed("AWS_ACCESS_KEY_ID")?,
            secret_key: needed("AWS_SECRET_ACCESS_KEY")?,
            session_token: variable("AWS_SESSION_TOKEN"),
        };
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or_else(|| "us-east-1".to_owned());
        Self::with_credentials(urls, virtual_hosted, credentials, region, variable("AWS_CA_BUNDLE").as_deref())
    }

    /// A target with these credentials; `ca_bundle` is a PEM file to trust instead of the system's certificates.
    ///
    /// # Errors
    /// An endpoint that cannot be read, or certificates.
    pub fn with_credentials(
        urls: &[String],
        virtual_hosted: bool,
        credentials: Credentials,
        region: String,
        ca_bundle: Option<&str>,
    ) -> Result<Self, TargetError> {
        let endpoints = urls.iter().map(|url| Endpoint::parse(url)).collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err(TargetError::NoEndpoint);
        }
        let tls = if endpoints.iter().any(|e| e.tls) { Some(connector(ca_bundle)?) } else { None };
        Ok(Self { endpoints, region, credentials, virtual_hosted, timeouts: Timeouts::default(), tls })
    }

    /// The value of the `Host` header, and the path of the request line, not encoded.
    pub(super) fn host_and_path(&self, endpoint: usize, bucket: Option<&str>, key: Option<&str>) -> (String, String) {
        let authority = self.endpoints[endpoint].authority();
        let key = key.unwrap_or_default();
        match bucket {
            None => (authority, "/".to_owned()),
            Some(bucket) if self.virtual_hosted => (format!("{bucket}.{authority}"), format!("/{key}")),
            Some(bucket) => (authority, if key.is_empty() { format!("/{bucket}") } else { format!("/{bucket}/{key}") }),
        }
    }

    pub(super) fn tls(&self) -> Option<&TlsConnector> {
        self.tls.as_ref()
    }
}

impl Endpoint {
    fn parse(url: &str) -> Result<Self, TargetError> {
        let wrong = |why| TargetError::Url { url: url.to_owned(), why };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it has no http:// or https://"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("only http and https are spoken")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(wrong("it has a path, a query or a user, which an endpoint cannot have"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, digits)) if !digits.ends_with(']') => (host, digits.parse().map_err(|_| wrong("its port is not a number"))?),
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() { Err(wrong("it has no host")) } else { Ok(Self { host, port, tls }) }
    }

    /// As the `Host` header has it.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default = if self.tls { 443 } else { 80 };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }

    /// The name that the certificate must have. A virtual host is one more label.
    pub(super) fn server_name(&self, host_header: &str) -> Option<ServerName<'static>> {
        let asked = host_header.strip_suffix(&self.authority()).unwrap_or_default();
        ServerName::try_from(format!("{asked}{}", self.host)).ok()
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

fn connector(ca_bundle: Option<&str>) -> Result<TlsConnector, TargetError> {
    let certificates: Vec<CertificateDer<'static>> = match ca_bundle {
        Some(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| TargetError::Roots(format!("{path} cannot be read: {error}")))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(certificates);
    if taken == 0 {
        return Err(TargetError::Roots("no certificate to trust was found".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TargetError::Roots(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, virtual_hosted: bool) -> Result<Target, TargetError> {
        Target::new(&[url.to_owned()], virtual_hosted, |name| (!name.contains("BUNDLE")).then(|| format!("the {name}")))
    }

    #[test]
    fn urls_are_read_or_refused_with_what_to_do() {
        for (url, authority) in [
            ("http://127.0.0.1:9000", "127.0.0.1:9000"),
            ("http://store/", "store"),
            ("http://store:80", "store"),
            ("http://[::1]:9000", "[::1]:9000"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(target(url, false).expect("a target").endpoints[0].authority(), authority);
        }
        for url in ["store:9000", "ftp://store", "http://store/base", "http://", "http://store:port", "http://user@store"] {
            let error = target(url, false).err().expect("refused").to_string();
            assert!(error.contains("http://HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn buckets_are_in_the_path_or_in_the_host() {
        let path = target("http://store:9000", false).expect("a target");
        let host = target("http://store:9000", true).expect("a target");
        assert_eq!(path.host_and_path(0, Some("b"), Some("k/1")), ("store:9000".into(), "/b/k/1".into()));
        assert_eq!(path.host_and_path(0, Some("b"), None), ("store:9000".into(), "/b".into()));
        assert_eq!(host.host_and_path(0, Some("b"), Some("k/1")), ("b.store:9000".into(), "/k/1".into()));
        assert_eq!(host.host_and_path(0, Some("b"), None), ("b.store:9000".into(), "/".into()));
        assert_eq!(host.host_and_path(0, None, None), ("store:9000".into(), "/".into()));
    }

    #[test]
    fn missing_credentials_are_named() {
        let only_key = |name: &str| (name == "AWS_ACCESS_KEY_ID").then(|| "key".to_owned());
        let error = Target::new(&["http://store".to_owned()], false, only_key).err().expect("refused");
        assert!(error.to_string().starts_with("AWS_SECRET_ACCESS_KEY is not set"), "{error}");
    }
}
