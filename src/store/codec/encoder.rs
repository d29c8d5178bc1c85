//! Writes.

use crate::domain::code::Tag;
use crate::domain::contact::Address;
use crate::domain::time::Timestamp;
use crate::store::form::Form;
use std::ops::Range;
use uuid::Uuid;

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

    /// The form that is written.
    pub(crate) fn form(&self) -> Form {
        self.form
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
