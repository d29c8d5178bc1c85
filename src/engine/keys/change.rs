//! Changes of keys: one at a time, on whichever node.

use super::record::{INDEX, Index, name, used_name, write, write_index};
use super::text::{draw, is_id, read};
use super::{Keys, Record, Trouble, broken};
use crate::domain::code::{Secret, Tag};
use crate::domain::id::PublisherId;
use crate::domain::scope::Scopes;
use crate::domain::time::Timestamp;
use crate::engine::duties::while_on_duty;
use crate::store::contract::{Duty, StoreError};
use ipnet::IpNet;
use std::time::Duration;

/// Longest life of a key: two years.
pub const LONGEST: Duration = Duration::from_secs(731 * 24 * 3_600);
/// Longest that a key which is rotated may still be used.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Keys that are kept at once, ended ones among them: their list must fit one note.
const MOST: usize = 2_000;
/// How long a key is still listed when it has ended.
const LISTED: Duration = Duration::from_secs(90 * 24 * 3_600);
/// Characters of a label.
const LABEL: usize = 64;
/// Networks of a key.
const NETWORKS: usize = 32;

/// A key that is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Its id, drawn by whoever wants it ([`super::text::draw_id`]): so the record of the wish names the key.
    pub id: String,
    /// Whom it acts for.
    pub publisher: PublisherId,
    /// What people call it; at most 64 characters, no control characters.
    pub label: String,
    /// What it may be used for; at least one.
    pub scopes: Scopes,
    /// Networks it may come from; empty: any.
    pub allow: Vec<IpNet>,
    /// How long it lives, at most [`LONGEST`].
    pub life: Duration,
}

/// A key that was made.
#[derive(Debug)]
pub struct Made {
    /// Its text: shown once, and kept nowhere.
    pub text: Secret,
    /// What is kept.
    pub record: Record,
}

/// Why a change was not made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// What is wished for can't be.
    #[error("{0}")]
    Wish(&'static str),
    /// Nobody registered this publisher.
    #[error("{0} is not registered; name a publisher of the registration files")]
    Publisher(PublisherId),
    /// There is no such key.
    #[error("there is no key {0}; `countersign key list` tells which there are")]
    Unknown(String),
    /// It has ended.
    #[error("the key {0} has ended; make a new one")]
    Ended(String),
    /// There are as many as there can be.
    #[error("there are {MOST} keys, those that ended in the last 90 days among them; more can't be kept")]
    Full,
    /// It could not be done.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Trouble(error.into())
    }
}

impl Keys {
    /// Makes a key. It counts here at once, and at other nodes within [`super::OLDEST`]. Whoever waits for this, and for the other
    /// changes, must wait to the end: one that is dropped half-way may still be made.
    pub async fn create(&self, wish: Wish) -> Result<Made, Refused> {
        check(&wish)?;
        if !self.publishers.load().contains(&wish.publisher) {
            return Err(Refused::Publisher(wish.publisher));
        }
        let now = self.clock.now();
        let text = draw(&wish.id, &mut self.chance.generator());
        let record = Record {
            tag: self.tag_of(&text),
            publisher: wish.publisher,
            label: wish.label,
            scopes: wish.scopes,
            allow: wish.allow,
            created_at: now,
            expires_at: now.plus(wish.life),
            revoked_at: None,
        };
        let (id, added) = (wish.id, record.clone());
        self.change(&id, |index, _| Ok(vec![(free(index, &id)?, added)])).await?;
        Ok(Made { text, record })
    }

    /// Ends a key: at once here, at other nodes within [`super::OLDEST`].
    pub async fn revoke(&self, id: &str) -> Result<(), Refused> {
        let now = self.clock.now();
        self.change(id, |_, old| Ok(vec![(id.to_owned(), Record { revoked_at: Some(now), ..living(id, old, now)? })])).await
    }

    /// Makes a key `new` with the rights of `id`, which lives for `life`; `id` ends after `overlap`, unless it ends sooner anyway.
    pub async fn rotate(&self, id: &str, new: String, (life, overlap): (Duration, Duration)) -> Result<Made, Refused> {
        if !is_id(&new) || life.is_zero() || life > LONGEST || overlap > LONGEST_OVERLAP {
            return Err(Refused::Wish("a key lives for at most 731 days, and one that is rotated for at most 30 days more"));
        }
        let now = self.clock.now();
        let text = draw(&new, &mut self.chance.generator());
        let tag = self.tag_of(&text);
        let mut made = None;
        self.change(id, |index, old| {
            let old = living(id, old, now)?;
            let record = Record { tag, created_at: now, expires_at: now.plus(life), ..old.clone() };
            made = Some(record.clone());
            let ends_at = old.expires_at.min(now.plus(overlap));
            Ok(vec![(id.to_owned(), Record { expires_at: ends_at, ..old }), (free(index, &new)?, record)])
        })
        .await?;
        let record = made.ok_or(Trouble::Failed)?;
        Ok(Made { text, record })
    }

