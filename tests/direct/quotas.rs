//! Quotas through the engine: each refuses at its count, until its time, and what is not sent doesn't count.

use crate::world::{START, Secret, Seeded, World, explicit};
use countersign::domain::limit::Limit;
use countersign::domain::message::{CODE, Key, Kind, Parameter, Source};
use countersign::domain::publisher::Publisher;
use countersign::domain::quota::{Money, Most, Quotas};
use countersign::domain::request::{Asked, OobValidate, Origin, Pace, Policy, TemplateName, Via};
use countersign::domain::segment;
use countersign::domain::time::Timestamp;
use countersign::domain::told::{Refusal, Resent};
use countersign::engine::direct::{Call, Creation};
use countersign::engine::tally::Tally;
use countersign::engine::templates::Condition;
use countersign::engine::{Engine, Parts};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: i64 = START + 60_000;
/// The end of that UTC day.
const DAY: i64 = START + 12 * 3_600_000;

fn asked(phone: &str) -> Asked {
    Asked { channel: Some("SMS".into()), recipient: Some(Secret::new(phone)), ..Asked::default() }
}

fn from(engine: &Engine, address: &str, key: Option<&str>) -> Origin {
    let via = Via::new(address.parse::<IpAddr>().unwrap(), key.map(str::to_owned));
    Origin::new("demo".into(), engine.now()).by(via)
}

/// `None`: it was opened.
async fn create(engine: &Engine, origin: Origin, asked: Asked) -> Option<Limit> {
    match engine.create(origin, asked).await.unwrap() {
        Creation::Opened { .. } => None,
        Creation::Refused(Refusal::Limit(limit)) => Some(limit),
        other => panic!("{other:?}"),
    }
}

async fn world(quotas: Quotas) -> World {
    World::with(|it: &mut Publisher| {
        it.quotas = quotas;
        it.countries = vec!["GB".into()];
    })
    .await
}

fn minute(most: u32) -> Most {
    Most { minute: most, day: 0 }
}

#[tokio::test]
async fn each_quota_refuses_at_its_count_and_frees_later() {
    let phone = |nth: u32| format!("+120255501{nth:02}");
    let none = Quotas { prefix_digits: 7, ..Quotas::default() };
    let until = |at| Timestamp::from_millis(at);
    let cases = [
        (Quotas { network: minute(3), ..none.clone() }, Limit::Network { until: until(MINUTE) }),
        (Quotas { key: minute(3), ..none.clone() }, Limit::Key { until: until(MINUTE) }),
        (Quotas { prefix: minute(3), ..none.clone() }, Limit::Prefix { until: until(MINUTE) }),
        (Quotas { country: minute(3), ..none.clone() }, Limit::Country { until: until(MINUTE) }),
        (Quotas { country: Most { minute: 0, day: 3 }, ..none.clone() }, Limit::Country { until: until(DAY) }),
        (Quotas { money: Money { day: 7, prices: vec![("+1".into(), 2)], other: 0 }, ..none.clone() }, Limit::Money { until: until(DAY) }),
    ];
    for (quotas, expected) in cases {
        let world = world(quotas).await;
        let ask = async |nth: u32| create(&world.engine, from(&world.engine, "192.0.2.1", Some("k")), asked(&phone(nth))).await;
        for nth in 0..3 {
            assert_eq!(ask(nth).await, None, "{expected:?}");
        }
        for _ in 0..3 {
            assert_eq!(ask(3).await, Some(expected), "a refused one doesn't count");
        }
        let soon = expected.until(world.engine.now()).unwrap();
        world.advance(soon.since(world.engine.now()) - Duration::from_millis(1));
        assert_eq!(ask(3).await, Some(expected), "not yet");
        world.advance(Duration::from_millis(1));
        for nth in 3..6 {
            assert_eq!(ask(nth).await, None, "{expected:?} is over");
        }
    }
}

