//! Field rules: all violations at once, each with the name of its field.

use crate::life::Life;
use crate::world::{PHONE, Secret};
use countersign::domain::answer::Verdict;
use countersign::domain::request::{Asked, TemplateName};

async fn check(change: impl FnOnce(&mut Asked), expected: &str) {
    let mut life = Life::new(Life::sms(), |_| {}).await;
    let mut asked = Life::sms();
    change(&mut asked);
    let shown = format!("{asked:?}");
    assert_eq!(life.create(asked).await, expected, "{shown}");
}

fn to(channel: &str, recipient: &str) -> impl FnOnce(&mut Asked) {
    move |it| (it.channel, it.recipient) = (Some(channel.into()), Some(Secret::new(recipient)))
}

fn text(text: &str) -> impl FnOnce(&mut Asked) {
    move |it| it.text = Some(Secret::new(text))
}

#[tokio::test]
async fn each_field_is_judged() {
    check(|_| {}, "opened").await;
    check(to("MAIL", "a@B.example"), "opened").await;
    check(to("PUSH", "a-device-token-of-an-app"), "opened").await;
    check(to("sms", "2025550123"), "channel malformed").await;
    check(to("SMS", "a@b.example"), "recipient malformed").await;
    check(to("SMS", "+33612345678"), "recipient not-allowed").await;
    check(to("SMS", "5555550123"), "recipient malformed").await;
    check(to("MAIL", "2025550123"), "recipient malformed").await;
    check(to("PUSH", "short"), "recipient malformed").await;
    check(to("MAIL", " "), "recipient required").await;
    check(text("Code <%$otp%>, <%$otp%>"), "opened").await;
    check(text("No code"), "text malformed").await;
    check(text("<%$otpa%>"), "text malformed").await;
    check(text("<%$otp%> <%name%>"), "text malformed").await;
    check(text(""), "text malformed").await;
    check(text(&"x".repeat(1_601)), "text too-long").await;
    for (length, expected) in
        [(3, "length out-of-range"), (4, "opened"), (10, "opened"), (11, "length out-of-range"), (-1, "length out-of-range")]
    {
        check(|it| it.length = Some(length), expected).await;
        check(|it| (it.length, it.alphanumeric) = (Some(length), Some(true)), expected).await;
    }
    for (seconds, expected) in [(14, "validity out-of-range"), (15, "opened"), (3_600, "opened"), (3_601, "validity out-of-range")] {
        check(|it| it.validity = Some(seconds), expected).await;
    }
    for (attempts, expected) in [(0, "attempts out-of-range"), (1, "opened"), (10, "opened"), (11, "attempts out-of-range")] {
        check(|it| it.attempts = Some(attempts), expected).await;
    }
    for (locale, expected) in [("en", "opened"), ("zh-Hant-TW", "opened"), ("en_US", "locale malformed"), ("", "locale malformed")] {
        check(|it| it.locale = Some(locale.into()), expected).await;
    }
    check(|it| it.reference = Some("x".repeat(257)), "reference too-long").await;
    check(|it| it.client = Some(String::new()), "clientId malformed").await;
    check(|it| it.institution = Some("999".into()), "institution unknown").await;
    check(|it| it.product = Some("Other".into()), "product unknown").await;
    check(|it| it.key = Some("K:".into()), "Idempotency-Key malformed").await;
    check(|it| it.template = Some(TemplateName { name: "otpMail".into(), language: None }), "template unknown").await;
    check(|it| it.parameters = vec![("a".into(), Secret::new("x".repeat(4_001)))], "parameters too-long").await;
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let everything = |it: &mut Asked| {
        *it = Asked {
            institution: Some("999".into()),
            recipient: Some(Secret::new("x")),
            text: Some(Secret::new("x")),
            length: Some(99),
            validity: Some(1),
            attempts: Some(0),
            locale: Some("?".into()),
            ..Asked::default()
        }
    };
    let expected = "institution unknown, channel required, text malformed, length out-of-range, validity out-of-range, \
                    attempts out-of-range, locale malformed";
    check(everything, expected).await;
    check(|it| (it.reply, it.channel, it.recipient) = (Some(true), Some("MAIL".into()), None), "recipient required, reply conflict").await;
    let both = |it: &mut Asked| {
        it.template = Some(TemplateName { name: "otp".into(), language: None });
        it.text = Some(Secret::new("<%$otp%>"));
    };
    check(both, "text conflict, template unknown").await;
}

#[tokio::test]
async fn who_opted_out_gets_nothing() {
    let mut life = Life::new(Life::sms(), |_| {}).await;
    assert_eq!(life.world.reply(PHONE, "STOP", "m-1").await, Verdict::Stopped);
    assert_eq!(life.create(Life::sms()).await, "refused: opted out");
    assert_eq!(life.world.reply(PHONE, "START", "m-2").await, Verdict::Started);
    assert_eq!(life.create(Life::sms()).await, "opened");
}
