//! Bytes that go through a session, whole and in order, within bounds of memory.

use std::sync::Arc;

use frame::{Documents, MessageId, Received, Reply, Winners};

use crate::pair::{INBOX, PROTOCOL, Pair, SESSION, World, noise};

#[test]
fn bytes_arrive_whole_and_in_order_both_ways_and_end_with_close_notify_however_they_are_split() {
    let world = World::new();
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let pieces = *rng.choice(&[1, 30, 1_000, 20_000, usize::MAX]).unwrap();
        let most = if pieces == 1 { 500 } else { 60_000 };
        let mut sent = [noise(&mut rng, most), noise(&mut rng, most)];
        let mut received = [Vec::new(), Vec::new()];
        let mut done = [0, 0];
        let mut pair = Pair::new(&world, seed, pieces);
        if pieces > 1 && rng.bool() {
            // A list that is not copied goes first.
            let list = Arc::new(noise(&mut rng, 300_000));
            let id = MessageId([7; 16]);
            pair.server.outbox.winners(id, &list);
            let mut frame = Vec::new();
            Reply::Winners(Winners::Drawn(Documents::new(&list))).encode(id, &mut frame);
            done[1] = frame.len();
            sent[1] = [frame, std::mem::take(&mut sent[1])].concat();
        }
        for round in 0.. {
            assert!(round < 200_000, "seed {seed}: stalled");
            let channels = [&mut pair.client, &mut pair.server];
            for (i, channel) in channels.into_iter().enumerate() {
                if channel.outbox.has_room() && done[i] < sent[i].len() {
                    // The client does not have to wait for the end of the handshake.
                    let to = (done[i] + rng.usize(1..50_000)).min(sent[i].len());
                    channel.outbox.append(&sent[i][done[i]..to]);
                    done[i] = to;
                }
                // A caller with a budget does not always receive, send or take out everything.
                for _ in 0..rng.u32(..3) {
                    let what = channel.receive();
                    assert!(what.is_ok(), "seed {seed}: {what:?}");
                }
                if rng.bool() {
                    received[i].extend_from_slice(channel.inbox.unread());
                    channel.inbox.clear();
                }
                if rng.bool() {
                    let most = [usize::MAX, 1, 1_000][rng.usize(..3)];
                    channel.send_at_most(most).unwrap();
                }
                if rng.bool() {
                    let stream = channel.stream_mut();
                    let ready = (stream.read_blocked, stream.write_blocked);
                    (stream.read_blocked, stream.write_blocked) = (false, false);
                    channel.mark(ready.0, ready.1);
                }
            }
            if received[1].len() == sent[0].len() && received[0].len() == sent[1].len() {
                break;
            }
        }
        assert!(
            received[1] == sent[0] && received[0] == sent[1],
            "seed {seed}"
        );
        while !pair.client.is_established() || !pair.server.is_established() {
            pair.turn().unwrap();
        }
        pair.client.finish();
        while pair.turn().unwrap().1 != Received::End {}
        assert!(pair.server.ended() && !pair.server.can_receive());
        // The server may still answer; the client does not read it any more.
        pair.server.outbox.append(b"reply");
        pair.server.finish();
        while !pair.server.all_sent() {
            pair.turn().unwrap();
        }
        assert_eq!((pair.server.unsent(), pair.client.unsent()), (0, 0));
    }
}

#[test]
fn bytes_that_came_before_it_was_known_that_they_are_tls_are_the_beginning_of_the_session() {
    let world = World::new();
    let mut pair = Pair::in_the_clear(0, usize::MAX);
    pair.client.secure(world.client("central"));
    pair.event();
    pair.client.send().unwrap();
    assert!(matches!(pair.server.receive(), Ok(Received::Bytes(_))));
    pair.server.secure(world.server());
    assert!(pair.server.inbox.is_empty());
    while !(pair.client.is_established() && pair.server.is_established()) {
        pair.turn().unwrap();
    }
}

#[test]
fn both_sides_know_the_protocol_that_they_have_agreed_on_once_the_session_is_there() {
    let world = World::new();
    let pair = Pair::new(&world, 0, usize::MAX);
    assert_eq!(pair.client.agreed_protocol(), None);
    let pair = Pair::established(&world);
    for side in [&pair.client, &pair.server] {
        assert_eq!(side.agreed_protocol(), Some(PROTOCOL));
    }
}

