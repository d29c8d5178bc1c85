//! What prefixes mean where the reader is (Namespaces in XML 1.0).

use super::names::Ns;
use super::text::is_name;

/// Most namespace declarations in scope at once.
pub const MAX_BINDINGS: usize = 32;

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// The declarations in scope, innermost last.
#[derive(Default)]
pub struct Scope<'a>(Vec<Binding<'a>>);

struct Binding<'a> {
    depth: usize,
    prefix: &'a str,
    uri: &'a str,
    ns: Ns,
}

impl<'a> Scope<'a> {
    /// The element at `depth` declares what `prefix` (empty: none) means inside it. `Err` says why it may not.
    pub fn declare(&mut self, depth: usize, prefix: &'a str, uri: &'a str) -> Result<(), &'static str> {
        match (prefix, uri) {
            ("xml", XML) => return Ok(()),
            ("", _) => {}
            ("xml" | "xmlns", _) | (_, "" | XML | XMLNS) => return Err("A namespace declaration is not well-formed."),
            _ if !is_name(prefix) => return Err("A namespace declaration is not well-formed."),
            _ => {}
        }
        if self.0.len() == MAX_BINDINGS {
            return Err("Too many namespaces are declared.");
        }
        self.0.push(Binding { depth, prefix, uri, ns: Ns::of(uri) });
        Ok(())
    }

    /// The element at `depth` is closed: what it declared means nothing any more.
    #[inline]
    pub fn leave(&mut self, depth: usize) {
        while self.0.pop_if(|it| it.depth == depth).is_some() {}
    }

    /// What `prefix` (empty: none) means for an element, and its URI; `None` when it is not declared.
    #[inline]
    pub fn find(&self, prefix: &str) -> Option<(Ns, &'a str)> {
        match (self.0.iter().rfind(|it| is_same(it.prefix, prefix)), prefix) {
            (Some(binding), _) => Some((binding.ns, binding.uri)),
            (None, "") => Some((Ns::None, "")),
            (None, "xml") => Some((Ns::Other, XML)),
            (None, "xmlns") => Some((Ns::Other, XMLNS)),
            (None, _) => None,
        }
    }
}

// Prefixes are of a few bytes, and each name is looked for among all: a call for each comparison took a thirtieth of a request's time.
#[inline]
fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::names::{JES, TPG};

    #[test]
    fn a_declaration_holds_until_its_element_is_closed() {
        let mut scope = Scope::default();
        let meaning = |scope: &Scope<'_>, prefix| scope.find(prefix).map(|it| it.0);
        scope.declare(1, "a", TPG).unwrap();
        scope.declare(1, "", JES).unwrap();
        assert_eq!((meaning(&scope, "a"), meaning(&scope, ""), meaning(&scope, "b")), (Some(Ns::Tpg), Some(Ns::Jes), None));
        scope.declare(2, "a", JES).unwrap();
        scope.declare(2, "", "").unwrap();
        scope.declare(2, "b", "urn:x").unwrap();
        assert_eq!(
            (meaning(&scope, "a"), meaning(&scope, ""), scope.find("b")),
            (Some(Ns::Jes), Some(Ns::None), Some((Ns::Other, "urn:x")))
        );
        scope.leave(3);
        scope.leave(2);
        assert_eq!((meaning(&scope, "a"), meaning(&scope, ""), meaning(&scope, "b")), (Some(Ns::Tpg), Some(Ns::Jes), None));
        scope.leave(1);
        assert_eq!((meaning(&scope, "a"), meaning(&scope, "")), (None, Some(Ns::None)));
    }

    #[test]
    fn what_namespaces_reserve_can_not_be_declared() {
        for (prefix, uri, fine) in [
            ("xml", XML, true),
            ("xml", "urn:x", false),
            ("a", XML, false),
            ("xmlns", XMLNS, false),
            ("a", XMLNS, false),
            ("a", "", false),
            ("1", "urn:x", false),
            ("a:b", "urn:x", false),
            ("", "urn:x", true),
            ("", "", true),
        ] {
            assert_eq!(Scope::default().declare(1, prefix, uri).is_ok(), fine, "{prefix} {uri}");
        }
    }
}
