//! What a caller is told, case by case, and what remains of it.

use crate::life::{Do, Life};
use crate::world::{PHONE, Secret, explicit};
use Do::{Again, Cancel, Create, Newest, Right, Tell, Tick, Wait, Wrong};
use countersign::domain::answer::Verdict;
use countersign::domain::assurance::Standing;
use countersign::domain::challenge::State;
use countersign::domain::event::Act;
use countersign::domain::id::AggregateId;
use countersign::domain::publisher::Publisher;
use countersign::domain::request::{Asked, Policy};
use std::time::Duration;

/// Steps, each with what is told; then the outcomes of every challenge.
async fn check(steps: &[(Do, &str)], outcomes: &[&[&str]]) {
    check_with(|_| {}, steps, outcomes).await;
}

async fn check_with(change: impl FnOnce(&mut Publisher), steps: &[(Do, &str)], outcomes: &[&[&str]]) {
    let mut life = Life::new(Life::sms(), change).await;
    for (nth, (what, told)) in steps.iter().enumerate() {
        assert_eq!(life.act(*what).await, *told, "step {nth} of {steps:?}");
    }
    let mut found = Vec::new();
    for id in &life.ids {
        found.push(life.world.outcomes(&id.to_string()).await);
    }
    assert_eq!(found, outcomes, "{steps:?}");
}

#[tokio::test]
async fn an_answer_is_judged() {
    check(&[(Create, "opened"), (Right(0), "verified"), (Right(0), "used"), (Wrong, "used")], &[&["OOBVerified"]]).await;
    check(&[(Create, "opened"), (Wrong, "wrong 2"), (Right(0), "verified")], &[&["OOBVerified"]]).await;
    check(&[(Create, "opened"), (Wrong, "wrong 2"), (Wrong, "wrong 1"), (Wrong, "failed"), (Right(0), "failed")], &[&["OOBFailed"]]).await;
    check(&[(Create, "opened"), (Wait(299), ""), (Right(0), "verified")], &[&["OOBVerified"]]).await;
    check(&[(Create, "opened"), (Wait(300), ""), (Right(0), "expired"), (Tick, ""), (Right(0), "expired")], &[&["OOBExpired"]]).await;
    check(
        &[(Create, "opened"), (Create, "opened"), (Right(0), "superseded"), (Newest(0), "wrong 2"), (Right(1), "verified")],
        &[&["OOBSuperseded"], &["OOBVerified"]],
    )
    .await;
    check(&[(Create, "opened"), (Cancel, "done"), (Right(0), "cancelled"), (Cancel, "done")], &[&["OOBCancelled"]]).await;
}

#[tokio::test]
async fn a_publisher_tells_an_outcome_once() {
    check(
        &[(Create, "opened"), (Tell(true), "done"), (Tell(true), "done"), (Tell(false), "ended OOBVerified"), (Right(0), "used")],
        &[&["OOBVerified"]],
    )
    .await;
    check(&[(Create, "opened"), (Tell(false), "done"), (Cancel, "ended OOBFailed"), (Right(0), "failed")], &[&["OOBFailed"]]).await;
    check(&[(Create, "opened"), (Wait(300), ""), (Tell(true), "ended OOBExpired"), (Cancel, "ended OOBExpired")], &[&[]]).await;
}

#[tokio::test]
async fn a_message_is_sent_again() {
    let (same, supersede, any) = (Again(Policy::SameCode), Again(Policy::Supersede), Again(Policy::AnyOfSession));
    check(
        &[(Create, "opened"), (same, "too soon"), (Wait(30), ""), (same, "sent"), (same, "too soon"), (Right(0), "verified")],
        &[&["OOBVerified"]],
    )
    .await;
    let wait = (Wait(30), "");
    check(
        &[(Create, "opened"), wait, (same, "sent"), wait, (same, "sent"), wait, (any, "sent"), wait, (same, "too many"), (Cancel, "done")],
        &[&["OOBCancelled"]],
    )
    .await;
    check(&[(Create, "opened"), wait, (supersede, "sent"), (Right(0), "wrong 2"), (Right(1), "verified")], &[&["OOBVerified"]]).await;
    check(&[(Create, "opened"), wait, (any, "sent"), wait, (any, "sent"), (Right(0), "verified"), (Right(2), "used")], &[&["OOBVerified"]])
        .await;
    check(
        &[(Create, "opened"), wait, (any, "sent"), wait, (supersede, "sent"), (Right(1), "wrong 2"), (Right(2), "verified")],
        &[&["OOBVerified"]],
    )
    .await;
    check(&[(Create, "opened"), (Right(0), "verified"), wait, (same, "ended OOBVerified")], &[&["OOBVerified"]]).await;
    check(&[(Create, "opened"), (Wait(300), ""), (same, "ended OOBExpired")], &[&[]]).await;
}

