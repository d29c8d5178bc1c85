//! Deterministic simulation: the real engine over the real store trait, with everything around it simulated from one seed.
//!
//! See `docs/proof.md`, "Races and the simulation". A seed that breaks a promise is printed with its trace; it replays with
//! `SIMULATION_SEED=n cargo test --test simulation replay`.

#[path = "../world/mod.rs"]
mod world;

mod bank;
mod carrier;
mod chaos;
mod crowd;
mod dice;
mod errand;
mod feed;
mod found;
mod model;
mod mutant;
mod pause;
mod plants;
mod process;
mod run;
mod scene;
mod slips;
mod subscribers;

use countersign::store::contract::Store;
use mutant::Plant;
use run::run;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The product as it is.
const NOTHING: Plant = |store: Arc<dyn Store>| store;

#[test]
fn promises_hold_for_some_seeds() {
    hold(0..200);
}

/// Seed 26,827: an operator's unlock came between the reading of a budget and the commit of "blocked", which did not rely on it. Seed
/// 9,899: START came between an opening that left the contact out and its commit. What is drawn otherwise changes what a seed does: with
/// each of the two taken back, look for the seed that tells.
#[test]
fn what_was_found_beyond_the_first_seeds_holds() {
    [26_827, 9_899].into_iter().for_each(|seed| hold(seed..seed + 1));
}

#[test]
#[ignore = "slow tier: simulation"]
fn promises_hold_for_ten_thousand_seeds() {
    hold(0..10_000);
}

/// Replays the seed in `SIMULATION_SEED`, and prints everything that happens.
#[test]
fn replay() {
    let Some(seed) = std::env::var("SIMULATION_SEED").ok().map(|it| it.parse().expect("a number")) else { return };
    match run(seed, NOTHING, true) {
        Ok(trace) => println!("{}", trace.join("\n")),
        Err(broken) => panic!("{}\nseed {seed}: {}", broken.trace.join("\n"), broken.why),
    }
}

#[test]
fn a_seed_always_runs_the_same_way() {
    for seed in 0..8 {
        let trace = || run(seed, NOTHING, true).unwrap_or_else(|broken| broken.trace);
        let (one, other) = (trace(), trace());
        let differs = one.iter().zip(&other).position(|(one, other)| one != other);
        assert_eq!(differs.map(|at| (&one[at], &other[at])), None, "seed {seed}");
        assert_eq!(one.len(), other.len(), "seed {seed}");
    }
}

/// Seeds within which every planted fault must be caught.
const WITHIN: u64 = 1_000;

#[test]
fn planted_faults_are_caught() {
    let missed: Vec<_> = plants::PLANTS.iter().filter(|(name, plant)| !is_caught(name, *plant)).map(|it| it.0).collect();
    assert!(missed.is_empty(), "nobody noticed within {WITHIN} seeds: {missed:?}");
}

fn is_caught(name: &str, plant: Plant) -> bool {
    let found = first(0..WITHIN, plant);
    match found {
        Some(seed) => {
            let why = run(seed, plant, false).err().map_or_else(String::new, |it| it.why);
            println!("{name}: caught by seed {seed}: {why}");
        }
        None => println!("{name}: NOT CAUGHT"),
    }
    found.is_some()
}

// Every seed of a range; the first that breaks a promise is replayed for its trace.
fn hold(seeds: std::ops::Range<u64>) {
    let Some(seed) = first(seeds, NOTHING) else { return };
    let again = run(seed, NOTHING, true).err();
    let (why, trace) = again.map_or(("it did not happen again".to_owned(), Vec::new()), |it| (it.why, it.trace));
    panic!(
        "{}\n\nseed {seed} breaks a promise: {why}\nreplay it with SIMULATION_SEED={seed} cargo test --test simulation replay",
        trace.join("\n")
    );
}

// The lowest seed found that breaks a promise; the seeds are spread over the processors.
fn first(seeds: std::ops::Range<u64>, plant: Plant) -> Option<u64> {
    let (next, broken) = (AtomicU64::new(seeds.start), Mutex::new(None::<u64>));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || broken.lock().unwrap().is_some() {
                return;
            }
            if run(seed, plant, false).is_err() {
                let mut broken = broken.lock().unwrap();
                *broken = Some(broken.map_or(seed, |it| it.min(seed)));
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    broken.into_inner().unwrap()
}
