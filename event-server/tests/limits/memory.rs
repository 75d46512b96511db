//! Where all buffers together hold too much: what is freed, who gives way, and who does not.

use event_server::limits::Limits;

use crate::central::{Central, Client};
use crate::common::{encode, winners};
use crate::request;

fn query() -> Vec<u8> {
    encode(&winners(1)).0
}

#[test]
fn whoever_keeps_bytes_here_gives_way_before_one_that_is_still_being_served() {
    const REQUESTS: usize = 20;
    // With a query behind them, as many as are served in a turn.
    let answered = request().repeat(REQUESTS - 1);
    // What each of them sends, and whether it takes its replies.
    let cases: [(&str, Vec<u8>, bool); 4] = [
        ("the rest of a frame", request()[..10].to_vec(), true),
        ("its replies", answered.clone(), false),
        (
            "replies before a held query",
            [answered, query()].concat(),
            false,
        ),
        (
            "bytes behind a held query",
            [query(), request()].concat(),
            true,
        ),
    ];
    for (what, bytes, takes) in cases {
        let mut central = Central::new(Limits {
            turn_requests: REQUESTS,
            gathered_bytes: usize::MAX,
            max_buffered: 64 * 1024,
            ..Limits::default()
        });
        let busy = central.client(&request().repeat(20 * REQUESTS));
        central.tick();
        assert_eq!(busy.replies(), 0);
        let slow = [(); 100].map(|()| {
            let client = central.connect();
            central.take(&client, (!takes).then_some(0));
            central.send(&client, &bytes);
            client
        });
        // It is noted in one turn and closed in the next.
        central.tick();
        central.tick();
        assert!(slow.iter().any(Client::is_dropped), "{what}");
        assert!(!busy.is_dropped(), "{what}");
        central.settle();
        assert_eq!(busy.replies(), 20 * REQUESTS, "{what}");
    }
}

#[test]
fn room_that_nobody_uses_is_freed_before_anybody_is_closed() {
    const REQUESTS: usize = 1_500;
    let mut central = Central::new(Limits {
        max_buffered: 64 * 1024,
        ..Limits::default()
    });
    let idle = central.client(&request().repeat(REQUESTS));
    central.settle();
    assert_eq!(idle.replies(), REQUESTS);
    let slow = [(); 8].map(|()| central.client(&request()[..10]));
    central.settle();
    assert!(!idle.is_dropped());
    assert!(!slow.iter().any(Client::is_dropped));
}

#[test]
fn beyond_the_bound_no_more_is_read_in_the_same_turn_than_there_is_room_for() {
    const EACH: usize = 60_000;
    let limits = Limits {
        max_frame: EACH,
        max_buffered: 256 * 1024,
        ..Limits::default()
    };
    let mut central = Central::new(limits);
    // The beginning of a frame that is as long as a frame may be.
    let mut bytes = vec![b'x'; EACH];
    bytes[..4].copy_from_slice(&(EACH as u32).to_be_bytes());
    bytes[4..6].copy_from_slice(&frame::kind::FINISHED.to_be_bytes());
    let clients: Vec<Client> = (0..100).map(|_| central.client(&bytes)).collect();
    central.tick();
    let unread: usize = clients.iter().map(Client::unread).sum();
    let read = clients.len() * EACH - unread;
    let most = limits.max_buffered + clients.len() * 4_096;
    assert!(read <= most, "{read} bytes");
}

#[test]
fn replies_that_nobody_takes_before_a_held_query_give_way_where_all_buffer_too_much() {
    const REPLIES: usize = 100;
    let mut central = Central::new(Limits {
        max_buffered: 64 * 1024,
        ..Limits::default()
    });
    let refused = [request().repeat(REPLIES), query()].concat();
    let greedy = [(); 40].map(|()| {
        let client = central.connect();
        central.take(&client, Some(0));
        central.send(&client, &refused);
        client
    });
    central.settle();
    assert!(greedy.iter().any(Client::is_dropped));
    assert!(!greedy.iter().all(Client::is_dropped));
    let newcomer = central.client(&request());
    central.settle();
    assert_eq!(newcomer.replies(), 1);
}

#[test]
fn whoever_has_no_buffer_gets_one_though_others_fill_all_of_theirs_again_and_again() {
    const BUSY: usize = 40;
    let mut central = Central::new(Limits {
        turn_requests: 1,
        max_buffered: BUSY * 4_096 - 1,
        ..Limits::default()
    });
    let many = request().repeat(100);
    let busy: Vec<Client> = (0..BUSY).map(|_| central.client(&many)).collect();
    let newcomer = central.connect();
    for turn in 0..10 {
        if turn == 3 {
            central.send(&newcomer, &request());
        }
        busy.iter()
            .filter(|client| !client.is_dropped())
            .for_each(|client| central.send(client, &many));
        central.tick();
    }
    assert_eq!(newcomer.replies(), 1);
    assert!(busy.iter().filter(|client| client.is_dropped()).count() < BUSY / 2);
}
