//! The file of one version of a publisher's library: alerts with a body for each channel, compiled here.

use super::credential::named_file;
use super::fields::Fields;
use super::position;
use super::problem::{At, Place};
use crate::domain::contact::Channel;
use crate::domain::lint::{self, Severity};
use crate::domain::publisher::Alert;
use crate::domain::template::{Target, Template};
use std::path::PathBuf;

/// A library as its file has it.
pub(super) struct Draft {
    pub publisher: At<String>,
    pub version: At<String>,
    pub alerts: Vec<Entry>,
}

/// An alert as its file has it.
pub(super) struct Entry {
    pub alert: Alert,
    pub place: Place,
    /// Channels it has a body for, also one that was refused: that is told once, not again for each subscription.
    pub channels: Vec<Channel>,
}

/// Largest body, in bytes.
const LARGEST: usize = 64 * 1024;

/// Reads the file; `None` when it doesn't say whose it is or which version (the report says so).
pub(super) fn read(file: Fields<'_, '_>) -> Option<Draft> {
    let head = file.table("library")?;
    let (publisher, version) = (head.required("publisher"), head.required("version"));
    head.finish();
    let named = version.as_ref().map_or("", |it| &it.value);
    let alerts: Vec<_> = file.tables("alert", 5_000).into_iter().filter_map(|it| alert(it, named)).collect();
    if !file.has("alert") {
        file.report.wrong(file.place, "no alert; add [[alert]] with name = \"…\" and a body");
    }
    for (index, it) in alerts.iter().enumerate() {
        if alerts[..index].iter().any(|earlier| earlier.alert.name == it.alert.name) {
            file.report.wrong(it.place, format!("alert \"{}\" is here twice; names are unique in a library", it.alert.name));
        }
    }
    file.finish();
    Some(Draft { publisher: publisher?, version: version?, alerts })
}

fn alert(fields: Fields<'_, '_>, version: &str) -> Option<Entry> {
    let before = fields.report.count();
    let name = fields.required("name");
    let read = |keys, target| body(&fields, keys, target);
    let sms = read(("sms", "sms_file"), Target::Sms);
    let subject = read(("subject", "subject_file"), Target::Subject);
    let text = read(("text", "text_file"), Target::Text);
    let html = read(("html", "html_file"), Target::Html);
    let channels = channels(&fields);
    fields.known();
    let At { value: name, place } = name?;
    let origins = [&sms, &subject, &text, &html].map(|it| it.as_ref().map(|(_, origin)| *origin));
    let template = |it: Option<(Template, Origin)>| it.map(|(template, _)| template);
    let alert = Alert {
        name,
        version: version.to_owned(),
        sms: template(sms),
        subject: template(subject),
        text: template(text),
        html: template(html),
    };
    if fields.report.count() == before {
        findings(&fields, &alert, place, origins);
    }
    Some(Entry { alert, place, channels })
}

/// The channels that the alert has bodies for, whole or not; reports what they lack.
fn channels(fields: &Fields<'_, '_>) -> Vec<Channel> {
    let has = |key: &str| fields.has(key) || fields.has(&format!("{key}_file"));
    let (mail, sms) = (has("text") || has("html"), has("sms"));
    if !mail && !sms {
        fields.report.wrong(fields.place, "the alert has no body; add sms, or subject with text or html");
    }
    if mail && !has("subject") {
        fields.report.wrong(fields.place, "mail needs a subject; add subject = \"…\"");
    }
    if !mail && has("subject") {
        fields.report.wrong(fields.place_of("subject"), "a subject without mail; add text or html");
    }
    [(mail, Channel::Mail), (sms, Channel::Sms)].into_iter().filter_map(|(has, it)| has.then_some(it)).collect()
}

/// Where a body was written.
#[derive(Clone, Copy)]
enum Origin {
    /// As a TOML string that begins here.
    Inline(Place),
    /// As a file of its own.
    File(Place),
}

impl Origin {
    /// The place of a line and column of the body.
    fn place(self, files: &[(PathBuf, String)], (line, column): (usize, usize)) -> Place {
        match self {
            Self::Inline(at) => {
                let raw = &files[at.file].1[at.offset..];
                Place { offset: at.offset + position::in_raw(raw, line, column), ..at }
            }
            Self::File(at) => Place { offset: position::in_text(&files[at.file].1, line, column), ..at },
        }
    }
}

/// Reports what the lint finds: errors are wrong, the rest is doubtful.
fn findings(fields: &Fields<'_, '_>, alert: &Alert, place: Place, [sms, subject, text, html]: [Option<Origin>; 4]) {
    for it in lint::lint(alert) {
        let origin = match it.body {
            Some(Target::Sms) => sms,
            Some(Target::Subject) => subject,
            Some(Target::Text) => text,
            Some(Target::Html) => html,
            None => None,
        };
        let files = fields.report.files();
        let place = origin.map_or(place, |origin| origin.place(files, it.position.unwrap_or((1, 1))));
        match it.severity {
            Severity::Error => fields.report.wrong(place, it.message),
            Severity::Warning => fields.report.doubt(place, it.message),
            Severity::Note => fields.report.doubt(place, format!("note: {}", it.message)),
        }
    }
}

fn body(fields: &Fields<'_, '_>, (inline, in_file): (&'static str, &'static str), target: Target) -> Option<(Template, Origin)> {
    match (fields.text(inline), fields.short(in_file)) {
        (Some(text), None) => compile(fields, &text.value, target, Origin::Inline(text.place)),
        (None, Some(path)) => {
            let (source, place) = named_file(fields, &path)?;
            compile(fields, source, target, Origin::File(place))
        }
        (Some(_), Some(path)) => {
            fields.report.wrong(path.place, format!("both {inline} and {in_file} are given; keep one"));
            None
        }
        (None, None) => None,
    }
}

fn compile(fields: &Fields<'_, '_>, source: &str, target: Target, origin: Origin) -> Option<(Template, Origin)> {
    let files = fields.report.files();
    if source.trim().is_empty() || source.len() > LARGEST {
        fields.report.wrong(origin.place(files, (1, 1)), format!("a body must have some text, and at most {LARGEST} bytes"));
        return None;
    }
    match Template::compile(source, target) {
        Ok(template) => Some((template, origin)),
        Err(error) => {
            fields.report.wrong(origin.place(files, (error.line, error.column)), error.message);
            None
        }
    }
}
