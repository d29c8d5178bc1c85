//! Moving a store from sled to PostgreSQL: all that is visible is the same afterwards, under the same numbers, and goes on there.

mod files;
#[path = "../postgres/mod.rs"]
mod postgres;
#[path = "../sample/mod.rs"]
mod sample;

use countersign::domain::aggregate::Aggregate;
use countersign::domain::answer::Verdict;
use countersign::domain::budget::{Budget, BudgetKey};
use countersign::domain::challenge::{Challenge, Level, Seen, State};
use countersign::domain::contact::Address;
use countersign::domain::delivery::Status;
use countersign::domain::event::Act;
use countersign::domain::id::{AggregateId, DeliveryId, InstitutionId};
use countersign::domain::keyring::Keyring;
use countersign::domain::recipient::{Recipient, RecipientKey};
use countersign::domain::snapshot::{Expect, Query, Versioned, View, Write};
use countersign::domain::time::Timestamp;
use countersign::store::contract::{Notes, Store, StoreError};
use countersign::store::postgres::{Options, PostgresStore, Settings};
use countersign::store::sled::{OpenError, SledStore};
use countersign::store::transfer::copy::{Copy, CopyError, Plan, Report};
use countersign::vault::Vault;
use postgres::shared;
use sample::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// Sessions in the filled store.
const SESSIONS: u128 = 320;
/// The time when it is filled and moved.
const NOW: i64 = 1000;

trait Engine: Store + Notes {}
impl<T: Store + Notes> Engine for T {}

fn number(n: u128) -> Address {
    Address::canonical(&format!("+120255501{:02}", n % 40))
}

fn institution(n: u128) -> InstitutionId {
    if n.is_multiple_of(3) { "021000021".into() } else { bank() }
}

/// Challenge `n`, with an id of its institution and day (every tenth: one of an earlier form, which tells neither).
fn session(n: u128, vault: &Vault) -> Challenge {
    let mut it = challenge(n, &number(n));
    it.institution = institution(n);
    let drawn = Uuid::from_u128(0x0123_4567_89ab_4def_8000_0000_0000_0000 + n);
    it.id = if n.is_multiple_of(10) { AggregateId(drawn) } else { AggregateId::placed(&it.institution, it.opened_at, drawn) };
    it.material = Some(vault.seal(it.id, [n as u8; 12], b"493817 and CANARY-PARAMETER"));
    it.expires_at = at(NOW + 600 + n as i64);
    if n.is_multiple_of(7) {
        let text = |it: &str| it.to_owned();
        let recipient = format!("R/{}", n % 5);
        it.level = Level::Native {
            alert: text("Login"),
            version: text("1"),
            recipient_uid: format!("uid-{recipient}"),
            recipient,
            account: None,
            name: None,
            utc_offset_minutes: None,
        };
    }
    it
}

/// The same, verified: nothing is left to do.
fn over(mut it: Challenge, when: Timestamp) -> Challenge {
    it.state = State::Ended { outcome: Act::Verified, at: when };
    it.material = None;
    it.seen.push(Seen { provider_id: format!("sandbox/{}", it.id), at: it.opened_at, verdict: Verdict::Verified });
    it.deliveries[0].status = Status::Accepted { at: when, provider_id: Some("gw-1".into()) };
    it.events.push(event(it.deliveries[0].id.0.as_u128(), 2, Act::Verified, when, None));
    it
}

/// Each has a moment of its own: of those that ended at the same time either may be told first.
fn moment(seconds: i64, n: u128) -> Timestamp {
    Timestamp::from_millis(at(seconds).millis() + (n % 900) as i64)
}

/// A store on sled in every state there is, and its clock.
struct Filled {
    _dir: TempDir,
    dir: std::path::PathBuf,
    time: Time,
    vault: Arc<Vault>,
    store: Arc<SledStore>,
    all: Vec<Challenge>,
}

async fn put(store: &dyn Engine, it: &Challenge) {
    store.commit(vec![Write::Aggregate(boxed(it))], Vec::new()).await.unwrap();
}

