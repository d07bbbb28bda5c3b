//! The numbers that the server keeps of itself, and their Prometheus text.
//!
//! Counters and histograms of atomics. Labels come from constants in the code, never from a client, and each metric
//! has at most `METRIC_SERIES_MAX` label combinations.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use holdfast_model::limits::METRIC_SERIES_MAX;
use parking_lot::RwLock;

const REQUEST_SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
const OTHER: &str = "other";

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Replaces the number.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Observations, counted by size.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than `bounds`: the last one is for what is larger than all of them.
    buckets: Box<[AtomicU64]>,
    /// In millionths, so that it can be an integer.
    sum_micros: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Histogram { bounds, buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum_micros: AtomicU64::new(0) }
    }

    /// Counts a time, in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }

    /// Counts `value`, which is not negative.
    #[allow(clippy::cast_sign_loss, reason = "observations are not negative")]
    pub fn observe(&self, value: f64) {
        let bucket = self.bounds.iter().position(|&bound| value <= bound).unwrap_or(self.bounds.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add((value * 1e6) as u64, Ordering::Relaxed);
    }

    /// Name, labels with a trailing comma or nothing.
    #[allow(clippy::cast_precision_loss, reason = "millionths of a sum for people to look at")]
    fn render(&self, out: &mut String, name: &str, labels: &str) {
        let mut total = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            total += bucket.load(Ordering::Relaxed);
            let bound = self.bounds.get(index).map_or("+Inf".to_owned(), f64::to_string);
            let _ = writeln!(out, "{name}_bucket{{{labels}le=\"{bound}\"}} {total}");
        }
        let braced = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.trim_end_matches(',')) };
        let sum = self.sum_micros.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(out, "{name}_sum{braced} {sum}\n{name}_count{braced} {total}");
    }
}

/// One metric per label combination.
#[derive(Debug)]
struct Family<K, M> {
    series: RwLock<HashMap<K, Arc<M>>>,
    create: fn() -> M,
    other: K,
}

impl<K: Eq + Hash + Copy + Ord, M> Family<K, M> {
    fn new(other: K, create: fn() -> M) -> Self {
        Family { series: RwLock::new(HashMap::new()), create, other }
    }

    fn of(&self, labels: K) -> Arc<M> {
        if let Some(metric) = self.series.read().get(&labels) {
            return Arc::clone(metric);
        }
        let mut series = self.series.write();
        let labels = if series.len() < METRIC_SERIES_MAX { labels } else { self.other };
        Arc::clone(series.entry(labels).or_insert_with(|| Arc::new((self.create)())))
    }

    /// In the order of the labels, so that two texts can be compared.
    fn each(&self, mut visit: impl FnMut(K, &M)) {
        let mut series: Vec<_> = self.series.read().iter().map(|(labels, metric)| (*labels, Arc::clone(metric))).collect();
        series.sort_by_key(|(labels, _)| *labels);
        for (labels, metric) in series {
            visit(labels, &metric);
        }
    }
}

/// One finished request, as the metrics count it.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// S3's name of the operation.
    pub operation: &'static str,
    /// S3's error code, or the status when there is none (`200`).
    pub code: &'static str,
    /// How a condition was judged.
    pub verdict: Option<&'static str>,
    /// From the head to the last byte of the answer.
    pub duration: Duration,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes of the answer's body.
    pub bytes_sent: u64,
}

/// Renders metrics that another part of the process keeps.
pub type Source = Box<dyn Fn(&mut String) + Send + Sync>;

/// All metrics of a server.
pub struct Metrics {
    requests: Family<(&'static str, &'static str), Counter>,
    durations: Family<&'static str, Histogram>,
    conditional: Family<(&'static str, &'static str), Counter>,
    bytes_received: Counter,
    bytes_sent: Counter,
    sources: RwLock<Vec<Source>>,
    started_at_secs: u64,
    /// Requests being served now.
    pub requests_in_flight: Gauge,
    /// Garbage records that the collector is done with.
    pub garbage_collected: Counter,
    /// Blobs that the collector deleted.
    pub blobs_deleted: Counter,
    /// Connections open now.
    pub connections_open: Gauge,
    /// Connections accepted since the start.
    pub connections_accepted: Counter,
    /// Requests refused with SlowDown before anything was done for them.
    pub slow_downs: Counter,
}

impl Metrics {
    /// Metrics of a process that started `started_at_secs` after 1970.
    pub fn new(started_at_secs: u64) -> Arc<Self> {
        Arc::new(Metrics {
            requests: Family::new((OTHER, OTHER), Counter::default),
            durations: Family::new(OTHER, || Histogram::new(REQUEST_SECONDS)),
            conditional: Family::new((OTHER, OTHER), Counter::default),
            bytes_received: Counter::default(),
            bytes_sent: Counter::default(),
            sources: RwLock::default(),
            started_at_secs,
            requests_in_flight: Gauge::default(),
            garbage_collected: Counter::default(),
            blobs_deleted: Counter::default(),
            connections_open: Gauge::default(),
            connections_accepted: Counter::default(),
            slow_downs: Counter::default(),
        })
    }

    /// Counts a request.
    pub fn finished(&self, request: &Finished) {
        self.requests.of((request.operation, request.code)).add(1);
        self.durations.of(request.operation).observe_duration(request.duration);
        if let Some(verdict) = request.verdict {
            self.conditional.of((request.operation, verdict)).add(1);
        }
        self.bytes_received.add(request.bytes_received);
        self.bytes_sent.add(request.bytes_sent);
    }