#[test]
fn what_comes_after_the_end_of_a_session_is_not_decrypted() {
    let mut pair = Pair::established(&World::new());
    pair.server.finish();
    pair.client.outbox.append(b"late");
    pair.client.send().unwrap();
    assert!(matches!(pair.server.receive(), Ok(Received::Bytes(_))));
    let encrypted = pair.server.inbox.unread();
    assert!(encrypted.len() > 4 && !encrypted.starts_with(b"late"));
    let session = World::new().client("central");
    let shown = "Tls { established: false, failed: None, .. }";
    assert_eq!(format!("{session:?}"), shown);
}

#[test]
fn bytes_that_wait_in_the_session_are_received_without_a_new_event() {
    let world = World::new();
    let mut pair = Pair::established(&world);
    let text = noise(&mut fastrand::Rng::with_seed(1), 60_000);
    pair.client.outbox.append(&text);
    pair.turn().unwrap();
    pair.event();
    let server = &mut pair.server;
    let mut received = Vec::new();
    let mut blocked = false;
    while server.can_receive() {
        match server.receive().unwrap() {
            Received::Bytes(_) => assert!(server.inbox.unread().len() <= INBOX),
            Received::Full => {
                assert!(
                    server.can_receive(),
                    "a full inbox says nothing about the rest"
                );
                received.extend_from_slice(server.inbox.unread());
                server.inbox.clear();
                let moved = server.receive().unwrap();
                assert_eq!(moved, Received::Bytes(server.inbox.unread().len()));
            }
            Received::NotYet => blocked = true,
            Received::End => panic!("the client sent no close_notify"),
        }
    }
    assert!(blocked, "only a block clears readiness");
    received.extend_from_slice(server.inbox.unread());
    assert!(received == text);
    assert_eq!(
        server.receive().unwrap(),
        Received::NotYet,
        "the stream is not asked"
    );
}

#[test]
fn a_session_without_a_buffer_needs_memory_for_its_next_record_and_with_a_part_of_it_none() {
    let mut pair = Pair::established(&World::new());
    pair.client.outbox.append(b"a bet");
    while pair.server.inbox.is_empty() {
        pair.turn().unwrap();
    }
    pair.server.release();
    // The inbox has room: it is the session that has none.
    assert!(!pair.server.inbox.needs_memory() && pair.server.needs_memory());
    pair.client.outbox.append(b"another bet");
    pair.event();
    pair.client.send().unwrap();
    pair.up().bytes.truncate(10);
    assert_eq!(pair.server.receive().unwrap(), Received::Bytes(10));
    assert!(!pair.server.needs_memory());
    assert_eq!(pair.server.unread(), b"a bet".len() + 10);
}

#[test]
fn a_peer_that_floods_or_takes_nothing_costs_a_bounded_amount() {
    let world = World::new();
    let mut pair = Pair::established(&world);
    pair.client.outbox.append(&vec![7; 1_000_000]);
    pair.server.outbox.append(&vec![7; 1_000_000]);
    pair.down().stuck = true;
    for _ in 0..1_000 {
        pair.turn().unwrap();
        // Nobody takes anything out of the inbox.
        let session = pair.server.allocated() - pair.server.outbox.allocated();
        assert!(session <= INBOX + SESSION, "{session} bytes");
    }
    assert_eq!(pair.server.inbox.unread().len(), INBOX);
    assert!(
        pair.up().bytes.len() > 800_000,
        "the rest stays in the stream"
    );
    assert!(
        pair.server.outbox.waiting() >= 860_000,
        "the rest stays in the outbox"
    );
    assert!(pair.server.unsent() > 1_000_000);
    // What does not fit into the inbox of the first record, and a part of the next one.
    assert!(pair.server.unread() > INBOX + 20 * 1024);
    let before = pair.server.allocated();
    // Encrypted bytes, records, and what was decrypted of them.
    assert!(before - pair.server.outbox.allocated() > (128 + 32 + 10) * 1024);
    pair.server.release();
    assert!(pair.server.allocated() <= before);

    // A handshake takes memory beside its buffers.
    let mut begun = Pair::new(&world, 0, usize::MAX);
    begun.server.release();
    assert!(begun.server.allocated() >= 8 * 1024);
    let mut idle = Pair::established(&world);
    idle.server.release();
    assert_eq!(
        idle.server.allocated(),
        0,
        "an idle connection holds no buffers"
    );
}
