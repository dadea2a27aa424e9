//! What hoist tells its operator: the log on stderr, and every metric, named here and nowhere else.
//!
//! Until [`start`] has run, metrics go nowhere; code that counts needs no handle and works the same in tests.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Gauge, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

const CONNECTIONS_OPEN: &str = "hoist_connections_open";
const RECEIVED_BYTES: &str = "hoist_received_bytes_total";
const SENT_BYTES: &str = "hoist_sent_bytes_total";
const HTTP_REQUESTS: &str = "hoist_http_requests_total";
const PUSHES: &str = "hoist_pushes_total";
const BUILDS_QUEUED: &str = "hoist_builds_queued";
const BUILD_WAIT_SECONDS: &str = "hoist_build_wait_seconds";
const BUILDS_RUNNING: &str = "hoist_builds_running";
const BUILDS: &str = "hoist_builds_total";
const BUILD_SECONDS: &str = "hoist_build_seconds";
const GARBAGE_MANIFESTS: &str = "hoist_garbage_manifests_total";
const GARBAGE_BLOBS: &str = "hoist_garbage_blobs_total";
const GARBAGE_BYTES: &str = "hoist_garbage_bytes_total";
const PACKS_FOLDED: &str = "hoist_packs_folded_total";
const PACKS_FOLDED_BYTES: &str = "hoist_packs_folded_bytes_total";
const UNREACHABLE_BYTES: &str = "hoist_unreachable_bytes_total";
const DYNOS_RUNNING: &str = "hoist_dynos_running";
const DYNOS: &str = "hoist_dynos_total";
const DYNO_SECONDS: &str = "hoist_dyno_seconds_total";

/// Upper edges of the histograms of build times and waits, up to the default limit of 15 minutes.
const BUILD_SECONDS_BUCKETS: [f64; 9] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0];

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Sends the log to stderr, filtered by `RUST_LOG` (default `info`). For the daemon only.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error means that a log is set up already, by a test's harness say; that one stays.
    let _ = log.with_ansi(std::io::stderr().is_terminal()).try_init();
}

/// Starts to keep metrics. Does nothing the second time: a process has one set of metrics.
#[expect(clippy::missing_panics_doc, reason = "the buckets are a constant")]
pub fn start() {
    METRICS.get_or_init(|| {
        let buckets = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full(BUILD_SECONDS.into()), &BUILD_SECONDS_BUCKETS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(BUILD_WAIT_SECONDS.into()), &BUILD_SECONDS_BUCKETS))
            .expect("the list of buckets is not empty");
        let recorder = buckets.build_recorder();
        let handle = recorder.handle();
        // An error means that the process keeps metrics elsewhere; then ours stay empty.
        let _ = metrics::set_global_recorder(recorder);
        describe();
        handle
    });
}

fn describe() {
    describe_gauge!(CONNECTIONS_OPEN, "Connections open now, by door");
    describe_counter!(RECEIVED_BYTES, "Bytes received from pushers, after decryption and decompression, by door");
    describe_counter!(SENT_BYTES, "Bytes of packs sent to those who fetch, by door");
    describe_counter!(HTTP_REQUESTS, "HTTP requests answered, by status");
    describe_counter!(PUSHES, "Pushes ended, by outcome");
    describe_gauge!(BUILDS_QUEUED, "Builds and test runs waiting for their turn, by priority");
    describe_histogram!(BUILD_WAIT_SECONDS, "Time that builds waited for their turn, by priority");
    describe_gauge!(BUILDS_RUNNING, "Builds running now");
    describe_counter!(BUILDS, "Builds ended, by outcome");
    describe_histogram!(BUILD_SECONDS, "Time from a build's start to its end");
    describe_counter!(GARBAGE_MANIFESTS, "Manifests removed that nothing referred to");
    describe_counter!(GARBAGE_BLOBS, "Blobs removed that nothing referred to");
    describe_counter!(GARBAGE_BYTES, "Bytes of those blobs");
    describe_counter!(PACKS_FOLDED, "Packs of repositories that have become one with others");
    describe_counter!(PACKS_FOLDED_BYTES, "Bytes of those packs");
    describe_counter!(UNREACHABLE_BYTES, "Bytes of objects removed from repositories that no ref led to");
    describe_gauge!(DYNOS_RUNNING, "Release commands and one-off commands running now, by type");
    describe_counter!(DYNOS, "Release commands and one-off commands ended, by type and outcome");
    describe_counter!(DYNO_SECONDS, "Whole seconds that those took, waiting included, by type");
}

