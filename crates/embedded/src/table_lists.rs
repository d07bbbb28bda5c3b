//! The checksums of fjall's lists of tables, and of the contents of the tables, before fjall reads them.
//!
//! `current` names the newest list of a keyspace, `v<n>`, with a checksum that fjall writes and does not verify. It believes the
//! list: tables and value files that it does not name are deleted, and some damage there ends the process. So a list that is
//! damaged is refused here, while everything is still in place.
//!
//! Lists, tables and value files are archives. fjall reserves memory for as many sections as an archive says before it looks
//! whether that number is damaged, and a process that cannot have the memory ends. So the contents are verified too.
//!
//! Formats (lsm-tree 3.1 and sfa 1.0, little-endian): `current` is u64 n | u128 XXH3 of the whole of `v<n>` | u8 type of the
//! checksum (0). An archive ends with its contents, "TOC!" | u32 sections | sections, each u64 place | u64 length | u16 length of its
//! name | name; and then "SFA!" | u8 1 | u8 0 | u128 XXH3 of the contents | u64 place of the contents | u64 unused. In a list, the section
//! "tables" is u8 levels | levels: u8 runs | runs: u32 tables | tables: u64 number, 25 bytes; "blob_files" is u32 files | files: u64
//! number, 17 bytes.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use crate::OpenError;

const CURRENT_BYTES: usize = 8 + 16 + 1;
const TRAILER_BYTES: usize = 4 + 1 + 1 + 16 + 8 + 8;
/// Archives have about ten sections with short names.
const CONTENTS_BYTES_MAX: u64 = 64 * 1024;
/// What a list says of a table and of a value file after its number.
const TABLE_REST_BYTES: usize = 1 + 16 + 8;
const VALUE_FILE_REST_BYTES: usize = 1 + 16;

/// Refuses records of which a list of tables is damaged.
pub(crate) fn verify(records: &Path) -> Result<(), OpenError> {
    let keyspaces = records.join("keyspaces");
    if !keyspaces.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(&keyspaces).map_err(|e| OpenError::io(&keyspaces, e))? {
        let keyspace = entry.map_err(|e| OpenError::io(&keyspaces, e))?.path();
        let current = keyspace.join("current");
        match fs::read(&current) {
            Ok(bytes) => verify_list(&keyspace, &current, &bytes)?,
            // A keyspace that was not finished, or somebody's stray file. They hold nothing.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(e) => return Err(OpenError::io(&current, e)),
        }
    }
    Ok(())
}

/// The tables of fjall's own keyspace that are not as they were written. Opened, it is not written to.
pub(crate) fn damaged_tables_of_fjall(records: &Path) -> io::Result<Vec<PathBuf>> {
    let keyspace = records.join("keyspaces/0");
    let mut number = [0; 8];
    number.copy_from_slice(&fs::read(keyspace.join("current"))?[..8]);
    let list = fs::read(keyspace.join(format!("v{}", u64::from_le_bytes(number))))?;
    let mut damaged = Vec::new();
    for entry in fs::read_dir(keyspace.join("tables"))? {
        let path = entry?.path();
        // The list has the checksum of each of its tables.
        let checksum = xxhash_rust::xxh3::xxh3_128(&fs::read(&path)?).to_le_bytes();
        if !list.windows(checksum.len()).any(|bytes| bytes == checksum) {
            damaged.push(path);
        }
    }
    Ok(damaged)
}

fn verify_list(keyspace: &Path, current: &Path, bytes: &[u8]) -> Result<(), OpenError> {
    let damaged = |path: &Path| OpenError::Damaged { path: path.to_owned() };
    let bytes: &[u8; CURRENT_BYTES] = bytes.try_into().map_err(|_| damaged(current))?;
    let (mut number, mut checksum) = ([0; 8], [0; 16]);
    number.copy_from_slice(&bytes[..8]);
    checksum.copy_from_slice(&bytes[8..24]);
    let path = keyspace.join(format!("v{}", u64::from_le_bytes(number)));
    let list = match fs::read(&path) {
        Ok(list) => list,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(damaged(current)),
        Err(e) => return Err(OpenError::io(&path, e)),
    };
    let is_whole = xxhash_rust::xxh3::xxh3_128(&list) == u128::from_le_bytes(checksum);
    if !is_whole || bytes[24] != 0 {
        return Err(damaged(&path));
    }
    for file in listed(keyspace, &list) {
        let is_sound = has_sound_contents(&file).map_err(|e| OpenError::io(&file, e))?;
        if !is_sound {
            return Err(damaged(&file));
        }
    }
    Ok(())
}

/// The tables and value files that a list names.
fn listed(keyspace: &Path, list: &[u8]) -> Vec<PathBuf> {
    let in_folder = |folder: &str, numbers: Option<Vec<u64>>| {
        let folder = keyspace.join(folder);
        numbers.unwrap_or_default().into_iter().map(move |number| folder.join(number.to_string())).collect::<Vec<_>>()
    };
    let tables = section(list, b"tables").and_then(|mut section| tables_of(&mut section));
    let values = section(list, b"blob_files").and_then(|mut section| value_files_of(&mut section));
    [in_folder("tables", tables), in_folder("blobs", values)].concat()
}

