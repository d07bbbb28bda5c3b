//! The one writer. Takes what waits, runs each decision over the pending batch, writes one fjall batch with one sync, publishes
//! the new view, answers all.
//!
//! What must stay true:
//! - The view is replaced only after the batch that it shows is durable, and an answer is sent only after that.
//! - A refusal that read a key of the pending batch waits for the batch; one that read only durable records does not.
//! - Once a batch may have failed half way, no other is written by this database handle.
//! - A stamp is given to one commit at most, also across restarts: the limit is raised in the batch that first passes it.

use std::{
    collections::HashMap,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use holdfast_store::{BlobId, Decide, Decision, Family, Outcome, RecordKey, Records, StoreError, Write};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{
    FailPoint, OpenError, Options,
    extents::Extents,
    failpoints,
    folder::Folder,
    records::{CommitError, Engine, KEY_BYTES_MAX, View},
    shared::{Health, Shared},
    space::Room,
    threads::{Instant, Receiver, RecvTimeoutError, park_timeout},
    tuning::{
        BACKGROUND_REOPEN_PAUSE, BATCH_BYTES_MAX, BATCH_TRANSACTIONS_MAX, HEAL_PAUSE_MAX, HEAL_PAUSE_MIN, IDLE_TICK, LEVEL_ZERO_RUNS_LIMIT,
        LEVEL_ZERO_RUNS_MAX, REOPEN_READER_WAIT, SEALED_MEMTABLES_MAX, STALL_POLL, STAMPS_RESERVED,
    },
    upkeep::Upkeep,
};

type Answer = Result<Outcome, StoreError>;

/// What is sent to the committer.
pub(crate) enum Message {
    Transact(Request),
    /// Finish what was sent before, close the database, tell.
    Close(oneshot::Sender<()>),
}

/// A transaction that waits for its turn.
pub(crate) struct Request {
    pub(crate) keys: Vec<RecordKey>,
    pub(crate) decide: Decide,
    pub(crate) answer: oneshot::Sender<Answer>,
    /// Its place in the queue; free when the answer is sent.
    pub(crate) _place: OwnedSemaphorePermit,
}

impl Request {
    fn answer(self, answer: Answer) {
        // The caller may have gone: what was decided stands.
        let _ = self.answer.send(answer);
    }
}

/// What the committer needs to begin, and to begin again after a heal.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    extents: Arc<Extents>,
    queue: Receiver<Message>,
    /// Held until the database is closed: its lock keeps other processes out.
    folder: Folder,
    options: Options,
    last_stamp: u64,
    stamps_reserved: u64,
    upkeep: Upkeep,
    /// When the records were last reopened because of a failure in the background.
    reopened: Option<Instant>,
    /// Blobs that a batch of unknown outcome would name. Those who sent it have forgotten them; the reopened records tell.
    in_doubt: Vec<BlobId>,
    /// How long readers are waited for before the records are reopened.
    pub(crate) reader_wait: Duration,
    /// No earlier than this are the records reopened: readers that held on to them have had them back for a while.
    heal_after: Option<Instant>,
    /// How long a reopening waits that comes after one for which the space was too little.
    heal_pause: Duration,
    /// It was not looked yet whether flushed journals are left since the records were opened.
    has_old_journals: bool,
}

impl Committer {
    pub(crate) fn new(
        (shared, extents): (Arc<Shared>, Arc<Extents>),
        queue: Receiver<Message>,
        folder: Folder,
        options: Options,
        stamp_limit: u64,
    ) -> Self {
        Self {
            shared,
            extents,
            queue,
            folder,
            options,
            last_stamp: stamp_limit,
            stamps_reserved: stamp_limit,
            upkeep: Upkeep::default(),
            reopened: None,
            in_doubt: Vec::new(),
            reader_wait: REOPEN_READER_WAIT,
            heal_after: None,
            heal_pause: HEAL_PAUSE_MIN,
            has_old_journals: true,
        }
    }

    /// Runs until it is told to close or nobody can send any more.
    pub(crate) fn run(mut self) {
        let _guard = PoisonOnPanic(Arc::clone(&self.shared));
        let closed = loop {
            let message = match self.queue.recv_timeout(IDLE_TICK) {
                Ok(Message::Transact(request)) => self.round(request),
                Ok(close @ Message::Close(_)) => Some(close),
                Err(RecvTimeoutError::Timeout) => {
                    self.idle();
                    None
                }
                Err(RecvTimeoutError::Disconnected) => break None,
            };
            if let Some(Message::Close(done)) = message {
                break Some(done);
            }
        };
        self.close();
        if let Some(done) = closed {
            let _ = done.send(());
        }
    }

