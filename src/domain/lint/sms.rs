//! Lints of an SMS body: what it costs, and whether a browser can read its code (WICG, origin-bound one-time codes).

use super::finding::{Finding, Severity};
use crate::domain::code::CodeKind;
use crate::domain::segment::{Encoding, count, gsm};
use crate::domain::template::{Target, Template, place, tags};

/// Characters that a parameter without a format is taken to have, at its longest.
pub const ASSUMED_LENGTH: usize = 40;
/// More messages than this for one SMS body are a warning.
pub const SEGMENTS_ADVISED: usize = 2;

/// Lints an SMS body.
pub fn lint(body: &Template, findings: &mut Vec<Finding>) {
    if !body.shows(CodeKind::Otp) && !body.shows(CodeKind::Otpa) {
        let message = "it shows no code of ours; that is right only where the publisher sends its own VerifVal";
        findings.push(Finding::new(Severity::Note, Target::Sms, message));
    }
    alphabet(body, findings);
    size(body, findings);
    browser_line(body, findings);
}

// Characters outside the default alphabet more than double the price of a text.
fn alphabet(body: &Template, findings: &mut Vec<Finding>) {
    let source = body.source();
    let spans: Vec<_> = tags(source).map_while(Result::ok).collect();
    let sent = |at: usize| !spans.iter().any(|span| span.contains(&at));
    let (mut first, mut named) = (None, Vec::new());
    for (at, c) in source.char_indices().filter(|(at, c)| gsm(*c).is_none() && *c != '\t' && sent(*at)) {
        first = first.or(Some(at));
        let name = format!("'{c}' (U+{:04X})", u32::from(c));
        if !named.contains(&name) && named.len() < 8 {
            named.push(name);
        }
    }
    if let Some(at) = first {
        let message = format!("{} not in the GSM alphabet: a message then holds 70 characters instead of 160", named.join(", "));
        findings.push(Finding::new(Severity::Warning, Target::Sms, message).at(place(source, at)));
    }
}

fn size(body: &Template, findings: &mut Vec<Finding>) {
    let sample = body.sample(&"W".repeat(ASSUMED_LENGTH));
    let counted = count(&sample);
    let unit = if counted.encoding == Encoding::Gsm { "septets" } else { "UTF-16 units" };
    let message = format!(
        "up to {} message(s), {} {unit}, with parameters of {ASSUMED_LENGTH} characters in the GSM alphabet",
        counted.segments, counted.units
    );
    let severity = if counted.segments > SEGMENTS_ADVISED { Severity::Warning } else { Severity::Note };
    if counted.segments > 1 {
        findings.push(Finding::new(severity, Target::Sms, message));
    }
    if sample.chars().count() > Target::Sms.limit() {
        let message = format!("with such parameters it is longer than the {} characters that are sent", Target::Sms.limit());
        findings.push(Finding::new(Severity::Warning, Target::Sms, message));
    }
}

// `@host #code`, perhaps ` @iframe-host`, and nothing after it.
fn browser_line(body: &Template, findings: &mut Vec<Finding>) {
    let lines: Vec<&str> = body.source().trim_end_matches(['\r', '\n']).lines().collect();
    for (i, line) in lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with('@')) {
        let warn = |message: &str| Finding::new(Severity::Warning, Target::Sms, message).at((i + 1, 1));
        if i + 1 < lines.len() {
            findings.push(warn(
                "a line for browsers (@host #code) counts only as the last one; so does an app hash: keep one of the two, last",
            ));
        } else if !is_browser_line(line) {
            findings.push(warn("browsers read the last line only as '@host #code', such as '@bank.example #<%$otp%>', with nothing else"));
        }
    }
}

fn is_browser_line(line: &str) -> bool {
    let parts: Vec<&str> = line.split(' ').collect();
    let host = |part: &str| {
        part.strip_prefix('@').is_some_and(|it| {
            it.contains('.')
                && it
                    .split('.')
                    .all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        })
    };
    match parts[..] {
        [top, code] => host(top) && is_code(code),
        [top, code, frame] => host(top) && is_code(code) && host(frame),
        _ => false,
    }
}

fn is_code(part: &str) -> bool {
    part.strip_prefix("#<%").and_then(|it| it.strip_suffix("%>")).is_some_and(|it| !it.contains("%>"))
}
