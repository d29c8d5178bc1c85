//! A new store made of what comes from another one: everything into the hot store, from where housekeeping moves what is over.

use super::table::Table;
use super::watermark::Watermark;
use crate::store::codec::Encoder;
use crate::store::facts::Facts;
use crate::store::form::Form;
use crate::store::key::{Key, Keys, kind};
use crate::store::prepare::encode_note;
use crate::store::stage::meta_value;
use crate::store::transfer::item::Item;
use crate::store::{row, rows};
use crate::vault::{ROOM, STANDING, SealedRow, Vault};
use std::io;
use std::path::Path;

/// Records in one durable step.
const BATCH: usize = 64;
/// The commit that all of it counts as.
const FIRST: u64 = 1;

/// A store in the making. Nothing opens it before it is finished.
pub(in crate::store) struct Fresh<'a> {
    vault: &'a Vault,
    table: Table,
    batch: ::sled::Batch,
    waiting: usize,
    records: u64,
}

impl<'a> Fresh<'a> {
    /// In `dir`, which must hold no store; so many `records` are to come.
    pub(in crate::store) fn new(dir: &Path, vault: &'a Vault, records: u64) -> io::Result<Self> {
        if ["hot", "history", "watermark"].iter().any(|it| dir.join(it).exists()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        std::fs::create_dir_all(dir)?;
        // First, so that one that is cut off is not taken for a whole store.
        Watermark { fingerprint: vault.fingerprint(), sequence: FIRST, records }.write(dir)?;
        let table = Table::open(&dir.join("hot"), 64 * 1024 * 1024)?;
        Ok(Self { vault, table, batch: ::sled::Batch::default(), waiting: 0, records })
    }

    /// Puts an item. A daily count follows from the sessions, and is nothing of its own here.
    pub(in crate::store) fn put(&mut self, item: &Item) -> io::Result<()> {
        let Some((key, value)) = self.value(item)? else { return Ok(()) };
        self.batch.insert(&key.0[..], value);
        self.waiting += 1;
        if self.waiting == BATCH { self.flush() } else { Ok(()) }
    }

    /// Writes what is waiting, and what says that it is whole.
    pub(in crate::store) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.batch.insert(&Key::META.0[..], meta_value(self.vault, Form::NEWEST, (FIRST, self.records)));
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.waiting = 0;
        Ok(self.table.apply(std::mem::take(&mut self.batch))?)
    }

    fn value(&self, item: &Item) -> io::Result<Option<(Key, Vec<u8>)>> {
        let (vault, keys) = (self.vault, Keys(self.vault));
        let lasting = |key: Key, plain: Vec<u8>| (key, row::seal_in_place(vault, &key, plain, true));
        let clear = |key: Key, plain: &[u8]| (key, row::seal(vault, &key, plain, true));
        let (key, body): (Key, SealedRow) = match item {
            Item::Aggregate { value, seqs, sealed } => {
                if *sealed != STANDING && !vault.set_day(*sealed) {
                    return Err(io::Error::other(format!("the data key of day {sealed} is missing")));
                }
                let key = Key::aggregate(value.id());
                let body = row::seal_in_place(vault, &key, rows::encode_aggregate(value, Form::NEWEST, ROOM), *sealed == STANDING);
                return Ok(Some((key, row::assemble(&key, FIRST, Facts::of(value, vault).live.timer, seqs, &body))));
            }
            Item::DataKey { day, wrapped } => clear(Key::day(*day), wrapped),
            Item::Budget { key, budget } => lasting(Key::new(kind::BUDGET, *key), rows::encode_budget(budget, Form::NEWEST, ROOM)),
            Item::Recipient(it) => lasting(keys.recipient(&it.key), rows::encode_recipient(it, Form::NEWEST, ROOM)),
            Item::Note { name, value } => lasting(keys.note(name), encode_note(name, value)),
            Item::OptOut { address, publisher, key } => {
                let key = key.map_or_else(|| keys.foreign_opt_out(publisher.as_str(), address), |it| Key::new(kind::OPT_OUT, it));
                let mut out = Encoder::with_capacity(48);
                out.fixed(address);
                out.text(publisher.as_str());
                clear(key, &out.finish())
            }
            Item::Feed { institution, last } => {
                let mut out = Encoder::with_capacity(32);
                out.text(institution.as_str());
                out.number(*last);
                clear(keys.feed(institution), &out.finish())
            }
            Item::Opened { .. } => return Ok(None),
        };
        Ok(Some((key, row::assemble(&key, FIRST, None, &[], &body))))
    }
}
