//! Durable folder entries for the files of separated values, before fjall writes them.
//!
//! When fjall flushes, it syncs the file that holds separated values, but not its entry in the folder, and then deletes the journal.
//! Most file systems make the entry of a new file durable with the file; nothing promises it. fjall numbers these files in order
//! and opens them without asking whether they are there, so empty ones are put in place, and their folder is synced, ahead of it.
//! If it ever numbers them otherwise, nothing is worse than without this. What is not used is removed by fjall at the next start.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::syncs::{SyncSite, sync_folder};

/// Entries kept ahead; the next are made when half of them are used.
const AHEAD: u64 = 128;

/// The folder of one keyspace's value files.
pub(crate) struct ValueFiles {
    folder: PathBuf,
    /// The first number that has no entry yet.
    end: u64,
}

impl ValueFiles {
    /// Puts the first entries in place.
    pub(crate) fn reserve(keyspace: &Path) -> io::Result<Self> {
        let folder = keyspace.join("blobs");
        let mut end = 0;
        for entry in fs::read_dir(&folder)? {
            let number = entry?.file_name().to_str().and_then(|n| n.parse::<u64>().ok());
            end = end.max(number.map_or(0, |n| n + 1));
        }
        let mut files = Self { folder, end };
        files.extend()?;
        Ok(files)
    }

    /// Makes more entries if fjall has come near the end. Looks at one file.
    pub(crate) fn keep_ahead(&mut self) -> io::Result<()> {
        let half_way = self.folder.join((self.end - AHEAD / 2).to_string());
        // Written or, after its values became garbage, gone: in either case fjall is past it.
        let is_unused = fs::metadata(half_way).is_ok_and(|m| m.len() == 0);
        if is_unused { Ok(()) } else { self.extend() }
    }

    fn extend(&mut self) -> io::Result<()> {
        let end = self.end + AHEAD;
        for number in self.end..end {
            // fjall may be faster: what is there is not touched.
            File::options().create(true).append(true).open(self.folder.join(number.to_string()))?;
        }
        sync_folder(SyncSite::ValueFileEntries, &self.folder)?;
        self.end = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_there_before_they_are_written_and_files_in_use_are_not_touched() {
        let keyspace = tempfile::tempdir().unwrap();
        let folder = keyspace.path().join("blobs");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("6"), "values").unwrap();
        let mut files = ValueFiles::reserve(keyspace.path()).unwrap();
        assert!(!folder.join("5").exists() && folder.join("7").exists() && folder.join("134").exists() && !folder.join("135").exists());
        files.keep_ahead().unwrap();
        assert!(!folder.join("135").exists(), "half of them are left");
        for number in 7..80 {
            fs::write(folder.join(number.to_string()), "values").unwrap();
        }
        files.keep_ahead().unwrap();
        assert!(folder.join("262").exists());
        assert_eq!(fs::read_to_string(folder.join("70")).unwrap(), "values");
    }
}
