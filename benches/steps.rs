//! The steps of a request, each alone. `cargo bench --profile proof --bench steps` prints processor and wall time;
//! `benches/instructions` counts instructions, which other work on the machine does not change.
//!
//! `steps NAME COUNT` runs one step so many times, for a profiler.

#[path = "../tests/sample/mod.rs"]
mod sample;
mod stored;

use countersign::domain::code::Secret;
use countersign::domain::decide::rules::{self, Wish};
use countersign::domain::decide::{Facts, Request, decide};
use countersign::domain::delivery::Outcome;
use countersign::domain::event::Act;
use countersign::domain::feed::FeedEvent;
use countersign::domain::id::{AggregateId, EventId, PublisherId};
use countersign::domain::publisher::{Publisher, Registry};
use countersign::domain::request::{OobValidate, Origin, Sms};
use countersign::domain::smart::Zone;
use countersign::domain::snapshot::{Decision, Lease, Query, View, Write};
use countersign::domain::template::{Target, Template, Values};
use countersign::engine::draw::{Chance, Codes, SystemChance};
use countersign::soap::{EesPush, Opened, Operation, Root, Stamp, Version};
use countersign::store::contract::Store;
use countersign::store::memory::MemoryStore;
use countersign::vault::Vault;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The envelope of the published tutorial with a security header: 1.9 KB.
const ENVELOPE: &[u8] = include_bytes!("../fixtures/soap/case3.request.xml");
/// To a phone, with a text and a value of the publisher's own.
const PHONE: &str = include_str!("../src/bench/mix/case6.xml");
const ALERT: &str =
    "First Harbor: <%username%>, reply <%$otp%> or enter it online. Valid until <%OTPExpires:SmartDateTime%>. Not you? Reply NO.";

/// Names, and how often each runs when it is timed.
const STEPS: &[(&str, u64)] = &[
    ("parse", 20_000),
    ("rules", 20_000),
    ("rules-phone", 20_000),
    ("draw", 20_000),
    ("decide", 20_000),
    ("reply", 20_000),
    ("settle", 20_000),
    ("commit-memory", 10_000),
    ("commit-sled", 500),
    ("settle-memory", 10_000),
    ("settle-sled", 500),
    ("reply-load", 20_000),
    ("lives-sled", 100_000),
    ("compile", 20_000),
    ("render", 20_000),
    ("encode-answer", 20_000),
    ("encode-event", 20_000),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    match &arguments[..] {
        [name, count] => run(name, count.parse().expect("COUNT is a number")),
        [] => STEPS.iter().for_each(|(name, count)| {
            run(name, count / 10);
            let (cpu, started) = (spent(), Instant::now());
            run(name, *count);
            let each = |time: Duration| time.as_secs_f64() * 1e6 / *count as f64;
            println!("{name:15} {:>9.2} µs CPU {:>9.2} µs", each(spent() - cpu), each(started.elapsed()));
        }),
        _ => panic!("give no argument, or NAME COUNT; names: {:?}", names()),
    }
}

/// Processor time of this process: other work on the machine does not count.
fn spent() -> Duration {
    countersign::bench::process::cpu(std::process::id()).expect("Linux accounts processes")
}

fn names() -> Vec<&'static str> {
    STEPS.iter().map(|it| it.0).collect()
}

fn run(name: &str, count: u64) {
    match name {
        "parse" => each(count, |_| countersign::soap::read(black_box(ENVELOPE), Some("text/xml; charset=utf-8"), None).is_ok()),
        "rules" => rules(count, asked()),
        "rules-phone" => rules(count, to_phone()),
        "draw" => each(count, |_| SystemChance.draw(sample::at(0), Codes::Usual(1))),
        "decide" => decisions(count),
        "reply" => replies(count),
        "settle" => settled(count),
        "commit-memory" => stored::commits(count, Arc::new(MemoryStore::new(sample::vault()))),
        "commit-sled" => stored::sled(|store| stored::commits(count, store)),
        "settle-memory" => stored::settlements(count, Arc::new(MemoryStore::new(sample::vault()))),
        "settle-sled" => stored::sled(|store| stored::settlements(count, store)),
        "reply-load" => stored::reply_loads(count, &MemoryStore::new(sample::vault())),
        "lives-sled" => stored::lives(count),
        "compile" => each(count, |_| Template::compile(black_box(ALERT), Target::Sms).is_ok()),
        "render" => render(count),
        "encode-answer" => answers(count),
        "encode-event" => events(count),
        other => panic!("no step {other}; names: {:?}", names()),
    }
}

fn each<T>(count: u64, step: impl Fn(u64) -> T) {
    (0..count).for_each(|it| drop(black_box(step(it))));
}

fn asked() -> OobValidate {
    let call = countersign::soap::read(ENVELOPE, Some("text/xml; charset=utf-8"), None).expect("the fixture is a request");
    match call.operation {
        Operation::OobValidate { request, .. } => *request,
        Operation::Ping { .. } => panic!("the fixture is no ping"),
    }
}

fn to_phone() -> OobValidate {
    let (request, phone) = (asked(), PHONE.replace("{phone}", "2145550142"));
    let text = |name: &str| phone.split_once(&format!("<{name}>")).and_then(|(_, it)| it.split_once("</")).map(|(it, _)| it.to_owned());
    OobValidate {
        header: request.header,
        phone_num: text("PhoneNum"),
        sms_text: text("SMSText").map(Secret::new),
        verif_val: text("VerifVal").map(Secret::new),
        ..OobValidate::default()
    }
}

