//! One flipped bit anywhere in a data folder: the folder is refused, or the read is an error, or it made no difference. Never wrong
//! bytes, never a record that is silently gone. And the offline check finds it.
//!
//! The folder has what a used one has: tables and value files that were flushed, a sealed journal and an active one, extents. Each
//! flip is made in a copy of it. HOLDFAST_TEST_FLIPS is the number of flips at random places beside the fixed ones (default 40; the
//! long run has thousands), HOLDFAST_TEST_SEED repeats a run's choices. With HOLDFAST_PROOF_DIR the table is written there.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt as _;
use holdfast_embedded::{EmbeddedStore, Offline, OpenError, Options};
use holdfast_model::ByteSpan;
use holdfast_store::{
    BlobId, Blobs as _, Commit, Family, KeyRange, Metadata as _, RecordKey, Records, Step, StoreError, Write, scan, transact,
};

const BLOB_BYTES: [usize; 6] = [0, 10, 65_536, 65_537, 200_000, 400_000];
/// Offsets of a file that are taken evenly, beside those of its structure.
const EVEN: u64 = 5;
const RANDOM_FLIPS: u64 = 40;

/// Bytes that follow from a seed and do not compress.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8 | 1
    };
    (0..len).map(|_| next()).collect()
}

/// A folder and what it holds.
struct Sound {
    folder: tempfile::TempDir,
    /// `None` for what was removed.
    records: BTreeMap<(usize, Bytes), Option<Bytes>>,
    blobs: Vec<(BlobId, Bytes)>,
}

impl Sound {
    async fn make() -> Self {
        let mut sound = Self { folder: scratch(), records: BTreeMap::new(), blobs: Vec::new() };
        let store = sound.open();
        for (seed, len) in BLOB_BYTES.into_iter().enumerate() {
            sound.put_blob(&store, noise(seed as u64 + 900, len).into()).await;
        }
        for n in 0..48 {
            sound.write(&store, n).await;
        }
        store.close().await;
        // In journals of their own, the batches are flushed when the folder is opened.
        sound.split_journal(4);
        let store = sound.open();
        for n in 48..64 {
            sound.write(&store, n).await;
        }
        store.close().await;
        sound.split_journal(2);
        sound
    }

    fn open(&self) -> EmbeddedStore {
        EmbeddedStore::open(self.folder.path(), Options::default()).expect("a sound folder opens")
    }

    /// One batch: objects that are new, overwritten and removed, a body or a manifest, and a record of some other family.
    async fn write(&mut self, store: &EmbeddedStore, n: u64) {
        let key = |family, text: String| RecordKey::new(family, text);
        let small = |at: u64| noise(n * 10 + at, 40 + (n % 7) as usize * 50);
        let body = noise(n + 5000, [300, 2000, 9000, 40_000][n as usize % 4]);
        let other = [Family::Garbage, Family::Share, Family::Replay, Family::Upload, Family::Part, Family::Bucket][n as usize % 6];
        let writes = vec![
            Write::put(key(Family::Object, format!("object/{n:03}")), small(0)),
            Write::put(key(Family::Object, format!("hot/{}", n % 5)), small(1)),
            Write::remove(key(Family::Object, format!("object/{:03}", (n / 2) * 2 % 40))),
            Write::put(key(if n.is_multiple_of(3) { Family::Manifest } else { Family::Body }, format!("body/{n:03}")), body),
            Write::put(key(other, format!("other/{n:03}")), small(2)),
        ];
        self.commit(store, writes).await;
    }

    async fn put_blob(&mut self, store: &EmbeddedStore, bytes: Bytes) {
        let mut writer = store.stage().await.expect("a writer");
        writer.append(bytes.clone()).await.expect("bytes are taken");
        let sealed = writer.seal().await.expect("a seal");
        let write = Write::put(RecordKey::new(Family::Blob, sealed.id.to_bytes().to_vec()), noise(bytes.len() as u64, 9));
        self.commit(store, vec![write]).await;
        store.named(sealed);
        self.blobs.push((sealed.id, bytes));
    }

