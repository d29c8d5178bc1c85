//! What an API key may be used for. A publisher's own credentials may be used for everything; a key, for what it was made for.

/// One thing that a key may be used for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Scope {
    /// Ask for challenges, and have their messages sent again.
    Create,
    /// Read challenges, also after they ended.
    Read,
    /// Have answers judged.
    Verify,
    /// End challenges that are of no use any more.
    Cancel,
    /// Tell the outcome of answers that the publisher verified itself.
    Outcome,
    /// See the codes that are made. Who sees them can answer in the person's place: for channels of the caller's own only.
    Code,
    /// Write and read message templates.
    Templates,
    /// Read the feed of events.
    Events,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Create, Self::Read, Self::Verify, Self::Cancel, Self::Outcome, Self::Code, Self::Templates, Self::Events];

    /// As the interface and the command line write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Verify => "verify",
            Self::Cancel => "cancel",
            Self::Outcome => "outcome",
            Self::Code => "code",
            Self::Templates => "templates",
            Self::Events => "events",
        }
    }

    /// Reads that word, and no other.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == text)
    }
}

/// Some of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scopes(u16);

impl Scopes {
    /// All.
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Whether this one is among them.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// Each of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |it| self.has(*it))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(all: I) -> Self {
        Self(all.into_iter().fold(0, |sum, it| sum | 1 << it as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_has_one_name_and_one_place() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.name()), Some(scope));
            let one: Scopes = [scope].into_iter().collect();
            assert_eq!(one.iter().collect::<Vec<_>>(), [scope]);
            assert!(Scopes::all().has(scope) && !Scopes::default().has(scope));
        }
        assert_eq!(Scope::parse("Create"), None);
    }
}
