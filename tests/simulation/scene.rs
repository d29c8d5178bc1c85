//! What all parts of a run share: the clock, the dice, the model, what is under way, and the first thing that went wrong.

use crate::dice::Dice;
use crate::errand::Errand;
use crate::model::{Durable, Effect, Model, Says, Touched};
use crate::world::Hands;
use countersign::domain::id::AggregateId;
use countersign::domain::time::Timestamp;
use countersign::engine::draw::Clock;
use countersign::store::memory::MemoryStore;
use countersign::vault::Vault;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The driver's own look: nothing delays it, and nothing fails.
pub const NOBODY: u64 = 0;

pub struct Scene {
    pub clock: Arc<Hands>,
    pub vault: Arc<Vault>,
    /// What survives a crash.
    pub durable: Arc<MemoryStore>,
    pub dice: Mutex<Dice>,
    /// No more faults: the run is being brought to its end.
    pub calm: AtomicBool,
    /// A durable step failed: the process answers nothing more, and must end (decision 7).
    pub broken: AtomicBool,
    turn: AtomicU64,
    state: Mutex<State>,
}

pub struct State {
    pub model: Model,
    pub under_way: HashMap<u64, UnderWay>,
    pub violation: Option<String>,
    pub trace: Option<Vec<String>>,
}

/// One errand, as far as it has come.
pub struct UnderWay {
    pub errand: Errand,
    pub since: Timestamp,
    /// When the engine last read, by the challenge it asked for.
    read_at: HashMap<Option<AggregateId>, Timestamp>,
    /// What may follow from what it read last.
    expected: Vec<Effect>,
    /// What may be answered: it is durable.
    says: Option<Vec<Says>>,
    /// A fault was played on it: it may fail.
    pub excused: bool,
}

impl Scene {
    pub fn new(clock: Arc<Hands>, vault: Arc<Vault>, dice: Dice, model: Model, traced: bool) -> Arc<Self> {
        let state = State { model, under_way: HashMap::new(), violation: None, trace: traced.then(Vec::new) };
        Arc::new(Self {
            clock,
            durable: Arc::new(MemoryStore::new(vault.clone())),
            vault,
            dice: Mutex::new(dice),
            calm: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            turn: AtomicU64::new(NOBODY),
            state: Mutex::new(state),
        })
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whose turn it is.
    pub fn turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    pub fn give_turn(&self, to: u64) {
        self.turn.store(to, Ordering::Relaxed);
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Writes to the trace, where one is kept.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        let (now, turn, mut state) = (self.now(), self.turn(), self.state());
        if let Some(trace) = &mut state.trace {
            trace.push(format!("{now} #{turn} {}", line()));
        }
    }

    /// Keeps the first violation.
    pub fn violated(&self, what: impl Into<String>) {
        let what = what.into();
        self.tell(|| format!("VIOLATED: {what}"));
        let now = self.now();
        self.state().violation.get_or_insert_with(|| format!("{now}: {what}"));
    }

    pub fn begin(&self, id: u64, errand: Errand) {
        let now = self.now();
        let it = UnderWay { errand, since: now, read_at: HashMap::new(), expected: Vec::new(), says: None, excused: false };
        self.state().under_way.insert(id, it);
    }

    /// The errand whose turn it is has read.
    pub fn has_read(&self, about: Option<AggregateId>) {
        let (turn, now) = (self.turn(), self.now());
        let mut state = self.state();
        let State { model, under_way, .. } = &mut *state;
        let Some(it) = under_way.get_mut(&turn) else { return };
        it.read_at.insert(about, now);
        if matches!(it.errand, Errand::Open(_) | Errand::Reply(_) | Errand::Unlock(_)) {
            it.expected = model.predict(&it.errand, None, now);
        }
    }

    /// The errand whose turn it is has committed this.
    pub fn has_committed(&self, touched: &Touched) {
        let turn = self.turn();
        self.tell(|| format!("commits {:?}", touched.aggregates));
        let done = {
            let mut state = self.state();
            let State { model, under_way, .. } = &mut *state;
            let Some(it) = under_way.get_mut(&turn) else { return };
            let about = touched.aggregates.first().filter(|id| it.read_at.contains_key(&Some(**id))).copied();
            let read_at = it.read_at.get(&about).copied().unwrap_or_default();
            let durable = Durable { store: &*self.durable, vault: &self.vault };
            match it.says {
                Some(_) if !matches!(it.errand, Errand::Tick | Errand::Hand { .. }) => Err("one errand commits twice".to_owned()),
                _ => model.committed(&it.errand, read_at, touched, &durable).map(|says| it.says = Some(says)),
            }
        };
        if let Err(why) = done {
            self.violated(why);
        }
    }

    /// An errand is answered; `None`: it failed.
    pub fn is_answered(&self, id: u64, matches: Option<&dyn Fn(&Says) -> bool>) {
        let Some(it) = self.state().under_way.remove(&id) else { return };
        let problem = match (matches, &it.says) {
            (None, _) if it.excused => None,
            (None, _) => Some("it fails without a reason".to_owned()),
            (Some(is), Some(says)) => (!says.iter().any(is)).then(|| format!("it is not answered {says:?}")),
            (Some(is), None) => {
                let right = it.expected.iter().any(|effect| effect.is_quiet() && is(&effect.says));
                (!right).then(|| format!("nothing was committed, and the answer is not as expected: {:?}", it.expected))
            }
        };
        if let Some(problem) = problem {
            self.violated(format!("{}: {problem}", it.errand.told()));
        }
    }
}
