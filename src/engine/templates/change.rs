//! Changes of templates: one at a time for each publisher, on whichever node.

use super::record::{index_name, version_name, write_index, write_version};
use super::{Entry, Templates, Trouble, broken};
use crate::domain::id::PublisherId;
use crate::domain::message::{Compiled, Invalid, Key, Source};
use crate::engine::duties::while_on_duty;
use crate::store::contract::{Duty, StoreError};
use std::sync::Arc;

/// Templates of one publisher, removed ones among them: the list must fit one note.
const MOST: usize = 500;
/// Versions that are kept of a template; older ones go when a new one comes.
const KEPT: u32 = 100;

/// What must hold for a change (RFC 9110, 13.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// Nothing.
    None,
    /// There is none yet.
    Absent,
    /// There is one.
    Present,
    /// It has this version.
    Version(u32),
}

/// What came of storing a template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Put {
    /// Its version. The same source again makes no new one.
    pub version: u32,
    /// There was none before.
    pub created: bool,
}

/// Why a change was not made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The source doesn't compile.
    Invalid(Invalid),
    /// The condition doesn't hold: this is its version, `None` when there is none.
    Changed(Option<u32>),
    /// There is none of this key.
    Unknown,
    /// The publisher has as many templates as it can have.
    Full(usize),
    /// All its texts together take more room than can be stored.
    TooLarge,
    /// It could not be done.
    Trouble(Trouble),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooLarge => Self::TooLarge,
            error => Self::Trouble(error.into()),
        }
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Templates {
    /// Stores a template as a new version. New challenges use it on this node at once, on others within a second. Whoever waits for
    /// it must wait to its end (in a task of its own): a change that is dropped half-way may still be made, unseen by the next one.
    pub async fn put(&self, publisher: &PublisherId, source: Source, condition: Condition) -> Result<Put, Refused> {
        Compiled::new(&source).map_err(Refused::Invalid)?;
        self.change(publisher, &source.key, condition, Some(&source)).await
    }

    /// Removes a template; the version that this makes is told. Challenges that were opened with it still use it. To be waited
    /// for as [`Templates::put`].
    pub async fn remove(&self, publisher: &PublisherId, key: &Key, condition: Condition) -> Result<u32, Refused> {
        Ok(self.change(publisher, key, condition, None).await?.version)
    }

    // `None` removes it.
    async fn change(&self, publisher: &PublisherId, key: &Key, condition: Condition, to: Option<&Source>) -> Result<Put, Refused> {
        let _turn = self.turns.wait(publisher).await;
        while_on_duty(&*self.notes, &index_name(publisher), |duty| self.change_on(duty, publisher, (key, condition, to))).await
    }

    async fn change_on(
        &self,
        duty: Duty,
        publisher: &PublisherId,
        (key, condition, to): (&Key, Condition, Option<&Source>),
    ) -> Result<Put, Refused> {
        let now = self.clock.now();
        let mut list = self.read_list(publisher).await?.to_vec();
        let place = list.iter().position(|it| it.key == *key);
        let known = place.map(|at| list[at].clone());
        let current = known.as_ref().filter(|it| !it.removed);
        holds(condition, current.map(|it| it.version))?;
        match (current, to) {
            (None, None) => return Err(Refused::Unknown),
            (Some(it), Some(source)) if self.is_same(publisher, it, source).await? => {
                return Ok(Put { version: it.version, created: false });
            }
            _ => {}
        }
        let version = known.as_ref().map_or(0, |it| it.version) + 1;
        let entry = Entry { key: key.clone(), version, active: to.is_some_and(|it| it.active), removed: to.is_none(), changed_at: now };
        match place {
            Some(at) => list[at] = entry,
            None if list.len() >= MOST => return Err(Refused::Full(MOST)),
            None => list.push(entry),
        }
        let mut values = vec![(index_name(publisher), Some(write_index(&list).ok_or_else(|| broken(publisher))?))];
        if let Some(source) = to {
            let bytes = write_version(source, now).ok_or_else(|| broken(publisher))?;
            values.push((version_name(publisher, key, version), Some(bytes)));
        }
        if let Some(old) = version.checked_sub(KEPT).filter(|it| *it > 0) {
            values.push((version_name(publisher, key, old), None));
        }
        self.notes.set_notes_on(duty, values).await?;
        self.remember(publisher, now, &Arc::new(list));
        Ok(Put { version, created: current.is_none() })
    }

    async fn is_same(&self, publisher: &PublisherId, entry: &Entry, source: &Source) -> Result<bool, Refused> {
        let stored = self.version(publisher, &entry.key, entry.version).await?;
        Ok(stored.is_some_and(|it| it.source == *source))
    }
}

fn holds(condition: Condition, current: Option<u32>) -> Result<(), Refused> {
    let holds = match condition {
        Condition::None => true,
        Condition::Absent => current.is_none(),
        Condition::Present => current.is_some(),
        Condition::Version(version) => current == Some(version),
    };
    if holds { Ok(()) } else { Err(Refused::Changed(current)) }
}
