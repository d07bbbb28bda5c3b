//! The checksums of fjall's lists of tables, before fjall reads the lists.
//!
//! `current` names the newest list of a keyspace, `v<n>`, with a checksum that fjall writes and does not verify. It believes the
//! list: tables and value files that it does not name are deleted, and some damage there ends the process. So a list that is
//! damaged is refused here, while everything is still in place.
//!
//! Format (lsm-tree 3.1, little-endian): `current` is u64 n | u128 XXH3 of the whole of `v<n>` | u8 type of the checksum (0).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::OpenError;

const CURRENT_BYTES: usize = 8 + 16 + 1;

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
            // A keyspace that was not finished. It holds nothing.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
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
    if is_whole && bytes[24] == 0 { Ok(()) } else { Err(damaged(&path)) }
}
