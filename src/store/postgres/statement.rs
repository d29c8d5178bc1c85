//! A statement in the making: parts that are written down one after the other, each with the values that go along.

use std::fmt::Write as _;
use tokio_postgres::types::ToSql;

/// A value that is sent along.
pub(super) type Value<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// A statement, and what is sent along.
#[derive(Default)]
pub(super) struct Statement<'a> {
    pub(super) text: String,
    pub(super) values: Vec<Value<'a>>,
}

/// Puts a statement together.
#[derive(Default)]
pub(super) struct Builder<'a> {
    statement: Statement<'a>,
    /// The columns of the rows that are being written down.
    columns: String,
    /// What each part must have done, as conditions.
    counts: String,
    returns: Option<String>,
}

impl<'a> Builder<'a> {
    /// Rows of several columns, as a part of `FROM`. They come as they are asked for: each column of `unnest` there would be a table first.
    pub(super) fn rows(&mut self, columns: impl FnOnce(&mut Self)) -> String {
        self.columns.clear();
        columns(self);
        format!("(SELECT {})", self.columns)
    }

    pub(super) fn column(&mut self, of: &str, values: impl ToSql + Sync + Send + 'a) {
        self.statement.values.push(Box::new(values));
        let comma = if self.columns.is_empty() { "" } else { ", " };
        let _ = write!(self.columns, "{comma}unnest(${}::{of}[])", self.statement.values.len());
    }

    pub(super) fn part(&mut self, name: &str, text: &str) {
        let before = if self.statement.text.is_empty() { "WITH" } else { "," };
        let _ = write!(self.statement.text, "{before} {name} AS ({text})");
    }

    pub(super) fn count(&mut self, part: &str, expected: usize) {
        self.statement.values.push(Box::new(expected as i64));
        let and = if self.counts.is_empty() { "" } else { " AND " };
        let _ = write!(self.counts, "{and}(SELECT count(*) FROM {part}) = ${}::int8", self.statement.values.len());
    }

    pub(super) fn returns(&mut self, text: String) {
        self.returns = Some(text);
    }

    pub(super) fn finish(mut self) -> Statement<'a> {
        let all = if self.counts.is_empty() { "true" } else { &self.counts };
        let _ = write!(self.statement.text, " SELECT NULL::bytea AS id, (1 / ({all})::int)::int8 AS fence, NULL::int8 AS send_at");
        if let Some(more) = self.returns {
            let _ = write!(self.statement.text, " UNION ALL {more}");
        }
        self.statement
    }
}
