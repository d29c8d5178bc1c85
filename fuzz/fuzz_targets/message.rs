//! Message templates: any source compiles or is refused at a place within it; what it renders is bounded, and an escaped value makes
//! no markup.
#![no_main]

use countersign::domain::code::Secret;
use countersign::domain::message::lint::lint;
use countersign::domain::message::{Compiled, Key, Kind, Parameter, Source, Values};

// The first byte chooses whether there is a language; then the body, a NUL, the value that every parameter gets, a NUL, the subject.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((how, text)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let mut parts = text.splitn(3, '\0');
    let (body, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("<b>x</b>"));
    let subject = parts.next();
    for kind in [Kind::Mail, Kind::Sms, Kind::Push] {
        let source = Source {
            key: Key { name: "otp".into(), kind, language: None },
            strategy: None,
            active: *how % 2 == 0,
            subject: subject.map(str::to_owned),
            body: body.to_owned(),
            context: Vec::new(),
            parameters: vec![Parameter { key: "otpValue".into(), mandatory: true }],
        };
        match Compiled::new(&source) {
            Ok(template) => rendered(&template, value),
            Err(error) => {
                let (line, column) = error.position.unwrap_or((1, 1));
                let whole = body.len().max(subject.map_or(0, str::len)) + 1;
                assert!((1..=whole).contains(&line) && (1..=whole).contains(&column), "{error}");
                assert!(error.message.len() <= 1_024, "a message of {} bytes", error.message.len());
            }
        }
        assert!(lint(&source, &[]).iter().all(|it| it.message.len() <= 1_024));
    }
});

fn rendered(template: &Compiled, value: &str) {
    let code = Secret::new("561126");
    let message = |value: &str| {
        let parameters: Vec<_> = template.keys().iter().map(|key| (key.clone(), Secret::new(value))).collect();
        template.render(&Values { code: &code, parameters: &parameters }).ok()
    };
    let Some(made) = message(value) else { return };
    let text = made.body.expose();
    let most = if template.kind() == Kind::Mail { 102_400 } else { 1_600 };
    assert!(text.chars().count() <= most, "it is longer than its limit");
    assert!(text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')), "it holds a control character");
    assert!(!template.shows_code() || text.contains("561126"), "the code is missing");
    if let Some(subject) = &made.subject {
        assert!(!subject.expose().contains(char::is_control) && subject.expose().chars().count() <= 250);
    }
    if template.kind() == Kind::Mail {
        let lower = text.to_ascii_lowercase();
        for wrong in ["<script", "<iframe", "<style", "<object", "<form", "<svg", "<math"] {
            assert!(!lower.contains(wrong), "{wrong} is in it");
        }
    }
}
