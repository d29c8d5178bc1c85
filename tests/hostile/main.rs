//! Hostile input through real sockets: every case of `fixtures/hostile` gets the answer that it must, opens nothing, and leaves
//! the service as it was.

#[path = "../http_stand/mod.rs"]
mod http_stand;
#[path = "../process/mod.rs"]
mod process;

mod check;
mod corpus;
mod planted;
mod stand;
mod whole;
