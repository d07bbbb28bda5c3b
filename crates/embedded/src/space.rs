//! Free space. Nothing is written when little is left, so that a full disk is a refusal and not a failed write.
//!
//! Three floors, so that a full store can be emptied: bodies stop at the reserve, records at half of it, and what only frees
//! space (deletes, and the collector that follows them) at an eighth.

use std::{io, path::PathBuf};

use holdfast_model::limits::MIB;
use holdfast_store::{Family, StoreError, Write};
use rustix::io::Errno;

/// What may still be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    /// Nothing.
    None,
    /// What frees space.
    Removals,
    /// Records without bodies.
    Records,
    /// Everything.
    Bodies,
}

/// The file system that holds the data folder.
#[derive(Debug, Clone)]
pub(crate) struct Space {
    path: PathBuf,
    reserve_bytes: u64,
}

impl Space {
    pub(crate) const fn new(path: PathBuf, reserve_bytes: u64) -> Self {
        Self { path, reserve_bytes }
    }

    /// What may be written now. If it cannot be told, everything: the write itself will tell.
    pub(crate) fn room(&self) -> Room {
        let Ok(free) = self.free_bytes() else { return Room::Bodies };
        if free >= self.reserve_bytes {
            Room::Bodies
        } else if free >= self.reserve_bytes / 2 {
            Room::Records
        } else if free >= self.reserve_bytes / 8 {
            Room::Removals
        } else {
            Room::None
        }
    }

    /// Refuses bytes that would need the reserve.
    pub(crate) fn admit_body(&self) -> Result<(), StoreError> {
        if self.room() == Room::Bodies { Ok(()) } else { Err(self.full()) }
    }

    /// Refuses writes for which there is no room.
    pub(crate) fn admit(&self, room: Room, writes: &[Write]) -> Result<(), StoreError> {
        // The probe stands for the writes of clients: where their bodies are refused, the store is not ready.
        let body = |w: &Write| w.value.is_some() && matches!(w.key.family, Family::Body | Family::Manifest | Family::Probe);
        let needed = if writes.iter().any(body) {
            Room::Bodies
        } else if writes.iter().all(frees) {
            Room::Removals
        } else {
            Room::Records
        };
        if room >= needed || writes.is_empty() { Ok(()) } else { Err(self.full()) }
    }

    pub(crate) fn full(&self) -> StoreError {
        let free = self.free_bytes().unwrap_or(0) / MIB;
        StoreError::Full(format!("{free} MiB are free and {} MiB are kept in reserve", self.reserve_bytes / MIB))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Removals, and what a removal must leave for the collector to go on: garbage, and the owners that a shared content still has.
fn frees(write: &Write) -> bool {
    write.value.is_none() || matches!(write.key.family, Family::Garbage | Family::Share)
}

/// Whether an error says that there is no space left. By its kind too: some libraries wrap what the system said.
pub(crate) fn is_full(error: &io::Error) -> bool {
    let by_number = [Errno::NOSPC, Errno::DQUOT].iter().any(|full| error.raw_os_error() == Some(full.raw_os_error()));
    by_number || matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use holdfast_store::RecordKey;

    use super::*;

    #[test]
    fn bodies_are_refused_before_records_and_reads_never() {
        let space = Space::new("/".into(), u64::MAX);
        let record = Write::put(RecordKey::new(Family::Object, "o"), "v");
        let garbage = Write::put(RecordKey::new(Family::Garbage, "g"), "v");
        let share = Write::put(RecordKey::new(Family::Share, "s"), "v");
        let body = Write::put(RecordKey::new(Family::Body, "b"), "v");
        let probe = Write::put(RecordKey::new(Family::Probe, "p"), "v");
        let gone = Write::remove(RecordKey::new(Family::Body, "b"));
        for (room, writes, admitted) in [
            (Room::Bodies, vec![body.clone(), record.clone()], true),
            (Room::Records, vec![body.clone()], false),
            (Room::Records, vec![probe], false),
            (Room::Records, vec![record.clone(), gone.clone()], true),
            (Room::Removals, vec![record.clone(), gone.clone()], false),
            (Room::Removals, vec![share.clone(), record], false),
            (Room::Removals, vec![body], false),
            (Room::Removals, vec![gone.clone(), garbage.clone()], true),
            (Room::Removals, vec![gone.clone(), share], true),
            (Room::None, vec![garbage], false),
            (Room::None, vec![gone], false),
            (Room::None, vec![], true),
        ] {
            assert_eq!(space.admit(room, &writes).is_ok(), admitted, "{room:?} {writes:?}");
        }
    }

    #[test]
    fn an_error_says_that_the_disk_is_full_also_where_it_is_wrapped() {
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            let error = io::Error::from(errno);
            assert!(is_full(&error) && is_full(&io::Error::new(error.kind(), "at a path")), "{errno}");
        }
        assert!(!is_full(&io::Error::from(Errno::IO)));
    }

    #[test]
    fn below_the_reserve_a_body_is_refused_with_a_definite_error() {
        let error = Space::new("/".into(), u64::MAX).admit_body().unwrap_err();
        assert!(error.is_definite() && matches!(error, StoreError::Full(_)));
        Space::new("/".into(), 0).admit_body().unwrap();
    }
}
