//! Receipts: what a carrier reports later becomes an event once, in whatever order and however often it comes; and only the
//! carrier can report.

mod http_stand;
mod world;

use countersign::connect::contract::{Connector, Message, Soon};
use countersign::domain::answer::Verdict;
use countersign::domain::delivery::Outcome;
use countersign::domain::id::{AggregateId, DeliveryId};
use countersign::domain::receipt::{Receipt, Step};
use countersign::engine::outbox::Outbox;
use countersign::engine::routes::Routes;
use countersign::engine::{Engine, Trouble};
use countersign::http::Settings;
use http_stand::{signed_receipts, stand};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use world::{PHONE, World, explicit};

const PATH: &str = "/inbound/receipts/sendgrid";

fn receipt(challenge: &str, delivery: DeliveryId, step: Step) -> Receipt {
    let challenge = AggregateId::parse(challenge).unwrap();
    Receipt { challenge, delivery, provider_id: Some("m1".to_owned()), step, cause: "x".to_owned() }
}

#[tokio::test]
async fn each_step_is_told_once_in_whatever_order() {
    use Step::{Delayed, Delivered, Undeliverable};
    let check = async |steps: &[Step], expected: &[&str]| {
        let world = World::new().await;
        let (id, _) = world.opened(explicit(PHONE)).await;
        let delivery = world.deliver().await[0].id;
        for step in steps {
            world.engine.receive(receipt(&id, delivery, *step)).await.unwrap();
        }
        let acts = world.acts(&id).await;
        assert_eq!((&acts[..2], &acts[2..]), (&["MsgAccepted", "MsgSent"][..], expected), "{steps:?}");
    };
    check(&[Delayed], &[]).await;
    check(&[Delivered], &["MsgDelivered"]).await;
    check(&[Delayed, Delivered, Delivered, Delayed], &["MsgDelivered"]).await;
    check(&[Undeliverable, Undeliverable], &["MsgUndeliverable"]).await;
    check(&[Undeliverable, Delivered], &["MsgUndeliverable"]).await;
    check(&[Delivered, Undeliverable, Delivered, Undeliverable], &["MsgDelivered", "MsgUndeliverable"]).await;
}

#[tokio::test]
async fn a_hand_over_whose_answer_was_lost_is_made_up_for() {
    let world = World::new().await;
    let (id, _) = world.opened(explicit(PHONE)).await;
    let challenge = AggregateId::parse(&id).unwrap();
    let found = world.engine.store().find(challenge).await.unwrap().unwrap();
    let delivery = found.value.deliveries()[0].id;
    world.engine.receive(receipt(&id, delivery, Step::Undeliverable)).await.unwrap();
    assert_eq!(world.acts(&id).await, ["MsgAccepted"], "it goes out again by itself");
    world.engine.receive(receipt(&id, delivery, Step::Delivered)).await.unwrap();
    assert_eq!(world.acts(&id).await, ["MsgAccepted", "MsgSent", "MsgDelivered"]);
    assert!(world.deliver().await.is_empty(), "what arrived is not sent again");
}

/// A carrier that reports before it answers the hand-over.
struct Quick(Arc<Engine>);

impl Connector for Quick {
    fn name(&self) -> &str {
        "quick"
    }

    fn send<'a>(&'a self, message: &'a Message) -> Soon<'a, Outcome> {
        Box::pin(async move {
            self.0.receive(receipt(&message.about.to_string(), message.id, Step::Delivered)).await.unwrap();
            Outcome::Accepted { provider_id: Some("m1".to_owned()) }
        })
    }
}

#[tokio::test]
async fn a_receipt_that_overtakes_the_answer_is_told_once() {
    let world = World::new().await;
    let (id, _) = world.opened(explicit(PHONE)).await;
    let quick: Arc<dyn Connector> = Arc::new(Quick(world.engine.clone()));
    let outbox = Outbox::new(world.engine.clone(), Routes::sms(quick));
    let lease = world.engine.store().lease(world.engine.now(), Duration::from_secs(180), 1).await.unwrap().remove(0);
    outbox.hand_over(lease).await;
    assert_eq!(world.acts(&id).await, ["MsgAccepted", "MsgSent", "MsgDelivered"]);
    assert!(world.deliver().await.is_empty(), "nothing is left to send");
}

#[tokio::test]
async fn a_late_receipt_ends_nothing_and_an_unknown_one_is_nothing() {
    let world = World::new().await;
    let (id, otp) = world.opened(explicit(PHONE)).await;
    let delivery = world.deliver().await[0].id;
    assert_eq!(world.reply(PHONE, &otp, "SM1").await, Verdict::Verified);
    world.advance(Duration::from_secs(3_600));
    world.engine.receive(receipt(&id, delivery, Step::Undeliverable)).await.unwrap();
    let before = ["MsgAccepted", "MsgSent", "OOBVerified", "MsgUndeliverable"];
    assert_eq!(world.acts(&id).await, before);
    world.engine.receive(receipt(&id, DeliveryId(Uuid::from_u128(1)), Step::Delivered)).await.unwrap();
    world.engine.receive(receipt(&Uuid::from_u128(1).to_string(), delivery, Step::Delivered)).await.unwrap();
    assert_eq!((world.acts(&id).await, world.outcomes(&id).await), (before.to_vec(), vec!["OOBVerified"]));
}

fn batch(count: usize) -> String {
    let event = |n: usize| {
        let id = Uuid::from_u128(n as u128);
        let ids = format!(r#""countersign_challenge":"{id}","countersign_delivery":"{id}","email":"canary@home.example""#);
        format!(r#"{{"event":"delivered","sg_message_id":"m{n}.x",{ids},"response":"250 canary {}"}}"#, "x".repeat(400))
    };
    format!("[{}]", (0..count).map(event).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn a_signed_batch_is_taken_whole_and_nothing_else() {
    let stand = stand(Settings::default(), &[]).await;
    let taken = || stand.fake.receipts.lock().unwrap().len();
    let one = batch(1);
    let signed = signed_receipts(&one);
    let check = async |path: &str, headers: &str, body: &str, expected: (u16, usize)| {
        let before = taken();
        let got = stand.post(path, headers, body).await;
        assert_eq!((got.status, taken() - before), expected, "{path} {headers}: {}", got.body);
    };
    check(PATH, &signed, &one, (200, 1)).await;
    check(PATH, &signed, &batch(2), (403, 0)).await;
    check(PATH, "Content-Type: application/json\r\n", &one, (401, 0)).await;
    check("/inbound/receipts/nobody", &signed, &one, (404, 0)).await;
    check(PATH, &signed.replace("application/json", "text/plain"), &one, (415, 0)).await;
    check(PATH, &signed_receipts("{}"), "{}", (400, 0)).await;
    assert_eq!(stand.get(PATH, "").await.status, 405);
    // More than other requests may have, as SendGrid's batches do.
    let many = batch(1_200);
    assert!(many.len() > 600_000, "{}", many.len());
    check(PATH, &signed_receipts(&many), &many, (200, 1_200)).await;
    let huge = format!("POST {PATH} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1048577\r\n{signed}\r\n");
    assert_eq!(stand.send(huge.as_bytes()).await.status, 413);
    for trouble in [Trouble::Failed, Trouble::Busy { retry_after: Duration::from_secs(1) }] {
        *stand.fake.trouble.lock().unwrap() = Some(trouble);
        check(PATH, &signed, &one, (503, 0)).await;
    }
}
