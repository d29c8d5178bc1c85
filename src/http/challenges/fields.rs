//! The fields of one request, taken one by one; what is wrong with them is kept until the end, and told at once.

use super::json::Json;
use crate::domain::code::Secret;
use crate::domain::decide::order::FieldError;
use serde::Serialize;
use utoipa::ToSchema;

/// Characters of a caller's own name that are told back.
const TOLD: usize = 64;

/// One field that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(as = FieldProblem)]
pub(in crate::http) struct Wrong {
    /// The field's name in the request; of one within an object `object.field`.
    pub field: String,
    /// What kind of rule it breaks, for programs; stable: `required`, `malformed`, `wrong-type`, `out-of-range`, `too-long`,
    /// `unknown`, `unknown-field`, `not-allowed`, `conflict`.
    pub code: &'static str,
    /// The rule in English. Never a value of the request.
    pub detail: String,
}

/// What is left of a request's object.
pub(super) struct Fields {
    members: Vec<(String, Json)>,
    prefix: &'static str,
    wrong: Vec<Wrong>,
}

impl Fields {
    pub(super) fn new(members: Vec<(String, Json)>) -> Self {
        Self { members, prefix: "", wrong: Vec::new() }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.secret(name).map(|it| it.expose().to_owned())
    }

    /// A text that nobody may read.
    pub(super) fn secret(&mut self, name: &'static str) -> Option<Secret> {
        match self.take(name)? {
            Json::Text(text) => Some(text),
            other => self.mistyped(name, "a text", &other),
        }
    }

    /// A whole number.
    pub(super) fn whole(&mut self, name: &'static str) -> Option<i64> {
        match self.take(name)? {
            Json::Whole(number) => Some(number),
            other => self.mistyped(name, "a whole number", &other),
        }
    }

    /// True or false.
    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Json::Flag(flag) => Some(flag),
            other => self.mistyped(name, "true or false", &other),
        }
    }

    /// An object whose members are all texts.
    pub(super) fn texts(&mut self, name: &'static str) -> Vec<(String, Secret)> {
        let members = match self.take(name) {
            None => return Vec::new(),
            Some(Json::Object(members)) => members,
            Some(other) => {
                self.mistyped::<()>(name, "an object of texts", &other);
                return Vec::new();
            }
        };
        let mut texts = Vec::with_capacity(members.len());
        for (key, value) in members {
            match value {
                Json::Text(text) => texts.push((key, text)),
                other => {
                    let detail = format!("It must be a text, not {}.", other.kind());
                    self.wrong.push(Wrong { field: format!("{name}.{}", told(&key)), code: "wrong-type", detail });
                }
            }
        }
        texts
    }

    /// An object, read by `read`.
    pub(super) fn object<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let members = match self.take(name)? {
            Json::Object(members) => members,
            other => return self.mistyped(name, "an object", &other),
        };
        let mut inner = Self { members, prefix: name, wrong: Vec::new() };
        let value = read(&mut inner);
        self.wrong.extend(inner.end());
        Some(value)
    }

    /// Says that a field must be there.
    pub(super) fn missing(&mut self, name: &'static str, detail: &str) {
        let wrong = Wrong { field: self.full(name), code: "required", detail: detail.to_owned() };
        if !self.wrong.iter().any(|it| it.field == wrong.field) {
            self.wrong.push(wrong);
        }
    }

    /// Says what else is wrong with a field.
    pub(super) fn add(&mut self, name: &'static str, code: &'static str, detail: &str) {
        self.wrong.push(Wrong { field: self.full(name), code, detail: detail.to_owned() });
    }

    /// All that is wrong; what was not taken is not known here.
    pub(super) fn end(mut self) -> Vec<Wrong> {
        for (name, _) in std::mem::take(&mut self.members) {
            let field = self.full(&told(&name));
            self.wrong.push(Wrong { field, code: "unknown-field", detail: "There is no such field; check its spelling.".to_owned() });
        }
        self.wrong
    }

    // Null stands for nothing.
    fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.members.iter().position(|it| it.0 == name)?;
        Some(self.members.swap_remove(at).1).filter(|it| !matches!(it, Json::Null))
    }

    fn mistyped<T>(&mut self, name: &'static str, wanted: &str, is: &Json) -> Option<T> {
        let detail = format!("It must be {wanted}, not {}.", is.kind());
        self.wrong.push(Wrong { field: self.full(name), code: "wrong-type", detail });
        None
    }

    fn full(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }
}

/// Adds the rules of the engine to what was wrong before. A field that is told already is not told again.
pub(super) fn joined(mut wrong: Vec<Wrong>, rules: Vec<FieldError>) -> Vec<Wrong> {
    let known: Vec<String> = wrong.iter().map(|it| it.field.split('.').next().unwrap_or_default().to_owned()).collect();
    let new = rules.into_iter().filter(|it| !known.iter().any(|known| known == it.field));
    wrong.extend(new.map(|it| Wrong { field: it.field.to_owned(), code: it.code.name(), detail: it.text }));
    wrong
}

fn told(name: &str) -> String {
    name.chars().take(TOLD).map(|it| if it.is_control() { '?' } else { it }).collect()
}
