//! The life of a challenge, decided and committed: what opens it, what a reply does, and how it ends.

mod world;

use countersign::domain::answer::Verdict;
use countersign::domain::decide::{Facts, Request, decide, rules};
use countersign::domain::id::PublisherId;
use countersign::domain::request::{Field, OobValidate, Origin};
use countersign::engine::draw::{Chance, Codes, SystemChance};
use countersign::store::contract::StoreError;
use std::time::Duration;
use world::{PHONE, Secret, World, explicit, header, hybrid, native};

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

#[tokio::test]
async fn the_right_reply_verifies_once_and_its_duplicate_changes_nothing() {
    let world = World::new().await;
    let (id, otp) = world.opened(explicit(PHONE)).await;
    assert_eq!(world.deliver().await.len(), 1);
    assert_eq!(world.reply(PHONE, &format!("Code: {otp}."), "SM1").await, Verdict::Verified);
    assert_eq!(world.reply(PHONE, &format!("Code: {otp}."), "SM1").await, Verdict::Verified, "the duplicate is answered alike");
    assert_eq!(world.reply(PHONE, &otp, "SM2").await, Verdict::Expired, "and the code is used up");
    assert_eq!(world.acts(&id).await, ["MsgAccepted", "MsgSent", "OOBVerified"]);
}

#[tokio::test]
async fn wrong_replies_count_down_and_then_fail() {
    let world = World::new().await;
    let (id, otp) = world.opened(explicit(PHONE)).await;
    let wrong = if otp == "123456" { "654321" } else { "123456" };
    for left in [4, 3, 2, 1] {
        assert_eq!(world.reply(PHONE, wrong, &format!("SM{left}")).await, Verdict::Wrong { left });
    }
    assert_eq!(world.reply(PHONE, "thanks!", "SM-a").await, Verdict::Unread, "no candidate, no attempt");
    assert_eq!(world.reply(PHONE, wrong, "SM0").await, Verdict::Failed);
    assert_eq!(world.reply(PHONE, &otp, "SM-b").await, Verdict::Expired);
    assert_eq!(world.outcomes(&id).await, ["OOBFailed"]);
}

#[tokio::test]
async fn expiry_is_judged_on_arrival_and_told_once() {
    let world = World::new().await;
    let (id, otp) = world.opened(OobValidate { exp_sec: Some("15".into()), ..explicit(PHONE) }).await;
    world.deliver().await;
    world.advance(Duration::from_millis(14_999));
    assert_eq!(world.engine.end_due(10).await, 0);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.reply(PHONE, &otp, "SM1").await, Verdict::Expired, "received_at >= expires_at is expired");
    assert_eq!(world.engine.end_due(10).await, 1);
    assert_eq!(world.engine.end_due(10).await, 0);
    assert_eq!(world.outcomes(&id).await, ["OOBExpired"]);
}

#[tokio::test]
async fn what_could_not_be_handed_over_in_time_is_dropped_and_told() {
    let world = World::new().await;
    let (id, _) = world.opened(explicit(PHONE)).await;
    world.advance(minutes(10));
    assert!(world.deliver().await.is_empty(), "nothing is sent late");
    assert_eq!(world.acts(&id).await, ["MsgAccepted", "MsgExpired", "OOBExpired"]);
}

#[tokio::test]
async fn one_way_takes_no_reply_and_expires_in_silence() {
    let world = World::new().await;
    let (id, otp) = world.opened(OobValidate { mode: Some("OneWay".into()), ..explicit(PHONE) }).await;
    world.deliver().await;
    assert_eq!(world.reply(PHONE, &otp, "SM1").await, Verdict::NoSession);
    world.advance(minutes(11));
    world.engine.end_due(10).await;
    assert_eq!(world.acts(&id).await, ["MsgAccepted", "MsgSent"], "no outcome event (decision 13)");
}

#[tokio::test]
async fn a_newer_challenge_supersedes_and_its_late_code_is_told_apart() {
    let world = World::new().await;
    let (older, first) = world.opened(explicit(PHONE)).await;
    let (newer, second) = world.opened(explicit(PHONE)).await;
    assert_ne!(first, second);
    assert_eq!(world.deliver().await.len(), 1, "the older message is taken back");
    assert_eq!(world.reply(PHONE, &first, "SM1").await, Verdict::Superseded);
    assert_eq!(world.reply(PHONE, &second, "SM2").await, Verdict::Verified, "and cost no attempt");
    assert_eq!(world.outcomes(&older).await, ["OOBSuperseded"]);
    assert_eq!(world.outcomes(&newer).await, ["OOBVerified"]);
}

