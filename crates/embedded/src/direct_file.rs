//! A new file that is written front to back past the page cache (`O_DIRECT`).
//!
//! Bodies are large and seldom read right after they were written: going through the page cache costs a page, a copy and a later
//! write-back for each 4 KiB (up to 3 CPU seconds a GB were measured on a virtual machine whose pages were fresh, against 0.3),
//! and dirty pages would make the final sync long. A file system that does not know `O_DIRECT` gets the same writes through
//! its cache.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::{fs::OFlags, io::Errno};

use crate::syncs::{SyncSite, sync_data, sync_file};

/// What addresses, offsets and lengths are aligned to: every page and every sector size in use.
const ALIGNMENT: usize = 4096;

pub(crate) struct DirectFile {
    file: File,
    is_direct: bool,
    /// Room for the buffer, which begins at the first aligned address.
    room: Vec<u8>,
    begin: usize,
    capacity: usize,
    filled: usize,
    /// Bytes before the buffer, which are written.
    written: u64,
}

impl DirectFile {
    /// Creates the file, which must not be there. `buffer_bytes` are written at a time.
    pub(crate) fn create_new(path: &Path, buffer_bytes: usize) -> io::Result<Self> {
        assert!(buffer_bytes > 0 && buffer_bytes.is_multiple_of(ALIGNMENT), "a buffer of whole blocks");
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let direct = options.clone().custom_flags(OFlags::DIRECT.bits().cast_signed()).open(path);
        let (file, is_direct) = match direct {
            Ok(file) => (file, true),
            // Some file systems refuse only after they have created the entry.
            Err(e) if is_refusal(&e) => (OpenOptions::new().write(true).create(true).truncate(true).open(path)?, false),
            Err(e) => return Err(e),
        };
        let room = vec![0; buffer_bytes + ALIGNMENT];
        let begin = room.as_ptr().align_offset(ALIGNMENT);
        assert!(begin < ALIGNMENT, "an aligned address is within reach");
        Ok(Self { file, is_direct, room, begin, capacity: buffer_bytes, filled: 0, written: 0 })
    }

    /// Adds bytes at the end.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(self.capacity - self.filled));
            let at = self.begin + self.filled;
            self.room[at..at + now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = rest;
            if self.filled == self.capacity {
                self.write_buffer(self.capacity)?;
                self.written += self.capacity as u64;
                self.filled = 0;
            }
        }
        Ok(())
    }

    /// Writes what is left and makes all of it durable, and its length.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let len = self.written + self.filled as u64;
        if self.filled > 0 {
            let padded = self.filled.next_multiple_of(ALIGNMENT);
            self.room[self.begin + self.filled..self.begin + padded].fill(0);
            self.write_buffer(padded)?;
            self.file.set_len(len)?;
        }
        // The length was cut: that is not data, so everything is synced.
        sync_file(SyncSite::ExtentData, &self.file)
    }

    /// Bytes that may be dirty in the page cache.
    pub(crate) const fn cached_bytes(&self) -> u64 {
        if self.is_direct { 0 } else { self.written }
    }

    /// Starts no new dirty pages before the old ones are on the disk.
    pub(crate) fn sync_written(&self) -> io::Result<()> {
        sync_data(SyncSite::ExtentWriteBack, &self.file)
    }

    fn write_buffer(&mut self, len: usize) -> io::Result<()> {
        let bytes = &self.room[self.begin..self.begin + len];
        match self.file.write_all_at(bytes, self.written) {
            Err(e) if self.is_direct && is_refusal(&e) => {
                let flags = rustix::fs::fcntl_getfl(&self.file)?;
                rustix::fs::fcntl_setfl(&self.file, flags - OFlags::DIRECT)?;
                self.is_direct = false;
                self.file.write_all_at(bytes, self.written)
            }
            other => other,
        }
    }
}

/// Whether an error says that the file system does not know `O_DIRECT`, or wants another alignment.
fn is_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::INVAL.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_in_pieces_of_any_size_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        for (n, piece) in [1, 4095, 4096, 4097, 8192, 100_000].into_iter().enumerate() {
            for len in [0usize, 1, 4096, 8192, 8193, 200_000] {
                let path = folder.path().join(format!("{n}-{len}"));
                let bytes: Vec<u8> = (0..len as u32).map(|i| (i * 7 % 253) as u8).collect();
                let mut file = DirectFile::create_new(&path, 8192).unwrap();
                bytes.chunks(piece).for_each(|p| file.write(p).unwrap());
                file.sync().unwrap();
                assert!(std::fs::read(&path).unwrap() == bytes, "{len} bytes in pieces of {piece}");
                assert!(DirectFile::create_new(&path, 8192).is_err(), "a file is written once");
            }
        }
    }
}
