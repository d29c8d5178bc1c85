//! The newest part of a day's index, in memory until there is enough of it for a run.

use super::filter::mix;
use super::run::Cover;
use crate::domain::id::AggregateId;
use crate::store::codec::{Decoder, Encoder, Malformed};
use crate::store::facts::Facts;
use crate::store::key::{Key, Keys};
use crate::store::past::keys_of;
use crate::vault::Vault;
use std::collections::{BTreeMap, BTreeSet};

/// Challenges by publisher.
pub(in super::super) type Tally = BTreeMap<String, u64>;

/// By what a record is found.
pub(super) struct Indexed {
    hashes: Vec<u64>,
    /// The institution's feed, and its numbers there.
    pub(super) feed: u64,
    pub(super) seqs: Vec<u64>,
    publisher: Option<String>,
    over_at: i64,
}

impl Indexed {
    /// Of an aggregate with these feed numbers.
    pub(super) fn of(id: AggregateId, facts: &Facts, seqs: &[u64], vault: &Vault) -> Self {
        Self {
            hashes: keys_of(id, facts).iter().map(hash).collect(),
            feed: hash(&Keys(vault).feed(&facts.institution)),
            seqs: seqs.to_vec(),
            publisher: facts.challenge.then(|| facts.publisher.as_str().to_owned()),
            over_at: facts.over_at().millis(),
        }
    }

    /// Of one that can't be opened: by its id only.
    pub(super) fn bare(id: AggregateId) -> Self {
        Self { hashes: vec![hash(&Key::aggregate(id))], feed: 0, seqs: Vec::new(), publisher: None, over_at: i64::MIN }
    }
}

/// The index of what no run covers yet.
pub(super) struct Tail {
    pub(super) points: BTreeSet<[u64; 2]>,
    pub(super) feed: BTreeSet<[u64; 3]>,
    pub(super) tally: Tally,
    pub(super) records: u64,
    pub(super) count: u64,
    pub(super) latest: i64,
}

impl Default for Tail {
    fn default() -> Self {
        Self { points: BTreeSet::new(), feed: BTreeSet::new(), tally: Tally::new(), records: 0, count: 0, latest: i64::MIN }
    }
}

impl Tail {
    /// Takes a record in that lies at `place`; `again`: an older one of its aggregate is there.
    pub(super) fn take(&mut self, place: u64, again: bool, it: &Indexed) {
        self.points.extend(it.hashes.iter().map(|hash| [*hash, place]));
        self.feed.extend(it.seqs.iter().zip(0..).map(|(seq, index)| [it.feed, *seq, event(place, index)]));
        self.records += 1;
        self.latest = self.latest.max(it.over_at);
        if !again {
            self.count += 1;
            it.publisher.iter().for_each(|name| *self.tally.entry(name.clone()).or_default() += 1);
        }
    }

    pub(super) fn may_have(&self, hash: u64) -> bool {
        self.find(hash).next().is_some()
    }

    /// Places of the records with a key.
    pub(super) fn find(&self, hash: u64) -> impl Iterator<Item = u64> + '_ {
        self.points.range([hash, 0]..=[hash, u64::MAX]).map(|it| it[1])
    }

    /// What a run of it stands for, over this stretch of the data.
    pub(super) fn cover(&self, from: u64, to: u64, vault: &Vault) -> Cover {
        let tally = seal(vault, &self.tally);
        Cover { from, to, records: self.records, count: self.count, latest: self.latest, tally }
    }
}

/// Where an event is: its record's place, and which of its events it is.
fn event(place: u64, index: u64) -> u64 {
    (place << 16) | index
}

/// The place and the index of an event.
pub(super) fn of_event(value: u64) -> (u64, u16) {
    (value >> 16, value as u16)
}

/// The hash of a key. Most keys are MACs, all others ids that we draw: nobody outside can choose one.
pub(in super::super) fn hash(key: &Key) -> u64 {
    let rest = u128::from_be_bytes(key.rest());
    mix((rest >> 64) as u64 ^ mix(rest as u64 ^ mix(u64::from(key.kind()))))
}

const TALLY: &[u8] = b"history tally";

/// A tally's stored form: names of publishers are never clear on disk.
pub(super) fn seal(vault: &Vault, tally: &Tally) -> Vec<u8> {
    let mut out = Encoder::with_capacity(64);
    let all: Vec<_> = tally.iter().collect();
    out.list(&all, |out, (name, count)| {
        out.text(name);
        out.number(**count);
    });
    vault.seal_row(true, TALLY, &out.finish()).bytes
}

/// Reads what [`seal`] wrote, and adds it to `to`.
pub(super) fn add(vault: &Vault, sealed: &[u8], to: &mut Tally) -> Result<(), Malformed> {
    let plain = vault.open_row(crate::vault::STANDING, TALLY, sealed).map_err(|_| Malformed)?;
    let mut from = Decoder::new(&plain);
    for (name, count) in from.list(|from| Ok((from.text()?, from.number()?)))? {
        *to.entry(name).or_default() += count;
    }
    from.end()
}
