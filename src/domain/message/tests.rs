use super::lint::lint;
use super::*;
use crate::domain::code::Secret;
use proptest::prelude::*;

fn source(kind: Kind, body: &str) -> Source {
    Source {
        key: Key { name: "otp".into(), kind, language: None },
        strategy: None,
        active: true,
        subject: (kind != Kind::Sms).then(|| "Your code".to_owned()),
        body: body.into(),
        context: Vec::new(),
        parameters: vec![Parameter { key: CODE.into(), mandatory: true }],
    }
}

fn shown(source: &Source, parameters: &[(&str, &str)]) -> Result<Rendered, String> {
    let compiled = Compiled::new(source).map_err(|it| it.to_string())?;
    let parameters: Vec<_> = parameters.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect();
    compiled.render(&Values { code: &Secret::new("561126"), parameters: &parameters }).map_err(|it| it.to_string())
}

/// What stands in the frame of a mail's document.
fn fragment(html: &str) -> &str {
    html.split_once("<body>").and_then(|it| it.1.strip_suffix("</body></html>")).expect("a document")
}

const HOSTILE: &str = "<script>x</script>\"'& \u{202e}\r\nBcc: <b>";

#[test]
fn bodies_are_rendered_or_refused_with_their_place() {
    let check = |kind: Kind, body: &str, expected: &str| {
        let got = shown(&source(kind, body), &[("a", HOSTILE), ("b", "1 & 2")]);
        let text = got.map(|it| it.body.expose().to_owned()).unwrap_or_else(|error| error.split(';').next().unwrap().to_owned());
        let text = if kind == Kind::Mail && text.starts_with("<!") { fragment(&text) } else { &text };
        assert_eq!(text, expected, "{body}");
    };
    use Kind::{Mail, Push, Sms};
    check(Sms, "OTP [(${otpValue})]", "OTP 561126");
    check(Sms, "[[${b}]] [(${b})] [(${none})].\r\nx", "1 & 2 1 & 2 .\nx");
    check(Push, "<p th:text='${a}'>[[${otpValue}]]", "<p th:text='${a}'>561126");
    check(Sms, "[[${a}]]", "<script>x</script>\"'&  Bcc: <b>");
    check(
        Sms,
        "line\n [[${a b}]]",
        "body, line 2, column 2: only ${key} is evaluated: the key of a parameter, without operators, calls or texts",
    );
    check(Sms, &"x".repeat(1_601), "body: it comes to 1601 characters without its parameters");
    check(Sms, " ", "body: it is empty");
    check(Mail, "<p>[[${b}]] [(${b})]</p>", "<p>1 &amp; 2 1 &amp; 2</p>");
    check(Mail, "<p>[[${a}]]</p>", "<p>&lt;script&gt;x&lt;/script&gt;&quot;&#39;&amp; \nBcc: &lt;b&gt;</p>");
    check(Mail, "<p>[(${a})]</p>", "<p>\"'&amp; \nBcc: <b></b></p>");
    check(Mail, "<p th:utext='${a}'>x</p>", "<p>\"'&amp; \nBcc: <b></b></p>");
    check(Mail, "<b th:text=\"${b}\" title='t'>old [[${x y}]] <b>q</b></b>!", "<b title=\"t\">1 &amp; 2</b>!");
    check(Mail, "<B TH:TEXT=${b} />!", "<b>1 &amp; 2</b>!");
    check(Mail, "<p>a<!-- [[${x y}]] > --><?php ?>b</p>", "<p>ab</p>");
    check(Mail, "<title>[[${b}]]</title><style>p{}</style><SCRIPT>'</p>'</SCRIPT >x", "x");
    check(Mail, "<a href='javascript:x' onclick='x'>l</a>", "<a rel=\"noopener noreferrer\">l</a>");
    check(Mail, "<a href='https://bank.example/x'>l</a>", "<a href=\"https://bank.example/x\" rel=\"noopener noreferrer\">l</a>");
    check(Mail, "<p style='color:red;position:fixed'>1 < 2 </p>", "<p style=\"color:red\">1 &lt; 2 </p>");
    check(Mail, "<p th:if='${b}'>x</p>", "body, line 1, column 4: th:if is not evaluated");
    check(Mail, "<p data-th-text='${b}'>x</p>", "body, line 1, column 4: data-th-text is not evaluated");
    check(Mail, "<th:block th:text='${b}'>x</th:block>", "body, line 1, column 1: <th:block> is not evaluated");
    check(
        Mail,
        "<p th:text='${b} + 1'>x</p>",
        "body, line 1, column 4: th:text: only ${key} is evaluated: the key of a parameter, without operators, calls or texts",
    );
    check(
        Mail,
        "<p th:text='b'>x</p>",
        "body, line 1, column 4: th:text: only ${key} is evaluated: the key of a parameter, without operators, calls or texts",
    );
    check(Mail, "<p th:text='${b}' th:utext='${b}'>x</p>", "body, line 1, column 19: one of th:text and th:utext stands on an element");
    check(Mail, "<br th:text='${b}'>", "body, line 1, column 5: <br> has no content that could be replaced");
    check(Mail, "\n<p th:text='${b}'>x<p>y</p>", "body, line 2, column 1: <p> has its content replaced, and is not closed");
    check(Mail, "<a title='[[${b}]]'>x</a>", "body, line 1, column 4: an expression in the attribute title is not evaluated");
    check(Mail, "<p title='x>y", "body, line 1, column 1: the tag <p is not closed");
    check(Mail, "<script>x", "body, line 1, column 1: <script> is not closed");
    check(Mail, "x</p", "body, line 1, column 2: </p is not closed");
    check(Mail, &"<div>".repeat(101), "body, line 1, column 501: elements stand in one another more than 100 deep");
    check(Mail, "[[${otpValue}", "body, line 1, column 1: the expression is not closed");
}

