//! Templates: any source compiles or is refused at a place within it; what it renders is bounded, and safe for its channel.
#![no_main]

use countersign::domain::code::{CodeKind, Secret};
use countersign::domain::lint::lint;
use countersign::domain::publisher::Alert;
use countersign::domain::segment;
use countersign::domain::smart::Zone;
use countersign::domain::template::{Target, Template, Values, explicit};
use countersign::domain::time::Timestamp;

const TARGETS: [Target; 4] = [Target::Sms, Target::Subject, Target::Text, Target::Html];

// The first byte chooses the moment; then the source, a NUL, and the value that every parameter gets.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((how, text)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let (source, value) = text.split_once('\0').unwrap_or((&text, "5400"));
    let compiled = TARGETS.map(|target| Template::compile(source, target));
    for (target, compiled) in TARGETS.into_iter().zip(&compiled) {
        match compiled {
            Ok(template) => rendered(template, value, *how),
            Err(error) => {
                assert!(error.line >= 1 && error.line <= source.matches('\n').count() + 1, "{target:?}: {error}");
                assert!(error.column >= 1 && error.column <= source.chars().count() + 1, "{target:?}: {error}");
                assert!(error.message.len() <= 2_048, "a message of {} bytes", error.message.len());
            }
        }
    }
    explicit_agrees(source, &compiled[0]);
    let [sms, subject, text, html] = compiled.map(Result::ok);
    let alert = Alert { name: "a".into(), version: "1".into(), sms, subject, text, html };
    assert!(lint(&alert).iter().all(|it| it.to_string().len() <= 4_096));
});

fn rendered(template: &Template, value: &str, how: u8) {
    let target = template.target();
    let names = template.parameters().into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert!(template.needs().iter().all(|it| names.iter().any(|name| name == it)));
    let parameters: Vec<(String, Secret)> = names.into_iter().map(|name| (name, Secret::new(value))).collect();
    let (otp, otpa) = (Secret::new("561126"), Secret::new("7HK2M"));
    let now = Timestamp::from_millis(1_795_294_800_000 + i64::from(how) * 3_600_000);
    let values = Values { otp: Some(&otp), otpa: Some(&otpa), parameters: &parameters, now, zone: Zone::Offset(i32::from(how) * 6 - 720) };
    let sample = template.sample("plain");
    assert!(segment::parts(&sample).concat() == sample);
    let Ok(text) = template.render(&values) else { return };
    let text = text.expose();
    assert!(text.chars().count() <= target.limit(), "{target:?} is longer than its limit");
    let allowed = |c: char| matches!(c, '\n' | '\t') && target != Target::Subject || c == '\n' && target == Target::Sms;
    assert!(text.chars().all(|c| !c.is_control() || allowed(c)), "{target:?} holds a control character");
    for (kind, code) in [(CodeKind::Otp, &otp), (CodeKind::Otpa, &otpa)] {
        assert!(!template.shows(kind) || text.contains(code.expose()), "the code is missing");
    }
}

// The judge of SMSText and the compiler agree: a text that is let in compiles, and shows the codes that were told.
fn explicit_agrees(source: &str, compiled: &Result<Template, countersign::domain::template::TemplateError>) {
    if let Ok(codes) = explicit(source) {
        let template = compiled.as_ref().expect("an SMSText that is let in compiles");
        assert!(template.parameters().is_empty());
        for kind in [CodeKind::Otp, CodeKind::Otpa] {
            assert_eq!(template.shows(kind), codes.contains(&kind));
        }
    }
}
