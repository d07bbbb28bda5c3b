//! The suite that every store must pass. A store's tests say `holdfast_store::contract_tests!(make)`, where `make` gives a
//! [`Subject`]; each function below becomes a test named by the property that it checks.

mod blobs;
mod races;
mod records;

pub use blobs::*;
pub use races::*;
pub use records::*;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Blobs, Commit, Family, KeyRange, Metadata, RecordKey, Records, Step, StoreError, Write, scan, transact};

/// A fresh store, and a way to stop it and open it again.
#[async_trait]
pub trait Subject: Send {
    /// The store under test.
    type Store: Metadata + Blobs + Clone;

    /// The open store.
    fn store(&self) -> Self::Store;

    /// Stops the store and opens it as after a restart. A store that keeps nothing does nothing.
    async fn reopen(&mut self);
}

/// Makes a test of every function of the suite. `$make` is evaluated once a test.
#[macro_export]
macro_rules! contract_tests {
    ($make:expr) => {
        $crate::contract_tests!(@each $make,
            a_commit_writes_all_its_keys_or_none,
            a_refusal_changes_nothing,
            a_transaction_sees_the_writes_of_the_one_before,
            values_come_in_the_order_of_the_keys,
            a_key_that_was_not_read_is_written_blindly,
            an_empty_commit_is_a_commit,
            the_last_write_of_a_key_in_one_commit_counts,
            families_do_not_mix,
            any_bytes_are_a_key,
            values_of_every_size_come_back,
            a_scan_visits_keys_in_order_within_its_bounds,
            a_scan_seeks_over_what_it_skips,
            an_empty_range_visits_nothing,
            a_removed_key_is_gone_for_reads_and_scans,
            stamps_grow_with_every_commit_of_a_key,
            stamps_grow_over_a_restart,
            what_was_acknowledged_is_there_after_a_restart,
            a_dropped_transaction_happens_whole_or_not_at_all,
            a_panic_in_a_decision_harms_only_its_own_transaction,
            one_of_many_writers_creates_a_key,
            a_counter_counts_every_increment_once,
            transfers_keep_their_sum_in_every_scan,
            a_reader_never_sees_a_state_go_back,
            a_blob_gives_back_its_bytes_over_every_span,
            an_empty_blob_is_a_blob,
            a_large_blob_comes_in_bounded_pieces,
            a_span_beyond_the_end_is_an_error,
            a_dropped_writer_leaves_nothing,
            a_stream_goes_on_after_its_blob_is_deleted,
            deleting_twice_is_no_error,
            staged_bytes_are_those_not_named,
            ids_are_not_used_twice,
            named_blobs_survive_a_restart,
        );
    };
    (@each $make:expr, $($name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                $crate::contract::$name($make).await;
            }
        )*
    };
}

pub(crate) fn key(bytes: impl Into<Bytes>) -> RecordKey {
    RecordKey::new(Family::Object, bytes)
}

/// Writes without reading or deciding, and returns the stamp.
pub(crate) async fn put(store: &impl Metadata, writes: Vec<Write>) -> u64 {
    let written = transact(store, Vec::new(), move |r: &Records<'_>| Commit::<u64, ()>::Write(writes.clone(), r.stamp)).await;
    written.expect("the store takes writes").expect("nothing is refused")
}

pub(crate) async fn get(store: &impl Metadata, key: &RecordKey) -> Option<Bytes> {
    store.get(key).await.expect("the store reads")
}

pub(crate) async fn keys_of(store: &impl Metadata, range: KeyRange) -> Vec<Bytes> {
    let all = scan(store, range, Vec::new(), |keys: &mut Vec<Bytes>, key, _| {
        keys.push(key.clone());
        Step::Next
    });
    all.await.expect("the store scans")
}

/// Adds one to the number under a key, by compare and swap of what was read before; `None` if another was faster.
pub(crate) async fn swap(store: &impl Metadata, key: &RecordKey, old: Option<Bytes>, new: Bytes) -> Result<bool, StoreError> {
    let name = key.clone();
    let swapped = transact(store, vec![key.clone()], move |r: &Records<'_>| {
        if r.values[0] == old { Commit::Write(vec![Write::put(name.clone(), new.clone())], ()) } else { Commit::Refuse(()) }
    });
    Ok(swapped.await?.is_ok())
}

pub(crate) fn number(value: Option<&Bytes>) -> u64 {
    value.map_or(0, |v| u64::from_be_bytes(v.as_ref().try_into().expect("eight bytes")))
}

pub(crate) fn bytes_of(n: u64) -> Bytes {
    Bytes::copy_from_slice(&n.to_be_bytes())
}
