//! The ends of fjall's journals, before fjall reads them.
//!
//! fjall writes one batch and syncs it before the next, so a power cut tears at most the last batch of the active journal. Its
//! recovery forgives a batch that ends early, but not one whose pages reached the disk out of order (a wrong checksum there
//! makes it refuse to open), and it trusts pages that are in the page cache but, after a failed sync, not on the disk.
//! Therefore this file, and nothing after it, decides where the journal ends, and rewrites what is valid into a new file that
//! is synced. Damage *before* a valid batch is not a torn end: acknowledged batches would be lost, so it is reported. So is damage
//! to the last batch, where it can be told from a torn one.
//!
//! Format (fjall 3.1, little-endian): a batch is `Start` (1, u32 items, u64 sequence number), items, `End` (3, u64 XXH3 of all
//! item bytes, "FJL\x03"); an item is 2, u8 type, u8 compression, u64 keyspace, u16 key length, u32 length, u32 length on disk, key,
//! value; or 4, u64 keyspace ("clear", which we never write). After the last batch there are zeros.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    FailPoint, OpenError, failpoints,
    space::is_full,
    syncs::{SyncSite, is_skipped, sync_file, sync_folder},
};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
/// The type of an item that is not a removal.
const VALUE: u8 = 0;
const MAGIC: &[u8] = b"FJL\x03";
const START_BYTES: usize = 1 + 4 + 8;
/// Before the key and the value of an item. The end of a batch is shorter.
const ITEM_HEAD_BYTES: usize = 1 + 1 + 1 + 8 + 2 + 4 + 4;
/// Items before the place where a batch cannot be read on, one of which may have a wrong length.
const ITEMS_LOOKED_BACK: usize = 4;
/// The least that a disk loses.
const SECTOR_BYTES: usize = 512;
/// The highest bit is fjall's own.
const SEQUENCE_MAX: u64 = i64::MAX as u64;

/// Work, in bytes hashed, after which the search for a batch behind damage gives up: a fraction of a second.
const SEARCH_WORK_MAX: u64 = 512 << 20;
/// What reading the lengths of one item costs in comparison.
const ITEM_WORK: u64 = 64;

/// Makes the valid part of the journals durable and drops a torn end. Sealed journals were synced when they were sealed; only
/// one in which a write failed has a torn end, and nothing was written after that.
pub(crate) fn make_durable(records: &Path) -> Result<(), OpenError> {
    remove_unfinished(records).map_err(|e| OpenError::io(records, e))?;
    let journals = journals(records).map_err(|e| OpenError::io(records, e))?;
    let ends = journals.iter().map(|path| End::find(path)).collect::<Result<Vec<_>, _>>()?;
    for (n, end) in ends.iter().enumerate().filter(|(_, end)| end.is_torn) {
        if ends[n + 1..].iter().any(|later| later.valid > 0) {
            return Err(OpenError::JournalDamaged { path: journals[n].clone(), damaged: end.valid as u64, valid: 0 });
        }
    }
    let mut last_sequence = None;
    for (path, (first, last)) in journals.iter().zip(&ends).filter_map(|(path, end)| Some((path, end.sequences?))) {
        if last_sequence >= Some(first) {
            return Err(OpenError::JournalDamaged { path: path.clone(), damaged: 0, valid: 0 });
        }
        last_sequence = Some(last);
    }
    // A worker of fjall may seal a journal after a sync of it failed: it looks whole, and is in the page cache only. Nothing more is
    // written then until it is opened again.
    let holding: Vec<usize> = (0..ends.len()).filter(|n| ends[*n].valid > 0).collect();
    let from = holding.iter().rev().nth(1).or(holding.first()).copied().unwrap_or(0);
    for (n, (path, end)) in journals.iter().zip(ends).enumerate() {
        if end.is_torn || n >= from {
            end.make_durable(path).map_err(|e| OpenError::io(path, e))?;
        }
    }
    Ok(())
}

