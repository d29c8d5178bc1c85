use super::*;
use proptest::prelude::*;

// 2023-01-26T14:00:00Z, a Thursday: 8 in the morning in Chicago.
const NOW: Timestamp = Timestamp::from_millis(1_674_741_600_000);
const CHICAGO: Zone = Zone::Named(chrono_tz::America::Chicago);

fn options(text: &str) -> Vec<(&str, &str)> {
    text.split(',').filter_map(|it| it.split_once('=')).collect()
}

fn check((format, with): (&str, &str), zone: Zone, value: &str, expected: Option<&str>) {
    let compiled = Format::parse(format, &options(with)).unwrap();
    assert_eq!(compiled.apply(value, NOW, zone).as_deref(), expected, "{format}({with}) of {value}");
}

#[test]
fn times_are_told_in_the_recipients_place() {
    for (value, expected) in [
        ("2023-01-26T14:58:00Z", Some("today at 8:58 AM CST")),
        ("2023-01-26T08:58:00-06:00", Some("today at 8:58 AM CST")),
        ("2023-01-26T08:58:00.123-0600", Some("today at 8:58 AM CST")),
        ("2023-01-26T08:58-06", Some("today at 8:58 AM CST")),
        ("20230126T145800Z", Some("today at 8:58 AM CST")),
        ("2023-01-26 14:58:00,5Z", Some("today at 8:58 AM CST")),
        ("2023-01-26T14:58:00", Some("today at 8:58 AM CST")),
        ("2023-01-26T18:00:00Z", Some("today at 12:00 PM CST")),
        ("2023-01-27T06:05:00Z", Some("tomorrow at 12:05 AM CST")),
        ("2023-01-27T05:59:59Z", Some("today at 11:59 PM CST")),
        ("2023-01-28T14:58:00Z", Some("Sat, Jan 28 at 8:58 AM CST")),
        ("2023-01-25T14:58:00Z", Some("Wed, Jan 25 at 8:58 AM CST")),
        ("2023-07-04T13:58:00Z", Some("Tue, Jul 4 at 8:58 AM CDT")),
        ("2024-02-29T14:58:00Z", Some("Thu, Feb 29, 2024 at 8:58 AM CST")),
        ("2023-01-26T14:58:60Z", Some("today at 8:58 AM CST")),
        ("2023-01-26T14:58:59.123456789012Z", Some("today at 8:58 AM CST")),
        ("2023-01-26T14:58:61Z", None),
        ("2023-01-26T14:58:00.Z", None),
        ("2023-01-26T14:58.5Z", None),
        ("2023- 1-26T14:58:00Z", None),
        ("2023-01-26T+4:58:00Z", None),
        ("2023-01-26T14:58:00+5", None),
        ("2023-01-26", None),
        ("2023-02-29T08:00:00Z", None),
        ("2023-01-26T25:00:00Z", None),
        ("2023-01-26T08:58:00+25:00", None),
        ("2023-01-26T08:58:00+05:0", None),
        ("+023-01-26T08:58:00Z", None),
        ("tomorrow", None),
        ("", None),
        ("1674741600", None),
    ] {
        check(("SmartDateTime", ""), CHICAGO, value, expected);
    }
}

#[test]
fn an_offset_of_the_subscription_shows_no_zone() {
    for (minutes, value, expected) in [
        (-300, "2023-01-26T14:58:00Z", "today at 9:58 AM"),
        (330, "2023-01-26T14:58:00Z", "today at 8:28 PM"),
        (600, "2023-01-26T14:58:00Z", "today at 12:58 AM"),
        (600, "2023-01-27T14:58:00Z", "tomorrow at 12:58 AM"),
        (i32::MAX, "2023-01-26T14:58:00Z", "today at 2:58 PM"),
    ] {
        check(("SmartDateTime", ""), Zone::Offset(minutes), value, Some(expected));
    }
}

