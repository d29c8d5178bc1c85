//! The consumer: a thread of its own, because its callbacks may block. It takes records, pauses when too many are in work, commits
//! what is done, and gives partitions up in order.

use super::client::{self, Heard, Voice};
use super::desk::Part;
use super::record::{Flow, Record};
use super::settings::Settings;
use super::work::Work;
use crate::domain::code::Wiped;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;
use rdkafka::{ClientContext, config::RDKafkaLogLevel};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long a call waits for a record; so long a pause or a commit may come late.
const POLL: Duration = Duration::from_millis(50);
/// What is done is committed this often.
const COMMIT: Duration = Duration::from_millis(250);
/// How long records in work may take when their partition leaves: well below the time in which the group must settle.
const LEAVE: Duration = Duration::from_secs(5);
/// How long they may take when the process ends.
const STOP: Duration = Duration::from_secs(8);

/// Why a consumer ended.
pub(super) enum End {
    /// It was told to stop.
    Stopped,
    /// It can't go on; another may.
    Failed,
}

/// Runs until told to stop. Blocks.
pub(super) fn run(settings: &Settings, work: &Arc<Work>, voice: &Arc<Voice>, runtime: &Handle) -> End {
    let seat = Seat { work: work.clone(), voice: Heard(voice.clone()), unheard: AtomicBool::new(false) };
    let made = client::consumer(settings).and_then(|it| it.create_with_context(seat).map_err(|error| error.to_string()));
    let consumer: BaseConsumer<Seat> = match made {
        Ok(consumer) => consumer,
        Err(error) => {
            voice.error("consume", &error);
            return End::Failed;
        }
    };
    let topics: Vec<&str> = work.topics.incoming().map(|(_, it)| it).collect();
    if let Err(error) = consumer.subscribe(&topics) {
        voice.error("consume", &error.to_string());
        return End::Failed;
    }
    let end = Loop { consumer: &consumer, work, runtime, most: settings.max_in_flight, paused: false }.run();
    let parts = work.desk.lock().parts();
    work.settle(&parts, Instant::now() + STOP);
    consumer.context().commit(&consumer, CommitMode::Sync);
    work.desk.lock().revoke(&parts);
    end
}

struct Loop<'a> {
    consumer: &'a BaseConsumer<Seat>,
    work: &'a Arc<Work>,
    runtime: &'a Handle,
    most: usize,
    paused: bool,
}

impl Loop<'_> {
    fn run(mut self) -> End {
        let mut committed_at = Instant::now();
        while !self.work.stop.is_cancelled() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    if let Some(record) = self.read(&message) {
                        self.work.take(record, self.runtime);
                    }
                }
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    self.consumer.context().voice.0.error("consume", &code.to_string());
                    return End::Failed;
                }
                Some(Err(error)) => {
                    self.consumer.context().voice.0.error("consume", &error.to_string());
                    std::thread::sleep(POLL);
                }
                None => {}
            }
            self.press();
            if committed_at.elapsed() >= COMMIT {
                committed_at = Instant::now();
                self.consumer.context().commit(self.consumer, CommitMode::Async);
                let partitions = self.consumer.assignment().map_or(0, |it| it.count());
                self.work.metrics.partitions(partitions);
            }
        }
        End::Stopped
    }

    // No more is taken while too much is in work. Polling goes on, or the group would take us for dead.
    fn press(&mut self) {
        let taken = self.work.desk.lock().taken();
        self.work.metrics.taken(taken);
        // A partition may have come after the last pause, so each record over the limit pauses anew.
        let over = taken >= self.most;
        if !over && (!self.paused || taken > self.most / 2) {
            return;
        }
        let Ok(all) = self.consumer.assignment() else { return };
        let turned = if over { self.consumer.pause(&all) } else { self.consumer.resume(&all) };
        match turned {
            Ok(()) => self.paused = over,
            Err(error) => self.consumer.context().voice.0.error("consume", &error.to_string()),
        }
        self.work.metrics.paused(self.paused);
    }

    fn read(&self, message: &BorrowedMessage<'_>) -> Option<Record> {
        let (flow, _) = self.work.topics.incoming().find(|it| it.1 == message.topic())?;
        let headers = message.headers().into_iter().flat_map(|all| all.iter());
        Some(Record {
            flow,
            topic: message.topic().into(),
            partition: message.partition(),
            offset: message.offset(),
            produced_at: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            headers: headers.map(|it| (it.key.to_owned(), it.value.map(<[u8]>::to_vec))).collect(),
            value: Wiped(message.payload().unwrap_or_default().to_vec()),
            received_at: self.work.judge.now(),
        })
    }
}

/// What the consumer's callbacks see.
struct Seat {
    work: Arc<Work>,
    voice: Heard,
    // A commit was refused: all that is done is told again.
    unheard: AtomicBool,
}

impl Seat {
    fn commit(&self, consumer: &BaseConsumer<Self>, mode: CommitMode) {
        let news = {
            let mut desk = self.work.desk.lock();
            if self.unheard.swap(false, Ordering::Relaxed) {
                desk.unheard();
            }
            desk.news()
        };
        if news.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(news.len());
        for ((flow, partition), offset) in news {
            if let Some((_, topic)) = self.work.topics.incoming().find(|it| it.0 == flow) {
                // Only an offset that isn't one is refused.
                let _ = list.add_partition_offset(topic, partition, Offset::Offset(offset));
            }
        }
        if let Err(error) = consumer.commit(&list, mode) {
            self.refused(&error);
        }
    }

    fn refused(&self, error: &KafkaError) {
        self.unheard.store(true, Ordering::Relaxed);
        self.voice.0.error("commit", &error.to_string());
    }

    fn parts(&self, list: &TopicPartitionList) -> Vec<Part> {
        let flow = |topic: &str| self.work.topics.incoming().find(|it| it.1 == topic).map(|it| it.0);
        list.elements().iter().filter_map(|it| Some((flow(it.topic())?, it.partition()))).collect()
    }
}

impl ClientContext for Seat {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.voice.log(level, facility, text);
    }

    fn stats(&self, statistics: Statistics) {
        self.voice.stats(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }
}

impl ConsumerContext for Seat {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, change: &Rebalance<'_>) {
        let Rebalance::Revoke(list) = change else { return };
        let parts = self.parts(list);
        // What is begun is answered and committed before another has the partition; what isn't comes to that one.
        self.work.settle(&parts, Instant::now() + LEAVE);
        self.commit(consumer, CommitMode::Sync);
        self.work.desk.lock().revoke(&parts);
        tracing::info!(partitions = parts.len(), "partitions of the bus go");
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, change: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = change {
            // One that was paused when it went is still so when it comes back. Whether that is still needed is seen at the next record.
            if let Err(error) = consumer.resume(list) {
                self.voice.0.error("consume", &error.to_string());
            }
            tracing::info!(partitions = list.count(), "partitions of the bus come");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        match result {
            Err(error) if error.rdkafka_error_code() != Some(RDKafkaErrorCode::NoOffset) => self.refused(&error),
            _ => {}
        }
    }

    fn main_queue_min_poll_interval(&self) -> Timeout {
        Timeout::After(POLL)
    }
}

impl super::settings::Topics {
    /// Where each flow that is on comes in.
    fn incoming(&self) -> impl Iterator<Item = (Flow, &str)> {
        let flows = [(Flow::Generate, &self.generate), (Flow::Validate, &self.validate)];
        flows.into_iter().filter_map(|(flow, it)| Some((flow, it.as_ref()?.0.as_str())))
    }
}
