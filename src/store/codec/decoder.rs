//! Reads.

use super::Malformed;
use crate::domain::code::{Secret, Tag};
use crate::domain::contact::Address;
use crate::domain::time::Timestamp;
use crate::store::form::Form;
use uuid::Uuid;

/// Elements of a list that are reserved before they are read.
const RESERVED: usize = 8;

/// Reads what an [`Encoder`](super::Encoder) wrote, in the same order.
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    form: Form,
    base: Option<i64>,
    address: Option<&'a str>,
}

impl<'a> Decoder<'a> {
    /// For what has no form.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self::of(Form::OLDEST, bytes)
    }

    /// For what comes after the number of a form.
    pub(super) fn of(form: Form, rest: &'a [u8]) -> Self {
        Self { rest, form, base: None, address: None }
    }

    /// The form that is read.
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// What this form has no words for is none of its values.
    pub(crate) fn since(&self, form: Form) -> Result<(), Malformed> {
        if self.form >= form { Ok(()) } else { Err(Malformed) }
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
