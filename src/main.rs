//! The program. Everything is in the library; `src/lib.rs` is the map.

use std::process::ExitCode;

/// Keeps memory flat when it is freed on another thread than it was taken on.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    countersign::cli::main()
}