#[tokio::test]
async fn others_are_counted_apart() {
    let quotas = Quotas { network: minute(1), key: minute(2), prefix: minute(3), prefix_digits: 7, ..Quotas::default() };
    let world = world(quotas).await;
    let ask = async |address: &str, key: &str, phone: &str| {
        create(&world.engine, from(&world.engine, address, Some(key)), asked(phone)).await.map(|it| format!("{it:?}"))
    };
    let refused = |found: Option<String>, by: &str| assert!(found.as_ref().is_some_and(|it| it.starts_with(by)), "{found:?}");
    assert_eq!(ask("192.0.2.1", "a", "+12025550101").await, None);
    refused(ask("192.0.2.1", "b", "+12025550102").await, "Network");
    assert_eq!(ask("192.0.2.2", "a", "+12025550102").await, None);
    refused(ask("192.0.2.3", "a", "+12025550103").await, "Key");
    assert_eq!(ask("192.0.2.3", "b", "+12025550103").await, None);
    refused(ask("192.0.2.4", "c", "+12025550104").await, "Prefix");
    assert_eq!(ask("2001:db8::1", "c", "+442079460018").await, None);
    refused(ask("2001:db8::2", "d", "+442079460019").await, "Network");
}

#[tokio::test]
async fn a_repeated_request_and_one_that_is_refused_cost_nothing() {
    let world = world(Quotas { country: minute(2), ..Quotas::default() }).await;
    let ask = async |asked: Asked| create(&world.engine, from(&world.engine, "192.0.2.1", None), asked).await;
    let keyed = || Asked { key: Some("K:1".into()), ..asked("+12025550101") };
    for _ in 0..4 {
        assert_eq!(ask(keyed()).await, None);
    }
    assert_eq!(ask(asked("+12025550102")).await, None);
    assert!(ask(asked("+12025550103")).await.is_some());
    assert_eq!(ask(keyed()).await, None, "the first answer, also when the quota is full");
    assert_eq!(ask(Asked { test: Some(true), ..asked("+12025550104") }).await, None, "nothing goes out");
}

#[tokio::test]
async fn messages_sent_again_and_those_of_soap_count_too() {
    let world = world(Quotas { country: minute(3), ..Quotas::default() }).await;
    let origin = || from(&world.engine, "192.0.2.1", None);
    let Creation::Opened { summary, .. } = world.engine.create(origin(), asked("+12025550101")).await.unwrap() else { panic!() };
    let again = async || {
        let call = Call { origin: origin(), id: summary.id, key: None };
        let pace = Pace { gap: Duration::ZERO, ..Pace::default() };
        world.engine.resend(call, Policy::SameCode, pace).await.unwrap()
    };
    assert!(matches!(again().await, Resent::Sent { .. }));
    world.opened(explicit("+12025550123")).await;
    let full = Limit::Country { until: Timestamp::from_millis(MINUTE) };
    assert!(matches!(again().await, Resent::Refused(Refusal::Limit(limit)) if limit == full));
    assert_eq!(world.refused(explicit("+12025550124")).await, [countersign::domain::fault::own::RATE_LIMITED]);
}

/// A world in which an SMS costs 1, and 6 may be spent in a day.
async fn for_six() -> World {
    let it = world(Quotas { money: Money { day: 6, prices: Vec::new(), other: 1 }, ..Quotas::default() }).await;
    let parameter = |key: &str| Parameter { key: key.to_owned(), mandatory: false };
    let source = Source {
        key: Key { name: "otp".into(), kind: Kind::Sms, language: None },
        strategy: None,
        active: true,
        subject: None,
        body: "[[${otpValue}]] [(${more})]".to_owned(),
        context: Vec::new(),
        parameters: vec![parameter(CODE), parameter("more")],
    };
    it.engine.templates().put(&"demo".into(), source, Condition::None).await.unwrap();
    it.advance(Duration::from_secs(2));
    it
}