    async fn commit(&mut self, store: &EmbeddedStore, writes: Vec<Write>) {
        for write in &writes {
            self.records.insert((write.key.family as usize, write.key.bytes.clone()), write.value.clone());
        }
        let written = transact(store, Vec::new(), move |_: &Records<'_>| Commit::<(), ()>::Write(writes.clone(), ()));
        written.await.expect("an answer").expect("no refusal");
    }

    /// The journal's batches in `parts` files: all but the last are sealed.
    fn split_journal(&self, parts: usize) {
        let records = self.folder.path().join("records");
        let journals: Vec<PathBuf> = files(&records).into_iter().filter(|p| p.extension().is_some_and(|e| e == "jnl")).collect();
        let [journal] = &journals[..] else { panic!("one journal: {journals:?}") };
        let number: usize = journal.file_stem().and_then(|n| n.to_str()).expect("a name").parse().expect("a number");
        let bytes = fs::read(journal).expect("a journal");
        let ends: Vec<usize> = batches(&bytes).into_iter().map(|b| b.end).collect();
        let mut from = 0;
        for part in 0..parts {
            let to = ends[ends.len() * (part + 1) / parts - 1];
            fs::write(records.join(format!("{}.jnl", number + part)), &bytes[from..to]).expect("a journal");
            from = to;
        }
    }

    /// A copy whose `damaged` file may be written to. Files that nothing writes to are shared.
    fn copy(&self, damaged: &Path) -> tempfile::TempDir {
        let to = scratch();
        folders(&self.folder.path().join("records"), &to.path().join("records"));
        for file in files(self.folder.path()) {
            let name = file.strip_prefix(self.folder.path()).expect("a file of the folder");
            let target = to.path().join(name);
            fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
            if name.starts_with("extents") && file != damaged {
                fs::hard_link(&file, &target).expect("a link");
            } else {
                fs::copy(&file, &target).expect("a copy");
            }
        }
        to
    }
}

fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder")
}

/// Makes the same folders, without their files but fjall's lock.
fn folders(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let path = to.join(entry.file_name());
        if entry.path().is_dir() {
            folders(&entry.path(), &path);
        } else if entry.file_name() == "lock" {
            fs::write(&path, "").expect("a file");
        }
    }
}

/// The files below a folder that hold something, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else if entry.metadata().expect("a file").len() > 0 {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// The batches of a journal: where their structure and their items lie.
struct BatchAt {
    structure: Vec<usize>,
    end: usize,
}

fn batches(journal: &[u8]) -> Vec<BatchAt> {
    let u32_at = |at: usize| u32::from_le_bytes(journal[at..at + 4].try_into().expect("four bytes")) as usize;
    let (mut found, mut at) = (Vec::new(), 0);
    while journal.get(at) == Some(&1) {
        let items = u32_at(at + 1);
        let mut structure: Vec<usize> = (at..at + 13).collect();
        at += 13;
        for _ in 0..items {
            let key = usize::from(u16::from_le_bytes([journal[at + 11], journal[at + 12]]));
            structure.extend(at..at + 21 + key);
            at += 21 + key + u32_at(at + 17);
        }
        structure.extend(at..at + 13);
        at += 13;
        found.push(BatchAt { structure, end: at });
    }
    found
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Extent,
    Table,
    ValueFile,
    TableList,
    Journal,
    Marker,
    /// What opening removes, and what is not read.
    Unused,
}

