//! Everything at once, seeded: hub, service and store over fake streams, and fake files or a simulated database, with
//! model clients that resume, that know no resume, and that do not mean well.
//!
//! ```text
//! duplex    a connection: its bytes and its edges on their way
//! wire      its two ends
//! net       all connections
//! patience  how long a server has waited for its peer
//! uploader  plain  latecomer  intruder  idler  staller    the clients; population: all of them
//! ledger    what they sent and were told, and what must hold of it
//! running   the turns of a server
//! central   the servers, one after another on one disk
//! world     all of these, a storm, and the calm after it
//! cluster   the same with several servers over one database
//! ```
//!
//! One thread and one seed a world: the same seed is the same run. Among what happens in the storm: resets, half-closes,
//! clients that vanish while held, peers that take no replies in every state or are silent where no place is left, rivals for
//! one upload, two files for one agency, power cuts and kills within any operation on the disk, failed calls, a full disk,
//! orderly stops, restarts with another configuration, agencies that an operator reopens or closes while their clients wait. In
//! the cluster: sessions lost before, within and after a commit, queries that are carried out after their session was lost,
//! conflicts, a full database and one that is away, slices of the draw that take too long, failovers, an old primary that goes
//! on, servers killed and stopped; and clients that stop for a while at servers that forget their agencies.
//!
//! `SIMULATION_SEEDS=1000000` runs that many seeds, `SIMULATION_SEED=17` that one alone; with `-- --nocapture`
//! it tells what happens in it.

#[path = "../store_disk/mod.rs"]
mod store_disk;

mod central;
mod cluster;
mod duplex;
mod idler;
mod intruder;
mod latecomer;
mod ledger;
mod net;
mod patience;
mod plain;
mod population;
mod running;
mod staller;
mod uploader;
mod wire;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use cluster::{ClusterWorld, Faults};
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
    // A test's thread has the name of the test.
    let current = thread::current();
    let name = current.name().unwrap_or_default();
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
                            "again: SIMULATION_SEED={seed} cargo test -p event-server --test simulation {name} -- --nocapture"
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

#[test]
fn whatever_happens_to_a_cluster_nothing_acknowledged_is_lost_or_doubled_and_nobody_starves() {
    each_seed(20_000, |seed, printed| {
        ClusterWorld::new(seed, Faults::All, 1, printed).run();
    });
}

#[test]
fn an_agency_that_is_forgotten_while_its_client_stops_is_stored_once() {
    each_seed(10_000, |seed, printed| {
        let world = ClusterWorld::new(seed, Faults::All, 1, printed);
        world.forgetful().run();
    });
}

#[test]
fn a_cluster_without_replication_stores_nothing_twice_or_out_of_order() {
    each_seed(5_000, |seed, printed| {
        ClusterWorld::new(seed, Faults::AllWithoutReplication, 1, printed).run();
    });
}

#[test]
fn a_slow_database_costs_nobody_the_connection() {
    each_seed(5_000, |seed, printed| {
        ClusterWorld::new(seed, Faults::Slowness, 1, printed).run();
    });
}

#[test]
fn centrals_of_several_sessions_keep_an_agency_in_one_of_them_and_lose_no_others_with_it() {
    each_seed(20_000, |seed, printed| {
        let faults = match seed % 8 {
            0 => Faults::Slowness,
            1 | 2 => Faults::AllWithoutReplication,
            _ => Faults::All,
        };
        let sessions = if seed % 2 == 0 { 2 } else { 4 };
        ClusterWorld::new(seed, faults, sessions, printed).run();
    });
}

#[test]
fn a_clusters_seed_is_one_run() {
    for seed in 0..50 {
        let run = || ClusterWorld::new(seed, Faults::All, 1 + seed as u8 % 2, false).run();
        assert_eq!(run(), run(), "seed {seed}");
    }
}