#[tokio::test]
async fn an_sms_costs_its_price_for_each_part_in_which_it_travels() {
    // With a code of six digits before it. 160 characters are one SMS, more are cut into parts of 153; of other alphabets 70 and 67.
    let cases = [
        ("x".repeat(153), 1),
        ("x".repeat(154), 2),
        ("x".repeat(299), 2),
        ("x".repeat(300), 3),
        ("€".repeat(77), 2),
        ("я".repeat(63), 1),
        ("я".repeat(64), 2),
        ("я".repeat(127), 2),
        ("я".repeat(128), 3),
    ];
    let phone = |nth: u32| format!("+120255501{nth:02}");
    for (more, parts) in cases {
        let text = Secret::new(format!("<%$otp%> {more}"));
        let own = |nth| Asked { text: Some(text.clone()), ..asked(&phone(nth)) };
        let stored = |nth| Asked {
            template: Some(TemplateName { name: "otp".into(), language: None }),
            parameters: vec![("more".into(), Secret::new(more.as_str()))],
            ..asked(&phone(nth))
        };
        let ways: [&dyn Fn(u32) -> Asked; 2] = [&own, &stored];
        for ask in ways {
            let world = for_six().await;
            for nth in 0..6 / parts {
                assert_eq!(create(&world.engine, from(&world.engine, "192.0.2.1", None), ask(nth)).await, None, "{parts}: {more}");
            }
            let full = create(&world.engine, from(&world.engine, "192.0.2.1", None), ask(7)).await;
            assert!(matches!(full, Some(Limit::Money { .. })), "{parts}: {more}");
            let sent = world.deliver().await;
            assert_eq!(segment::count(sent[0].text.as_ref().unwrap().expose()).segments, parts as usize, "as it was sent");
        }
        let world = for_six().await;
        let soap = |nth| OobValidate { sms_text: Some(text.clone()), ..explicit(&phone(nth)) };
        for nth in 0..6 / parts {
            world.opened(soap(nth)).await;
        }
        assert_eq!(world.refused(soap(7)).await, [countersign::domain::fault::own::RATE_LIMITED], "{parts}: {more}");
    }
}

#[tokio::test]
async fn what_is_too_dear_leaves_the_rest_to_others() {
    let world = for_six().await;
    let ask = async |nth: u32, length: usize| {
        let text = Some(Secret::new(format!("<%$otp%> {}", "x".repeat(length))));
        create(&world.engine, from(&world.engine, "192.0.2.1", None), Asked { text, ..asked(&format!("+120255501{nth:02}")) }).await
    };
    assert_eq!(ask(1, 300).await, None, "three parts");
    assert!(matches!(ask(2, 600).await, Some(Limit::Money { .. })), "four parts where three are left");
    assert_eq!(ask(3, 200).await, None, "two parts");
    assert!(matches!(ask(4, 200).await, Some(Limit::Money { .. })));
    assert_eq!(ask(5, 1).await, None, "the last");
    assert!(matches!(ask(6, 1).await, Some(Limit::Money { .. })));
}

#[tokio::test]
async fn a_message_that_is_sent_again_costs_each_of_its_parts_again() {
    let world = for_six().await;
    let origin = || from(&world.engine, "192.0.2.1", None);
    let long = Asked { text: Some(Secret::new(format!("<%$otp%> {}", "x".repeat(200)))), ..asked("+12025550101") };
    let Creation::Opened { summary, .. } = world.engine.create(origin(), long).await.unwrap() else { panic!() };
    let again = async |policy| {
        let call = Call { origin: origin(), id: summary.id, key: None };
        let pace = Pace { gap: Duration::ZERO, ..Pace::default() };
        world.engine.resend(call, policy, pace).await.unwrap()
    };
    assert!(matches!(again(Policy::SameCode).await, Resent::Sent { .. }));
    assert!(matches!(again(Policy::AnyOfSession).await, Resent::Sent { .. }));
    assert!(matches!(again(Policy::SameCode).await, Resent::Refused(Refusal::Limit(Limit::Money { .. }))));
}

#[tokio::test]
async fn the_days_money_is_not_forgotten_with_the_process() {
    // Drawn in parts of 4, or a price.
    let quotas = Quotas { money: Money { day: 10, prices: Vec::new(), other: 3 }, ..Quotas::default() };
    let world = world(quotas).await;
    let registry = (*world.engine.registry()).clone();
    let begin = |seed: u64| {
        let it = Engine::new(Parts {
            store: world.engine.store().clone(),
            notes: world.engine.notes().clone(),
            vault: world.vault.clone(),
            clock: world.hands.clone(),
            chance: Arc::new(Seeded::from(seed)),
            tally: Tally::alone(1, world.vault.clone()),
        });
        it.register(registry.clone());
        it
    };
    let mut sent = 0;
    for nth in 0..6 {
        // Each of a process of its own.
        let engine = begin(1_000 * (nth + 1));
        sent += u32::from(create(&engine, from(&engine, "192.0.2.1", None), asked(&format!("+120255501{nth:02}"))).await.is_none());
    }
    assert_eq!(sent, 3);
    world.advance(Duration::from_secs(12 * 3_600));
    assert_eq!(create(&world.engine, from(&world.engine, "192.0.2.1", None), asked("+12025550120")).await, None, "another day");
}