#[test]
fn subjects_are_one_line() {
    let check = |subject: &str, expected: Option<&str>| {
        let mut it = source(Kind::Mail, "[[${otpValue}]]");
        it.subject = Some(subject.into());
        let got = shown(&it, &[("a", "x\r\nBcc: you@example.com")]).unwrap().subject;
        assert_eq!(got.as_ref().map(Secret::expose), expected, "{subject}");
    };
    check("otp for [(${a})]", Some("otp for x Bcc: you@example.com"));
    check("one\r\ntwo & [[${otpValue}]]\r\n", Some("one two & 561126"));
    check("", None);
}

#[test]
fn a_mail_is_a_document_in_its_language() {
    let mut it =
        source(Kind::Mail, "<!DOCTYPE html><html xmlns:th='<http://www.thymeleaf.org>'><body bgcolor='red'><p>x</p></body></html>");
    it.key.language = Language::parse("es_mx");
    let html = shown(&it, &[]).unwrap().body;
    let expected = "<!DOCTYPE html><html lang=\"es-MX\"><head><meta charset=\"utf-8\"></head><body><p>x</p></body></html>";
    assert_eq!(html.expose(), expected);
}

#[test]
fn what_is_missing_or_too_long_is_named() {
    let check = |parameters: &[(&str, &str)], expected: &str| {
        let mut it = source(Kind::Sms, "[(${otpValue})] [(${b})] [(${c})]");
        it.parameters.extend(["a", "b"].map(|key| Parameter { key: key.into(), mandatory: true }));
        let got = shown(&it, parameters).map(|it| it.body.expose().to_owned()).unwrap_or_else(|error| error);
        assert_eq!(got, expected);
    };
    check(&[("a", "1"), ("b", "2")], "561126 2 ");
    check(&[("a", "1"), ("b", "2"), ("c", "3"), ("otpValue", "1111")], "561126 2 3");
    check(&[("b", " ")], "mandatory parameters are missing: a, b");
    check(&[("a", "1"), ("b", &"x".repeat(4_097))], "parameters are too long: b");
    check(&[("a", "1"), ("b", "x"), ("c", &"x".repeat(4_000))], "parameters are too long: c");
}

