//! The outbox: its bytes come out in order, and its bound and its memory are as documented.

use std::sync::Arc;

use frame::{Ack, Agency, Documents, MessageId, Outbox, Reply, Request, Winners};

/// Takes at most this many bytes out of the outbox.
fn take(outbox: &mut Outbox, most: usize, taken: &mut Vec<u8>) {
    outbox
        .drain(|bytes| {
            let count = bytes.len().min(most);
            taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        })
        .unwrap();
}

#[test]
fn bytes_leave_in_order_however_much_waits_and_however_little_is_taken() {
    for seed in 0..50 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut outbox, mut put, mut taken) = (Outbox::new(0), Vec::new(), Vec::new());
        let mut largest = 0;
        for _ in 0..200 {
            let text: Vec<u8> = (0..rng.usize(..20_000)).map(|_| rng.u8(..)).collect();
            outbox.append(&text);
            put.extend_from_slice(&text);
            largest = largest.max(outbox.waiting());
            for _ in 0..rng.u8(..4) {
                take(&mut outbox, rng.usize(1..10_000), &mut taken);
            }
            assert_eq!(outbox.waiting(), put.len() - taken.len(), "seed {seed}");
        }
        // Sent bytes stay in the buffer until the rest is moved to the front, and a Vec doubles.
        assert!(
            outbox.allocated() <= 4 * largest.max(64 * 1024),
            "seed {seed}"
        );
        take(&mut outbox, usize::MAX, &mut taken);
        assert!(outbox.is_empty() && taken == put, "seed {seed}");
    }
}

#[test]
fn bytes_of_another_protocol_are_shared_where_they_are_many_and_leave_in_their_place() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut outbox, mut put, mut taken) = (Outbox::new(0), Vec::new(), Vec::new());
        for n in 0..rng.u8(1..20) {
            let rows = Arc::new(vec![n; Outbox::SHARED - 10_000 + rng.usize(..30_000)]);
            let (is_long, is_free) = (rows.len() >= Outbox::SHARED, !outbox.has_shared());
            outbox.append_shared(&rows, &[255; 7]);
            assert_eq!(
                Arc::strong_count(&rows) == 2,
                is_long && is_free,
                "seed {seed}"
            );
            put.extend_from_slice(&rows);
            put.extend_from_slice(&[255; 7]);
            for _ in 0..rng.u8(..6) {
                take(&mut outbox, rng.usize(1..20_000), &mut taken);
            }
            assert_eq!(outbox.waiting(), put.len() - taken.len(), "seed {seed}");
        }
        while !outbox.is_empty() {
            take(&mut outbox, rng.usize(1..20_000), &mut taken);
        }
        assert!(taken == put, "seed {seed}");
    }
}

#[test]
fn a_long_list_of_winners_is_shared_and_leaves_in_its_place_however_little_is_taken() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut outbox, mut put, mut taken) = (Outbox::new(0), Vec::new(), Vec::new());
        for n in 0..rng.u8(1..20) {
            if rng.bool() {
                let text = vec![n; rng.usize(..3_000)];
                outbox.append(&text);
                put.extend_from_slice(&text);
            } else {
                let length = Outbox::SHARED - 10 + rng.usize(..30_000);
                let list = Arc::new(vec![b'0' + n % 10; length]);
                let id = MessageId([n; 16]);
                let alone = !outbox.has_shared();
                let allocated = outbox.allocated();
                outbox.winners(id, &list);
                let shared = alone && length >= Outbox::SHARED;
                assert_eq!(Arc::strong_count(&list), 1 + usize::from(shared));
                let grown = outbox.allocated() - allocated;
                assert!(!shared || grown < allocated + 1_000, "seed {seed}: {grown}");
                Reply::Winners(Winners::Drawn(Documents::new(&list))).encode(id, &mut put);
            }
            for _ in 0..rng.u8(..5) {
                take(&mut outbox, rng.usize(1..20_000), &mut taken);
            }
            assert_eq!(outbox.waiting(), put.len() - taken.len(), "seed {seed}");
            if rng.u8(..4) == 0 {
                // Replies behind the list, if there is one, become one reply.
                let keep = outbox.waiting();
                let ack = |reason: &'static str| {
                    let reason = Some(reason.into());
                    Reply::Ack(Ack::Failure { reason })
                };
                outbox.replace(keep, &ack("to no request"));
                assert_eq!(outbox.waiting(), keep, "seed {seed}");
                for n in 0..rng.u8(1..3) {
                    outbox.reply(MessageId([n; 16]), &ack("not after all"));
                }
                outbox.replace(keep, &ack("instead"));
                ack("instead").encode(MessageId([0; 16]), &mut put);
            }
        }
        while !outbox.is_empty() {
            take(&mut outbox, 50_000, &mut taken);
        }
        assert!(taken == put, "seed {seed}");
        assert!(!outbox.has_shared());
    }
}

#[test]
fn a_list_of_sixteen_kibibytes_is_shared_and_one_of_a_byte_less_is_copied() {
    assert_eq!(Outbox::SHARED, 16_384);
    for (bytes, is_shared) in [(16_383, false), (16_384, true)] {
        let list = Arc::new(vec![b'1'; bytes]);
        let mut outbox = Outbox::new(0);
        outbox.winners(MessageId([7; 16]), &list);
        assert_eq!(outbox.has_shared(), is_shared, "{bytes} bytes of winners");
        let mut outbox = Outbox::new(0);
        outbox.append_shared(&list, b"x");
        assert_eq!(outbox.has_shared(), is_shared, "{bytes} bytes of a body");
    }
}

