//! Languages as tags (RFC 5646), and which template stands in for one that isn't there (RFC 4647, 3.4: lookup).

use std::fmt;

/// Longest tag, in bytes.
pub const LENGTH: usize = 35;
/// The language of the template that is taken when there is none of the language asked for, and none without a language.
pub const DEFAULT: &str = "en";

/// A language tag in its usual form: `en`, `en-US`, `zh-Hant-TW`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Language(String);

impl Language {
    /// Reads a tag, in whatever case, with `-` or `_` between its parts. `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        if !is_tag(text) {
            return None;
        }
        let mut tag = String::with_capacity(text.len());
        for (at, part) in text.split(BETWEEN).enumerate() {
            if at > 0 {
                tag.push('-');
            }
            // Behind a single letter or digit all is small.
            let cased = at > 0 && !tag.split('-').any(|it| it.len() == 1);
            put(cased, part, &mut tag);
        }
        Some(Self(tag))
    }

    /// The language alone that a tag begins with, as it was written: `en` of `en-US`. `None` when the text is no tag.
    pub fn primary(text: &str) -> Option<&str> {
        text.split(BETWEEN).next().filter(|_| is_tag(text))
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag and what stands in for it, from the nearest on: `zh-Hant-TW`, `zh-Hant`, `zh`. A single letter or digit never ends
    /// one.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.0.as_str()), |tag| {
            let shorter = tag.rsplit_once('-')?.0;
            match shorter.rsplit_once('-') {
                Some((rest, last)) if last.len() == 1 => Some(rest),
                _ => Some(shorter),
            }
        })
    }
}

// What is between the parts of a tag, as people write it.
const BETWEEN: [char; 2] = ['-', '_'];

fn is_tag(text: &str) -> bool {
    let right = |(at, part): (usize, &str)| match at {
        0 => (2..=8).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_alphabetic()),
        _ => (1..=8).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_alphanumeric()),
    };
    text.len() <= LENGTH && text.split(BETWEEN).enumerate().all(right)
}

// Scripts as a title, regions in capitals, all else small (RFC 5646, 2.1.1).
fn put(cased: bool, part: &str, tag: &mut String) {
    let region = cased && part.len() == 2;
    let script = cased && part.len() == 4 && part.bytes().all(|it| it.is_ascii_alphabetic());
    for (place, c) in part.chars().enumerate() {
        tag.push(if region || script && place == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_and_lead_to_nearer_ones_first() {
        let check = |text: &str, expected: &[&str]| {
            let read = Language::parse(text);
            let chain: Vec<&str> = read.iter().flat_map(Language::chain).collect();
            assert_eq!(chain, expected, "{text}");
            let alone = Language::primary(text).map(str::to_ascii_lowercase);
            assert_eq!(alone.as_deref(), expected.last().copied(), "{text}");
        };
        check("en", &["en"]);
        check("EN-us", &["en-US", "en"]);
        check("en_US", &["en-US", "en"]);
        check("zh-hant-tw", &["zh-Hant-TW", "zh-Hant", "zh"]);
        check("es-419", &["es-419", "es"]);
        check("de-x-bank", &["de-x-bank", "de"]);
        for wrong in ["", "e", "en-", "-en", "en--US", "12", "en US", "en/US", "englisches", "en-abcdefghi", "é-FR"] {
            check(wrong, &[]);
        }
        check(&["aa"; 13].join("-"), &[]);
    }
}