async fn filled(sessions: u128) -> Filled {
    let dir = tempfile::tempdir().unwrap();
    let (time, vault) = (Time::at(NOW), vault());
    let store = SledStore::open(settings(dir.path(), &time), vault.clone(), time.now()).unwrap();
    let mut all: Vec<Challenge> = (1..=sessions).map(|n| session(n, &vault)).collect();
    for part in all.chunks(40) {
        store.commit(part.iter().map(|it| Write::Aggregate(boxed(it))).collect(), Vec::new()).await.unwrap();
    }
    for (n, it) in all.iter_mut().enumerate() {
        match n % 4 {
            0 => *it = over(it.clone(), moment(NOW - 10, n as u128)),
            1 => it.deliveries[0].status = Status::Accepted { at: at(NOW - 20), provider_id: None },
            2 => it.deliveries[0].status = Status::Queued { next_at: at(NOW + 30) },
            _ => continue,
        }
        put(&*store, it).await;
    }
    store.sweep().await.unwrap();
    let recipients: Vec<Recipient> = (0..5).map(|n| recipient(&format!("R/{n}"))).collect();
    store.commit(recipients.iter().map(|it| Write::Recipient(it.key.clone(), Some(it.clone()))).collect(), Vec::new()).await.unwrap();
    let mut writes = Vec::new();
    for n in 0..20 {
        let budget = Budget { recent: vec![at(n as i64), at(n as i64 + 1)], consecutive: n as u32 };
        writes.push(Write::Budget(BudgetKey::Address(institution(n), number(n)), budget));
        writes.push(Write::OptOut(demo(), number(n), n.is_multiple_of(3)));
    }
    store.commit(writes, Vec::new()).await.unwrap();
    let notes = (0..30).map(|n| (format!("cursor/{n}"), Some(vec![n; 40]))).collect();
    store.set_notes(notes).await.unwrap();
    Filled { dir: dir.path().to_owned(), _dir: dir, time, vault, store, all }
}

fn options(time: &Time) -> Options {
    let time = time.clone();
    Options { clock: Arc::new(move || time.now()), database_time: false, look_every: Duration::ZERO, ..Options::default() }
}

fn database() -> Settings {
    Settings { migrate: true, ..shared().settings(&shared().database()) }
}

impl Filled {
    async fn copy(&self, to: &Settings, plan: Plan) -> Result<Copy, CopyError> {
        Copy::begin(self.store.clone(), (to, options(&self.time)), vault(), plan).await
    }

    async fn moved(&self, to: &Settings) -> Result<Report, CopyError> {
        self.copy(to, Plan::default()).await?.run("there", || true).await
    }
}

async fn arrived(to: &Settings, time: &Time) -> Result<Arc<PostgresStore>, StoreError> {
    PostgresStore::open(to, options(time), vault(), 1).await
}

// Without what each store counts in its own way.
fn plain(mut view: View) -> String {
    fn none<T>(it: &mut Versioned<T>) {
        it.version = 0;
    }
    view.recipient.iter_mut().for_each(none);
    view.budgets.iter_mut().for_each(|it| none(&mut it.1));
    view.holder.iter_mut().for_each(|it| none(it));
    view.one.iter_mut().for_each(none);
    for it in &mut view.addresses {
        it.version = 0;
        it.open.iter_mut().chain(&mut it.ended).for_each(none);
    }
    view.budgets.sort_by_key(|it| format!("{:?}", it.0));
    format!("{view:?}")
}

async fn feed(store: &dyn Engine, of: &InstitutionId, after: u64, page: usize) -> Vec<(u64, Arc<Aggregate>, usize)> {
    let (mut all, mut last) = (Vec::new(), after);
    loop {
        let part = store.feed(of, last, page).await.unwrap();
        let Some(end) = part.last() else { return all };
        last = end.0;
        all.extend(part);
    }
}

async fn people(store: &dyn Engine) -> Vec<Recipient> {
    let (mut all, mut after): (Vec<Recipient>, Option<RecipientKey>) = (Vec::new(), None);
    loop {
        let part = store.recipients(&demo(), after.as_ref(), 2).await.unwrap();
        let Some(last) = part.last() else { return all };
        after = Some(last.value.key.clone());
        all.extend(part.into_iter().map(|it| it.value));
    }
}

