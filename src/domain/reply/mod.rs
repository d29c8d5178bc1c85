//! Reading a reply: at most one candidate, without looking at any stored code (decision 18).

mod denial;
mod digits;
mod label;
mod mixed;
mod quote;

use super::challenge::Shape;
use super::code::{CodeKind, Secret};
use super::fold::fold;
use super::keyword::{self, Keyword, spoken, words};
use denial::Denial;
use label::{unlabelled, untailed};

/// Characters of a reply that are considered. Of a longer one nothing is taken for a code.
pub const CONSIDERED: usize = 2_000;

/// A reply, read. Reads the same whoever it may be meant for.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    exact: Secret,
    own: Secret,
    keyword: Option<Keyword>,
    denial: Denial,
    cut: bool,
}

/// The answer that a reply holds, for one shape of value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Candidate {
    /// No answer: no attempt.
    None,
    /// One, without white space, letters as typed (the caller folds case where the check says so).
    One(Secret),
    /// Several different ones: one failed attempt, none of them tried.
    Ambiguous,
}

/// Reads a reply as it came from a handset. Total: any text has a reading. Bounded by [`CONSIDERED`].
pub fn read(text: &str) -> Reading {
    let end = text.char_indices().nth(CONSIDERED).map(|(at, _)| at);
    let considered = &text[..end.unwrap_or(text.len())];
    let folded = zeroize::Zeroizing::new(fold(considered));
    let own = quote::own(&folded);
    // A text without a letter has no word in it.
    let spoken = own.contains(char::is_alphabetic).then(|| spoken(&own));
    let words = spoken.as_ref().map_or_else(Vec::new, |it| words(it));
    Reading {
        keyword: keyword::of(&words),
        denial: denial::read(&words),
        exact: Secret::new(considered.trim()),
        own: Secret::new(own),
        cut: end.is_some(),
    }
}

/// A value as a [`Candidate`] of shape [`Shape::Free`] would hold it: plain characters, no white space. What a plain `VerifVal` is
/// brought to before it is compared; case is kept.
pub fn canonical(value: &str) -> Secret {
    Secret::new(spaceless(&zeroize::Zeroizing::new(fold(value))))
}

impl Reading {
    /// STOP, HELP or START: asked first, and never an attempt.
    pub const fn keyword(&self) -> Option<Keyword> {
        self.keyword
    }

    /// "No", "not me", "fraud": whoever wrote it did not ask for this. No candidate is read then.
    pub const fn denied(&self) -> bool {
        matches!(self.denial, Denial::Said)
    }

    /// The whole text, trimmed and otherwise as it came (at most [`CONSIDERED`] characters). A static value that equals it comes
    /// before START and YES (decision 19).
    pub const fn exact(&self) -> &Secret {
        &self.exact
    }

    /// Whether the whole text equals `value` but for surrounding white space. Constant time for equal lengths.
    pub fn matches_exactly(&self, value: &Secret) -> bool {
        !self.cut && self.exact == Secret::new(value.expose().trim())
    }

    /// The answer in it, for a value of this shape.
    pub fn candidate(&self, shape: Shape) -> Candidate {
        if self.keyword.is_some() || self.denial != Denial::None {
            return Candidate::None;
        }
        let own = self.own.expose();
        let found = match shape {
            Shape::Digits(n) => number(own, usize::from(n)),
            Shape::Otpa => single(mixed::find(own, CodeKind::Otpa.len())),
            Shape::Alphanumeric(n) => single(mixed::find(own, usize::from(n))),
            Shape::Free => free(own),
            Shape::OtpThen => after_number(own),
            Shape::OtpaThen => after_mixed(own),
        };
        // What was cut off may hold another number.
        match found {
            Candidate::One(_) if self.cut => Candidate::Ambiguous,
            found => found,
        }
    }
}

fn number(own: &str, n: usize) -> Candidate {
    let found = digits::find(own, n);
    match single(found.codes) {
        Candidate::One(_) if found.others => Candidate::Ambiguous,
        candidate => candidate,
    }
}

fn single(mut found: Vec<String>) -> Candidate {
    match found.len() {
        0 => Candidate::None,
        1 => found.pop().map_or(Candidate::None, one),
        _ => Candidate::Ambiguous,
    }
}

// The first line that says something, without label and thanks.
fn free(own: &str) -> Candidate {
    let line = untailed(unlabelled(own)).lines().map(str::trim).find(|it| !it.is_empty()).unwrap_or_default();
    let line = untailed(line);
    let bare = line.strip_prefix(['"', '\'']).and_then(|it| it.strip_suffix(['"', '\''])).unwrap_or(line);
    let value = spaceless(bare);
    // A number among other numbers of its length is a list of guesses, whatever line each stands on (decision 18).
    if value.len() >= 3 && value.bytes().all(|b| b.is_ascii_digit()) {
        let found = digits::find(own, value.len());
        if found.codes.len() > 1 || found.others {
            return Candidate::Ambiguous;
        }
    }
    one(value)
}

// Our six digits, then at least one character of the publisher's value.
fn after_number(own: &str) -> Candidate {
    let n = CodeKind::Otp.len();
    let value = untailed(unlabelled(own));
    let (mut taken, mut end) = (String::with_capacity(n), 0);
    for (at, c) in value.char_indices().take_while(|(_, c)| c.is_ascii_digit() || matches!(c, ' ' | '-' | '\n')) {
        if c.is_ascii_digit() {
            taken.push(c);
            end = at + 1;
        }
        if taken.len() == n {
            break;
        }
    }
    // Our code, one value of six digits after it, and no third number of that length.
    if digits::find(own, n).codes.len() > 2 {
        return Candidate::Ambiguous;
    }
    if taken.len() == n { joined(taken, &value[end..]) } else { Candidate::None }
}

// Our five characters, then at least one of the publisher's value.
fn after_mixed(own: &str) -> Candidate {
    let value = untailed(unlabelled(own));
    let end = value.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).nth(CodeKind::Otpa.len() - 1).map(|(at, _)| at + 1);
    let Some((head, rest)) = end.map(|end| value.split_at(end)) else { return Candidate::None };
    let taken: String = head.chars().filter(|c| !matches!(c, ' ' | '-' | '\n')).collect();
    // A sentence begins with five letters too: a code has a digit, or is typed in capitals.
    let telling = taken.bytes().any(|b| b.is_ascii_digit()) || taken.bytes().all(|b| b.is_ascii_uppercase());
    if mixed::is_code(&taken, CodeKind::Otpa.len()) && telling { joined(taken, rest) } else { Candidate::None }
}

fn joined(mut taken: String, rest: &str) -> Candidate {
    let rest = rest.trim_start_matches([' ', '\n', ',', '+', ';', '/']);
    let rest = rest.strip_prefix(['-', '.']).unwrap_or(rest);
    let rest = spaceless(unlabelled(rest.strip_prefix("and ").unwrap_or(rest)));
    if rest.is_empty() {
        return Candidate::None;
    }
    taken.push_str(&rest);
    one(taken)
}

fn one(text: String) -> Candidate {
    if text.is_empty() { Candidate::None } else { Candidate::One(Secret::new(text)) }
}

fn spaceless(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests;