/// All metrics as Prometheus' text format.
#[must_use]
pub fn render() -> String {
    METRICS.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Folds recorded samples into their buckets. To be called now and then, or memory grows while nobody asks for metrics.
pub fn tidy() {
    if let Some(metrics) = METRICS.get() {
        metrics.run_upkeep();
    }
}

/// Something that is counted for as long as it lives.
#[must_use = "what is counted ends with this value"]
pub struct Counted(Gauge);

impl Counted {
    fn new(gauge: Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// Counts an open connection.
pub fn connection_open(door: &'static str) -> Counted {
    Counted::new(gauge!(CONNECTIONS_OPEN, "door" => door))
}

/// Counts a build or test run that waits for its turn.
pub fn build_queued(priority: &'static str) -> Counted {
    Counted::new(gauge!(BUILDS_QUEUED, "priority" => priority))
}

/// Counts how long a build has waited for its turn.
pub fn build_waited(priority: &'static str, waited: Duration) {
    histogram!(BUILD_WAIT_SECONDS, "priority" => priority).record(waited);
}

/// Counts a running build.
pub fn build_running() -> Counted {
    Counted::new(gauge!(BUILDS_RUNNING))
}

/// Counts a build that ended, and how long it ran.
pub fn build_ended(outcome: &'static str, took: Duration) {
    counter!(BUILDS, "outcome" => outcome).increment(1);
    histogram!(BUILD_SECONDS).record(took);
}

/// Counts a running release command (`release`) or one-off command (`run`).
pub fn dyno_running(kind: &'static str) -> Counted {
    Counted::new(gauge!(DYNOS_RUNNING, "type" => kind))
}

/// Counts a release command, one-off command or test run that ended, and how long it took.
pub fn dyno_ended(kind: &'static str, outcome: &'static str, took: Duration) {
    counter!(DYNOS, "type" => kind, "outcome" => outcome).increment(1);
    counter!(DYNO_SECONDS, "type" => kind).increment(took.as_secs());
}

/// Counts what garbage collection has removed.
pub fn collected(manifests: u64, blobs: u64, bytes: u64) {
    counter!(GARBAGE_MANIFESTS).increment(manifests);
    counter!(GARBAGE_BLOBS).increment(blobs);
    counter!(GARBAGE_BYTES).increment(bytes);
}

/// Counts packs that have become one.
pub fn packs_folded(packs: usize, bytes: u64) {
    counter!(PACKS_FOLDED).increment(packs as u64);
    counter!(PACKS_FOLDED_BYTES).increment(bytes);
}

/// Counts what was removed from a repository because no ref led to it.
pub fn unreachable_dropped(bytes: u64) {
    counter!(UNREACHABLE_BYTES).increment(bytes);
}

/// Counts a push that ended.
pub fn push_ended(outcome: &'static str) {
    counter!(PUSHES, "outcome" => outcome).increment(1);
}

/// Counts bytes of a push.
pub fn received(door: &'static str, bytes: usize) {
    counter!(RECEIVED_BYTES, "door" => door).increment(bytes as u64);
}

/// Counts bytes of packs that were fetched.
pub fn sent(door: &'static str, bytes: u64) {
    counter!(SENT_BYTES, "door" => door).increment(bytes);
}

/// Counts an answered HTTP request.
pub fn http_answered(status: u16) {
    counter!(HTTP_REQUESTS, "status" => status.to_string()).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered() {
        start();
        start();
        build_ended("succeeded", Duration::from_secs(20));
        let queued = build_queued("push");
        build_waited("push", Duration::from_secs(2));
        let text = render();
        assert!(text.contains("hoist_builds_total{outcome=\"succeeded\"} 1\n"), "{text}");
        assert!(text.contains("hoist_build_seconds_bucket{le=\"30\"} 1\n"), "{text}");
        assert!(text.contains("hoist_builds_queued{priority=\"push\"} 1\n"), "{text}");
        assert!(text.contains("hoist_build_wait_seconds_bucket{priority=\"push\",le=\"5\"} 1\n"), "{text}");
        drop(queued);
        assert!(render().contains("hoist_builds_queued{priority=\"push\"} 0\n"));
    }
}
