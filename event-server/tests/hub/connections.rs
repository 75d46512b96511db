//! How connections are seen, and what is counted of them.

use std::time::Duration;

use event_server::limits::Limits;
use event_server::observe::{CloseReason, ConnectionView, Observe, RequestKind, Wait};
use event_server::store::Event;

use crate::central::{Central, Client};
use crate::common::{agency, batch, bet, encode, finished, one, raw, resume, winners};
use crate::store::{Ordered, central};

/// The connections that are there.
fn views(central: &Central<Ordered>) -> Vec<ConnectionView> {
    let mut views = Vec::new();
    let slots = 0..central.hub.slots();
    let now = central.now;
    central
        .hub
        .connections(slots, now, &mut |view| views.push(view.clone()));
    views
}

/// The state of each, and what it waits for.
fn waits(central: &Central<Ordered>) -> Vec<(&'static str, Wait)> {
    let states = central.hub.bounds().states;
    let views = views(central).into_iter();
    views.map(|view| (states[view.state], view.waits)).collect()
}

#[test]
fn each_connection_is_seen_in_its_state_and_with_what_it_waits_for() {
    let limits = Limits {
        turn_requests: 1,
        ..Limits::default()
    };
    let (mut central, orders) = central(2, limits, None);
    let request = encode(&finished(2)).0;
    let _silent = central.connect();
    let _echoes = central.client(b"half a li");
    let _begins = central.client(&request[..9]);
    let _idle = central.client(&request);
    let stuck = central.connect();
    central.take(&stuck, Some(0));
    central.send(&stuck, &request);
    let _held = central.client(&encode(&winners(1)).0);
    let drains = central.connect();
    central.take(&drains, Some(0));
    central.send(&drains, &raw(99, b"unknown"));
    let _drained = central.client(&raw(99, b"unknown"));
    central.settle();
    orders.reads.set(true);
    let _reads = central.client(&encode(&one(&bet(1, "1", false))).0);
    central.settle();
    orders.reads.set(false);
    orders.keeps.set(true);
    let commits = central.client(&encode(&one(&bet(1, "1", false))).0);
    central.settle();
    orders.keeps.set(false);
    let seen = [
        ("sniffing", Wait::FirstByte),
        ("echoing", Wait::Rest),
        ("open", Wait::Rest),
        ("open", Wait::Nothing),
        ("open", Wait::RepliesTaken),
        ("held", Wait::Draw),
        ("draining", Wait::RepliesTaken),
        ("drained", Wait::Close),
        ("reading", Wait::Read),
        ("committing", Wait::Commit),
    ];
    assert_eq!(waits(&central), seen);
    let mut counted: Vec<_> = central.hub.figures().connections;
    counted.retain(|(_, count)| *count > 0);
    let by_state = [
        ("new", 1),
        ("echoing", 1),
        ("open", 3),
        ("reading", 1),
        ("committing", 1),
        ("held", 1),
        ("closing", 2),
    ];
    assert_eq!(counted, by_state);
    let figures = central.hub.figures();
    assert_eq!((figures.held, figures.partial_frames), (1, 1));
    let unsent: u64 = views(&central).iter().map(|view| view.outbox as u64).sum();
    assert_eq!(figures.unsent, unsent);
    assert!(figures.unsent > 0 && figures.buffered > figures.unsent);

    // Two requests, of which a turn serves one.
    while orders.kept() > 0 {
        orders.release();
    }
    central.settle();
    let busy = central.client(&request.repeat(2));
    central.tick();
    assert_eq!(waits(&central).last(), Some(&("open", Wait::Turn)));
    assert_eq!(central.hub.figures().ready, 1);
    assert_eq!((busy.replies(), commits.replies()), (1, 1));
}

