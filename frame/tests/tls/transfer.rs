//! Bytes that go through a session, whole and in order, within bounds of memory.

use std::sync::Arc;

use frame::{Documents, MessageId, Received, Reply, Winners};

use crate::pair::{INBOX, Pair, SESSION, World, noise};

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
    let before = pair.server.allocated();
    pair.server.release();
    assert!(pair.server.allocated() <= before);

    let mut idle = Pair::established(&world);
    idle.server.release();
    assert_eq!(
        idle.server.allocated(),
        0,
        "an idle connection holds no buffers"
    );
}
