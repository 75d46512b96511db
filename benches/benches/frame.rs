//! What the wire costs, over the batches of a whole agency file: frames, payloads, bets, and streams that
//! come in pieces.
//!
//! `frame/md5` is the yardstick. Each payload's id is its MD5, so that much is spent on it in any case;
//! whatever else is done to a payload is measured against that.

mod common;

use std::hint::black_box;

use benches::{BATCH, bets, write_payload};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use frame::payload::Objects;
use frame::{Batch, Bet, Frame, Inbox, MessageId, Request};

/// What an Ethernet packet carries.
const SEGMENT: usize = 1460;

fn frame(c: &mut Criterion) {
    let bets = bets();
    let payloads: Vec<Vec<u8>> = bets.chunks(BATCH).map(payload).collect();
    let frames: Vec<Vec<u8>> = payloads.iter().map(|payload| framed(payload)).collect();

    let mut group = c.benchmark_group("frame");
    group.throughput(Throughput::ElementsAndBytes {
        elements: bets.len() as u64,
        bytes: payloads.iter().map(Vec::len).sum::<usize>() as u64,
    });
    bench_payloads(&mut group, &bets, &payloads);
    bench_frames(&mut group, &payloads, &frames);
    bench_streams(&mut group, &frames);
    bench_one_bet(&mut group, &bets[0]);
    group.finish();
}

fn payload(bets: &[Bet<'_>]) -> Vec<u8> {
    let mut payload = Vec::new();
    write_payload(bets, &mut payload);
    payload
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    Request::Batch(Batch::new(payload)).encode(&mut frame);
    frame
}

/// Bets to text and back, every field validated; and the MD5 of the same text.
fn bench_payloads(
    group: &mut BenchmarkGroup<'_, WallTime>,
    bets: &[Bet<'_>],
    payloads: &[Vec<u8>],
) {
    group.bench_function("md5", |b| {
        b.iter(|| {
            for payload in payloads {
                black_box(MessageId::of(payload));
            }
        });
    });
    group.bench_function("payload_read", |b| {
        b.iter(|| {
            for payload in payloads {
                for bet in Batch::new(payload).bets() {
                    black_box(bet).unwrap();
                }
            }
        });
    });
    let mut out = Vec::new();
    group.bench_function("payload_write", |b| {
        b.iter(|| {
            for batch in bets.chunks(BATCH) {
                out.clear();
                write_payload(batch, &mut out);
                black_box(&out);
            }
        });
    });
}

/// Batches to frames and back. Both ways the MD5 is a part of it; the bets are not looked at.
fn bench_frames(
    group: &mut BenchmarkGroup<'_, WallTime>,
    payloads: &[Vec<u8>],
    frames: &[Vec<u8>],
) {
    let mut out = Vec::new();
    group.bench_function("encode", |b| {
        b.iter(|| {
            for payload in payloads {
                out.clear();
                black_box(Request::Batch(Batch::new(payload)).encode(&mut out));
            }
        });
    });
    group.bench_function("decode", |b| {
        b.iter(|| {
            for frame in frames {
                black_box(Request::decode(Frame::split(frame).unwrap())).unwrap();
            }
        });
    });
}

/// Frames out of an inbox, their payloads unread, however the bytes come in.
fn bench_streams(group: &mut BenchmarkGroup<'_, WallTime>, frames: &[Vec<u8>]) {
    let stream = frames.concat();
    for (name, size) in [
        ("stream_whole", stream.len()),
        ("stream_in_segments", SEGMENT),
        ("stream_byte_by_byte", 1),
    ] {
        let mut inbox = Inbox::new(65_536, 128 * 1024);
        group.bench_function(name, |b| {
            b.iter(|| assert_eq!(read_stream(&mut inbox, &stream, size), frames.len()));
        });
    }
}

/// How many frames come out of a stream that gives at most `size` bytes at once.
fn read_stream(inbox: &mut Inbox, stream: &[u8], size: usize) -> usize {
    let (mut rest, mut frames) = (stream, 0);
    while !rest.is_empty() {
        inbox
            .fill(|space| {
                let (piece, later) = rest.split_at(size.min(space.len()).min(rest.len()));
                space[..piece.len()].copy_from_slice(piece);
                rest = later;
                Ok(piece.len())
            })
            .unwrap();
        while let Some(frame) = inbox.frame().unwrap() {
            black_box(frame);
            frames += 1;
        }
    }
    frames
}

/// The same bet again and again: the best case.
fn bench_one_bet(group: &mut BenchmarkGroup<'_, WallTime>, bet: &Bet<'_>) {
    let text = payload(std::slice::from_ref(bet));
    group.throughput(Throughput::ElementsAndBytes {
        elements: 1,
        bytes: text.len() as u64,
    });
    group.bench_function("bet_validated", |b| {
        b.iter(|| Bet::read(&mut Objects::new(black_box(&text))));
    });
}

criterion_group! {
    name = benches;
    config = common::quick();
    targets = frame
}
criterion_main!(benches);
