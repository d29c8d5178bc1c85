//! Messages counted for a publisher's quotas, and the money that they cost.
//!
//! A message is counted before it is decided on, and what comes to nothing is taken back: of requests at once no more go out than may.
//! Counts are this node's, and those that others tell ([`Tally`]). Money is exact: a node may spend only what it has drawn from
//! the day's total, which is a note of the store, some at a time; so the cap holds for all nodes together and after a restart. What a
//! node has drawn and not spent when it ends is lost for that day: at most a part in [`PARTS`] of the cap.

use super::duties::while_on_duty;
use super::tally::{Kind, Tally};
use super::{Engine, Trouble};
use crate::domain::contact::{Address, Channel};
use crate::domain::id::PublisherId;
use crate::domain::limit::Limit;
use crate::domain::publisher::Publisher;
use crate::domain::quota::{Count, day};
use crate::domain::request::{Origin, Via};
use crate::domain::time::Timestamp;
use crate::store::contract::{Duty, Notes};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::sync::Arc;

/// Counts in a generation: a full one becomes the old one, and what was old is forgotten.
const PLACES: usize = 50_000;
/// Less than this part of its limit is not told to other nodes.
const TOLD: u32 = 20;
/// In how many parts a day's money is drawn.
const PARTS: u64 = 64;

/// Counts and money of all publishers. Bounded in memory whatever callers send.
pub struct Quotas {
    tally: Tally,
    notes: Arc<dyn Notes>,
    salt: u64,
    places: usize,
    counts: Mutex<Generations>,
    money: Mutex<HashMap<PublisherId, Drawn>>,
    drawing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<u64, u32>,
    old: HashMap<u64, u32>,
}

// What this node may still spend on a day.
#[derive(Clone, Copy, Default)]
struct Drawn {
    day: i64,
    left: u64,
    // Under this cap, or a lower one, there was so much more to draw on that day, at most.
    cap: u64,
    rest: u64,
}

/// What a message was counted as; to be taken back when it is not sent.
pub struct Taken {
    publisher: PublisherId,
    counts: Vec<Count>,
    day: i64,
    price: u64,
}

// What a message was counted as, or which quota is full.
#[derive(Default)]
pub(super) struct Counted {
    taken: Option<Taken>,
    pub(super) full: Option<Limit>,
}

impl Engine {
    /// Counts a message against its publisher's quotas, before it is decided on. `parts` tells in how many it would travel; it is
    /// asked when that costs something.
    pub(super) async fn count(
        &self,
        publisher: &Publisher,
        origin: &Origin,
        to: (Channel, &Address),
        parts: impl FnOnce() -> u64,
    ) -> Result<Counted, Trouble> {
        Ok(match self.quotas.take(publisher, origin.via.as_ref(), to, parts, self.now()).await? {
            Ok(taken) => Counted { taken: Some(taken), full: None },
            Err(limit) => Counted { taken: None, full: Some(limit) },
        })
    }

    /// A message that is surely not sent was not counted.
    pub(super) fn settle(&self, counted: Counted, sent: bool) {
        if let Some(taken) = counted.taken.filter(|_| !sent) {
            self.quotas.give_back(&taken, self.now());
        }
    }
}