impl Kind {
    fn of(folder: &Path, name: &Path) -> Self {
        let is_superseded = is_superseded(&folder.join(name));
        let name = name.to_str().expect("a name");
        match name {
            "LOCK" => Self::Unused,
            _ if is_superseded => Self::Unused,
            _ if name.starts_with("extents/") => Self::Extent,
            _ if name.contains("/tables/") => Self::Table,
            _ if name.contains("/blobs/") => Self::ValueFile,
            _ if name.starts_with("records/keyspaces/") => Self::TableList,
            _ if name.contains(".jnl") => Self::Journal,
            _ => Self::Marker,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Extent => "extent",
            Self::Table => "table of records",
            Self::ValueFile => "value file",
            Self::TableList => "list of tables (`current`, `v<n>`)",
            Self::Journal => "journal",
            Self::Marker => "`FORMAT`, fjall's `version`",
            Self::Unused => "`LOCK`, superseded lists",
        }
    }

    /// The bytes that have a meaning of their own.
    fn structure(self, bytes: &[u8]) -> Vec<usize> {
        let len = bytes.len();
        match self {
            Self::Extent => {
                let data = len - 48 - (len - 48).div_ceil(65_540) * 4;
                [0, data.saturating_sub(1), data, len.saturating_sub(49)].into_iter().chain(len - 48..len).filter(|at| *at < len).collect()
            }
            // The sections' list and the trailer are at the end.
            Self::Table => (0..34).chain(len.saturating_sub(160)..len).step_by(7).collect(),
            Self::ValueFile => (0..38).chain(len.saturating_sub(120)..len).step_by(3).collect(),
            Self::TableList | Self::Marker => (0..len).step_by(len.div_ceil(12)).collect(),
            Self::Unused => Vec::new(),
            Self::Journal => {
                let batches = batches(bytes);
                let [first, .., last] = &batches[..] else { panic!("batches") };
                let middle = &batches[batches.len() / 2];
                first.structure.iter().chain(&middle.structure).step_by(5).chain(&last.structure).copied().collect()
            }
        }
    }
}

/// Whether this is a list of tables and `current` names a newer one.
fn is_superseded(path: &Path) -> bool {
    let number = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix('v')).and_then(|n| n.parse::<u64>().ok());
    number.is_some_and(|n| fs::read(path.with_file_name("current")).is_ok_and(|current| current[..8] != n.to_le_bytes()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Refused,
    ReadError,
    Check,
    Harmless,
}

/// What became of one flip; `Err` says what must not be.
async fn flip(sound: &Sound, name: &Path, at: usize, bit: u8) -> Result<Outcome, String> {
    let damaged = sound.folder.path().join(name);
    let make = || {
        let copy = sound.copy(&damaged);
        let path = copy.path().join(name);
        let mut bytes = fs::read(&path).expect("a file");
        bytes[at] ^= 1 << bit;
        fs::write(&path, bytes).expect("a write");
        copy
    };
    let served = serve(sound, make().path()).await?;
    let checked = check(make().path())?;
    match (served, checked) {
        (None, None) => Ok(Outcome::Refused),
        // Only who serves needs the record of the stamps.
        (None, Some(found)) if found > 0 => Ok(Outcome::Refused),
        (None, Some(_)) | (Some(_), None) => Err("serving and checking do not agree".into()),
        (Some(0), Some(0)) => Ok(Outcome::Harmless),
        (Some(0), Some(_)) => Ok(Outcome::Check),
        (Some(_), Some(0)) => Err("reads fail and the check finds nothing".into()),
        (Some(_), Some(_)) => Ok(Outcome::ReadError),
    }
}

fn opened<T>(open: impl FnOnce() -> Result<T, OpenError>) -> Result<Option<T>, String> {
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(opened)) => Ok(Some(opened)),
        Ok(Err(OpenError::InUse { .. } | OpenError::Full(_))) => Err("it is refused for a reason that is none".into()),
        Ok(Err(error)) => {
            if std::env::var_os("HOLDFAST_TEST_SHOW").is_some() {
                eprintln!("refused: {error}");
            }
            Ok(None)
        }
        Err(_) => Err("opening panicked".into()),
    }
}

