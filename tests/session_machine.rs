//! Any sequence of requests, replies, hand-overs and hours: what the contract promises holds after each step.
//!
//! The model is written from the contract and never asks `decide`: it knows which code was typed where and when.

mod world;

use countersign::domain::aggregate::Aggregate;
use countersign::domain::answer::{Answer, Verdict};
use countersign::domain::challenge::State;
use countersign::domain::id::AggregateId;
use countersign::domain::request::OobValidate;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use world::{World, explicit, header};

const PHONES: [&str; 2] = ["+12025550123", "+12025550124"];

#[derive(Debug, Clone)]
enum Step {
    Open { phone: usize, seconds: u32, two_way: bool },
    Repeat { phone: usize, key: u8 },
    Right { nth: usize },
    Wrong { phone: usize, guess: u32 },
    Say { phone: usize, text: &'static str },
    Again,
    Deliver,
    Wait { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let says = prop::sample::select(vec!["hello", "NO", "STOP", "START", "HELP", "111111 222222", "not me"]);
    prop_oneof![
        4 => (0..2_usize, 15..900_u32, any::<bool>()).prop_map(|(phone, seconds, two_way)| Step::Open { phone, seconds, two_way }),
        2 => (0..2_usize, 0..3_u8).prop_map(|(phone, key)| Step::Repeat { phone, key }),
        4 => (0..6_usize).prop_map(|nth| Step::Right { nth }),
        4 => (0..2_usize, 0..1_000_000_u32).prop_map(|(phone, guess)| Step::Wrong { phone, guess }),
        1 => (0..2_usize, says).prop_map(|(phone, text)| Step::Say { phone, text }),
        1 => Just(Step::Again),
        3 => Just(Step::Deliver),
        2 => (1..1_200_u64).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// What the test itself knows of a challenge.
struct Known {
    id: AggregateId,
    phone: usize,
    code: String,
    two_way: bool,
    ends: i64,
    typed_in_time: bool,
}

#[derive(Default)]
struct Model {
    known: Vec<Known>,
    repeats: HashMap<(usize, u8), AggregateId>,
    last: Option<(usize, String, String)>,
    failures: usize,
    serial: usize,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn promises_hold(steps in prop::collection::vec(step(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let mut model = Model::default();
            for step in steps {
                model.take(&world, step).await;
                model.check(&world).await;
            }
        });
    }
}

impl Model {
    async fn take(&mut self, world: &World, step: Step) {
        match step {
            Step::Open { phone, seconds, two_way } => {
                let mode = (!two_way).then(|| "OneWay".to_owned());
                let request = OobValidate { exp_sec: Some(seconds.to_string()), mode, ..explicit(PHONES[phone]) };
                self.open(world, phone, request, i64::from(seconds), two_way).await;
            }
            Step::Repeat { phone, key } => {
                let mut head = header();
                head.bus_correl_id = Some(format!("{phone}-{key}"));
                let id = self.open(world, phone, OobValidate { header: Some(head), ..explicit(PHONES[phone]) }, 600, true).await;
                if let Some(id) = id {
                    let first = *self.repeats.entry((phone, key)).or_insert(id);
                    assert_eq!(id, first, "a repeated request gets the first answer");
                }
            }
            Step::Right { nth } => {
                if let Some(it) = self.known.len().checked_sub(nth + 1).map(|at| &self.known[at]) {
                    let (phone, code) = (it.phone, it.code.clone());
                    self.say(world, phone, &code).await;
                }
            }
            Step::Wrong { phone, guess } => self.say(world, phone, &format!("{guess:06}")).await,
            Step::Say { phone, text } => self.say(world, phone, text).await,
            Step::Again => {
                if let Some((phone, text, id)) = self.last.clone() {
                    let before = world.events().await.len();
                    world.reply(PHONES[phone], &text, &id).await;
                    let keyword = ["STOP", "START", "HELP"].contains(&text.as_str());
                    assert!(keyword || world.events().await.len() <= before + 1, "a duplicate has no effect on a session");
                }
            }
            Step::Deliver => {
                world.deliver().await;
            }
            Step::Wait { seconds } => {
                world.advance(Duration::from_secs(seconds));
                while world.engine.end_due(100).await > 0 {}
            }
        }
    }

    async fn open(&mut self, world: &World, phone: usize, request: OobValidate, seconds: i64, two_way: bool) -> Option<AggregateId> {
        let Answer::Opened { id, otp } = world.ask(request).await else { return None };
        if let (false, Some(code)) = (self.known.iter().any(|it| it.id == id), otp) {
            let ends = world.engine.now().millis() + seconds * 1_000;
            self.known.push(Known { id, phone, code: code.expose().to_owned(), two_way, ends, typed_in_time: false });
        }
        Some(id)
    }

    async fn say(&mut self, world: &World, phone: usize, text: &str) {
        self.serial += 1;
        let id = format!("SM{}", self.serial);
        let now = world.engine.now().millis();
        for it in self.known.iter_mut().filter(|it| it.phone == phone && it.code == text) {
            it.typed_in_time |= now < it.ends;
        }
        let verdict = world.reply(PHONES[phone], text, &id).await;
        self.failures += usize::from(matches!(verdict, Verdict::Wrong { .. } | Verdict::Failed));
        self.last = Some((phone, text.to_owned(), id));
    }

    async fn check(&self, world: &World) {
        let events = world.events().await;
        let numbers: Vec<_> = events.iter().map(|it| it.seq).collect();
        assert!(numbers.windows(2).all(|it| it[0] + 1 == it[1]), "feed numbers have no gaps: {numbers:?}");
        let ids: HashSet<_> = events.iter().map(|it| it.id.to_string()).collect();
        assert_eq!(ids.len(), events.len(), "event ids are unique");
        for it in &self.known {
            let outcomes: Vec<_> =
                events.iter().filter(|event| event.aggregate == it.id && event.act.is_outcome()).map(|it| it.act.code()).collect();
            assert!(outcomes.len() <= 1, "exactly one outcome: {outcomes:?}");
            let Aggregate::Challenge(challenge) = world.engine.store().find(it.id).await.unwrap().unwrap().value else {
                panic!("a challenge")
            };
            let ended = challenge.state != State::Open;
            assert_eq!(challenge.material.is_none(), ended, "the code lives exactly as long as its session");
            assert!(challenge.attempts <= challenge.attempts_allowed, "attempts are bounded");
            assert!(outcomes.first() != Some(&"OOBVerified") || it.typed_in_time && it.two_way, "verified only by its own code, in time");
            assert!(!it.two_way || ended != outcomes.is_empty(), "a TwoWay challenge that ended told its outcome");
            assert!(
                !ended
                    || challenge
                        .deliveries
                        .iter()
                        .filter(|it| it.tries == 0)
                        .all(|it| it.status.due().is_none() || it.purpose != countersign::domain::delivery::Purpose::Challenge),
                "nothing is left to send"
            );
        }
        for kept in world.sandbox.messages() {
            let text = kept.text.as_ref().map(|it| it.expose().to_owned()).unwrap_or_default();
            for it in self.known.iter().filter(|it| text.contains(&it.code)) {
                assert!(
                    kept.sent_at.millis() < it.ends || self.known.iter().filter(|other| other.code == it.code).count() > 1,
                    "nothing is sent late"
                );
            }
        }
        assert!(self.failures <= 2 * 20, "the budget bounds wrong answers");
    }
}
