//! Registration files: publishers, their libraries of alerts, and recipients, in TOML that people write.
//!
//! Pure: [`read`] gets the texts of files and gives what they register, or everything that is wrong with them, each with
//! its place. [`files::gather`] reads the files for it; [`diff()`] tells what would change.
//!
//! One file registers one thing, by the table it begins with: `[publisher]`, `[library]` (one version) or `[recipients]`
//! (of one publisher at one institution). A publisher may have any number of libraries and recipient files.

mod credential;
mod cross;
mod diff;
mod fields;
pub mod files;
mod library;
mod position;
mod problem;
mod publisher;
mod recipients;

pub use diff::{Change, Kind, diff, diff_recipients, diff_registry};
pub use problem::Problem;

use crate::domain::credential::Credential;
use crate::domain::publisher::Registry;
use crate::domain::recipient::Recipient;
use fields::Fields;
use problem::{Place, Report};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::DeTable;

/// What a set of files registers.
#[derive(Clone, Debug, Default)]
pub struct Registered {
    /// Publishers and libraries.
    pub registry: Registry,
    /// How publishers prove themselves.
    pub credentials: Vec<Credential>,
    /// Recipients, in the order of the files.
    pub recipients: Vec<Recipient>,
    /// What is doubtful, but allowed.
    pub warnings: Vec<Problem>,
}

/// Reads registration files: path (as problems shall name it) and text of each `.toml` file, and of each file that one of
/// them names ([`references`] lists those). Either everything holds, or all that is wrong is told.
pub fn read(files: &[(PathBuf, String)]) -> Result<Registered, Vec<Problem>> {
    let report = Report::on(files);
    let mut tables = parse(&report);
    tables.sort_by_key(|(_, table)| table.get_ref().contains_key("recipients"));
    let mut drafts = Drafts::default();
    let mut whole = tables.len() == files.iter().filter(|(path, _)| is_toml(path)).count();
    for (place, table) in &tables {
        whole &= sort_out(Fields::new(table.get_ref(), *place, &report), &mut drafts);
    }
    // What refers to a file that can't be read at all is not judged: it would only be told twice.
    if whole {
        cross::check(&drafts, &report);
    }
    let warnings = report.finish()?;
    Ok(drafts.registered(warnings))
}

/// A file that a registration file names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Resolved against the directory of the file that names it.
    pub path: PathBuf,
    /// It holds a password.
    pub secret: bool,
}

/// Files that these files name, in order and without repeats. Files that are no TOML name none.
pub fn references(files: &[(PathBuf, String)]) -> Vec<Reference> {
    let mut found = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| is_toml(path)) {
        if let Ok(table) = text.parse::<toml::Table>() {
            named_in(&toml::Value::Table(table), path, &mut found);
        }
    }
    found
}

/// What the files hold, before it is known whether the parts fit each other.
#[derive(Default)]
struct Drafts {
    publishers: Vec<publisher::Draft>,
    libraries: Vec<library::Draft>,
    recipients: Vec<recipients::Draft>,
}

impl Drafts {
    fn countries(&self, publisher: &str) -> Vec<String> {
        let found = self.publishers.iter().find(|it| it.id.value == publisher);
        found.map(|it| it.publisher.countries.clone()).unwrap_or_default()
    }

    fn count(&self) -> usize {
        self.publishers.len() + self.libraries.len() + self.recipients.len()
    }

    fn registered(self, warnings: Vec<Problem>) -> Registered {
        let mut out = Registered { warnings, ..Registered::default() };
        for draft in self.publishers {
            out.credentials.extend(draft.credentials.into_iter().map(|it| it.value));
            out.registry.publishers.insert(draft.publisher.id.clone(), Arc::new(draft.publisher));
        }
        for draft in self.libraries {
            let alerts: HashMap<_, _> = draft.alerts.into_iter().map(|it| (it.alert.name.clone(), Arc::new(it.alert))).collect();
            out.registry.libraries.insert((draft.publisher.value.as_str().into(), draft.version.value), alerts);
        }
        out.recipients = self.recipients.into_iter().flat_map(|it| it.recipients).map(|it| it.recipient).collect();
        out
    }
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "toml")
}

fn parse<'i>(report: &Report<'i>) -> Vec<(Place, Spanned<DeTable<'i>>)> {
    let mut tables = Vec::new();
    for (file, (_, text)) in report.files().iter().enumerate().filter(|(_, (path, _))| is_toml(path)) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let offset = error.span().map_or(0, |it| it.start);
            report.wrong(Place { file, offset }, format!("not TOML: {}", error.message().replace('\n', " ")));
        }
        if errors.is_empty() {
            tables.push((Place { file, offset: 0 }, table));
        }
    }
    tables
}

/// Reads one file as what its table says; `false` when that is nothing. Recipients come after their publisher, whose
/// countries their phones need.
fn sort_out(fields: Fields<'_, '_>, drafts: &mut Drafts) -> bool {
    let kinds: Vec<_> = ["publisher", "library", "recipients"].into_iter().filter(|it| fields.has(it)).collect();
    let (report, place) = (fields.report, fields.place);
    let before = drafts.count();
    match kinds[..] {
        ["publisher"] => drafts.publishers.extend(publisher::read(fields)),
        ["library"] => drafts.libraries.extend(library::read(fields)),
        ["recipients"] => {
            let draft = recipients::read(fields, |publisher| drafts.countries(publisher));
            drafts.recipients.extend(draft);
        }
        [] => report.wrong(place, "the file registers nothing; begin it with [publisher], [library] or [recipients]"),
        _ => report.wrong(place, format!("one file registers one thing; split [{}] over several files", kinds.join("] and ["))),
    }
    drafts.count() > before
}

fn named_in(value: &toml::Value, base: &Path, found: &mut Vec<Reference>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| match value.as_str() {
            Some(name) if key.ends_with("_file") => {
                let named = Reference { path: beside(base, name), secret: key.ends_with("password_file") };
                if !found.contains(&named) {
                    found.push(named);
                }
            }
            _ => named_in(value, base, found),
        }),
        toml::Value::Array(items) => items.iter().for_each(|it| named_in(it, base, found)),
        _ => {}
    }
}

/// The path of a file that `base` names.
fn beside(base: &Path, name: &str) -> PathBuf {
    base.parent().unwrap_or(Path::new("")).join(name)
}
