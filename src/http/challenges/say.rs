//! What a bot can say to a person, in six languages: one plain file each, `key = text {placeholder}`.

use crate::domain::message::Language;
use axum::http::{HeaderMap, header};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;
use utoipa::ToSchema;

/// The files. The first language stands in for all others.
const FILES: [(&str, &str); 6] = [
    ("en", include_str!("sentences/en.txt")),
    ("es", include_str!("sentences/es.txt")),
    ("fr", include_str!("sentences/fr.txt")),
    ("de", include_str!("sentences/de.txt")),
    ("tr", include_str!("sentences/tr.txt")),
    ("ro", include_str!("sentences/ro.txt")),
];
/// Ranges of an `Accept-Language` that are looked at.
const RANGES_MAX: usize = 20;

static BOOKS: LazyLock<Vec<Book>> = LazyLock::new(|| FILES.iter().map(|(tag, text)| Book { tag, texts: read(text) }).collect());

/// The sentences of one language.
struct Book {
    tag: &'static str,
    texts: HashMap<&'static str, &'static str>,
}

/// What a bot can say to the person, in the person's language.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(in crate::http) struct Say {
    /// In which language: `en`, `es`, `fr`, `de`, `tr` or `ro`.
    #[schema(example = "en")]
    pub language: &'static str,
    /// One or two sentences, without a code or a whole address.
    #[schema(example = "Thank you, your code is correct.")]
    pub text: String,
}

/// A language that sentences are said in.
#[derive(Clone, Copy)]
pub(super) struct Voice(&'static Book);

impl Voice {
    /// Reads the files, so that the first request need not wait for it.
    pub(super) fn warm() {
        LazyLock::force(&BOOKS);
    }

    /// The challenge's language where we speak it, else what the caller accepts, else English.
    pub(super) fn of(locale: Option<&str>, headers: &HeaderMap) -> Self {
        let chosen = locale.and_then(book).or_else(|| accepted(headers));
        Self(chosen.unwrap_or(&BOOKS[0]))
    }

    /// A sentence without a placeholder.
    pub(super) fn says(self, key: &'static str) -> Say {
        self.with(key, &[])
    }

    /// A sentence with these in its placeholders.
    pub(super) fn with(self, key: &'static str, values: &[(&str, &str)]) -> Say {
        Say { language: self.0.tag, text: self.text(key, values) }
    }

    /// The sentence for a number: `key.one`, `key.few` or `key.many`.
    pub(super) fn counted(self, key: &str, n: u64) -> Say {
        Say { language: self.0.tag, text: self.text(&format!("{key}.{}", form(self.0.tag, n)), &[("n", &n.to_string())]) }
    }

    /// A span in which something can be done: rounded down, so that it is never promised too long.
    pub(super) fn within(self, span: Duration) -> String {
        let seconds = span.as_secs().max(1);
        match seconds {
            0..60 => self.counted("seconds", seconds),
            60..3600 => self.counted("minutes", seconds / 60),
            _ => self.counted("hours", seconds / 3600),
        }
        .text
    }

    /// A span to wait: rounded up.
    pub(super) fn wait(self, span: Duration) -> String {
        let seconds = crate::http::problem::seconds(span);
        match seconds {
            0..=90 => self.counted("seconds", seconds),
            91..=5400 => self.counted("minutes", seconds.div_ceil(60)),
            _ => self.counted("hours", seconds.div_ceil(3600)),
        }
        .text
    }

    fn text(self, key: &str, values: &[(&str, &str)]) -> String {
        let text = self.0.texts.get(key).copied().unwrap_or_default();
        values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

/// As the caller wants to be spoken to, where a challenge does not tell.
pub(super) fn spoken_to(headers: &HeaderMap) -> Voice {
    Voice::of(None, headers)
}

// Which plural a number takes (Unicode CLDR); one, few and many of Romanian, one and many of the others.
fn form(tag: &str, n: u64) -> &'static str {
    match (tag, n) {
        (_, 1) => "one",
        ("ro", n) if n == 0 || (1..20).contains(&(n % 100)) => "few",
        _ => "many",
    }
}

// The nearest language that is there, by lookup (RFC 4647, 3.4): none of ours has more than its name.
fn book(tag: &str) -> Option<&'static Book> {
    let language = Language::primary(tag)?;
    BOOKS.iter().find(|it| it.tag.eq_ignore_ascii_case(language))
}

// The language that the caller likes best of those that are there (RFC 9110, 12.5.4).
fn accepted(headers: &HeaderMap) -> Option<&'static Book> {
    let lists = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|it| it.to_str().ok());
    let mut best: Option<(f32, &Book)> = None;
    for range in lists.flat_map(|it| it.split(',')).take(RANGES_MAX) {
        let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
        let weight: f32 = weight.trim().strip_prefix("q=").and_then(|it| it.parse().ok()).unwrap_or(0.0);
        let found = if tag.trim() == "*" { Some(&BOOKS[0]) } else { book(tag.trim()) };
        if let Some(found) = found.filter(|_| weight > best.map_or(0.0, |it| it.0)) {
            best = Some((weight, found));
        }
    }
    best.map(|it| it.1)
}