// Everything that the contract shows is the same.
async fn same(one: &dyn Engine, other: &dyn Engine, sessions: &[Challenge]) {
    for it in sessions {
        let (a, b) = (one.find(it.id).await.unwrap(), other.find(it.id).await.unwrap());
        assert_eq!(a.map(|it| it.value), b.map(|it| it.value), "{}", it.id);
        let phone = &it.deliveries[0].address;
        let (recipient, explicit) = match &it.level {
            Level::Native { recipient, .. } => {
                let key = RecipientKey { publisher: demo(), institution: it.institution.clone(), id: recipient.clone() };
                (Some(key), None)
            }
            Level::Explicit { phone } => (None, Some(phone.clone())),
            Level::Direct(direct) => (None, Some(direct.address.clone())),
        };
        let open = Query::Open {
            publisher: it.publisher.clone(),
            institution: it.institution.clone(),
            repeat: it.repeat.as_ref().map(|it| it.key.clone()),
            recipient,
            phone: explicit,
            slot: it.slot(),
            now: at(NOW),
        };
        let seen = format!("sandbox/{}", it.id);
        let budget = Query::Budget(BudgetKey::Address(it.institution.clone(), phone.clone()));
        for query in [open, reply_from(phone, Some(&seen), at(NOW)), reply_from(phone, None, at(NOW)), Query::One(it.id), budget] {
            let (a, b) = (one.load(&query).await.unwrap(), other.load(&query).await.unwrap());
            assert_eq!(plain(a), plain(b), "{query:?}");
        }
    }
    for of in [bank(), institution(3)] {
        let (a, b) = (feed(one, &of, 0, 7).await, feed(other, &of, 0, 50).await);
        assert!(a.len() > 20 && a == b, "{of}: {} and {} events", a.len(), b.len());
    }
    assert_eq!(people(one).await, people(other).await);
    assert_eq!(one.notes("").await.unwrap(), other.notes("").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_visible_is_the_same_and_goes_on_there() {
    let (from, to) = (filled(SESSIONS).await, database());
    let leased = from.store.lease(from.time.now(), Duration::from_secs(1), 5).await.unwrap();
    assert_eq!(leased.len(), 5, "some are being handed over");
    let cursor = from.store.feed(&bank(), 0, 10).await.unwrap().last().unwrap().0;
    let rest = feed(&*from.store, &bank(), cursor, 100).await;
    let mut all = from.all.clone();

    // Sessions are opened and end while it is copied; what was taken is there, the rest is told to come again.
    let stop = Arc::new(AtomicBool::new(false));
    let load = {
        let (store, stop, vault) = (from.store.clone(), stop.clone(), from.vault.clone());
        tokio::spawn(async move {
            let mut taken = Vec::new();
            for n in SESSIONS + 1.. {
                let it = session(n, &vault);
                match store.commit(vec![Write::Aggregate(boxed(&it))], Vec::new()).await {
                    Ok(()) => taken.push(it),
                    Err(StoreError::Busy) => {}
                    Err(error) => panic!("{error}"),
                }
                if let Some(it) = taken.last_mut().filter(|_| n.is_multiple_of(2)) {
                    let ended = over(it.clone(), moment(NOW, n));
                    match store.commit(vec![Write::Aggregate(boxed(&ended))], Vec::new()).await {
                        Ok(()) => *it = ended,
                        Err(StoreError::Busy) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                if n.is_multiple_of(5) {
                    let gone = store.set_notes(vec![(format!("cursor/{}", n % 30), None), ("cursor/x".into(), Some(vec![n as u8]))]).await;
                    assert!(matches!(gone, Ok(()) | Err(StoreError::Busy)), "{gone:?}");
                }
                if stop.load(Ordering::SeqCst) {
                    return taken;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            unreachable!("it is stopped before")
        })
    };
    let report = from.moved(&to).await.unwrap();
    assert!(report.window <= Plan::default().window && report.window <= report.took, "{report:?}");
    stop.store(true, Ordering::SeqCst);
    all.extend(load.await.unwrap());
    assert!(all.len() > from.all.len(), "something came meanwhile");
    assert_eq!(from.store.set_notes(vec![("late".into(), Some(vec![1]))]).await, Err(StoreError::Busy), "it stays halted");

    let keys = vault();
    let there = PostgresStore::open(&to, options(&from.time), keys.clone(), 1).await.unwrap();
    same(&*from.store, &*there, &all).await;
    let (ours, theirs) = (from.store.status(), there.status());
    let sorted = |mut it: Vec<(InstitutionId, u64)>| {
        it.sort();
        it
    };
    assert_eq!((ours.open, ours.outbox, sorted(ours.feed)), (theirs.open, theirs.outbox, sorted(theirs.feed)));
    goes_on(&from, (&there, &keys), (cursor, rest), &all).await;

    // The old directory says where its data are.
    from.store.close();
    let again = SledStore::open(settings(&from.dir, &from.time), vault(), from.time.now());
    let Err(error @ OpenError::Moved { .. }) = again.map(drop) else { panic!("it was opened") };
    assert!(error.to_string().contains("the data moved to there") && error.to_string().contains("delete"), "{error}");
    std::fs::remove_file(from.dir.join("moved")).unwrap();
    let back = SledStore::open(settings(&from.dir, &from.time), vault(), from.time.now()).unwrap();
    assert!(back.find(all[0].id).await.unwrap().is_some());
}

async fn goes_on(
    from: &Filled,
    (there, keys): (&Arc<PostgresStore>, &Vault),
    (cursor, rest): (u64, Vec<(u64, Arc<Aggregate>, usize)>),
    all: &[Challenge],
) {
    // A cursor from before shows what it would have shown.
    let shown = feed(&**there, &bank(), cursor, 100).await;
    assert_eq!(shown[..rest.len()].iter().map(|it| it.0).collect::<Vec<_>>(), rest.iter().map(|it| it.0).collect::<Vec<_>>());
    // An open session's material opens, and it is verified: with the next number of its feed.
    let open = all.iter().find(|it| it.state == State::Open && it.institution == bank()).unwrap();
    let found = there.find(open.id).await.unwrap().unwrap();
    let sealed = found.value.challenge().unwrap().material.clone().unwrap();
    assert_eq!(&*keys.open(open.id, &sealed).unwrap(), b"493817 and CANARY-PARAMETER");
    let last = feed(&**there, &bank(), 0, 500).await.last().unwrap().0;
    let ended = over(found.value.challenge().unwrap().clone(), at(NOW + 1));
    there.commit(vec![Write::Aggregate(boxed(&ended))], vec![Expect::Aggregate(open.id, found.version)]).await.unwrap();
    let next = there.feed(&bank(), last, 5).await.unwrap();
    assert_eq!(next.iter().map(|it| it.0).collect::<Vec<_>>(), [last + 1]);
    assert_eq!(next[0].1.events()[next[0].2].act, Act::Verified);
    // Each message that waits is handed out once.
    let mut due: Vec<DeliveryId> = Vec::new();
    loop {
        let leases = there.lease(from.time.now(), Duration::from_secs(300), 50).await.unwrap();
        if leases.is_empty() {
            break;
        }
        due.extend(leases.iter().map(|it| it.delivery));
    }
    let waits = |it: &&Challenge| it.id != open.id && it.deliveries[0].status.due().is_some_and(|due| due <= from.time.now());
    let mut expected: Vec<DeliveryId> = all.iter().filter(waits).map(|it| it.deliveries[0].id).collect();
    due.sort_unstable();
    expected.sort_unstable();
    assert_eq!(due, expected);
    // A repeat finds its first answer.
    let query = Query::Recipient(recipient("R/1").key);
    assert!(there.load(&query).await.unwrap().recipient.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_or_renumbered_on_the_way_is_noticed() {
    let from = filled(60).await;
    let check = async |name: &str, sql: &str, expected: &str| {
        let base = shared().database();
        let to = Settings { migrate: true, ..shared().settings(&base) };
        let mut copy = from.copy(&to, Plan::default()).await.unwrap();
        while copy.round().await.unwrap() > 0 {}
        assert_eq!(copy.verify().await.unwrap().to_string(), "", "{name}");
        shared().sql(&base, sql);
        let off = copy.verify().await.unwrap().to_string();
        assert!(off.contains(expected), "{name}: {off}");
        // The same on the way to the window ends it, and all goes on as it was.
        let ended = copy.run("there", || true).await.unwrap_err();
        assert!(matches!(&ended, CopyError::Differs(_)) && ended.to_string().contains(expected), "{ended}");
        from.store.set_notes(vec![("after".into(), Some(vec![1]))]).await.unwrap();
        from.store.set_notes(vec![("after".into(), None)]).await.unwrap();
        assert!(!from.dir.join("moved").exists());
        let refused = arrived(&to, &from.time).await.map(drop).unwrap_err().to_string();
        assert!(refused.contains("--restart"), "{refused}");
    };
    check(
        "a session",
        "DELETE FROM aggregate WHERE id = (SELECT id FROM aggregate ORDER BY id LIMIT 1)",
        "sessions and messages: 1 missing",
    )
    .await;
    check("an event", "UPDATE event SET seq = seq + 100000 WHERE seq = 5", "sessions and messages: 0 missing, 0 too many, 2 different")
        .await;
    check("an event's place", "DELETE FROM event WHERE seq = 7", "sessions and messages: 0 missing, 0 too many, 2 different").await;
    check("a feed's end", "UPDATE feed SET last = last - 1", "feeds: 0 missing, 0 too many, 2 different").await;
    check(
        "a note",
        "DELETE FROM record WHERE key = (SELECT key FROM record WHERE get_byte(key, 0) = 78 AND octet_length(value) > 70 LIMIT 1)",
        "1 missing",
    )
    .await;
    check("a budget", "DELETE FROM record WHERE key = (SELECT key FROM record WHERE get_byte(key, 0) = 66 LIMIT 1)", "budgets: 1 missing")
        .await;
    check(
        "a recipient",
        "DELETE FROM record WHERE key = (SELECT key FROM record WHERE get_byte(key, 0) = 82 LIMIT 1)",
        "recipients: 1 missing",
    )
    .await;
    check("a count", "UPDATE opened SET count = count + 1", "daily counts: 0 missing, 0 too many, 1 different").await;
    check(
        "a key of a repeat",
        "DELETE FROM record WHERE key = (SELECT key FROM record WHERE get_byte(key, 0) = 114 LIMIT 1)",
        "index entries: 1 missing",
    )
    .await;
    check(
        "a phone",
        "DELETE FROM record WHERE key = (SELECT key FROM record WHERE get_byte(key, 0) = 97 AND octet_length(holds) > 0 LIMIT 1)",
        "index entries: ",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_is_too_short_is_given_up_and_a_copy_begins_anew_when_told_to() {
    let (from, to) = (filled(160).await, database());
    let short = Plan { window: Duration::from_millis(1), ..Plan::default() };
    let ended = from.copy(&to, short).await.unwrap().run("there", || true).await.unwrap_err();
    assert!(matches!(ended, CopyError::Window(_)) && ended.to_string().contains("0.001 s"), "{ended}");
    from.store.set_notes(vec![("after".into(), Some(vec![1]))]).await.unwrap();

    let refused = from.copy(&to, Plan::default()).await.map(drop).unwrap_err();
    assert!(matches!(refused, CopyError::Unfinished) && refused.to_string().contains("--restart"), "{refused}");
    let again = Plan { restart: true, ..Plan::default() };
    from.copy(&to, again).await.unwrap().run("there", || true).await.unwrap();
    same(&*from.store, &*arrived(&to, &from.time).await.unwrap(), &from.all).await;

    // What is somebody's is left alone, whatever is said.
    let taken = from.copy(&to, again).await.map(drop).unwrap_err();
    assert!(matches!(taken, CopyError::Taken), "{taken}");
    let other = Arc::new(Vault::from_root(&[7; 32]));
    let plan = Plan::default();
    let refused = Copy::begin(from.store.clone(), (&database(), options(&from.time)), other, plan).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("root key"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_history_comes_along_when_asked_for() {
    let mut from = filled(160).await;
    let old = from.time.now();
    from.store.close();
    // Ten days later nothing of it is within the time of tombstones, but what is open.
    from.time.set(old.plus(Duration::from_secs(10 * 24 * 3600)));
    from.store = SledStore::open(settings(&from.dir, &from.time), from.vault.clone(), from.time.now()).unwrap();
    from.store.sweep().await.unwrap();
    let over = from.all.iter().find(|it| it.state != State::Open).unwrap();
    for (history, expected) in [(false, false), (true, true)] {
        let to = database();
        let mut copy = from.copy(&to, Plan { history, ..Plan::default() }).await.unwrap();
        while copy.round().await.unwrap() > 0 {}
        assert_eq!(copy.verify().await.unwrap().to_string(), "");
        copy.run("there", || true).await.unwrap();
        let there = arrived(&to, &from.time).await.unwrap();
        assert_eq!(there.find(over.id).await.unwrap().is_some(), expected);
        assert!(there.find(from.all[3].id).await.unwrap().is_some());
        if history {
            let (a, b) = (feed(&*from.store, &bank(), 0, 50).await, feed(&*there, &bank(), 0, 50).await);
            assert_eq!(a, b);
        }
        from.store.resume();
        from.store.take_back().unwrap();
    }
}