fn tables_of(section: &mut &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    let [levels] = take(section)?;
    for _ in 0..levels {
        let [runs] = take(section)?;
        for _ in 0..runs {
            for _ in 0..u32::from_le_bytes(take(section)?) {
                numbers.push(u64::from_le_bytes(take(section)?));
                take::<TABLE_REST_BYTES>(section)?;
            }
        }
    }
    Some(numbers)
}

fn value_files_of(section: &mut &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    for _ in 0..u32::from_le_bytes(take(section)?) {
        numbers.push(u64::from_le_bytes(take(section)?));
        take::<VALUE_FILE_REST_BYTES>(section)?;
    }
    Some(numbers)
}

/// A section of an archive that is known to be sound.
fn section<'a>(archive: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let place = contents_place(archive.last_chunk()?)?;
    let mut contents = archive.get(usize::try_from(place).ok()?..)?;
    take::<4>(&mut contents)?;
    for _ in 0..u32::from_le_bytes(take(&mut contents)?) {
        let (place, len) = (u64::from_le_bytes(take(&mut contents)?), u64::from_le_bytes(take(&mut contents)?));
        let found = take_slice(&mut contents)?;
        if found == name {
            return archive.get(usize::try_from(place).ok()?..)?.get(..usize::try_from(len).ok()?);
        }
    }
    None
}

/// Where the contents of an archive begin, by its last bytes.
fn contents_place(trailer: &[u8; TRAILER_BYTES]) -> Option<u64> {
    let place = trailer[22..30].try_into().ok().map(u64::from_le_bytes);
    place.filter(|_| trailer.starts_with(b"SFA!\x01\x00"))
}

/// Whether the contents of an archive have their checksum.
fn has_sound_contents(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    let Some(end) = file.metadata()?.len().checked_sub(TRAILER_BYTES as u64) else { return Ok(false) };
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact_at(&mut trailer, end)?;
    let Some(place) = contents_place(&trailer) else { return Ok(false) };
    let Some(len) = end.checked_sub(place).filter(|len| *len <= CONTENTS_BYTES_MAX) else { return Ok(false) };
    let mut contents = vec![0; len as usize];
    file.read_exact_at(&mut contents, place)?;
    Ok(xxhash_rust::xxh3::xxh3_128(&contents).to_le_bytes() == trailer[6..22])
}

/// A length, and so many bytes.
fn take_slice<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::from(u16::from_le_bytes(take(bytes)?));
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use fjall::{AbstractTree as _, Database, KeyspaceCreateOptions, KvSeparationOptions};

    use super::*;

    /// Records of fjall with two tables and value files in a keyspace, and how many files that makes.
    fn written_by_fjall() -> (tempfile::TempDir, PathBuf, usize) {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::builder(dir.path()).open().unwrap();
        let separated = || KeyspaceCreateOptions::default().with_kv_separation(Some(KvSeparationOptions::default()));
        let keyspace = db.keyspace("k", separated).unwrap();
        for n in 0..2u8 {
            keyspace.insert([n], vec![n; 5000]).unwrap();
            keyspace.rotate_memtable_and_wait().unwrap();
        }
        let version = keyspace.tree.current_version();
        let files = version.iter_tables().count() + version.blob_files.iter().count();
        (dir, keyspace.path().to_owned(), files)
    }

    #[test]
    fn what_fjall_wrote_is_sound_and_every_listed_file_is_looked_at() {
        let (dir, keyspace, files) = written_by_fjall();
        verify(dir.path()).unwrap();
        let current = fs::read(keyspace.join("current")).unwrap();
        let list = fs::read(keyspace.join(format!("v{}", u64::from_le_bytes(current[..8].try_into().unwrap())))).unwrap();
        let listed = listed(&keyspace, &list);
        assert!(listed.len() == files && files >= 4, "{listed:?}");
        for file in &listed {
            let mut bytes = fs::read(file).unwrap();
            let last = bytes.len() - TRAILER_BYTES - 1;
            bytes[last] ^= 1;
            fs::write(file, &bytes).unwrap();
            assert!(matches!(verify(dir.path()), Err(OpenError::Damaged { path }) if path == *file));
            bytes[last] ^= 1;
            fs::write(file, &bytes).unwrap();
        }
        // What a flush that was cut short leaves is not listed.
        fs::write(keyspace.join("tables/77"), "half a table").unwrap();
        verify(dir.path()).unwrap();
    }

    #[test]
    fn any_bit_of_a_list_or_of_its_checksum_is_missed() {
        let (dir, keyspace, _) = written_by_fjall();
        let current = fs::read(keyspace.join("current")).unwrap();
        let list = keyspace.join(format!("v{}", u64::from_le_bytes(current[..8].try_into().unwrap())));
        for file in [keyspace.join("current"), list] {
            let whole = fs::read(&file).unwrap();
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << (at % 8);
                fs::write(&file, damaged).unwrap();
                assert!(matches!(verify(dir.path()), Err(OpenError::Damaged { .. })), "{} byte {at}", file.display());
            }
            fs::write(&file, whole).unwrap();
        }
    }
}
