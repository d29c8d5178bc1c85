//! Crashes: the process is killed, the power is cut, the disk is full, broken, read-only or damaged; and what was acknowledged
//! is there, once.
//!
//! A [`town`] of callers, handsets, a gateway and a subscriber works against a real `countersign serve` and keeps a [`record`] of
//! what it saw. When all is over [`check`] judges the record. `town::planted` has the faults that the judge must see, and
//! [`power`] those that the disk must show.
//!
//! Small here; full size: `cargo test --locked --profile proof --test crash -- --ignored --test-threads 1`. `CRASH_SEED` chooses
//! another run.

mod corrupt;
mod first;
mod full;
mod kill;
mod platter;
mod power;
#[path = "../process/mod.rs"]
mod process;
mod reopen;
#[path = "../sample/mod.rs"]
mod sample;
mod shim;
#[path = "../town/mod.rs"]
mod town;

use town::{check, dice, record};
