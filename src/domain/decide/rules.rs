//! Field rules of `OOBValidate` (contract, faults; decision 20, second stage): what can be said without looking anything up.

/// A request whose field rules hold. Holding one proves it.
#[derive(Debug)]
pub struct Wish {}
