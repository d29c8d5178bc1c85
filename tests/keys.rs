//! API keys: who is let in by one, for what, from where, and for how long; and that nobody can read one afterwards.

mod http_stand;
mod process;

use countersign::domain::scope::{Scope, Scopes};
use countersign::domain::time::Timestamp;
use countersign::engine::draw::{Chance, SystemChance};
use countersign::engine::keys::{LONGEST, Made, Refused, Wish, text};
use countersign::http::Settings;
use http_stand::*;
use process::bank::Bank;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const EVENTS: &str = "/v1/events";

fn id() -> String {
    text::draw_id(&mut SystemChance.generator())
}

fn wish(scopes: &[Scope]) -> Wish {
    Wish {
        id: id(),
        publisher: "bank".into(),
        label: "till".into(),
        scopes: scopes.iter().copied().collect(),
        allow: Vec::new(),
        life: DAY,
    }
}

fn bearer(made: &Made) -> String {
    format!("Authorization: Bearer {}\r\n", made.text.expose())
}

async fn begin() -> Stand {
    stand(Settings::default(), &generated()).await
}

async fn status(stand: &Stand, key: &Made) -> u16 {
    stand.get(EVENTS, &bearer(key)).await.status
}

fn move_to(stand: &Stand, at: Timestamp) {
    *stand.fake.clock.lock().unwrap() = at;
}

#[tokio::test]
async fn a_key_may_do_what_it_was_made_for() {
    let stand = begin().await;
    let events = stand.keys.create(wish(&[Scope::Events])).await.unwrap();
    let templates = stand.keys.create(wish(&[Scope::Templates, Scope::Create])).await.unwrap();
    let check = async |path: &str, key: &Made, expected: u16| {
        let got = stand.get(path, &bearer(key)).await;
        assert_eq!(got.status, expected, "{path} {got:?}");
        assert_eq!(got.body.contains("urn:countersign:problem:scope-missing"), expected == 403, "{got:?}");
    };
    check(EVENTS, &events, 200).await;
    check(EVENTS, &templates, 403).await;
    check("/api/template", &events, 403).await;
    check("/api/template", &templates, 200).await;
    // What it did is recorded with its id.
    let body = r#"{"name": "otp", "type": "SMS", "body": "OTP [(${otpValue})]"}"#;
    let got = stand.post("/api/template", &format!("{}Content-Type: application/json\r\n", bearer(&templates)), body).await;
    assert_eq!(got.status, 201, "{got:?}");
    let lines = stand.trail.lines.lock().unwrap().join("\n");
    let (id, secret) = text::read(templates.text.expose()).unwrap();
    assert!(lines.contains(&format!("publisher bank with key {id} ")) && !lines.contains(secret), "{lines}");
}

