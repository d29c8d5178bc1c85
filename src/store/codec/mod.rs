//! Bytes of the stored forms: small writers and strict, bounded readers. Nothing here knows what it writes.
//!
//! A value has one spelling in each form: what could be written shorter, and is not, is refused.

mod decoder;
mod encoder;

use super::form::{Form, too_new};
pub(crate) use decoder::Decoder;
pub(crate) use encoder::Encoder;

/// The bytes are not what was written: a wrong length, an unknown value, or something left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored value can't be read")]
pub(crate) struct Malformed;

/// Why a value can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Its bytes are as they should be, and say nothing to this program.
    #[error("{}", too_new((*.0).into(), *.1))]
    Newer(u8, Form),
}

/// Reads the whole of a value that [`Encoder::of`] began, in any form up to `newest`.
pub(crate) fn whole<T>(bytes: &[u8], newest: Form, read: impl FnOnce(&mut Decoder<'_>) -> Result<T, Malformed>) -> Result<T, Unread> {
    let (number, rest) = bytes.split_first().ok_or(Malformed)?;
    let form = match (*number, Form::of((*number).into())) {
        (0, _) => return Err(Malformed.into()),
        (_, Some(form)) if form <= newest => form,
        (newer, _) => return Err(Unread::Newer(newer, newest)),
    };
    let mut from = Decoder::of(form, rest);
    let value = read(&mut from)?;
    from.end()?;
    Ok(value)
}

#[cfg(test)]
mod tests;