    /// All keys by id, with the day (since 1970-01-01 UTC) on which each was last used; also those that ended in the last 90 days.
    pub async fn all(&self) -> Result<Vec<(String, Record, Option<i64>)>, Trouble> {
        let known = self.read_anew().await?;
        let mut all = Vec::with_capacity(known.keys.len());
        for id in known.index.keys() {
            let Some(key) = known.keys.get(id) else { continue };
            let used = self.notes.note(&used_name(id)).await?;
            let day = used.and_then(|it| std::str::from_utf8(&it).ok()?.parse().ok());
            all.push((id.clone(), key.record.clone(), day));
        }
        Ok(all)
    }

    // Writes what `edit` makes of the key `id`, where there is one.
    async fn change(
        &self,
        id: &str,
        edit: impl FnOnce(&Index, Option<Record>) -> Result<Vec<(String, Record)>, Refused>,
    ) -> Result<(), Refused> {
        let _turn = self.changing.lock().await;
        while_on_duty(&*self.notes, INDEX, |duty| self.change_on(duty, id, edit)).await?;
        let _reading = self.reading.lock().await;
        // When this fails, what was known is too old soon.
        let _ = self.read_anew().await;
        Ok(())
    }

    async fn change_on(
        &self,
        duty: Duty,
        id: &str,
        edit: impl FnOnce(&Index, Option<Record>) -> Result<Vec<(String, Record)>, Refused>,
    ) -> Result<(), Refused> {
        let mut index = self.index().await?;
        let old = if index.contains_key(id) { self.read(id).await? } else { None };
        let edited = edit(&index, old)?;
        let mut values = self.pruned(&mut index).await?;
        for (id, record) in edited {
            *index.entry(id.clone()).or_default() += 1;
            values.push((name(&id), Some(write(&record).ok_or_else(|| broken(INDEX))?)));
        }
        if index.len() > MOST {
            return Err(Refused::Full);
        }
        values.push((INDEX.to_owned(), Some(write_index(&index))));
        Ok(self.notes.set_notes_on(duty, values).await?)
    }

    // Keys that ended long ago are not kept.
    async fn pruned(&self, index: &mut Index) -> Result<Vec<(String, Option<Vec<u8>>)>, Refused> {
        let (now, known) = (self.clock.now(), self.read_anew().await?);
        let is_over = |id: &String| known.keys.get(id).is_none_or(|it| it.record.ends_at() < now.minus(LISTED));
        let over: Vec<_> = index.keys().filter(|id| is_over(id)).cloned().collect();
        index.retain(|id, _| !over.contains(id));
        Ok(over.iter().flat_map(|id| [(name(id), None), (used_name(id), None)]).collect())
    }

    fn tag_of(&self, text: &Secret) -> Tag {
        let (id, secret) = read(text.expose()).expect("what was written just now can be read");
        self.tag(id, secret)
    }
}

fn check(wish: &Wish) -> Result<(), Refused> {
    let broken = match wish {
        it if !is_id(&it.id) => "an id has 12 characters of a-z and 2-7",
        it if it.scopes == Scopes::default() => "a key needs at least one scope",
        it if it.label.chars().count() > LABEL || it.label.chars().any(char::is_control) => "a label has at most 64 printable characters",
        it if it.allow.len() > NETWORKS => "a key names at most 32 networks",
        it if it.life.is_zero() || it.life > LONGEST => "a key lives for at most 731 days, and for a second at least",
        _ => return Ok(()),
    };
    Err(Refused::Wish(broken))
}

fn living(id: &str, old: Option<Record>, now: Timestamp) -> Result<Record, Refused> {
    match old {
        Some(old) if old.is_live(now) => Ok(old),
        Some(_) => Err(Refused::Ended(id.to_owned())),
        None => Err(Refused::Unknown(id.to_owned())),
    }
}

fn free(index: &Index, id: &str) -> Result<String, Refused> {
    if index.contains_key(id) { Err(Refused::Wish("this id is taken; draw another one")) } else { Ok(id.to_owned()) }
}
