//! What can be said of a template before it is used: what doesn't compile, what is slipped, what costs, what helps fraud.

use super::compiled::{Compiled, Parsed, Rendered, Values, parse};
use super::marked::{Form, Marked};
use super::source::{CODE, Kind, Part, Source};
use crate::domain::code::Secret;
use crate::domain::lint::{ASSUMED_LENGTH, SEGMENTS_ADVISED, Severity};
use crate::domain::segment::{Encoding, count, gsm};
use crate::domain::template::place;

/// A mail with more bytes than this is a warning: programs cut long mails, and slow networks load them late.
pub const MAIL_ADVISED: usize = 51_200;
/// A push text with more characters than this is a warning: screens cut it.
pub const PUSH_ADVISED: usize = 178;
/// Findings of one code, at most.
const EACH: usize = 20;

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What was found, for programs; stable.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Where.
    pub part: Part,
    /// Line and column, 1-based, in characters; `None`: the part as a whole.
    pub position: Option<(usize, usize)>,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Lints a template; errors first, then warnings and notes. Lengths are told for `samples`, and for parameters without a sample as if
/// they had [`ASSUMED_LENGTH`] characters.
pub fn lint(source: &Source, samples: &[(String, Secret)]) -> Vec<Finding> {
    let (parsed, compiled) = match parse(source).and_then(|parsed| Compiled::of(source, &parsed).map(|it| (parsed, it))) {
        Ok(both) => both,
        Err(it) => {
            let wrong = Finding { code: "invalid", severity: Severity::Error, part: it.part, position: it.position, message: it.message };
            return vec![wrong];
        }
    };
    let mut report = Report { source, findings: Vec::new() };
    report.parameters(&parsed);
    report.code(&parsed, &compiled);
    report.subject();
    report.texts();
    if source.key.kind == Kind::Mail {
        report.markup(&parsed.body);
    }
    match compiled.render(&Values { code: &Secret::new("000000"), parameters: &filled(&compiled, samples) }) {
        Ok(message) => report.size(&message),
        Err(trouble) => report.add(("too_long", Severity::Warning), Part::Body, None, format!("with the sample values, {trouble}")),
    }
    report.findings.sort_by_key(|it| std::cmp::Reverse(it.severity));
    report.findings
}

// A value for each parameter.
fn filled(compiled: &Compiled, samples: &[(String, Secret)]) -> Vec<(String, Secret)> {
    let sample = |key: &String| {
        let given = samples.iter().find(|(it, value)| it == key && !value.expose().trim().is_empty());
        given.cloned().unwrap_or_else(|| (key.clone(), Secret::new("W".repeat(ASSUMED_LENGTH))))
    };
    compiled.keys().iter().chain(compiled.mandatory()).map(sample).collect()
}

