//! The loop that everything goes through: load → decide → commit, and what happens later.
//!
//! [`Engine`] answers requests; [`outbox`] hands messages to carriers; [`timers`] end sessions; [`feed`] pages events and
//! [`push`] takes them to subscribers. All of them write through the same [`Engine::carry_out`]. [`templates`] are what messages of
//! the REST and bus flows are made of. `duties` are changes that one process makes for all; [`changes`]
//! tells whoever waits that something was committed.

pub mod changes;
pub mod direct;
pub mod draw;
mod duties;
pub mod feed;
pub mod guesses;
pub mod handsets;
pub mod keys;
pub mod outbox;
pub mod push;
pub mod quotas;
pub mod rates;
pub mod render;
pub mod routes;
pub mod tally;
pub mod templates;
pub mod timers;
pub mod turns;

use crate::domain::answer::{Answer, Verdict};
use crate::domain::budget::{Budget, BudgetKey};
use crate::domain::challenge::{CODES_A_SESSION, Verifier};
use crate::domain::contact::Channel;
use crate::domain::decide::{Facts, Request, decide, rules};
use crate::domain::id::{AggregateId, InstitutionId};
use crate::domain::material::Material;
use crate::domain::publisher::Registry;
use crate::domain::receipt::{Receipt, Step};
use crate::domain::request::{OobValidate, Origin, Policy, Sms};
use crate::domain::snapshot::{Expect, Query, Versioned, View, Write};
use crate::domain::time::Timestamp;
use crate::store::contract::{Notes, Status, Store, StoreError};
use crate::vault::Vault;
use arc_swap::ArcSwap;
use changes::{Changes, Watch};
use draw::{Chance, Clock, Codes};
use guesses::Guesses;
use handsets::Handsets;
use keys::Keys;
use quotas::{Counted, Quotas};
use rand::RngExt;
use rates::Rates;
use std::sync::Arc;
use std::time::Duration;
use tally::Tally;
use templates::Templates;
use turns::Turns;

pub use feed::{Batch, Most, Page};

/// How often a decision is taken anew when what it relied on has changed.
const RETRIES: usize = 16;

/// What keeps us from answering. Says nothing of why to the outside; the cause was logged where it happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Over capacity: come again (503, `Retry-After`).
    #[error("over capacity")]
    Busy {
        /// After this long.
        retry_after: Duration,
    },
    /// Our own trouble (fault `Server` with a correlation id).
    #[error("our own trouble")]
    Failed,
    /// The cursor is not ours.
    #[error("the cursor is not one of ours")]
    Cursor,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Conflict | StoreError::Fenced => Self::Busy { retry_after: Duration::from_secs(1) },
            StoreError::Away(cause) => {
                tracing::warn!(cause, "the database doesn't answer");
                Self::Busy { retry_after: Duration::from_secs(2) }
            }
            // Another node does it.
            StoreError::Outdated(cause) => {
                tracing::warn!(cause, "a newer program shares the database");
                Self::Busy { retry_after: Duration::from_secs(2) }
            }
            StoreError::TooLarge => {
                tracing::warn!("what was to be stored is too large; nothing was written");
                Self::Failed
            }
            StoreError::Failed(cause) => {
                tracing::error!(cause, "the store failed");
                Self::Failed
            }
        }
    }
}

/// What an engine is made of.
pub struct Parts {
    /// Where everything durable is.
    pub store: Arc<dyn Store>,
    /// Small durable values: subscribers' cursors.
    pub notes: Arc<dyn Notes>,
    /// Keys.
    pub vault: Arc<Vault>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// What nodes count together.
    pub tally: Tally,
}

/// The engine: one a process.
pub struct Engine {
    parts: Parts,
    registry: ArcSwap<Registry>,
    turns: Turns,
    changes: Changes,
    rates: Rates,
    guesses: Guesses,
    handsets: Handsets,
    quotas: Quotas,
    templates: Arc<Templates>,
    keys: Arc<Keys>,
}

impl Engine {
    /// An engine over its parts, with nothing registered yet.
    pub fn new(parts: Parts) -> Self {
        let mut generator = parts.chance.generator();
        let tally = parts.tally.clone();
        let templates = Arc::new(Templates::new(parts.notes.clone(), parts.clock.clone()));
        let notes = parts.notes.clone();
        let keys = Keys::new(parts.notes.clone(), parts.vault.clone(), parts.clock.clone(), parts.chance.clone());
        Self {
            parts,
            templates,
            keys: Arc::new(keys),
            registry: ArcSwap::default(),
            turns: Turns::new(generator.random()),
            changes: Changes::default(),
            rates: Rates::new(tally.clone()),
            guesses: Guesses::new(tally.clone()),
            quotas: Quotas::new(tally.clone(), notes, generator.random()),
            handsets: Handsets::new(tally, generator.random()),
        }
    }

