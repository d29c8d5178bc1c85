//! Making a verifier, and judging an answer by it, without ever seeing a stored code (decisions 2, 18, 26).

use super::Facts;
use super::rules::OwnValue;
use crate::domain::challenge::{Check, Shape, Verifier};
use crate::domain::code::{Candidates, CodeKind, CodeShape, Secret, Tag};
use crate::domain::id::AggregateId;
use crate::domain::keyring::Keyring;
use crate::domain::reply::canonical;

/// The verifier for what we generated, what the publisher gave, or the one followed by the other (contract, behaviour 2).
/// `None` when there is neither.
pub fn verifier(keyring: &dyn Keyring, id: AggregateId, code: Option<(CodeKind, &Secret)>, own: Option<&OwnValue>) -> Option<Verifier> {
    let tag = |text: &str| keyring.code_tag(id, text.as_bytes());
    Some(match (code, own) {
        (None, None) => return None,
        (Some((kind, code)), None) => of_code(keyring, id, kind.shape(), code),
        (None, Some(OwnValue::Plain(value))) => {
            let value = folded(value.expose());
            Verifier { shape: shape_of(value.expose()), check: Check::Value { tag: tag(value.expose()), fold: true } }
        }
        (Some((kind, code)), Some(OwnValue::Plain(value))) => {
            let whole = Secret::new([code.expose(), folded(value.expose()).expose()].concat());
            Verifier { shape: followed(kind), check: Check::Value { tag: tag(whole.expose()), fold: true } }
        }
        (code, Some(OwnValue::Hashed { kind, digest, salt })) => Verifier {
            shape: code.map_or(Shape::Free, |(kind, _)| followed(kind)),
            check: Check::Hashed {
                prefix: code.map(|(kind, code)| (kind, tag(code.expose()))),
                tag: keyring.code_tag(id, digest),
                kind: *kind,
                salt: salt.clone(),
            },
        },
    })
}

/// The verifier for a code of ours.
pub fn of_code(keyring: &dyn Keyring, id: AggregateId, shape: CodeShape, code: &Secret) -> Verifier {
    let fold = matches!(shape, CodeShape::Alphanumeric(_));
    Verifier { shape: shape.into(), check: Check::Value { tag: keyring.code_tag(id, code.expose().as_bytes()), fold } }
}

/// A code for a new challenge: it differs from those that are open on any address concerned (decision 17). There are more
/// candidates than sessions.
pub fn fresh(facts: &Facts<'_>, candidates: &Candidates) -> Secret {
    let taken = |code: &str| {
        let open = facts.view.addresses.iter().flat_map(|it| &it.open);
        open.filter_map(|it| it.value.verifier.as_ref().map(|verifier| (it.value.id, verifier)))
            .any(|(id, verifier)| collides(facts.keyring, id, verifier, code))
    };
    candidates.iter().find(|code| !taken(code)).or(candidates.iter().next()).map(Secret::new).unwrap_or_default()
}

/// Whether `typed` is the answer. It is compared trimmed, and without spaces (decision 18).
pub fn is_right(keyring: &dyn Keyring, id: AggregateId, verifier: &Verifier, typed: &Secret) -> bool {
    let typed = typed.expose();
    let joined = || Secret::new(typed.split_whitespace().collect::<String>());
    match &verifier.check {
        Check::Value { tag, fold } => {
            let value = if *fold { folded(typed) } else { joined() };
            keyring.code_tag(id, value.expose().as_bytes()) == *tag
        }
        Check::Any { tags, fold } => {
            let value = if *fold { folded(typed) } else { joined() };
            is_among(keyring.code_tag(id, value.expose().as_bytes()), tags)
        }
        Check::Hashed { prefix: None, tag, kind, salt } => [typed.trim(), joined().expose()].into_iter().any(|text| {
            let digest = keyring.hash(*kind, text.as_bytes(), salt.expose().as_bytes());
            keyring.code_tag(id, &digest) == *tag
        }),
        Check::Hashed { prefix: Some((code, code_tag)), tag, kind, salt } => {
            let joined = joined();
            let Some((head, rest)) = joined.expose().split_at_checked(code.len()) else { return false };
            let head = Secret::new(head.to_ascii_uppercase());
            let digest = keyring.hash(*kind, rest.as_bytes(), salt.expose().as_bytes());
            // Both are computed whatever the first says, so that the time tells nothing of which half was wrong.
            let head_right = keyring.code_tag(id, head.expose().as_bytes()) == *code_tag;
            let rest_right = keyring.code_tag(id, &digest) == *tag;
            head_right & rest_right
        }
    }
}

/// Whether a fresh code is what an open challenge already waits for, in whole or as its first part (decision 17).
pub fn collides(keyring: &dyn Keyring, id: AggregateId, verifier: &Verifier, code: &str) -> bool {
    let tag = || keyring.code_tag(id, code.as_bytes());
    match &verifier.check {
        Check::Value { tag: theirs, .. } | Check::Hashed { prefix: Some((_, theirs)), .. } => tag() == *theirs,
        Check::Any { tags, .. } => is_among(tag(), tags),
        Check::Hashed { prefix: None, .. } => false,
    }
}

// All are compared, so that the time tells nothing of which it was.
fn is_among(tag: Tag, tags: &[Tag]) -> bool {
    tags.iter().fold(false, |found, it| found | (tag == *it))
}

fn followed(kind: CodeKind) -> Shape {
    match kind {
        CodeKind::Otp => Shape::OtpThen,
        CodeKind::Otpa => Shape::OtpaThen,
    }
}

// A plain numeric value is looked for as a number; its length is the one thing the reader may know.
fn shape_of(value: &str) -> Shape {
    match u8::try_from(value.len()) {
        Ok(len @ 3..=12) if value.bytes().all(|b| b.is_ascii_digit()) => Shape::Digits(len),
        _ => Shape::Free,
    }
}

// Without white space, in upper case.
fn folded(value: &str) -> Secret {
    Secret::new(canonical(value).expose().chars().flat_map(char::to_uppercase).collect::<String>())
}
