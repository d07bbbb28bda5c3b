//! A server in this process, on either store, with a clock that the test moves; and the pieces that tables are made of.

pub(crate) mod client;
pub(crate) mod gate;
pub(crate) mod picture;
pub(crate) mod request;
pub(crate) mod signing;
pub(crate) mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_embedded::{EmbeddedStore, Options};
use holdfast_model::Timestamp;
use holdfast_objects::{Clock, ManualClock, Objects};
use holdfast_s3::auth::{AccessKeyId, Credential, Principal, SecretKey, StaticCredentials};
use holdfast_s3::{Service, ServiceConfig};
use holdfast_server::{Config, Handler, Metrics, Parts, Readiness, ServeError, Server, Values};
use holdfast_store::{Blobs, MemoryStore, Metadata};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use client::Client;
use gate::{Gate, Gated};
use signing::{ANOTHER, REGION, ROOT, Signer};

/// 2026-01-02T03:04:05Z, a Friday.
const START_SECS: u64 = 1_767_323_045;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Memory,
    Embedded,
}

#[derive(Clone)]
pub(crate) enum Store {
    Memory(MemoryStore),
    Embedded(EmbeddedStore),
}

/// A server under test. Every client signs with its clock.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Store,
    pub(crate) objects: Objects,
    pub(crate) gate: Arc<Gate>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), ServeError>>,
    _folder: Option<TempDir>,
}

struct AlwaysReady;

#[async_trait]
impl Readiness for AlwaysReady {
    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The S3 service for two principals.
fn handler(objects: &Objects) -> Handler {
    let credential = |signer: Signer| Credential {
        access_key: AccessKeyId::parse(signer.access_key).expect("an access key"),
        secret: SecretKey::new(signer.secret_key),
        principal: Principal::new(signer.access_key),
    };
    let credentials = StaticCredentials::new(vec![credential(ROOT), credential(ANOTHER)]);
    let config = ServiceConfig { region: REGION.to_owned(), ..ServiceConfig::default() };
    let service = Arc::new(Service::new(objects.clone(), Arc::new(credentials), config));
    Arc::new(move |request, _| {
        let service = Arc::clone(&service);
        Box::pin(async move { service.serve(request).await })
    })
}

impl TestServer {
    pub(crate) fn start(kind: StoreKind) -> Self {
        let (store, folder) = match kind {
            StoreKind::Memory => (Store::Memory(MemoryStore::default()), None),
            StoreKind::Embedded => {
                let folder = tempfile::tempdir().expect("a folder");
                let store = EmbeddedStore::open(folder.path().join("data"), Options::default()).expect("opened");
                (Store::Embedded(store), Some(folder))
            }
        };
        let clock = Arc::new(ManualClock::default());
        clock.advance_secs(START_SECS);
        let (records, blobs): (Arc<dyn Metadata>, Arc<dyn Blobs>) = match &store {
            Store::Memory(store) => (Arc::new(store.clone()), Arc::new(store.clone())),
            Store::Embedded(store) => (Arc::new(store.clone()), Arc::new(store.clone())),
        };
        let gate = Gate::new();
        let objects = Objects::new(Arc::new(Gated { records, gate: Arc::clone(&gate) }), blobs, clock.clone());
        let values = Values::from([("data", vec!["/nonexistent".to_owned()]), ("listen", vec!["127.0.0.1:0".to_owned()])]);
        let config = Config::resolve(values, []).expect("a valid configuration");
        let parts = Parts { handler: handler(&objects), readiness: Arc::new(AlwaysReady), close: Arc::new(|| Box::pin(async {})) };
        let server = Server::bind(&config, parts, Metrics::new(0)).expect("bound");
        let address = server.s3_address();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { address, clock, store, objects, gate, stop, ended, _folder: folder }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address, self.clock.clone())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Bytes that are staged and that no record names.
    pub(crate) fn staged_bytes(&self) -> u64 {
        match &self.store {
            Store::Memory(store) => store.staged_bytes(),
            Store::Embedded(store) => store.stats().staged_bytes.get(),
        }
    }

    /// Waits until nothing is staged: what a request leaves behind is given back when its task is gone, soon after its connection, and
    /// nobody is told of it.
    pub(crate) async fn nothing_is_staged(&self) {
        let given_back = async {
            while self.staged_bytes() > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(10), given_back).await;
        assert!(waited.is_ok(), "{} bytes stay staged", self.staged_bytes());
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.ended.await.expect("no panic").expect("no error");
        if let Store::Embedded(store) = &self.store {
            store.close().await;
        }
    }
}

/// Runs a test on both stores. What a failing test printed last names the store.
pub(crate) async fn on_both_stores(test: impl AsyncFn(&TestServer)) {
    for kind in [StoreKind::Memory, StoreKind::Embedded] {
        eprintln!("on the {kind:?} store");
        let server = TestServer::start(kind);
        test(&server).await;
        server.nothing_is_staged().await;
        server.stop().await;
    }
}
