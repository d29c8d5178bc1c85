//! Challenges over REST (contract `dialog-flow.md`): over a real socket, with the engine behind it, and with a whole server.

#[path = "../http_stand/mod.rs"]
mod http_stand;
#[path = "../process/mod.rs"]
mod process;
#[path = "../world/mod.rs"]
mod world;

mod document;
mod life;
mod refusals;
mod scopes;
mod stand;
mod whole;
