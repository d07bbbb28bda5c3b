//! A disk in memory that keeps what is durable apart from what is written. Pure: no I/O, no clock, no threads.
//!
//! The rules, as pessimistic as POSIX allows, and what is assumed beyond it:
//! - A write, or a new length, is durable after a sync of its file (fsync and fdatasync alike), not before, `O_DIRECT` or not.
//! - An entry (create, rename, unlink, mkdir) is durable after a sync of its folder. With [`Rules::entry_follows_file`] the entry of a
//!   file, and those of the folders above it, are durable with the file too, as on ext4, xfs and btrfs.
//! - A rename within a folder is atomic. One to another folder is refused (EXDEV); nobody needs it.
//! - What was not synced may survive a power cut, wholly or in part; which part, a [`Survivors`] says.
//! - After a sync that failed, what it was to write is in the page cache, clean, and never written by a later sync. So do Linux's file systems.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::Arc,
};

use rustix::io::Errno;

use crate::{
    content::{Content, PAGE_BYTES},
    random::Random,
};

/// Names a file or folder.
pub type NodeId = u64;

/// The folder that holds all others.
pub const ROOT: NodeId = 1;

/// The unit in which a disk writes: a torn write ends between two of them.
pub const SECTOR_BYTES: u64 = 512;

/// What a file system promises beyond POSIX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// A sync of a file makes its entry durable too.
    pub entry_follows_file: bool,
}

/// What survives a power cut of that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// Nothing.
    None,
    /// Any page of any write and any entry, as the seed says.
    Some(u64),
    /// Everything, but of the last write only some first sectors, as the seed says.
    TornLast(u64),
}

/// What a file or folder looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Its number.
    pub node: NodeId,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Bytes of a file; 0 for a folder.
    pub len: u64,
}

/// The disk. Clones share what neither changes.
#[derive(Clone, Debug)]
pub struct Medium {
    nodes: BTreeMap<NodeId, Arc<Node>>,
    rules: Rules,
    last_node: NodeId,
    changes: u64,
    durable_version: u64,
}

#[derive(Clone, Debug)]
struct Node {
    parent: NodeId,
    name: OsString,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    File(File),
    Folder(Folder),
}

#[derive(Clone, Debug, Default)]
struct File {
    written: Content,
    durable: Content,
    /// In order, each with its place in the order of all changes.
    pending: Vec<(u64, Change)>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Arc<[u8]>),
    SetLen(u64),
}

#[derive(Clone, Debug, Default)]
struct Folder {
    written: Entries,
    durable: Entries,
    pending: Vec<(u64, EntryChange)>,
}

type Entries = BTreeMap<OsString, NodeId>;

#[derive(Clone, Debug)]
enum EntryChange {
    Link(OsString, NodeId),
    Unlink(OsString),
    Rename(OsString, OsString, NodeId),
}

impl Change {
    fn apply(&self, content: &mut Content) {
        match self {
            Self::Write(offset, bytes) => content.write(*offset, bytes),
            Self::SetLen(len) => content.set_len(*len),
        }
    }
}

impl Folder {
    /// Takes the pending changes that gave the node its name, and what those rest on: earlier changes of the same names. Otherwise the
    /// removal of a file could come after the creation of its successor.
    fn take_entry_of(&mut self, node: NodeId) -> Vec<EntryChange> {
        let (mut names, mut taken) = (BTreeSet::new(), Vec::new());
        for at in (0..self.pending.len()).rev() {
            let change = &self.pending[at].1;
            if change.links(node) || change.names().any(|name| names.contains(name)) {
                names.extend(change.names().cloned());
                taken.push(self.pending.remove(at).1);
            }
        }
        taken.reverse();
        taken
    }
}

impl EntryChange {
    fn apply(&self, entries: &mut Entries) {
        match self {
            Self::Link(name, node) => entries.insert(name.clone(), *node),
            Self::Unlink(name) => entries.remove(name),
            Self::Rename(from, to, node) => {
                entries.remove(from);
                entries.insert(to.clone(), *node)
            }
        };
    }

