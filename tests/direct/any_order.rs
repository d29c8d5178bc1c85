//! Whatever is called in whatever order: each call is told what a plain model of the rules says, each challenge has exactly one
//! outcome, and every wrong answer is counted once.

use crate::life::{Do, Life};
use countersign::domain::budget::BudgetKey;
use countersign::domain::contact::Address;
use countersign::domain::publisher::Publisher;
use countersign::domain::request::Policy;
use countersign::domain::snapshot::Query;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

#[derive(Default)]
struct Model {
    now: u64,
    sessions: Vec<Session>,
    /// Which session each code was made for.
    codes: Vec<usize>,
    failures: usize,
    consecutive: u32,
}

struct Session {
    expires: u64,
    attempts: u8,
    ended: Option<&'static str>,
    /// Codes that count.
    valid: Vec<usize>,
    messages: u32,
    sent: u64,
}

impl Model {
    fn act(&mut self, what: Do) -> String {
        match what {
            Do::Wait(seconds) => self.now += seconds,
            Do::Tick => {
                let now = self.now;
                let due = self.sessions.iter_mut().filter(|it| it.ended.is_none() && now >= it.expires);
                due.for_each(|it| it.ended = Some("OOBExpired"));
            }
            Do::Create => return self.create(),
            _ if self.sessions.is_empty() => {}
            Do::Right(nth) => return self.verify(self.codes[nth % self.codes.len()], Some(nth % self.codes.len())),
            Do::Newest(nth) => return self.verify(self.sessions.len() - 1, Some(nth % self.codes.len())),
            Do::Wrong => return self.verify(self.sessions.len() - 1, None),
            Do::Again(policy) => return self.again(policy),
            Do::Cancel => return self.close("OOBCancelled"),
            Do::Tell(true) => return self.close("OOBVerified"),
            Do::Tell(false) => return self.close("OOBFailed"),
        }
        String::new()
    }

    fn create(&mut self) -> String {
        if let Some(older) = self.sessions.last_mut().filter(|it| it.ended.is_none()) {
            older.ended = Some("OOBSuperseded");
        }
        let valid = vec![self.codes.len()];
        self.codes.push(self.sessions.len());
        self.sessions.push(Session { expires: self.now + 300, attempts: 0, ended: None, valid, messages: 1, sent: self.now });
        "opened".to_owned()
    }

    fn verify(&mut self, at: usize, code: Option<usize>) -> String {
        let it = &mut self.sessions[at];
        let told = match it.ended {
            Some("OOBVerified") => "used",
            Some("OOBFailed") => "failed",
            // Its own code costs no attempt, and counts as a failure (decision 16).
            Some("OOBSuperseded") if code.is_some_and(|nth| it.valid.contains(&nth)) => {
                (self.failures, self.consecutive) = (self.failures + 1, self.consecutive + 1);
                "superseded"
            }
            Some("OOBSuperseded") => "superseded",
            Some("OOBCancelled") => "cancelled",
            Some(_) => "expired",
            None if self.now >= it.expires => "expired",
            None if code.is_some_and(|nth| it.valid.contains(&nth)) => {
                (it.ended, self.consecutive) = (Some("OOBVerified"), 0);
                "verified"
            }
            None => {
                (it.attempts, self.failures, self.consecutive) = (it.attempts + 1, self.failures + 1, self.consecutive + 1);
                if it.attempts < 3 {
                    return format!("wrong {}", 3 - it.attempts);
                }
                it.ended = Some("OOBFailed");
                "failed"
            }
        };
        told.to_owned()
    }

    fn again(&mut self, policy: Policy) -> String {
        let (now, new, at) = (self.now, self.codes.len(), self.sessions.len() - 1);
        let it = &mut self.sessions[at];
        match it.ended {
            Some(outcome) => return format!("ended {outcome}"),
            None if now >= it.expires => return "ended OOBExpired".to_owned(),
            None if it.messages > 3 => return "too many".to_owned(),
            None if now < it.sent + 30 => return "too soon".to_owned(),
            None => (it.messages, it.sent) = (it.messages + 1, now),
        }
        match policy {
            Policy::SameCode => return "sent".to_owned(),
            Policy::Supersede => it.valid = vec![new],
            Policy::AnyOfSession => it.valid.push(new),
        }
        self.codes.push(at);
        "sent".to_owned()
    }