fn read(text: &'static str) -> HashMap<&'static str, &'static str> {
    let lines = text.lines().filter(|it| !it.starts_with('#'));
    lines.filter_map(|it| it.split_once(" = ")).map(|(key, text)| (key.trim(), text.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).map(|it| it.split_once('}').expect("it is closed").0).collect()
    }

    #[test]
    fn all_languages_say_the_same_things() {
        let english = &BOOKS[0].texts;
        assert_eq!(english.len(), 36, "a key was added or lost");
        for ((tag, text), book) in FILES.iter().zip(BOOKS.iter()) {
            let lines = text.lines().filter(|it| !it.starts_with('#')).count();
            assert_eq!(lines, book.texts.len(), "{tag}: each line is a key of its own");
            assert_eq!(crate::domain::message::Language::primary(tag), Some(*tag), "a look-up finds languages alone");
            let keys = |it: &HashMap<&'static str, &'static str>| it.keys().copied().collect::<BTreeSet<_>>();
            assert_eq!(keys(&book.texts), keys(english), "{tag}");
            for (key, text) in &book.texts {
                // "One minute" may be written out.
                let counted = key.ends_with(".one");
                assert!(counted || placeholders(text) == placeholders(english[key]), "{tag}: {key} = {text}");
                assert!(!text.is_empty() && text.len() < 300, "{tag}: {key}");
            }
        }
    }

    #[test]
    fn the_language_is_the_challenge_s_then_the_caller_s_then_english() {
        let check = |locale: Option<&str>, accepts: &[&str], expected: &str| {
            let mut headers = HeaderMap::new();
            for list in accepts {
                headers.append(header::ACCEPT_LANGUAGE, list.parse().unwrap());
            }
            assert_eq!(Voice::of(locale, &headers).0.tag, expected, "{locale:?} {accepts:?}");
        };
        check(None, &[], "en");
        check(Some("de"), &["fr"], "de");
        check(Some("es-MX"), &[], "es");
        check(Some("ro_RO"), &[], "ro");
        check(Some("it"), &["tr"], "tr");
        check(Some("it"), &[], "en");
        check(Some("???"), &[], "en");
        check(None, &["it, fr;q=0.8, de;q=0.9"], "de");
        check(None, &["fr-CA, en;q=0.5"], "fr");
        check(None, &["it", "tr;q=0.1"], "tr");
        check(None, &["de;q=0, *;q=0.1"], "en");
        check(None, &["de;q=x, fr;level=1"], "en");
    }

    #[test]
    fn numbers_take_their_plurals() {
        let check = |tag: &str, seconds: u64, within: &str, wait: &str| {
            let (voice, span) = (Voice::of(Some(tag), &HeaderMap::new()), Duration::from_secs(seconds));
            assert_eq!((voice.within(span).as_str(), voice.wait(span).as_str()), (within, wait), "{tag} {seconds}");
        };
        check("en", 0, "1 second", "1 second");
        check("en", 1, "1 second", "1 second");
        check("en", 61, "1 minute", "61 seconds");
        check("en", 299, "4 minutes", "5 minutes");
        check("en", 86_000, "23 hours", "24 hours");
        check("ro", 60, "un minut", "60 de secunde");
        check("ro", 19 * 60, "19 minute", "19 minute");
        check("ro", 20 * 60, "20 de minute", "20 de minute");
        check("ro", 45, "45 de secunde", "45 de secunde");
        check("tr", 300, "5 dakika", "5 dakika");
        check("fr", 7200, "2 heures", "2 heures");
        let wrong = |tag: &str, n: u64| Voice::of(Some(tag), &HeaderMap::new()).counted("wrong", n).text;
        assert_eq!(wrong("es", 1), "El código no es correcto. Le queda 1 intento.");
        assert_eq!(wrong("ro", 2), "Codul nu este corect. Mai aveți 2 încercări.");
        assert_eq!(wrong("de", 4), "Dieser Code ist nicht richtig. Sie haben noch 4 Versuche.");
    }
}
