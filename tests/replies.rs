//! Replies that try to get around the rules, and those that only look as if.

mod world;

use countersign::domain::answer::Verdict;
use countersign::domain::contact::Address;
use countersign::domain::request::OobValidate;
use countersign::domain::snapshot::Write;
use std::sync::Arc;
use std::time::Duration;
use world::{PHONE, Secret, World, explicit};

fn valued(value: &str, salt: Option<&str>) -> OobValidate {
    OobValidate {
        sms_text: Some(Secret::new("Approve?")),
        verif_val: Some(Secret::new(value)),
        encrypt_salt: salt.map(Secret::new),
        ..explicit(PHONE)
    }
}

#[tokio::test]
async fn a_guess_beside_a_used_code_is_an_attempt() {
    for guess in ["1234 {old}", "{old} 1234", "1234\n{old}"] {
        let world = World::new().await;
        let (_, old) = world.opened(explicit(PHONE)).await;
        assert_eq!(world.reply(PHONE, &old, "SM1").await, Verdict::Verified);
        world.opened(valued("4321", None)).await;
        let verdict = world.reply(PHONE, &guess.replace("{old}", &old), "SM2").await;
        assert_eq!(verdict, Verdict::Wrong { left: 4 }, "{guess}");
    }
}

#[tokio::test]
async fn a_static_value_that_is_over_tells_nothing() {
    let world = World::new().await;
    world.opened(valued("4321", None)).await;
    assert_eq!(world.reply(PHONE, "4321", "SM1").await, Verdict::Verified);
    for guess in ["4321", "1234"] {
        assert_eq!(world.reply(PHONE, guess, guess).await, Verdict::NoSession, "right and wrong are answered alike");
    }
}

/// Values that look like labels, or end like sentences: the right answer is right.
#[tokio::test]
async fn values_of_any_form_can_be_typed() {
    for value in ["Password1", "Code Red", "Hunter2!", "PIN is 7", "Ja.", "A-1", "YES"] {
        let world = World::new().await;
        world.opened(valued(value, None)).await;
        assert_eq!(world.reply(PHONE, value, "SM1").await, Verdict::Verified, "{value}");
        let world = World::new().await;
        let (_, otp) = world.opened(OobValidate { sms_text: None, ..valued(value, None) }).await;
        assert_eq!(world.reply(PHONE, &format!("{otp}{value}"), "SM1").await, Verdict::Verified, "{value} after a code");
    }
}

#[tokio::test]
async fn words_that_mean_no_or_stop_are_refused_as_values() {
    for value in ["STOP", "help", "No", "fraud", "not me"] {
        assert_eq!(World::new().await.refused(valued(value, None)).await, [39013], "{value}");
    }
}

#[tokio::test]
async fn a_hashed_yes_comes_before_the_keyword() {
    // SHA-1 of "YES" ‖ "s"
    let world = World::new().await;
    world.opened(valued("13a5ea5ba69bd44e9c32ba04fb2fe0c1e19d8e2c", Some("s"))).await;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, b"YESs");
    let world_right = World::new().await;
    world_right.opened(valued(&hex::encode(digest), Some("s"))).await;
    assert_eq!(world_right.reply(PHONE, "YES", "SM1").await, Verdict::Verified);
    assert_eq!(world.reply(PHONE, "YES", "SM1").await, Verdict::Started, "not its value: then it is a keyword");
}

/// Fifty numbers, the right one among them, however they are laid out and whatever kind of value it is.
#[tokio::test]
async fn a_list_of_guesses_never_verifies() {
    for between in ["\n", " ", ", ", "; ", "-", "\n\n"] {
        for hashed in [true, false] {
            let world = World::new().await;
            let right = if hashed {
                world.opened(valued("e0c710bb95855921a30564422d6d9139bcc9465b", Some("NaCl01"))).await;
                "482913".to_owned()
            } else {
                world.opened(explicit(PHONE)).await.1
            };
            let others = (0..49).map(|it| format!("{:06}", (it * 20_011 + 7) % 1_000_000)).filter(|it| *it != right);
            let list: Vec<_> = [right.clone()].into_iter().chain(others).collect();
            let verdict = world.reply(PHONE, &list.join(between), "SM1").await;
            assert_ne!(verdict, Verdict::Verified, "joined by {between:?}, hashed: {hashed}");
        }
    }
}

