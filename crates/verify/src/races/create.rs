//! The contest of creators: in each round all clients create the same fresh key at once, and one may win.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::sync::Barrier;

use super::worker::{Gone, Pace, Worker};
use crate::history::{Condition, Key};

/// The rounds of one phase.
pub(super) struct Rounds {
    barrier: Barrier,
    goes_on: AtomicBool,
    key: Mutex<Key>,
}

impl Rounds {
    pub(super) fn new(clients: u32) -> Self {
        Self { barrier: Barrier::new(clients as usize), goes_on: AtomicBool::new(true), key: Mutex::new(Key(0)) }
    }

    pub(super) async fn run(&self, worker: &mut Worker) -> Result<(), Gone> {
        while let Some(key) = self.next(worker).await {
            compete(worker, key, &self.barrier).await?;
            if worker.random.chance(50) {
                worker.get(key, Pace::AtOnce).await?;
            } else {
                worker.head(key).await?;
            }
        }
        Ok(())
    }

    /// Waits for all, and takes the key of the next round; None if it is over. One of them decides for all.
    async fn next(&self, worker: &mut Worker) -> Option<Key> {
        if self.barrier.wait().await.is_leader() {
            self.goes_on.store(!worker.is_done(), SeqCst);
            *self.key() = worker.phase.key(&worker.phase.keys().to_string());
        }
        self.barrier.wait().await;
        self.goes_on.load(SeqCst).then(|| *self.key())
    }

    fn key(&self) -> std::sync::MutexGuard<'_, Key> {
        self.key.lock().expect("nothing panics under this lock")
    }
}

/// One attempt to create the key. Uploads and objects to be renamed are prepared first; then all start together.
async fn compete(worker: &mut Worker, key: Key, barrier: &Barrier) -> Result<(), Gone> {
    let able = worker.phase.options.able;
    let by_upload = able.multipart && able.conditional_complete && worker.random.chance(25);
    let prepared = if by_upload { worker.prepare(key).await? } else { None };
    barrier.wait().await;
    match prepared {
        Some(prepared) => worker.complete(&prepared, key, Condition::Absent).await?,
        None => worker.put(key, Condition::Absent, Pace::AtOnce).await?,
    };
    Ok(())
}