#[test]
fn a_connection_is_seen_with_its_agency_its_age_and_the_frame_that_it_has_begun() {
    let (mut central, _) = central(2, Limits::default(), None);
    let first = central.client(&encode(&one(&bet(2, "1", false))).0);
    central.settle();
    central.later(Duration::from_millis(700));
    let request = encode(&finished(2)).0;
    let second = central.client(&request[..9]);
    central.settle();
    central.later(Duration::from_millis(300));
    let views = views(&central);
    let of = |view: &ConnectionView| (view.slot, view.serial, view.agency, view.age, view.begun);
    let millis = Duration::from_millis;
    let begun = Some((9, Some(request.len())));
    let expected = [
        (0, 0, Some(agency(2)), millis(1_000), None),
        (1, 1, None, millis(300), begun),
    ];
    assert_eq!(views.iter().map(of).collect::<Vec<_>>(), expected);
    assert_eq!((views[0].inbox, views[1].inbox), (0, 9));
    let calls = views[0].calls;
    assert_eq!(calls.sent, first.received().len() as u64);
    let mut all = views[0].calls;
    all += views[1].calls;
    assert_eq!(central.hub.calls(), all);

    // What is closed still counts, and its slot is seen no more.
    central.close(&first);
    central.settle();
    let left = self::views(&central);
    assert_eq!(left.iter().map(|view| view.slot).collect::<Vec<_>>(), [1]);
    let mut now = central.hub.figures().counters.closed_calls;
    now += left[0].calls;
    assert_eq!(central.hub.calls(), now);
    assert_eq!(central.hub.figures().calls, now);
    assert_eq!(central.hub.figures().accepted, 2);
    assert!(!second.is_dropped());
}

#[test]
fn requests_commits_and_ends_are_counted_by_what_became_of_them() {
    let (mut central, orders) = central(2, Limits::default(), None);
    central.hub.measure();
    let limit = Limits::default().idle_timeout;
    let bets = [bet(1, "1", false), bet(1, "2", false)].join("|");
    let client = central.client(&encode(&resume(1, 7)).0);
    central.settle();
    for request in [
        batch(&bets),
        one(&bets),
        finished(2),
        finished(1),
        winners(1),
    ] {
        central.send(&client, &encode(&request).0);
        central.settle();
    }
    let refused = central.client(&encode(&winners(3)).0);
    let unknown = central.client(&raw(99, b"unknown"));
    let begins = central.client(&raw(99, b"unknown")[..9]);
    let broken = central.client(&[1; 40]);
    let fenced = central.client(&encode(&resume(2, 7)).0);
    central.settle();
    let fences = central.client(&encode(&resume(2, 7)).0);
    central.settle();
    let figures = central.hub.figures();
    let requests: Vec<_> = figures.counters.requests().collect();
    let expected = [
        (RequestKind::Bet, 0, 1),
        (RequestKind::Batch, 1, 0),
        (RequestKind::Finished, 0, 2),
        (RequestKind::Winners, 1, 1),
        (RequestKind::Resume, 3, 0),
        (RequestKind::Unknown, 0, 1),
    ];
    assert_eq!(requests, expected);
    assert_eq!(figures.counters.bets_stored, 2);
    assert_eq!(figures.counters.commit_bets.sum(), 2);
    let commits = figures.counters.commit_bets.count();
    assert_eq!(figures.counters.commit_duration.count(), commits);
    assert!(figures.store_up);

    central.send(&fenced, &encode(&batch(&bet(2, "3", false))).0);
    central.settle();
    central.close(&fenced);
    central.close(&refused);
    central.close(&unknown);
    central.reset(&fences);
    central.settle();
    central.later(limit);
    central.later(limit);
    let forgotten = Event::Forgotten(agency(1));
    orders.told.borrow_mut().push_back(forgotten);
    central.settle();
    let closed: Vec<_> = central.hub.figures().counters.closed().collect();
    let count = |reason| closed.iter().find(|(other, _)| *other == reason).unwrap().1;
    assert_eq!(count(CloseReason::Finished), 1, "{closed:?}");
    assert_eq!(count(CloseReason::BrokenFrame), 2);
    assert_eq!(count(CloseReason::Fenced), 1);
    assert_eq!(count(CloseReason::Reset), 1);
    assert_eq!(count(CloseReason::TimedOut), 1);
    assert_eq!(count(CloseReason::Dropped), 1);
    assert!(
        [client, begins, broken]
            .iter()
            .all(|client| client.is_dropped())
    );

    let why = Some("the disk is full".to_owned());
    orders.unavailable.replace(why);
    assert!(!central.hub.figures().store_up);
}