#[test]
fn fields_keep_their_limits() {
    let check = |change: &dyn Fn(&mut Source), expected: &str| {
        let mut it = source(Kind::Sms, "[(${otpValue})]");
        change(&mut it);
        let got = Compiled::new(&it).map_or_else(|it| it.to_string(), |_| String::new());
        assert_eq!(got, expected);
    };
    let parameter = |key: &str| Parameter { key: key.into(), mandatory: false };
    check(&|_| {}, "");
    check(&|it| it.key.name = "..".into(), "name: a name has 1 to 64 of A-Z a-z 0-9 . _ -");
    check(&|it| it.key.name = "a/b".into(), "name: a name has 1 to 64 of A-Z a-z 0-9 . _ -");
    check(&|it| it.key.name = String::new(), "name: a name has 1 to 64 of A-Z a-z 0-9 . _ -");
    check(&|it| it.body = "x".repeat(65_537), "body: it has 65537 bytes; at most 65536 are taken");
    check(&|it| it.subject = Some("x".repeat(1_001)), "subject: at most 1000 bytes");
    check(&|it| it.strategy = Some("x".repeat(65)), "strategyType: it has at most 64 bytes");
    check(&|it| it.context = vec![String::new(); 21], "context: at most 20 texts of at most 100 bytes");
    check(&|it| it.parameters = (0..101).map(|n| parameter(&format!("k{n}"))).collect(), "params: at most 100 parameters");
    check(&|it| it.parameters = vec![parameter("a"), parameter("a")], "params: params[1].key: 'a' is declared twice; keep one");
    check(
        &|it| it.parameters = vec![parameter("a b")],
        "params: params[0].key: a key begins with a letter or _, goes on with letters, digits, . _ - and has at most 64 characters",
    );
}

#[test]
fn findings_have_a_code_and_a_place() {
    let check = |kind: Kind, body: &str, expected: &[&str]| {
        let mut it = source(kind, body);
        it.parameters.push(Parameter { key: "a".into(), mandatory: false });
        let found: Vec<_> = lint(&it, &[("s".to_owned(), Secret::new("x"))])
            .iter()
            .map(|it| match it.position {
                Some((line, column)) => format!("{:?} {} {line}:{column}", it.severity, it.code),
                None => format!("{:?} {}", it.severity, it.code),
            })
            .collect();
        assert_eq!(found, expected, "{body}");
    };
    use Kind::{Mail, Push, Sms};
    check(Sms, "[(${otpValue})] [[${a}]]", &["Note sms_length"]);
    check(Sms, "[(${otpValue})]", &["Warning unused_parameter", "Note sms_length"]);
    check(Sms, "[[${a}]]\n[[${s}]]", &["Error no_code", "Warning undeclared_parameter 2:1", "Warning unused_parameter", "Note sms_length"]);
    check(Sms, "[(${otpValue})] ${a} [[${a}]]", &["Warning bare_expression 1:17", "Note sms_length"]);
    check(Sms, "É ê [(${otpValue})] [[${a}]]", &["Warning not_gsm 1:3", "Note sms_length"]);
    check(Sms, "[(${otpValue})] www.bank.example [[${a}]]", &["Warning link 1:17", "Note sms_length"]);
    check(Sms, &format!("{}[(${{otpValue}})][[${{a}}]]", "x".repeat(300)), &["Warning sms_length"]);
    check(Sms, "[(${otpValue})] [[${a b}]]", &["Error invalid 1:17"]);
    check(
        Mail,
        "<html xmlns:th='<http://www.thymeleaf.org>'><p th:text='${otpValue}'>1</p>[(${a})]<form onsubmit='x'></form><script></script>",
        &["Warning left_out 1:83", "Warning left_out 1:89", "Warning left_out 1:109", "Note unescaped 1:75"],
    );
    check(Mail, &format!("[[${{otpValue}}]][[${{a}}]]{}", "x".repeat(60_000)), &["Warning mail_size"]);
    check(Push, &format!("[[${{otpValue}}]][[${{a}}]]{}", "x".repeat(200)), &["Warning push_size"]);
}

#[test]
fn subjects_are_linted() {
    let check = |kind: Kind, subject: Option<&str>, expected: &[&str]| {
        let mut it = source(kind, "[(${otpValue})]");
        it.subject = subject.map(str::to_owned);
        let found: Vec<_> = lint(&it, &[]).iter().map(|it| it.code).filter(|it| *it != "sms_length").collect();
        assert_eq!(found, expected);
    };
    check(Kind::Mail, Some("Your code"), &[]);
    check(Kind::Mail, Some(" "), &["missing_subject"]);
    check(Kind::Mail, None, &["missing_subject"]);
    check(Kind::Mail, Some("[[${otpValue}]]"), &["code_in_subject"]);
    check(Kind::Sms, Some("x"), &["unused_subject"]);
    check(Kind::Push, None, &[]);
}

