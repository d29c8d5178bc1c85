use super::*;
use proptest::prelude::*;

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

fn sent(pairs: &[(&str, &str)]) -> Vec<(String, Secret)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), secret(value))).collect()
}

fn render(source: &str, target: Target, pairs: &[(&str, &str)]) -> Result<String, Vec<Trouble>> {
    let (otp, otpa, parameters) = (secret("561126"), secret("AB3D9"), sent(pairs));
    let now = Timestamp::from_millis(1_674_741_600_000);
    let zone = Zone::Named(chrono_tz::America::Chicago);
    let values = Values { otp: Some(&otp), otpa: Some(&otpa), parameters: &parameters, now, zone };
    let template = Template::compile(source, target).unwrap();
    assert_eq!(template.check(&values), template.render(&values).map(drop), "{source}");
    let rendered = template.try_render(&values).map(|it| it.expose().to_owned());
    assert!(rendered.as_ref().map_or(0, String::len) <= template.room(&values), "{source}");
    rendered
}

fn check(source: &str, target: Target, pairs: &[(&str, &str)], expected: &str) {
    assert_eq!(render(source, target, pairs).as_deref(), Ok(expected), "{source}");
}

#[test]
fn tags_become_values() {
    for (source, pairs, expected) in [
        ("Your code is <%$otp%>.", &[][..], "Your code is 561126."),
        ("<% $otpa %>", &[], "AB3D9"),
        ("no tag, 5 % > 4 < 6 %> here", &[], "no tag, 5 % > 4 < 6 %> here"),
        ("", &[], ""),
        ("Hi <%name%>!", &[("name", "Han"), ("name", "Leia")], "Hi Han!"),
        ("Hi <%name|friend%>!", &[], "Hi friend!"),
        ("Hi <%name|friend%>!", &[("name", "  ")], "Hi friend!"),
        ("Hi<%name|%>!", &[], "Hi!"),
        ("Hi <%name|a:b(c)|d%>!", &[], "Hi a:b(c)|d!"),
        ("<%a%><%b%>", &[("a", "<%b%>"), ("b", "<%$otp%>")], "<%b%><%$otp%>"),
        ("<%größe.1_x-y%>", &[("größe.1_x-y", "9")], "9"),
        ("till <%t:SmartDateTime%>", &[("t", "2023-01-26T14:58:00Z")], "till today at 8:58 AM CST"),
        ("<%t:SmartDateTime(tz=UTC, style=full)|soon%>", &[], "soon"),
        ("<% t : SmartDateTime ( tz = UTC , style = full ) %>", &[("t", "2023-02-26T14:58:00Z")], "Sunday, February 26 at 2:58 PM UTC"),
        ("<%n:Mask(last=4)%>", &[("n", "4111111111111234")], "****1234"),
        ("<%n:Upper()%>", &[("n", "ab")], "AB"),
    ] {
        check(source, Target::Sms, pairs, expected);
    }
}

#[test]
fn values_are_escaped_for_what_they_stand_in() {
    let nasty = "a\r\nBcc: x\u{0}\u{7}\t<b>&\"'\u{202e}\u{2028}z";
    for (target, expected) in [
        (Target::Sms, "a Bcc: x <b>&\"' z"),
        (Target::Subject, "a Bcc: x <b>&\"' z"),
        (Target::Text, "a\nBcc: x\t<b>&\"'\u{2028}z"),
        (Target::Html, "a\nBcc: x\t&lt;b&gt;&amp;&quot;&#39;\u{2028}z"),
    ] {
        check("<%v%>", target, &[("v", nasty)], expected);
        check(&format!("<%v|{}%>", nasty.replace(['\r', '\n'], "")), target, &[], &expected.replace("a\nB", "aB").replace("a B", "aB"));
    }
    check("<b>&amp;</b>\r\nline\u{7}\ttab", Target::Html, &[], "<b>&amp;</b>\nline\ttab");
    check("one\r\ntwo\rthree\nfour", Target::Subject, &[], "one two three four");
    check("Your code\r\n", Target::Subject, &[], "Your code");
    check("one\r\ntwo\tthree", Target::Sms, &[], "one\ntwo three");
    check("<%v:Upper%>", Target::Html, &[("v", "<i>")], "&lt;I&gt;");
}

