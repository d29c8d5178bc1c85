//! Bytes of the stored forms: small writers and strict, bounded readers. Nothing here knows what it writes.
//!
//! A value has one spelling in each form: what could be written shorter, and is not, is refused.

use super::form::{Form, too_new};
use crate::domain::code::{Secret, Tag};
use crate::domain::contact::Address;
use crate::domain::time::Timestamp;
use std::ops::Range;
use uuid::Uuid;

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
    let mut from = Decoder { rest, form, base: None, address: None };
    let value = read(&mut from)?;
    from.end()?;
    Ok(value)
}

/// Writes values one after the other.
pub(crate) struct Encoder {
    out: Vec<u8>,
    form: Form,
    /// The first time; those after it are told from it.
    base: Option<i64>,
    /// Where the first address is; the same again is not written again.
    address: Option<Range<usize>>,
}

impl Encoder {
    /// For what has no form.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self::after(0, bytes)
    }

    /// With so many bytes before what is written, for whoever takes it on.
    pub(crate) fn after(room: usize, bytes: usize) -> Self {
        let mut out = Vec::with_capacity(room + bytes);
        out.resize(room, 0);
        Self { out, form: Form::OLDEST, base: None, address: None }
    }

    /// For a value of this form; its number is written.
    pub(crate) fn of(form: Form, room: usize, bytes: usize) -> Self {
        let mut out = Self { form, ..Self::after(room, bytes) };
        out.byte(form.number());
        out
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    #[inline]
    pub(crate) fn byte(&mut self, value: u8) {
        self.out.push(value);
    }

    #[inline]
    pub(crate) fn flag(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    /// Seven bits a byte, lowest first.
    #[inline]
    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// In form 2 what lies between it and the first of the value; a sign is the lowest bit, so that small numbers stay small.
    #[inline]
    pub(crate) fn time(&mut self, at: Timestamp) {
        if self.form < Form::Two {
            return self.fixed(&at.millis().to_be_bytes());
        }
        let since = at.millis().wrapping_sub(self.base.unwrap_or(0));
        self.base.get_or_insert(at.millis());
        self.number(((since << 1) ^ (since >> 63)) as u64);
    }

    #[inline]
    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.out.extend_from_slice(value);
    }

    #[inline]
    pub(crate) fn fixed(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }

    #[inline]
    pub(crate) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    #[inline]
    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.out.extend_from_slice(value.as_bytes());
    }

    #[inline]
    pub(crate) fn tag(&mut self, value: &Tag) {
        self.fixed(&value.0);
        if self.form < Form::Two {
            self.fixed(&[0; 16]);
        }
    }

    /// In form 2 the value's first address is not written again.
    #[inline]
    pub(crate) fn address(&mut self, value: &Address) {
        let text = value.expose();
        if self.form < Form::Two {
            return self.text(text);
        }
        if let Some(first) = &self.address {
            let same = self.out[first.clone()] == *text.as_bytes();
            return self.option((!same).then_some(text), Self::text);
        }
        self.text(text);
        self.address = Some(self.out.len() - text.len()..self.out.len());
    }

    /// One that is mostly `among` what the value has already: in form 2 its place there, from 1, or 0 and the id.
    #[inline]
    pub(crate) fn known(&mut self, value: Uuid, mut among: impl Iterator<Item = Uuid>) {
        if self.form < Form::Two {
            return self.uuid(value);
        }
        let place = among.position(|it| it == value).map_or(0, |it| it as u64 + 1);
        self.number(place);
        if place == 0 {
            self.uuid(value);
        }
    }

    /// A text that is mostly one of `usual`: in form 2 its place there, from 1, or 0 and the text.
    #[inline]
    pub(crate) fn usual(&mut self, value: &str, usual: &[&str]) {
        if self.form < Form::Two {
            return self.text(value);
        }
        let place = usual.iter().position(|it| *it == value).map_or(0, |it| it as u64 + 1);
        self.number(place);
        if place == 0 {
            self.text(value);
        }
    }

    #[inline]
    pub(crate) fn option<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            put(self, value);
        }
    }

    #[inline]
    pub(crate) fn list<T>(&mut self, values: &[T], mut put: impl FnMut(&mut Self, &T)) {
        self.number(values.len() as u64);
        values.iter().for_each(|it| put(self, it));
    }
}

/// Elements of a list that are reserved before they are read.
const RESERVED: usize = 8;

/// Reads what an [`Encoder`] wrote, in the same order.
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    form: Form,
    base: Option<i64>,
    address: Option<&'a str>,
}