    fn names(&self) -> impl Iterator<Item = &OsString> {
        let (first, second) = match self {
            Self::Link(name, _) | Self::Unlink(name) => (name, None),
            Self::Rename(from, to, _) => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
    }

    fn links(&self, node: NodeId) -> bool {
        matches!(self, Self::Link(_, of) | Self::Rename(_, _, of) if *of == node)
    }
}

impl Medium {
    /// An empty disk.
    pub fn new(rules: Rules) -> Self {
        let root = Node { parent: ROOT, name: OsString::new(), kind: Kind::Folder(Folder::default()) };
        Self { nodes: [(ROOT, Arc::new(root))].into(), rules, last_node: ROOT, changes: 0, durable_version: 0 }
    }

    /// Grows whenever what is durable changes.
    pub const fn durable_version(&self) -> u64 {
        self.durable_version
    }

    /// The path of a node from the root, as it is or last was.
    pub fn path(&self, node: NodeId) -> PathBuf {
        match self.nodes.get(&node) {
            Some(found) if node != ROOT => self.path(found.parent).join(&found.name),
            _ => PathBuf::new(),
        }
    }

    /// Bytes that files take.
    pub fn used_bytes(&self) -> u64 {
        let file = |node: &Arc<Node>| if let Kind::File(file) = &node.kind { file.written.used_bytes() } else { 0 };
        self.nodes.values().map(file).sum()
    }

    /// Every file with its length, every folder without.
    pub fn tree(&self) -> Vec<(PathBuf, Option<u64>)> {
        let len = |node: &Arc<Node>| if let Kind::File(file) = &node.kind { Some(file.written.len()) } else { None };
        let mut tree: Vec<_> = self.nodes.iter().map(|(number, node)| (self.path(*number), len(node))).collect();
        tree.sort();
        tree
    }

    /// What a node looks like.
    ///
    /// # Errors
    /// ENOENT.
    pub fn attributes(&self, node: NodeId) -> Result<Attributes, Errno> {
        let (is_folder, len) = match &self.nodes.get(&node).ok_or(Errno::NOENT)?.kind {
            Kind::File(file) => (false, file.written.len()),
            Kind::Folder(_) => (true, 0),
        };
        Ok(Attributes { node, is_folder, len })
    }

    /// Finds an entry.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR.
    pub fn lookup(&self, parent: NodeId, name: &OsStr) -> Result<Attributes, Errno> {
        let node = self.folder(parent)?.written.get(name).ok_or(Errno::NOENT)?;
        self.attributes(*node)
    }

    /// Names and attributes of all entries, by number.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR.
    pub fn list(&self, folder: NodeId) -> Result<Vec<(OsString, Attributes)>, Errno> {
        let entries = self.folder(folder)?.written.iter();
        let mut found = entries.map(|(name, node)| Ok((name.clone(), self.attributes(*node)?))).collect::<Result<Vec<_>, Errno>>()?;
        found.sort_by_key(|(_, attributes)| attributes.node);
        Ok(found)
    }

    /// Makes an empty file or folder.
    ///
    /// # Errors
    /// EEXIST, ENOENT, ENOTDIR.
    pub fn create(&mut self, parent: NodeId, name: &OsStr, is_folder: bool) -> Result<Attributes, Errno> {
        if self.folder(parent)?.written.contains_key(name) {
            return Err(Errno::EXIST);
        }
        self.last_node += 1;
        let node = self.last_node;
        let kind = if is_folder { Kind::Folder(Folder::default()) } else { Kind::File(File::default()) };
        self.nodes.insert(node, Arc::new(Node { parent, name: name.to_owned(), kind }));
        self.change_entries(parent, EntryChange::Link(name.to_owned(), node))?;
        self.attributes(node)
    }

    /// Removes an entry. The file stays readable for who has it open.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, EISDIR, ENOTEMPTY.
    pub fn remove(&mut self, parent: NodeId, name: &OsStr, is_folder: bool) -> Result<(), Errno> {
        let found = self.lookup(parent, name)?;
        match (found.is_folder, is_folder) {
            (true, false) => return Err(Errno::ISDIR),
            (false, true) => return Err(Errno::NOTDIR),
            (true, true) if !self.folder(found.node)?.written.is_empty() => return Err(Errno::NOTEMPTY),
            _ => {}
        }
        self.change_entries(parent, EntryChange::Unlink(name.to_owned()))
    }

