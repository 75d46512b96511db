//! Every limit of a connection, at it and one beyond: the hub over streams that do as they are told, and a
//! clock that is set by hand.
//!
//! What a limit does to a real server's peers is told in `loopback.rs` and `abuse`; the bounds of the buffers alone
//! are tested where the buffers are.

#[path = "../common/mod.rs"]
mod common;

mod central;
mod crowded;
mod hanging;
mod memory;
mod shares;

use std::iter::repeat_n;
use std::time::Duration;

use central::{Central, Client};
use common::{encode, finished, raw, winners};
use event_server::limits::Limits;
use frame::{LENGTH_FIELD, MIN_LENGTH, kind};

const MILLI: Duration = Duration::from_millis(1);

/// A request that is a frame of this length, as its length field counts.
fn of_length(length: usize) -> Vec<u8> {
    let mut payload = "{agency:1,x:".to_owned();
    payload.extend(repeat_n('x', length - MIN_LENGTH - payload.len() - 1));
    payload.push('}');
    let bytes = raw(kind::FINISHED, payload.as_bytes());
    assert_eq!(bytes.len(), LENGTH_FIELD + length);
    bytes
}

fn request() -> Vec<u8> {
    encode(&finished(1)).0
}

#[test]
fn a_frame_of_the_largest_length_is_served_and_of_one_byte_more_is_not() {
    let limits = Limits::default();
    let mut central = Central::new(limits);
    let largest = central.client(&of_length(limits.max_frame));
    let larger = central.client(&of_length(limits.max_frame + 1));
    let mut huge = of_length(100);
    huge[..4].copy_from_slice(&0x00ff_ffffu32.to_be_bytes());
    let huge = central.client(&huge);
    central.settle();
    assert_eq!((largest.replies(), largest.is_dropped()), (1, false));
    for refused in [larger, huge] {
        assert_eq!(refused.replies(), 0);
        assert!(refused.is_shut());
    }
}

#[test]
fn a_connection_is_served_so_many_requests_in_a_turn_and_the_others_get_theirs() {
    let mut central = Central::new(Limits {
        turn_requests: 4,
        ..Limits::default()
    });
    let many = central.client(&request().repeat(9));
    let few = central.client(&request());
    for served in [4, 8, 9] {
        central.tick();
        assert_eq!((many.replies(), few.replies()), (served, 1));
    }
    assert!(!central.hub.has_work());
}

#[test]
fn a_connection_that_brought_so_many_bytes_in_a_turn_is_read_no_further() {
    let size = request().len();
    for (turn_bytes, served) in [(3 * size, 3), (3 * size + 1, 4)] {
        let mut central = Central::new(Limits {
            turn_bytes,
            ..Limits::default()
        });
        let many = central.connect();
        for _ in 0..6 {
            central.send(&many, &request());
        }
        let few = central.client(&request());
        central.tick();
        assert_eq!((many.replies(), few.replies()), (served, 1));
        assert_eq!(many.unread(), (6 - served) * size);
        central.settle();
        assert_eq!(many.replies(), 6);
    }
}

#[test]
fn a_connection_that_brought_more_at_once_is_served_so_many_bytes_in_a_turn() {
    let size = request().len();
    for (turn_bytes, served) in [(3 * size, 3), (3 * size + 1, 4)] {
        let mut central = Central::new(Limits {
            turn_bytes,
            ..Limits::default()
        });
        let many = central.client(&request().repeat(6));
        let few = central.client(&request());
        central.tick();
        assert_eq!(many.unread(), 0, "one read brought them all");
        assert_eq!((many.replies(), few.replies()), (served, 1));
        central.settle();
        assert_eq!(many.replies(), 6);
    }
}

#[test]
fn replies_wait_for_those_to_requests_that_are_here_already_up_to_a_bound() {
    let size = request().len();
    for (gathered_bytes, replies) in [
        (0, [2, 4, 6, 8, 9]),
        (4 * size, [0, 4, 4, 8, 9]),
        (4 * size + 1, [0, 0, 6, 6, 9]),
        (100 * size, [0, 0, 0, 0, 9]),
    ] {
        let mut central = Central::new(Limits {
            turn_bytes: 2 * size,
            gathered_bytes,
            ..Limits::default()
        });
        // The beginning of a request is none: nobody waits for its rest.
        let many = central.client(&[&request().repeat(9), &request()[..10]].concat());
        let few = central.client(&request());
        for told in replies {
            central.tick();
            assert_eq!((many.replies(), few.replies()), (told, 1));
        }
        assert!(!central.hub.has_work());
    }
}