fn registry() -> (Registry, Arc<Publisher>, Vec<Write>) {
    let registered = countersign::registration::read(&countersign::demo::registration::files()).expect("the demo's registration holds");
    let publisher = registered.registry.publishers[&PublisherId::from("demo")].clone();
    let recipients = registered.recipients.into_iter().map(|it| Write::Recipient(it.key.clone(), Some(it))).collect();
    (registered.registry, publisher, recipients)
}

fn wish(request: OobValidate, publisher: &Publisher, vault: &Vault) -> Wish {
    let origin = Origin::new("demo".into(), sample::at(0));
    rules::check(origin, request, publisher, vault).expect("the fixture breaks no rule")
}

fn rules(count: u64, request: OobValidate) {
    let ((_, publisher, _), vault) = (registry(), sample::vault());
    each(count, |_| wish(request.clone(), &publisher, &vault));
}

fn decisions(count: u64) {
    let ((registry, publisher, recipients), vault) = (registry(), sample::vault());
    let wish = wish(asked(), &publisher, &vault);
    let store = MemoryStore::new(vault.clone());
    let view: View = runtime().block_on(async {
        store.commit(recipients, Vec::new()).await.expect("memory takes recipients");
        store.load(&wish.query()).await.expect("memory can be read")
    });
    let request = Request::Open(Box::new(wish));
    each(count, |_| decided(view.clone(), &registry, &vault, &request));
}

/// The right answer to one open session, judged.
fn replies(count: u64) {
    let ((registry, ..), vault) = (registry(), sample::vault());
    let sms = Sms {
        gateway: "sandbox".to_owned(),
        provider_id: Some("message-1".to_owned()),
        from: sample::phone(),
        to: None,
        text: Secret::new("Code: 493 817. Thanks!"),
        received_at: sample::at(20),
    };
    let view = seen_by(&vault, &sample::reply_from(&sms.from, Some("sandbox/message-1"), sms.received_at));
    let request = Request::Reply(sms);
    each(count, |_| decided(view.clone(), &registry, &vault, &request));
}

/// What a carrier said of a message, settled.
fn settled(count: u64) {
    let ((registry, ..), vault) = (registry(), sample::vault());
    let view = seen_by(&vault, &Query::One(sample::id(7)));
    let outcome = Outcome::Accepted { provider_id: Some("carrier-1".to_owned()) };
    let lease = Lease { aggregate: sample::id(7), delivery: sample::delivery_id(7), fence: 1, until: sample::at(180) };
    let request = Request::Settled { lease, outcome };
    each(count, |_| decided(view.clone(), &registry, &vault, &request));
}

/// What a store with one challenge shows.
fn seen_by(vault: &Arc<Vault>, query: &Query) -> View {
    let store = MemoryStore::new(vault.clone());
    runtime().block_on(async {
        let writes = vec![Write::Aggregate(sample::boxed(&sample::challenge(7, &sample::phone())))];
        store.commit(writes, Vec::new()).await.expect("memory takes a challenge");
        store.load(query).await.expect("memory can be read")
    })
}

fn decided(view: View, registry: &Registry, vault: &Vault, request: &Request) -> Decision {
    let codes = usize::from(matches!(request, Request::Open(_)));
    decide(Facts { view, registry, keyring: vault }, request, &mut SystemChance.draw(sample::at(20), Codes::Usual(codes)))
}

fn render(count: u64) {
    let template = Template::compile(ALERT, Target::Sms).expect("the alert compiles");
    let code = Secret::new("561126");
    let parameters = [("username".to_owned(), Secret::new("Leia & Han")), ("OTPExpires".to_owned(), Secret::new("2026-11-21T14:58:20Z"))];
    each(count, |_| {
        let (otp, now, zone) = (Some(&code), sample::at(0), Zone::Offset(-360));
        template.render(&Values { otp, otpa: None, parameters: &parameters, now, zone }).is_ok()
    });
}

fn stamp() -> Stamp {
    Stamp { created: sample::at(0), expires: sample::at(300) }
}

fn answers(count: u64) {
    let (header, otp) = (asked().header.unwrap_or_default(), Secret::new("561126"));
    let answer = Opened {
        version: Version::V11,
        root: Root::Schema,
        header: &header,
        tracking_id: "0193a1c0-0000-7000-8000-000000000001",
        id: AggregateId(Uuid::from_u128(7)),
        otp: Some(&otp),
        stamp: Some(stamp()),
    };
    each(count, |_| answer.write());
}

fn events(count: u64) {
    let names = ["AlrtEventTimeDt", "ENSActCode", "ENSFeedback", "ConsumerProd", "AlrtPkgId", "AlrtPkgSubId", "InstRtId", "AlrtName"];
    let event = FeedEvent {
        seq: 42,
        id: EventId(Uuid::from_u128(1)),
        number: 90040,
        act: Act::Verified,
        at: sample::at(0),
        institution: "011001276".into(),
        product: "Online".to_owned(),
        publisher: "bank".into(),
        aggregate: AggregateId(Uuid::from_u128(2)),
        data: names.map(|it| (it, "The recipient's reply was right.".to_owned())).to_vec(),
    };
    let push = EesPush {
        audit_usr_id: None,
        audit_ws_id: "countersign",
        product: "Online",
        tracking_id: "0193a1c0-0000-7000-8000-000000000001",
        environment: None,
        stamp: stamp(),
        events: std::slice::from_ref(&event),
    };
    each(count, |_| push.write());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can start")
}
