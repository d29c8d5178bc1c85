//! What the simulation found, each as the shortest story that tells it.

use crate::bank::{INSTITUTIONS, NUMBERS, PHONES, PUBLISHERS, Policy, recipients, registry};
use crate::errand::{Ask, To, Typed, Value, Word};
use crate::world::World;
use countersign::domain::answer::{Answer, Verdict};
use countersign::domain::contact::Address;
use countersign::domain::fault::own;
use countersign::domain::request::Origin;

const POLICY: Policy = Policy { attempts: 3, daily: 9, consecutive: 9, ten_minutes: 3, day: 20, open: 5, supersede: true, answers: 3 };

async fn bank() -> World {
    let world = World::new().await;
    world.engine.register(registry(&POLICY));
    world.engine.store().commit(recipients(), Vec::new()).await.unwrap();
    world
}

async fn ask(world: &World, publisher: usize, to: To) -> Answer {
    let received_at = world.engine.now();
    let ask = Ask {
        publisher: PUBLISHERS[publisher].into(),
        institution: INSTITUTIONS[0].into(),
        to,
        value: Value::Otp,
        two_way: true,
        seconds: 600,
        key: None,
        received_at,
    };
    let origin = Origin::new(ask.publisher.clone(), received_at);
    world.engine.open(origin, Box::new(ask.request())).await.unwrap()
}

async fn write(world: &World, to: &str, typed: Typed) -> Verdict {
    let now = world.engine.now();
    let word = Word {
        from: Address::canonical(PHONES[0]),
        to: Some(Address::canonical(to)),
        gateway: "east",
        provider_id: None,
        typed,
        received_at: now,
        begun_at: now,
    };
    world.engine.reply(word.sms()).await.unwrap()
}

/// Seed 8: a recipient with one phone behind two contacts got one message more than a phone may get.
#[tokio::test]
async fn two_contacts_with_one_phone_stay_within_its_limit() {
    let world = bank().await;
    let both = || To::Recipient { id: "TWICE", contacts: vec!["first", "again"] };
    assert!(matches!(ask(&world, 0, both()).await, Answer::Opened { .. }), "two of three messages");
    let Answer::Refused(violations) = ask(&world, 0, both()).await else { panic!("four of three messages") };
    assert_eq!(violations.iter().map(|it| it.code).collect::<Vec<_>>(), [own::RATE_LIMITED]);
    let one = To::Recipient { id: "TWICE", contacts: vec!["first"] };
    assert!(matches!(ask(&world, 0, one).await, Answer::Opened { .. }), "three of three messages");
}

/// Seed 89: our answer to a message went out from the number written to, and was kept with a session of another publisher; from then
/// on that session took replies to the wrong number.
#[tokio::test]
async fn an_answer_opens_no_way_from_another_number() {
    let world = bank().await;
    let phone = || To::Phone(Address::canonical(PHONES[0]));
    let Answer::Opened { otp: Some(code), .. } = ask(&world, 0, phone()).await else { panic!("not opened") };
    world.advance(std::time::Duration::from_secs(1));
    let Answer::Opened { id, .. } = ask(&world, 1, phone()).await else { panic!("not opened") };
    assert_eq!(write(&world, NUMBERS[0], Typed::Ten("0123456789".to_owned())).await, Verdict::Unread);
    assert_eq!(write(&world, NUMBERS[0], Typed::Six(code.expose().to_owned())).await, Verdict::Verified);
    assert_eq!(write(&world, NUMBERS[0], Typed::Not(None)).await, Verdict::NoSession, "the other publisher's session is not meant");
    let other = world.engine.store().find(id).await.unwrap().unwrap().value;
    assert_eq!(other.events().len(), 1, "only its message was accepted for sending");
    assert_eq!(other.deliveries().len(), 1, "and the other publisher answered nothing");
}