/// Opens and reads everything. The number of reads that failed; `None` if it is refused.
async fn serve(sound: &Sound, folder: &Path) -> Result<Option<usize>, String> {
    let Some(store) = opened(|| EmbeddedStore::open(folder, Options::default()))? else { return Ok(None) };
    let mut errors = Vec::new();
    for ((family, key), value) in &sound.records {
        let family = Family::ALL[*family - 1];
        let (key, reader) = (RecordKey::new(family, key.clone()), store.clone());
        let place = format!("{}/{}", family.name(), key.bytes.escape_ascii());
        match tokio::spawn(async move { reader.get(&key).await }).await {
            Ok(Ok(found)) if found == *value => {}
            Ok(Ok(None)) => return Err(format!("{place} is gone")),
            Ok(Ok(Some(_))) => return Err(format!("{place} has another value")),
            Ok(Err(error)) => errors.push(error),
            Err(_) => return Err(format!("reading {place} panicked")),
        }
    }
    for family in Family::ALL {
        errors.extend(list(sound, &store, family).await?);
    }
    for (id, bytes) in &sound.blobs {
        errors.extend(read_blob(&store, *id, bytes).await?);
    }
    if errors.iter().any(|error| matches!(error, StoreError::Corrupt(_))) && store.stats().corrupt_reads.get() == 0 {
        return Err(format!("no metric counts it: {}", errors[0]));
    }
    store.close().await;
    Ok(Some(errors.len()))
}

async fn list(sound: &Sound, store: &EmbeddedStore, family: Family) -> Result<Option<StoreError>, String> {
    let reader = store.clone();
    let listed = tokio::spawn(async move {
        scan(&reader, KeyRange::of_prefix(family, b""), Vec::new(), |found: &mut Vec<(Bytes, Bytes)>, key, value| {
            found.push((key.clone(), value.clone()));
            Step::Next
        })
        .await
    });
    let found = match listed.await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Ok(Some(error)),
        Err(_) => return Err(format!("listing {} panicked", family.name())),
    };
    let of_family = sound.records.iter().filter(|((f, _), _)| *f == family as usize);
    let expect: Vec<(Bytes, Bytes)> = of_family.filter_map(|((_, key), value)| Some((key.clone(), value.clone()?))).collect();
    if found == expect { Ok(None) } else { Err(format!("{} lists other records", family.name())) }
}

async fn read_blob(store: &EmbeddedStore, id: BlobId, bytes: &Bytes) -> Result<Option<StoreError>, String> {
    let mut stream = match store.read(id, ByteSpan { start: 0, end: bytes.len() as u64 }).await {
        Ok(stream) => stream,
        Err(StoreError::NoSuchBlob) => return Err(format!("blob {id} is gone")),
        Err(error) => return Ok(Some(error)),
    };
    let mut at = 0;
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) if bytes[at..].starts_with(&piece) => at += piece.len(),
            Ok(_) => return Err(format!("blob {id} has other bytes at {at}")),
            Err(error) => return Ok(Some(error)),
        }
    }
    if at == bytes.len() { Ok(None) } else { Err(format!("blob {id} ends well at {at}")) }
}

/// What the offline check finds; `None` if it is refused.
fn check(folder: &Path) -> Result<Option<usize>, String> {
    let Some(offline) = opened(|| Offline::open(folder))? else { return Ok(None) };
    let look = || {
        let blobs = offline.check_blobs().map_or(1, |checked| checked.faults.len());
        let files = offline.check_files().map_or(1, |checked| checked.damaged.len());
        blobs + files + Family::ALL.iter().filter(|family| offline.for_each_record(**family, |_, _| true).is_err()).count()
    };
    catch_unwind(AssertUnwindSafe(look)).map(Some).map_err(|_| "the check panicked".into())
}

