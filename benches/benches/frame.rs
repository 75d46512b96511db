//! What the wire costs, over the batches of a whole agency file: frames, payloads, bets, and streams that
//! come in pieces.
//!
//! `frame/md5` is the yardstick, the MD5 of one payload after another: whatever else is done to a payload is measured
//! against it. What the programs do, with the MD5s of several payloads at once, is called `…_together`.

mod common;

use std::hint::black_box;

use benches::{BATCH, bets, write_payload};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use frame::digest::{LANES, md5_many};
use frame::payload::Objects;
use frame::{Batch, Bet, Frame, Inbox, MessageId, Outbox, Request};

/// Bytes of TCP in an Ethernet packet.
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

/// Bets to text and back, every field validated; and the MD5 of the same text, of one payload at a time and of several
/// at once.
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
    for lanes in [2, 4, LANES] {
        let name = match lanes {
            LANES => "md5_together".to_owned(),
            fewer => format!("md5_{fewer}_together"),
        };
        group.bench_function(name, |b| {
            b.iter(|| {
                for group in payloads.chunks(lanes) {
                    let mut messages: [&[u8]; LANES] = [&[]; LANES];
                    for (message, payload) in messages.iter_mut().zip(group) {
                        *message = payload;
                    }
                    let mut digests = [[0; 16]; LANES];
                    md5_many(&messages[..group.len()], &mut digests[..group.len()]);
                    black_box(digests);
                }
            });
        });
    }
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
    let mut outbox = Outbox::new(usize::MAX / 2);
    group.bench_function("encode_together", |b| {
        b.iter(|| {
            for group in payloads.chunks(LANES) {
                outbox.clear();
                let mut requests = outbox.requests();
                for payload in group {
                    requests.push(&Request::Batch(Batch::new(payload)));
                }
                black_box(requests.finish().len());
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
    let stream = frames.concat();
    let mut inbox = Inbox::new(65_536, 128 * 1024);
    group.bench_function("decode_together", |b| {
        b.iter(|| {
            let decoded = read_stream(&mut inbox, &stream, stream.len(), decode_next);
            assert_eq!(decoded, frames.len());
        });
    });
}

/// Decodes the next frame as a server does; returns whether there was one.
fn decode_next(inbox: &mut Inbox) -> bool {
    let Some((frame, md5)) = inbox.hashed_frame().unwrap() else {
        return false;
    };
    black_box(Request::decode_hashed(frame, md5)).unwrap();
    true
}

/// Takes out the next frame; returns whether there was one.
fn take_next(inbox: &mut Inbox) -> bool {
    black_box(inbox.frame().unwrap()).is_some()
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
            b.iter(|| {
                let taken = read_stream(&mut inbox, &stream, size, take_next);
                assert_eq!(taken, frames.len());
            });
        });
    }
}

/// How many frames `next` finds in a stream that gives at most `size` bytes at once.
fn read_stream(
    inbox: &mut Inbox,
    stream: &[u8],
    size: usize,
    next: impl Fn(&mut Inbox) -> bool,
) -> usize {
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
        while next(inbox) {
            frames += 1;
        }
    }
    frames
}

/// Reads the same bet again and again: the best case.
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
