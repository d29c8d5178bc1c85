//! Many at once, on several threads: 200 replies through two gateways and two engines over one store, 50 identical requests, and the
//! same against a real process. Held against both stores, and against planted faults that they must notice.

#[path = "../process/mod.rs"]
mod process;
#[path = "../sample/mod.rs"]
mod sample;
#[path = "../world/mod.rs"]
mod world;

#[path = "../simulation/mutant.rs"]
mod mutant;
#[path = "../simulation/pause.rs"]
mod pause;
#[path = "../simulation/plants.rs"]
mod plants;
#[path = "../simulation/slips.rs"]
mod slips;

mod crowd;
mod nodes;
mod sockets;

use crowd::{over_and_over, replies, requests, right_answers, right_calls, wrong_calls};
use mutant::Plant;
use nodes::{Kind, Nodes};

const NOTHING: Plant = |store| store;
/// Rounds within which a planted fault must show.
const TRIES: usize = 100;

macro_rules! over_both_stores {
    ($($name:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                for round in 0..8 {
                    super::$name(&super::Nodes::new(super::Kind::Memory, super::NOTHING, round).await).await.unwrap();
                }
            })*
        }
        mod sled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(&super::Nodes::new(super::Kind::Sled, super::NOTHING, 1).await).await.unwrap();
            })*
        }
    };
}

over_both_stores! { replies right_answers requests over_and_over right_calls wrong_calls }

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn check_then_write_is_noticed() {
    noticed("what was expected is checked, and then written", async |nodes| replies(nodes).await).await;
    noticed("what was expected is checked, and then written", async |nodes| requests(nodes).await).await;
    noticed("what was expected is checked, and then written", async |nodes| right_calls(nodes).await).await;
    noticed("what was expected is checked, and then written", async |nodes| wrong_calls(nodes).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attempts_counted_per_code_are_noticed() {
    noticed("attempts are counted per code", async |nodes| over_and_over(nodes).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn de_duplication_only_in_memory_is_noticed() {
    noticed("de-duplication is only in memory", async |nodes| requests(nodes).await).await;
}

async fn noticed(fault: &str, race: impl AsyncFn(&Nodes) -> Result<(), String>) {
    for round in 0..TRIES {
        if let Err(why) = race(&Nodes::new(Kind::Memory, plants::named(fault), round as u64).await).await {
            println!("{fault}: noticed in round {round}: {why}");
            return;
        }
    }
    panic!("{fault}: not noticed in {TRIES} rounds");
}
