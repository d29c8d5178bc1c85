//! (to come)
pub mod registration;