/// Where a journal ends.
struct End {
    /// Bytes of whole batches.
    valid: usize,
    /// Whether anything but zeros follows.
    is_torn: bool,
    /// The sequence numbers of the first and the last batch.
    sequences: Option<(u64, u64)>,
}

/// Damage at one place, and a valid batch after it, unless the last batch is what is damaged.
struct Damage {
    at: usize,
    later: Option<usize>,
}

impl End {
    fn find(path: &Path) -> Result<Self, OpenError> {
        let bytes = fs::read(path).map_err(|e| OpenError::io(path, e))?;
        let (at, path) = (|damage: &Damage| damage.at as u64, path.to_owned());
        Self::of(&bytes).map_err(|damage| match damage.later {
            Some(later) => OpenError::JournalDamaged { path, damaged: at(&damage), valid: later as u64 },
            None => OpenError::LastBatchDamaged { path, at: at(&damage) },
        })
    }

    fn of(bytes: &[u8]) -> Result<Self, Damage> {
        let bytes = without_zeros(bytes);
        let Valid { len, sequences, disordered } = Valid::of(bytes);
        let later = if disordered { Some(len) } else { later_batch(bytes, len, sequences.map_or(0, |(_, last)| last)) };
        match later {
            Some(_) => Err(Damage { at: len, later }),
            None if was_whole(&bytes[len..], len) => Err(Damage { at: len, later: None }),
            None => Ok(Self { valid: len, is_torn: len < bytes.len(), sequences }),
        }
    }

    /// Puts a synced file with the whole batches in the place of the journal. Without space for it, the same bytes are written
    /// over themselves: pages that a failed sync left clean are written too, or the error says that they cannot be.
    fn make_durable(&self, path: &Path) -> io::Result<()> {
        if self.is_torn {
            tracing::info!(journal = %path.display(), valid = self.valid, "dropped the torn end of a journal: it was never acknowledged");
        } else if is_skipped(SyncSite::JournalAnew) {
            return Ok(());
        }
        // Not the zeros behind them, of which there may be 64 MiB.
        let mut bytes = Vec::with_capacity(self.valid);
        File::open(path)?.take(self.valid as u64).read_to_end(&mut bytes)?;
        match replace(path, &bytes) {
            Err(e) if is_full(&e) => rewrite_in_place(path, &bytes),
            other => other,
        }
    }
}

/// Where a journal with these bytes ends and whether its end is torn, or where it is damaged.
#[cfg(feature = "fuzzing")]
pub(crate) fn end_of(bytes: &[u8]) -> Result<(usize, bool), usize> {
    End::of(bytes).map(|end| (end.valid, end.is_torn)).map_err(|damage| damage.at)
}

/// The journals, the active one last.
fn journals(records: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = numbered(records, ".jnl")?;
    journals.sort_unstable();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// Whether there is a journal that is not written any more.
pub(crate) fn is_any_sealed(records: &Path) -> io::Result<bool> {
    Ok(journals(records)?.len() > 1)
}

/// The journals whose numbers follow one another without a gap, up to the active one. One before a gap was evicted: fjall removes several
/// at once, and a power cut may take back some of the removals. What it holds is flushed, and may have been overwritten in the gap.
pub(crate) fn journals_in_use(records: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = numbered(records, ".jnl")?;
    journals.sort_unstable();
    let after_gap = journals.windows(2).rposition(|pair| pair[0].0 + 1 != pair[1].0).map_or(0, |at| at + 1);
    Ok(journals.into_iter().skip(after_gap).map(|(_, path)| path).collect())
}

/// The files whose names are a number and `suffix`.
fn numbered(records: &Path, suffix: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    if !records.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(records)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(suffix)).and_then(|n| n.parse::<u64>().ok());
        if let Some(number) = number {
            files.push((number, path));
        }
    }
    Ok(files)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        sync_file(SyncSite::JournalRewrite, &file)?;
        failpoints::reach(FailPoint::JournalCopied);
        fs::rename(&fresh, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&fresh)))?;
    sync_folder(SyncSite::JournalRewriteFolder, path.parent().unwrap_or(Path::new(".")))
}