#[tokio::test]
async fn what_came_too_late_is_told_and_counted_nowhere() {
    let world = World::new().await;
    let (id, otp) = world.opened(explicit(PHONE)).await;
    world.deliver().await;
    world.advance(Duration::from_secs(601));
    world.engine.end_due(10).await;
    assert_eq!(world.reply(PHONE, &otp, "SM1").await, Verdict::Expired);
    assert_eq!(world.reply(PHONE, &otp, "SM1").await, Verdict::Expired);
    let texts: Vec<_> = world.deliver().await.iter().map(|it| it.text.as_ref().unwrap().expose().to_owned()).collect();
    assert_eq!(texts.len(), 2, "the code, and one answer: {texts:?}");
    assert!(texts[1].contains("expired"), "{texts:?}");
    assert_eq!(world.outcomes(&id).await, ["OOBExpired"]);
}

#[tokio::test]
async fn answers_to_replies_say_what_happened_and_have_an_end() {
    let world = World::new().await;
    let (_, otp) = world.opened(explicit(PHONE)).await;
    let wrong = if otp == "123456" { "654321" } else { "123456" };
    for n in 0..4 {
        world.reply(PHONE, wrong, &format!("SM{n}")).await;
    }
    world.reply(PHONE, &otp, "SM9").await;
    let texts: Vec<_> = world.deliver().await.iter().map(|it| it.text.as_ref().unwrap().expose().to_owned()).collect();
    assert!(texts[1].contains("4 attempts left"), "{texts:?}");
    let cap = usize::from(world.engine.registry().publishers.values().next().unwrap().answers_per_session);
    assert!(texts.len() <= 1 + cap, "{} answers, and {cap} are allowed", texts.len() - 1);
    assert!(texts.iter().skip(1).all(|it| !it.contains(&otp)), "no answer shows the code");
}

#[tokio::test]
async fn stop_holds_although_an_old_publisher_is_gone() {
    let world = World::new().await;
    let mut registry = (*world.engine.registry()).clone();
    let mut second = (**registry.publishers.values().next().unwrap()).clone();
    second.id = "zzz".into();
    registry.publishers.insert(second.id.clone(), Arc::new(second));
    world.engine.register(registry);
    let gone = Write::OptOut("aaa".into(), Address::canonical(PHONE), true);
    world.engine.store().commit(vec![gone], Vec::new()).await.unwrap();
    let (id, _) = world.opened(explicit(PHONE)).await;
    assert_eq!(world.reply(PHONE, "STOP", "SM1").await, Verdict::Stopped);
    assert_eq!(world.outcomes(&id).await, ["OOBCancelled"]);
    assert_eq!(world.refused(explicit(PHONE)).await, [39005]);
}

#[tokio::test]
async fn two_machines_do_not_keep_each_other_busy() {
    let world = World::new().await;
    for n in 0..40 {
        assert_eq!(world.reply(PHONE, "HELP", &format!("SM{n}")).await, Verdict::Helped);
    }
    assert_eq!(world.deliver().await.len(), 10);
}

#[tokio::test]
async fn what_is_stored_with_a_challenge_has_an_end() {
    let world = World::new().await;
    let mut head = world::header();
    head.bus_correl_id = Some("b".repeat(300));
    assert_eq!(world.refused(OobValidate { header: Some(head), ..explicit(PHONE) }).await, [39017]);
    let many =
        (0..20).map(|n| (countersign::domain::request::Field::Text(format!("p{n}")), Some(Secret::new("x".repeat(3_000))))).collect();
    assert_eq!(world.refused(OobValidate { data: many, ..explicit(PHONE) }).await, [39017]);
}