    /// Judges and opens a challenge: `Answer::Opened` or `Answer::Refused`. A repeated request gets its first answer.
    pub async fn open(&self, origin: Origin, request: Box<OobValidate>) -> Result<Answer, Trouble> {
        let registry = self.registry.load_full();
        let Some(publisher) = registry.publishers.get(&origin.publisher) else {
            tracing::error!(publisher = %origin.publisher, "an authenticated publisher is not registered");
            return Err(Trouble::Failed);
        };
        let wish = match rules::check(origin, *request, publisher, &*self.parts.vault) {
            Ok(wish) => wish,
            Err(violations) => return Ok(Answer::Refused(violations)),
        };
        let query = wish.query();
        let this_second = self.rates.asked(&wish.origin.publisher, publisher.limits.per_second, self.now());
        // With replies from the same phone, where it is known yet; else with requests for the same recipient and alert.
        let _turn = match &wish.target {
            rules::Goal::Explicit { phone, .. } => self.turns.wait(phone).await,
            rules::Goal::Native { .. } => self.turns.wait(wish.slot()).await,
        };
        // Of a recipient's contacts is not known yet which get a message: their own limits hold for them.
        let taken = match &wish.target {
            rules::Goal::Explicit { phone, .. } if !wish.test => {
                self.count(publisher, &wish.origin, (Channel::Sms, phone), || render::parts_of_wish(&wish, publisher, self.now())).await?
            }
            _ => Counted::default(),
        };
        let request = Request::Open(Box::new(wish));
        let asked = self.carry_out(&query, &request, |view| {
            view.publisher_this_second = this_second;
            view.quota = taken.full;
        });
        let answer = asked.await;
        self.settle(taken, matches!(answer, Ok(Answer::Opened { .. }) | Err(_)));
        Ok(match answer? {
            Answer::Repeated { id, material } => {
                let otp = material.and_then(|sealed| self.open_material(id, &sealed)).and_then(|it| it.code().cloned());
                Answer::Opened { id, otp }
            }
            answer => answer,
        })
    }

    /// Judges a reply from a handset. Returns once its consequences are durable.
    pub async fn reply(&self, sms: Sms) -> Result<Verdict, Trouble> {
        let provider_id = crate::domain::decide::reply::provider_key(&sms);
        let now = self.now();
        let query = Query::Reply { from: sms.from.clone(), provider_id, now };
        let this_hour = self.handsets.wrote(&sms.from, now);
        let _turn = self.turns.wait(&sms.from).await;
        match self.carry_out(&query, &Request::Reply(sms), |view| view.messages_this_hour = this_hour).await? {
            Answer::Replied(verdict) => Ok(verdict),
            _ => Ok(Verdict::NoSession),
        }
    }

    /// Takes a carrier's receipt. Returns once what follows from it is durable; nothing follows from one of what is not known here.
    pub async fn receive(&self, receipt: Receipt) -> Result<(), Trouble> {
        if receipt.step == Step::Delayed {
            return Ok(());
        }
        let query = Query::One(receipt.challenge);
        self.carry_out(&query, &Request::Receipt(receipt), |_| {}).await.map(drop)
    }