/// Cut short by a crash, it has changed nothing before the torn end.
fn rewrite_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)?;
    sync_file(SyncSite::JournalRewriteInPlace, &file)
}

/// Removes what a crash left of a `replace`.
fn remove_unfinished(records: &Path) -> io::Result<()> {
    for (_, path) in numbered(records, ".new")? {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// The bytes without the zeros that fjall reserves at the end. Whole blocks are compared: there are 64 MiB of them.
fn without_zeros(bytes: &[u8]) -> &[u8] {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut end = bytes.len();
    while end > 0 {
        let block = &bytes[end.saturating_sub(ZEROS.len())..end];
        if *block != ZEROS[..block.len()] {
            return &bytes[..end - block.iter().rev().take_while(|b| **b == 0).count()];
        }
        end -= block.len();
    }
    &[]
}

/// The unbroken run of valid batches.
struct Valid {
    len: usize,
    sequences: Option<(u64, u64)>,
    /// A whole batch follows whose sequence number does not grow.
    disordered: bool,
}

impl Valid {
    /// A batch's checksum does not cover its sequence number, and fjall would pass over a batch whose number is too low. But numbers only
    /// grow, so one that was changed shows, unless the order is kept and nothing depends on it.
    fn of(bytes: &[u8]) -> Self {
        let mut valid = Self { len: 0, sequences: None, disordered: false };
        while let Some(batch) = batch(&bytes[valid.len..]) {
            if valid.sequences.is_some_and(|(_, last)| last >= batch.sequence) || batch.sequence > SEQUENCE_MAX {
                valid.disordered = true;
                break;
            }
            valid.len += batch.len;
            valid.sequences = Some((valid.sequences.map_or(batch.sequence, |(first, _)| first), batch.sequence));
        }
        valid
    }
}

/// Whether the batch at the start was written to its end and damaged later. Then it may have been acknowledged, and is not cut off.
///
/// Torn means that sectors did not reach the disk: zeros in their place, or the end is missing. So a batch whose lengths lead to its
/// end and whose checksum is wrong although nothing in it could be a lost sector was not torn; nor was one that a single bit makes
/// right, unless that bit is all that a lost sector held. What this cannot tell from a torn batch is damage to the values of a batch that
/// has a sector's worth of zeros, and to the one bit that is set in what a sector holds of the batch.
fn was_whole(bytes: &[u8], begins_at: usize) -> bool {
    match Frame::read(bytes, &mut 0, |_| true) {
        Some(frame) => !bytes[..frame.len].split(|b| *b != 0).any(|zeros| zeros.len() >= SECTOR_BYTES),
        None => is_one_bit_off(bytes, begins_at),
    }
}

fn is_one_bit_off(bytes: &[u8], begins_at: usize) -> bool {
    let (mut bytes, mut work) = (bytes.to_vec(), 0);
    let candidates: Vec<usize> = lengths_and_tags(&bytes).filter(|at| !may_be_lost(&bytes, begins_at, *at)).collect();
    candidates.into_iter().any(|at| {
        (0..8).any(|bit| {
            bytes[at] ^= 1 << bit;
            let frame = if work < SEARCH_WORK_MAX { Frame::read(&bytes, &mut work, |_| true) } else { None };
            let is_right = frame.is_some_and(|frame| frame.is_valid(&bytes, &mut work));
            bytes[at] ^= 1 << bit;
            is_right
        })
    })
}

/// Whether the sector of the file with this byte of the batch shows nothing of the batch.
fn may_be_lost(batch: &[u8], begins_at: usize, at: usize) -> bool {
    let sector = (begins_at + at) / SECTOR_BYTES * SECTOR_BYTES;
    let shown = sector.saturating_sub(begins_at)..(sector + SECTOR_BYTES - begins_at).min(batch.len());
    batch[shown].iter().all(|byte| *byte == 0)
}

/// The bytes that may be why the batch at the start cannot be read: its start, and what is around the place where reading ends.
fn lengths_and_tags(bytes: &[u8]) -> impl Iterator<Item = usize> + use<> {
    let mut reader = Reader { bytes, at: START_BYTES };
    let mut ends = VecDeque::from([START_BYTES]);
    while reader.item().is_some() {
        ends.push_back(reader.at);
        if ends.len() > ITEMS_LOOKED_BACK {
            ends.pop_front();
        }
    }
    let len = bytes.len();
    let heads = ends.into_iter().flat_map(|at| at..at + ITEM_HEAD_BYTES);
    (0..START_BYTES).chain(heads).filter(move |at| *at < len)
}

/// Where after the damage at `from` a whole valid batch begins.
///
/// The damaged batch may be a torn one whose bodies hold bytes that look like a batch. So it is skipped if its lengths still
/// lead to its end, unless that is the end of another batch too: then a length is what was damaged. The sequence number must be one that
/// the bytes between can have used. Bytes that were made to be searched for long count as a batch: what cannot be told is not cut off.
fn later_batch(bytes: &[u8], from: usize, last_sequence: u64) -> Option<usize> {
    let plausible = |sequence: u64| from == 0 || (sequence > last_sequence && sequence - last_sequence <= bytes.len() as u64);
    let batch_at = |at: usize, work: &mut u64| {
        let frame = Frame::read(&bytes[at..], work, plausible).filter(|f| f.items > 0)?;
        frame.is_valid(&bytes[at..], work).then_some(frame)
    };
    let first = Frame::read(&bytes[from..], &mut 0, |_| true).map_or(from + 1, |damaged| from + damaged.len);
    let mut work = 0;
    let ends_with_it = |at: usize, work: &mut u64| batch_at(at, work).is_some_and(|batch| at + batch.len == first);
    let swallowed = (from + 1..first).find(|at| work <= SEARCH_WORK_MAX && ends_with_it(*at, &mut work));
    let mut work = 0;
    swallowed.or_else(|| (first..bytes.len()).find(|at| batch_at(*at, &mut work).is_some() || work > SEARCH_WORK_MAX))
}

struct Batch {
    len: usize,
    sequence: u64,
}

/// The batch at the start, if it is whole and its checksum is right.
fn batch(bytes: &[u8]) -> Option<Batch> {
    let frame = Frame::read(bytes, &mut 0, |_| true)?;
    frame.is_valid(bytes, &mut 0).then_some(Batch { len: frame.len, sequence: frame.sequence })
}

/// What has the form of a batch.
struct Frame {
    items: u32,
    sequence: u64,
    /// Where its end marker begins.
    end: usize,
    checksum: u64,
    len: usize,
}

impl Frame {
    /// The frame at the start. Adds what it costs to `work`.
    fn read(bytes: &[u8], work: &mut u64, plausible: impl Fn(u64) -> bool) -> Option<Self> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.u8()? != START {
            return None;
        }
        let items = reader.u32()?;
        let sequence = reader.u64()?;
        if !plausible(sequence) {
            return None;
        }
        for _ in 0..items {
            *work += ITEM_WORK;
            reader.item()?;
        }
        let end = reader.at;
        if reader.u8()? != END {
            return None;
        }
        let checksum = reader.u64()?;
        (reader.skip(MAGIC.len())? == MAGIC).then_some(Self { items, sequence, end, checksum, len: reader.at })
    }

    fn is_valid(&self, bytes: &[u8], work: &mut u64) -> bool {
        let items = &bytes[START_BYTES..self.end];
        *work += items.len() as u64;
        xxhash_rust::xxh3::xxh3_64(items) == self.checksum
    }
}

/// One write of a batch; without a value it is a removal.
pub(crate) struct Item<'a> {
    pub(crate) keyspace: u64,
    pub(crate) key: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
}

