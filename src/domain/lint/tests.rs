use super::*;

#[derive(Default, Clone, Copy)]
struct Bodies<'a> {
    sms: Option<&'a str>,
    subject: Option<&'a str>,
    text: Option<&'a str>,
    html: Option<&'a str>,
}

fn found(bodies: Bodies<'_>) -> Vec<String> {
    let compile = |source: Option<&str>, target| source.map(|it| Template::compile(it, target).unwrap());
    let alert = Alert {
        name: "Sign-in".into(),
        version: "1".into(),
        sms: compile(bodies.sms, Target::Sms),
        subject: compile(bodies.subject, Target::Subject),
        text: compile(bodies.text, Target::Text),
        html: compile(bodies.html, Target::Html),
    };
    lint(&alert).iter().map(ToString::to_string).collect()
}

fn check(bodies: Bodies<'_>, expected: &[&str]) {
    let all = found(bodies);
    assert_eq!(all.len(), expected.len(), "{all:#?}");
    for (finding, start) in all.iter().zip(expected) {
        assert!(finding.starts_with(start), "{finding} / {start}");
    }
}

fn sms(source: &str) -> Bodies<'_> {
    Bodies { sms: Some(source), ..Bodies::default() }
}

fn html(source: &str) -> Bodies<'_> {
    Bodies { html: Some(source), subject: Some("s"), text: Some("<%a|%><%b|%><%$otp%>"), ..Bodies::default() }
}

#[test]
fn a_good_alert_has_no_findings() {
    let mail = "Hello <%name%>, your code is <%$otp%>.";
    check(
        Bodies {
            sms: Some("First Bank: your code is <%$otp%>.\n\n@bank.example #<%$otp%>"),
            subject: Some("Your code"),
            text: Some(mail),
            html: Some("<p title=\"<%name%>\">Hello <a href=\"https://bank.example/?n=<%name%>\"><b><%name%></b></a>, <%$otp%></p>"),
        },
        &[],
    );
}

#[test]
fn codes_agree() {
    check(sms("<%$otp%> <%$otpa%>"), &["error: SMS body: it shows both"]);
    check(
        Bodies { sms: Some("<%$otp%>"), subject: Some("s"), text: Some("<%$otpa%>"), html: None },
        &["error: alert: one body shows an OTP, another an OTPA"],
    );
    check(
        Bodies { sms: Some("hello"), subject: Some("s"), text: Some("<%$otp%>"), html: None },
        &["warning: SMS body: it shows no code, though", "note: SMS body: it shows no code of ours"],
    );
    check(sms("Say the word."), &["note: SMS body: it shows no code of ours"]);
    check(
        Bodies { subject: Some("Code <%$otp%>"), text: Some("<%$otp%>"), ..Bodies::default() },
        &["warning: mail subject: the code shows in lists"],
    );
}

#[test]
fn channels_are_whole() {
    check(Bodies::default(), &["error: alert: it has no body"]);
    check(Bodies { text: Some("<%$otp%>"), ..Bodies::default() }, &["warning: mail subject: a mail body without a subject"]);
    check(Bodies { subject: Some("s"), sms: Some("<%$otp%>"), ..Bodies::default() }, &["warning: mail subject: a subject without"]);
    // Its text is made of it.
    check(Bodies { subject: Some("s"), html: Some("<%$otp%>"), ..Bodies::default() }, &[]);
}

#[test]
fn parameters_agree() {
    check(
        Bodies { subject: Some("s"), text: Some("<%a%><%$otp%>"), html: Some("<%b|x%><%$otp%>"), ..Bodies::default() },
        &["warning: mail HTML: it lacks the parameter 'a'", "warning: mail text: it lacks the parameter 'b'"],
    );
    check(
        Bodies { subject: Some("s"), text: Some("<%$otp%>"), sms: Some("<%a%><%$otp%>"), html: None },
        &["note: SMS body: it needs the parameter 'a'"],
    );
}

#[test]
fn an_sms_tells_its_price() {
    check(sms(&format!("{}<%$otp%>", "a".repeat(154))), &[]);
    check(sms(&format!("{}<%$otp%>", "a".repeat(155))), &["note: SMS body: up to 2 message(s), 161 septets"]);
    check(
        sms(&format!("{}<%$otp%><%name%>", "a".repeat(115))),
        &["note: SMS body: up to 2 message(s), 161 septets, with parameters of 40"],
    );
    check(sms(&format!("{}<%$otp%>", "a".repeat(301))), &["warning: SMS body: up to 3 message(s), 307 septets"]);
    check(
        sms("It\u{2019}s <%$otp%>\u{2026}"),
        &["warning: SMS body, line 1, column 3: '\u{2019}' (U+2019), '\u{2026}' (U+2026) not in the GSM"],
    );
    // A fallback may be sent too, but is not part of every message.
    check(sms("Hi <%a|\u{17c}%> <%$otp%>"), &[]);
    let many = "<%a%>".repeat(41);
    assert!(found(sms(&format!("{many}<%$otp%>"))).iter().any(|it| it.contains("longer than the 1600 characters")));
}

#[test]
fn the_line_for_browsers_is_exact() {
    for (source, expected) in [
        ("Code <%$otp%>\n@bank.example #<%$otp%>", &[][..]),
        ("Code <%$otp%>\n@bank.example #<%$otp%>\n", &[]),
        ("Code <%$otp%>\n@bank.example #<%$otp%> @pay.bank.example", &[]),
        ("Code <%$otp%>\n@bank.example <%$otp%>", &["warning: SMS body, line 2, column 1: browsers read"]),
        ("Code <%$otp%>\n@bank.example  #<%$otp%>", &["warning: SMS body, line 2, column 1: browsers read"]),
        ("Code <%$otp%>\n@https://bank.example #<%$otp%>", &["warning: SMS body, line 2, column 1: browsers read"]),
        ("Code <%$otp%>\n@bank.example #<%$otp%>.", &["warning: SMS body, line 2, column 1: browsers read"]),
        ("Code <%$otp%>\n@bank.example #<%$otp%>\nFA+9qCX9VSu", &["warning: SMS body, line 2, column 1: a line for browsers"]),
    ] {
        check(sms(source), expected);
    }
}

#[test]
fn values_in_html_stand_where_they_are_safe() {
    for (source, expected) in [
        ("<p><%a%> <%b%><%$otp%></p>", &[][..]),
        ("<p title='<%a%> <%b%>'><%$otp%></p>", &[]),
        ("<p title=<%a%>><%b%><%$otp%></p>", &["error: mail HTML, line 1, column 10: a tag in an element needs"]),
        ("<a href=\"<%a%>\"><%b%><%$otp%></a>", &["error: mail HTML, line 1, column 10: a tag must not begin an address"]),
        ("<a onclick=\"x('<%a%>')\"><%b%><%$otp%></a>", &["error: mail HTML, line 1, column 16: a tag in a script or style attribute"]),
        ("<STYLE>p{x:<%a%>}</STYLE><%b%><%$otp%>", &["error: mail HTML, line 1, column 12: a tag inside a script or style"]),
        ("<!-- <%a%> --><%b%><%$otp%>", &["error: mail HTML, line 1, column 6: a tag inside a comment"]),
        ("<script></script><%a%><%b%><%$otp%>", &["warning: mail HTML, line 1, column 1: mail programs"]),
    ] {
        check(html(source), expected);
    }
}
