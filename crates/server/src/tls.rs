//! TLS of the S3 endpoint: TLS 1.2 and 1.3 by rustls, certificate and key from PEM files, read again on demand.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::limits::TLS_HANDSHAKE_SECS_MAX;
use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that is missing or is no PEM.
    #[error("{path} cannot be used as PEM: {reason}")]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key that rustls does not accept.
    #[error("{cert} and {key} are not a usable pair: {error}", cert = files.cert.display(), key = files.key.display())]
    Pair {
        /// Both files.
        files: TlsFiles,
        /// What rustls said.
        error: rustls::Error,
    },
}

/// A certificate that can be replaced while connections come in.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let current = RwLock::new(Arc::new(server_config(&files)?));
        Ok(Tls { files, current })
    }

    /// Reads the files again; on an error the old certificate stays.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let config = Arc::new(server_config(&self.files)?);
        *self.current.write() = config;
        Ok(())
    }

    /// The encrypted stream, or `None` for a peer that does not speak TLS, or not in time.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current.read()));
        let handshake = tokio::time::timeout(Duration::from_secs(TLS_HANDSHAKE_SECS_MAX), acceptor.accept(stream));
        match handshake.await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!("TLS handshake took too long");
                None
            }
        }
    }
}

fn server_config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let pem = |path: &PathBuf, reason: &dyn std::fmt::Display| TlsError::Pem { path: path.clone(), reason: reason.to_string() };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect).map_err(|error| pem(&files.cert, &error))?;
    if chain.is_empty() {
        return Err(pem(&files.cert, &"it holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| pem(&files.key, &error))?;
    let pair = |error| TlsError::Pair { files: files.clone(), error };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_pair(files: &TlsFiles) {
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("generated");
        std::fs::write(&files.cert, cert.pem()).expect("written");
        std::fs::write(&files.key, signing_key.serialize_pem()).expect("written");
    }

    #[test]
    fn a_reload_replaces_the_certificate_and_a_failed_one_keeps_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = TlsFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        write_pair(&files);
        let tls = Tls::load(files.clone()).expect("loaded");
        let first = Arc::clone(&tls.current.read());

        std::fs::write(&files.key, "half written").expect("written");
        tls.reload().expect_err("no key");
        std::fs::remove_file(&files.cert).expect("removed");
        tls.reload().expect_err("no certificate");
        assert!(Arc::ptr_eq(&first, &tls.current.read()));

        write_pair(&files);
        tls.reload().expect("reloaded");
        assert!(!Arc::ptr_eq(&first, &tls.current.read()));
    }
}
