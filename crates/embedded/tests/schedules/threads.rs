//! What `src/threads.rs` gives, on primitives whose schedule is chosen: every lock, channel and wait is a place where another thread may go on.
//! Time is a number that grows whenever somebody looks.

use std::{
    cell::Cell,
    collections::VecDeque,
    ops::Add,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

pub(crate) use mpsc::RecvTimeoutError;
use shuttle::{
    rand::Rng as _,
    sync::{Condvar, MutexGuard, RwLockReadGuard, RwLockWriteGuard},
};

#[derive(Debug)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap()
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap()
    }
}

pub(crate) fn park_timeout(_: Duration) {
    shuttle::thread::yield_now();
}

static NOW_MILLIS: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(u64);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(NOW_MILLIS.fetch_add(1, Relaxed))
    }

    pub(crate) fn elapsed(self) -> Duration {
        Duration::from_millis(Self::now().0 - self.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0 + later.as_millis() as u64)
    }
}

/// Times that a wait may end because of the time; then it waits for ever, so that a run ends.
const TICKS_MAX: u32 = 40;

struct Channel<T> {
    queue: shuttle::sync::Mutex<Queue<T>>,
    changed: Condvar,
}

struct Queue<T> {
    messages: VecDeque<T>,
    senders: usize,
    receiver: bool,
}

/// As `std`'s: what nobody has received is dropped with the receiver, and not kept as by shuttle's own channel.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let queue = Queue { messages: VecDeque::new(), senders: 1, receiver: true };
    let channel = Arc::new(Channel { queue: shuttle::sync::Mutex::new(queue), changed: Condvar::new() });
    (Sender(Arc::clone(&channel)), Receiver { channel, ticks: Cell::new(0) })
}

pub(crate) struct Sender<T>(Arc<Channel<T>>);

impl<T> Sender<T> {
    pub(crate) fn send(&self, message: T) -> Result<(), T> {
        let mut queue = self.0.queue.lock().unwrap();
        if !queue.receiver {
            return Err(message);
        }
        queue.messages.push_back(message);
        self.0.changed.notify_one();
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.queue.lock().unwrap().senders -= 1;
        self.0.changed.notify_one();
    }
}

pub(crate) struct Receiver<T> {
    channel: Arc<Channel<T>>,
    ticks: Cell<u32>,
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, RecvTimeoutError> {
        self.channel.queue.lock().unwrap().messages.pop_front().ok_or(RecvTimeoutError::Timeout)
    }

    pub(crate) fn recv_timeout(&self, _: Duration) -> Result<T, RecvTimeoutError> {
        if let Ok(message) = self.try_recv() {
            return Ok(message);
        }
        if self.ticks.get() < TICKS_MAX && shuttle::rand::thread_rng().gen_bool(0.5) {
            self.ticks.set(self.ticks.get() + 1);
            shuttle::thread::yield_now();
            return Err(RecvTimeoutError::Timeout);
        }
        let mut queue = self.channel.queue.lock().unwrap();
        loop {
            match queue.messages.pop_front() {
                Some(message) => return Ok(message),
                None if queue.senders == 0 => return Err(RecvTimeoutError::Disconnected),
                None => queue = self.channel.changed.wait(queue).unwrap(),
            }
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut queue = self.channel.queue.lock().unwrap();
        queue.receiver = false;
        let left = std::mem::take(&mut queue.messages);
        drop(queue);
        drop(left);
    }
}