#[test]
fn options_choose_place_style_and_language() {
    let value = "2023-03-05T19:08:00Z";
    for (with, expected) in [
        ("style=short", "3/5 at 1:08 PM CST"),
        ("style=long", "March 5 at 1:08 PM CST"),
        ("style=full", "Sunday, March 5 at 1:08 PM CST"),
        ("tz=America/New_York", "Sun, Mar 5 at 2:08 PM EST"),
        ("tz=America/Sao_Paulo", "Sun, Mar 5 at 4:08 PM UTC-3"),
        ("tz=Asia/Kathmandu", "Mon, Mar 6 at 12:53 AM UTC+5:45"),
        ("tz=UTC,locale=en_GB", "Sun, 5 Mar at 19:08 UTC"),
        ("locale=es_US", "dom, 5 mar a la 1:08 p. m. CST"),
        ("locale=es", "dom, 5 mar a las 13:08 CST"),
        ("locale=es_MX,style=long", "5 de marzo a la 1:08 p. m. CST"),
        ("locale=fr-FR", "dim. 5 mars à 13:08 CST"),
        ("locale=fr_CA,style=full", "dimanche 5 mars à 13:08 CST"),
        ("locale=de,style=full", "Sonntag, 5. März um 13:08 Uhr CST"),
        ("locale=de_AT,style=short", "5.3. um 13:08 Uhr CST"),
    ] {
        check(("SmartDateTime", with), CHICAGO, value, Some(expected));
    }
    for (locale, expected) in [("es", "hoy"), ("fr", "aujourd'hui"), ("de", "heute"), ("en", "today")] {
        check(("SmartDate", &format!("locale={locale}")), CHICAGO, "2023-01-26T23:00:00Z", Some(expected));
    }
    for (locale, expected) in [("es", "mañana"), ("fr", "demain"), ("de", "morgen"), ("en", "tomorrow")] {
        check(("SmartDate", &format!("locale={locale}")), CHICAGO, "2023-01-27T23:00:00Z", Some(expected));
    }
}

#[test]
fn the_year_is_told_when_it_is_another() {
    for (with, expected) in [
        ("style=short", "1/2/2027"),
        ("", "Sat, Jan 2, 2027"),
        ("style=long", "January 2, 2027"),
        ("style=long,locale=es", "2 de enero de 2027"),
        ("style=short,locale=es_US", "1/2/2027"),
        ("locale=fr", "sam. 2 janv. 2027"),
        ("locale=de", "Sa, 2. Jan 2027"),
    ] {
        check(("SmartDate", with), CHICAGO, "2027-01-02", Some(expected));
    }
}

#[test]
fn dates_and_times_stand_alone() {
    for (format, zone, value, expected) in [
        ("SmartDate", CHICAGO, "2023-01-26T03:00:00Z", Some("Wed, Jan 25")),
        ("SmartDate", CHICAGO, "2023-01-26", Some("today")),
        ("SmartDate", Zone::Offset(-720), "2023-01-28", Some("Sat, Jan 28")),
        ("SmartTime", CHICAGO, "2023-05-26T03:00:00Z", Some("10:00 PM CDT")),
        ("SmartTime", Zone::Offset(60), "2023-05-26T03:00:00Z", Some("4:00 AM")),
        ("SmartTime", CHICAGO, "2023-05-26", None),
    ] {
        check((format, ""), zone, value, expected);
    }
}

#[test]
fn durations_are_words() {
    for (with, value, expected) in [
        ("", "3600", Some("1 hour")),
        ("", "420", Some("7 minutes")),
        ("", "5400", Some("1 hour 30 minutes")),
        ("", " 3661 ", Some("1 hour 1 minute 1 second")),
        ("", "0", Some("0 seconds")),
        ("", "172800", Some("2 days")),
        ("style=short", "5400", Some("1 hr 30 min")),
        ("locale=es", "5400", Some("1 hora 30 minutos")),
        ("locale=fr", "86401", Some("1 jour 1 seconde")),
        ("locale=de", "7200", Some("2 Stunden")),
        ("", "-1", None),
        ("", "1.5", None),
        ("", "+60", None),
        ("", "", None),
        ("", "99999999999", None),
        ("", "9999999999", None),
    ] {
        check(("SmartDuration", with), CHICAGO, value, expected);
    }
}