impl Quotas {
    /// Nothing counted yet. Nobody outside knows the `salt`, so nobody can choose what is counted together.
    pub fn new(tally: Tally, notes: Arc<dyn Notes>, salt: u64) -> Self {
        let (counts, money, drawing) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::new(()));
        Self { tally, notes, salt, places: PLACES, counts, money, drawing }
    }

    /// Counts a message, unless a quota is full: then which. It costs its price for each of its `parts`.
    pub async fn take(
        &self,
        publisher: &Publisher,
        via: Option<&Via>,
        (channel, address): (Channel, &Address),
        parts: impl FnOnce() -> u64,
        now: Timestamp,
    ) -> Result<Result<Taken, Limit>, Trouble> {
        let quotas = &publisher.quotas;
        let counts = quotas.counts(via, (channel, address), now);
        let id = &publisher.id;
        if let Some(full) = self.count(id, &counts, now) {
            return Ok(Err(full));
        }
        let (day, until) = day(now);
        let price = match quotas.money.price(channel, address) {
            0 => 0,
            price => price.saturating_mul(parts()),
        };
        let taken = Taken { publisher: id.clone(), counts, day, price };
        if price > 0 {
            match self.pay(id, (price, quotas.money.day), day).await {
                Ok(true) => {}
                Ok(false) => {
                    self.uncount(&taken, now);
                    return Ok(Err(Limit::Money { until }));
                }
                Err(trouble) => {
                    self.uncount(&taken, now);
                    return Err(trouble);
                }
            }
        }
        Ok(Ok(taken))
    }

    /// The message was not sent: it counts no more.
    pub fn give_back(&self, taken: &Taken, now: Timestamp) {
        self.uncount(taken, now);
        let mut money = self.money.lock();
        if let Some(drawn) = money.get_mut(&taken.publisher).filter(|it| it.day == taken.day) {
            drawn.left = drawn.left.saturating_add(taken.price);
        }
    }

    // All or none.
    fn count(&self, publisher: &PublisherId, wanted: &[Count], now: Timestamp) -> Option<Limit> {
        if wanted.is_empty() {
            return None;
        }
        let others: Vec<u32> = wanted.iter().map(|it| self.others(publisher, it)).collect();
        let places: Vec<u64> = wanted.iter().map(|it| self.place(publisher, it)).collect();
        let mut counts = self.counts.lock();
        let full = (0..wanted.len()).find(|nth| counts.get(places[*nth]).saturating_add(others[*nth]) >= wanted[*nth].most);
        if let Some(nth) = full {
            // What refuses is in use: it is not forgotten before what is not.
            counts.change(places[nth], 0, self.places);
            return Some(wanted[nth].limit());
        }
        let mine: Vec<u32> = places.iter().map(|it| counts.change(*it, 1, self.places)).collect();
        drop(counts);
        wanted.iter().zip(mine).for_each(|(it, mine)| self.tell(publisher, (it, mine), now));
        None
    }

    fn uncount(&self, taken: &Taken, now: Timestamp) {
        for it in &taken.counts {
            let mine = self.counts.lock().change(self.place(&taken.publisher, it), -1, self.places);
            self.tell(&taken.publisher, (it, mine), now);
        }
    }

    fn place(&self, publisher: &PublisherId, it: &Count) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.salt, publisher, it.by, &it.of, it.begun, it.ends).hash(&mut hasher);
        hasher.finish()
    }

    fn tell(&self, publisher: &PublisherId, (it, mine): (&Count, u32), now: Timestamp) {
        if mine > it.most / TOLD {
            let name = name(it);
            self.tally.tell(Kind::Quota, &[publisher.as_str().as_bytes(), &name, it.of.as_bytes()], mine, it.ends.since(now));
        }
    }

    fn others(&self, publisher: &PublisherId, it: &Count) -> u32 {
        self.tally.others(Kind::Quota, &[publisher.as_str().as_bytes(), &name(it), it.of.as_bytes()])
    }

    // Whether there is money for it.
    async fn pay(&self, publisher: &PublisherId, (price, cap): (u64, u64), day: i64) -> Result<bool, Trouble> {
        if self.spend(publisher, price, day) {
            return Ok(true);
        }
        let _turn = self.drawing.lock().await;
        // Another request may have drawn meanwhile.
        if self.spend(publisher, price, day) {
            return Ok(true);
        }
        let is_out = |it: &Drawn| it.day == day && it.cap >= cap && it.left.saturating_add(it.rest) < price;
        if self.money.lock().get(publisher).is_some_and(is_out) {
            return Ok(false);
        }
        self.draw(publisher, (price, cap), day).await?;
        Ok(self.spend(publisher, price, day))
    }

    fn spend(&self, publisher: &PublisherId, price: u64, day: i64) -> bool {
        let mut money = self.money.lock();
        let Some(drawn) = money.get_mut(publisher).filter(|it| it.day == day && it.left >= price) else { return false };
        drawn.left -= price;
        true
    }

    // Draws what is missing of a price, and a part of the cap at least, if there is as much; one node at a time.
    async fn draw(&self, publisher: &PublisherId, (price, cap): (u64, u64), day: i64) -> Result<(), Trouble> {
        let note = format!("money/{publisher}");
        while_on_duty(&*self.notes, &note, |duty| self.draw_on(duty, publisher, (price, cap), day)).await
    }

    async fn draw_on(&self, duty: Duty, publisher: &PublisherId, (price, cap): (u64, u64), day: i64) -> Result<(), Trouble> {
        let note = duty.name.clone();
        let total = match self.notes.note(&note).await? {
            Some(bytes) => read(&bytes).ok_or_else(|| broken(publisher))?,
            None => (day, 0),
        };
        let before = if total.0 == day { total.1 } else { 0 };
        let there = cap.saturating_sub(before);
        let left = self.money.lock().get(publisher).filter(|it| it.day == day).map_or(0, |it| it.left);
        let missing = price.saturating_sub(left);
        // What is not enough for this one stays for others, here and at other nodes.
        let drawn = if missing > there { 0 } else { missing.max(cap / PARTS).min(there) };
        if drawn > 0 {
            let text = format!("{day} {}", before + drawn);
            self.notes.set_notes_on(duty, vec![(note, Some(text.into_bytes()))]).await?;
        }
        self.add(publisher, Drawn { day, left: drawn, cap, rest: there - drawn });
        Ok(())
    }

    fn add(&self, publisher: &PublisherId, new: Drawn) {
        let mut money = self.money.lock();
        let mine = money.entry(publisher.clone()).or_default();
        let left = if mine.day == new.day { mine.left } else { 0 };
        *mine = Drawn { left: left.saturating_add(new.left), ..new };
    }
}

