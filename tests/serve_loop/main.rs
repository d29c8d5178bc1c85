//! `countersign serve` as a bank runs it: a real process, real peers around it, and an operator at its counter.

#[path = "../process/mod.rs"]
mod process;

mod banks;
mod events;
mod gateways;
mod messages;
mod operator;
mod setup;
mod stops;