#[tokio::test]
async fn limits_and_the_failure_budget_refuse() {
    let few = |it: &mut Publisher| it.limits.per_phone_ten_minutes = 2;
    check_with(
        few,
        &[(Create, "opened"), (Create, "opened"), (Create, "refused: messages"), (Wait(600), ""), (Create, "opened")],
        &[&["OOBSuperseded"], &["OOBSuperseded"], &[]],
    )
    .await;
    let again = Again(Policy::SameCode);
    check_with(few, &[(Create, "opened"), (Create, "opened"), (Wait(30), ""), (again, "refused: messages")], &[&["OOBSuperseded"], &[]])
        .await;
    let strict = |it: &mut Publisher| it.budget.daily = 2;
    check_with(
        strict,
        &[(Create, "opened"), (Wrong, "wrong 2"), (Wrong, "wrong 1"), (Right(0), "blocked"), (Create, "refused: failures")],
        &[&[]],
    )
    .await;
    let strict = |it: &mut Publisher| it.budget.daily = 2;
    check_with(strict, &[(Create, "opened"), (Wrong, "wrong 2"), (Wrong, "wrong 1"), (Wait(30), ""), (again, "refused: failures")], &[&[]])
        .await;
    check_with(|it| it.limits.per_day = 1, &[(Create, "opened"), (Create, "refused: day")], &[&[]]).await;
    check_with(
        |it| it.limits.per_second = 1,
        &[(Create, "opened"), (Create, "refused: rate"), (Wait(1), ""), (Create, "opened")],
        &[&["OOBSuperseded"], &[]],
    )
    .await;
}

#[tokio::test]
async fn a_repeated_call_gets_its_first_answer_and_costs_nothing() {
    let mut life = Life::new(Life::sms(), |_| {}).await;
    let asked = Asked { key: Some("K:one".into()), ..Life::sms() };
    assert_eq!(life.create(asked.clone()).await, "opened");
    assert_eq!(life.create(asked.clone()).await, "repeated with its code");
    assert_eq!(life.create(Asked { validity: Some(60), ..asked.clone() }).await, "refused: key reused");
    let (id, code) = life.codes[0].clone();
    assert_eq!(life.verify(id, "nonsense", Some("a")).await, "wrong 2");
    assert_eq!(life.verify(id, "nonsense", Some("a")).await, "wrong 2");
    assert_eq!(life.verify(id, "nonsense", Some("b")).await, "wrong 1");
    assert_eq!(life.challenge(id).await.attempts, 2);
    assert_eq!(life.verify(id, &code, Some("c")).await, "verified");
    assert_eq!(life.verify(id, &code, Some("c")).await, "verified");
    assert_eq!(life.verify(id, &code, Some("d")).await, "used");
    assert_eq!(life.verify(id, "nonsense", Some("a")).await, "wrong 2", "long after, too");
    assert_eq!(life.create(asked).await, "repeated");
    assert_eq!(life.deliveries().await, 1, "one message in all");
    // The same key at another challenge is another call.
    assert_eq!(life.act(Create).await, "opened");
    let other = life.ids[1];
    assert_eq!(life.verify(other, "nonsense", Some("c")).await, "wrong 2");
    life.world.advance(Duration::from_secs(30));
    assert_eq!(life.again(other, Policy::Supersede, Some("e")).await, "sent");
    assert_eq!(life.again(other, Policy::Supersede, Some("e")).await, "repeated");
    assert_eq!(life.codes.len(), 3);
}

