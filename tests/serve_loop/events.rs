//! Events to subscribers that stumble, are down, or are asked again.

use crate::banks::{PHONE, TEXT, subscribed_bank, verified};
use crate::gateways::{reply_by_kannel, wait_for_text};
use crate::process::peer::{Got, Peer};
use crate::process::{element, explicit, until};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

pub const WEBHOOK: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A subscriber that gets events as JSON.
pub fn webhook(peer: &Peer, more: &str) -> String {
    format!(
        "[[subscriber]]\npublisher = 'bank'\n{more}[subscriber.webhook]\nname = 'desk'\nurl = '{}'\n\
         secret_file = '{{home}}/webhook.secret'\nallow_plain = true\nallow_private = true\n",
        peer.url("/hook")
    )
}

/// Signs a webhook as Standard Webhooks says, by another way than the code under test.
pub fn webhook_signature(got: &Got) -> String {
    let key = BASE64_STANDARD.decode(WEBHOOK.trim_start_matches("whsec_")).unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
    let content = format!("{}.{}.{}", got.header("webhook-id"), got.header("webhook-timestamp"), got.body);
    format!("v1,{}", BASE64_STANDARD.encode(aws_lc_rs::hmac::sign(&key, content.as_bytes())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_events_that_a_subscriber_stumbles_over() {
    let (bank, gateway, core) = subscribed_bank("").await;
    let server = bank.start();
    core.set_down(true);
    let (first, second, third) = (verified(&server, &gateway).await, verified(&server, &gateway).await, verified(&server, &gateway).await);
    core.stumble_over(&[&first, &second]);
    core.set_down(false);
    let has = |id: &str| core.taken().iter().any(|it| it.body.contains(id));
    until("the third event", async || has(&third).then_some(())).await;
    assert!(!has(&first) && !has(&second));
    core.stumble_over(&[]);
    until("those before it", async || (has(&first) && has(&second)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_a_subscriber_that_was_down_through_a_kill() {
    let hook = Peer::start(&[], (204, "")).await;
    let (bank, gateway, core) = subscribed_bank(&webhook(&hook, "deliveries = true\n")).await;
    bank.write("webhook.secret", WEBHOOK);
    core.set_down(true);
    let server = bank.start();
    let answer = server.soap(&explicit(PHONE, TEXT, "", None)).await;
    let (id, otp) = (answer.element("AlrtPkgId"), answer.element("OTP"));
    wait_for_text(&gateway, &otp).await;
    // The gateway has the text a moment before its word is settled; people take longer than that.
    server.wait_for_act(&id, "MsgSent").await;
    reply_by_kannel(&server, &otp, "K1").await;
    server.wait_for_act(&id, "OOBVerified").await;
    let steps = async |count| hook.wait_for(count).await.iter().map(act).collect::<Vec<_>>();
    assert_eq!(steps(3).await, ["MsgAccepted", "MsgSent", "OOBVerified"], "who is there does not wait for who is not");
    until("two tries", async || (core.turned_away() >= 2).then_some(())).await;
    server.kill();

    let server = bank.start();
    let before = core.turned_away();
    until("another try", async || (core.turned_away() > before).then_some(())).await;
    core.set_down(false);
    let pushed = core.wait_for(1).await.remove(0);
    assert_eq!(pushed.header("authorization"), format!("Basic {}", BASE64_STANDARD.encode("ens:core-password")));
    assert_eq!(pushed.header("soapaction"), "\"http://jackhenry.com/ws/EESEventAdd\"");
    let mine = events(&pushed.body).into_iter().filter(|it| it.contains(&("AlrtPkgId".to_owned(), id.clone()))).collect::<Vec<_>>();
    assert_eq!(mine.len(), 1, "outcomes only, and one: {}", pushed.body);
    for pair in [("EventNum", "90040"), ("InstId", "011001276"), ("ENSActCode", "OOBVerified"), ("ConsumerProd", "Online")] {
        assert!(mine[0].contains(&(pair.0.to_owned(), pair.1.to_owned())), "{pair:?} not in {:?}", mine[0]);
    }
    assert!(!pushed.body.contains(&otp) && !pushed.body.contains(PHONE), "{}", pushed.body);

    // The next outcome is behind it: when that has come, the first has not come twice.
    let answer = server.soap(&explicit(PHONE, TEXT, "", None)).await;
    let last = answer.element("AlrtPkgId");
    wait_for_text(&gateway, &answer.element("OTP")).await;
    server.wait_for_act(&last, "MsgSent").await;
    reply_by_kannel(&server, &answer.element("OTP"), "K2").await;
    until("the next outcome", async || core.taken().iter().any(|it| it.body.contains(&last)).then_some(())).await;
    let all: Vec<_> = core.taken().iter().flat_map(|it| events(&it.body)).collect();
    let ids: std::collections::HashSet<_> = all.iter().map(|it| it.iter().find(|it| it.0 == "EventUniqueId").unwrap().1.clone()).collect();
    assert_eq!((all.len(), ids.len()), (2, 2), "one event for each outcome: {all:?}");
    assert_eq!(steps(6).await[3..], ["MsgAccepted", "MsgSent", "OOBVerified"], "the kill repeated nothing that was taken");
}

/// The act that a webhook's event is about.
fn act(got: &Got) -> String {
    let event: Value = serde_json::from_str(&got.body).unwrap();
    event["type"].as_str().unwrap().trim_start_matches("countersign.").to_owned()
}

/// The events of an `EESEventAdd`: each the pairs of its elements and of its `EventDataInfo`.
fn events(xml: &str) -> Vec<Vec<(String, String)>> {
    let info = |text: &str| {
        let head = ["EventNum", "EventProd", "EventTimeDt", "InstId", "EventUniqueId"];
        let mut pairs: Vec<_> = head.iter().filter_map(|name| Some(((*name).to_owned(), element(text, name)?))).collect();
        let data = text.split("<EventDataInfo>").skip(1);
        pairs.extend(data.filter_map(|it| Some((element(it, "Name")?, element(it, "Val")?))));
        pairs
    };
    let body = xml.split_once("<EESEventAdd ").expect("an EESEventAdd").1;
    body.split("<EESEventInfo>").skip(1).map(info).collect()
}
