//! The draw: a million rows counted, a slice a turn, from the page cache; and the longest of these turns.
//!
//! The central has been started again after its draw, and counts the winners anew. So there are none of the syncs that make a
//! first draw durable: their time is the disk's, and does not depend on the number of rows.

mod common;
mod stored;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event_server::facts::Fact;
use event_server::lottery::Lottery;
use event_server::service::Service;
use event_server::store::files::{Durability, FileStore, Folder};
use frame::Number;

const ROWS: usize = 1_000_000;

/// The number that wins in the fixtures.
const WINNER: u32 = 7574;

/// A draw that has been done in this folder and is to be counted again.
struct Drawn(tempfile::TempDir);

impl Drawn {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = stored::left_behind(folder.path(), ROWS);
        let winner = Number::new(WINNER).expect("a number");
        let position = store.position();
        let draft = store.draft(0).expect("room");
        draft.stage(Fact::Drawn { position, winner });
        store.commit().expect("a disk");
        Self(folder)
    }

    /// A central that has just started there.
    fn service(&self) -> Service<FileStore<Folder>> {
        let mut lottery = Lottery::new(1);
        let folder = Folder::open(self.0.path()).expect("a folder");
        let opened = FileStore::open(folder, Durability::Never, |fact| lottery.apply(fact));
        let (store, _) = opened.expect("a good store");
        let winner = Number::new(WINNER).expect("a number");
        Service::new(lottery, store, winner).expect("a disk")
    }
}

fn draw(c: &mut Criterion) {
    let drawn = Drawn::new();
    let mut group = c.benchmark_group("draw");
    group.sample_size(20);
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("rows", |b| {
        b.iter_custom(|times| {
            (0..times)
                .map(|_| turns(&drawn).iter().sum::<Duration>())
                .sum()
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("longest_turn", |b| {
        let longest = |_| turns(&drawn).into_iter().max().unwrap_or_default();
        b.iter_custom(|times| (0..times).map(longest).sum());
    });
    group.finish();
}

/// How long each turn of a whole count takes.
fn turns(drawn: &Drawn) -> Vec<Duration> {
    let mut service = drawn.service();
    let mut turns = Vec::new();
    while !service.winners_known() {
        let begin = Instant::now();
        service.advance(begin, false).expect("a disk");
        turns.push(begin.elapsed());
        while service.poll_store().is_some() {}
    }
    turns
}

criterion_group! {
    name = benches;
    config = common::quick();
    targets = draw
}
criterion_main!(benches);
