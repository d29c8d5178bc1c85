//! Prometheus metrics. Every label has a bounded set of values; none comes from a request.

use super::service::Pulse;
use crate::domain::time::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many events each subscriber has yet to take, by its configured name.
pub type Lag = Box<dyn Fn() -> Vec<(String, u64)> + Send + Sync>;

/// What is counted, and how it is shown.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    duration: Family<Timed, Histogram, fn() -> Histogram>,
    /// By operation, what each request adds to: found in a family only once, since that takes a lock and a hash.
    usual: [Usual; Operation::COUNT],
    denied: Family<Denial, Counter>,
    lag: Family<Subscriber, Gauge>,
    lag_source: Option<Lag>,
    store: StoreMetrics,
}

/// What requests for one operation add to.
#[derive(Default)]
struct Usual {
    duration: OnceLock<Histogram>,
    /// The outcomes that came first; others are looked for in the family.
    outcomes: [OnceLock<(&'static str, Counter)>; 4],
}

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Operation {
    OobValidate,
    Ping,
    Soap,
    Wsdl,
    Inbound,
    Events,
    Challenges,
    Templates,
    Health,
    Metrics,
    /// The last: `COUNT` goes by it.
    Other,
}

impl Operation {
    const COUNT: usize = Self::Other as usize + 1;

    /// What a path asks for, where that is all there is to tell.
    pub(super) fn at(path: &str) -> Self {
        match path {
            "/v1/events" => Self::Events,
            "/health/live" | "/health/ready" => Self::Health,
            "/metrics" => Self::Metrics,
            it if it.starts_with("/v1/challenges") => Self::Challenges,
            "/api/template" => Self::Templates,
            it if it.starts_with("/api/template/") => Self::Templates,
            it if it.starts_with("/inbound/") => Self::Inbound,
            _ => Self::Other,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::OobValidate => "oob_validate",
            Self::Ping => "ping",
            Self::Soap => "soap",
            Self::Wsdl => "wsdl",
            Self::Inbound => "inbound",
            Self::Events => "events",
            Self::Challenges => "challenges",
            Self::Templates => "templates",
            Self::Health => "health",
            Self::Metrics => "metrics",
            Self::Other => "other",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Timed {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Denial {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Subscriber {
    subscriber: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

struct StoreMetrics {
    ready: Gauge,
    open: Gauge,
    records: Gauge,
    outbox: Gauge,
    outbox_age: Gauge<f64, AtomicU64>,
    commits: Counter,
    syncs: Counter,
    sync_seconds: Counter<f64, AtomicU64>,
    waiting: Gauge,
    history_lost: Gauge,
    failed_replies: Counter,
    guessing: Gauge,
}

impl Metrics {
    /// Adds ours to a registry that may hold others' already. `lag` is asked at each scrape.
    pub fn new(mut registry: Registry, lag: Option<Lag>) -> Self {
        let into = registry.sub_registry_with_prefix("countersign");
        let requests = Family::default();
        into.register("requests", "Requests by operation and outcome", requests.clone());
        let duration = Family::new_with_constructor(latency as fn() -> Histogram);
        into.register_with_unit("request_duration", "Time from the head of a request to its answer", Unit::Seconds, duration.clone());
        let denied = Family::default();
        into.register("auth_failures", "Requests not let in, by reason", denied.clone());
        let behind = Family::default();
        into.register("events_lag", "Events that a subscriber has yet to take", behind.clone());
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        into.register("build_info", "1, with the version that runs", build);
        let store = StoreMetrics::new(into);
        Self { registry, requests, duration, usual: Default::default(), denied, lag: behind, lag_source: lag, store }
    }

    /// The text that a scraper reads (OpenMetrics 1.0).
    pub fn render(&self, pulse: &Pulse, now: Timestamp) -> String {
        self.store.show(pulse, now);
        for (subscriber, lag) in self.lag_source.iter().flat_map(|source| source()) {
            self.lag.get_or_create(&Subscriber { subscriber }).set(signed(lag));
        }
        let mut text = String::with_capacity(8192);
        // Writing into a String can't fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    pub(super) fn request(&self, asked: Operation, outcome: &'static str, took: Duration) {
        let (usual, operation) = (&self.usual[asked as usize], asked.name());
        let counter = || self.requests.get_or_create(&Request { operation, outcome }).clone();
        let mut known = usual.outcomes.iter().map(|it| it.get_or_init(|| (outcome, counter())));
        match known.find(|it| it.0 == outcome) {
            Some((_, counter)) => counter.inc(),
            None => counter().inc(),
        };
        let duration = usual.duration.get_or_init(|| self.duration.get_or_create(&Timed { operation }).clone());
        duration.observe(took.as_secs_f64());
    }

    pub(super) fn denied(&self, reason: &'static str) {
        self.denied.get_or_create(&Denial { reason }).inc();
    }
}

impl StoreMetrics {
    fn new(into: &mut Registry) -> Self {
        let it = Self {
            ready: Gauge::default(),
            open: Gauge::default(),
            records: Gauge::default(),
            outbox: Gauge::default(),
            outbox_age: Gauge::default(),
            commits: Counter::default(),
            syncs: Counter::default(),
            sync_seconds: Counter::default(),
            waiting: Gauge::default(),
            history_lost: Gauge::default(),
            failed_replies: Counter::default(),
            guessing: Gauge::default(),
        };
        into.register("store_ready", "1 while commits are taken and become durable", it.ready.clone());
        into.register("sessions_open", "Open challenges", it.open.clone());
        into.register("store_records", "Records in the hot store", it.records.clone());
        into.register("outbox_depth", "Deliveries waiting", it.outbox.clone());
        into.register_with_unit("outbox_age", "Age of the delivery that waits longest", Unit::Seconds, it.outbox_age.clone());
        into.register("commits", "Commits; divided by syncs: the size of a commit group", it.commits.clone());
        into.register("syncs", "Durable steps; commits share one", it.syncs.clone());
        into.register_with_unit(
            "sync",
            "Time in durable steps; divided by syncs: the latency of one",
            Unit::Seconds,
            it.sync_seconds.clone(),
        );
        into.register("commits_waiting", "Commits waiting", it.waiting.clone());
        into.register("history_lost", "Days of history that lack records they had", it.history_lost.clone());
        into.register("failed_replies", "Replies that counted as failures", it.failed_replies.clone());
        into.register("guessing_alarms", "Institutions with unusually many failed replies of late", it.guessing.clone());
        it
    }

    fn show(&self, pulse: &Pulse, now: Timestamp) {
        self.ready.set(i64::from(pulse.ready));
        self.open.set(signed(pulse.open));
        self.records.set(signed(pulse.records));
        self.outbox.set(signed(pulse.outbox));
        self.outbox_age.set(pulse.outbox_oldest.map_or(0.0, |it| now.since(it).as_secs_f64()));
        self.commits.inner().store(pulse.commits, Ordering::Relaxed);
        self.syncs.inner().store(pulse.syncs, Ordering::Relaxed);
        let seconds = Duration::from_micros(pulse.sync_micros).as_secs_f64();
        self.sync_seconds.inner().store(seconds.to_bits(), Ordering::Relaxed);
        self.waiting.set(signed(pulse.waiting));
        self.history_lost.set(signed(pulse.history_lost));
        self.failed_replies.inner().store(pulse.failed_replies, Ordering::Relaxed);
        self.guessing.set(signed(pulse.guessing));
    }
}

fn latency() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0])
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_shows_requests_store_and_lag() {
        let metrics = Metrics::new(Registry::default(), Some(Box::new(|| vec![("bank".into(), 7)])));
        metrics.request(Operation::OobValidate, "opened", Duration::from_millis(3));
        for outcome in ["ok", "denied", "busy", "failed", "not_found", "ok", "not_found"] {
            metrics.request(Operation::Other, outcome, Duration::ZERO);
        }
        metrics.denied("wrong");
        let pulse = Pulse {
            open: 4,
            commits: 64,
            syncs: 2,
            sync_micros: 1_500_000,
            outbox_oldest: Some(Timestamp::from_millis(1_000)),
            ..Pulse::default()
        };
        let text = metrics.render(&pulse, Timestamp::from_millis(3_500));
        for line in [
            "countersign_requests_total{operation=\"oob_validate\",outcome=\"opened\"} 1",
            "countersign_request_duration_seconds_count{operation=\"oob_validate\"} 1",
            "countersign_requests_total{operation=\"other\",outcome=\"ok\"} 2",
            "countersign_requests_total{operation=\"other\",outcome=\"failed\"} 1",
            "countersign_requests_total{operation=\"other\",outcome=\"not_found\"} 2",
            "countersign_request_duration_seconds_count{operation=\"other\"} 7",
            "countersign_auth_failures_total{reason=\"wrong\"} 1",
            "countersign_events_lag{subscriber=\"bank\"} 7",
            "countersign_sessions_open 4",
            "countersign_commits_total 64",
            "countersign_syncs_total 2",
            "countersign_sync_seconds_total 1.5",
            "countersign_outbox_age_seconds 2.5",
            concat!("countersign_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|it| it == line), "{line} not in\n{text}");
        }
    }
}
