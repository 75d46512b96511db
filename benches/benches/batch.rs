//! What a batch costs each side, the network not counted: from an agency file to frames, and from frames to rows in
//! the server's files and acks.
//!
//! `batch/md5` is the yardstick, the MD5 of one payload after another. Both sides have to hash every payload, and do so for
//! several at once.

mod common;
mod stored;

use std::fs::File;
use std::hint::black_box;
use std::sync::Arc;

use batch_client::batch::{Batches, Blocks};
use batch_client::blocks::SMALLEST;
use benches::BATCH;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event_server::facts::{Fact, Source};
use event_server::store::files::{DraftRows, Durability, Folder, WalStore};
use fixtures::FIXTURES;
use frame::digest::{LANES, md5_many};
use frame::{
    Ack, Agency, Batch, Frame, MAX_CLIENT_FRAME, MessageId, Outbox, Reply, Request, Requests,
};

/// Batches that the server serves in a turn.
const WINDOW: usize = 64;

fn batch(c: &mut Criterion) {
    let fixture = &FIXTURES[0];
    let agency = Agency::new(fixture.agency).expect("an agency's number");
    let open = || File::open(fixture.path()).expect("a committed file");
    let blocks = Arc::new(Blocks::of(open(), SMALLEST).expect("a committed file"));
    let batches = || Batches::new(open(), Arc::clone(&blocks), agency, BATCH as u32);
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
    let mut store = stored::open(folder.path(), Durability::Never, |_| ());
    store.checkpoint([]).expect("a disk");
    group.bench_function("server_rewrites", |b| {
        b.iter(|| {
            for frame in &parsed {
                // Dropped unstaged, it leaves no trace.
                rewrite(&mut store, Batch::new(frame.payload));
            }
        });
    });
    group.bench_function("server", |b| {
        b.iter(|| {
            parsed
                .chunks(WINDOW)
                .for_each(|turn| serve(&mut store, agency, turn))
        });
    });
    let mut outbox = Outbox::new(Requests::MAX * MAX_CLIENT_FRAME);
    group.bench_function("client", |b| {
        b.iter(|| {
            let mut batches = batches();
            while prepare(&mut outbox, &mut batches) {
                black_box(&outbox);
                outbox.clear();
            }
        });
    });
    group.finish();
}

/// Reads and validates a batch, and writes it as rows.
fn rewrite<'s>(store: &'s mut WalStore<Folder>, batch: Batch<'_>) -> DraftRows<'s> {
    let mut draft = store.draft(2 * batch.payload().len()).expect("room");
    for bet in batch.bets() {
        draft.row(&bet.expect("a valid bet"));
    }
    draft
}

/// Appends the next batches as frames, as many as the client prepares at once; returns whether there were any.
fn prepare(outbox: &mut Outbox, batches: &mut Batches<File>) -> bool {
    let mut requests = outbox.requests();
    while requests.has_room()
        && let Some((batch, _)) = batches.next_batch().expect("a good file")
    {
        requests.push(&Request::Batch(batch));
    }
    requests.finish().len() > 0
}

/// Frames with the MD5s of their payloads, as they come out of an inbox.
fn hash<'a>(frames: &[Frame<'a>]) -> impl Iterator<Item = (Frame<'a>, MessageId)> + use<'a> {
    let mut group = [frames[0]; LANES];
    group[..frames.len()].copy_from_slice(frames);
    let mut digests = [[0; 16]; LANES];
    let payloads = group.map(|frame| frame.payload);
    md5_many(&payloads[..frames.len()], &mut digests[..frames.len()]);
    let hashed = group.into_iter().zip(digests.map(MessageId));
    hashed.take(frames.len())
}

/// Does what the server does in a turn; nothing is synced.
fn serve(store: &mut WalStore<Folder>, agency: Agency, turn: &[Frame<'_>]) {
    let mut acks = Vec::new();
    for (frame, md5) in turn.chunks(LANES).flat_map(hash) {
        let Ok(Request::Batch(batch)) = Request::decode_hashed(frame, md5) else {
            panic!("a frame without a batch");
        };
        rewrite(store, batch).stage(Fact::Batch {
            agency,
            source: Source::Plain,
            id: frame.id,
            bets: BATCH as u32,
        });
        Reply::Ack(Ack::Success).encode(frame.id, &mut acks);
    }
    store.commit().expect("a disk");
    if store.wants_checkpoint() {
        store.checkpoint([]).expect("a disk");
    }
    black_box(acks);
}

criterion_group! {
    name = benches;
    config = common::quick();
    targets = batch
}
criterion_main!(benches);
