//! Reads the fields of one TOML table. Whatever is missing, mistyped or unknown goes to the report with its place.

use super::problem::{At, Place, Report};
use std::cell::RefCell;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Longest name, identifier or other short text, in characters.
const SHORT: usize = 200;

/// One table being read. [`Fields::finish`] refuses the keys that nobody asked for.
pub(super) struct Fields<'a, 'i> {
    /// Where problems go.
    pub report: &'a Report<'i>,
    /// Where the table begins.
    pub place: Place,
    table: &'a DeTable<'i>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a, 'i> Fields<'a, 'i> {
    /// The fields of `table`, which begins at `place`.
    pub fn new(table: &'a DeTable<'i>, place: Place, report: &'a Report<'i>) -> Self {
        Self { report, place, table, asked: RefCell::default() }
    }

    /// A short text on one line, not empty; `None` when absent or refused.
    pub fn short(&self, key: &'static str) -> Option<At<String>> {
        let text = self.text(key)?;
        self.short_enough(key, text)
    }

    /// A short text that has to be there.
    pub fn required(&self, key: &'static str) -> Option<At<String>> {
        if !self.has(key) {
            self.report.wrong(self.place, format!("`{key}` is missing; add {key} = \"…\""));
        }
        self.short(key)
    }

    /// A text of any form, as written.
    pub fn text(&self, key: &'static str) -> Option<At<String>> {
        let value = self.value(key)?;
        let text = value.get_ref().as_str().map(str::to_owned);
        self.typed(key, value, text, "a text in quotes")
    }

    /// A list of short texts; empty when absent.
    pub fn list(&self, key: &'static str) -> Vec<At<String>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(items) = self.typed(key, value, value.get_ref().as_array(), "a list of texts: [\"…\", \"…\"]") else {
            return Vec::new();
        };
        let text = |item| self.typed(key, item, item.get_ref().as_str().map(str::to_owned), "a list of texts: [\"…\", \"…\"]");
        items.value.iter().filter_map(text).filter_map(|it| self.short_enough(key, it)).collect()
    }

    /// `true` or `false`; `default` when absent.
    pub fn flag(&self, key: &'static str, default: bool) -> bool {
        let value = self.value(key);
        value.and_then(|it| self.typed(key, it, it.get_ref().as_bool(), "true or false")).map_or(default, |it| it.value)
    }

    /// A whole number within `range`; `default` when absent.
    pub fn number<N: TryFrom<u64>>(&self, key: &'static str, range: RangeInclusive<u64>, default: N) -> N {
        let Some(value) = self.value(key) else { return default };
        let number = value.get_ref().as_integer().and_then(|it| u64::from_str_radix(it.as_str(), it.radix()).ok());
        let number = number.filter(|it| range.contains(it)).and_then(|it| N::try_from(it).ok());
        let right = format!("a whole number from {} to {}", range.start(), range.end());
        self.typed(key, value, number, &right).map_or(default, |it| it.value)
    }

    /// A table within; `None` when absent.
    pub fn table(&self, key: &'static str) -> Option<Fields<'a, 'i>> {
        let value = self.value(key)?;
        let table = self.typed(key, value, value.get_ref().as_table(), &format!("a table: [{key}]"))?;
        Some(Fields::new(table.value, table.place, self.report))
    }

    /// Tables within, as `[[key]]`; empty when absent. More than `most` are refused, and none of them read.
    pub fn tables(&self, key: &'static str, most: usize) -> Vec<Fields<'a, 'i>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let right = format!("one or more tables: [[{key}]]");
        let Some(items) = self.typed(key, value, value.get_ref().as_array(), &right) else { return Vec::new() };
        if items.value.len() > most {
            self.report.wrong(items.place, format!("more than {most} of [[{key}]]"));
            return Vec::new();
        }
        let table = |item: &'a Spanned<DeValue<'i>>| self.typed(key, item, item.get_ref().as_table(), &right);
        items.value.iter().filter_map(table).map(|it| Fields::new(it.value, it.place, self.report)).collect()
    }

    /// Every key with its text: for a table whose keys the operator chooses.
    pub fn pairs(self) -> Vec<(At<String>, At<String>)> {
        let pair = |(key, value): (&Spanned<_>, &'a Spanned<DeValue<'i>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            let text = self.typed(name, value, value.get_ref().as_str().map(str::to_owned), "a text in quotes")?;
            Some((At { value: name.clone().into_owned(), place: self.at(key.span().start) }, self.short_enough(name, text)?))
        };
        self.table.iter().filter_map(pair).collect()
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the key's value stands; the table's own place when it is absent.
    pub fn place_of(&self, key: &str) -> Place {
        self.table.get(key).map_or(self.place, |it| self.at(it.span().start))
    }

    /// Refuses the keys that were not asked for; nothing is read after this.
    pub fn finish(self) {
        self.known();
    }

    /// As [`Fields::finish`], for a table whose place is still needed.
    pub fn known(&self) {
        let asked = self.asked.borrow();
        for key in self.table.keys().filter(|it| !asked.contains(&it.get_ref().as_ref())) {
            let message = format!("unknown key `{}`; known here: {}", key.get_ref(), asked.join(", "));
            self.report.wrong(self.at(key.span().start), message);
        }
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.table.get(key)
    }

    fn at(&self, offset: usize) -> Place {
        Place { file: self.place.file, offset }
    }

    fn typed<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, read: Option<T>, right: &str) -> Option<At<T>> {
        let place = self.at(value.span().start);
        if read.is_none() {
            self.report.wrong(place, format!("`{key}` must be {right}"));
        }
        read.map(|value| At { value, place })
    }

    fn short_enough(&self, key: &str, text: At<String>) -> Option<At<String>> {
        let ok = !text.value.trim().is_empty() && text.value.chars().count() <= SHORT && !text.value.chars().any(char::is_control);
        if !ok {
            self.report.wrong(text.place, format!("`{key}` must be a text of 1 to {SHORT} characters on one line"));
        }
        ok.then_some(text)
    }
}
