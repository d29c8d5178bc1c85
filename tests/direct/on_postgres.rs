//! The same on PostgreSQL, by two nodes at once.

use crate::life::{Life, checked};
use crate::world::{Hands, START, Secret, Seeded};
use crate::{postgres, sample};
use countersign::connect::sandbox::Sandbox;
use countersign::domain::budget::BudgetKey;
use countersign::domain::contact::{Address, Channel};
use countersign::domain::publisher::Publisher;
use countersign::domain::request::{Asked, Origin, Pace, Policy};
use countersign::domain::snapshot::Query;
use countersign::domain::told::Resent;
use countersign::engine::direct::{BusSlot, Call, Creation};
use countersign::engine::outbox::Outbox;
use countersign::engine::routes::Routes;
use countersign::engine::tally::Tally;
use countersign::engine::{Engine, Parts};
use countersign::store::postgres::{Options, PostgresStore, Settings};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

async fn nodes() -> ([Arc<Engine>; 2], Arc<Hands>) {
    let (cluster, hands) = (postgres::shared(), Arc::new(Hands::at(START)));
    let settings = Settings { migrate: true, pool: 8, wait_timeout_millis: 60_000, ..cluster.settings(&cluster.database()) };
    let looking = || Options { look_every: Duration::ZERO, ..Options::default() };
    let all = [node(&settings, looking(), (1, &hands)).await.0, node(&settings, looking(), (2, &hands)).await.0];
    (all, hands)
}

async fn node(settings: &Settings, options: Options, (number, hands): (i64, &Arc<Hands>)) -> (Arc<Engine>, Arc<PostgresStore>) {
    let (clock, patience, vault) = (sample::Time::at(0), Duration::from_secs(60), sample::vault());
    let clock = Arc::new(move || clock.now());
    let options = Options { clock, database_time: false, commit_timeout: patience, read_timeout: patience, ..options };
    let store = PostgresStore::open(settings, options, vault.clone(), number).await.expect("the store opens");
    let engine = Engine::new(Parts {
        store: store.clone(),
        notes: store.clone(),
        vault: vault.clone(),
        clock: hands.clone(),
        chance: Arc::new(Seeded::from((number as u64) << 32)),
        tally: Tally::alone(1, vault.clone()),
    });
    let mut registry = countersign::registration::read(&countersign::demo::registration::files()).unwrap().registry;
    for publisher in registry.publishers.values_mut() {
        let it: &mut Publisher = Arc::make_mut(publisher);
        (it.budget.daily, it.budget.consecutive, it.attempts) = (10_000, 10_000, 10);
    }
    engine.register(registry);
    (Arc::new(engine), store)
}

