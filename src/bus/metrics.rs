//! What is counted of the bus. Every label has a bounded set of values; none comes from a record.

use super::record::Flow;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters; clones share them.
#[derive(Clone, Default)]
pub struct Metrics {
    records: Family<Outcome, Counter>,
    errors: Family<Step, Counter>,
    lag: Family<Which, Gauge>,
    taken: Gauge,
    paused: Gauge,
    partitions: Gauge,
    dead: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    flow: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Step {
    step: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Which {
    flow: &'static str,
}

impl Metrics {
    /// Adds them to `registry`, as `countersign_kafka_…`.
    pub fn registered(registry: &mut Registry) -> Self {
        let (it, into) = (Self::default(), registry.sub_registry_with_prefix("countersign_kafka"));
        into.register("records", "Records by flow and outcome, once their answer is durable", it.records.clone());
        into.register("errors", "Errors by step: connect, consume, commit, produce, engine", it.errors.clone());
        into.register("lag", "Records that wait in the topic of a flow", it.lag.clone());
        into.register("in_flight", "Records in work", it.taken.clone());
        into.register("paused", "1 while no record is taken because too many are in work", it.paused.clone());
        into.register("partitions", "Partitions that this process has", it.partitions.clone());
        into.register("dead_letters", "Records that went to the dead-letter topic", it.dead.clone());
        it
    }

    /// A record's answer is durable.
    pub fn answered(&self, flow: Flow, outcome: &'static str) {
        self.records.get_or_create(&Outcome { flow: flow.name(), outcome }).inc();
    }

    /// A record went to the dead-letter topic.
    pub fn dead(&self, flow: Flow) {
        self.dead.inc();
        self.answered(flow, "dead_letter");
    }

    /// Something went wrong in `step`, and is tried again.
    pub fn error(&self, step: &'static str) {
        self.errors.get_or_create(&Step { step }).inc();
    }

    /// So many records wait in the topic of `flow`.
    pub fn lag(&self, flow: Flow, records: i64) {
        self.lag.get_or_create(&Which { flow: flow.name() }).set(records);
    }

    /// So many records are in work.
    pub fn taken(&self, records: usize) {
        self.taken.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// Whether no record is taken for now.
    pub fn paused(&self, paused: bool) {
        self.paused.set(paused.into());
    }

    /// So many partitions are ours.
    pub fn partitions(&self, count: usize) {
        self.partitions.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Partitions that were ours when it was last looked.
    pub fn held(&self) -> usize {
        usize::try_from(self.partitions.get()).unwrap_or(0)
    }

    /// Answers so far of this flow and outcome.
    pub fn count(&self, flow: Flow, outcome: &'static str) -> u64 {
        self.records.get_or_create(&Outcome { flow: flow.name(), outcome }).get()
    }
}