#[tokio::test]
async fn a_client_has_one_code_a_channel() {
    let mut life = Life::new(Asked { client: Some("C-1".into()), ..Life::sms() }, |_| {}).await;
    assert_eq!(life.verify_slot("C-1", "1111", None).await, "unknown");
    assert_eq!(life.act(Create).await, "opened");
    let elsewhere = Asked { recipient: Some(Secret::new("202-555-0199")), ..life.asked.clone() };
    assert_eq!(life.create(elsewhere).await, "opened", "at another number: the slot is the client's");
    let [first, second] = [life.codes[0].1.clone(), life.codes[1].1.clone()];
    assert_eq!(life.verify_slot("C-2", &second, None).await, "unknown");
    assert_eq!(life.verify_slot("C-1", &first, Some("P:1")).await, "wrong 2");
    assert_eq!(life.verify_slot("C-1", &first, Some("P:1")).await, "wrong 2");
    assert_eq!(life.verify_slot("C-1", &second, Some("P:2")).await, "verified");
    assert_eq!(life.verify_slot("C-1", &second, Some("P:2")).await, "verified", "although nobody holds the slot any more");
    assert_eq!(life.verify_slot("C-1", &second, Some("P:3")).await, "unknown");
    let outcomes = [life.world.outcomes(&life.ids[0].to_string()).await, life.world.outcomes(&life.ids[1].to_string()).await];
    assert_eq!(outcomes, [["OOBSuperseded"], ["OOBVerified"]]);
}

#[tokio::test]
async fn the_failures_of_a_client_block_it_wherever_its_code_goes() {
    let mut life = Life::new(Asked { client: Some("C-1".into()), ..Life::sms() }, |it| it.budget.daily = 2).await;
    assert_eq!(life.act(Create).await, "opened");
    assert_eq!([life.act(Wrong).await, life.act(Wrong).await], ["wrong 2", "wrong 1"]);
    let elsewhere = Asked { recipient: Some(Secret::new("202-555-0199")), ..life.asked.clone() };
    assert_eq!(life.create(elsewhere.clone()).await, "refused: failures");
    assert_eq!(life.create(Asked { client: Some("C-2".into()), ..elsewhere }).await, "opened");
    assert_eq!(life.create(Asked { client: Some("C-2".into()), ..Life::sms() }).await, "refused: failures", "the number's own");
}

#[tokio::test]
async fn others_see_nothing() {
    let mut life = Life::new(Life::sms(), |_| {}).await;
    assert_eq!(life.act(Create).await, "opened");
    let (id, code) = life.codes[0].clone();
    let mut call = life.call(id, None);
    call.origin.publisher = "other".into();
    let engine = &life.world.engine;
    assert_eq!(crate::life::checked(engine.verify(call.clone(), Secret::new(code.clone())).await.unwrap()), "unknown");
    assert!(matches!(engine.cancel(call.clone()).await.unwrap(), countersign::domain::told::Closed::Unknown));
    assert!(engine.look(&"other".into(), id).await.unwrap().is_none());
    let nobody = AggregateId(uuid::Uuid::from_u128(7));
    assert_eq!(life.verify(nobody, &code, None).await, "unknown");
    assert!(life.world.engine.look(&"demo".into(), nobody).await.unwrap().is_none());
    assert_eq!(life.again(nobody, Policy::SameCode, None).await, "unknown");
    assert_eq!(life.act(Right(0)).await, "verified", "nothing was counted");
}

#[tokio::test]
async fn a_challenge_over_soap_is_verified_by_a_call_too() {
    let mut life = Life::new(Life::sms(), |_| {}).await;
    let (id, code) = life.world.opened(explicit(PHONE)).await;
    let id = AggregateId::parse(&id).unwrap();
    assert_eq!(life.verify(id, "nonsense", None).await, "wrong 2");
    assert_eq!(life.world.reply(PHONE, "111111", "m-1").await, Verdict::Wrong { left: 1 }, "one counter");
    assert_eq!(life.verify(id, &code, None).await, "verified");
    assert_eq!(life.world.reply(PHONE, &code, "m-2").await, Verdict::Expired);
    assert_eq!(life.world.outcomes(&id.to_string()).await, ["OOBVerified"]);
    assert_eq!(life.again(id, Policy::SameCode, None).await, "unknown", "SOAP knows no second message");
}

#[tokio::test]
async fn an_sms_that_may_be_answered_takes_a_reply_and_another_does_not() {
    for (reply, shape, verdict) in [
        (true, (6, false), Verdict::Verified),
        (true, (8, true), Verdict::Verified),
        (true, (5, true), Verdict::Verified),
        (true, (4, false), Verdict::Verified),
        (false, (6, false), Verdict::NoSession),
    ] {
        let asked = Asked { reply: Some(reply), length: Some(shape.0), alphanumeric: Some(shape.1), ..Life::sms() };
        let mut life = Life::new(asked, |_| {}).await;
        assert_eq!(life.act(Create).await, "opened");
        let code = life.codes[0].1.clone();
        assert_eq!(life.world.reply(PHONE, &format!("{} ", code.to_lowercase()), "m-1").await, verdict, "{code}");
        assert_eq!(life.act(Right(0)).await, if reply { "used" } else { "verified" });
    }
}

