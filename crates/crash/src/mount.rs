//! The disk as a file system, mounted by FUSE. Every call of the store under test reaches [`Disk`]: nothing is cached by the kernel but
//! which entries exist.
//!
//! The session answers from its own thread and never uses the mount itself, so a cut cannot make it wait: it says EIO.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use fuser::{
    BackgroundSession, Config, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, MountOption,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite,
    Request, TimeOrNow, WriteFlags,
};
use rustix::{fs::OFlags, io::Errno, mount::UnmountFlags};

use crate::{
    faults::{Call, Disk},
    medium::Attributes,
};

/// A disk that is mounted until this is dropped. Files that are open then are dead.
pub struct Mounted {
    path: PathBuf,
    _session: BackgroundSession,
}

impl Mounted {
    /// Mounts the disk over an empty folder.
    ///
    /// # Errors
    /// There is no `/dev/fuse`, or we may not mount.
    pub fn new(disk: &Disk, folder: &Path) -> io::Result<Self> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("holdfast-crash".into()), MountOption::NoAtime];
        let session = fuser::spawn_mount(Served(disk.clone()), folder, &config)?;
        Ok(Self { path: folder.to_owned(), _session: session })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a store that met a cut may still have files open. By force: its threads must not wait for answers that nobody gives any
        // more, or the process of a test that failed never ends.
        let _ = rustix::mount::unmount(&self.path, UnmountFlags::DETACH | UnmountFlags::FORCE);
    }
}

/// The kernel may keep that an entry exists, since only it changes entries; what it is, it asks each time.
const ENTRY_TTL: Duration = Duration::from_hours(1);
const ATTRIBUTE_TTL: Duration = Duration::ZERO;
const BLOCK_BYTES: u32 = 4096;
const NAME_BYTES_MAX: u32 = 255;

struct Served(Disk);

fn errno(error: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(error.raw_os_error())
}

fn attributes(of: &Attributes) -> FileAttr {
    FileAttr {
        ino: INodeNo(of.node),
        size: of.len,
        blocks: of.len.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: if of.is_folder { FileType::Directory } else { FileType::RegularFile },
        perm: if of.is_folder { 0o755 } else { 0o644 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: BLOCK_BYTES,
        flags: 0,
    }
}

const fn open_flags(flags: i32) -> OFlags {
    OFlags::from_bits_retain(flags.cast_unsigned())
}

fn reply_entry(found: Result<Attributes, Errno>, reply: ReplyEntry) {
    match found {
        Ok(found) => reply.entry_with_ttls(&ATTRIBUTE_TTL, &ENTRY_TTL, &attributes(&found), Generation(0)),
        Err(e) => reply.error(errno(e)),
    }
}

fn reply_empty(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(e) => reply.error(errno(e)),
    }
}

fn reply_open(found: Result<Attributes, Errno>, reply: ReplyOpen) {
    match found {
        Ok(_) => reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
        Err(e) => reply.error(errno(e)),
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        reply_entry(self.0.call(Call::Lookup, parent.0, |m| m.lookup(parent.0, name)), reply);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.0.call(Call::Stat, ino.0, |m| m.attributes(ino.0)) {
            Ok(found) => reply.attr(&ATTRIBUTE_TTL, &attributes(&found)),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _crtime: Option<std::time::SystemTime>,
        _chgtime: Option<std::time::SystemTime>,
        _bkuptime: Option<std::time::SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changed = match size {
            Some(len) => self.0.call(Call::SetLen, ino.0, |m| m.set_len(ino.0, len).and_then(|()| m.attributes(ino.0))),
            None => self.0.call(Call::Stat, ino.0, |m| m.attributes(ino.0)),
        };
        match changed {
            Ok(found) => reply.attr(&ATTRIBUTE_TTL, &attributes(&found)),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _mode: u32, _umask: u32, reply: ReplyEntry) {
        reply_entry(self.0.call(Call::CreateFolder, parent.0, |m| m.create(parent.0, name, true)), reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply_empty(self.0.call(Call::Remove, parent.0, |m| m.remove(parent.0, name, false)), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply_empty(self.0.call(Call::Remove, parent.0, |m| m.remove(parent.0, name, true)), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if flags.contains(RenameFlags::RENAME_EXCHANGE) {
            return reply.error(fuser::Errno::EINVAL);
        }
        let no_replace = flags.contains(RenameFlags::RENAME_NOREPLACE);
        let renamed = self.0.call(Call::Rename, parent.0, |m| {
            if no_replace && m.lookup(new_parent.0, new_name).is_ok() {
                return Err(Errno::EXIST);
            }
            m.rename((parent.0, name), (new_parent.0, new_name))
        });
        reply_empty(renamed, reply);
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let opened = self.0.judge_flags(open_flags(flags.0)).and_then(|()| self.0.call(Call::Open, ino.0, |m| m.attributes(ino.0)));
        reply_open(opened, reply);
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.0.call(Call::Open, ino.0, |m| m.attributes(ino.0)) {
            Ok(_) => reply.opened(FileHandle(0), FopenFlags::empty()),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _mode: u32, _umask: u32, flags: i32, reply: ReplyCreate) {
        let create = |()| self.0.call(Call::Create, parent.0, |m| m.create(parent.0, name, false));
        match self.0.judge_flags(open_flags(flags)).and_then(create) {
            Ok(found) => reply.created(&ENTRY_TTL, &attributes(&found), Generation(0), FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn read(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, size: u32, _: OpenFlags, _: Option<LockOwner>, reply: ReplyData) {
        match self.0.call(Call::Read, ino.0, |m| m.read(ino.0, offset, u64::from(size))) {
            Ok(bytes) => reply.data(&bytes),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.0.call(Call::Write, ino.0, |m| m.write(ino.0, offset, data)) {
            Ok(()) => reply.written(data.len() as u32),
            Err(e) => reply.error(errno(e)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        reply_empty(self.0.sync(Call::Sync, ino.0), reply);
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        reply_empty(self.0.sync(Call::SyncFolder, ino.0), reply);
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let entries = match self.0.call(Call::List, ino.0, |m| m.list(ino.0)) {
            Ok(entries) => entries,
            Err(e) => return reply.error(errno(e)),
        };
        // The number of an entry's node is its place: it stays when others are removed between two calls.
        for (name, found) in entries.into_iter().filter(|(_, found)| found.node > offset) {
            let kind = attributes(&found).kind;
            if reply.add(INodeNo(found.node), found.node, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match self.0.space() {
            Ok((used, free)) => {
                let block = u64::from(BLOCK_BYTES);
                reply.statfs((used + free) / block, free / block, free / block, 1 << 20, 1 << 20, BLOCK_BYTES, NAME_BYTES_MAX, BLOCK_BYTES);
            }
            Err(e) => reply.error(errno(e)),
        }
    }
}