#[test]
fn replies_that_wait_for_others_leave_before_a_refusal_a_query_that_is_held_and_the_end() {
    let size = request().len();
    let broken = [0xff; 4].to_vec();
    let query = encode(&winners(1)).0;
    for last in [broken, query] {
        let mut central = Central::new(Limits {
            turn_bytes: 2 * size,
            gathered_bytes: usize::MAX,
            ..Limits::default()
        });
        let client = central.client(&[request().repeat(4), last].concat());
        central.tick();
        central.tick();
        assert_eq!(client.replies(), 0);
        central.tick();
        assert_eq!(client.replies(), 4);

        let client = central.client(&request().repeat(9));
        central.tick();
        assert_eq!(client.replies(), 0);
        central.hub.stop();
        central.tick();
        assert_eq!(client.replies(), 2);
    }
}

#[test]
fn replies_that_wait_for_others_leave_where_the_bound_of_the_outbox_is_reached() {
    const ACK: usize = 38;
    let mut central = Central::new(Limits {
        turn_bytes: 2 * request().len(),
        gathered_bytes: usize::MAX,
        max_outbox: 3 * ACK,
        ..Limits::default()
    });
    let client = central.client(&request().repeat(9));
    for replies in [0, 3, 3, 6, 6, 9] {
        central.tick();
        assert_eq!(client.replies(), replies);
    }
}

#[test]
fn no_more_is_read_than_one_inbox_holds_beside_what_was_served() {
    let limits = Limits {
        max_frame: 8_192,
        max_inbox: 20_000,
        turn_requests: 100,
        ..Limits::default()
    };
    let mut central = Central::new(limits);
    let all = request().repeat(10_000);
    let client = central.client(&all);
    let mut most = 0;
    while client.replies() < 10_000 {
        central.tick();
        let read = all.len() - client.unread();
        most = most.max(read - client.replies() * request().len());
    }
    assert!(most <= limits.max_inbox, "{most} bytes");
    assert!(most > limits.max_inbox / 2, "{most} bytes: it is used");
}

#[test]
fn of_a_frame_that_is_longer_than_a_share_a_share_is_read_in_each_turn() {
    let limits = Limits {
        turn_bytes: 4_096,
        ..Limits::default()
    };
    let mut central = Central::new(limits);
    let frame = of_length(limits.max_frame);
    let client = central.client(&frame);
    let mut before = frame.len();
    for _ in 0..3 {
        central.tick();
        let read = before - client.unread();
        assert!((1..=3 * limits.turn_bytes).contains(&read), "{read}");
        before = client.unread();
    }
    central.settle();
    assert_eq!(client.replies(), 1);
}

#[test]
fn a_connection_is_not_served_while_its_unsent_replies_reach_the_bound() {
    const ACK: usize = 38;
    for (max_outbox, served) in [(30 * ACK, 30), (30 * ACK + 1, 31)] {
        let mut central = Central::new(Limits {
            max_outbox,
            ..Limits::default()
        });
        let client = central.connect();
        central.take(&client, Some(0));
        central.send(&client, &request().repeat(100));
        central.settle();
        central.take(&client, None);
        central.tick();
        assert_eq!(client.replies(), served, "they were waiting");
        central.settle();
        assert_eq!(client.replies(), 100);
    }
}