#[test]
fn an_outbox_has_room_while_less_than_its_bound_waits() {
    let mut outbox = Outbox::new(10);
    outbox.append(&[0; 9]);
    assert!(outbox.has_room());
    outbox.append(&[0; 1000]);
    assert!(
        !outbox.has_room(),
        "the last message may go beyond the bound"
    );
    take(&mut outbox, 999, &mut Vec::new());
    assert!(!outbox.has_room());
    take(&mut outbox, 1, &mut Vec::new());
    assert!(outbox.has_room());
}

#[test]
fn what_waits_in_another_outbox_of_the_same_bound_comes_behind_and_counts_before() {
    let (mut outbox, mut taken) = (Outbox::new(10), Vec::new());
    outbox.append(b"one, ");
    let mut other = outbox.with_same_bound();
    other.append(b"not two, ");
    take(&mut other, 4, &mut Vec::new());
    assert!(!outbox.has_room_beside(other.waiting()) && outbox.has_room_beside(4));
    outbox.take_from(&mut other);
    assert!(other.is_empty() && other.has_room() && !outbox.has_room());
    take(&mut outbox, usize::MAX, &mut taken);
    assert_eq!(taken, b"one, two, ");
}

#[test]
fn an_outbox_gives_its_memory_back_only_when_nothing_waits() {
    let mut outbox = Outbox::new(10);
    assert_eq!(outbox.allocated(), 0);
    outbox.append(b"hello");
    take(&mut outbox, 4, &mut Vec::new());
    outbox.release();
    assert_eq!(outbox.waiting(), 1);
    outbox.clear();
    outbox.release();
    assert_eq!((outbox.waiting(), outbox.allocated()), (0, 0));
    let written = outbox.drain(|_| panic!("nothing waits")).unwrap();
    assert_eq!(written, None);
}

#[test]
fn what_fills_an_outbox_leaves_it_its_memory_and_what_goes_far_beyond_does_not() {
    let bound = 256 * 1024;
    let mut outbox = Outbox::new(bound);
    let fill = |outbox: &mut Outbox| {
        while outbox.has_room() {
            outbox.append(&[0; 8_000]);
        }
        let allocated = outbox.allocated();
        take(outbox, usize::MAX, &mut Vec::new());
        allocated
    };
    let allocated = fill(&mut outbox);
    assert_eq!(outbox.allocated(), allocated, "it would be asked for again");
    outbox.append(&vec![0; 3 * bound]);
    take(&mut outbox, usize::MAX, &mut Vec::new());
    assert_eq!(outbox.allocated(), 0);
}

#[test]
fn requests_are_added_together_until_their_outbox_is_full_or_eight_are() {
    let agency = Agency::new(2).unwrap();
    let request = Request::Winners { agency };
    let mut frame = Vec::new();
    request.encode(&mut frame);
    for (bound, most) in [
        (frame.len(), 1),
        (frame.len() + 1, 2),
        (100 * frame.len(), 8),
    ] {
        let mut outbox = Outbox::new(bound);
        let mut requests = outbox.requests();
        let mut count = 0;
        while requests.has_room() {
            requests.push(&request);
            count += 1;
        }
        assert_eq!((count, requests.finish().len()), (most, most));
        assert_eq!(outbox.waiting(), most * frame.len());
    }
}

#[test]
fn waiting_bytes_are_moved_to_the_front_once_half_of_all_were_sent_and_no_sooner() {
    for (sent, moved) in [(70_000, false), (99_999, false), (100_000, true)] {
        let mut outbox = Outbox::new(0);
        outbox.append(&[0; 200_000]);
        take(&mut outbox, sent, &mut Vec::new());
        outbox.append(&vec![0; sent]);
        // In the same memory, where there was room again.
        assert_eq!(outbox.allocated() == 200_000, moved, "{sent}");
    }
    // Not for a few bytes: moving them would cost more than they do.
    let mut outbox = Outbox::new(0);
    outbox.append(&[0; 80_000]);
    take(&mut outbox, 64 * 1024 - 1, &mut Vec::new());
    outbox.append(&[0; 1_000]);
    assert!(outbox.allocated() > 80_000);
}

#[test]
fn as_much_memory_as_is_kept_is_kept_and_not_a_byte_more() {
    for (bytes, kept) in [(64 * 1024, true), (64 * 1024 + 1, false)] {
        let mut outbox = Outbox::new(10);
        outbox.append(&vec![0; bytes]);
        take(&mut outbox, usize::MAX, &mut Vec::new());
        assert_eq!(outbox.allocated(), if kept { bytes } else { 0 });
    }
}

#[test]
fn frames_and_text_follow_each_other_as_they_were_put_in() {
    let agency = Agency::new(2).unwrap();
    let query = Request::Winners { agency };
    let (mut outbox, mut expected, mut taken) = (Outbox::new(10), Vec::new(), Vec::new());
    let id = outbox.request(&query);
    assert_eq!(id, MessageId::of(b"{agency:2}"));
    outbox.append(b"hello\n");
    outbox.reply(id, &Reply::Ack(Ack::Success));

    query.encode(&mut expected);
    expected.extend_from_slice(b"hello\n");
    Reply::Ack(Ack::Success).encode(id, &mut expected);
    take(&mut outbox, usize::MAX, &mut taken);
    assert_eq!(taken, expected);
}