#[test]
fn a_peer_that_gives_way_is_counted_so_and_a_reset_after_the_last_reply_is_an_orderly_end() {
    let limits = Limits {
        max_connections: 1,
        ..Limits::default()
    };
    let (mut central, _) = central(2, limits, None);
    let _idle = central.client(&encode(&finished(2)).0);
    central.settle();
    central.later(Duration::from_millis(500));
    let echoed = central.client(b"a line\n");
    central.settle();
    central.reset(&echoed);
    central.settle();
    let cut = central.client(b"half a li");
    central.settle();
    central.close(&cut);
    central.settle();
    assert_eq!(cut.received(), b"half a li\n");
    let closed = central.hub.figures().counters;
    let counts = closed.closed().filter(|(_, count)| *count > 0);
    let expected = [(CloseReason::Finished, 2), (CloseReason::Evicted, 1)];
    assert_eq!(counts.collect::<Vec<_>>(), expected);
}

#[test]
fn a_hub_that_stops_closes_whoever_has_nothing_to_take_and_lets_the_others_take_their_replies() {
    let (mut central, _) = central(2, Limits::default(), None);
    let idle = central.client(&encode(&finished(2)).0);
    let echoed = central.client(b"a line\n");
    let stuck = central.connect();
    central.take(&stuck, Some(0));
    central.send(&stuck, &encode(&finished(2)).0);
    let held = central.client(&encode(&winners(1)).0);
    central.settle();
    assert_eq!(central.hub.figures().held, 1);
    assert!(!central.hub.is_empty());
    central.hub.stop();
    central.tick();
    let dropped = [&idle, &echoed, &stuck].map(|client| client.is_dropped());
    assert_eq!(dropped, [true, false, false]);
    central.close(&echoed);
    central.take(&stuck, None);
    central.close(&stuck);
    central.settle();
    assert!(central.hub.is_empty());
    assert_eq!(stuck.replies(), 1);
    assert!(held.is_dropped() && held.replies() == 0);
    let figures = central.hub.figures();
    assert_eq!((figures.held, figures.buffered, figures.ready), (0, 0, 0));
    let closed = figures.counters;
    let counts = closed.closed().filter(|(_, count)| *count > 0);
    let expected = [(CloseReason::Finished, 1), (CloseReason::Shutdown, 3)];
    assert_eq!(counts.collect::<Vec<_>>(), expected);
}

#[test]
fn a_connection_waits_for_commits_of_one_agency_at_a_time() {
    let (mut central, orders) = central(2, Limits::default(), None);
    orders.keeps.set(true);
    let stores = central.client(&encode(&one(&bet(1, "1", false))).0);
    // Refused for what is staged of agency 1 in this turn.
    let refused = encode(&batch(&[bet(1, "2", false), bet(2, "3", false)].join("|"))).0;
    let stored = encode(&one(&bet(2, "4", false))).0;
    let client = central.client(&[refused, stored].concat());
    central.settle();
    assert_eq!(central.hub.bets(), Some(1));
    while orders.kept() > 0 {
        orders.release();
        central.settle();
    }
    assert_eq!(central.hub.bets(), Some(2));
    assert_eq!((stores.replies(), client.replies()), (1, 2));
}