    /// One batch, begun by `first`. Returns the message that ended it, if it has to be dealt with.
    fn round(&mut self, first: Request) -> Option<Message> {
        let view = match self.admit() {
            Ok(view) => view,
            Err(error) => return self.refuse_all(first, &error),
        };
        let mut batch = Batch::new(Arc::clone(&self.shared), view, self.last_stamp);
        batch.run(first);
        let mut ended_by = None;
        while batch.has_room() {
            match self.queue.try_recv() {
                Ok(Message::Transact(request)) => batch.run(request),
                Ok(close) => {
                    ended_by = Some(close);
                    break;
                }
                Err(_) => break,
            }
        }
        self.commit(batch);
        ended_by
    }

    /// The view to decide on, if a batch may be written now. Waits a bounded time for flushes and compactions.
    fn admit(&mut self) -> Result<Arc<View>, StoreError> {
        self.heal();
        self.shared.admit()?;
        let view = self.shared.view()?;
        let since = Instant::now();
        let mut stalled = false;
        loop {
            let (sealed, runs) = view.engine.backlog();
            if sealed < SEALED_MEMTABLES_MAX && runs < LEVEL_ZERO_RUNS_MAX {
                return Ok(view);
            }
            if !mem::replace(&mut stalled, true) {
                self.shared.stats.stalls.add(1);
            }
            if since.elapsed() > self.options.busy_after {
                self.notice_background_failure(&view)?;
                // Compactions are begun by flushes, and those by writes: a refusal for ever would keep what it waits for away.
                let goes_on = sealed < SEALED_MEMTABLES_MAX && runs < LEVEL_ZERO_RUNS_LIMIT;
                return if goes_on { Ok(view) } else { Err(StoreError::Busy) };
            }
            park_timeout(STALL_POLL);
        }
    }

    /// Answers all that waits with the same definite error, so that nobody waits for one stall after another.
    fn refuse_all(&mut self, first: Request, error: &StoreError) -> Option<Message> {
        let mut next = Some(Message::Transact(first));
        while let Some(Message::Transact(request)) = next {
            if *error == StoreError::Busy {
                self.shared.stats.busy.add(1);
            }
            request.answer(Err(error.clone()));
            next = self.queue.try_recv().ok();
        }
        next
    }

    fn commit(&mut self, batch: Batch) {
        let Batch { view, overlay, waiting, last_stamp, bytes, shadows, .. } = batch;
        if overlay.is_empty() {
            self.last_stamp = last_stamp;
            return tell_all(waiting);
        }
        let since = Instant::now();
        let reserve = (last_stamp > self.stamps_reserved).then_some(last_stamp + STAMPS_RESERVED);
        let buckets = bucket_writes(&overlay);
        self.upkeep.note(&overlay, &shadows, bytes as u64);
        self.upkeep.reserved_stamps |= reserve.is_some();
        failpoints::reach(FailPoint::BeforeBatch);
        match view.engine.write_durably(&overlay, reserve) {
            Ok(()) => {
                failpoints::reach(FailPoint::BatchDurable);
                self.last_stamp = last_stamp;
                self.stamps_reserved = reserve.unwrap_or(self.stamps_reserved);
                let stats = &self.shared.stats;
                stats.commit_micros.record_time(since.elapsed());
                stats.batch_transactions.record(waiting.len() as u64);
                stats.committed_bytes.add(bytes as u64);
                self.shared.publish(view.next(buckets));
                failpoints::reach(FailPoint::BatchPublished);
                tell_all(waiting);
                self.upkeep.rotate(&view.engine, stats);
            }
            Err(error) => {
                // Its stamps may be durable: they are never given again.
                self.last_stamp = last_stamp;
                let error = self.fail(&error);
                if !error.is_definite() {
                    self.in_doubt.extend(named_blobs(&overlay));
                }
                for transaction in waiting {
                    transaction.fail(&error);
                }
            }
        }
    }

    /// Stops writing after a failed commit, and says what it means for the batch.
    fn fail(&mut self, error: &CommitError) -> StoreError {
        tracing::error!(%error, "a commit failed");
        match error {
            CommitError::Background => {
                let again = self.reopened.is_none_or(|at| at.elapsed() > BACKGROUND_REOPEN_PAUSE);
                let full = self.shared.space.room() != Room::Bodies;
                self.reopened = Some(Instant::now());
                self.shared.stop(if full || again { Health::Full } else { Health::Poisoned("a flush or compaction failed".into()) });
                self.shared.admit().err().unwrap_or(StoreError::Busy)
            }
            CommitError::Full => {
                self.shared.stop(Health::Full);
                StoreError::Indefinite("the disk filled up while the batch was written".into())
            }
            CommitError::Other(why) => {
                self.shared.stop(Health::Poisoned(why.clone()));
                StoreError::Indefinite(format!("writing the batch failed: {why}"))
            }
        }
    }

