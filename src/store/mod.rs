//! Where everything durable is. [`contract`] is what the engine relies on; the engines are private behind it.

pub mod contract;