/// The items of all batches of a journal that ends where it should.
pub(crate) fn batches(bytes: &[u8]) -> impl Iterator<Item = Vec<Item<'_>>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let frame = Frame::read(bytes.get(at..)?, &mut 0, |_| true)?;
        let mut reader = Reader { bytes, at: at + START_BYTES };
        at += frame.len;
        Some((0..frame.items).map_while(|_| reader.item()).filter(|item| !item.key.is_empty()).collect())
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn skip(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.skip(1).map(|b| b[0])
    }

    fn u32(&mut self) -> Option<u32> {
        self.skip(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.skip(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// The item that comes next, if it is one. A "clear" is one without a key.
    fn item(&mut self) -> Option<Item<'a>> {
        match self.u8()? {
            CLEAR => self.u64().map(|keyspace| Item { keyspace, key: &[], value: None }),
            ITEM => {
                let is_value = self.u8()? == VALUE;
                self.skip(1)?;
                let keyspace = self.u64()?;
                let key = usize::from(u16::from_le_bytes(self.skip(2)?.try_into().ok()?));
                self.skip(4)?;
                let value = self.u32()? as usize;
                let (key, value) = self.skip(key + value)?.split_at(key);
                Some(Item { keyspace, key, value: is_value.then_some(value) })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use fjall::{Database, KeyspaceCreateOptions, PersistMode};

    use super::*;

    /// A journal as fjall writes it: three batches of two records; and where the batches end.
    fn written_by_fjall() -> (tempfile::TempDir, Vec<u8>, Vec<usize>) {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::builder(dir.path()).journal_compression(fjall::CompressionType::None).open().unwrap();
        let keyspace = db.keyspace("k", KeyspaceCreateOptions::default).unwrap();
        for n in 0..3u8 {
            let mut batch = db.batch().durability(Some(PersistMode::SyncData));
            batch.insert(&keyspace, [n, 0], vec![n; 5000]);
            batch.remove(&keyspace, [n, 1]);
            batch.commit().unwrap();
        }
        drop((keyspace, db));
        let bytes = fs::read(journals(dir.path()).unwrap().pop().unwrap()).unwrap();
        let mut ends = vec![0];
        while let Some(batch) = batch(&bytes[ends[ends.len() - 1]..]) {
            ends.push(ends[ends.len() - 1] + batch.len);
        }
        (dir, bytes, ends)
    }

    fn keys_after_opening(dir: &Path, journal: &[u8]) -> Result<usize, OpenError> {
        fs::write(journals(dir).unwrap().pop().unwrap(), journal).unwrap();
        make_durable(dir)?;
        let db = Database::builder(dir).open().unwrap();
        Ok(db.keyspace("k", KeyspaceCreateOptions::default).unwrap().len().unwrap())
    }

    #[test]
    fn every_batch_that_fjall_wrote_is_found() {
        let (_dir, bytes, ends) = written_by_fjall();
        assert_eq!(ends.len(), 4);
        assert!(bytes[ends[3]..].iter().all(|b| *b == 0));
    }

    #[test]
    fn a_last_batch_cut_short_or_with_a_hole_is_dropped_and_the_others_stay() {
        let (dir, bytes, ends) = written_by_fjall();
        let last = ends[2];
        for cut in [last + 1, last + 20, last + 4096, ends[3] - 1] {
            assert_eq!(keys_after_opening(dir.path(), &bytes[..cut]).unwrap(), 2, "cut at {cut}");
        }
        for hole in [last..last + 13, last + 100..last + 612, ends[3] - 600..ends[3] - 88] {
            let mut torn = bytes.clone();
            torn[hole.clone()].fill(0);
            let expect = if torn == bytes { 3 } else { 2 };
            assert_eq!(keys_after_opening(dir.path(), &torn).unwrap(), expect, "hole at {hole:?}");
        }
        assert_eq!(keys_after_opening(dir.path(), &bytes).unwrap(), 3);
    }

    #[test]
    fn what_a_crash_left_of_a_rewritten_journal_is_removed() {
        let (dir, bytes, _) = written_by_fjall();
        for unfinished in ["0.new", "7.new"] {
            fs::write(dir.path().join(unfinished), &bytes[..100]).unwrap();
        }
        assert_eq!(keys_after_opening(dir.path(), &bytes).unwrap(), 3);
        let left = fs::read_dir(dir.path()).unwrap().filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "new"));
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn a_journal_written_over_itself_keeps_its_batches_and_loses_its_torn_end() {
        let (dir, bytes, ends) = written_by_fjall();
        let path = journals(dir.path()).unwrap().pop().unwrap();
        for torn in [&b""[..], b"\x01\x05\x00", &[0; 9000]] {
            fs::write(&path, [&bytes[..ends[3]], torn].concat()).unwrap();
            rewrite_in_place(&path, &bytes[..ends[3]]).unwrap();
            assert_eq!(fs::read(&path).unwrap(), &bytes[..ends[3]]);
        }
    }

    #[test]
    fn damage_before_a_valid_batch_is_reported_and_nothing_is_changed() {
        let (dir, bytes, ends) = written_by_fjall();
        for at in [ends[0] + 40, ends[1] + 4, ends[1] + 3000] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let error = keys_after_opening(dir.path(), &damaged);
            assert!(matches!(error, Err(OpenError::JournalDamaged { .. })), "{at}: {error:?}");
            assert_eq!(fs::read(journals(dir.path()).unwrap().pop().unwrap()).unwrap(), damaged);
        }
    }

    /// No checksum covers it, and fjall passes over batches whose number it takes for persisted.
    #[test]
    fn a_sequence_number_that_breaks_the_order_is_reported() {
        let (dir, bytes, ends) = written_by_fjall();
        for (start, bit) in [(ends[1], 0), (ends[1], 40), (ends[2], 0), (ends[0], 62)] {
            let mut damaged = bytes.clone();
            let number: [u8; 8] = damaged[start + 5..start + START_BYTES].try_into().unwrap();
            let changed = if bit == 0 { 0 } else { u64::from_le_bytes(number) ^ 1 << bit };
            damaged[start + 5..start + START_BYTES].copy_from_slice(&changed.to_le_bytes());
            let error = keys_after_opening(dir.path(), &damaged);
            assert!(matches!(error, Err(OpenError::JournalDamaged { .. })), "batch at {start}: {error:?}");
        }
        // The order of whole journals.
        fs::write(dir.path().join("0.jnl"), &bytes[ends[1]..ends[2]]).unwrap();
        fs::write(dir.path().join("1.jnl"), &bytes[..ends[1]]).unwrap();
        assert!(matches!(make_durable(dir.path()), Err(OpenError::JournalDamaged { .. })));
    }

    /// Its lengths then lead to the end of the batch behind it, and both would go as one torn batch.
    #[test]
    fn a_length_that_swallows_the_next_batch_is_reported() {
        let (dir, bytes, ends) = written_by_fjall();
        let next = Valid::of(&bytes).sequences.unwrap().1 + 1;
        let whole = |sequence, value: usize| {
            let items = [item(value), vec![7; value]].concat();
            [start(1, sequence), items.clone(), end(&items)].concat()
        };
        for (at, value) in [(START_BYTES + 17, 16), (START_BYTES + 11, 16)] {
            let (mut first, second) = (whole(next, 10), whole(next + 1, value));
            assert_eq!(second.len(), 64);
            first[at] ^= 64;
            let error = keys_after_opening(dir.path(), &[&bytes[..ends[3]], &first, &second].concat());
            assert!(matches!(error, Err(OpenError::JournalDamaged { .. })), "{at}: {error:?}");
        }
    }

    /// A batch's start.
    fn start(items: u32, sequence: u64) -> Vec<u8> {
        [&[START][..], &items.to_le_bytes(), &sequence.to_le_bytes()].concat()
    }

    fn end(items: &[u8]) -> Vec<u8> {
        [&[END][..], &xxhash_rust::xxh3::xxh3_64(items).to_le_bytes(), MAGIC].concat()
    }

    /// An item of the first keyspace without its value.
    fn item(value: usize) -> Vec<u8> {
        let len = u32::try_from(value).unwrap().to_le_bytes();
        [&[ITEM, 0, 0][..], &1u64.to_le_bytes(), &1u16.to_le_bytes(), &len, &len, b"k"].concat()
    }

    /// A batch of one item.
    fn whole_batch(sequence: u64, value: usize) -> Vec<u8> {
        let items = [item(value), vec![7; value]].concat();
        [start(1, sequence), items.clone(), end(&items)].concat()
    }

    /// Whatever sectors of the last batch did not reach the disk, it is dropped: also where little of it was in them.
    #[test]
    fn a_last_batch_of_which_any_sectors_are_lost_is_dropped() {
        let lengths = |value: Vec<u8>| [item(value.len()), value].concat();
        let zeros = [lengths(vec![0; 1200]), lengths(vec![7; 300])].concat();
        let many = lengths(Vec::new()).repeat(256);
        let everywhere = (SECTOR_BYTES..2 * SECTOR_BYTES).collect();
        for (items, body, begins) in [(2, zeros, everywhere), (256, many, vec![SECTOR_BYTES - 3, SECTOR_BYTES - 2, SECTOR_BYTES - 1])] {
            let last = [start(items, 2), body.clone(), end(&body)].concat();
            for begin in begins {
                let first = whole_batch(1, begin - whole_batch(1, 0).len());
                let sectors: Vec<usize> = (begin / SECTOR_BYTES..(begin + last.len()).div_ceil(SECTOR_BYTES)).collect();
                for lost in
                    sectors.iter().zip(sectors.iter().chain(&sectors).skip(1)).flat_map(|(one, other)| [[*one, *one], [*one, *other]])
                {
                    let mut journal = [&first[..], &last[..]].concat();
                    for sector in lost {
                        let bytes = (sector * SECTOR_BYTES).max(begin)..((sector + 1) * SECTOR_BYTES).min(journal.len());
                        journal[bytes].fill(0);
                    }
                    let found = End::of(&journal).map(|end| end.valid).map_err(|damage| damage.at);
                    let nothing_was_lost = journal[begin..] == last;
                    let expected = if nothing_was_lost { journal.len() } else { begin };
                    assert_eq!(found, Ok(expected), "{items} items at {begin}, without sectors {lost:?}");
                }
            }
        }
    }

    #[test]
    fn a_journal_before_a_gap_was_evicted() {
        let dir = tempfile::tempdir().unwrap();
        for (there, used) in [(&[0, 1, 2][..], &[0, 1, 2][..]), (&[0, 2, 3], &[2, 3]), (&[0, 1, 3, 7], &[7]), (&[5], &[5]), (&[], &[])] {
            let _ = fs::remove_dir_all(dir.path());
            fs::create_dir(dir.path()).unwrap();
            there.iter().for_each(|n| fs::write(dir.path().join(format!("{n}.jnl")), "").unwrap());
            let expected: Vec<_> = used.iter().map(|n| dir.path().join(format!("{n}.jnl"))).collect();
            assert_eq!(journals_in_use(dir.path()).unwrap(), expected);
        }
    }

    #[test]
    fn bytes_in_a_torn_batch_that_look_like_a_batch_do_not_keep_it() {
        let (dir, bytes, ends) = written_by_fjall();
        let whole = &bytes[..ends[3]];
        let next = Valid::of(whole).sequences.unwrap().1 + 1;
        let imitation = [start(1, next), item(3), b"abc".to_vec(), end(&[item(3), b"abc".to_vec()].concat())].concat();
        assert!(batch(&imitation).is_some());
        let lost_sector = [item(600), vec![0; 600]].concat();
        let torn_body = [start(2, next), item(imitation.len()), imitation.clone(), lost_sector, end(b"other bytes")].concat();
        let empty = [start(1, next), item(9999), start(0, next), end(b"")].concat();
        for torn in [torn_body, empty] {
            assert_eq!(keys_after_opening(dir.path(), &[whole, &torn].concat()).unwrap(), 3);
        }
        // Its own lengths are lost: it cannot be told from a batch that was acknowledged.
        let damaged = [start(1, next), vec![0; 40], imitation].concat();
        let error = keys_after_opening(dir.path(), &[whole, &damaged].concat());
        assert!(matches!(error, Err(OpenError::JournalDamaged { .. })), "{error:?}");
    }

    /// Each of many starts leads over all items behind it to the same end.
    #[test]
    fn a_torn_batch_made_to_be_searched_for_long_ends_the_search() {
        let (dir, bytes, ends) = written_by_fjall();
        let whole = &bytes[..ends[3]];
        let next = Valid::of(whole).sequences.unwrap().1 + 1;
        let chains: Vec<u8> = (1..=50_000).rev().flat_map(|left| [start(left, next), item(START_BYTES)].concat()).collect();
        let torn = [start(9, next), vec![0; 40], chains, vec![0; START_BYTES], end(b"other bytes")].concat();
        let error = keys_after_opening(dir.path(), &[whole, &torn].concat());
        assert!(matches!(error, Err(OpenError::JournalDamaged { .. })), "{error:?}");
    }

    #[test]
    fn damage_in_a_sealed_journal_is_reported() {
        let (dir, bytes, ends) = written_by_fjall();
        let (first, second) = (dir.path().join("0.jnl"), dir.path().join("1.jnl"));
        let sealed = &bytes[..ends[2]];
        for (lost, active, damaged) in [
            (0..0, &bytes[ends[2]..], false),
            (ends[1] + 100..ends[1] + 101, &bytes[ends[2]..], true),
            (ends[0] + 100..ends[0] + 101, &b""[..], true),
            // A write failed, the journal was sealed in that state, and nothing came after it.
            (ends[1] + 100..ends[1] + 2000, &[0; 4096][..], false),
            (ends[1] + 100..ends[1] + 101, &[0; 4096][..], true),
        ] {
            let mut sealed = sealed.to_vec();
            sealed[lost.clone()].fill(if lost.len() == 1 { 0x80 } else { 0 });
            fs::write(&first, &sealed).unwrap();
            fs::write(&second, active).unwrap();
            let result = make_durable(dir.path());
            let refused = matches!(result, Err(OpenError::JournalDamaged { .. } | OpenError::LastBatchDamaged { .. }));
            assert_eq!(refused, damaged, "{lost:?}: {result:?}");
            let kept = fs::read(&first).unwrap();
            assert_eq!(kept.len(), if !lost.is_empty() && !damaged { ends[1] } else { sealed.len() }, "{lost:?}");
        }
    }

    #[test]
    fn a_flipped_bit_of_the_last_batch_is_not_taken_for_a_torn_end() {
        let (dir, bytes, ends) = written_by_fjall();
        for at in (ends[2]..ends[2] + 80).chain(ends[3] - 80..ends[3]).chain([ends[2] + 2000]) {
            for bit in 0..8 {
                let mut damaged = bytes[..ends[3]].to_vec();
                damaged[at] ^= 1 << bit;
                let sequence = START_BYTES - 8..START_BYTES;
                let kept = keys_after_opening(dir.path(), &damaged);
                // A sequence number that stays above the others means the same.
                let harmless = sequence.contains(&(at - ends[2])) && matches!(kept, Ok(3));
                let refused = matches!(kept, Err(OpenError::JournalDamaged { .. } | OpenError::LastBatchDamaged { .. }));
                assert!(refused || harmless, "byte {}, bit {bit}: {kept:?}", at - ends[2]);
                if refused {
                    assert_eq!(fs::read(journals(dir.path()).unwrap().pop().unwrap()).unwrap(), damaged, "it was changed");
                }
            }
        }
    }
}