    /// fjall tells of a flush or compaction that failed only to whoever writes.
    fn notice_background_failure(&mut self, view: &View) -> Result<(), StoreError> {
        view.engine.notice_background_failure().map_err(|error| self.fail(&error))
    }

    fn idle(&mut self) {
        self.heal();
        if self.shared.health() != Health::Open {
            return;
        }
        if let Ok(view) = self.shared.view()
            && self.notice_background_failure(&view).is_ok()
            && self.let_old_journals_go(&view).is_ok()
            && view.is_stale()
        {
            view.engine.keep_value_files_ahead();
            self.shared.publish(view.next(Vec::new()));
        }
    }

    /// Gives fjall something to flush, if nobody else does: after that it removes journals that are flushed since opening. An idle store
    /// would keep them, and their space.
    fn let_old_journals_go(&mut self, view: &View) -> Result<(), StoreError> {
        if !self.has_old_journals || self.shared.space.room() == Room::None {
            return Ok(());
        }
        self.has_old_journals = false;
        if !view.engine.has_sealed_journals() {
            return Ok(());
        }
        view.engine.write_durably(&HashMap::new(), Some(self.stamps_reserved)).map_err(|error| self.fail(&error))?;
        self.upkeep.reserved_stamps = true;
        self.upkeep.rotate(&view.engine, &self.shared.stats);
        Ok(())
    }

    /// Reopens the records in place after the disk was full, once there is room again.
    pub(crate) fn heal(&mut self) {
        if self.shared.health() != Health::Full || self.shared.space.room() != Room::Bodies {
            return;
        }
        let since = Instant::now();
        if self.heal_after.is_some_and(|after| since < after) {
            return;
        }
        if !self.shared.withdraw_view(self.reader_wait) {
            // One long scan must not take the view from all others more than half of the time.
            self.heal_after = Some(Instant::now() + since.elapsed());
            return;
        }
        failpoints::reach(FailPoint::Healing);
        let reopened = Engine::open(&self.folder.records(), self.options.cache_bytes)
            .and_then(|engine| Ok((engine.stamp_limit()?, View::first(Arc::new(engine))?)));
        match reopened {
            Ok((_, view)) if view.engine.is_unflushed() => {
                self.shared.publish(view);
                self.heal_after = Some(Instant::now() + self.heal_pause);
                self.heal_pause = (self.heal_pause * 2).min(HEAL_PAUSE_MAX);
            }
            Ok((limit, view)) => {
                failpoints::reach(FailPoint::Healed);
                // What a failed batch reserved may or may not be durable; the next batch reserves anew in either case.
                self.stamps_reserved = limit;
                self.upkeep = Upkeep::default();
                self.heal_pause = HEAL_PAUSE_MIN;
                self.has_old_journals = true;
                self.extents.settle(mem::take(&mut self.in_doubt), &view);
                self.shared.publish(view);
                self.shared.stats.heals.add(1);
                self.shared.resume();
                tracing::info!("there is space again: the records are reopened");
            }
            Err(OpenError::Full(why)) => tracing::warn!(why, "reopening the records needs more space; it will be tried again"),
            Err(error) => self.shared.stop(Health::Poisoned(format!("reopening failed: {error}"))),
        }
    }

    /// Refuses what still comes, and lets the database go: each batch was synced before it was answered.
    fn close(&mut self) {
        failpoints::reach(FailPoint::Closing);
        self.shared.stop(Health::Closed);
        while let Ok(message) = self.queue.try_recv() {
            match message {
                Message::Transact(request) => request.answer(Err(StoreError::Unavailable("the store is closed".into()))),
                Message::Close(done) => drop(done.send(())),
            }
        }
        self.shared.withdraw_view(REOPEN_READER_WAIT);
    }
}

/// Decisions that were run and whose writes are not durable yet.
struct Batch {
    shared: Arc<Shared>,
    view: Arc<View>,
    room: Room,
    overlay: HashMap<RecordKey, Option<Bytes>>,
    waiting: Vec<Waiting>,
    last_stamp: u64,
    bytes: usize,
    /// Writes of keys that had a value, by family: they leave a version behind.
    shadows: Vec<Family>,
}