#[test]
fn at_the_bound_of_all_buffers_nobody_is_closed_and_beyond_it_those_that_wait_longest() {
    const FIRST: usize = 4_096;
    for (max_buffered, closed) in [(8 * FIRST, 0), (8 * FIRST - 1, 3)] {
        let mut central = Central::new(Limits {
            max_buffered,
            ..Limits::default()
        });
        let silent = central.connect();
        let slow = [(); 8].map(|()| central.connect());
        // The last of the slots begins to wait first.
        for client in slow.iter().rev() {
            central.send(client, &request()[..10]);
            central.later(MILLI);
        }
        let dropped: Vec<bool> = slow.iter().rev().map(Client::is_dropped).collect();
        let expected: Vec<bool> = (0..8).map(|i| i < closed).collect();
        assert_eq!(dropped, expected, "{max_buffered}");
        assert!(!silent.is_dropped(), "it keeps no bytes here");
        let good = central.client(&request());
        central.settle();
        assert_eq!(good.replies(), 1);
    }
}

#[test]
fn half_the_connections_may_be_held_and_no_room_is_left_at_the_bound() {
    let mut central = Central::new(Limits {
        max_connections: 4,
        ..Limits::default()
    });
    let query = encode(&winners(1)).0;
    let held = [central.client(&query), central.client(&query)];
    central.settle();
    assert_eq!(held.each_ref().map(Client::replies), [0, 0]);
    let third = central.client(&query);
    central.settle();
    assert_eq!(held.each_ref().map(Client::replies), [1, 0]);
    assert_eq!(third.replies(), 0);
    assert!(central.has_room());
    central.connect();
    assert!(!central.has_room());
}

#[test]
fn who_keeps_the_server_waiting_is_closed_in_time_and_not_before() {
    let limits = Limits::default();
    type Case = (&'static str, Duration, fn(&mut Central) -> Client);
    let cases: [Case; 5] = [
        ("a first byte", limits.idle_timeout, Central::connect),
        ("the rest of a frame", limits.idle_timeout, |central| {
            central.client(&request()[..30])
        }),
        ("the rest of a line", limits.idle_timeout, |central| {
            central.client(b"no newline")
        }),
        ("replies to be taken", limits.idle_timeout, |central| {
            let client = central.connect();
            central.take(&client, Some(0));
            central.send(&client, &request());
            client
        }),
        ("a goodbye", Duration::from_secs(2), |central| {
            central.client(b"a line\n")
        }),
    ];
    for (what, limit, client) in cases {
        for (time, dropped) in [(limit - MILLI, false), (limit, true)] {
            let mut central = Central::new(limits);
            let client = client(&mut central);
            central.settle();
            central.later(time);
            assert_eq!(client.is_dropped(), dropped, "{what}, after {time:?}");
        }
    }
}

#[test]
fn bytes_one_by_one_buy_no_time_and_replies_that_are_taken_do() {
    let limits = Limits::default();
    let mut central = Central::new(limits);
    let trickling = central.client(&request()[..1]);
    let slow = central.connect();
    central.take(&slow, Some(0));
    central.send(&slow, &request());
    central.settle();
    for byte in &request()[1..5] {
        central.later(limits.idle_timeout / 4);
        central.send(&trickling, &[*byte]);
        central.take(&slow, Some(1));
        central.settle();
    }
    central.later(limits.idle_timeout / 4);
    assert!(trickling.is_dropped());
    assert!(!slow.is_dropped());
    central.later(limits.idle_timeout);
    assert!(slow.is_dropped(), "it took no more");
}

#[test]
fn between_requests_and_while_held_nobody_has_to_hurry() {
    let mut central = Central::new(Limits::default());
    let between = central.client(&request());
    let query = encode(&winners(1)).0;
    let held = central.client(&query);
    // Behind it stands the beginning of a frame, whose rest may come when it is answered.
    let behind = central.client(&[&query[..], &query[..10]].concat());
    central.settle();
    for _ in 0..100 {
        central.later(Duration::from_secs(3_600));
    }
    for client in [between, held, behind] {
        assert!(!client.is_dropped());
    }
}

#[test]
fn after_the_last_reply_so_many_bytes_are_read_away_and_no_more() {
    const DRAIN: usize = 1024 * 1024;
    for (more, dropped) in [(DRAIN, false), (DRAIN + 1, true)] {
        let mut central = Central::new(Limits::default());
        let client = central.client(b"a line\n");
        central.settle();
        assert_eq!(client.received(), b"a line\n");
        central.send(&client, &vec![b'x'; more]);
        central.settle();
        assert_eq!((client.unread(), client.is_dropped()), (0, dropped));
    }
}
