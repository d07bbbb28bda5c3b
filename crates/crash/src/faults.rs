//! A disk whose faults are planned: every call and every sync has a number, and at a number the power goes, or a call fails.
//!
//! After a power cut every call fails with EIO and nothing changes any more. The image that is left can be mounted as a new disk.

use std::{path::Path, sync::Arc};

use parking_lot::Mutex;
use rustix::{fs::OFlags, io::Errno};

use crate::medium::{Medium, NodeId, Survivors};

/// A kind of call, as an operating system would send it to a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Finding an entry.
    Lookup,
    /// Asking for attributes.
    Stat,
    /// Listing a folder.
    List,
    /// Opening a file or folder.
    Open,
    /// Reading.
    Read,
    /// Making a file.
    Create,
    /// Making a folder.
    CreateFolder,
    /// Removing an entry.
    Remove,
    /// Renaming.
    Rename,
    /// Writing.
    Write,
    /// Changing a length.
    SetLen,
    /// Syncing a file.
    Sync,
    /// Syncing the entries of a folder.
    SyncFolder,
}

impl Call {
    /// Whether it can need space.
    pub const fn needs_space(self) -> bool {
        use Call::{Create, CreateFolder, Rename, SetLen, Sync, SyncFolder, Write};
        matches!(self, Create | CreateFolder | Rename | Write | SetLen | Sync | SyncFolder)
    }

    /// Whether it makes something durable.
    pub const fn is_sync(self) -> bool {
        matches!(self, Self::Sync | Self::SyncFolder)
    }
}

/// When the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutAt {
    /// Before this sync does anything. The first is 1.
    BeforeSync(u64),
    /// This sync is done, and nobody is told.
    AfterSync(u64),
    /// Before this call does anything. The first is 1.
    Call(u64),
}

/// A call that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The first call that may fail, counted from 1. It is the next one that can fail in this way: only what needs space fails for want of it.
    pub at_call: u64,
    /// How: `Errno::NOSPC` or `Errno::IO`.
    pub error: Errno,
    /// Whether all later calls fail too, until [`Disk::heal`].
    pub lasts: bool,
}

/// What the disk held before a sync, as a power cut would leave it, and what had been noted until then.
#[derive(Clone, Debug)]
pub struct Image {
    /// The sync before which it was taken.
    pub sync: u64,
    /// The earliest sync before which a cut leaves the same.
    pub since_sync: u64,
    /// What the observer said last.
    pub position: u64,
    /// The disk, with what was not synced.
    pub medium: Medium,
    /// The sync that was to come.
    pub next: String,
}

/// How many calls there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of all kinds.
    pub calls: u64,
    /// Syncs.
    pub syncs: u64,
}

/// One call that was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its number.
    pub number: u64,
    /// Its kind.
    pub call: Call,
    /// What it was about.
    pub path: String,
}

type Observer = Arc<dyn Fn() -> u64 + Send + Sync>;
type Paths = Arc<dyn Fn(&Path) -> bool + Send + Sync>;

/// Calls that fail by what they are about, whatever their number.
struct Rule {
    call: Call,
    paths: Paths,
    error: Errno,
    is_for_all: bool,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

struct State {
    medium: Medium,
    counts: Counts,
    cut: Option<(CutAt, Survivors)>,
    after_cut: Option<Medium>,
    failure: Option<Failure>,
    rules: Vec<Rule>,
    failed: Vec<Seen>,
    refuses_direct: bool,
    lie: Option<Paths>,
    lies: u64,
    observer: Option<Observer>,
    images: Vec<Image>,
    log: Option<Vec<Seen>>,
}

impl Disk {
    /// A disk that holds this, without faults.
    pub fn new(medium: Medium) -> Self {
        Self(Arc::new(Mutex::new(State {
            medium,
            counts: Counts::default(),
            cut: None,
            after_cut: None,
            failure: None,
            rules: Vec::new(),
            failed: Vec::new(),
            refuses_direct: false,
            lie: None,
            lies: 0,
            observer: None,
            images: Vec::new(),
            log: None,
        })))
    }