    /// Adds the metrics of another part of the process.
    pub fn add_source(&self, source: Source) {
        self.sources.write().push(source);
    }

    /// Everything, in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(16 * 1024);
        describe(&mut out, "holdfast_s3_requests_total", "counter", "Requests by operation and S3 error code (or HTTP status).");
        self.requests.each(|(operation, code), counter| {
            sample(&mut out, "holdfast_s3_requests_total", &format!("{{operation=\"{operation}\",code=\"{code}\"}}"), counter.get());
        });
        describe(&mut out, "holdfast_s3_request_duration_seconds", "histogram", "From the request's head to the answer's last byte.");
        self.durations.each(|operation, histogram| {
            histogram.render(&mut out, "holdfast_s3_request_duration_seconds", &format!("operation=\"{operation}\","));
        });
        describe(&mut out, "holdfast_conditional_total", "counter", "Conditional requests by operation and verdict.");
        self.conditional.each(|(operation, verdict), counter| {
            sample(&mut out, "holdfast_conditional_total", &format!("{{operation=\"{operation}\",verdict=\"{verdict}\"}}"), counter.get());
        });
        self.sources.read().iter().for_each(|source| source(&mut out));
        self.render_process(&mut out);
        out
    }

    fn render_process(&self, out: &mut String) {
        single(out, "holdfast_s3_bytes_received_total", "counter", "Bytes of requests.", self.bytes_received.get());
        single(out, "holdfast_s3_bytes_sent_total", "counter", "Bytes of answers' bodies.", self.bytes_sent.get());
        single(out, "holdfast_requests_in_flight", "gauge", "Requests being served.", self.requests_in_flight.get());
        single(out, "holdfast_slow_downs_total", "counter", "Requests beyond the limit, answered 503 SlowDown.", self.slow_downs.get());
        single(out, "holdfast_garbage_collected_total", "counter", "Garbage records reclaimed.", self.garbage_collected.get());
        single(out, "holdfast_blobs_deleted_total", "counter", "Blobs deleted.", self.blobs_deleted.get());
        single(out, "holdfast_connections_open", "gauge", "Connections of the S3 endpoint.", self.connections_open.get());
        single(out, "holdfast_connections_accepted_total", "counter", "Connections accepted.", self.connections_accepted.get());
        single(out, "process_start_time_seconds", "gauge", "When the process started, in seconds since 1970.", self.started_at_secs);
        describe(out, "holdfast_build_info", "gauge", "Always 1; the labels tell the build.");
        sample(out, "holdfast_build_info", concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1);
    }
}

pub(crate) fn describe(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn sample(out: &mut String, name: &str, labels: &str, value: impl Display) {
    let _ = writeln!(out, "{name}{labels} {value}");
}

pub(crate) fn single(out: &mut String, name: &str, kind: &str, help: &str, value: impl Display) {
    describe(out, name, kind, help);
    sample(out, name, "", value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_text_is_a_comment_or_a_sample() {
        let metrics = Metrics::new(7);
        let put = Finished {
            operation: "PutObject",
            code: "200",
            verdict: Some("met"),
            duration: Duration::from_millis(3),
            bytes_received: 10,
            bytes_sent: 0,
        };
        metrics.finished(&put);
        metrics.finished(&Finished { code: "PreconditionFailed", verdict: Some("failed"), ..put });
        metrics.add_source(Box::new(|out| single(out, "holdfast_staged_bytes", "gauge", "Bytes.", 5)));
        let text = metrics.render();
        for line in text.lines().filter(|line| !line.starts_with("# ")) {
            let (series, value) = line.rsplit_once(' ').expect("name and value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let (name, labels) = series.split_once('{').map_or((series, None), |(name, labels)| (name, Some(labels)));
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{line}");
            assert!(labels.is_none_or(|labels| labels.ends_with("\"}") && !labels.contains(",}")), "{line}");
        }
        for expected in [
            "holdfast_s3_requests_total{operation=\"PutObject\",code=\"PreconditionFailed\"} 1",
            "holdfast_conditional_total{operation=\"PutObject\",verdict=\"met\"} 1",
            "holdfast_s3_request_duration_seconds_bucket{operation=\"PutObject\",le=\"0.0025\"} 0",
            "holdfast_s3_request_duration_seconds_bucket{operation=\"PutObject\",le=\"0.005\"} 2",
            "holdfast_s3_request_duration_seconds_count{operation=\"PutObject\"} 2",
            "holdfast_staged_bytes 5",
            "holdfast_s3_bytes_received_total 20",
            "process_start_time_seconds 7",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} is missing in\n{text}");
        }
    }

    #[test]
    fn label_combinations_are_bounded() {
        let family: Family<(usize, usize), Counter> = Family::new((0, 0), Counter::default);
        for value in 1..METRIC_SERIES_MAX * 2 {
            family.of((value, value)).add(1);
        }
        let (mut series, mut sum) = (0, 0);
        family.each(|_, counter| {
            series += 1;
            sum += counter.get();
        });
        assert!(series <= METRIC_SERIES_MAX + 1);
        assert_eq!(sum, METRIC_SERIES_MAX as u64 * 2 - 1);
    }
}
