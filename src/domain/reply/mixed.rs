//! Codes of letters and digits (`<%$otpa%>`, and those whose length the caller chose).

use super::label::{is_name, unlabelled, untailed};
use crate::domain::code::CodeKind;

/// The different codes in a folded text, as typed: words of `len` characters of the alphabet that are not merely words of the
/// sentence; or the whole text, when it is such a code written in groups.
pub fn find(text: &str, len: usize) -> Vec<String> {
    let tokens: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty()).collect();
    let value = untailed(unlabelled(text));
    let shouting = !text.chars().any(char::is_lowercase);
    let mut found: Vec<String> = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let alone = value.trim_matches(|c: char| !c.is_alphanumeric()) == *token;
        // Of words in capitals we know those of five letters only.
        let capital = len == CodeKind::Otpa.len() && !shouting && !token.chars().any(char::is_lowercase);
        let named = i > 0 && (is_name(tokens[i - 1]) || (i > 1 && tokens[i - 1].eq_ignore_ascii_case("is") && is_name(tokens[i - 2])));
        let strong = token.bytes().any(|b| b.is_ascii_digit()) || ((alone || capital || named) && !is_word(token)) || (alone && shouting);
        if is_code(token, len) && strong && !found.iter().any(|it| it.eq_ignore_ascii_case(token)) {
            found.push((*token).to_owned());
        }
    }
    if found.is_empty() { grouped(value, len).into_iter().collect() } else { found }
}

/// Whether a text is of the alphabet and the length, in either case.
pub fn is_code(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| CodeKind::Otpa.alphabet().contains(&b.to_ascii_uppercase()))
}

// "AB3 9K", "A-B-3-9-K": the whole of what was written, with a digit in it or in single characters.
fn grouped(value: &str, len: usize) -> Option<String> {
    let groups: Vec<&str> = value.split([' ', '-', '.']).collect();
    let joined = groups.concat();
    let single = groups.iter().all(|it| it.len() == 1);
    (is_code(&joined, len) && groups.iter().all(|it| !it.is_empty()) && (single || joined.bytes().any(|b| b.is_ascii_digit())))
        .then_some(joined)
}

// Ordinary words that happen to be of the alphabet.
fn is_word(token: &str) -> bool {
    WORDS.contains(&token.to_uppercase().as_str())
}

#[rustfmt::skip]
const WORDS: [&str; 40] = [
    "THANK", "THERE", "WHERE", "AFTER", "NEVER", "CHECK", "THESE", "EVERY", "ENTER", "HAPPY", "THREE", "SEVEN", "TEXTS", "SENDS",
    "WATCH", "START", "PHASE", "READY", "HEARD", "MEANT", "GREAT", "UNDER", "STUFF", "GUESS", "MATCH", "TRUST", "BANKS", "CARDS",
    "SPEND", "AGREE", "SAVED", "EARTH", "HEART", "PARTY", "STAFF", "TREAT", "UPSET", "USAGE", "WASTE", "REPLY",
];