    /// Plans a power cut.
    pub fn cut(&self, at: CutAt, survivors: Survivors) {
        self.0.lock().cut = Some((at, survivors));
    }

    /// What a power cut has left, if there was one.
    pub fn after_cut(&self) -> Option<Medium> {
        self.0.lock().after_cut.clone()
    }

    /// Plans a failure.
    pub fn fail(&self, failure: Failure) {
        self.0.lock().failure = Some(failure);
    }

    /// The next call of this kind about such a path fails. What is made or removed is about the folder that it is in. Of syncs it is the
    /// next that has something to write.
    pub fn fail_next(&self, call: Call, error: Errno, paths: impl Fn(&Path) -> bool + Send + Sync + 'static) {
        self.0.lock().rules.push(Rule { call, paths: Arc::new(paths), error, is_for_all: false });
    }

    /// All calls of this kind about such paths fail, as for [`Disk::fail_next`], until [`Disk::heal`].
    pub fn fail_all(&self, call: Call, error: Errno, paths: impl Fn(&Path) -> bool + Send + Sync + 'static) {
        self.0.lock().rules.push(Rule { call, paths: Arc::new(paths), error, is_for_all: true });
    }

    /// Ends failures that last. Calls that failed stay in [`Disk::failed`].
    pub fn heal(&self) {
        let mut state = self.0.lock();
        state.failure = None;
        state.rules.clear();
    }

    /// From now on files cannot be opened with `O_DIRECT`, as on file systems that do not know it.
    pub fn refuse_direct(&self) {
        self.0.lock().refuses_direct = true;
    }

    /// EINVAL for a flag that is refused.
    pub(crate) fn judge_flags(&self, flags: OFlags) -> Result<(), Errno> {
        if flags.contains(OFlags::DIRECT) && self.0.lock().refuses_direct { Err(Errno::INVAL) } else { Ok(()) }
    }

    /// The calls that were made to fail.
    pub fn failed(&self) -> Vec<Seen> {
        self.0.lock().failed.clone()
    }

    /// From now on syncs of these paths are answered and not done.
    pub fn lie_about(&self, paths: impl Fn(&Path) -> bool + Send + Sync + 'static) {
        self.0.lock().lie = Some(Arc::new(paths));
    }

    /// How many syncs were answered and not done.
    pub fn lies(&self) -> u64 {
        self.0.lock().lies
    }

    /// From now on an image is kept before every sync, with what `position` says at that moment.
    pub fn keep_images(&self, position: impl Fn() -> u64 + Send + Sync + 'static) {
        self.0.lock().observer = Some(Arc::new(position));
    }

    /// The images that were kept, and one of now. Of those between which nothing became durable only the last is there: it must
    /// satisfy the most.
    pub fn take_images(&self) -> Vec<Image> {
        let mut state = self.0.lock();
        state.counts.syncs += 1;
        state.keep_image("the end".into());
        state.counts.syncs -= 1;
        std::mem::take(&mut state.images)
    }

    /// From now on every call is noted.
    pub fn keep_log(&self) {
        self.0.lock().log = Some(Vec::new());
    }

    /// The calls that were noted.
    pub fn log(&self) -> Vec<Seen> {
        self.0.lock().log.clone().unwrap_or_default()
    }

    /// How many calls there were.
    pub fn counts(&self) -> Counts {
        self.0.lock().counts
    }

    /// What the disk holds, with what was not synced.
    pub fn medium(&self) -> Medium {
        self.0.lock().medium.clone()
    }

    /// Bytes that are used, and bytes that are free.
    pub(crate) fn space(&self) -> Result<(u64, u64), Errno> {
        let state = self.0.lock();
        if state.after_cut.is_some() {
            return Err(Errno::IO);
        }
        let by_number = state.failure.is_some_and(|f| f.error == Errno::NOSPC && f.lasts);
        let by_rule = state.rules.iter().any(|rule| rule.error == Errno::NOSPC && rule.is_for_all);
        let is_full = (by_number || by_rule) && !state.failed.is_empty();
        Ok((state.medium.used_bytes(), if is_full { 0 } else { FREE_BYTES }))
    }

