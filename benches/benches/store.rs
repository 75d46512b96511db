//! The store: groups of batches appended and committed as one turn each, and recovery from the log.
//!
//! Synced and not, on the disk that the temporary folder is on. Nothing is parsed here: the bets are ready.

mod common;
mod stored;

use benches::{BATCH, bets};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use event_server::store::files::Durability;

/// Batches of a turn: of one client that waits for each ack, of five such clients, of one full window, of five full windows.
const GROUPS: [usize; 4] = [1, 5, 64, 320];

const RECOVERED: usize = 1_000_000;

fn commit(c: &mut Criterion) {
    // Twice: one file has no 320 batches.
    let bets = [bets(), bets()].concat();
    let mut group = c.benchmark_group("store");
    for (name, durability) in [
        ("durable", Durability::Always),
        ("not_durable", Durability::Never),
    ] {
        for batches in GROUPS {
            let folder = tempfile::tempdir().expect("a folder");
            let mut store = stored::open(folder.path(), durability, |_| ());
            store.checkpoint([]).expect("a disk");
            let turn = batches * BATCH;
            let mut turns = bets.chunks_exact(turn).cycle();
            group.throughput(Throughput::Elements(turn as u64));
            group.bench_function(BenchmarkId::new(name, batches), |b| {
                b.iter(|| {
                    stored::append(&mut store, turns.next().expect("no end"));
                    if store.wants_checkpoint() {
                        store.checkpoint([]).expect("a disk");
                    }
                });
            });
        }
    }
    group.finish();
}

/// Recovers from the log of a central that was killed with a million bets in it.
fn recover(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    drop(stored::left_behind(folder.path(), RECOVERED));
    let mut group = c.benchmark_group("store");
    group.sample_size(10);
    group.throughput(Throughput::Elements(RECOVERED as u64));
    group.bench_function("recovered", |b| {
        b.iter(|| stored::open(folder.path(), Durability::Never, |_| ()));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::quick();
    targets = commit, recover
}
criterion_main!(benches);