#[tokio::test]
async fn a_reply_is_tried_against_every_open_session_of_the_phone() {
    let world = World::with(|it| it.supersede = false).await;
    let (older, first) = world.opened(explicit(PHONE)).await;
    let (newer, second) = world.opened(explicit(PHONE)).await;
    assert_ne!(first, second);
    let wrong = ["111111", "222222", "333333"].into_iter().find(|it| **it != first && **it != second).unwrap();
    assert_eq!(world.reply(PHONE, wrong, "SM1").await, Verdict::Wrong { left: 4 });
    assert_eq!(world.reply(PHONE, &first, "SM2").await, Verdict::Verified);
    for left in [3, 2, 1] {
        assert_eq!(world.reply(PHONE, wrong, &format!("SM3{left}")).await, Verdict::Wrong { left });
    }
    assert_eq!(world.outcomes(&older).await, ["OOBVerified"]);
    assert_eq!(world.outcomes(&newer).await, Vec::<&str>::new());
}

#[tokio::test]
async fn the_same_request_gets_the_first_answer_and_sends_nothing() {
    let world = World::new().await;
    let request = || {
        let mut header = header();
        header.bus_correl_id = Some("b-1".into());
        OobValidate { header: Some(header), ..explicit(PHONE) }
    };
    let first = world.opened(request()).await;
    assert_eq!(world.opened(request()).await, first);
    assert_eq!(world.deliver().await.len(), 1);
    assert_eq!(world.refused(OobValidate { exp_sec: Some("60".into()), ..request() }).await, [39010]);
    world.reply(PHONE, &first.1, "SM1").await;
    assert_eq!(world.opened(request()).await, (first.0, String::new()), "after the end: the first answer without OTP");
}

#[tokio::test]
async fn stop_opts_out_ends_sessions_and_never_counts() {
    let world = World::new().await;
    let (id, _) = world.opened(explicit(PHONE)).await;
    assert_eq!(world.reply(PHONE, "Please stop texting me", "SM1").await, Verdict::Stopped);
    assert_eq!(world.acts(&id).await, ["MsgAccepted", "OptedOut", "OOBCancelled"]);
    let sent = world.deliver().await;
    assert_eq!(sent.len(), 1, "one confirmation, and the unsent code is taken back");
    assert_eq!(world.reply(PHONE, "STOP", "SM2").await, Verdict::Stopped);
    assert_eq!(world.deliver().await.len(), 1, "a second STOP is not confirmed again");
    assert_eq!(world.refused(explicit(PHONE)).await, [39005]);
    assert_eq!(world.reply(PHONE, "START", "SM3").await, Verdict::Started);
    world.opened(explicit(PHONE)).await;
}

// Decided before and committed after: what was left out for an opt-out counts as much as what was sent to.
#[tokio::test]
async fn a_contact_that_opts_in_meanwhile_is_not_left_out() {
    const HANDSET: &str = "+12025550143";
    let world = World::new().await;
    world.opened(hybrid(&[])).await;
    assert_eq!(world.reply(HANDSET, "STOP", "SM1").await, Verdict::Stopped);
    let registry = world.engine.registry();
    let publisher = &registry.publishers[&PublisherId::from("demo")];
    let origin = Origin::new(publisher.id.clone(), world.engine.now());
    let wish = rules::check(origin, hybrid(&[]), publisher, &*world.vault).unwrap();
    let view = world.engine.store().load(&wish.query()).await.unwrap();
    let facts = Facts { view, registry: &registry, keyring: &*world.vault };
    let mut draw = SystemChance.draw(world.engine.now(), Codes::Usual(1));
    let decision = decide(facts, &Request::Open(Box::new(wish)), &mut draw);
    assert!(!decision.writes.is_empty(), "it goes by mail");
    assert_eq!(world.reply(HANDSET, "START", "SM2").await, Verdict::Started);
    let committed = world.engine.store().commit(decision.writes, decision.expects).await;
    assert!(matches!(committed, Err(StoreError::Conflict)), "{committed:?}");
}

