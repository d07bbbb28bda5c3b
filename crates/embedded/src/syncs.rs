//! Every sync that the store makes itself, by name. All of them go through here, so that a test can leave one out and show that it is
//! missed (`crates/crash`). Without the feature `faults` nothing can be left out, and nothing of that is compiled.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use fjall::PersistMode;

/// A place in the code that makes something durable.
#[cfg_attr(not(feature = "faults"), expect(unreachable_pub, reason = "tests name it under the feature"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyncSite {
    /// The journal, once a batch.
    JournalBatch,
    /// All that is done at an open to make a journal with a clean end durable: that it is written at all.
    JournalAnew,
    /// The valid part of a journal, written anew at every open.
    JournalRewrite,
    /// The folder in which that takes the old journal's place.
    JournalRewriteFolder,
    /// A journal that is written over itself, for want of space.
    JournalRewriteInPlace,
    /// An extent's bytes, footer and length.
    ExtentData,
    /// An extent's entry in its folder.
    ExtentFolder,
    /// An extent's bytes so far, where they go through the page cache.
    ExtentWriteBack,
    /// The folders of extents, at the first start.
    ExtentFolders,
    /// The folder `extents` in the data folder.
    ExtentsFolder,
    /// The folder `records` in the data folder, once they are created.
    RecordsFolder,
    /// The data folder in the folder above it, and so on, at the first start.
    Ancestors,
    /// The file `FORMAT`.
    FormatFile,
    /// Its entry.
    FormatFolder,
    /// All folders of fjall, at every open.
    KeyspaceFolders,
    /// Entries for files of separated values, ahead of fjall.
    ValueFileEntries,
}

#[cfg(feature = "faults")]
impl SyncSite {
    /// All sites.
    pub const ALL: [Self; 16] = [
        Self::JournalBatch,
        Self::JournalAnew,
        Self::JournalRewrite,
        Self::JournalRewriteFolder,
        Self::JournalRewriteInPlace,
        Self::ExtentData,
        Self::ExtentFolder,
        Self::ExtentWriteBack,
        Self::ExtentFolders,
        Self::ExtentsFolder,
        Self::RecordsFolder,
        Self::Ancestors,
        Self::FormatFile,
        Self::FormatFolder,
        Self::KeyspaceFolders,
        Self::ValueFileEntries,
    ];
}

/// Makes a file durable: bytes, length, all there is.
pub(crate) fn sync_file(site: SyncSite, file: &File) -> io::Result<()> {
    if is_skipped(site) { Ok(()) } else { file.sync_all() }
}

/// Makes a file's bytes durable.
pub(crate) fn sync_data(site: SyncSite, file: &File) -> io::Result<()> {
    if is_skipped(site) { Ok(()) } else { file.sync_data() }
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(site: SyncSite, path: &Path) -> io::Result<()> {
    if is_skipped(site) { Ok(()) } else { File::open(path)?.sync_all() }
}

/// Makes the entries of a folder and of all folders below it durable.
pub(crate) fn sync_folders(site: SyncSite, path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(site, &entry.path())?;
        }
    }
    sync_folder(site, path)
}

/// How fjall is asked to make its journal durable.
pub(crate) fn journal_mode(site: SyncSite, mode: PersistMode) -> PersistMode {
    if is_skipped(site) { PersistMode::Buffer } else { mode }
}

/// Whether a test leaves this out.
#[cfg(not(feature = "faults"))]
pub(crate) const fn is_skipped(_: SyncSite) -> bool {
    false
}

#[cfg(feature = "faults")]
pub(crate) fn is_skipped(site: SyncSite) -> bool {
    crate::faults::is_skipped(site)
}
