//! Who is reading what, in this process: the collector deletes no bytes that a reader still needs.
//!
//! A reader first takes a ticket, then reads the record, then pins the contents it found, then gives the ticket
//! back. The collector takes garbage that exists already, waits until every ticket from before is back, and skips what is pinned:
//! a reader that comes later sees a record in which the garbage is no longer named.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use tokio::sync::Notify;

use crate::{records::ContentId, threads::Mutex};

#[derive(Clone, Default)]
pub(crate) struct Readers(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    returned: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    entering: BTreeSet<u64>,
    pins: HashMap<ContentId, usize>,
}

/// Held while a reader looks up what it will read.
pub(crate) struct Ticket {
    readers: Readers,
    number: u64,
}

/// Held while a reader reads.
pub(crate) struct Pins {
    readers: Readers,
    ids: Vec<ContentId>,
}

impl Readers {
    pub(crate) fn enter(&self) -> Ticket {
        let mut state = self.0.state.lock();
        let number = state.next;
        state.next += 1;
        state.entering.insert(number);
        Ticket { readers: self.clone(), number }
    }

    /// Waits until every reader that was entering when this was called has pinned what it needs.
    pub(crate) async fn settled(&self) {
        let barrier = self.0.state.lock().next;
        loop {
            let returned = self.0.returned.notified();
            tokio::pin!(returned);
            returned.as_mut().enable();
            if self.0.state.lock().entering.first().is_none_or(|first| *first >= barrier) {
                return;
            }
            returned.await;
        }
    }

    pub(crate) fn is_pinned(&self, id: ContentId) -> bool {
        self.0.state.lock().pins.contains_key(&id)
    }
}

impl Ticket {
    /// Pins what was found and gives the ticket back.
    pub(crate) fn pin(self, ids: Vec<ContentId>) -> Pins {
        let mut state = self.readers.0.state.lock();
        for id in &ids {
            *state.pins.entry(*id).or_default() += 1;
        }
        drop(state);
        Pins { readers: self.readers.clone(), ids }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.readers.0.state.lock().entering.remove(&self.number);
        self.readers.0.returned.notify_waiters();
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let mut state = self.readers.0.state.lock();
        for id in &self.ids {
            if let Some(count) = state.pins.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    state.pins.remove(id);
                }
            }
        }
    }
}