#[test]
fn whoever_waits_for_a_commit_gives_way_only_with_bytes_that_wait_behind_it() {
    for behind in [0, 10] {
        let limits = Limits {
            max_buffered: 64 * 1024,
            ..Limits::default()
        };
        let (mut central, orders) = central(2, limits, None);
        orders.keeps.set(true);
        let stored = encode(&one(&bet(1, "1", false))).0;
        let bytes = [&stored[..], &stored[..behind]].concat();
        let waits = [(); 4].map(|()| central.client(&bytes));
        central.settle();
        central.now += Duration::from_secs(1);
        let slow = [(); 40].map(|()| central.client(&stored[..10]));
        central.settle();
        let gone = |client: &Client| client.is_dropped();
        assert!(slow.iter().any(gone));
        assert_eq!(waits.iter().all(gone), behind > 0, "{behind}");
    }
}

#[test]
fn no_timer_runs_for_replies_that_wait_for_a_commit() {
    let (mut central, orders) = central(2, Limits::default(), None);
    orders.keeps.set(true);
    let client = central.client(&encode(&one(&bet(1, "1", false))).0);
    central.settle();
    for _ in 0..3 {
        central.later(Limits::default().idle_timeout);
    }
    assert_eq!((client.replies(), client.is_dropped()), (0, false));
    while orders.kept() > 0 {
        orders.release();
    }
    central.settle();
    assert_eq!(client.replies(), 1);
}

#[test]
fn timeouts_are_looked_at_once_a_second_or_four_times_in_a_short_one_and_only_where_somebody_is() {
    let second = Duration::from_secs(1);
    for (idle_timeout, period) in [(60 * second, second), (2 * second, second / 2)] {
        let limits = Limits {
            idle_timeout,
            ..Limits::default()
        };
        let (mut central, _) = central(2, limits, None);
        assert_eq!(central.hub.deadline(), None);
        let client = central.connect();
        assert_eq!(central.hub.deadline(), Some(central.now + period));
        central.send(&client, &encode(&finished(2)).0);
        central.settle();
        assert_eq!(central.hub.deadline(), Some(central.now + period));
        central.later(period);
        assert_eq!(central.hub.deadline(), Some(central.now + period));
        central.close(&client);
        central.later(period);
        central.later(period);
        assert_eq!(central.hub.deadline(), None);
    }
}

#[test]
fn a_hub_is_full_where_all_places_are_taken_and_nobody_gives_way() {
    let limits = Limits {
        max_connections: 2,
        max_frame: 300_000,
        ..Limits::default()
    };
    let (mut central, orders) = central(2, limits, None);
    assert_eq!(central.hub.bounds().inbox, 300_004);
    orders.keeps.set(true);
    let stored = encode(&one(&bet(1, "1", false))).0;
    let clients = [(); 2].map(|()| central.client(&stored));
    central.settle();
    let why = central.hub.unavailable().unwrap();
    assert!(why.starts_with("full: all 2 places "), "{why}");
    central.reset(&clients[0]);
    central.settle();
    assert_eq!(central.hub.unavailable(), None);
}

#[test]
fn beyond_half_of_the_places_the_oldest_held_query_of_the_same_agency_is_answered() {
    let limits = Limits {
        max_connections: 4,
        ..Limits::default()
    };
    let (mut central, _) = central(2, limits, None);
    let clients = [1, 2, 2].map(|number| {
        let client = central.client(&encode(&winners(number)).0);
        central.settle();
        client
    });
    assert_eq!(clients.map(|client| client.replies()), [0, 1, 0]);
}

#[test]
fn polls_and_turns_are_counted() {
    let (mut central, _) = central(2, Limits::default(), None);
    central.hub.measure();
    for events in [3, 4] {
        central.hub.polled(events);
        central.tick();
        central.hub.end_turn();
    }
    let counters = central.hub.figures().counters;
    assert_eq!((counters.polls, counters.events), (2, 7));
    assert_eq!(counters.turn_duration.count(), 2);
    let recent = central.hub.turns().recent();
    assert_eq!(recent.map(|second| second.turns).sum::<u64>(), 2);
}