#[tokio::test]
async fn whatever_is_wrong_looks_the_same() {
    let stand = begin().await;
    let good = stand.keys.create(wish(&[Scope::Events])).await.unwrap();
    let (good_id, _) = text::read(good.text.expose()).unwrap();
    let forged = text::draw(good_id, &mut SystemChance.generator());
    let unknown = text::draw(&id(), &mut SystemChance.generator());
    let revoked = stand.keys.create(wish(&[Scope::Events])).await.unwrap();
    stand.keys.revoke(text::read(revoked.text.expose()).unwrap().0).await.unwrap();
    let elsewhere = Wish { allow: vec!["10.0.0.0/8".parse().unwrap()], ..wish(&[Scope::Events]) };
    let elsewhere = stand.keys.create(elsewhere).await.unwrap();
    let mut bodies = Vec::new();
    for text in [
        forged.expose(),
        unknown.expose(),
        revoked.text.expose(),
        elsewhere.text.expose(),
        "cs_",
        "scrape-token",
        &good.text.expose()[..63],
    ] {
        let got = stand.get(EVENTS, &format!("Authorization: Bearer {text}\r\n")).await;
        assert!(got.status == 401 && got.head.contains("www-authenticate: bearer realm="), "{got:?}");
        bodies.push(got.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(status(&stand, &good).await, 200);
    let both = format!("{}{BASIC}", bearer(&good));
    assert_eq!(stand.get(EVENTS, &both).await.status, 401, "two at once are none");
    stand.keys.register([]);
    assert_eq!(status(&stand, &good).await, 401, "its publisher is not registered any more");
}

#[tokio::test]
async fn a_key_ends_by_itself_and_a_rotated_one_after_the_overlap() {
    let stand = begin().await;
    let old = stand.keys.create(wish(&[Scope::Events])).await.unwrap();
    let (old_id, new_id) = (text::read(old.text.expose()).unwrap().0, id());
    let hour = Duration::from_secs(3_600);
    let new = stand.keys.rotate(old_id, new_id.clone(), (2 * DAY, hour)).await.unwrap();
    assert_eq!((new.record.scopes, new.record.label.as_str()), ([Scope::Events].into_iter().collect::<Scopes>(), "till"));
    for (after, expected) in
        [(Duration::ZERO, (200, 200)), (hour - Duration::from_millis(1), (200, 200)), (hour, (401, 200)), (2 * DAY, (401, 401))]
    {
        move_to(&stand, NOW.plus(after));
        assert_eq!((status(&stand, &old).await, status(&stand, &new).await), expected, "after {after:?}");
    }
    let refused = stand.keys.rotate(&new_id, id(), (DAY, hour)).await.unwrap_err();
    assert_eq!(refused, Refused::Ended(new_id.clone()));
    assert_eq!(stand.keys.revoke("aaaaaaaaaaaa").await, Err(Refused::Unknown("aaaaaaaaaaaa".into())));
    assert_eq!(stand.keys.all().await.unwrap().len(), 2);
    move_to(&stand, NOW.plus(91 * DAY));
    let left = stand.keys.create(wish(&[Scope::Read])).await.map(drop);
    assert_eq!((left, stand.keys.all().await.unwrap().len()), (Ok(()), 2), "the first ended more than 90 days ago");
}

#[tokio::test]
async fn what_can_not_be_a_key_is_not_made() {
    let stand = begin().await;
    let check = async |change: &dyn Fn(&mut Wish), expected: &str| {
        let mut it = wish(&[Scope::Read]);
        change(&mut it);
        let refused = stand.keys.create(it).await.expect_err(expected).to_string();
        assert!(refused.contains(expected), "{refused}");
    };
    check(&|it| it.scopes = Scopes::default(), "scope").await;
    check(&|it| it.life = Duration::ZERO, "731").await;
    check(&|it| it.life = LONGEST + Duration::from_secs(1), "731").await;
    check(&|it| it.id = "Id".into(), "12 characters").await;
    check(&|it| it.label = "a\nb".into(), "label").await;
    check(&|it| it.allow = vec!["10.0.0.0/8".parse().unwrap(); 33], "32 networks").await;
    check(&|it| it.publisher = "nobody".into(), "nobody is not registered").await;
    let first = wish(&[Scope::Read]);
    stand.keys.create(first.clone()).await.unwrap();
    assert!(stand.keys.create(first).await.unwrap_err().to_string().contains("taken"));
}

#[tokio::test]
async fn guessing_shuts_the_address_out_and_not_the_key() {
    let stand = stand(auth(|it| it.failures_per_address = 3), &generated()).await;
    let good = stand.keys.create(wish(&[Scope::Events])).await.unwrap();
    assert_eq!(status(&stand, &good).await, 200);
    let (good_id, _) = text::read(good.text.expose()).unwrap();
    for _ in 0..3 {
        let guess = text::draw(good_id, &mut SystemChance.generator());
        assert_eq!(stand.get(EVENTS, &format!("Authorization: Bearer {}\r\n", guess.expose())).await.status, 401);
    }
    assert_eq!(status(&stand, &good).await, 401, "it is not looked at from there");
    assert!(stand.keys.check(good.text.expose(), "192.0.2.1".parse().unwrap()).await.is_ok(), "it counts from elsewhere");
}

fn holds(folder: &Path, what: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, what);
        }
        std::fs::read(&path).is_ok_and(|bytes| bytes.windows(what.len()).any(|it| it == what.as_bytes()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_makes_lists_rotates_and_ends_keys_and_nothing_keeps_them() {
    let bank = Bank::new("[http]\nlisten = '127.0.0.1:0'\n");
    let server = bank.start();
    let said = bank.run(&["key", "create", "--publisher", "bank", "--scopes", "events,read", "--label", "nightly", "--expires", "90d"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let first = said.out.trim_end().to_owned();
    let (id, secret) = text::read(&first).map(|it| (it.0.to_owned(), it.1.to_owned())).unwrap();
    assert!(said.out.lines().count() == 1 && said.err.contains(&id) && !said.err.contains(&secret), "{}", said.err);
    let call = async |key: &str| {
        let request = server.request(reqwest::Method::GET, "/v1/events?after=0");
        request.bearer_auth(key).send().await.unwrap().status().as_u16()
    };
    assert_eq!(call(&first).await, 200);
    let out = bank.path("new.key");
    let said = bank.run(&["key", "rotate", &id, "--overlap", "0s", "--out", out.to_str().unwrap()]);
    assert!(said.code == Some(0) && said.out.is_empty(), "{} {}", said.out, said.err);
    let second = bank.read("new.key").trim_end().to_owned();
    let (new_id, new_secret) = text::read(&second).unwrap();
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!((call(&first).await, call(&second).await), (401, 200));
    let listed = bank.done(&["key", "list"]);
    assert!(listed.contains(&format!("{id} bank expired read,events from anywhere")), "{listed}");
    assert!(listed.contains(&format!("{new_id} bank live ")) && listed.contains("\"nightly\"") && !listed.contains(new_secret), "{listed}");
    assert!(bank.done(&["key", "list", "--publisher", "other"]).starts_with("0 keys"));
    bank.done(&["key", "revoke", new_id]);
    assert_eq!(call(&second).await, 401);
    for (arguments, expected) in [
        (vec!["key", "revoke", new_id], "has ended"),
        (vec!["key", "create", "--publisher", "bank", "--scopes", "everything"], "is no scope"),
        (vec!["key", "create", "--publisher", "nobody", "--scopes", "read"], "not registered"),
        (vec!["key", "create", "--publisher", "bank", "--scopes", "read", "--expires", "never"], "every key ends"),
        (vec!["key", "create", "--publisher", "bank", "--scopes", "read", "--allow", "10.0.0.0/99"], "is no network"),
        (vec!["key", "rotate", "aaaaaaaaaaaa", "--out", out.to_str().unwrap()], "does not exist"),
    ] {
        let said = bank.run(&arguments);
        assert!(said.code != Some(0) && said.out.is_empty() && said.err.contains(expected), "{arguments:?}: {}", said.err);
    }
    let (_, logs) = {
        server.terminate();
        server.ended_saying()
    };
    let audit = bank.read("data/audit.jsonl");
    assert!(audit.contains("key create") && audit.contains(&id) && audit.contains(new_id) && audit.contains("key revoke"), "{audit}");
    std::fs::remove_file(&out).unwrap();
    for secret in [secret.as_str(), new_secret] {
        assert!(!logs.contains(secret) && !audit.contains(secret) && !holds(&bank.path(""), secret));
        assert!(!logs.contains(&secret[..20]), "not in part either");
    }
}
