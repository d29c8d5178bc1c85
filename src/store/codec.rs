//! Bytes of the stored forms: small writers and strict, bounded readers. Nothing here knows what it writes.

use crate::domain::code::{Secret, Tag};
use crate::domain::time::Timestamp;
use uuid::Uuid;

/// The bytes are not what was written: a wrong length, an unknown value, or something left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored value can't be read")]
pub(crate) struct Malformed;

/// Writes values one after the other.
#[derive(Default)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// With so many bytes before what is written, for whoever takes it on.
    pub(crate) fn after(room: usize, bytes: usize) -> Self {
        let mut out = Vec::with_capacity(room + bytes);
        out.resize(room, 0);
        Self(out)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    #[inline]
    pub(crate) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    #[inline]
    pub(crate) fn flag(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    /// Seven bits a byte, lowest first.
    #[inline]
    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    #[inline]
    pub(crate) fn time(&mut self, at: Timestamp) {
        self.0.extend_from_slice(&at.millis().to_be_bytes());
    }

    #[inline]
    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    #[inline]
    pub(crate) fn fixed(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    #[inline]
    pub(crate) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    #[inline]
    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.0.extend_from_slice(value.as_bytes());
    }

    #[inline]
    pub(crate) fn tag(&mut self, value: &Tag) {
        self.0.extend_from_slice(&value.0);
        self.0.extend_from_slice(&[0; 16]);
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
pub(crate) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Everything must have been read.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
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
        self.array().map(|it| Timestamp::from_millis(i64::from_be_bytes(it)))
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
        let (mac, rest) = (self.array()?, self.array::<16>()?);
        if rest == [0; 16] { Ok(Tag(mac)) } else { Err(Malformed) }
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
        if count > self.0.len() {
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
            let mut out = Encoder::default();
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
                let mut out = Encoder::default();
                out.number(value);
                let written = out.finish();
                prop_assert_eq!(&bytes[..written.len()], &written[..]);
            }
        }
    }
}