#[test]
fn a_hole_is_a_fault() {
    let trouble = |name: &str, fault| Trouble { name: name.to_owned(), fault };
    use TroubleKind::{Missing, TooLong, Unreadable};
    for (source, pairs, expected) in [
        ("<%a%> <%b%> <%c%>", &[("b", "x")][..], vec![trouble("a", Missing), trouble("c", Missing)]),
        ("<%a%>", &[("a", " ")], vec![trouble("a", Missing)]),
        ("<%A%>", &[("a", "x")], vec![trouble("A", Missing)]),
        ("<%a:SmartDate%>", &[("a", "soon")], vec![trouble("a", Unreadable)]),
        ("<%a:SmartDate|soon%>", &[("a", "later")], vec![trouble("a", Unreadable)]),
        ("<%a%><%b%>", &[("a", "x"), ("b", &"y".repeat(1_600))], vec![trouble("b", TooLong)]),
    ] {
        assert_eq!(render(source, Target::Sms, pairs), Err(expected), "{source}");
    }
    let bare = Values { otp: None, otpa: Some(&secret("")), parameters: &[], now: Timestamp::default(), zone: Zone::Offset(0) };
    let both = Template::compile("<%$otp%><%$otpa%><%x%><%x%>", Target::Sms).unwrap();
    assert_eq!(both.render(&bare), Err(vec!["$otp".to_owned(), "$otpa".to_owned(), "x".to_owned()]));
}

#[test]
fn huge_values_cost_little() {
    let huge = "&".repeat(3_000_000);
    let source = "<%a%>".repeat(TAG_LIMIT);
    assert!(matches!(render(&source, Target::Html, &[("a", &huge)]), Err(all) if all[0].fault == TroubleKind::TooLong));
}

#[test]
fn what_is_no_template_is_refused_with_its_place() {
    for (source, place, says) in [
        ("ab <%$opt%>", (1, 4), "write <%$otp%> or <%$otpa%>"),
        ("<%$OTP%>", (1, 1), "no system constant"),
        ("<%$otp:Upper%>", (1, 1), "neither format nor fallback"),
        ("<%$otp|x%>", (1, 1), "neither format nor fallback"),
        ("one\ntwö <%name", (2, 5), "not closed"),
        ("<%a\n%>", (1, 1), "not closed"),
        ("<%a <%b%>", (1, 1), "not closed"),
        ("x<%%>", (1, 2), "no name"),
        ("<%  %>", (1, 1), "no name"),
        ("<%a b%>", (1, 1), "no parameter's name"),
        ("<%_a%>", (1, 1), "a letter or digit first"),
        ("<%a:Smart%>", (1, 1), "is no format"),
        ("<%a:%>", (1, 1), "is no format"),
        ("<%a:Mask(last=4%>", (1, 1), "not closed"),
        ("<%a:Mask(last=4)x%>", (1, 1), "not closed"),
        ("<%a:Mask(4)%>", (1, 1), "write option=value"),
        ("<%a:Mask(last=99)%>", (1, 1), "a number from 1 to 8"),
        ("<%a:SmartDate(zone=UTC)%>", (1, 1), "it takes tz, style, locale"),
    ] {
        let error = Template::compile(source, Target::Sms).unwrap_err();
        assert!(error.message.contains(says), "{source}: {error}");
        assert_eq!(error.line, place.0, "{source}: {error}");
        let exact = error.column == place.1;
        // Where the fault lies inside a tag, the column may point at the part of the tag.
        assert!(exact || (error.column > place.1 && error.column <= place.1 + 5), "{source}: {error}");
    }
}

#[test]
fn sources_are_bounded() {
    for (source, says) in [
        ("<%a%>".repeat(TAG_LIMIT + 1), "more than 200 tags"),
        ("x".repeat(SOURCE_LIMIT + 1), "at most 65536"),
        ("x".repeat(1_601), "at most 1600"),
        (format!("{}<%$otp%>", "x".repeat(1_595)), "comes to 1601"),
        (format!("<%{}%>", "n".repeat(NAME_LENGTH + 1)), "too long"),
        (format!("<%a|{}%>", "n".repeat(512)), "not closed"),
    ] {
        let error = Template::compile(&source, Target::Sms).unwrap_err();
        assert!(error.message.contains(says), "{error}");
    }
}

#[test]
fn a_template_tells_what_it_uses() {
    let it = Template::compile("<%b|x%><%a%><%$otp%><%b%><%c:Upper|y%>", Target::Sms).unwrap();
    assert_eq!(it.needs(), ["a", "b"]);
    assert_eq!(it.parameters(), ["b", "a", "c"]);
    assert!(it.shows(CodeKind::Otp) && !it.shows(CodeKind::Otpa) && !it.shows_both());
    assert_eq!(format!("{it:?}"), "Template(Sms, 38 B)");
    assert_eq!(it.sample("zz"), "zzzz000000zzZZ");
}

