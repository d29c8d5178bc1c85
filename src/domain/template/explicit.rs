//! What `SMSText` may carry at the explicit level: an OTP tag, and no other (3156, 3157).

use super::source::{Segment, TemplateError, compile, place, tags};
use super::target::Target;
use crate::domain::code::CodeKind;

/// Why an `SMSText` can't be sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExplicitError {
    /// Both an OTP and an OTPA tag (3156).
    #[error("the text may not carry both an OTP and an OTPA tag; keep one")]
    BothCodes,
    /// A tag other than an OTP tag (3157).
    #[error("line {line}, column {column}: the text may carry no tag but an OTP tag")]
    OtherTag {
        /// 1-based.
        line: usize,
        /// 1-based, in characters.
        column: usize,
    },
    /// A tag without an end, or a text that is too long (39019).
    #[error(transparent)]
    Malformed(TemplateError),
}

/// Judges an `SMSText`; all that is wrong with it, in the order of the codes. A text without any tag is fine.
pub fn explicit(source: &str) -> Result<Vec<CodeKind>, Vec<ExplicitError>> {
    let mut found = Vec::new();
    let mut other = None;
    for span in tags(source).map_while(Result::ok) {
        match source[span.start + 2..span.end - 2].trim() {
            "$otp" => found.push(CodeKind::Otp),
            "$otpa" => found.push(CodeKind::Otpa),
            _ => other = other.or(Some(span.start)),
        }
    }
    let mut errors = Vec::new();
    if found.contains(&CodeKind::Otp) && found.contains(&CodeKind::Otpa) {
        errors.push(ExplicitError::BothCodes);
    }
    if let Some(at) = other {
        let (line, column) = place(source, at);
        errors.push(ExplicitError::OtherTag { line, column });
    } else {
        match compile(source, Target::Sms) {
            Ok(segments) => debug_assert_eq!(segments.iter().filter(|it| matches!(it, Segment::Code(_))).count(), found.len()),
            Err(error) => errors.push(ExplicitError::Malformed(error)),
        }
    }
    found.dedup();
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}