    /// Gives a file another name in its folder, in the place of what has that name.
    ///
    /// # Errors
    /// ENOENT, EXDEV, EISDIR.
    pub fn rename(&mut self, from: (NodeId, &OsStr), to: (NodeId, &OsStr)) -> Result<(), Errno> {
        if from.0 != to.0 {
            return Err(Errno::XDEV);
        }
        let moved = self.lookup(from.0, from.1)?;
        if self.lookup(to.0, to.1).is_ok_and(|replaced| replaced.is_folder || moved.is_folder) {
            return Err(Errno::ISDIR);
        }
        if from.1 == to.1 {
            return Ok(());
        }
        to.1.clone_into(&mut self.node_mut(moved.node)?.name);
        self.change_entries(from.0, EntryChange::Rename(from.1.to_owned(), to.1.to_owned(), moved.node))
    }

    /// Up to `size` bytes of a file.
    ///
    /// # Errors
    /// ENOENT, EISDIR.
    pub fn read(&self, node: NodeId, offset: u64, size: u64) -> Result<Vec<u8>, Errno> {
        match &self.nodes.get(&node).ok_or(Errno::NOENT)?.kind {
            Kind::File(file) => Ok(file.written.read(offset, size)),
            Kind::Folder(_) => Err(Errno::ISDIR),
        }
    }

    /// Writes bytes into a file.
    ///
    /// # Errors
    /// ENOENT, EISDIR.
    pub fn write(&mut self, node: NodeId, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.change_file(node, Change::Write(offset, bytes.into()))
    }

    /// Cuts a file short or makes it longer.
    ///
    /// # Errors
    /// ENOENT, EISDIR.
    pub fn set_len(&mut self, node: NodeId, len: u64) -> Result<(), Errno> {
        self.change_file(node, Change::SetLen(len))
    }

    /// Makes a file, or the entries of a folder, durable.
    ///
    /// # Errors
    /// ENOENT.
    pub fn sync(&mut self, node: NodeId) -> Result<(), Errno> {
        let changed = match &mut self.node_mut(node)?.kind {
            Kind::File(file) => file.pending.drain(..).map(|(_, change)| change.apply(&mut file.durable)).count(),
            Kind::Folder(folder) => folder.pending.drain(..).map(|(_, change)| change.apply(&mut folder.durable)).count(),
        };
        self.durable_version += u64::from(changed > 0);
        if self.rules.entry_follows_file && !self.attributes(node)?.is_folder {
            self.sync_entry(node)?;
        }
        Ok(())
    }

    /// Bytes that were written to files, and not synced.
    pub fn unsynced_bytes(&self) -> u64 {
        let of_change = |(_, change): &(u64, Change)| if let Change::Write(_, bytes) = change { bytes.len() as u64 } else { 0 };
        let of_node = |node: &Arc<Node>| if let Kind::File(file) = &node.kind { file.pending.iter().map(of_change).sum() } else { 0 };
        self.nodes.values().map(of_node).sum::<u64>()
    }

    /// Whether a sync of this would change what is durable.
    pub fn has_unsynced(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|node| match &node.kind {
            Kind::File(file) => !file.pending.is_empty(),
            Kind::Folder(folder) => !folder.pending.is_empty(),
        })
    }

    /// A sync that failed: what it was to write will never be written.
    ///
    /// # Errors
    /// ENOENT.
    pub fn sync_failed(&mut self, node: NodeId) -> Result<(), Errno> {
        match &mut self.node_mut(node)?.kind {
            Kind::File(file) => file.pending.clear(),
            Kind::Folder(_) => {}
        }
        Ok(())
    }

    /// The disk as it is found after the power came back.
    #[must_use]
    pub fn after_cut(&self, survivors: Survivors) -> Self {
        let mut lottery = Lottery::new(survivors, self.last_write());
        let nodes = self.nodes.iter().map(|(number, node)| (*number, Arc::new(lottery.survivor(node))));
        let mut after = Self { nodes: nodes.collect(), ..self.clone() };
        after.forget_unreachable();
        after
    }

    fn last_write(&self) -> u64 {
        let last = |node: &Arc<Node>| match &node.kind {
            Kind::File(file) => file.pending.iter().rev().find(|(_, change)| matches!(change, Change::Write(..))).map(|(order, _)| *order),
            Kind::Folder(_) => None,
        };
        self.nodes.values().filter_map(last).max().unwrap_or(0)
    }