fn tell_all(waiting: Vec<Waiting>) {
    for transaction in waiting {
        transaction.tell();
    }
}

struct Waiting {
    request: Request,
    outcome: Outcome,
}

impl Waiting {
    fn tell(self) {
        self.request.answer(Ok(self.outcome));
        failpoints::reach(FailPoint::OneTold);
    }

    fn fail(self, error: &StoreError) {
        // A refusal wrote nothing, whatever became of the batch; only its evidence is not durable.
        let error = match self.outcome {
            Outcome::Refused => StoreError::Unavailable(error.to_string()),
            Outcome::Committed(_) => error.clone(),
        };
        self.request.answer(Err(error));
    }
}

impl Batch {
    fn new(shared: Arc<Shared>, view: Arc<View>, last_stamp: u64) -> Self {
        let room = shared.space.room();
        Self { shared, view, room, overlay: HashMap::new(), waiting: Vec::new(), last_stamp, bytes: 0, shadows: Vec::new() }
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < BATCH_TRANSACTIONS_MAX && self.bytes < BATCH_BYTES_MAX
    }

    /// Runs one decision over durable records and the writes pending before it.
    fn run(&mut self, mut request: Request) {
        let rests_on_pending = request.keys.iter().any(|key| self.overlay.contains_key(key));
        let values = match self.read(&request.keys) {
            Ok(values) => values,
            Err(error) => return request.answer(Err(error)),
        };
        let stamp = self.last_stamp + 1;
        match decide(&mut request.decide, &Records { stamp, values: &values }) {
            None => {
                let panicked = "the decision panicked; nothing was written. This is a bug: report it with the log";
                request.answer(Err(StoreError::Unavailable(panicked.into())));
            }
            Some(Decision::Refuse) if rests_on_pending => self.waiting.push(Waiting { request, outcome: Outcome::Refused }),
            Some(Decision::Refuse) => {
                self.shared.stats.refusals_at_once.add(1);
                request.answer(Ok(Outcome::Refused));
            }
            Some(Decision::Commit(writes)) => {
                if let Err(error) = self.shared.space.admit(self.room, &writes) {
                    return request.answer(Err(error));
                }
                self.last_stamp = stamp;
                self.apply(&request.keys, &values, writes);
                self.waiting.push(Waiting { request, outcome: Outcome::Committed(stamp) });
            }
        }
    }

    fn read(&self, keys: &[RecordKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let one = |key| match self.overlay.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.view.get(key),
        };
        let read: Result<_, _> = keys.iter().map(one).collect();
        read.inspect_err(|error| self.shared.stats.count_corrupt(error))
    }

    fn apply(&mut self, keys: &[RecordKey], values: &[Option<Bytes>], writes: Vec<Write>) {
        for write in writes {
            let had_value = keys.iter().zip(values).any(|(key, value)| value.is_some() && *key == write.key);
            if had_value || write.value.is_none() {
                self.shadows.push(write.key.family);
            }
            self.bytes += write.key.bytes.len() + write.value.as_ref().map_or(0, Bytes::len);
            self.overlay.insert(write.key, write.value);
        }
    }
}

/// Runs a decision. `None` if it panicked, or asked for what no store can keep.
fn decide(decide: &mut Decide, records: &Records<'_>) -> Option<Decision> {
    let run = || {
        let decision = decide(records);
        if let Decision::Commit(writes) = &decision {
            for write in writes {
                let key = write.key.bytes.len();
                assert!((1..=KEY_BYTES_MAX).contains(&key), "a key has 1 to {KEY_BYTES_MAX} bytes, not {key}");
                assert!(write.value.as_ref().is_none_or(|value| !value.is_empty()), "a record is never empty");
            }
        }
        decision
    };
    catch_unwind(AssertUnwindSafe(run)).ok()
}

fn bucket_writes(overlay: &HashMap<RecordKey, Option<Bytes>>) -> Vec<(Bytes, Option<Bytes>)> {
    overlay.iter().filter(|(key, _)| key.family == Family::Bucket).map(|(key, value)| (key.bytes.clone(), value.clone())).collect()
}

fn named_blobs(overlay: &HashMap<RecordKey, Option<Bytes>>) -> impl Iterator<Item = BlobId> {
    let named = overlay.iter().filter(|(key, value)| key.family == Family::Blob && value.is_some());
    named.filter_map(|(key, _)| key.bytes.as_ref().try_into().ok().map(BlobId::from_bytes))
}

/// A committer that panicked cannot know what it left behind.
struct PoisonOnPanic(Arc<Shared>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop(Health::Poisoned("the committer panicked".into()));
        }
    }
}
