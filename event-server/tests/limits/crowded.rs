//! Where the last places are taken: who gives way, and who does not.

use std::time::Duration;

use event_server::limits::Limits;

use crate::MILLI;
use crate::central::{Central, Client};
use crate::common::{encode, raw, winners};
use crate::request;

/// Whoever moved within this time gives way to nobody, but for one that has said nothing at all.
const SILENT: Duration = Duration::from_millis(500);

fn query() -> Vec<u8> {
    encode(&winners(1)).0
}

#[test]
fn where_all_places_are_taken_whoever_said_nothing_gives_way_first_and_who_lets_others_wait_last() {
    let mut central = Central::new(Limits {
        max_connections: 8,
        ..Limits::default()
    });
    let half = central.client(&request()[..10]);
    let idle = central.client(&request());
    let held = central.client(&query());
    let silent = central.connect();
    let line = central.client(b"half a line");
    let echoed = central.client(b"a line\n");
    central.settle();
    central.later(MILLI);
    let later_idle = central.client(&request());
    let later_silent = central.connect();
    central.settle();
    central.later(SILENT);
    let mut newcomers = Vec::new();
    for next in [silent, later_silent, line, echoed, idle, later_idle, half] {
        assert!(central.has_room());
        newcomers.push(central.client(&request()));
        assert!(next.is_dropped());
        central.settle();
    }
    assert!(!central.has_room(), "all others moved a moment ago");

    assert!(!held.is_dropped());
    for newcomer in &newcomers {
        assert_eq!(newcomer.replies(), 1);
    }
    central.later(SILENT);
    assert!(central.has_room());
}

#[test]
fn whoever_moves_within_half_a_second_keeps_its_place_and_in_the_order_of_their_silence_others_go()
{
    let mut central = Central::new(Limits {
        max_connections: 3,
        ..Limits::default()
    });
    let clients = [(); 3].map(|()| central.client(&request()));
    central.settle();
    central.later(SILENT - MILLI);
    assert!(!central.has_room());
    central.send(&clients[0], &request());
    central.settle();
    central.later(MILLI);
    assert!(central.has_room());
    let _newcomer = central.client(&request());
    assert_eq!(
        clients.each_ref().map(Client::is_dropped),
        [false, true, false]
    );
    // What has arrived is served, however long its sender was silent before.
    central.send(&clients[2], &request());
    assert!(!central.has_room());
    central.settle();
    assert_eq!(clients[2].replies(), 2);
}

#[test]
fn neither_an_event_that_brings_nothing_nor_a_part_of_a_frame_makes_a_peer_less_silent() {
    for begins in [false, true] {
        let mut central = Central::new(Limits {
            max_connections: 2,
            ..Limits::default()
        });
        let said = match begins {
            true => &request()[..10],
            false => &request()[..],
        };
        let old = central.client(said);
        central.settle();
        central.later(100 * MILLI);
        let young = central.client(said);
        central.settle();
        central.later(200 * MILLI);
        match begins {
            true => central.send(&old, &request()[10..11]),
            false => central.take(&old, None),
        }
        assert!(!central.has_room(), "nobody knows yet what it brings");
        central.settle();
        central.later(SILENT - 300 * MILLI - MILLI);
        assert!(!central.has_room());
        central.later(MILLI);
        let _newcomer = central.client(&request());
        assert_eq!([&old, &young].map(Client::is_dropped), [true, false]);
    }
}

#[test]
fn whoever_comes_has_a_tenth_of_a_second_for_its_first_byte_and_then_gives_way_before_all_others() {
    const FIRST: Duration = Duration::from_millis(100);
    let mut central = Central::new(Limits {
        max_connections: 2,
        ..Limits::default()
    });
    let idle = central.client(&request());
    central.settle();
    central.later(SILENT - FIRST);
    let silent = central.connect();
    central.settle();
    central.later(FIRST - MILLI);
    assert!(!central.has_room());
    central.later(MILLI);
    let newcomer = central.client(&request());
    assert!(silent.is_dropped() && !idle.is_dropped());
    central.settle();
    assert_eq!(newcomer.replies(), 1);
}

#[test]
fn the_time_for_a_first_byte_shrinks_with_the_places_and_that_between_requests_does_not() {
    let limits = Limits {
        max_connections: 10,
        ..Limits::default()
    };
    for (taken, limit) in [(5, 60), (6, 48), (8, 24), (10, 1)] {
        let mut central = Central::new(limits);
        let idle = central.client(&request());
        let silent: Vec<Client> = (1..taken).map(|_| central.connect()).collect();
        central.settle();
        central.later(Duration::from_secs(limit) - MILLI);
        assert!(!silent.iter().any(Client::is_dropped), "{taken}");
        central.later(Duration::from_secs(1));
        assert!(silent.iter().all(Client::is_dropped), "{taken}");
        assert!(!idle.is_dropped());
    }
}

#[test]
fn a_held_query_counts_as_waiting_for_its_peer_while_that_takes_no_replies() {
    let limits = Limits::default();
    let mut central = Central::new(limits);
    let clients = [(); 2].map(|()| {
        let client = central.connect();
        central.take(&client, Some(0));
        central.send(&client, &[request().repeat(3), query()].concat());
        client
    });
    central.settle();
    central.later(limits.idle_timeout - MILLI);
    assert!(!clients.iter().any(Client::is_dropped));
    central.take(&clients[0], None);
    central.settle();
    assert_eq!(clients[0].replies(), 3);
    central.later(limits.idle_timeout);
    assert_eq!(clients.map(|client| client.is_dropped()), [false, true]);
}

#[test]
fn last_replies_that_are_not_taken_count_as_such_only_where_a_request_was_served() {
    let mut central = Central::new(Limits {
        max_connections: 3,
        ..Limits::default()
    });
    let [served, line] = [
        [request(), raw(99, b"unknown")].concat(),
        b"a line\n".to_vec(),
    ]
    .map(|bytes| {
        let client = central.connect();
        central.take(&client, Some(0));
        central.send(&client, &bytes);
        client
    });
    let idle = central.client(&request());
    central.settle();
    central.later(SILENT);
    for next in [line, idle, served] {
        assert!(!next.is_dropped());
        let newcomer = central.client(&request());
        assert!(next.is_dropped());
        central.settle();
        assert_eq!(newcomer.replies(), 1);
    }
}
