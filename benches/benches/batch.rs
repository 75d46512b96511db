//! What a batch costs each side, in memory alone: from the rows of an agency file to a frame, and from the frame to
//! rows of bets.csv and an ack.
//!
//! `batch/md5` is the yardstick: both sides have to hash the payload in any case.

mod common;

use std::hint::black_box;

use batch_client::batch::Batches;
use benches::BATCH;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event_server::store::{Durability, Folder, Store};
use fixtures::FIXTURES;
use frame::{Ack, Agency, Batch, Frame, MessageId, Reply, Request};

fn batch(c: &mut Criterion) {
    let fixture = &FIXTURES[0];
    let agency = Agency::new(fixture.agency).expect("an agency's number");
    let file = std::fs::read(fixture.path()).expect("a committed file");
    let batches = || Batches::new(&file[..], agency, BATCH as u32);
    let (mut frames, mut bets) = (Vec::new(), 0);
    let mut reader = batches();
    while let Some((batch, count)) = reader.next_batch().expect("a good file") {
        let mut frame = Vec::new();
        Request::Batch(batch).encode(&mut frame);
        frames.push(frame);
        bets += u64::from(count);
    }
    let parsed: Vec<Frame<'_>> = frames
        .iter()
        .map(|frame| Frame::split(frame).expect("a whole frame"))
        .collect();

    let mut group = c.benchmark_group("batch");
    group.throughput(Throughput::ElementsAndBytes {
        elements: bets,
        bytes: parsed.iter().map(|frame| frame.payload.len() as u64).sum(),
    });
    group.bench_function("md5", |b| {
        b.iter(|| {
            for frame in &parsed {
                black_box(MessageId::of(frame.payload));
            }
        });
    });

    let folder = tempfile::tempdir().expect("a folder");
    let files = Folder::open(folder.path()).expect("a folder");
    let (mut store, _) = Store::open(files, Durability::Never, |_| ()).expect("an empty store");
    store.checkpoint([]).expect("a log");
    group.bench_function("server_rewrites", |b| {
        b.iter(|| {
            for frame in &parsed {
                rewrite(&mut store, Batch::new(frame.payload));
            }
        });
    });
    let mut acks = Vec::new();
    group.bench_function("server", |b| {
        b.iter(|| {
            for frame in &parsed {
                acks.clear();
                let Ok(Request::Batch(batch)) = Request::decode(*frame) else {
                    panic!("a frame without a batch");
                };
                rewrite(&mut store, batch);
                Reply::Ack(Ack::Success).encode(frame.id, &mut acks);
            }
        });
    });
    let mut out = Vec::new();
    group.bench_function("client", |b| {
        b.iter(|| {
            let mut batches = batches();
            while let Some((batch, _)) = batches.next_batch().expect("a good file") {
                out.clear();
                black_box(Request::Batch(batch).encode(&mut out));
            }
        });
    });
    group.finish();
}

/// Reads, validates and writes down a batch as the server does; what is staged is dropped again.
fn rewrite(store: &mut Store<Folder>, batch: Batch<'_>) {
    let mut draft = store.draft(2 * batch.payload().len()).expect("room");
    for bet in batch.bets() {
        draft.row(&bet.expect("a valid bet"));
    }
}

criterion_group! {
    name = benches;
    config = common::quick();
    targets = batch
}
criterion_main!(benches);
