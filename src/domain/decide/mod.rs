//! The decisions: synchronous, total, without failure; a refusal is an answer.

pub mod rules;
