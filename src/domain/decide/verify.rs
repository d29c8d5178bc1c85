//! Making a verifier, and judging an answer by it, without ever seeing a stored code (decisions 2, 18, 26).

use super::rules::OwnValue;
use crate::domain::challenge::{Check, Shape, Verifier};
use crate::domain::code::{CodeKind, Secret};
use crate::domain::id::AggregateId;
use crate::domain::keyring::Keyring;
use crate::domain::reply::canonical;

/// The verifier for what we generated, what the publisher gave, or the one followed by the other (contract, behaviour 2).
/// `None` when there is neither.
pub fn verifier(keyring: &dyn Keyring, id: AggregateId, code: Option<(CodeKind, &Secret)>, own: Option<&OwnValue>) -> Option<Verifier> {
    let tag = |text: &str| keyring.code_tag(id, text.as_bytes());
    Some(match (code, own) {
        (None, None) => return None,
        (Some((kind, code)), None) => {
            let shape = if kind == CodeKind::Otp { Shape::Digits(6) } else { Shape::Otpa };
            Verifier { shape, check: Check::Value { tag: tag(code.expose()), fold: kind == CodeKind::Otpa } }
        }
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

/// Whether `typed` is the answer. It is compared trimmed, and without spaces (decision 18).
pub fn is_right(keyring: &dyn Keyring, id: AggregateId, verifier: &Verifier, typed: &Secret) -> bool {
    let typed = typed.expose();
    let joined = || Secret::new(typed.split_whitespace().collect::<String>());
    match &verifier.check {
        Check::Value { tag, fold } => {
            let value = if *fold { folded(typed) } else { joined() };
            keyring.code_tag(id, value.expose().as_bytes()) == *tag
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
    let theirs = match &verifier.check {
        Check::Value { tag, .. } => Some(tag),
        Check::Hashed { prefix, .. } => prefix.as_ref().map(|(_, tag)| tag),
    };
    theirs.is_some_and(|tag| keyring.code_tag(id, code.as_bytes()) == *tag)
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
