//! What can be said of an alert before it is used: costs, clashes and traps of its bodies.

mod finding;
mod html;
mod sms;

pub use finding::{Finding, Severity};
pub use sms::{ASSUMED_LENGTH, SEGMENTS_ADVISED};

use super::code::CodeKind;
use super::publisher::Alert;
use super::template::{Target, Template};

/// Lints an alert; errors first, then warnings and notes.
pub fn lint(alert: &Alert) -> Vec<Finding> {
    let mut findings = Vec::new();
    codes(alert, &mut findings);
    channels(alert, &mut findings);
    parameters(alert, &mut findings);
    if let Some(body) = &alert.sms {
        sms::lint(body, &mut findings);
    }
    if let Some(body) = &alert.html {
        html::lint(body, &mut findings);
    }
    findings.sort_by_key(|it| std::cmp::Reverse(it.severity));
    findings
}

// The bodies that can carry the message; a subject only announces it.
fn bodies(alert: &Alert) -> impl Iterator<Item = &Template> {
    [&alert.sms, &alert.text, &alert.html].into_iter().flatten()
}

fn codes(alert: &Alert, findings: &mut Vec<Finding>) {
    let all = || bodies(alert).chain(&alert.subject);
    for body in all().filter(|it| it.shows_both()) {
        findings.push(Finding::new(Severity::Error, body.target(), "it shows both an OTP and an OTPA (3156); keep one"));
    }
    let otp = all().any(|it| it.shows(CodeKind::Otp) && !it.shows_both());
    let otpa = all().any(|it| it.shows(CodeKind::Otpa) && !it.shows_both());
    if otp && otpa {
        findings.push(Finding::new(
            Severity::Error,
            None,
            "one body shows an OTP, another an OTPA; a challenge has one code, so use the same tag in all",
        ));
    }
    let shows = |it: &&Template| it.shows(CodeKind::Otp) || it.shows(CodeKind::Otpa);
    if bodies(alert).any(|it| shows(&it)) {
        for body in bodies(alert).filter(|it| !shows(it)) {
            findings.push(Finding::new(
                Severity::Warning,
                body.target(),
                "it shows no code, though another body does; whoever gets it can't answer",
            ));
        }
    }
    if let Some(subject) = alert.subject.as_ref().filter(shows) {
        findings.push(Finding::new(
            Severity::Warning,
            subject.target(),
            "the code shows in lists and on locked screens; keep it in the body",
        ));
    }
}

fn channels(alert: &Alert, findings: &mut Vec<Finding>) {
    let mail = alert.text.is_some() || alert.html.is_some();
    if !mail && alert.sms.is_none() {
        findings.push(Finding::new(Severity::Error, None, "it has no body; give it an SMS body, a mail body or both"));
    }
    if mail && alert.subject.is_none() {
        findings.push(Finding::new(Severity::Warning, Target::Subject, "a mail body without a subject; give it one"));
    }
    if !mail && alert.subject.is_some() {
        findings.push(Finding::new(
            Severity::Warning,
            Target::Subject,
            "a subject without a mail body is never sent; add a body or leave it out",
        ));
    }
}

// A value that one of two readers of the same alert doesn't get to see is often a slip.
fn parameters(alert: &Alert, findings: &mut Vec<Finding>) {
    let names = |it: &Template| it.parameters().into_iter().map(str::to_owned).collect::<Vec<_>>();
    if let (Some(text), Some(html)) = (&alert.text, &alert.html) {
        for (has, lacks) in [(text, html), (html, text)] {
            for name in names(has).into_iter().filter(|it| !names(lacks).contains(it)) {
                let message = format!("it lacks the parameter '{name}', which the other form of the same mail shows");
                findings.push(Finding::new(Severity::Warning, lacks.target(), message));
            }
        }
    }
    if let (Some(sms), Some(mail)) = (&alert.sms, alert.text.as_ref().or(alert.html.as_ref())) {
        for name in sms.needs().into_iter().filter(|it| !mail.parameters().contains(it)) {
            let message = format!("it needs the parameter '{name}', which the mail body doesn't use; senders must send it for SMS");
            findings.push(Finding::new(Severity::Note, Target::Sms, message));
        }
    }
}

#[cfg(test)]
mod tests;
