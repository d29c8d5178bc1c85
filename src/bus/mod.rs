//! The OTP flows over Kafka (contract `otp-bus.md`): a process engine asks for a code to be made and sent, and later what the
//! customer typed is judged.
//!
//! What a record means is pure: [`body`] reads its JSON, [`ask`] says what is asked, [`answer`] writes what is answered, and
//! [`identity`] tells it from every other. [`desk`] keeps the books: which records are in work, in which order, and up to where all is
//! done. [`judge`] asks the engine. With the feature `kafka`, `service` runs all of it between a consumer group and a producer.
//!
//! **Nothing is lost, and nothing done twice.** A record's place is committed only after its answer was durably produced; whatever
//! happens before that, the record comes again, is known by its identity, and gets its first answer.

pub mod answer;
pub mod ask;
pub mod body;
pub mod desk;
pub mod identity;
pub mod judge;
pub mod metrics;
pub mod record;
mod settings;

#[cfg(feature = "kafka")]
mod client;
#[cfg(feature = "kafka")]
mod consumer;
#[cfg(feature = "kafka")]
mod producer;
#[cfg(feature = "kafka")]
mod service;
#[cfg(feature = "kafka")]
mod work;

#[cfg(feature = "kafka")]
pub use client::check;
#[cfg(feature = "kafka")]
pub use service::Bus;
pub use settings::{Sasl, Settings, Tls, Topics, topics_of};
