use super::*;
use proptest::prelude::*;

fn check(text: &str, countries: &[&str], expected: Result<&str, AddressError>) {
    let countries: Vec<String> = countries.iter().map(|it| (*it).to_owned()).collect();
    let read = phone(text, &countries);
    assert_eq!(read.as_ref().map(Address::expose).map_err(|it| *it), expected, "{text}");
}

#[test]
fn ten_digits_of_the_plan_are_read() {
    for (text, expected) in [
        ("2025550123", Ok("+12025550123")),
        ("(202) 555-0123", Ok("+12025550123")),
        ("202.555.0123", Ok("+12025550123")),
        ("+1 202 555 0123", Ok("+12025550123")),
        ("1-202-555-0123", Ok("+12025550123")),
        (" 202\u{2011}555\u{2013}0123 ", Ok("+12025550123")),
        ("\u{ff0b}\u{ff11}\u{ff12}\u{ff10}\u{ff12}5550123", Ok("+12025550123")),
        ("4165550123", Ok("+14165550123")),
        ("8765550123", Ok("+18765550123")),
        ("202555012", Err(AddressError::NotTenDigits)),
        ("20255501234", Err(AddressError::NotTenDigits)),
        ("+2025550123", Err(AddressError::NotTenDigits)),
        ("", Err(AddressError::NotTenDigits)),
        ("+", Err(AddressError::NotTenDigits)),
        ("1", Err(AddressError::NotTenDigits)),
        ("202555CALL", Err(AddressError::NotTenDigits)),
        ("2025550123 x5", Err(AddressError::NotTenDigits)),
        ("2025550123;2025550124", Err(AddressError::NotTenDigits)),
        ("1234567890123456", Err(AddressError::NotTenDigits)),
        ("0000000000", Err(AddressError::NotInPlan)),
        ("1025550123", Err(AddressError::NotInPlan)),
        ("2021550123", Err(AddressError::NotInPlan)),
        ("5555550123", Err(AddressError::NotInPlan)),
    ] {
        check(text, &[], expected);
    }
}

#[test]
fn other_countries_only_when_listed() {
    for (text, countries, expected) in [
        ("+33 6 12 34 56 78", &["FR"][..], Ok("+33612345678")),
        ("+33 6 12 34 56 78", &["fr", "DE"], Ok("+33612345678")),
        ("+33612345678", &["DE"], Err(AddressError::Country)),
        ("+33612345678", &[], Err(AddressError::Country)),
        ("+4915123456789", &["DE"], Ok("+4915123456789")),
        ("+39 02 1234 5678", &["IT"], Ok("+390212345678")),
        ("+3312", &["FR"], Err(AddressError::NotTenDigits)),
        ("0612345678", &["FR"], Err(AddressError::NotInPlan)),
        ("+999123456789", &["FR"], Err(AddressError::NotTenDigits)),
        ("2025550123", &["FR"], Ok("+12025550123")),
    ] {
        check(text, countries, expected);
    }
}

#[test]
fn mail_addresses_are_plain() {
    for (text, expected) in [
        ("han@Example.COM", Some("han@example.com")),
        ("a.b+c@x.co", Some("a.b+c@x.co")),
        ("han@localhost", None),
        ("han@-x.com", None),
        ("a b@x.com", None),
        ("a@b@x.com", None),
        ("a@x.com\r\nBcc: b@x.com", None),
        ("<a@x.com>", None),
        ("", None),
    ] {
        assert_eq!(mail(text).ok().as_ref().map(Address::expose), expected, "{text}");
    }
}

#[test]
fn push_targets_are_tokens_or_subscriptions() {
    let subscription = r#"{"endpoint": "https://a@push.example/x"}"#;
    for (text, expected) in [
        (" cJx0:APA91b_Z-token-of-a-device ", Some("cJx0:APA91b_Z-token-of-a-device")),
        (subscription, Some(subscription)),
        ("too-short", None),
        ("token with spaces in it", None),
        ("token-with-\u{e9}-in-it-and-more", None),
        ("line\nin-a-token-of-a-device", None),
        (&"x".repeat(PUSH_MAX + 1), None),
    ] {
        assert_eq!(push(text).ok().as_ref().map(Address::expose), expected, "{text}");
    }
    assert_eq!(Address::canonical(subscription).masked(), "******/x\"}");
}

#[test]
fn addresses_hide_themselves() {
    assert_eq!(Address::canonical("+12025550123").masked(), "******0123");
    assert_eq!(Address::canonical("han@example.com").masked(), "h***@example.com");
    assert_eq!(format!("{:?}", Address::canonical("+12025550123")), "[address]");
}

proptest! {
    #[test]
    fn asking_for_the_united_states_first_changes_nothing(ten in "[2-9][0-9]{2}[2-9][0-9]{6}") {
        let number = number(1, ten.as_bytes()).unwrap();
        prop_assert_eq!(is_valid(&number), PHONE_NUMBER_UTIL.is_valid_number(&number));
    }

    #[test]
    fn whatever_is_read_is_canonical(text in "[+0-9() \u{ff10}-\u{ff19}-]{0,20}|\\PC{0,50}") {
        let countries = ["FR".to_owned(), "DE".to_owned()];
        if let Ok(address) = phone(&text, &countries) {
            prop_assert_eq!(phone(address.expose(), &countries), Ok(address.clone()));
            prop_assert!(address.expose()[1..].bytes().all(|b| b.is_ascii_digit()));
        }
    }
}
