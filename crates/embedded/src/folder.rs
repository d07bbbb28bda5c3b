//! The data folder: who may use it, which format it has, and that its entries are durable.
//!
//! ```text
//! LOCK      flock held while a process serves the folder; holds its pid
//! FORMAT    "holdfast embedded 1\n"
//! records/  fjall's
//! extents/  00 .. ff, one file per blob in the folder of the last two digits of its name
//! ```
//! `FORMAT` is written last, so a folder that has it is complete.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use crate::{
    FailPoint, OpenError, failpoints,
    space::is_full,
    syncs::{SyncSite, sync_file, sync_folder},
};

const FORMAT_NAME: &str = "holdfast embedded";
const FORMAT_VERSION: u32 = 1;
const EXTENT_FOLDERS: u32 = 256;

/// A data folder that this process owns until the value is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder, creating what is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(path).map_err(|e| OpenError::io(path, e))?;
        let lock = lock(&path.join("LOCK"))?;
        let folder = Self { path: path.to_owned(), _lock: lock };
        if folder.has_known_format()? {
            folder.refuse_bodies_without_records()?;
            return Ok(folder);
        }
        folder.sync_ancestors()?;
        folder.create_extent_folders()?;
        failpoints::reach(FailPoint::FolderCreated);
        folder.write_format()?;
        Ok(folder)
    }

    /// New records would name none of the bodies, and all would be reclaimed. A first start that was cut short has none yet.
    fn refuse_bodies_without_records(&self) -> Result<(), OpenError> {
        let (records, extents) = (self.records(), self.extents());
        if records.try_exists().map_err(|e| OpenError::io(&records, e))? {
            return Ok(());
        }
        let io = |e| OpenError::io(&extents, e);
        for folder in fs::read_dir(&extents).map_err(io)? {
            let folder = folder.map_err(io)?.path();
            if folder.is_dir() && fs::read_dir(&folder).map_err(io)?.next().is_some() {
                return Err(OpenError::Records(format!("{} is missing, and {} holds bodies", records.display(), extents.display())));
            }
        }
        Ok(())
    }

    /// Where fjall keeps its files.
    pub(crate) fn records(&self) -> PathBuf {
        self.path.join("records")
    }

    /// Where extent files are.
    pub(crate) fn extents(&self) -> PathBuf {
        self.path.join("extents")
    }

    fn has_known_format(&self) -> Result<bool, OpenError> {
        let path = self.path.join("FORMAT");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return self.is_unused().map(|()| false),
            Err(e) => return Err(OpenError::io(&path, e)),
        };
        let version = text.trim_end().strip_prefix(FORMAT_NAME).and_then(|v| v.trim_start().parse::<u32>().ok());
        match version {
            Some(FORMAT_VERSION) => Ok(true),
            Some(found) => Err(OpenError::Format { found, known: FORMAT_VERSION }),
            None => Err(OpenError::NotOurs { path }),
        }
    }

    /// Without a FORMAT there may be what an interrupted first start left, but no records: those would be lost unseen.
    fn is_unused(&self) -> Result<(), OpenError> {
        let records = self.records();
        match records.try_exists() {
            Ok(true) => Err(OpenError::NotOurs { path: records }),
            Ok(false) => Ok(()),
            Err(e) => Err(OpenError::io(&records, e)),
        }
    }

    /// The entry of the data folder, and of those above it: this start has made them, or one before it that was cut short. A folder that
    /// we may not open, or that cannot be synced, is not ours.
    fn sync_ancestors(&self) -> Result<(), OpenError> {
        let absolute = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        for ancestor in absolute.ancestors().skip(1) {
            match sync_folder(SyncSite::Ancestors, ancestor) {
                Err(e) if is_full(&e) || e.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Err(OpenError::io(ancestor, e)),
                _ => {}
            }
        }
        Ok(())
    }

    fn create_extent_folders(&self) -> Result<(), OpenError> {
        let extents = self.extents();
        let io = |e| OpenError::io(&extents, e);
        ignore_existing(fs::create_dir(&extents)).and_then(|()| sync_folder(SyncSite::ExtentsFolder, &self.path)).map_err(io)?;
        for n in 0..EXTENT_FOLDERS {
            let path = extents.join(format!("{n:02x}"));
            ignore_existing(fs::create_dir(&path)).map_err(|e| OpenError::io(&path, e))?;
        }
        sync_folder(SyncSite::ExtentFolders, &extents).map_err(io)
    }

    fn write_format(&self) -> Result<(), OpenError> {
        let (path, fresh) = (self.path.join("FORMAT"), self.path.join("FORMAT.new"));
        let write = || {
            let mut file = File::create(&fresh)?;
            file.write_all(format!("{FORMAT_NAME} {FORMAT_VERSION}\n").as_bytes())?;
            sync_file(SyncSite::FormatFile, &file)?;
            fs::rename(&fresh, &path)?;
            sync_folder(SyncSite::FormatFolder, &self.path)
        };
        write().map_err(|e| OpenError::io(&path, e))
    }
}

fn ignore_existing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = open().map_err(|e| OpenError::io(path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            return Err(OpenError::InUse { pid: pid.trim().to_owned() });
        }
        Err(TryLockError::Error(e)) => return Err(OpenError::io(path, e)),
    }
    // The pid only serves the message above; whether it can be written decides nothing.
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_names_the_process_that_serves_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/c");
        let first = Folder::open(&path).unwrap();
        let second = Folder::open(&path).unwrap_err();
        assert_eq!(second.to_string(), format!("another holdfast process (pid {}) serves this folder", std::process::id()));
        drop(first);
        Folder::open(&path).unwrap();
    }

    #[test]
    fn a_folder_of_a_newer_or_unknown_format_is_refused_and_left_alone() {
        for (text, expect) in
            [("holdfast embedded 2\n", "version 2"), ("holdfast rados 1\n", "not a data folder"), ("", "not a data folder")]
        {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("FORMAT"), text).unwrap();
            let error = Folder::open(dir.path()).unwrap_err().to_string();
            assert!(error.contains(expect), "{text:?}: {error}");
            assert_eq!(fs::read_to_string(dir.path().join("FORMAT")).unwrap(), text);
        }
    }

    #[test]
    fn bodies_whose_records_are_gone_are_not_given_up() {
        let dir = tempfile::tempdir().unwrap();
        drop(Folder::open(dir.path()).unwrap());
        drop(Folder::open(dir.path()).unwrap());
        let body = dir.path().join("extents/7f/body");
        fs::write(&body, "bytes").unwrap();
        let error = Folder::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("records is missing"), "{error}");
        fs::create_dir(dir.path().join("records")).unwrap();
        Folder::open(dir.path()).unwrap();
        assert!(body.exists());
    }

    #[test]
    fn records_without_a_format_are_not_taken_for_an_empty_folder() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("records")).unwrap();
        assert!(matches!(Folder::open(dir.path()), Err(OpenError::NotOurs { .. })));
    }
}