    /// One call about a node.
    pub(crate) fn call<T>(&self, call: Call, node: NodeId, act: impl FnOnce(&mut Medium) -> Result<T, Errno>) -> Result<T, Errno> {
        let mut state = self.0.lock();
        state.begin(call, node)?;
        let done = act(&mut state.medium);
        if call.is_sync() {
            let now = CutAt::AfterSync(state.counts.syncs);
            state.cut_if(now)?;
        }
        done
    }

    /// A sync of a node: not done if the disk lies about it.
    pub(crate) fn sync(&self, call: Call, node: NodeId) -> Result<(), Errno> {
        let (lie, path) = {
            let state = self.0.lock();
            (state.lie.clone(), state.medium.path(node))
        };
        let lies = lie.is_some_and(|lie| lie(&path));
        self.0.lock().lies += u64::from(lies);
        self.call(call, node, |medium| if lies { Ok(()) } else { medium.sync(node) })
    }
}

/// What `statfs` says is free. Far more than the store's reserve.
const FREE_BYTES: u64 = 1 << 30;

impl State {
    fn begin(&mut self, call: Call, node: NodeId) -> Result<(), Errno> {
        if self.after_cut.is_some() {
            return Err(Errno::IO);
        }
        self.counts.calls += 1;
        self.cut_if(CutAt::Call(self.counts.calls))?;
        if call.is_sync() {
            self.counts.syncs += 1;
            let next = format!("{call:?} of {}", self.medium.path(node).display());
            self.keep_image(next);
            self.cut_if(CutAt::BeforeSync(self.counts.syncs))?;
        }
        let seen = self.log.is_some().then(|| self.seen(call, node));
        if let (Some(log), Some(seen)) = (&mut self.log, seen) {
            log.push(seen);
        }
        self.fail_if_planned(call, node)
    }

    fn seen(&self, call: Call, node: NodeId) -> Seen {
        Seen { number: self.counts.calls, call, path: self.medium.path(node).display().to_string() }
    }

    fn fail_if_planned(&mut self, call: Call, node: NodeId) -> Result<(), Errno> {
        let Some(error) = self.error_by_number(call).or_else(|| self.error_by_rule(call, node)) else { return Ok(()) };
        let seen = self.seen(call, node);
        self.failed.push(seen);
        if call == Call::Sync {
            self.medium.sync_failed(node)?;
        }
        Err(error)
    }

    fn error_by_number(&mut self, call: Call) -> Option<Errno> {
        let failure = self.failure?;
        let can_fail = failure.error != Errno::NOSPC || call.needs_space();
        if self.counts.calls < failure.at_call || !can_fail {
            return None;
        }
        if !failure.lasts {
            self.failure = None;
        }
        Some(failure.error)
    }

    fn error_by_rule(&mut self, call: Call, node: NodeId) -> Option<Errno> {
        if self.rules.is_empty() || call.is_sync() && !self.medium.has_unsynced(node) {
            return None;
        }
        let path = self.medium.path(node);
        let at = self.rules.iter().position(|rule| rule.call == call && (rule.paths)(&path))?;
        let error = self.rules[at].error;
        if !self.rules[at].is_for_all {
            self.rules.remove(at);
        }
        Some(error)
    }

    fn cut_if(&mut self, now: CutAt) -> Result<(), Errno> {
        match self.cut {
            Some((at, survivors)) if at == now => {
                self.after_cut = Some(self.medium.after_cut(survivors));
                Err(Errno::IO)
            }
            _ => Ok(()),
        }
    }

    fn keep_image(&mut self, next: String) {
        let Some(observer) = &self.observer else { return };
        let (sync, position) = (self.counts.syncs, observer());
        let same = self.images.last().filter(|last| last.medium.durable_version() == self.medium.durable_version());
        let since_sync = same.map_or(sync, |last| last.since_sync);
        if same.is_some() {
            self.images.pop();
        }
        self.images.push(Image { sync, since_sync, position, medium: self.medium.clone(), next });
    }
}