#[tokio::test]
async fn the_message_shows_the_code_on_each_channel() {
    for (channel, recipient, text, expected) in [
        ("SMS", "2025550123", Some("Use <%$otp%> now."), "Use {} now."),
        (
            "SMS",
            "2025550123",
            None,
            "First Harbor Bank: Your code is {}. Enter it where you asked for it. We never call to ask for it. Valid for 5 minutes.",
        ),
        ("MAIL", "a@b.example", Some("Use <%$otp%> now."), "Use {} now."),
        ("PUSH", "a-device-token-of-an-app", Some("Use <%$otp%> now."), "Use {} now."),
    ] {
        let asked = Asked {
            channel: Some(channel.into()),
            recipient: Some(Secret::new(recipient)),
            text: text.map(Secret::new),
            length: Some(8),
            ..Asked::default()
        };
        let mut life = Life::new(asked, |_| {}).await;
        assert_eq!(life.act(Create).await, "opened");
        let said: Vec<String> = life.world.deliver().await.iter().map(|it| it.text.as_ref().unwrap().expose().to_owned()).collect();
        assert_eq!(said, [expected.replace("{}", &life.codes[0].1)], "{channel}");
        assert_eq!(life.world.acts(&life.ids[0].to_string()).await, ["MsgAccepted", "MsgSent"]);
    }
}

#[tokio::test]
async fn what_waits_is_taken_back_when_it_is_sent_again_and_shows_the_newest_code() {
    let mut life = Life::new(Life::sms(), |_| {}).await;
    assert_eq!(life.act(Create).await, "opened");
    life.world.advance(Duration::from_secs(30));
    assert_eq!(life.act(Again(Policy::Supersede)).await, "sent");
    let messages = life.world.deliver().await;
    assert_eq!(messages.len(), 1);
    assert!(messages[0].text.as_ref().unwrap().expose().contains(&life.codes[1].1));
    life.world.advance(Duration::from_secs(30));
    assert_eq!(life.act(Again(Policy::SameCode)).await, "sent");
    let messages = life.world.deliver().await;
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|it| it.text.as_ref().unwrap().expose().contains(&life.codes[1].1)));
}

#[tokio::test]
async fn a_look_tells_how_it_stands_also_after_the_end() {
    let asked =
        Asked { reference: Some("order 7".into()), locale: Some("de-AT".into()), attempts: Some(7), validity: Some(900), ..Life::sms() };
    let mut life = Life::new(asked, |_| {}).await;
    assert_eq!(life.act(Create).await, "opened");
    let look = async |life: &Life| life.world.engine.look(&"demo".into(), life.ids[0]).await.unwrap().unwrap();
    assert_eq!(life.act(Wrong).await, "wrong 6");
    let looked = look(&life).await;
    let it = &looked.summary;
    assert_eq!((it.state, it.attempts_left, it.attempts_allowed, it.messages, it.replies), (State::Open, 6, 7, 1, false));
    assert_eq!((it.to.as_deref(), it.reference.as_deref(), it.locale.as_deref()), (Some("******0123"), Some("order 7"), Some("de-AT")));
    let missed: Vec<_> = looked.assurance.iter().filter(|it| it.standing == Standing::Missed).map(|it| it.clause).collect();
    assert_eq!(missed, ["3.1.3.2 (lifetime)", "6.5.5", "4(3)(b)"]);
    life.world.advance(Duration::from_secs(900));
    assert!(matches!(look(&life).await.summary.state, State::Ended { outcome: Act::Expired, .. }), "although nobody ended it yet");
    assert_eq!(life.act(Tick).await, "");
    life.world.advance(Duration::from_secs(9_000));
    let looked = look(&life).await;
    let acts: Vec<_> = looked.timeline.iter().map(|it| it.act).collect();
    assert_eq!((acts, looked.summary.attempts_left), (vec![Act::MsgAccepted, Act::MsgExpired, Act::Expired], 0));
}

impl Life {
    /// Messages that were accepted for sending, in all.
    async fn deliveries(&self) -> usize {
        self.world.events().await.iter().filter(|it| it.act == Act::MsgAccepted).count()
    }
}