impl Generations {
    fn get(&self, place: u64) -> u32 {
        self.young.get(&place).or_else(|| self.old.get(&place)).copied().unwrap_or(0)
    }

    fn change(&mut self, place: u64, by: i32, places: usize) -> u32 {
        if self.young.len() >= places && !self.young.contains_key(&place) {
            self.old = mem::take(&mut self.young);
        }
        let before = || self.old.remove(&place).unwrap_or(0);
        let count = self.young.entry(place).or_insert_with(before);
        *count = count.saturating_add_signed(by);
        *count
    }
}

// Which window of which kind: the same at all nodes.
fn name(it: &Count) -> [u8; 17] {
    let mut name = [it.by as u8; 17];
    name[1..9].copy_from_slice(&it.begun.millis().to_be_bytes());
    name[9..].copy_from_slice(&it.ends.millis().to_be_bytes());
    name
}

// A day, and what was drawn on it.
fn read(bytes: &[u8]) -> Option<(i64, u64)> {
    let (day, total) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some((day.parse().ok()?, total.parse().ok()?))
}

fn broken(publisher: &PublisherId) -> Trouble {
    tracing::error!(%publisher, "what is kept of a day's money can't be read");
    Trouble::Failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quota::By;
    use crate::store::memory::MemoryStore;
    use crate::vault::Vault;

    fn quotas() -> Quotas {
        let vault = Arc::new(Vault::from_root(&[1; 32]));
        Quotas::new(Tally::alone(1, vault.clone()), Arc::new(MemoryStore::new(vault)), 7)
    }

    fn of(nth: u32, begun: i64) -> Count {
        let (begun, ends) = (Timestamp::from_millis(begun), Timestamp::from_millis(begun + 60_000));
        Count { by: By::Prefix, of: format!("+{nth}"), most: 2, begun, ends }
    }

    #[test]
    fn all_counts_of_a_message_change_or_none() {
        let (quotas, now) = (quotas(), Timestamp::from_millis(1));
        let bank = "bank".into();
        assert_eq!(quotas.count(&bank, &[of(1, 0)], now), None);
        assert_eq!(quotas.count(&bank, &[of(1, 0), of(2, 0)], now), None);
        let full = Some(of(1, 0).limit());
        assert_eq!(quotas.count(&bank, &[of(2, 0), of(1, 0)], now), full);
        assert_eq!(quotas.count(&bank, &[of(2, 0)], now), None, "it was not counted by the one that was refused");
        assert_eq!(quotas.count(&bank, &[of(1, 60_000)], now), None, "another minute");
        assert_eq!(quotas.count(&"other".into(), &[of(1, 0)], now), None, "another publisher");
        quotas.uncount(&Taken { publisher: bank.clone(), counts: vec![of(1, 0)], day: 0, price: 0 }, now);
        assert_eq!(quotas.count(&bank, &[of(1, 0)], now), None);
        assert_eq!(quotas.count(&bank, &[of(1, 0)], now), full);
    }

    #[test]
    fn with_very_many_the_oldest_are_forgotten_and_no_more_are_kept() {
        let (quotas, now) = (Quotas { places: 10, ..quotas() }, Timestamp::from_millis(1));
        let bank = "bank".into();
        for nth in 0..1_000 {
            assert_eq!(quotas.count(&bank, &[of(nth, 0)], now), None);
            assert_eq!(quotas.count(&bank, &[of(0, 0)], now).is_some(), nth > 0, "whoever goes on is not forgotten");
            let counts = quotas.counts.lock();
            assert!(counts.young.len() + counts.old.len() <= 20);
        }
    }
}
