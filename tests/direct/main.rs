//! Challenges that are asked for over REST and Kafka, through the engine as those two call it: what is refused, how a session lives,
//! and what holds whatever the order of calls.

#[path = "../postgres/mod.rs"]
mod postgres;
#[path = "../sample/mod.rs"]
mod sample;
#[path = "../world/mod.rs"]
mod world;

mod any_order;
mod life;
mod on_postgres;
mod order;
mod quotas;
mod table;
mod templates;
