//! A stored value: a clear head (form, version, key id, due time, feed numbers), the sealed body, a checksum.

use super::codec::Malformed;
use super::form::Form;
use super::key::Key;
use crate::domain::time::Timestamp;
use crate::vault::{Plain, SealedRow, Vault, VaultError};

/// Values stay below what sled keeps in a blob file of its own (100 KiB; those leak in 0.34.7).
pub(crate) const LARGEST: usize = 96 * 1024;

const FORM: u8 = 1;
const HEAD: usize = 23;
const SUM: usize = 4;

/// Who opens values: by these keys, in forms up to the newest that it reads.
#[derive(Clone, Copy)]
pub(crate) struct Opener<'a> {
    pub(crate) vault: &'a Vault,
    pub(crate) newest: Form,
}

/// What is clear of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The commit that wrote it.
    pub(crate) version: u64,
    /// The id of the key it is sealed under.
    pub(crate) day: u32,
    /// When something is to be done about it.
    pub(crate) due: Option<Timestamp>,
    /// Feed numbers of its events, in order.
    pub(crate) seqs: Vec<u64>,
}

/// Seals `plain` for `key`; its head comes when the version is known.
pub(crate) fn seal(vault: &Vault, key: &Key, plain: &[u8], long_lived: bool) -> SealedRow {
    vault.seal_row(long_lived, &key.0, plain)
}

/// Seals what `bytes` holds after its first [`ROOM`](crate::vault::ROOM), in its place.
pub(crate) fn seal_in_place(vault: &Vault, key: &Key, bytes: Vec<u8>, long_lived: bool) -> SealedRow {
    vault.seal_row_in_place(long_lived, &key.0, bytes)
}

/// How long the whole value will be.
pub(crate) fn length(body: &SealedRow, seqs: usize) -> usize {
    HEAD + seqs * 8 + body.bytes.len() + SUM
}

/// The whole value.
pub(crate) fn assemble(key: &Key, version: u64, due: Option<Timestamp>, seqs: &[u64], body: &SealedRow) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, (key, version, due), seqs, body);
    out
}

/// [`assemble`], into `out` instead of what it had.
pub(crate) fn write(out: &mut Vec<u8>, (key, version, due): (&Key, u64, Option<Timestamp>), seqs: &[u64], body: &SealedRow) {
    out.clear();
    out.reserve(length(body, seqs.len()));
    out.push(FORM);
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&body.day.to_be_bytes());
    out.extend_from_slice(&due.map_or(i64::MAX, Timestamp::millis).to_be_bytes());
    let count = u16::try_from(seqs.len()).expect("an aggregate has fewer than 65,536 events: its size is bounded");
    out.extend_from_slice(&count.to_be_bytes());
    seqs.iter().for_each(|seq| out.extend_from_slice(&seq.to_be_bytes()));
    out.extend_from_slice(&body.bytes);
    let sum = checksum(key, out);
    out.extend_from_slice(&sum.to_be_bytes());
}

/// Reads the head of a value, without looking at its checksum or seal.
pub(crate) fn head(value: &[u8]) -> Result<Head, Malformed> {
    let Parts { version, day, due, seqs, .. } = split(value)?;
    let seqs = seqs.chunks_exact(8).filter_map(|it| it.try_into().ok()).map(u64::from_be_bytes).collect();
    let due = (due != i64::MAX).then(|| Timestamp::from_millis(due));
    Ok(Head { version, day, due, seqs })
}

/// Opens a value, for whoever knows its head. The error names no content.
pub(crate) fn plain(vault: &Vault, key: &Key, value: &[u8]) -> Result<Plain, RowError> {
    let Parts { day, body, .. } = split(value)?;
    Ok(vault.open_row(day, &key.0, body)?)
}

/// Opens a value, with its head. The error names no content.
pub(crate) fn open(vault: &Vault, key: &Key, value: &[u8]) -> Result<(Head, Plain), RowError> {
    Ok((head(value)?, plain(vault, key, value)?))
}

/// Whether the checksum holds.
pub(crate) fn is_intact(key: &Key, value: &[u8]) -> bool {
    value.split_last_chunk::<SUM>().is_some_and(|(all, sum)| checksum(key, all) == u32::from_be_bytes(*sum))
}

/// Why a stored value can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Sealed(#[from] VaultError),
}

fn checksum(key: &Key, bytes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&key.0);
    sum.update(bytes);
    sum.finalize()
}

/// A value as it lies there.
struct Parts<'a> {
    version: u64,
    day: u32,
    due: i64,
    seqs: &'a [u8],
    body: &'a [u8],
}

fn split(value: &[u8]) -> Result<Parts<'_>, Malformed> {
    let (fixed, rest) = value.split_first_chunk::<HEAD>().ok_or(Malformed)?;
    let (rest, _) = rest.split_last_chunk::<SUM>().ok_or(Malformed)?;
    if fixed[0] != FORM {
        return Err(Malformed);
    }
    let mut from = super::codec::Decoder::new(&fixed[1..]);
    let (version, day) = (u64::from_be_bytes(from.array()?), u32::from_be_bytes(from.array()?));
    let (due, count) = (i64::from_be_bytes(from.array()?), u16::from_be_bytes(from.array()?));
    let (seqs, body) = rest.split_at_checked(usize::from(count) * 8).ok_or(Malformed)?;
    Ok(Parts { version, day, due, seqs, body })
}
