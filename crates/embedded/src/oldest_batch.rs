//! The oldest batch of the journals, compared with the records after they were replayed.
//!
//! A batch's sequence number is not part of its checksum, and fjall skips a batch whose number it takes for flushed. `journal.rs`
//! sees a wrong number by those around it, but none comes before the oldest. What the journals say last of a key is what the
//! records hold, whether it was flushed or replayed; so for the keys of the oldest batch that is verified.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use fjall::Keyspace;

use crate::{
    OpenError,
    journal::{Item, batches, journals_in_use},
    records::caught,
};

/// What the records must hold: a value, or nothing.
pub(crate) struct OldestBatch {
    journal: PathBuf,
    last: HashMap<(u64, Vec<u8>), Option<Vec<u8>>>,
}

impl OldestBatch {
    /// Reads journals that end where they should.
    pub(crate) fn read(records: &Path) -> io::Result<Self> {
        let mut oldest = Self { journal: PathBuf::new(), last: HashMap::new() };
        for path in journals_in_use(records)? {
            let bytes = fs::read(&path)?;
            for items in batches(&bytes) {
                let is_first = oldest.last.is_empty();
                if is_first {
                    oldest.journal.clone_from(&path);
                }
                items.into_iter().for_each(|item| oldest.note(&item, is_first));
            }
        }
        Ok(oldest)
    }

    fn note(&mut self, item: &Item<'_>, is_first: bool) {
        let key = (item.keyspace, item.key.to_vec());
        if is_first || self.last.contains_key(&key) {
            self.last.insert(key, item.value.map(<[u8]>::to_vec));
        }
    }

    /// Compares it with the records. Keyspaces that are not ours are passed over.
    pub(crate) fn verify<'a>(&self, keyspaces: impl Iterator<Item = &'a Keyspace>) -> Result<(), OpenError> {
        let keyspaces: HashMap<u64, &Keyspace> = keyspaces.map(|keyspace| (keyspace.id(), keyspace)).collect();
        for ((keyspace, key), value) in &self.last {
            let Some(keyspace) = keyspaces.get(keyspace) else { continue };
            // What cannot be read is not hidden by a wrong number: whoever reads it is told.
            if caught(|| keyspace.get(key)).is_ok_and(|found| found.as_deref() != value.as_deref()) {
                return Err(OpenError::Damaged { path: self.journal.clone() });
            }
        }
        Ok(())
    }
}
