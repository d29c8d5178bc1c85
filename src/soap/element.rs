//! Start tags and their attributes, as the reader gives them.

use super::names::Ns;
use std::borrow::Cow;

/// A start tag.
#[derive(Clone, Debug)]
pub struct Element<'a> {
    /// Its namespace.
    pub ns: Ns,
    /// Its local name.
    pub name: &'a str,
    /// Its attributes, namespace declarations left out.
    pub attributes: Vec<Attribute<'a>>,
    /// The URI of its namespace.
    pub(super) uri: &'a str,
}

/// An attribute, normalised.
#[derive(Clone, Debug)]
pub struct Attribute<'a> {
    /// Its namespace; none for an unprefixed one.
    pub ns: Ns,
    /// Its local name.
    pub name: &'a str,
    /// Its value.
    pub value: Cow<'a, str>,
}

impl Element<'_> {
    /// The URI of its namespace.
    pub fn uri(&self) -> &str {
        self.uri
    }

    /// Whether this is the element `name` of `ns`.
    pub fn is(&self, ns: Ns, name: &str) -> bool {
        self.ns == ns && self.name == name
    }

    /// The value of an attribute.
    pub fn attribute(&self, ns: Ns, name: &str) -> Option<&str> {
        self.attributes.iter().find(|it| it.ns == ns && it.name == name).map(|it| it.value.trim())
    }

    /// Whether it says that it has no value: `xsi:nil`, or `JHANull` unqualified or in our namespace.
    pub fn is_nil(&self) -> bool {
        let yes = |ns, name| matches!(self.attribute(ns, name), Some("true" | "1"));
        !self.attributes.is_empty() && (yes(Ns::Xsi, "nil") || yes(Ns::None, "JHANull") || yes(Ns::Tpg, "JHANull"))
    }
}
