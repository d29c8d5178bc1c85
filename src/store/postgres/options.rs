//! How the engine on PostgreSQL works, apart from where its database is.

use crate::domain::time::Timestamp;
use crate::store::form::Form;
use std::sync::Arc;
use std::time::Duration;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Options of the store on PostgreSQL.
#[derive(Clone)]
pub struct Options {
    /// Whole UTC days that history is kept after its own, before its partition is dropped and its data key is destroyed.
    pub retention_days: u32,
    /// How long a node has the deliveries that it takes with a commit.
    pub lease: Duration,
    /// How long a node has the timers that are told to it.
    pub timer_lease: Duration,
    /// How often the database is looked at for deliveries that nobody has.
    pub look_every: Duration,
    /// Commits that may wait; one more is refused as busy.
    pub queue: usize,
    /// Commits in one transaction.
    pub max_group: usize,
    /// For so long what this node wrote is taken for what there is, when it is handed over. Who supersedes or cancels it at another node
    /// meanwhile may come too late for its message, as one who does it while the message is being sent.
    pub moment: Duration,
    /// The longest that a commit may take; then what became of it is not known.
    pub commit_timeout: Duration,
    /// The longest that a read may take.
    pub read_timeout: Duration,
    /// Reads that may be under way; one more is refused as busy.
    pub reads: usize,
    /// After so long without an answer from the database the store is not ready.
    pub silence: Duration,
    /// The machine's time.
    pub clock: Clock,
    /// Whether the time is the database's: how far the machine's clock is from it is measured now and then. So all nodes have the
    /// same time, to within a round trip (decision 9).
    pub database_time: bool,
    /// The newest form of stored values that this node reads. Less than the newest there is makes it a node of an older version,
    /// for tests of what two versions do together.
    pub form: Form,
    /// How long after it was last heard of a node counts as running: then values are written in no form that it can't read. One
    /// that ends in order says so.
    pub node_counts: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retention_days: 90,
            lease: Duration::from_secs(180),
            timer_lease: Duration::from_secs(30),
            look_every: Duration::from_millis(500),
            queue: 4096,
            max_group: 64,
            moment: Duration::from_millis(250),
            commit_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(5),
            reads: 1024,
            silence: Duration::from_secs(5),
            clock: Arc::new(|| chrono::Utc::now().into()),
            database_time: true,
            form: Form::NEWEST,
            node_counts: Duration::from_secs(60),
        }
    }
}