fn origin(engine: &Engine) -> Origin {
    Origin::new("demo".into(), engine.now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_right_answers_wins_and_every_wrong_one_counts() {
    let ([first, second], hands) = nodes().await;
    let asked = Asked { client: Some("C-1".into()), ..Life::sms() };
    let Creation::Opened { summary, code: Some(code), .. } = first.create(origin(&first), asked).await.unwrap() else {
        panic!("not opened")
    };
    let wrong = answers(&[&first, &second], 6, |engine| Call { origin: origin(engine), id: summary.id, key: None }, "nonsense").await;
    assert_eq!(wrong.into_keys().collect::<Vec<_>>(), ["wrong 4", "wrong 5", "wrong 6", "wrong 7", "wrong 8", "wrong 9"]);
    let right = answers(&[&first, &second], 40, |engine| Call { origin: origin(engine), id: summary.id, key: None }, code.expose()).await;
    assert_eq!(right, BTreeMap::from([("used".to_owned(), 39), ("verified".to_owned(), 1)]));
    let keys = [
        BudgetKey::Address("011001276".into(), Address::canonical("+12025550123")),
        BudgetKey::Recipient("011001276".into(), "demo".into(), "C-1".into()),
    ];
    for key in keys {
        let view = second.store().load(&Query::Budget(key)).await.unwrap();
        assert_eq!((view.budgets[0].1.value.recent.len(), view.budgets[0].1.value.consecutive), (6, 0));
    }
    let looked = second.look(&"demo".into(), summary.id).await.unwrap().unwrap();
    assert_eq!(looked.timeline.iter().filter(|it| it.act.is_outcome()).count(), 1);
    hands.advance(Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_node_opens_another_sends_again_and_either_verifies_by_the_slot() {
    let ([first, second], hands) = nodes().await;
    let asked = Asked { client: Some("C-2".into()), ..Life::sms() };
    let Creation::Opened { summary, code: Some(old), .. } = first.create(origin(&first), asked).await.unwrap() else {
        panic!("not opened")
    };
    hands.advance(Duration::from_secs(30));
    let call = Call { origin: origin(&second), id: summary.id, key: Some("again".into()) };
    let Resent::Sent { code: Some(new), .. } = second.resend(call.clone(), Policy::Supersede, Pace::default()).await.unwrap() else {
        panic!("not sent")
    };
    assert!(matches!(first.resend(call, Policy::Supersede, Pace::default()).await.unwrap(), Resent::Repeated));
    for (engine, typed, key, expected) in [
        (&first, &old, "1", "wrong 9"),
        (&second, &old, "1", "wrong 9"),
        (&second, &new, "2", "verified"),
        (&first, &new, "2", "verified"),
        (&first, &new, "3", "unknown"),
    ] {
        let slot = BusSlot { institution: None, client: "C-2".into(), channel: Channel::Sms };
        let typed = Secret::new(typed.expose());
        let said = checked(engine.verify_slot(origin(engine), slot, typed, Some(key.into())).await.unwrap());
        assert_eq!(said, expected, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_step_looks_once_at_most_and_commits_once() {
    let database = postgres::shared().database();
    let mut asked = Vec::new();
    for (number, count) in [(1, 0), (2, 10), (3, 110)] {
        let before = transactions(&database).await;
        lives(&database, number, count).await;
        asked.push(transactions(&database).await - before);
    }
    // Look and opening, settling of what was just written, look and verdict. A node does a little beside, the more the slower the machine.
    let each = f64::from(asked[2] - asked[1]) / 100.0;
    assert!((4.9..5.95).contains(&each), "{each} transactions a life: {asked:?}");
}

// So many challenges, one after the other: opened, handed over, verified.
async fn lives(database: &str, number: i64, count: usize) {
    let settings = Settings { migrate: true, pool: 2, ..postgres::shared().settings(database) };
    let (engine, store) = node(&settings, Options::default(), (number, &Arc::new(Hands::at(START)))).await;
    let clock = sample::Time::at(0);
    let outbox = Outbox::new(engine.clone(), Routes::only(Arc::new(Sandbox::new(&Default::default(), Arc::new(move || clock.now())))));
    for nth in 0..count {
        let phone = Secret::new(format!("+1202555{:04}", 1_000 * number as usize + nth));
        let it = Asked { recipient: Some(phone), ..Life::sms() };
        let Creation::Opened { summary, code: Some(code), .. } = engine.create(origin(&engine), it).await.unwrap() else {
            panic!("not opened")
        };
        let leases = engine.store().lease(engine.now(), Duration::from_secs(180), 8).await.unwrap();
        assert_eq!(leases.len(), 1);
        outbox.hand_over(leases[0]).await;
        let call = Call { origin: origin(&engine), id: summary.id, key: None };
        assert_eq!(checked(engine.verify(call, Secret::new(code.expose())).await.unwrap()), "verified");
    }
    store.close();
}

// Transactions in a database so far, once all who were connected are gone: only then all of them are counted.
async fn transactions(database: &str) -> i32 {
    let ask = |text: &str| postgres::shared().sql("postgres", &text.replace("{}", database)).parse::<i32>().unwrap();
    for _ in 0..600 {
        if ask("SELECT count(*) FROM pg_stat_activity WHERE datname = '{}'") == 0 {
            return ask("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '{}'");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("somebody stays connected")
}

// All at once, at the nodes in turn: how often each answer.
async fn answers(nodes: &[&Arc<Engine>], count: usize, call: impl Fn(&Engine) -> Call, typed: &str) -> BTreeMap<String, usize> {
    let mut tasks = tokio::task::JoinSet::new();
    for nth in 0..count {
        let (engine, typed) = (nodes[nth % nodes.len()].clone(), typed.to_owned());
        let call = call(&engine);
        tasks.spawn(async move {
            // Busy means come again: the caller does.
            loop {
                if let Ok(it) = engine.verify(call.clone(), Secret::new(typed.clone())).await {
                    return checked(it);
                }
            }
        });
    }
    let mut told = BTreeMap::new();
    tasks.join_all().await.into_iter().for_each(|it| *told.entry(it).or_default() += 1);
    told
}
