//! What the embedded store counts about itself, in Prometheus' text format.

use std::fmt::Write as _;

use holdfast_embedded::{EmbeddedStore, Histogram};

use crate::metrics::{Source, describe, single};

/// Renders the counters of `store`.
pub(crate) fn source(store: EmbeddedStore) -> Source {
    Box::new(move |out| {
        let stats = store.stats();
        histogram(out, "holdfast_commit_batch_size", "Transactions that one durable batch held.", &stats.batch_transactions, 1.0);
        histogram(out, "holdfast_sync_seconds", "How long writing and syncing a batch took.", &stats.commit_micros, 1e6);
        histogram(out, "holdfast_seal_seconds", "How long making a blob durable took.", &stats.seal_micros, 1e6);
        let gauges = [
            ("holdfast_staged_bytes", "Bytes staged or sealed and not yet named by a record.", stats.staged_bytes.get()),
            ("holdfast_transactions_queued", "Transactions that wait for the committer or its sync.", stats.queued.get()),
            ("holdfast_journals", "Journals of records on disk.", store.journal_count() as u64),
        ];
        for (name, help, value) in gauges {
            single(out, name, "gauge", help, value);
        }
        let counters = [
            ("holdfast_committed_bytes_total", "Bytes of keys and values committed.", &stats.committed_bytes),
            ("holdfast_store_busy_total", "Transactions refused because too many waited.", &stats.busy),
            ("holdfast_store_stalls_total", "Times that the committer waited for flushes or compactions.", &stats.stalls),
            ("holdfast_store_heals_total", "Times that the records were reopened after a full disk.", &stats.heals),
            ("holdfast_seeks_total", "Seeks of listings.", &stats.seeks),
            ("holdfast_reclaimed_blobs_total", "Blobs of earlier processes that no record named, removed.", &stats.reclaimed_blobs),
            ("holdfast_reclaimed_bytes_total", "Their bytes.", &stats.reclaimed_bytes),
            ("holdfast_corrupt_reads_total", "Reads of records or of pieces of blobs that found damage.", &stats.corrupt_reads),
        ];
        for (name, help, counter) in counters {
            single(out, name, "counter", help, counter.get());
        }
    })
}

/// A histogram of whole numbers, each divided by `unit`.
#[allow(clippy::cast_precision_loss, reason = "bounds and sums are far below 2^52")]
fn histogram(out: &mut String, name: &str, help: &str, histogram: &Histogram, unit: f64) {
    describe(out, name, "histogram", help);
    let mut total = 0;
    let bounds = histogram.bounds().iter().map(|bound| (*bound as f64 / unit).to_string()).chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(histogram.counts()) {
        total += count;
        let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {total}");
    }
    let _ = writeln!(out, "{name}_sum {}\n{name}_count {total}", histogram.sum() as f64 / unit);
}
