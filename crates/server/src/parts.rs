//! The seam to the store and the S3 service: the only place that names a concrete store.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use holdfast_embedded::{EmbeddedStore, Health as StoreHealth, Options};
use holdfast_objects::{Objects, SystemClock};
use holdfast_s3::{
    Service, ServiceConfig,
    auth::{AccessKeyId, Credential, Principal, SecretKey, StaticCredentials},
};

use crate::collector::Collector;
use crate::config::Config;
use crate::credentials::RootCredentials;
use crate::health::Readiness;
use crate::metrics::Metrics;
use crate::{Handler, ServeError, store_metrics};

/// What answers requests.
#[derive(Clone)]
pub struct Parts {
    /// The S3 service.
    pub handler: Handler,
    /// Whether its store can do its work.
    pub readiness: Arc<dyn Readiness>,
    /// Called once, when no request runs any more: finishes what was submitted and gives the data folder free.
    pub close: Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
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
pub(crate) async fn open(opening: Opening<'_>) -> Result<Parts, ServeError> {
    let Opening { config, credentials, metrics } = opening;
    let data = config.data.clone();
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(data, Options::default())).await;
    let store = opened.map_err(|panic| ServeError::Store(Box::new(panic)))?.map_err(|error| ServeError::Store(Box::new(error)))?;
    metrics.add_source(store_metrics::source(store.clone()));
    let objects = Objects::new(Arc::new(store.clone()), Arc::new(store.clone()), Arc::new(SystemClock));
    let collector = Arc::new(Collector::start(objects.clone(), Arc::clone(metrics)));
    let readiness = Arc::new(DurableProbe { store: store.clone(), objects: objects.clone() });
    let close = move || {
        let (store, collector) = (store.clone(), Arc::clone(&collector));
        Box::pin(async move {
            collector.stop().await;
            store.close().await;
        }) as BoxFuture<'static, ()>
    };
    Ok(Parts { handler: handler(objects, config, credentials)?, readiness, close: Arc::new(close) })
}

fn handler(objects: Objects, config: &Config, credentials: &RootCredentials) -> Result<Handler, ServeError> {
    let access_key = AccessKeyId::parse(&credentials.access_key).map_err(|error| ServeError::Store(Box::new(error)))?;
    let root = Credential { access_key, secret: SecretKey::new(credentials.secret_key.expose()), principal: Principal::new("root") };
    let service_config = ServiceConfig { domains: config.domains.clone(), region: config.region.clone(), tls: config.tls.is_some() };
    let service = Arc::new(Service::new(objects, Arc::new(StaticCredentials::new(vec![root])), service_config));
    Ok(Arc::new(move |request, _connection| {
        let service = Arc::clone(&service);
        Box::pin(async move { service.serve(request).await })
    }))
}

/// Ready means that a write is durable now.
struct DurableProbe {
    store: EmbeddedStore,
    objects: Objects,
}

#[async_trait]
impl Readiness for DurableProbe {
    async fn ready(&self) -> Result<(), String> {
        match self.store.health() {
            StoreHealth::Open => self.objects.probe().await.map_err(|error| error.to_string()),
            StoreHealth::Full => Err("the disk is full; writes go on by themselves when there is space".to_owned()),
            StoreHealth::Poisoned(why) => Err(format!("the store refuses to go on after an I/O error; restart it: {why}")),
            StoreHealth::Closed => Err("the store is closed".to_owned()),
        }
    }
}