#[test]
fn money_is_never_rounded() {
    for (with, value, expected) in [
        ("", "1234.5", Some("$1,234.50")),
        ("", "1,234,567.00", Some("$1,234,567.00")),
        ("", "-5", Some("-$5.00")),
        ("", "007", Some("$7.00")),
        ("", "0", Some("$0.00")),
        ("", "1.2300", Some("$1.23")),
        ("", "1.235", None),
        ("", "12,34", None),
        ("", "1.", None),
        ("", ".5", None),
        ("", "$5", None),
        ("", "1e6", None),
        ("", "NaN", None),
        ("", "--5", None),
        ("", "1234567890123456", None),
        ("code=JPY", "1500", Some("¥1,500")),
        ("code=JPY", "1500.5", None),
        ("code=CHF", "1500", Some("CHF 1,500.00")),
        ("code=KWD", "1.5", Some("KWD 1.500")),
        ("code=EUR,locale=de", "1234.5", Some("1.234,50 €")),
        ("code=EUR,locale=fr", "1234.5", Some("1 234,50 €")),
        ("locale=es_US", "1234.5", Some("$1,234.50")),
    ] {
        check(("SmartCurrency", with), CHICAGO, value, expected);
    }
}

#[test]
fn masks_and_cases() {
    for (format, with, value, expected) in [
        ("Mask", "", "4111 1111-1111 1234", "****1234"),
        ("Mask", "last=2", "123456", "****56"),
        ("Mask", "", "1234", "****"),
        ("Mask", "", "", "****"),
        ("Upper", "", "josé", "JOSÉ"),
        ("Lower", "", "ABC", "abc"),
    ] {
        check((format, with), CHICAGO, value, Some(expected));
    }
}

#[test]
fn what_is_no_format_is_refused_with_what_is() {
    for (format, with, says) in [
        ("smartdatetime", "", "write one of SmartDateTime"),
        ("", "", "is no format"),
        ("SmartDate", "code=USD", "it takes tz, style, locale"),
        ("Upper", "last=4", "it takes none"),
        ("Mask", "last=0", "a number from 1 to 8"),
        ("Mask", "last=+4", "a number from 1 to 8"),
        ("Mask", "last=4,last=3", "given twice"),
        ("SmartDate", "tz=Chicago", "an IANA zone"),
        ("SmartDate", "style=tiny", "short, medium, long or full"),
        ("SmartDate", "locale=it_IT", "English, Spanish, French or German"),
        ("SmartDate", "locale=en_QQ", "English, Spanish, French or German"),
        ("SmartDate", "locale=é", "English, Spanish, French or German"),
        ("SmartCurrency", "code=usd", "three capital letters"),
    ] {
        let message = Format::parse(format, &options(with)).unwrap_err();
        assert!(message.contains(says), "{format}({with}): {message}");
    }
}

#[test]
fn every_format_has_a_sample() {
    for name in NAMES {
        assert!(!Format::parse(name, &[]).unwrap().sample("Wilhelmina").is_empty());
    }
    assert_eq!(Format::parse("SmartCurrency", &[("code", "JPY")]).unwrap().sample("x"), "¥1,234,567");
}

proptest! {
    #[test]
    fn no_value_does_harm(value in any::<String>(), which in 0..8usize) {
        let _ = Format::parse(NAMES[which], &[]).unwrap().apply(&value, NOW, CHICAGO);
    }

    #[test]
    fn any_moment_is_read_back(millis in -2_000_000_000_000i64..4_000_000_000_000) {
        let at = Timestamp::from_millis(millis).to_string();
        prop_assert!(Format::parse("SmartDateTime", &[]).unwrap().apply(&at, NOW, CHICAGO).is_some());
    }
}
