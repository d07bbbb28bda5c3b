//! The background task that reclaims garbage: soon after some was made, and now and then for what readers held on to.

use std::sync::Arc;
use std::time::Duration;

use holdfast_objects::{Collected, Objects, ObjectsError};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::metrics::Metrics;

/// How long a pass waits for more garbage to come together.
const GATHER: Duration = Duration::from_millis(200);
/// How often a pass is made although nothing was heard of.
const REGULARLY: Duration = Duration::from_mins(1);
/// How often answers that are old enough are forgotten.
const FORGET_REPLAYS: Duration = Duration::from_hours(1);

/// A running collector.
pub(crate) struct Collector {
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Collector {
    /// Starts to collect the garbage of `objects`.
    pub(crate) fn start(objects: Objects, metrics: Arc<Metrics>) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let run = collect_for_ever(objects, metrics);
            tokio::select! {
                () = run => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        });
        Self { stop, task: Mutex::new(Some(task)) }
    }

    /// Ends it. Between two steps of a pass is a fine place to end: the next start goes on from there.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        let task = self.task.lock().take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

async fn collect_for_ever(objects: Objects, metrics: Arc<Metrics>) {
    let mut replays = tokio::time::interval(FORGET_REPLAYS);
    loop {
        tokio::select! {
            _ = replays.tick() => count(&metrics, objects.forget_replays().await),
            () = objects.garbage_made() => {}
            () = tokio::time::sleep(REGULARLY) => {}
        }
        count(&metrics, objects.collect().await);
        // Not to wait for anything: garbage comes in bursts, and a pass over many records costs as little as one over few.
        tokio::time::sleep(GATHER).await;
    }
}

fn count(metrics: &Metrics, pass: Result<Collected, ObjectsError>) {
    match pass {
        Ok(Collected { records, blobs, .. }) => {
            metrics.garbage_collected.add(records);
            metrics.blobs_deleted.add(blobs);
        }
        Err(error) => tracing::warn!(%error, "collecting garbage failed; it will be tried again"),
    }
}