    fn forget_unreachable(&mut self) {
        let (mut reached, mut next) = (BTreeSet::new(), vec![ROOT]);
        while let Some(node) = next.pop() {
            reached.insert(node);
            let Ok(folder) = self.folder(node) else { continue };
            let entries: Vec<_> = folder.written.iter().map(|(name, child)| (name.clone(), *child)).collect();
            for (name, child) in entries {
                // An entry of a rename that did not survive has its old name again.
                if let Ok(found) = self.node_mut(child) {
                    found.name = name;
                }
                next.push(child);
            }
        }
        self.nodes.retain(|node, _| reached.contains(node));
    }

    /// The entry of a node, and of the folders above it, as a journal of metadata would commit them.
    fn sync_entry(&mut self, node: NodeId) -> Result<(), Errno> {
        let parent = self.nodes.get(&node).ok_or(Errno::NOENT)?.parent;
        if node == ROOT {
            return Ok(());
        }
        let Kind::Folder(folder) = &mut self.node_mut(parent)?.kind else { return Err(Errno::NOTDIR) };
        let with_node = folder.take_entry_of(node);
        with_node.iter().for_each(|change| change.apply(&mut folder.durable));
        self.durable_version += u64::from(!with_node.is_empty());
        self.sync_entry(parent)
    }

    fn folder(&self, node: NodeId) -> Result<&Folder, Errno> {
        match &self.nodes.get(&node).ok_or(Errno::NOENT)?.kind {
            Kind::Folder(folder) => Ok(folder),
            Kind::File(_) => Err(Errno::NOTDIR),
        }
    }

    fn node_mut(&mut self, node: NodeId) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&node).map(Arc::make_mut).ok_or(Errno::NOENT)
    }

    fn change_file(&mut self, node: NodeId, change: Change) -> Result<(), Errno> {
        self.changes += 1;
        let order = self.changes;
        let Kind::File(file) = &mut self.node_mut(node)?.kind else { return Err(Errno::ISDIR) };
        change.apply(&mut file.written);
        file.pending.push((order, change));
        Ok(())
    }

    fn change_entries(&mut self, folder: NodeId, change: EntryChange) -> Result<(), Errno> {
        self.changes += 1;
        let order = self.changes;
        let Kind::Folder(folder) = &mut self.node_mut(folder)?.kind else { return Err(Errno::NOTDIR) };
        change.apply(&mut folder.written);
        folder.pending.push((order, change));
        Ok(())
    }
}

/// Draws what survives.
struct Lottery {
    survivors: Survivors,
    random: Random,
    percent: u64,
    last_write: u64,
}

impl Lottery {
    fn new(survivors: Survivors, last_write: u64) -> Self {
        let seed = if let Survivors::Some(seed) | Survivors::TornLast(seed) = survivors { seed } else { 0 };
        let mut random = Random::new(seed);
        let percent = [5, 50, 95][random.below(3) as usize];
        Self { survivors, random, percent, last_write }
    }

    fn survivor(&mut self, node: &Node) -> Node {
        let kind = match &node.kind {
            Kind::File(file) => {
                let mut durable = file.durable.clone();
                for (order, change) in &file.pending {
                    self.survive(*order, change, &mut durable);
                }
                Kind::File(File { written: durable.clone(), durable, pending: Vec::new() })
            }
            Kind::Folder(folder) => {
                let mut durable = folder.durable.clone();
                folder.pending.iter().filter(|_| self.draw()).for_each(|(_, change)| change.apply(&mut durable));
                Kind::Folder(Folder { written: durable.clone(), durable, pending: Vec::new() })
            }
        };
        Node { kind, ..node.clone() }
    }

    fn draw(&mut self) -> bool {
        match self.survivors {
            Survivors::None => false,
            Survivors::Some(_) => self.random.below(100) < self.percent,
            Survivors::TornLast(_) => true,
        }
    }

