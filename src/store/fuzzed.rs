//! What must hold of every stored form, whatever the bytes: for the fuzz target `rows`, and for the test below. It is in no
//! shipped build.

use super::facts::Facts;
use super::form::Form;
use super::key::Key;
use super::{postgres, prepare, row, rows};
use crate::vault::Vault;
use std::sync::LazyLock;

// Days since 1970-01-01 of the one data key that is known here.
const DAY: u32 = 20_000;

static VAULT: LazyLock<Vault> = LazyLock::new(|| {
    let vault = Vault::from_root(&[7; 32]);
    vault.learn_day(DAY, &vault.new_day(DAY)).expect("the vault wrapped the key itself");
    assert!(vault.set_day(DAY));
    vault
});

/// Reads `bytes` as each stored form.
///
/// # Panics
/// Where a form reads what it would not have written: every value has one form only, so that a changed byte is either refused
/// or another value.
pub fn forms(bytes: &[u8]) {
    let form = bytes.first().and_then(|it| Form::of((*it).into())).unwrap_or(Form::NEWEST);
    if let Ok(it) = rows::decode_aggregate(bytes, form) {
        assert!(rows::encode_aggregate(&it, form, 0) == bytes, "an aggregate is written in two ways");
    }
    if let Ok(it) = rows::decode_budget(bytes, form) {
        assert!(rows::encode_budget(&it, form, 0) == bytes, "a budget is written in two ways");
    }
    if let Ok(it) = rows::decode_recipient(bytes, form) {
        assert!(rows::encode_recipient(&it, form, 0) == bytes, "a recipient is written in two ways");
    }
    postgres::hold(bytes, form);
    if let Ok(it) = Facts::decode(bytes) {
        assert!(it.encode() == bytes, "a tombstone has two forms");
    }
    let _ = prepare::decode_note(bytes);
    let _ = row::head(bytes);
    let key = Key::new(bytes.first().copied().unwrap_or_default(), [3; 16]);
    assert!(row::open(&VAULT, &key, bytes).is_err(), "bytes that nobody sealed were opened");
}

/// Seals `plain`, then changes one byte of the stored value: `mask`, unless it is 0, is put over the byte at `at` (modulo the
/// value's length).
///
/// # Panics
/// Where the sealed value can't be opened, or the change goes unnoticed.
pub fn flips(plain: &[u8], at: usize, mask: u8) {
    let key = Key::new(super::key::kind::AGGREGATE, [3; 16]);
    let long_lived = at.is_multiple_of(2);
    let mut value = row::assemble(&key, 1, None, &[1, 2], &row::seal(&VAULT, &key, plain, long_lived));
    assert!(row::is_intact(&key, &value));
    let opened = row::open(&VAULT, &key, &value).expect("what was just sealed opens");
    assert!(opened.1[..] == *plain && opened.0.seqs == [1, 2] && opened.0.version == 1);
    let other = Key::new(super::key::kind::AGGREGATE, [4; 16]);
    assert!(!row::is_intact(&other, &value) && row::open(&VAULT, &other, &value).is_err(), "a record passes for another");
    let at = at % value.len();
    value[at] ^= mask;
    if mask != 0 {
        assert!(!row::is_intact(&key, &value), "the checksum misses a changed byte");
        // The clear head is the checksum's alone: version, due time and feed numbers; all else is the seal's too.
        let clear = (1..9).contains(&at) || (13..21).contains(&at) || (23..39).contains(&at) || at + 4 >= value.len();
        assert!(clear || row::open(&VAULT, &key, &value).is_err(), "the seal misses a changed byte");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_form_holds(mut bytes in proptest::collection::vec(any::<u8>(), 1..200), at: usize, mask: u8) {
            bytes[0] = 1 + bytes[0] % 3;
            super::forms(&bytes);
            super::flips(&bytes, at, mask);
        }
    }
}
