//! What the clients of one phase share: time, budget, the gate that a disturbance closes, and the tide of acknowledged operations.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Instant,
};

use tokio::sync::{Notify, RwLock};

use super::{
    Budget, Options, Shape,
    disturb::{Outage, latest_effect},
};
use crate::{
    client::Target,
    history::{History, Key, Operation, Outcome},
};

/// One phase of a run.
pub(super) struct Phase {
    pub(super) shape: Shape,
    /// Its number in the run.
    pub(super) number: u64,
    pub(super) target: Arc<Target>,
    pub(super) options: Options,
    budget: Budget,
    began: Instant,
    /// Held for reading by each request under way; a disturbance that heals holds it for writing.
    pub(super) gate: RwLock<()>,
    is_striking: AtomicBool,
    pub(super) tide: Tide,
    names: Mutex<Vec<String>>,
}

/// Counts what was acknowledged, so that the slow can wait for the fast without a clock.
#[derive(Default)]
pub(super) struct Tide {
    acknowledged: AtomicU64,
    waiting: AtomicU64,
    /// How many reasons there are not to wait.
    ebbing: AtomicU64,
    moved: Notify,
}

impl Tide {
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(SeqCst)
    }

    pub(super) fn rise(&self) {
        self.acknowledged.fetch_add(1, SeqCst);
        self.moved.notify_waiters();
    }

    /// Nobody waits for rivals any longer, until [`Tide::turn`] was called as often.
    pub(super) fn ebb(&self) {
        self.ebbing.fetch_add(1, SeqCst);
        self.moved.notify_waiters();
    }

    pub(super) fn turn(&self) {
        self.ebbing.fetch_sub(1, SeqCst);
    }

    /// Waits until `count` more operations were acknowledged.
    pub(super) async fn wait_for(&self, count: u64) {
        let until = self.acknowledged() + count;
        self.wait(|| self.acknowledged() >= until).await;
    }

    /// Waits for rivals, unless half of all clients wait already or the tide ebbs.
    pub(super) async fn wait_for_rivals(&self, count: u64, clients: u32) {
        let until = self.acknowledged() + count;
        if self.waiting.fetch_add(1, SeqCst) < u64::from(clients / 2) {
            self.wait(|| self.acknowledged() >= until || self.ebbing.load(SeqCst) > 0).await;
        }
        self.waiting.fetch_sub(1, SeqCst);
    }

    async fn wait(&self, is_done: impl Fn() -> bool) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if is_done() {
                return;
            }
            moved.await;
        }
    }
}

impl Phase {
    pub(super) fn new(shape: Shape, number: u64, target: Arc<Target>, options: Options) -> Self {
        let shapes = options.shapes.len().max(1) as u32;
        let budget = match options.budget {
            Budget::Operations(operations) => Budget::Operations(operations / u64::from(shapes)),
            Budget::Time(time) => Budget::Time(time / shapes),
        };
        Self {
            shape,
            number,
            target,
            options,
            budget,
            began: Instant::now(),
            gate: RwLock::default(),
            is_striking: AtomicBool::new(false),
            tide: Tide::default(),
            names: Mutex::default(),
        }
    }

    /// Nanoseconds since the phase began.
    pub(super) fn now(&self) -> u64 {
        self.nanoseconds(Instant::now())
    }

    pub(super) fn nanoseconds(&self, moment: Instant) -> u64 {
        moment.saturating_duration_since(self.began).as_nanos() as u64
    }

    /// How much of the budget is used by clients that did `operations` each: 1 is all.
    #[expect(clippy::cast_precision_loss, reason = "a share for people, and a limit that need not be exact")]
    pub(super) fn used(&self, operations: u64) -> f64 {
        match self.budget {
            Budget::Operations(all) => operations as f64 * f64::from(self.options.clients) / all.max(1) as f64,
            Budget::Time(time) => self.began.elapsed().as_secs_f64() / time.as_secs_f64().max(1e-9),
        }
    }

    /// Whether a client that did `operations` may stop. None stops while a disturbance waits for load.
    pub(super) fn is_over(&self, operations: u64) -> bool {
        !self.is_striking.load(SeqCst) && self.used(operations) >= 1.0
    }

    pub(super) fn strikes(&self, is_striking: bool) {
        self.is_striking.store(is_striking, SeqCst);
        self.tide.moved.notify_waiters();
    }

    /// Waits until no disturbance is under way.
    pub(super) async fn calm(&self) {
        self.tide.wait(|| !self.is_striking.load(SeqCst)).await;
    }

    /// A key by the name that it has in this phase.
    pub(super) fn key(&self, name: &str) -> Key {
        let mut names = self.names();
        let full = format!("{}{}/{name}", self.options.prefix, self.shape.name());
        names.push(full);
        Key(names.len() as u32 - 1)
    }

    pub(super) fn name(&self, key: Key) -> String {
        self.names()[key.0 as usize].clone()
    }

    pub(super) fn keys(&self) -> u32 {
        self.names().len() as u32
    }

    fn names(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.names.lock().expect("nothing panics under this lock")
    }

    pub(super) fn history(&self, mut operations: Vec<Operation>, outages: &[Outage]) -> History {
        for operation in operations.iter_mut().filter(|o| o.outcome == Outcome::Unknown && o.returned.is_none()) {
            operation.returned = latest_effect(outages, operation.called);
        }
        History { seed: self.options.seed, keys: self.names().clone(), initial: Vec::new(), operations }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_slow_wait_for_the_fast_and_never_for_each_other() {
        let tide = Tide::default();
        let mut slow = pin!(tide.wait_for_rivals(2, 2));
        assert_eq!(slow.as_mut().now_or_never(), None);
        // Half of two clients wait: the other must not.
        tide.wait_for_rivals(2, 2).await;
        tide.rise();
        assert_eq!(slow.as_mut().now_or_never(), None);
        tide.rise();
        slow.await;
        tide.ebb();
        tide.wait_for_rivals(2, 2).await;
    }
}