#[tokio::test]
async fn a_denial_beside_the_code_fails_the_session() {
    for text in ["NO", "not me", "I did not request this {otp}", "not me\n> Your code is {otp}."] {
        let world = World::new().await;
        let (id, otp) = world.opened(explicit(PHONE)).await;
        assert_eq!(world.reply(PHONE, &text.replace("{otp}", &otp), "SM1").await, Verdict::Denied, "{text}");
        assert_eq!(world.outcomes(&id).await, ["OOBFailed"], "{text}");
    }
}

#[tokio::test]
async fn the_budget_blocks_over_sessions_and_a_person_unlocks() {
    let world = World::with(|it| it.budget.daily = 7).await;
    let mut wrong = 0;
    for session in 0..2 {
        let (_, otp) = world.opened(explicit(PHONE)).await;
        let guess = if otp == "123456" { "654321" } else { "123456" };
        for attempt in 0..5 {
            let verdict = world.reply(PHONE, guess, &format!("S{session}A{attempt}")).await;
            wrong += u32::from(matches!(verdict, Verdict::Wrong { .. } | Verdict::Failed));
            if wrong == 7 && verdict != Verdict::Blocked {
                assert_eq!(world.reply(PHONE, &otp, "right").await, Verdict::Blocked, "not even the right one is judged");
            }
        }
    }
    assert_eq!(wrong, 7);
    assert_eq!(world.refused(OobValidate { consumer_prod: None, ..explicit(PHONE) }).await, [39014]);
    let key = countersign::domain::budget::BudgetKey::Address("011001276".into(), countersign::domain::contact::Address::canonical(PHONE));
    assert!(world.engine.unlock(key).await.unwrap());
    world.opened(explicit(PHONE)).await;
}

#[tokio::test]
async fn limits_hold_per_phone() {
    let world = World::new().await;
    for _ in 0..5 {
        world.opened(explicit(PHONE)).await;
    }
    assert_eq!(world.refused(explicit(PHONE)).await, [39008]);
    world.opened(explicit("+12025550199")).await;
    world.advance(minutes(11));
    world.opened(explicit(PHONE)).await;
}

#[tokio::test]
async fn sessions_a_phone_are_limited_where_none_supersedes() {
    let world = World::with(|it| (it.supersede, it.limits.per_phone_ten_minutes) = (false, 100)).await;
    for _ in 0..5 {
        world.opened(explicit(PHONE)).await;
    }
    assert_eq!(world.refused(explicit(PHONE)).await, [39015]);
}

/// A native or explicit request, its refusal's codes (empty: opened).
#[tokio::test]
async fn faults_of_the_look_ups() {
    let world = World::new().await;
    let chosen = |contact: &str| hybrid(&[contact]);
    let with = |change: fn(&mut OobValidate)| {
        let mut request = hybrid(&["Mobile number"]);
        change(&mut request);
        request
    };
    let cases = [
        ("no such alert", native("Nope", "MERCHANT89785", &[], &[]), vec![3121]),
        ("no such recipient", native("Unknown User OOB Alert", "NOBODY", &[], &[]), vec![39003]),
        ("no such contact", chosen("Fax"), vec![39004]),
        ("another institution", with(|it| it.inst_rt_id = Some("999999999".into())), vec![2505]),
        ("another product", with(|it| it.consumer_prod = Some("Other".into())), vec![2505]),
        ("another version", with(|it| it.pub_ver = Some("9.9".into())), vec![3124]),
        ("a parameter is missing", with(|it| it.data.truncate(3)), vec![39007]),
        ("a parameter is no time", with(|it| it.data[4].1 = Some(Secret::new("soon"))), vec![39007]),
        ("not subscribed", native("ECS Admin Login OOB Alert", "MERCHANT89785", &[], &[]), vec![39004]),
        ("nothing to verify", native("ECS Admin Login OOB Alert", "ADMIN0001", &[], &[]), vec![3158]),
    ];
    for (what, request, codes) in cases {
        assert_eq!(world.refused(request).await, codes, "{what}");
    }
    world.opened(hybrid(&["Mobile number"])).await;
}

