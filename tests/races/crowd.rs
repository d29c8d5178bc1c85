//! What happens at once, and what must be true of it afterwards.

use crate::nodes::Nodes;
use crate::world::{Secret, explicit, header, native};
use countersign::domain::answer::{Answer, Verdict};
use countersign::domain::budget::BudgetKey;
use countersign::domain::challenge::State;
use countersign::domain::contact::Address;
use countersign::domain::id::AggregateId;
use countersign::domain::request::{Asked, OobValidate, Origin, Sms};
use countersign::domain::told::Checked;
use countersign::engine::Most;
use countersign::engine::direct::{Call, Creation};
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

/// 1,000 right answers by calls at once: one wins.
pub async fn right_calls(nodes: &Nodes) -> Result<(), String> {
    let (id, code) = create(nodes).await;
    let told = call(nodes, 1_000, id, |_| code.clone()).await;
    let verified = told.iter().filter(|it| **it == Checked::Verified).count();
    let used = told.iter().filter(|it| **it == Checked::Used).count();
    demand!((verified, used) == (1, 999), "{verified} verified, {used} used");
    let challenge = nodes.challenge(id).await;
    demand!(challenge.attempts == 0 && challenge.events.iter().filter(|it| it.act.is_outcome()).count() == 1, "{challenge:?}");
    no_gaps(nodes).await
}

/// 100 wrong answers by calls at once: as many count as there are attempts, each once.
pub async fn wrong_calls(nodes: &Nodes) -> Result<(), String> {
    let (id, _) = create(nodes).await;
    let told = call(nodes, 100, id, |nth| format!("no-{nth}")).await;
    let mut left: Vec<u8> = told.iter().filter_map(|it| if let Checked::Wrong { left } = it { Some(*left) } else { None }).collect();
    left.sort_unstable();
    demand!(left == (1..10).collect::<Vec<_>>(), "left after each: {left:?}");
    demand!(told.iter().filter(|it| **it == Checked::Failed).count() == 91, "{told:?}");
    let challenge = nodes.challenge(id).await;
    let outcomes = challenge.events.iter().filter(|it| it.act.is_outcome()).count();
    demand!((challenge.attempts, outcomes) == (10, 1), "{} attempts, {outcomes} outcomes", challenge.attempts);
    let counted = nodes.budget(&BudgetKey::Address(BANK.into(), Address::canonical(PHONES[0]))).await.recent.len();
    demand!(counted == 10, "10 wrong answers; counted {counted}");
    no_gaps(nodes).await
}

/// 50 identical requests: one challenge, one message, one answer to all. The same for every pair of posts of one reply.
pub async fn requests(nodes: &Nodes) -> Result<(), String> {
    let ask = |nth: usize| {
        let mut head = header();
        head.bus_correl_id = Some("b-1".to_owned());
        let engine = nodes.engines[nth % 2].clone();
        let request = OobValidate { header: Some(head), ..explicit(PHONES[0]) };
        let origin = Origin::new("demo".into(), engine.now());
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
    let events = nodes.engines[0].after(&BANK.into(), 0, Most::of(1_000), |_, _| true).await.unwrap().events;
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
    let origin = Origin::new("demo".into(), nodes.engines[0].now());
    match nodes.engines[0].open(origin, Box::new(request)).await.unwrap() {
        Answer::Opened { id, otp } => (id, otp.map(|it| it.expose().to_owned()).unwrap_or_default()),
        other => panic!("not opened: {other:?}"),
    }
}

async fn create(nodes: &Nodes) -> (AggregateId, String) {
    let asked = Asked { channel: Some("SMS".into()), recipient: Some(Secret::new(PHONES[0])), ..Asked::default() };
    let origin = Origin::new("demo".into(), nodes.engines[0].now());
    match nodes.engines[0].create(origin, asked).await.unwrap() {
        Creation::Opened { summary, code: Some(code), .. } => (summary.id, code.expose().to_owned()),
        other => panic!("not opened: {other:?}"),
    }
}

// All at once, at the nodes in turn.
async fn call(nodes: &Nodes, count: usize, id: AggregateId, what: impl Fn(usize) -> String) -> Vec<Checked> {
    let tasks = (0..count).map(|nth| {
        let (engine, typed) = (nodes.engines[nth % 2].clone(), what(nth));
        let origin = Origin::new("demo".into(), engine.now());
        tokio::spawn(async move {
            // Busy means come again: the caller does.
            loop {
                let call = Call { origin: origin.clone(), id, key: None };
                if let Ok(checked) = engine.verify(call, Secret::new(typed.clone())).await {
                    return checked;
                }
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    join_all(tasks).await.into_iter().map(|it| it.unwrap()).collect()
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
    let events = nodes.engines[0].after(&BANK.into(), 0, Most::of(10_000), |_, _| true).await.unwrap().events;
    demand!(events.iter().map(|it| it.seq).eq(1..=events.len() as u64), "the feed has gaps");
    let ids: HashSet<_> = events.iter().map(|it| it.id).collect();
    demand!(ids.len() == events.len(), "an event is told twice");
    Ok(())
}
