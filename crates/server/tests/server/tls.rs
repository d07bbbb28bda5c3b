//! TLS handshakes against a certificate of the test's own.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::{Signal, getpid, kill_process};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use crate::support::{Running, config, connect, handler, parts, read_until, statuses, text, write_file};

/// Writes a new certificate for `localhost` and returns roots that trust it.
fn certificate(folder: &Path) -> RootCertStore {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("generated");
    write_file(&folder.join("cert.pem"), &cert.pem());
    write_file(&folder.join("key.pem"), &signing_key.serialize_pem());
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).expect("a certificate");
    roots
}

fn connector(roots: RootCertStore, version: &'static SupportedProtocolVersion) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).expect("a version");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

fn serve(folder: &Path) -> Running {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let given = [("tls-cert", cert.to_str().expect("utf-8")), ("tls-key", key.to_str().expect("utf-8"))];
    let tells_tls = handler(|_, info| async move { text(format!("tls={}.", info.tls)) });
    Running::start(&config(&given), tells_tls)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_of_tls_serve_http_1_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let roots = certificate(folder.path());
    let server = serve(folder.path());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let connector = connector(roots.clone(), version);
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = connector.connect(name, connect(server.address).await).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
        stream.write_all(b"GET /k HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
        let answer = read_until(&mut stream, "tls=true.").await;
        assert_eq!(statuses(&answer), [200]);
        stream.write_all(b"GET /k HTTP/1.1\r\nHost: localhost\r\nx: y\nz: 1\r\n\r\n").await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("a clean end of TLS");
        assert_eq!(statuses(&answer), [400], "the guard stands behind TLS too: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_tls_is_turned_away_and_others_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let roots = certificate(folder.path());
    let server = serve(folder.path());
    let mut plain = connect(server.address).await;
    plain.write_all(b"GET /k HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert_eq!(statuses(&String::from_utf8_lossy(&answer)), Vec::<u16>::new());
    let name = ServerName::try_from("localhost").expect("a name");
    connector(roots, &rustls::version::TLS13).connect(name, connect(server.address).await).await.expect("a handshake");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_brings_the_new_certificate_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let old_roots = certificate(folder.path());
    let server = serve(folder.path());
    let trusts = async |roots: &RootCertStore| {
        let name = ServerName::try_from("localhost").expect("a name");
        connector(roots.clone(), &rustls::version::TLS13).connect(name, connect(server.address).await).await.is_ok()
    };
    assert!(trusts(&old_roots).await, "and the server listens to signals by now");
    let new_roots = certificate(folder.path());
    assert!(!trusts(&new_roots).await);
    kill_process(getpid(), Signal::HUP).expect("signalled");
    while !trusts(&new_roots).await {}
    assert!(!trusts(&old_roots).await);
}

#[test]
fn files_that_are_no_pair_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    certificate(folder.path());
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let strange = folder.path().join("strange.pem");
    let CertifiedKey { signing_key, .. } = generate_simple_self_signed(["localhost".to_owned()]).expect("generated");
    write_file(&strange, &signing_key.serialize_pem());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    for (cert, key, expected) in [
        (&cert, &strange, "not a usable pair"),
        (&key, &key, "no certificate"),
        (&cert, &cert, "cert.pem"),
        (&cert, &folder.path().join("none"), "none"),
    ] {
        let given = [("tls-cert", cert.to_str().expect("utf-8")), ("tls-key", key.to_str().expect("utf-8"))];
        let ready = Arc::new(crate::support::Ready(std::sync::Mutex::new(Ok(()))));
        let parts = parts(handler(|_, _| async { text(String::new()) }), ready);
        let error = holdfast_server::Server::bind(&config(&given), parts, holdfast_server::Metrics::new(0)).err().expect("refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