impl<'a> Decoder<'a> {
    /// For what has no form.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, form: Form::OLDEST, base: None, address: None }
    }

    /// Whether nothing is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything must have been read.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.is_at_end() { Ok(()) } else { Err(Malformed) }
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|it| it[0])
    }

    #[inline]
    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    #[inline]
    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if (shift > 0 && byte == 0) || part.leading_zeros() < shift {
                return Err(Malformed);
            }
            value |= part << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    #[inline]
    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        T::try_from(self.number()?).map_err(|_| Malformed)
    }

    #[inline]
    pub(crate) fn time(&mut self) -> Result<Timestamp, Malformed> {
        if self.form < Form::Two {
            return self.array().map(|it| Timestamp::from_millis(i64::from_be_bytes(it)));
        }
        let number = self.number()?;
        let since = (number >> 1) as i64 ^ -((number & 1) as i64);
        let at = since.wrapping_add(self.base.unwrap_or(0));
        self.base.get_or_insert(at);
        Ok(Timestamp::from_millis(at))
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.small()?;
        self.take(len)
    }

    #[inline]
    pub(crate) fn str(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    #[inline]
    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        self.str().map(str::to_owned)
    }

    pub(crate) fn secret(&mut self) -> Result<Secret, Malformed> {
        self.str().map(Secret::new)
    }

    #[inline]
    pub(crate) fn uuid(&mut self) -> Result<Uuid, Malformed> {
        self.array().map(Uuid::from_bytes)
    }

    #[inline]
    pub(crate) fn tag(&mut self) -> Result<Tag, Malformed> {
        let mac = self.array()?;
        if self.form < Form::Two && self.array()? != [0_u8; 16] {
            return Err(Malformed);
        }
        Ok(Tag(mac))
    }

    #[inline]
    pub(crate) fn address(&mut self) -> Result<Address, Malformed> {
        let text = match self.address {
            _ if self.form < Form::Two => self.str()?,
            Some(first) => self.option(Self::str)?.map_or(Ok(first), |it| if it == first { Err(Malformed) } else { Ok(it) })?,
            None => self.str()?,
        };
        self.address.get_or_insert(text);
        Ok(Address::canonical(text))
    }

    #[inline]
    pub(crate) fn known(&mut self, among: impl Iterator<Item = Uuid> + Clone) -> Result<Uuid, Malformed> {
        if self.form < Form::Two {
            return self.uuid();
        }
        let place = self.small::<usize>()?;
        let value = match place.checked_sub(1) {
            Some(at) => among.clone().nth(at).ok_or(Malformed)?,
            None => self.uuid()?,
        };
        // The first that is the same, and nothing else.
        if among.into_iter().position(|it| it == value).map_or(0, |it| it + 1) == place { Ok(value) } else { Err(Malformed) }
    }

    #[inline]
    pub(crate) fn usual(&mut self, usual: &[&str]) -> Result<String, Malformed> {
        if self.form < Form::Two {
            return self.text();
        }
        match self.small::<usize>()?.checked_sub(1) {
            Some(at) => usual.get(at).map(|it| (*it).to_owned()).ok_or(Malformed),
            None => self.text().and_then(|it| if usual.contains(&it.as_str()) { Err(Malformed) } else { Ok(it) }),
        }
    }

    #[inline]
    pub(crate) fn option<T>(&mut self, take: impl FnOnce(&mut Self) -> Result<T, Malformed>) -> Result<Option<T>, Malformed> {
        if self.flag()? { take(self).map(Some) } else { Ok(None) }
    }

    /// Every element takes at least a byte, so a count beyond what is left is refused before anything is reserved; and then
    /// no more than most lists need.
    #[inline]
    pub(crate) fn list<T>(&mut self, mut take: impl FnMut(&mut Self) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
        let count: usize = self.small()?;
        if count > self.rest.len() {
            return Err(Malformed);
        }
        let mut all = Vec::with_capacity(count.min(RESERVED));
        for _ in 0..count {
            all.push(take(self)?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_have_one_form(value: u64) {
            let mut out = Encoder::with_capacity(0);
            out.number(value);
            let bytes = out.finish();
            let mut read = Decoder::new(&bytes);
            prop_assert_eq!(read.number(), Ok(value));
            prop_assert_eq!(read.end(), Ok(()));
        }

        #[test]
        fn a_number_that_is_read_is_written_alike(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut read = Decoder::new(&bytes);
            if let Ok(value) = read.number() {
                let mut out = Encoder::with_capacity(0);
                out.number(value);
                let written = out.finish();
                prop_assert_eq!(&bytes[..written.len()], &written[..]);
            }
        }
    }
}
