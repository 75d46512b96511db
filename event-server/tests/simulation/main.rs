//! Everything at once, seeded: hub, service and store over fake streams and fake files, with model clients
//! that resume, that know no resume, and that mean no good.
//!
//! ```text
//! duplex    a connection: its bytes and its edges on their way
//! wire      its two ends
//! net       all connections
//! uploader  plain  intruder    the clients
//! ledger      what they sent and were told, and what must hold of it
//! central   the servers, one after another on one disk
//! world     all of these, a storm, and the calm after it
//! ```
//!
//! One thread and one seed a world: the same seed is the same run. Among what happens in the storm: resets, half-closes,
//! clients that vanish while held, rivals for one upload, two files for one agency, power cuts and kills within any
//! operation on the disk, failed calls, a full disk, orderly stops, restarts with another configuration.
//!
//! `SIMULATION_SEEDS=1000000` runs so many seeds, `SIMULATION_SEED=17` that one alone; with `-- --nocapture`
//! it tells what happens in it.

#[path = "../store_disk/mod.rs"]
mod store_disk;

mod central;
mod duplex;
mod intruder;
mod ledger;
mod net;
mod plain;
mod population;
mod running;
mod uploader;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use world::{Weather, World};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect(name))
}

/// Runs the seeds on all cores.
fn each_seed(count: u64, test: impl Fn(u64, bool) + Sync) {
    if let Some(seed) = number("SIMULATION_SEED") {
        return test(seed, true);
    }
    let count = number("SIMULATION_SEEDS").unwrap_or(count);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        return;
                    }
                    let run = AssertUnwindSafe(|| test(seed, false));
                    if let Err(panic) = catch_unwind(run) {
                        next.store(count, Ordering::Relaxed);
                        eprintln!(
                            "again: SIMULATION_SEED={seed} cargo test -p event-server --test simulation -- --nocapture"
                        );
                        resume_unwind(panic);
                    }
                }
            });
        }
    });
}

#[test]
fn whatever_happens_nothing_acknowledged_is_lost_or_doubled_and_nobody_starves() {
    each_seed(30_000, |seed, printed| {
        World::new(seed, Weather::Everything, printed).run();
    });
}

#[test]
fn whatever_the_streams_do_everyone_is_served_and_the_draw_is_right() {
    each_seed(10_000, |seed, printed| {
        World::new(seed, Weather::Streams, printed).run();
    });
}

#[test]
fn a_seed_is_one_run() {
    for seed in 0..50 {
        let run = || World::new(seed, Weather::Everything, false).run();
        assert_eq!(run(), run(), "seed {seed}");
    }
}
