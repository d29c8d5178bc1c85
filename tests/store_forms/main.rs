//! Two versions of the program at once on one database, by the forms of stored values that each reads: nodes are replaced one by
//! one under load, and each reads what the other writes. Also: a store on sled that an older version wrote.

#[path = "../postgres/mod.rs"]
mod postgres;
#[path = "../sample/mod.rs"]
mod sample;

mod ground;
mod life;
mod measure;
mod on_sled;
mod planted;
mod upgrade;

use countersign::store::contract::{Notes, Store};

/// What is tested.
pub trait Engine: Store + Notes {}
impl<T: Store + Notes> Engine for T {}