    fn close(&mut self, outcome: &'static str) -> String {
        let now = self.now;
        let Some(it) = self.sessions.last_mut() else { return String::new() };
        match it.ended {
            Some(had) if had == outcome => "done".to_owned(),
            Some(had) => format!("ended {had}"),
            None if now >= it.expires => "ended OOBExpired".to_owned(),
            None => {
                it.ended = Some(outcome);
                "done".to_owned()
            }
        }
    }
}

fn step() -> impl Strategy<Value = Do> {
    let policy = prop::sample::select(vec![Policy::SameCode, Policy::Supersede, Policy::AnyOfSession]);
    prop_oneof![
        2 => Just(Do::Create),
        3 => any::<prop::sample::Index>().prop_map(|it| Do::Right(it.index(64))),
        2 => any::<prop::sample::Index>().prop_map(|it| Do::Newest(it.index(64))),
        4 => Just(Do::Wrong),
        4 => prop_oneof![Just(1), Just(29), Just(30), Just(300)].prop_map(Do::Wait),
        4 => policy.prop_map(Do::Again),
        1 => Just(Do::Cancel),
        1 => any::<bool>().prop_map(Do::Tell),
        1 => Just(Do::Tick),
    ]
}

fn roomy(it: &mut Publisher) {
    (it.budget.daily, it.budget.consecutive) = (10_000, 10_000);
    (it.limits.per_phone_ten_minutes, it.limits.per_phone_day, it.limits.per_second) = (10_000, 10_000, 10_000);
}

/// What the engine is asked in place of what the model is.
type Slip = fn(Do) -> Do;

const FAULTS: &[(&str, Slip)] = &[
    ("a code that was replaced still counts", |it| match it {
        Do::Again(Policy::Supersede) => Do::Again(Policy::AnyOfSession),
        it => it,
    }),
    ("an older code of the session counts no more", |it| match it {
        Do::Again(Policy::AnyOfSession) => Do::Again(Policy::Supersede),
        it => it,
    }),
    ("a wrong answer is not counted", |it| if it == Do::Wrong { Do::Wait(0) } else { it }),
    ("what was cancelled lives on", |it| if it == Do::Cancel { Do::Wait(0) } else { it }),
    ("an outcome is told the other way", |it| if let Do::Tell(verified) = it { Do::Tell(!verified) } else { it }),
    ("nothing ends by itself", |it| if it == Do::Tick { Do::Wait(0) } else { it }),
];

async fn holds(steps: &[Do], slip: Slip) -> Result<(), TestCaseError> {
    let (mut life, mut model) = (Life::new(Life::sms(), roomy).await, Model::default());
    for (nth, what) in steps.iter().enumerate() {
        prop_assert_eq!(life.act(slip(*what)).await, model.act(*what), "step {} of {:?}", nth, steps);
    }
    for (id, expected) in life.ids.iter().zip(&model.sessions) {
        let (challenge, outcomes) = (life.challenge(*id).await, life.world.outcomes(&id.to_string()).await);
        prop_assert_eq!(outcomes, expected.ended.into_iter().collect::<Vec<_>>(), "outcomes");
        prop_assert_eq!(challenge.attempts, expected.attempts);
        prop_assert_eq!(challenge.material.is_some(), expected.ended.is_none(), "the code is destroyed with the session");
    }
    let key = BudgetKey::Address("011001276".into(), Address::canonical(crate::world::PHONE));
    let view = life.world.engine.store().load(&Query::Budget(key)).await.unwrap();
    let budget = &view.budgets[0].1.value;
    prop_assert_eq!((budget.recent.len().min(100), budget.consecutive), (model.failures.min(100), model.consecutive));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_call_is_told_what_the_rules_say(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(holds(&steps, |it| it))?;
    }
}

#[test]
fn planted_faults_are_noticed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (fault, slip) in FAULTS {
        let (mut runner, all) = (TestRunner::deterministic(), prop::collection::vec(step(), 1..40));
        let mut seen = (0..300).map(|_| all.new_tree(&mut runner).unwrap().current());
        assert!(seen.any(|steps| runtime.block_on(holds(&steps, *slip)).is_err()), "{fault}: not noticed");
    }
}