/// What breaks a field rule, and the codes in schema order.
#[tokio::test]
async fn faults_of_the_field_rules() {
    let world = World::with(|it| it.require = vec![countersign::domain::publisher::Required::BusCorrelId]).await;
    let base = || {
        let mut header = header();
        header.bus_correl_id = Some("b".into());
        OobValidate { header: Some(header), ..explicit(PHONE) }
    };
    let check = async |what: &str, change: fn(&mut OobValidate), codes: &[u32]| {
        let mut request = base();
        change(&mut request);
        assert_eq!(world.refused(request).await, codes, "{what}");
    };
    let head = |it: &mut OobValidate| it.header.get_or_insert_default().clone();
    let _ = head;
    check("no header", |it| it.header = None, &[2001]).await;
    check("no ids", |it| it.header = Some(Default::default()), &[2021, 2002, 2700]).await;
    check("neither level", |it| it.phone_num = None, &[3154]).await;
    check("both levels", |it| it.alrt_name = Some("A".into()), &[39001]).await;
    check("nine digits", |it| it.phone_num = Some("202555012".into()), &[3147]).await;
    check("not in the plan", |it| it.phone_num = Some("1115550123".into()), &[39012]).await;
    check("both tags", |it| it.sms_text = Some(Secret::new("<%$otp%> <%$otpa%>")), &[3156]).await;
    check("another tag", |it| it.sms_text = Some(Secret::new("<%$otp%> <%name%>")), &[3157]).await;
    check("no value", |it| it.sms_text = Some(Secret::new("hello")), &[3158]).await;
    check("a keyword", |it| it.verif_val = Some(Secret::new("Stop")), &[39013]).await;
    check("no digest", |it| (it.verif_val, it.encrypt_type) = (Some(Secret::new("12")), Some("SHA1".into())), &[39016]).await;
    check("mode", |it| it.mode = Some("BothWays".into()), &[2005]).await;
    check("seconds", |it| it.exp_sec = Some("soon".into()), &[2017]).await;
    check("too short, too long", |it| it.exp_sec = Some("14".into()), &[3160]).await;
    check("test type", |it| it.test = Some("yes".into()), &[2005]).await;
    check("hash", |it| it.encrypt_type = Some("MD5".into()), &[2005]).await;
    let all: fn(&mut OobValidate) = |it| {
        it.exp_sec = Some("7".into());
        it.phone_num = None;
        it.data = vec![(Field::Null, Some(Secret::new("x"))), (Field::Text("n".into()), None)];
        it.mode = Some("x".into());
    };
    check("all at once, in schema order", all, &[3154, 3103, 3103, 2005, 3160]).await;
    let native: fn(&mut OobValidate) = |it| {
        it.phone_num = None;
        it.alrt_name = Some("A".into());
        it.recipient = Some(Default::default());
    };
    check("no recipient id", native, &[2205]).await;
    let null: fn(&mut OobValidate) = |it| {
        it.phone_num = None;
        it.alrt_name = Some("A".into());
        it.recipient = Some(countersign::domain::request::RecipientChoice { id: Field::Null, account: None, contacts: vec![Field::Null] });
    };
    check("null ids", null, &[3103, 3103]).await;
    check("no recipient", |it| (it.phone_num, it.alrt_name) = (None, Some("A".into())), &[39002]).await;
    let differ: fn(&mut OobValidate) = |it| {
        it.header.as_mut().unwrap().inst_rt_id = Some("011001276".into());
        it.inst_rt_id = Some("1".into());
        it.header.as_mut().unwrap().valid_consm_prod = Some("X".into());
    };
    check("header and body differ", differ, &[2505, 2505]).await;
}

/// A value, how it is sent, what is typed, and whether that is right.
#[tokio::test]
async fn every_kind_of_value() {
    let sha1 = "e0c710bb95855921a30564422d6d9139bcc9465b";
    let cases: &[(&str, &str, Option<&str>, &str, Verdict)] = &[
        ("plain", "482913", None, "482 913", Verdict::Verified),
        ("word", "BlueHarbor", None, "blue harbor", Verdict::Verified),
        ("word", "BlueHarbor", None, "Code: BLUEHARBOR", Verdict::Verified),
        ("wrong word", "BlueHarbor", None, "RedHarbor", Verdict::Wrong { left: 4 }),
        ("YES as a value", "YES", None, "YES", Verdict::Verified),
        ("hex", sha1, Some("NaCl01"), "482913", Verdict::Verified),
        ("base64", "4McQu5WFWSGjBWRCLW2RObzJRls=", Some("NaCl01"), "482913.", Verdict::Verified),
        ("hashed, wrong", sha1, Some("NaCl01"), "482914", Verdict::Wrong { left: 4 }),
    ];
    for (what, value, salt, typed, verdict) in cases {
        let world = World::new().await;
        let request = OobValidate {
            sms_text: Some(Secret::new("Approve?")),
            verif_val: Some(Secret::new(*value)),
            encrypt_salt: salt.map(Secret::new),
            ..explicit(PHONE)
        };
        let (_, otp) = world.opened(request).await;
        assert_eq!(otp, "", "{what}: OTP is what we generated, and nothing else");
        assert_eq!(world.reply(PHONE, typed, "SM1").await, *verdict, "{what}");
    }
}

