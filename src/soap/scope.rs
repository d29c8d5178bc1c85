//! What prefixes mean where the reader is, remembered: most tags of a message have the prefix of the one before, and no
//! declaration comes between.

use super::names::Ns;

/// The meanings found since the last declaration of a namespace, of namespaces that the codec knows.
#[derive(Default)]
pub struct Scope<'a> {
    known: Vec<(&'a str, Ns)>,
    declaring: Vec<usize>,
}

impl<'a> Scope<'a> {
    /// An element is opened at `depth`; `declares` unless it surely declares no namespace.
    pub fn enter(&mut self, depth: usize, declares: bool) {
        if declares {
            self.declaring.push(depth);
            self.known.clear();
        }
    }

    /// The element at `depth` is closed: what it declared means nothing any more.
    pub fn leave(&mut self, depth: usize) {
        if self.declaring.pop_if(|it| *it == depth).is_some() {
            self.known.clear();
        }
    }

    /// What `prefix` (empty: none) means for an element, if it is remembered.
    pub fn of(&self, prefix: &str) -> Option<Ns> {
        self.known.iter().find(|(known, _)| *known == prefix).map(|(_, ns)| *ns)
    }

    /// Remembers what `prefix` means for an element.
    pub fn learn(&mut self, prefix: &'a str, ns: Ns) {
        if ns != Ns::Other {
            self.known.push((prefix, ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_ends_what_was_known_when_it_begins_and_when_it_ends() {
        let mut scope = Scope::default();
        scope.enter(1, true);
        scope.learn("a", Ns::Tpg);
        scope.enter(2, false);
        assert_eq!((scope.of("a"), scope.of("")), (Some(Ns::Tpg), None));
        scope.leave(2);
        assert_eq!(scope.of("a"), Some(Ns::Tpg));
        scope.enter(2, true);
        assert_eq!(scope.of("a"), None);
        scope.learn("a", Ns::Jes);
        scope.leave(2);
        assert_eq!(scope.of("a"), None);
        scope.learn("b", Ns::Other);
        assert_eq!(scope.of("b"), None);
    }
}