struct Report<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn add(&mut self, (code, severity): (&'static str, Severity), part: Part, at: Option<usize>, message: impl Into<String>) {
        if self.findings.iter().filter(|it| it.code == code).count() < EACH {
            let text = if part == Part::Subject { self.source.subject.as_deref().unwrap_or_default() } else { &self.source.body };
            let position = at.map(|at| place(text, at));
            self.findings.push(Finding { code, severity, part, position, message: message.into() });
        }
    }

    fn parameters(&mut self, parsed: &Parsed<'_>) {
        let declared = |key: &str| self.source.parameters.iter().any(|it| it.key == key);
        let texts = parsed.subject.iter().map(|it| (Part::Subject, it)).chain([(Part::Body, &parsed.body)]);
        let uses: Vec<_> = texts.flat_map(|(part, text)| text.uses.iter().map(move |it| (part, *it))).collect();
        let unknown: Vec<_> = uses.iter().filter(|(_, it)| it.key != CODE && !declared(it.key)).collect();
        for (part, it) in unknown {
            let message = format!("'{}' is not declared; add it to params, or correct the key", it.key);
            self.add(("undeclared_parameter", Severity::Warning), *part, Some(it.at), message);
        }
        for it in self.source.parameters.iter().filter(|it| !uses.iter().any(|(_, shown)| shown.key == it.key)) {
            let message = format!("'{}' is declared and shown nowhere; show it, or take it out of params", it.key);
            self.add(("unused_parameter", Severity::Warning), Part::Parameters, None, message);
        }
    }

    fn code(&mut self, parsed: &Parsed<'_>, compiled: &Compiled) {
        if !compiled.shows_code() {
            let message = "the body shows no code, so nobody can answer; write [(${otpValue})] where it belongs";
            self.add(("no_code", Severity::Error), Part::Body, None, message);
        }
        let in_subject = parsed.subject.iter().flat_map(|it| &it.uses).find(|it| it.key == CODE);
        if let Some(it) = in_subject {
            let message = "the code shows in lists and on locked screens; keep it in the body";
            self.add(("code_in_subject", Severity::Warning), Part::Subject, Some(it.at), message);
        }
    }

    fn subject(&mut self) {
        let blank = self.source.subject.as_ref().is_none_or(|it| it.trim().is_empty());
        match self.source.key.kind {
            Kind::Mail if blank => {
                self.add(
                    ("missing_subject", Severity::Warning),
                    Part::Subject,
                    None,
                    "a mail without a subject looks like fraud; give it one",
                );
            }
            Kind::Sms if !blank => {
                self.add(("unused_subject", Severity::Warning), Part::Subject, None, "a text message has no subject; set it to null");
            }
            _ => {}
        }
    }

    fn texts(&mut self) {
        let lower = self.source.body.to_ascii_lowercase();
        if let Some(at) = ["https://", "http://", "www."].iter().filter_map(|it| link(&lower, it)).min() {
            let message = "a link in a message with a code teaches people to follow links from strangers; leave it out";
            self.add(("link", Severity::Warning), Part::Body, Some(at), message);
        }
        let bare = self.source.body.match_indices("${").find(|(at, _)| !self.is_expression(*at));
        if let Some((at, _)) = bare {
            let message = "${…} outside brackets is sent as it stands; write [(${key})] or [[${key}]]";
            self.add(("bare_expression", Severity::Warning), Part::Body, Some(at), message);
        }
        if self.source.key.kind == Kind::Sms
            && let Some((at, c)) = self.source.body.char_indices().find(|(_, c)| gsm(*c).is_none() && *c != '\t')
        {
            let message =
                format!("'{c}' (U+{:04X}) is not in the GSM alphabet: a message then holds 70 characters instead of 160", u32::from(c));
            self.add(("not_gsm", Severity::Warning), Part::Body, Some(at), message);
        }
    }

    // What comes before it, as far as it is looked at.
    fn is_expression(&self, at: usize) -> bool {
        let before = self.source.body[..at].trim_end();
        ["[[", "[(", "=", "='", "=\""].iter().any(|it| before.ends_with(it))
    }

    fn markup(&mut self, body: &Marked<'_>) {
        for (at, what) in &body.dropped {
            self.add(("left_out", Severity::Warning), Part::Body, Some(*at), format!("{what} is left out of mails; take it out"));
        }
        for it in body.uses.iter().filter(|it| it.form == Form::Raw && it.key != CODE) {
            let message =
                format!("'{}' is shown as markup, sanitised; write [[${{{}}}]] or th:text where it is plain text", it.key, it.key);
            self.add(("unescaped", Severity::Note), Part::Body, Some(it.at), message);
        }
    }

    fn size(&mut self, message: &Rendered) {
        let body = message.body.expose();
        match self.source.key.kind {
            Kind::Sms => self.segments(body),
            Kind::Mail if body.len() > MAIL_ADVISED => {
                let message = format!("the mail comes to {} bytes; keep it under {MAIL_ADVISED}", body.len());
                self.add(("mail_size", Severity::Warning), Part::Body, None, message);
            }
            Kind::Push if body.chars().count() > PUSH_ADVISED => {
                let message = format!("the text comes to {} characters, and screens cut it at about {PUSH_ADVISED}", body.chars().count());
                self.add(("push_size", Severity::Warning), Part::Body, None, message);
            }
            _ => {}
        }
    }

    fn segments(&mut self, body: &str) {
        let counted = count(body);
        let unit = if counted.encoding == Encoding::Gsm { "septets" } else { "UTF-16 units" };
        let message = format!("{} message(s), {} {unit}, with the sample values", counted.segments, counted.units);
        let severity = if counted.segments > SEGMENTS_ADVISED { Severity::Warning } else { Severity::Note };
        self.add(("sms_length", severity), Part::Body, None, message);
    }
}

// The name of a namespace is no link, and `www.` of an address is found with it.
fn link(body: &str, what: &str) -> Option<usize> {
    let is_other = |at: usize| {
        let before = body[..at].trim_end_matches(['<', '\'', '"']);
        before.ends_with("xmlns:th=") || before.ends_with('/')
    };
    body.match_indices(what).map(|(at, _)| at).find(|at| !is_other(*at))
}