    /// A person unlocks an address or recipient: its failure budget starts anew (decision 6). `false`: nothing was counted.
    pub async fn unlock(&self, key: BudgetKey) -> Result<bool, Trouble> {
        let query = Query::Budget(key.clone());
        for _ in 0..RETRIES {
            let view = self.parts.store.load(&query).await?;
            let counted = |budget: &Versioned<Budget>| budget.version > 0 && budget.value != Budget::default();
            let Some((_, budget)) = view.budgets.into_iter().find(|(it, budget)| *it == key && counted(budget)) else {
                return Ok(false);
            };
            let expects = vec![Expect::Budget(key.clone(), budget.version)];
            match self.parts.store.commit(vec![Write::Budget(key.clone(), Budget::default())], expects).await {
                Err(StoreError::Conflict) => {}
                done => return Ok(done.map(|()| true)?),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// What is registered now.
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.load_full()
    }

    /// Swaps what is registered, as a whole.
    pub fn register(&self, registry: Registry) {
        self.keys.register(registry.publishers.keys().cloned());
        self.registry.store(Arc::new(registry));
    }

    /// Wakes whenever something was committed: for whoever waits for work or for an event.
    pub fn changes(&self) -> Watch {
        self.changes.watch()
    }

    /// The time, as the engine sees it.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// A share between 0 and 1, by chance: to spread what would otherwise happen at once.
    fn share(&self) -> f64 {
        self.parts.chance.generator().random()
    }

    /// A number that nobody else has: to mark what changed.
    fn number(&self) -> u64 {
        self.parts.chance.generator().random()
    }

    /// How the store is.
    pub fn status(&self) -> Status {
        self.parts.store.status()
    }

    /// The last number of each institution's feed.
    pub async fn ends(&self) -> Result<Vec<(InstitutionId, u64)>, Trouble> {
        Ok(self.parts.store.ends().await?)
    }

    /// Failed replies since the start, and institutions that have unusually many of late.
    pub fn guesses(&self) -> (u64, u64) {
        (self.guesses.total(), self.guesses.alarms(self.now()))
    }

    /// The store itself, for what needs no decision: the timeline, the registration's recipients.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.parts.store
    }

    /// Small durable values.
    pub fn notes(&self) -> &Arc<dyn Notes> {
        &self.parts.notes
    }

    /// Message templates of the REST and bus flows.
    pub fn templates(&self) -> &Arc<Templates> {
        &self.templates
    }

    /// API keys.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// load → decide → commit, again while what was relied on changes meanwhile.
    async fn carry_out(&self, query: &Query, request: &Request, complete: impl Fn(&mut View)) -> Result<Answer, Trouble> {
        let view = self.parts.store.load(query).await?;
        self.carry_on(view, query, request, complete).await
    }

    /// The same, first with what was read already; it is read anew when it has changed meanwhile.
    async fn carry_on(&self, first: View, query: &Query, request: &Request, complete: impl Fn(&mut View)) -> Result<Answer, Trouble> {
        let mut first = Some(first);
        for _ in 0..RETRIES {
            let mut view = match first.take() {
                Some(view) => view,
                None => self.parts.store.load(query).await?,
            };
            complete(&mut view);
            let mut draw = self.parts.chance.draw(self.now(), codes(request, &view));
            let registry = self.registry.load();
            let decision = decide(Facts { view, registry: &registry, keyring: &*self.parts.vault }, request, &mut draw);
            drop(registry);
            if decision.writes.is_empty() {
                return Ok(decision.answer);
            }
            // Only replies write budgets, and seldom more than two.
            let counted: Vec<_> = decision.writes.iter().filter(|it| matches!(it, Write::Budget(..))).cloned().collect();
            match self.parts.store.commit(decision.writes, decision.expects).await {
                Ok(()) => {
                    self.guesses.count(&counted, draw.now);
                    self.changes.happened();
                    return Ok(decision.answer);
                }
                Err(StoreError::Conflict) => {}
                Err(StoreError::Fenced) => {
                    tracing::warn!("a hand-over took longer than its lease: another worker has the delivery, and its word counts");
                    return Ok(Answer::Done);
                }
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!("a decision met a conflict each time it was taken");
        Err(StoreError::Conflict.into())
    }

    fn open_material(&self, id: AggregateId, sealed: &crate::domain::code::Sealed) -> Option<Material> {
        let plain = self.parts.vault.open(id, sealed);
        plain
            .inspect_err(|error| tracing::error!(%id, %error, "a challenge's material can't be opened"))
            .ok()
            .and_then(|it| Material::from_bytes(&it))
    }
}

// Candidates for a code: one more than there are sessions whose codes it must differ from (decision 17).
fn codes(request: &Request, view: &View) -> Codes {
    let count = || 1 + view.addresses.iter().map(|it| it.open.len()).sum::<usize>();
    match request {
        Request::Open(_) => Codes::Usual(count()),
        Request::Create(order) => Codes::Chosen(order.shape, count()),
        Request::Resend(wish) if wish.policy != Policy::SameCode => {
            let verifier = view.one.as_ref().and_then(|it| it.value.challenge()?.verifier.as_ref());
            // A session may count several codes at once: the new one differs from each of them.
            verifier.and_then(Verifier::code_shape).map_or(Codes::None, |shape| Codes::Chosen(shape, CODES_A_SESSION * count()))
        }
        _ => Codes::None,
    }
}
