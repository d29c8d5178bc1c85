//! Message templates of the REST and bus flows, in the text forms of Thymeleaf (contract `otp-bus.md`).
//!
//! A [`Source`] is what a person wrote; [`Compiled`] is made of it once and rendered for each message. `[(${key})]` and
//! `[[${key}]]` stand in text, `th:text` and `th:utext` on an element of a mail body. Nothing else is evaluated: no expression
//! language, no condition, no loop. The `<%name%>` tags of alerts are another dialect: [`super::template`].
//!
//! In reading order: `source` (fields and their limits), [`language`], `marked` (values marked in a text), `expression` and `html`
//! (how they are found), `sanitise` (what stays of HTML), `compiled`, `alternative` (a mail's plain text), [`lint`].

mod alternative;
mod compiled;
mod expression;
mod html;
pub mod language;
pub mod lint;
mod marked;
mod sanitise;
mod source;
mod token;

#[cfg(test)]
mod tests;

pub use alternative::{alternative, alternative_of_any};
pub use compiled::{Compiled, Rendered, Unrenderable, Values};
pub use language::Language;
pub use source::{
    BODY_LIMIT, CODE, CONTEXT_LIMIT, Invalid, KEY_LENGTH, Key, Kind, NAME_LENGTH, PARAMETER_LIMIT, Parameter, Part, Source, USE_LIMIT,
    VALUE_LIMIT,
};