/// Where the flips are made: all of the structure, evenly over each file, and some at random.
fn places(sound: &Sound, random: u64, seed: u64) -> Vec<(PathBuf, usize, u8)> {
    let mut places = Vec::new();
    let mut sizes = Vec::new();
    for file in files(sound.folder.path()) {
        let name = file.strip_prefix(sound.folder.path()).expect("a file of the folder").to_owned();
        let bytes = fs::read(&file).expect("a file");
        let len = bytes.len() as u64;
        let even = (0..EVEN.min(len)).map(|n| (len * (2 * n + 1) / (2 * EVEN.min(len))) as usize);
        for at in Kind::of(sound.folder.path(), &name).structure(&bytes).into_iter().chain(even) {
            places.push((name.clone(), at, (at % 8) as u8));
        }
        sizes.push((name, len));
    }
    let draws = noise(seed, random as usize * 16);
    for draw in draws.chunks_exact(16) {
        let number = |at: usize| u64::from_le_bytes(draw[at..at + 8].try_into().expect("eight bytes")) >> 1;
        let (name, len) = &sizes[number(0) as usize % sizes.len()];
        places.push((name.clone(), (number(8) / 8 % len) as usize, (number(8) % 8) as u8));
    }
    places
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_refused_or_an_error_or_harmless_and_never_other_data() {
    let seed = number("HOLDFAST_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let sound = Sound::make().await;
    let untouched = sound.copy(Path::new("none"));
    assert_eq!(serve(&sound, untouched.path()).await, Ok(Some(0)));
    assert_eq!(check(untouched.path()), Ok(Some(0)));
    let (mut outcomes, mut violations) = (BTreeMap::new(), Vec::new());
    for (name, at, bit) in places(&sound, number("HOLDFAST_TEST_FLIPS").unwrap_or(RANDOM_FLIPS), seed) {
        let kind = Kind::of(sound.folder.path(), &name);
        let place = format!("{} byte {at} bit {bit}", name.display());
        match tokio::time::timeout(Duration::from_mins(1), flip(&sound, &name, at, bit)).await {
            Ok(Ok(Outcome::Harmless)) if !may_be_harmless(&sound, kind, &name, at) => violations.push(format!("{place}: nobody finds it")),
            Ok(Ok(outcome)) => {
                *outcomes.entry(kind).or_insert_with(BTreeMap::<Outcome, usize>::new).entry(outcome).or_default() += 1;
            }
            Ok(Err(what)) => violations.push(format!("{place}: {what}")),
            Err(_) => violations.push(format!("{place}: it hangs")),
        }
    }
    let table = table(&outcomes);
    println!("seed {seed}\n{table}");
    if let Some(folder) = std::env::var_os("HOLDFAST_PROOF_DIR") {
        fs::write(Path::new(&folder).join("bit-flips.md"), &table).expect("the proof is written");
    }
    assert!(violations.is_empty(), "seed {seed}: {} of the flips:\n{}", violations.len(), violations.join("\n"));
}

/// Two things make no difference: what is not read, and a sequence number of the journal that is still above those before it and below
/// those after it.
fn may_be_harmless(sound: &Sound, kind: Kind, name: &Path, at: usize) -> bool {
    let journal = || fs::read(sound.folder.path().join(name)).expect("a journal");
    kind == Kind::Unused || kind == Kind::Journal && batches(&journal()).iter().any(|b| b.structure[5..13].contains(&at))
}

fn table(outcomes: &BTreeMap<Kind, BTreeMap<Outcome, usize>>) -> String {
    let mut text = String::from(
        "| one bit flipped in | flips | refused to open | reads are errors, check finds it | check finds it, reads do not need it | no difference |\n|---|---|---|---|---|---|\n",
    );
    for (kind, counts) in outcomes {
        let count = |outcome| counts.get(&outcome).copied().unwrap_or(0);
        let all: usize = counts.values().sum();
        let [refused, error, check, harmless] = [Outcome::Refused, Outcome::ReadError, Outcome::Check, Outcome::Harmless].map(count);
        let _ = writeln!(text, "| {} | {all} | {refused} | {error} | {check} | {harmless} |", kind.name());
    }
    text
}
