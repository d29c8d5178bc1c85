//! The OTP flows over Kafka: their records as data, and the whole bus against a cluster.

mod codec;

#[cfg(feature = "kafka")]
#[path = "../postgres/mod.rs"]
mod postgres;
#[cfg(feature = "kafka")]
#[path = "../process/mod.rs"]
mod process;
#[cfg(feature = "kafka")]
#[path = "../world/mod.rs"]
mod world;

#[cfg(feature = "kafka")]
mod adversity;
#[cfg(feature = "kafka")]
mod broker;
#[cfg(feature = "kafka")]
mod flow;
#[cfg(feature = "kafka")]
mod group;
#[cfg(feature = "kafka")]
mod guarded;
#[cfg(feature = "kafka")]
mod processes;
#[cfg(feature = "kafka")]
mod scram;
#[cfg(feature = "kafka")]
mod stand;
#[cfg(feature = "kafka")]
mod storm;