/// OTP then the publisher's value, plain and hashed.
#[tokio::test]
async fn combined_values() {
    let sha1 = "e0c710bb95855921a30564422d6d9139bcc9465b";
    for (value, salt, typed, verdict) in [
        ("4321", None, "{otp}4321", Verdict::Verified),
        ("4321", None, "{otp} 4321", Verdict::Verified),
        ("4321", None, "{otp}", Verdict::Unread),
        ("4321", None, "{otp}4322", Verdict::Wrong { left: 4 }),
        (sha1, Some("NaCl01"), "{otp}482913", Verdict::Verified),
        (sha1, Some("NaCl01"), "{otp}482914", Verdict::Wrong { left: 4 }),
    ] {
        let world = World::new().await;
        let request =
            OobValidate { sms_text: None, verif_val: Some(Secret::new(value)), encrypt_salt: salt.map(Secret::new), ..explicit(PHONE) };
        let (_, otp) = world.opened(request).await;
        let shown = world.deliver().await[0].text.as_ref().unwrap().expose().to_owned();
        assert!(shown.contains(&otp), "the system default shows the code: {shown}");
        assert_eq!(world.reply(PHONE, &typed.replace("{otp}", &otp), "SM1").await, verdict, "{typed}");
    }
}

#[tokio::test]
async fn a_hybrid_goes_where_it_is_chosen_and_its_phone_answers() {
    let world = World::new().await;
    let (id, otp) = world.opened(hybrid(&["E-mail address", "Mobile number"])).await;
    let sent = world.deliver().await;
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|it| it.text.as_ref().is_some_and(|text| text.expose().contains(&otp))));
    assert_eq!(world.reply("+12025550143", &otp, "SM1").await, Verdict::Verified);
    let events = world.events().await;
    let verified = events.iter().find(|it| it.act.is_outcome()).unwrap();
    let names: Vec<_> = verified.data.iter().map(|(name, _)| *name).collect();
    let order = [
        "AlrtEventTimeDt",
        "ENSActCode",
        "ENSFeedback",
        "ConsumerProd",
        "AlrtPkgId",
        "InstRtId",
        "AlrtName",
        "AlrtRecipId",
        "ConsmRecipId",
        "ConsmRecipName",
        "ConsmRecipStatType",
    ];
    assert_eq!(names, order, "the names of the contract, in its order");
    assert_eq!(world.outcomes(&id).await, ["OOBVerified"]);
}

/// What the registration lacks, and the code that says so.
#[tokio::test]
async fn faults_of_the_registration() {
    use countersign::domain::publisher::{Publisher, Required};
    type Change = fn(&mut Publisher);
    let elsewhere: Change = |it| {
        let versions = it.institutions.values().next().unwrap().clone();
        it.institutions.insert("021000021".into(), versions);
        it.defaults.inst_rt_id = None;
    };
    let cases: [(&str, Change, OobValidate, Vec<u32>); 8] = [
        ("validation is off", |it| it.oob = false, hybrid(&["Mobile number"]), vec![3155]),
        ("no library", |it| it.institutions.values_mut().for_each(Vec::clear), hybrid(&["Mobile number"]), vec![3126]),
        ("no institution", elsewhere, explicit(PHONE), vec![2016]),
        (
            "no product",
            |it| (it.require, it.defaults.consumer_prod, it.defaults.valid_consm_prod) = (vec![Required::ConsumerProd], None, None),
            explicit(PHONE),
            vec![2003],
        ),
        ("no name", |it| (it.require, it.defaults.valid_consm_name) = (vec![Required::ValidConsmName], None), explicit(PHONE), vec![2401]),
        ("another country", |it| it.countries = vec!["CA".into()], explicit("+442071838750"), vec![39009]),
        ("a broken tag", |_| {}, OobValidate { sms_text: Some(Secret::new("Code <%$otp")), ..explicit(PHONE) }, vec![39019]),
        ("an unknown name", |it| it.consumer_names = vec!["Other".into()], explicit(PHONE), vec![2505]),
    ];
    for (what, change, request, codes) in cases {
        assert_eq!(World::with(change).await.refused(request).await, codes, "{what}");
    }
}

