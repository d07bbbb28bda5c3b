//! What callers and the committer share: the published view, and whether the store goes on.

use std::{sync::Arc, time::Duration};

use holdfast_store::StoreError;

use crate::{
    Stats,
    records::View,
    space::Space,
    threads::{Instant, Mutex, RwLock, park_timeout},
    tuning::STALL_POLL,
};

/// Whether the store goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It reads and writes.
    Open,
    /// It reads; a write or a flush failed, as on a full disk. It reopens its records by itself when there is space.
    Full,
    /// It reads; an I/O error on the commit path, or a bug. Restart it.
    Poisoned(String),
    /// It was closed.
    Closed,
}

pub(crate) struct Shared {
    pub(crate) stats: Arc<Stats>,
    pub(crate) space: Space,
    view: RwLock<Option<Arc<View>>>,
    health: Mutex<Health>,
}

impl Shared {
    pub(crate) fn new(stats: Arc<Stats>, space: Space, view: View) -> Self {
        let health = if view.engine.is_unflushed() { Health::Full } else { Health::Open };
        Self { stats, space, view: RwLock::new(Some(Arc::new(view))), health: Mutex::new(health) }
    }

    /// The durable state. Missing only after closing and while the records are reopened.
    pub(crate) fn view(&self) -> Result<Arc<View>, StoreError> {
        let view = self.view.read().clone();
        view.ok_or_else(|| match self.health() {
            Health::Closed => StoreError::Unavailable("the store is closed".into()),
            _ => StoreError::Unavailable("the records are being reopened; try again".into()),
        })
    }

    pub(crate) fn publish(&self, view: View) {
        let old = self.view.write().replace(Arc::new(view));
        drop(old);
    }

    /// Takes the view away and waits until no reader holds it, so that the database is closed. Puts it back if they do not let go.
    pub(crate) fn withdraw_view(&self, wait: Duration) -> bool {
        let Some(view) = self.view.write().take() else { return true };
        let since = Instant::now();
        // Older views share the engine. Nobody can get another one meanwhile.
        while Arc::strong_count(&view) > 1 || Arc::strong_count(&view.engine) > 1 {
            if since.elapsed() > wait {
                if self.health() != Health::Closed {
                    *self.view.write() = Some(view);
                }
                return false;
            }
            park_timeout(STALL_POLL);
        }
        true
    }

    pub(crate) fn health(&self) -> Health {
        self.health.lock().clone()
    }

    /// Whether writes are taken, and the definite error if not.
    pub(crate) fn admit(&self) -> Result<(), StoreError> {
        match &*self.health.lock() {
            Health::Open => Ok(()),
            Health::Full => Err(self.space.full()),
            Health::Poisoned(why) => Err(StoreError::Unavailable(format!("{why}; restart it"))),
            Health::Closed => Err(StoreError::Unavailable("the store is closed".into())),
        }
    }

    /// What it means that the committer let go of a request without an answer. One that closes has answered all that it ran.
    pub(crate) fn unanswered(&self) -> StoreError {
        match self.health() {
            Health::Closed => StoreError::Unavailable("the store is closed".into()),
            _ => StoreError::Indefinite("the committer ended before it answered".into()),
        }
    }

    /// Refuses writes from now on. What was poisoned stays poisoned until it is closed.
    pub(crate) fn stop(&self, health: Health) {
        let mut now = self.health.lock();
        if !matches!(*now, Health::Poisoned(_)) || health == Health::Closed {
            *now = health;
        }
    }

    pub(crate) fn resume(&self) {
        let mut now = self.health.lock();
        if *now == Health::Full {
            *now = Health::Open;
        }
    }
}
