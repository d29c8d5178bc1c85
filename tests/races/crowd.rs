//! What happens at once, and what must be true of it afterwards.

use crate::nodes::Nodes;
use crate::world::{Secret, explicit, header, native};
use countersign::domain::answer::{Answer, Verdict};
use countersign::domain::budget::BudgetKey;
use countersign::domain::challenge::State;
use countersign::domain::contact::Address;
use countersign::domain::id::AggregateId;
use countersign::domain::request::{OobValidate, Origin, Sms};
use futures_util::future::join_all;
use std::collections::HashSet;
use std::time::Duration;

const BANK: &str = "011001276";
/// The two phones of one recipient.
const PHONES: [&str; 2] = ["+12025550151", "+12025550152"];
const RECIPIENT: &str = "MERCHANT40312";

macro_rules! demand {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}

/// 200 replies, wrong ones and a right one in the midst, from two phones through two gateways: one outcome, every failure counted once.
pub async fn replies(nodes: &Nodes) -> Result<(), String> {
    let (id, _) = open(nodes, two_phones()).await;
    // Some rounds hold a right answer early, some late, some none.
    let right = [Some(3), Some(40), None][usize::from(id.0.as_bytes()[0]) % 3];
    let text = |nth: usize| if Some(nth) == right { "482913".to_owned() } else { format!("{:06}", 500_000 + nth) };
    let verdicts = post(nodes, 200, |nth| (PHONES[nth % 2], text(nth))).await;
    let wrong = verdicts.iter().filter(|it| matches!(it, Verdict::Wrong { .. } | Verdict::Failed)).count();
    let verified = verdicts.iter().filter(|it| **it == Verdict::Verified).count();
    let challenge = nodes.challenge(id).await;
    demand!(usize::from(challenge.attempts) == wrong, "{wrong} wrong answers, {} attempts", challenge.attempts);
    demand!(wrong <= 10 && (verified == 1) == (wrong < 10), "{wrong} wrong answers, {verified} right");
    demand!(challenge.events.iter().filter(|it| it.act.is_outcome()).count() == 1, "outcomes: {:?}", challenge.events);
    let mut of_phones = 0;
    for phone in PHONES {
        of_phones += nodes.budget(&BudgetKey::Address(BANK.into(), Address::canonical(phone))).await.recent.len();
    }
    let of_recipient = nodes.budget(&BudgetKey::Recipient(BANK.into(), "demo".into(), RECIPIENT.into())).await.recent.len();
    demand!((of_phones, of_recipient) == (wrong, wrong), "{wrong} wrong answers; counted {of_phones} and {of_recipient}");
    no_gaps(nodes).await
}

/// 200 right answers: one wins.
pub async fn right_answers(nodes: &Nodes) -> Result<(), String> {
    let (id, code) = open(nodes, explicit(PHONES[0])).await;
    let verdicts = post(nodes, 200, |_| (PHONES[0], code.clone())).await;
    let verified = verdicts.iter().filter(|it| **it == Verdict::Verified).count();
    let late = verdicts.iter().filter(|it| **it == Verdict::Expired).count();
    demand!((verified, late) == (1, 199), "{verified} verified, {late} late");
    let challenge = nodes.challenge(id).await;
    demand!(challenge.attempts == 0 && challenge.events.iter().filter(|it| it.act.is_outcome()).count() == 1, "{challenge:?}");
    no_gaps(nodes).await
}

