//! The file of one version of a publisher's library: alerts with a body for each channel, compiled here.

use super::credential::named_file;
use super::fields::Fields;
use super::position;
use super::problem::{At, Place};
use crate::domain::contact::Channel;
use crate::domain::publisher::Alert;
use crate::domain::template::{Target, Template};

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
    let alerts: Vec<_> = file.tables("alert").into_iter().filter_map(|it| alert(it, named)).collect();
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
    let name = fields.required("name");
    let sms = body(&fields, ("sms", "sms_file"), Target::Sms);
    let subject = body(&fields, ("subject", "subject_file"), Target::Subject);
    let text = body(&fields, ("text", "text_file"), Target::Text);
    let html = body(&fields, ("html", "html_file"), Target::Html);
    let has = |key: &str| fields.has(key) || fields.has(&format!("{key}_file"));
    let (mail, sms_here) = (has("text") || has("html"), has("sms"));
    if !mail && !sms_here {
        fields.report.wrong(fields.place, "the alert has no body; add sms, or subject with text or html");
    }
    if mail && !has("subject") {
        fields.report.wrong(fields.place, "mail needs a subject; add subject = \"…\"");
    }
    if !mail && has("subject") {
        fields.report.wrong(fields.place_of("subject"), "a subject without mail; add text or html");
    }
    fields.finish();
    let name = name?;
    let channels = [(mail, Channel::Mail), (sms_here, Channel::Sms)].into_iter().filter_map(|(has, it)| has.then_some(it)).collect();
    Some(Entry { place: name.place, channels, alert: Alert { name: name.value, version: version.to_owned(), sms, subject, text, html } })
}

fn body(fields: &Fields<'_, '_>, (inline, in_file): (&'static str, &'static str), target: Target) -> Option<Template> {
    match (fields.text(inline), fields.short(in_file)) {
        (Some(text), None) => {
            let (place, files) = (text.place, fields.report.files());
            let raw = &files[place.file].1[place.offset..];
            compile(fields, &text, target, |line, column| Place { offset: place.offset + position::in_raw(raw, line, column), ..place })
        }
        (None, Some(path)) => {
            let (source, place) = named_file(fields, &path)?;
            let text = At { value: source.to_owned(), place };
            compile(fields, &text, target, |line, column| Place { offset: position::in_text(source, line, column), ..place })
        }
        (Some(_), Some(path)) => {
            fields.report.wrong(path.place, format!("both {inline} and {in_file} are given; keep one"));
            None
        }
        (None, None) => None,
    }
}

fn compile(fields: &Fields<'_, '_>, text: &At<String>, target: Target, place: impl Fn(usize, usize) -> Place) -> Option<Template> {
    if text.value.trim().is_empty() || text.value.len() > LARGEST {
        fields.report.wrong(text.place, format!("a body must have some text, and at most {LARGEST} bytes"));
        return None;
    }
    match Template::compile(&text.value, target) {
        Ok(template) => Some(template),
        Err(error) => {
            fields.report.wrong(place(error.line, error.column), error.message);
            None
        }
    }
}