/// End tags that end nothing hide how deep elements stand; the sanitiser works on any depth without a deep stack.
#[test]
fn depth_takes_no_stack() {
    let check = |body: String, value: String| {
        let small = std::thread::Builder::new().stack_size(256 * 1024);
        let work = move || shown(&source(Kind::Mail, &body), &[("a", &value)]).map(drop);
        assert_eq!(small.spawn(work).unwrap().join().expect("it ends"), Ok(()));
    };
    for element in ["div", "span", "b", "table", "li"] {
        check(format!("<{element}></x>").repeat(40_000 / (element.len() + 6)), String::new());
        check("<p>[(${a})]</p>".to_owned(), format!("<{element}>").repeat(4_000 / (element.len() + 2)));
    }
}

/// Pieces of which hostile templates are made.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<p th:text='${a}'>".to_owned()),
        Just("<td th:utext=\"${a}\">".to_owned()),
        Just("[[${a}]]".to_owned()),
        Just("[(${a})]".to_owned()),
        Just("[(${otpValue})]".to_owned()),
        "</?(p|td|tr|table|a|svg|math|style|title|select|b|mtext|mglyph|template|noscript|plaintext|image)( title=['\"]?)?[/ ]*>?",
        "[<>\"'&=/!\\[\\](){}$ -]{1,6}",
        "<!--|-->|--!>|<!\\[CDATA\\[|\\]\\]>|&#91;|&lt;|\u{0}|\r\n|é|\u{f0000}0\u{f0001}",
        "[a-z]{1,4}",
    ];
    proptest::collection::vec(piece, 0..25).prop_map(|it| it.concat())
}

proptest! {
    #[test]
    fn any_source_compiles_or_is_refused_at_a_place_in_it(body in hostile(), value in hostile()) {
        for kind in [Kind::Sms, Kind::Push, Kind::Mail] {
            let it = source(kind, &body);
            match Compiled::new(&it) {
                Ok(_) => {
                    let most = if kind == Kind::Mail { 102_400 } else { 1_600 };
                    let Ok(text) = shown(&it, &[("a", &value)]) else {
                        prop_assert!(body.len() + 10 * value.len() > most / 6, "it is refused for its length only");
                        continue;
                    };
                    prop_assert!(text.body.expose().chars().count() <= most);
                    let lines = text.body.expose().chars().filter(|c| c.is_control()).all(|c| matches!(c, '\n' | '\t'));
                    prop_assert!(lines, "{text:?}");
                }
                Err(Invalid { position: Some((line, column)), message, .. }) => {
                    prop_assert!(line <= body.matches('\n').count() + 1 && column <= body.chars().count() + 1);
                    prop_assert!(message.len() < 512);
                }
                Err(_) => {}
            }
            prop_assert!(lint(&it, &[]).len() < 300);
        }
    }

    // An escaped value makes no markup: the document has the same tags whatever the value is.
    #[test]
    fn escaped_values_never_form_markup(body in hostile(), value in hostile()) {
        let body = body.replace("[(${a})]", "[[${a}]]").replace("th:utext", "th:text");
        let tags = |value: &str| {
            let text = shown(&source(Kind::Mail, &body), &[("a", value)]).ok()?;
            Some(text.body.expose().matches(['<', '>', '"']).collect::<String>())
        };
        if let Some(with_value) = tags(&value) {
            prop_assert_eq!(Some(with_value), tags("x"));
        }
    }

    // A value shown as markup has harmless elements only, with harmless attributes only, whatever was in it.
    #[test]
    fn values_that_are_markup_are_harmless(value in hostile()) {
        let text = shown(&source(Kind::Mail, "<p>[(${a})]</p>"), &[("a", &value)]).unwrap();
        for tag in fragment(text.body.expose()).split('<').skip(1) {
            let tag = tag.split_once('>').expect("it is closed").0;
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            let name = name.strip_prefix('/').unwrap_or(name);
            prop_assert!(["p", "td", "tr", "table", "tbody", "a", "b"].contains(&name), "{tag}");
            prop_assert!(["", "title", "rel"].contains(&attributes.split('=').next().unwrap()), "{tag}");
        }
    }
}