#[test]
fn an_sms_text_carries_an_otp_tag_only() {
    use CodeKind::{Otp, Otpa};
    use ExplicitError::{BothCodes, OtherTag};
    for (source, expected) in [
        ("plain", Ok(vec![])),
        ("<%$otp%> or <%$otp%>", Ok(vec![Otp])),
        ("<% $otpa %>", Ok(vec![Otpa])),
        ("<%$otp%><%$otpa%>", Err(vec![BothCodes])),
        ("a\n<%name%>", Err(vec![OtherTag { line: 2, column: 1 }])),
        ("<%$foo%>", Err(vec![OtherTag { line: 1, column: 1 }])),
        ("<%$otp%><%x:Nope%><%$otpa%>", Err(vec![BothCodes, OtherTag { line: 1, column: 9 }])),
    ] {
        assert_eq!(explicit(source), expected, "{source}");
    }
    assert!(matches!(explicit("<%$otp").unwrap_err()[..], [ExplicitError::Malformed(_)]));
    assert!(matches!(explicit(&"x".repeat(1_601)).unwrap_err()[..], [ExplicitError::Malformed(_)]));
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Otp,
    Sent(usize),
    Fallback(String),
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        "[a-zA-Z >%.é€]{0,12}".prop_map(Piece::Text),
        Just(Piece::Otp),
        (0..3usize).prop_map(Piece::Sent),
        "[a-z |:()]{0,8}".prop_map(Piece::Fallback),
    ]
}

proptest! {
    #[test]
    fn the_compiler_never_panics(source in "(<%|%>|[$:|(),=a-zA-Z \n\u{e9}]|otp|Mask|\\PC){0,40}") {
        for target in [Target::Sms, Target::Subject, Target::Text, Target::Html] {
            let _ = Template::compile(&source, target);
        }
        let _ = explicit(&source);
    }

    // Also what a format makes longest: names of days and months, words of units, letters that are two or three in capitals.
    #[test]
    fn checking_tells_what_rendering_does(tags in proptest::collection::vec(tag(), 1..20), value in value()) {
        for target in [Target::Sms, Target::Subject, Target::Text, Target::Html] {
            let _ = render(&tags.concat(), target, &[("v", &value)]);
        }
    }

    #[test]
    fn rendering_equals_the_naive_model(pieces in proptest::collection::vec(piece(), 0..20)) {
        let pairs = [("p0", "zero"), ("p1", "<%$otp%>"), ("p2", "€ & <")];
        let (mut source, mut expected) = (String::new(), String::new());
        for it in &pieces {
            match it {
                Piece::Text(text) => { source.push_str(text); expected.push_str(text); }
                Piece::Otp => { source.push_str("<%$otp%>"); expected.push_str("561126"); }
                Piece::Sent(i) => { source.push_str(&format!("<%p{i}%>")); expected.push_str(pairs[*i].1); }
                Piece::Fallback(text) => { source.push_str(&format!("<%none|{text}%>")); expected.push_str(text); }
            }
        }
        prop_assert_eq!(render(&source, Target::Sms, &pairs), Ok(expected));
    }

    #[test]
    fn no_value_breaks_a_line_or_a_tag(value in any::<String>()) {
        for target in [Target::Subject, Target::Sms] {
            if let Ok(text) = render("x<%v|%>", target, &[("v", &value)]) {
                let breaks = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
                prop_assert!(!text.chars().any(breaks));
            }
        }
        if let Ok(text) = render("x<%v|%>", Target::Html, &[("v", &value)]) {
            prop_assert!(!text.contains(['<', '>', '"', '\'']));
        }
    }
}

fn tag() -> impl Strategy<Value = String> {
    let format = prop_oneof![
        "Smart(DateTime|Date|Time)[(]style=full, locale=(en|es|fr|de)[)]",
        "Smart(DateTime|Date|Time)|SmartCurrency|Mask|Upper|Lower",
        "SmartDuration[(]style=full, locale=(en|es|fr|de)[)]",
    ];
    prop_oneof![format.prop_map(|it| format!("<%v:{it}%>")), "<%v%>|<%w%>|<%w[|]x%>|<%[$]otp%>"]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "2026-(01|02|09)-[0-3][0-9](T[0-2][0-9]:30:00(Z|[+]05:45)?)?",
        "[0-9]{1,10}|-?[0-9]{1,15}[.][0-9]{0,3}",
        "[a\u{390}\u{fb03}\u{130}<&\"\u{202e}\n]{0,120}",
    ]
}
