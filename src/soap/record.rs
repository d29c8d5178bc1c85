//! One sequence of the contract's schema, read in any order.
//!
//! Version markers mean nothing in a request: an element counts with, without, or out of order to its marker. What we
//! don't know is passed over where the schema has `any` (inside `Custom`, and behind the last marker of a record, our
//! namespace only); elsewhere it is refused, since a misspelt element must not be dropped in silence.

use super::malformed::{Malformed, Read};
use super::names::Ns;
use super::xml::{Element, Reader};
use crate::domain::code::Secret;
use crate::domain::request::Field;
use std::borrow::Cow;

/// The elements of a record that are read.
pub struct Shape {
    /// Elements that come once at most.
    pub once: &'static [&'static str],
    /// Elements that may come again.
    pub many: &'static [&'static str],
    /// Number of the last version marker, behind which anything of our namespace may stand.
    pub last: u32,
}

/// A record on its way.
pub struct Record {
    shape: &'static Shape,
    seen: u32,
    after: usize,
    open: bool,
}

impl Record {
    /// The record whose start tag was just read.
    pub fn new(shape: &'static Shape) -> Self {
        Self { shape, seen: 0, after: 0, open: false }
    }

    /// The next element that is read, with its name from the shape; `None` at the record's end. The caller consumes it.
    pub fn next<'a>(&mut self, reader: &mut Reader<'a>) -> Read<Option<(&'static str, Element<'a>)>> {
        while let Some(element) = reader.child()? {
            if element.ns != Ns::Tpg {
                return Err(unexpected(reader, &element));
            }
            if let Some(at) = self.place(element.name) {
                self.mark(reader, at, &element)?;
                self.after = at + 1;
                return Ok(Some((self.shape.once[at], element)));
            }
            if let Some(name) = self.shape.many.iter().find(|it| **it == element.name) {
                return Ok(Some((name, element)));
            }
            match (element.name, marker(element.name)) {
                ("Custom", _) => self.mark(reader, 31, &element)?,
                (_, Some(number)) => self.open |= number >= self.shape.last,
                _ if self.open => {}
                _ => return Err(unexpected(reader, &element)),
            }
            reader.skip()?;
        }
        Ok(None)
    }

    // Most senders keep to the schema's order, so what comes next is looked for behind what came last.
    fn place(&self, name: &str) -> Option<usize> {
        let (before, behind) = self.shape.once.split_at(self.after);
        let found = behind.iter().position(|it| *it == name).map(|at| at + self.after);
        found.or_else(|| before.iter().position(|it| *it == name))
    }

    fn mark(&mut self, reader: &Reader<'_>, at: usize, element: &Element<'_>) -> Read<()> {
        let bit = 1 << at;
        if self.seen & bit != 0 {
            return Err(reader.fail(format!("The element {} comes twice.", element.name)));
        }
        self.seen |= bit;
        Ok(())
    }
}

/// The text of an optional element, trimmed; `None` when it is nil or empty.
pub fn text(reader: &mut Reader<'_>, element: &Element<'_>) -> Read<Option<String>> {
    let raw = raw(reader, element)?;
    Ok(raw.as_deref().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned))
}

/// The text of a required element, trimmed.
pub fn field(reader: &mut Reader<'_>, element: &Element<'_>) -> Read<Field> {
    Ok(raw(reader, element)?.map_or(Field::Null, |it| Field::Text(it.trim().to_owned())))
}

/// The text of an optional element that may hold a secret, as sent; `None` when it is nil or empty.
pub fn secret(reader: &mut Reader<'_>, element: &Element<'_>) -> Read<Option<Secret>> {
    Ok(raw(reader, element)?.filter(|it| !it.is_empty()).map(Secret::new))
}

/// The text of an element, as sent; `None` when it is nil.
pub fn raw<'a>(reader: &mut Reader<'a>, element: &Element<'_>) -> Read<Option<Cow<'a, str>>> {
    if element.is_nil() {
        reader.skip()?;
        return Ok(None);
    }
    reader.text().map(Some)
}

fn marker(name: &str) -> Option<u32> {
    name.strip_prefix("Ver_").and_then(|number| number.parse().ok())
}

// Names are the sender's own; a long one is cut.
fn unexpected(reader: &Reader<'_>, element: &Element<'_>) -> Box<Malformed> {
    let name: String = element.name.chars().take(64).collect();
    let hint = if element.ns == Ns::Tpg { "" } else { ", or its namespace is not the contract's" };
    reader.fail(format!("The element {name} is not expected here{hint}."))
}