/// What a recipient's record says, and the code that tells.
#[tokio::test]
async fn faults_of_the_recipient() {
    use countersign::domain::contact::{Address, Channel};
    use countersign::domain::recipient::{Contact, Recipient};
    type Change = fn(&mut Recipient);
    let mailbox: Change = |it| {
        let contact = Contact { id: "Mail".into(), channel: Channel::Mail, address: Address::canonical("a@b.example"), opted_in: true };
        it.contacts.push(contact);
        it.subscriptions.iter_mut().for_each(|it| it.contacts.push("Mail".into()));
    };
    let cases: [(&str, Change, Vec<u32>); 6] = [
        ("inactive", |it| it.active = false, vec![39006]),
        ("subscription inactive", |it| it.subscriptions[0].active = false, vec![39006]),
        ("opted out", |it| it.contacts[0].opted_in = false, vec![39005]),
        ("no contact left", |it| it.subscriptions[0].contacts.clear(), vec![39004]),
        ("no body for mail", mailbox, vec![39018]),
        ("as it was", |_| {}, vec![]),
    ];
    for (what, change, codes) in cases {
        let world = World::new().await;
        let key = countersign::domain::recipient::RecipientKey {
            publisher: "demo".into(),
            institution: "011001276".into(),
            id: "ADMIN0001".into(),
        };
        let query = countersign::domain::snapshot::Query::Recipient(key.clone());
        let mut recipient = world.engine.store().load(&query).await.unwrap().recipient.unwrap().value;
        change(&mut recipient);
        let write = countersign::domain::snapshot::Write::Recipient(key, Some(recipient));
        world.engine.store().commit(vec![write], Vec::new()).await.unwrap();
        let request = OobValidate { verif_val: Some(Secret::new("Harbor")), ..native("ECS Admin Login OOB Alert", "ADMIN0001", &[], &[]) };
        match codes.is_empty() {
            true => drop(world.opened(request).await),
            false => assert_eq!(world.refused(request).await, codes, "{what}"),
        }
    }
}

/// What is asked for, and the clauses that it misses.
#[tokio::test]
async fn the_assurance_verdict_names_what_was_missed() {
    use countersign::domain::aggregate::Aggregate;
    use countersign::domain::assurance::{Standing, verdict};
    use countersign::domain::id::AggregateId;
    let world = World::with(|it| it.attempts = 6).await;
    let one_way = OobValidate { mode: Some("OneWay".into()), ..explicit("+12025550171") };
    let own = OobValidate { sms_text: Some(Secret::new("Approve?")), verif_val: Some(Secret::new("Harbor")), ..explicit("+12025550172") };
    let cases = [
        ("one way", one_way, vec!["4(3)(b)"]),
        ("two way", explicit(PHONE), vec!["3.1.3", "4(3)(b)"]),
        ("own value", own, vec!["3.1.3", "3.1.3.2 (secret)", "6.5.4", "4(3)(b)"]),
        (
            "hybrid for an hour",
            OobValidate { exp_sec: Some("3600".into()), ..hybrid(&["Mobile number", "E-mail address"]) },
            vec!["3.1.3", "3.1.3.1", "3.1.3.2 (lifetime)", "6.5.5", "4(3)(b)"],
        ),
    ];
    for (what, request, missed) in cases {
        let (id, _) = world.opened(request).await;
        let found = world.engine.store().find(AggregateId::parse(&id).unwrap()).await.unwrap().unwrap().value;
        let Aggregate::Challenge(challenge) = found else { panic!("a challenge") };
        let clauses: Vec<_> = verdict(&challenge).into_iter().filter(|it| it.standing == Standing::Missed).map(|it| it.clause).collect();
        assert_eq!(clauses, missed, "{what}");
    }
}