    fn survive(&mut self, order: u64, change: &Change, durable: &mut Content) {
        match change {
            Change::SetLen(len) if self.draw() => durable.set_len(*len),
            Change::SetLen(_) => {}
            Change::Write(offset, bytes) if order == self.last_write && matches!(self.survivors, Survivors::TornLast(_)) => {
                // The first boundary is where the disk's sectors lie, not where the write begins.
                let (first, end) = (offset / SECTOR_BYTES, (offset + bytes.len() as u64).div_ceil(SECTOR_BYTES));
                let torn_at = (first + self.random.below(end - first)) * SECTOR_BYTES;
                durable.write(*offset, &bytes[..torn_at.saturating_sub(*offset) as usize]);
            }
            Change::Write(offset, bytes) => {
                let mut at = *offset;
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let page_end = (at / PAGE_BYTES + 1) * PAGE_BYTES;
                    let (page, others) = rest.split_at(rest.len().min((page_end - at) as usize));
                    if self.draw() {
                        durable.write(at, page);
                    }
                    at += page.len() as u64;
                    rest = others;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STRICT: Rules = Rules { entry_follows_file: false };
    const FOLLOWS: Rules = Rules { entry_follows_file: true };

    fn name(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    fn file(medium: &mut Medium, text: &str) -> NodeId {
        medium.create(ROOT, name(text), false).unwrap().node
    }

    fn bytes(medium: &Medium, text: &str) -> Option<Vec<u8>> {
        let found = medium.lookup(ROOT, name(text)).ok()?;
        Some(medium.read(found.node, 0, u64::MAX).unwrap())
    }

    #[test]
    fn a_file_that_takes_the_name_of_a_removed_one_is_not_removed_in_its_place() {
        let mut medium = Medium::new(FOLLOWS);
        let old = file(&mut medium, "f");
        medium.sync(old).unwrap();
        medium.remove(ROOT, name("f"), false).unwrap();
        let new = file(&mut medium, "f");
        medium.write(new, 0, b"new").unwrap();
        medium.sync(new).unwrap();
        medium.sync(ROOT).unwrap();
        assert_eq!(bytes(&medium.after_cut(Survivors::None), "f").unwrap(), b"new");
    }

    #[test]
    fn bytes_and_entries_are_lost_until_each_is_synced() {
        let mut medium = Medium::new(STRICT);
        let node = file(&mut medium, "f");
        medium.write(node, 0, b"abc").unwrap();
        assert_eq!(bytes(&medium, "f").unwrap(), b"abc");
        assert_eq!(bytes(&medium.after_cut(Survivors::None), "f"), None);
        medium.sync(node).unwrap();
        assert_eq!(bytes(&medium.after_cut(Survivors::None), "f"), None, "the entry is not synced");
        medium.sync(ROOT).unwrap();
        assert_eq!(bytes(&medium.after_cut(Survivors::None), "f").unwrap(), b"abc");
        medium.write(node, 1, b"xy").unwrap();
        medium.set_len(node, 2).unwrap();
        assert_eq!(bytes(&medium.after_cut(Survivors::None), "f").unwrap(), b"abc");
        medium.sync(node).unwrap();
        assert_eq!(bytes(&medium.after_cut(Survivors::None), "f").unwrap(), b"ax");
    }

    #[test]
    fn an_entry_without_synced_bytes_is_an_empty_file() {
        let mut medium = Medium::new(STRICT);
        let node = file(&mut medium, "f");
        medium.write(node, 0, b"abc").unwrap();
        medium.sync(ROOT).unwrap();
        assert_eq!(bytes(&medium.after_cut(Survivors::None), "f").unwrap(), b"");
    }

    #[test]
    fn where_entries_follow_files_a_sync_of_a_file_makes_its_path_durable_and_nothing_else() {
        for (rules, expected) in [(STRICT, None), (FOLLOWS, Some(()))] {
            let mut medium = Medium::new(rules);
            let folder = medium.create(ROOT, name("d"), true).unwrap().node;
            let node = medium.create(folder, name("f"), false).unwrap().node;
            medium.create(folder, name("other"), false).unwrap();
            medium.sync(node).unwrap();
            let after = medium.after_cut(Survivors::None);
            let found = after.lookup(ROOT, name("d")).ok().and_then(|d| after.lookup(d.node, name("f")).ok());
            assert_eq!(found.map(drop), expected, "{rules:?}");
            assert!(after.lookup(folder, name("other")).is_err());
        }
    }

    #[test]
    fn a_rename_shows_the_old_file_or_the_new_one() {
        let mut medium = Medium::new(STRICT);
        for (text, content) in [("old", b"old"), ("new", b"new")] {
            let node = file(&mut medium, text);
            medium.write(node, 0, content).unwrap();
            medium.sync(node).unwrap();
        }
        medium.sync(ROOT).unwrap();
        medium.rename((ROOT, name("new")), (ROOT, name("old"))).unwrap();
        assert_eq!(bytes(&medium, "old").unwrap(), b"new");
        let mut seen = BTreeSet::new();
        for seed in 0..50 {
            let after = medium.after_cut(Survivors::Some(seed));
            seen.insert((bytes(&after, "old").unwrap(), bytes(&after, "new").is_some()));
        }
        assert_eq!(seen, [(b"old".to_vec(), true), (b"new".to_vec(), false)].into());
        medium.sync(ROOT).unwrap();
        assert_eq!(bytes(&medium.after_cut(Survivors::None), "old").unwrap(), b"new");
    }

    #[test]
    fn the_last_write_is_torn_between_two_sectors_and_those_before_it_survive() {
        let mut medium = Medium::new(STRICT);
        let node = file(&mut medium, "f");
        medium.sync(ROOT).unwrap();
        medium.write(node, 0, &[1; 100]).unwrap();
        medium.write(node, 100, &[2; 3000]).unwrap();
        let mut lengths = BTreeSet::new();
        for seed in 0..100 {
            let left = bytes(&medium.after_cut(Survivors::TornLast(seed)), "f").unwrap();
            assert_eq!(left[..100], [1; 100]);
            assert!(left.len() == 100 || left.len().is_multiple_of(512) && left.len() < 3100, "{}", left.len());
            lengths.insert(left.len());
        }
        assert_eq!(lengths.len(), 7, "{lengths:?}");
    }

    #[test]
    fn what_a_failed_sync_was_to_write_is_never_written() {
        let mut medium = Medium::new(STRICT);
        let node = file(&mut medium, "f");
        medium.sync(ROOT).unwrap();
        medium.write(node, 0, b"abc").unwrap();
        assert!(medium.has_unsynced(node) && medium.unsynced_bytes() == 3);
        medium.sync_failed(node).unwrap();
        assert!(!medium.has_unsynced(node) && medium.unsynced_bytes() == 0);
        medium.sync(node).unwrap();
        assert_eq!(bytes(&medium, "f").unwrap(), b"abc");
        assert_eq!(bytes(&medium.after_cut(Survivors::Some(1)), "f").unwrap(), b"");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Write(u8, u16, u16),
        SetLen(u8, u16),
        Sync(u8),
        SyncRoot,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u8..3, 0u16..9000, 1u16..9000).prop_map(|(f, at, len)| Step::Write(f, at, len)),
            1 => (0u8..3, 0u16..9000).prop_map(|(f, len)| Step::SetLen(f, len)),
            3 => (0u8..3).prop_map(Step::Sync),
            1 => Just(Step::SyncRoot),
        ]
    }

    proptest! {
        /// A file that was synced with its entry, and not touched since, is there after any cut; each byte of the others is one that was
        /// written there at some time, or a zero.
        #[test]
        fn what_was_synced_survives_any_cut(steps in prop::collection::vec(step(), 1..40), seed in any::<u64>()) {
            let mut medium = Medium::new(STRICT);
            let nodes = ["a", "b", "c"].map(|text| file(&mut medium, text));
            let (mut synced, mut has_entry) = ([true; 3], false);
            for (n, step) in steps.iter().enumerate() {
                match *step {
                    Step::Write(f, at, len) => {
                        medium.write(nodes[f as usize], u64::from(at), &vec![n as u8 + 1; len as usize]).unwrap();
                        synced[f as usize] = false;
                    }
                    Step::SetLen(f, len) => {
                        medium.set_len(nodes[f as usize], u64::from(len)).unwrap();
                        synced[f as usize] = false;
                    }
                    Step::Sync(f) => {
                        medium.sync(nodes[f as usize]).unwrap();
                        synced[f as usize] = true;
                    }
                    Step::SyncRoot => {
                        medium.sync(ROOT).unwrap();
                        has_entry = true;
                    }
                }
            }
            for survivors in [Survivors::None, Survivors::Some(seed), Survivors::TornLast(seed)] {
                let after = medium.after_cut(survivors);
                for (n, text) in ["a", "b", "c"].into_iter().enumerate() {
                    let left = bytes(&after, text);
                    prop_assert!(left.is_some() || !has_entry);
                    if let Some(left) = left && synced[n] {
                        prop_assert!(left == bytes(&medium, text).unwrap(), "{text} {survivors:?}");
                    }
                }
                // A second cut changes nothing.
                prop_assert_eq!(after.after_cut(Survivors::Some(seed)).tree(), after.tree());
            }
        }
    }
}