/// 50 identical requests: one challenge, one message, one answer to all. The same for every pair of posts of one reply.
pub async fn requests(nodes: &Nodes) -> Result<(), String> {
    let ask = |nth: usize| {
        let mut head = header();
        head.bus_correl_id = Some("b-1".to_owned());
        let engine = nodes.engines[nth % 2].clone();
        let request = OobValidate { header: Some(head), ..explicit(PHONES[0]) };
        let origin = Origin { publisher: "demo".into(), received_at: engine.now() };
        tokio::spawn(async move { engine.open(origin, Box::new(request)).await })
    };
    let mut answers = HashSet::new();
    for answer in join_all((0..50).map(ask)).await {
        match answer.unwrap() {
            Ok(Answer::Opened { id, otp }) => answers.insert((id, otp.map(|it| it.expose().to_owned()))),
            other => return Err(format!("{other:?}")),
        };
    }
    demand!(answers.len() == 1, "50 identical requests got {} answers", answers.len());
    let events = nodes.engines[0].after(&BANK.into(), 0, 1_000, |_, _| true).await.unwrap().events;
    demand!(events.len() == 1, "50 identical requests queued {} messages", events.len());
    let leases = nodes.engines[1].store().lease(nodes.engines[1].now(), Duration::from_secs(180), 100).await.unwrap();
    demand!(leases.len() == 1, "50 identical requests sent {} messages", leases.len());
    no_gaps(nodes).await
}

/// Code after code, and guesses at each: no new code forgets what was typed before it.
pub async fn over_and_over(nodes: &Nodes) -> Result<(), String> {
    let key = BudgetKey::Address(BANK.into(), Address::canonical(PHONES[0]));
    let mut wrong = 0;
    for round in 0..5 {
        let (id, _) = open(nodes, explicit(PHONES[0])).await;
        let verdicts = post(nodes, 30, |nth| (PHONES[0], format!("{:06}", 700_000 + round * 100 + nth))).await;
        let now = verdicts.iter().filter(|it| matches!(it, Verdict::Wrong { .. } | Verdict::Failed)).count();
        wrong += now;
        let challenge = nodes.challenge(id).await;
        demand!(usize::from(challenge.attempts) == now, "{now} wrong answers, {} attempts", challenge.attempts);
        demand!(challenge.state != State::Open, "30 wrong answers leave it open");
        let counted = nodes.budget(&key).await;
        demand!(counted.recent.len() == wrong && counted.consecutive as usize == wrong, "{wrong} wrong answers; counted {counted:?}");
        nodes.advance(Duration::from_secs(1));
    }
    no_gaps(nodes).await
}

// To two phones of one recipient; the publisher's own value, so that it is known.
fn two_phones() -> OobValidate {
    let request = native("Omni-Channel OOB Challenge", RECIPIENT, &[], &[("OTP", "482913")]);
    OobValidate { verif_val: Some(Secret::new("482913")), ..request }
}

async fn open(nodes: &Nodes, request: OobValidate) -> (AggregateId, String) {
    let origin = Origin { publisher: "demo".into(), received_at: nodes.engines[0].now() };
    match nodes.engines[0].open(origin, Box::new(request)).await.unwrap() {
        Answer::Opened { id, otp } => (id, otp.map(|it| it.expose().to_owned()).unwrap_or_default()),
        other => panic!("not opened: {other:?}"),
    }
}

// All at once, each through its gateway's node.
async fn post(nodes: &Nodes, count: usize, what: impl Fn(usize) -> (&'static str, String)) -> Vec<Verdict> {
    let tasks: Vec<_> = (0..count)
        .map(|nth| {
            let ((from, text), node) = (what(nth), (nth / 2) % 2);
            let engine = nodes.engines[node].clone();
            let sms = Sms {
                gateway: ["east", "west"][node].to_owned(),
                provider_id: Some(format!("{from}-{text}-{nth}")),
                from: Address::canonical(from),
                to: None,
                text: Secret::new(text),
                received_at: engine.now(),
            };
            tokio::spawn(async move {
                // Busy means come again: the gateway does.
                loop {
                    if let Ok(verdict) = engine.reply(sms.clone()).await {
                        return verdict;
                    }
                }
            })
        })
        .collect();
    join_all(tasks).await.into_iter().map(|it| it.unwrap()).collect()
}

async fn no_gaps(nodes: &Nodes) -> Result<(), String> {
    let events = nodes.engines[0].after(&BANK.into(), 0, 10_000, |_, _| true).await.unwrap().events;
    demand!(events.iter().map(|it| it.seq).eq(1..=events.len() as u64), "the feed has gaps");
    let ids: HashSet<_> = events.iter().map(|it| it.id).collect();
    demand!(ids.len() == events.len(), "an event is told twice");
    Ok(())
}
