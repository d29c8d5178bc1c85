//! Challenges whose message is a stored template's: which is chosen, what is refused, and that a challenge keeps the version it was
//! opened with.

use crate::life::Life;
use crate::world::{Secret, World};
use countersign::domain::contact::Channel;
use countersign::domain::message::{CODE, Key, Kind, Language, Parameter, Source};
use countersign::domain::request::{Asked, Policy, TemplateName};
use countersign::engine::templates::Condition;
use std::time::Duration;

/// `en-US body` of a template with one mandatory parameter beside the code.
fn source(kind: Kind, language: &str, body: &str) -> Source {
    let parameter = |key: &str| Parameter { key: key.to_owned(), mandatory: true };
    Source {
        key: Key { name: "otp".into(), kind, language: Language::parse(language) },
        strategy: None,
        active: true,
        subject: (kind == Kind::Mail).then(|| "For [[${name}]]".to_owned()),
        body: body.to_owned(),
        context: Vec::new(),
        parameters: vec![parameter(CODE), parameter("name")],
    }
}

async fn put(world: &World, source: Source) {
    world.engine.templates().put(&"demo".into(), source, Condition::None).await.unwrap();
    // A list may be so old.
    world.advance(Duration::from_secs(2));
}

fn asked(channel: &str, recipient: &str, language: Option<&str>) -> Asked {
    Asked {
        channel: Some(channel.into()),
        recipient: Some(Secret::new(recipient)),
        template: Some(TemplateName { name: "otp".into(), language: language.map(str::to_owned) }),
        parameters: vec![("name".into(), Secret::new("A & B"))],
        ..Asked::default()
    }
}

/// What was sent last: subject and body, `#` where the code of this number stands.
async fn sent(life: &Life, code: usize) -> (Channel, String, String) {
    let kept = life.world.deliver().await.last().unwrap().clone();
    let body = kept.html.as_ref().or(kept.text.as_ref()).unwrap().expose().replace(&life.codes[code].1, "#");
    let body = body.split_once("<body>").map_or(body.clone(), |(_, it)| it.trim_end_matches("</body></html>").to_owned());
    (kept.channel, kept.subject.as_ref().map(|it| it.expose().to_owned()).unwrap_or_default(), body)
}

#[tokio::test]
async fn each_channel_has_its_template() {
    let mut life = Life::new(Life::sms(), |_| {}).await;
    put(&life.world, source(Kind::Sms, "en", "[[${name}]]: [[${otpValue}]]")).await;
    put(&life.world, source(Kind::Mail, "en", "<p>[[${name}]]: <b>[[${otpValue}]]</b></p>")).await;
    put(&life.world, source(Kind::Push, "en", "[(${otpValue})] for [(${name})]")).await;
    let token = "fcm-token-of-0123456789";
    for (channel, recipient, expected) in [
        ("SMS", "202-555-0123", (Channel::Sms, "", "A & B: #")),
        ("MAIL", "a@bank.example", (Channel::Mail, "For A & B", "<p>A &amp; B: <b>#</b></p>")),
        ("PUSH", token, (Channel::Push, "First Harbor Bank", "# for A & B")),
    ] {
        assert_eq!(life.create(asked(channel, recipient, None)).await, "opened", "{channel}");
        let (kind, subject, body) = sent(&life, life.codes.len() - 1).await;
        assert_eq!((kind, subject.as_str(), body.as_str()), expected);
        // Beside its HTML a mail has the same as plain text.
        let text = life.world.deliver().await.last().unwrap().text.clone().unwrap();
        assert_eq!(
            text.expose().replace(&life.codes[life.codes.len() - 1].1, "#"),
            if kind == Channel::Mail { "A & B: #" } else { expected.2 }
        );
    }
}

#[tokio::test]
async fn the_language_is_the_requests_or_the_nearest() {
    let mut life = Life::new(Life::sms(), |it| it.limits.per_phone_ten_minutes = 99).await;
    for (language, body) in [("", "any"), ("de", "Deutsch"), ("de-AT", "Wien")] {
        put(&life.world, source(Kind::Sms, language, &format!("{body} [[${{otpValue}}]]"))).await;
    }
    for (language, locale, expected) in [
        (Some("de-AT"), None, "Wien #"),
        (Some("de-CH"), None, "Deutsch #"),
        (Some("fr"), None, "any #"),
        (None, Some("de"), "Deutsch #"),
        (Some("de-AT"), Some("fr"), "Wien #"),
        (None, None, "any #"),
    ] {
        let wanted = Asked { locale: locale.map(str::to_owned), ..asked("SMS", "202-555-0123", language) };
        assert_eq!(life.create(wanted).await, "opened", "{language:?} {locale:?}");
        assert_eq!(sent(&life, life.codes.len() - 1).await.2, expected, "{language:?} {locale:?}");
    }
}

#[tokio::test]
async fn a_challenge_keeps_the_version_it_was_opened_with() {
    let mut life = Life::new(Life::sms(), |_| {}).await;
    put(&life.world, source(Kind::Sms, "en", "one [[${otpValue}]]")).await;
    assert_eq!(life.create(asked("SMS", "202-555-0123", None)).await, "opened");
    put(&life.world, source(Kind::Sms, "en", "two [[${otpValue}]]")).await;
    assert_eq!(sent(&life, 0).await.2, "one #");
    let key = source(Kind::Sms, "en", "").key;
    life.world.engine.templates().remove(&"demo".into(), &key, Condition::None).await.unwrap();
    life.world.advance(Duration::from_secs(60));
    let id = life.ids[0];
    assert_eq!(life.again(id, Policy::Supersede, None).await, "sent");
    assert_eq!(sent(&life, 1).await.2, "one #");
    assert_eq!(life.create(asked("SMS", "202-555-0123", None)).await, "template unknown");
}

#[tokio::test]
async fn what_can_not_be_filled_in_is_refused_at_once() {
    let mut life = Life::new(Life::sms(), |_| {}).await;
    put(&life.world, source(Kind::Sms, "en", "[[${otpValue}]] [[${name}]]")).await;
    let mut check = async |change: fn(&mut Asked), expected: &str| {
        let mut wanted = asked("SMS", "202-555-0123", None);
        change(&mut wanted);
        assert_eq!(life.create(wanted).await, expected);
    };
    check(|it| it.parameters.clear(), "parameters required").await;
    check(|it| it.parameters[0].1 = Secret::new("x".repeat(3_000)), "parameters too-long").await;
    check(|it| it.channel = Some("PUSH".into()), "recipient malformed, template unknown").await;
    check(|_| {}, "opened").await;
    put(&life.world, source(Kind::Sms, "en", "no code for [[${name}]]")).await;
    assert_eq!(life.create(asked("SMS", "202-555-0123", None)).await, "template conflict");
}
