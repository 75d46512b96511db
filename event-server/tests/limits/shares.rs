//! What a connection gets of a turn where many are ready, and long lists of winners that many ask for.

use std::time::Duration;

use event_server::limits::Limits;

use crate::MILLI;
use crate::central::{Central, Client};
use crate::common::{batch, bet, encode, finished, winners};
use crate::request;

/// Connections that may be told one agency's long list at once.
const LISTS: usize = 32;

#[test]
fn the_more_connections_are_ready_the_less_each_gets_of_a_turn_and_all_get_something() {
    for (ready, requests) in [(64, 128), (128, 64), (1_024, 8), (3_000, 4)] {
        let mut central = Central::new(Limits::default());
        let many = request().repeat(200);
        let clients: Vec<Client> = (0..ready).map(|_| central.client(&many)).collect();
        central.tick();
        for client in &clients {
            assert_eq!(client.replies(), requests, "{ready}");
        }
    }
}

/// A central after the draw, in which agency 1 has this list of winners, and agency 2 none.
fn drawn(limits: Limits, documents: usize) -> (Central, usize) {
    let mut central = Central::new(limits);
    let documents: Vec<String> = (0..documents).map(|i| format!("{i:032}")).collect();
    for hundred in documents.chunks(100) {
        let bets: Vec<String> = hundred.iter().map(|d| bet(1, d, true)).collect();
        let client = central.client(&encode(&batch(&bets.join("|"))).0);
        central.settle();
        assert_eq!(client.replies(), 1);
    }
    for agency in [1, 2] {
        central.client(&encode(&finished(agency)).0);
    }
    central.settle();
    let list = documents.join("|").len();
    (central, list)
}

#[test]
fn a_long_list_goes_out_a_share_a_turn_and_is_in_memory_once() {
    const SHARE: usize = 10_000;
    let limits = Limits {
        turn_bytes: SHARE,
        // One copy of the list would be too much.
        max_buffered: 100_000,
        ..Limits::default()
    };
    let (mut central, list) = drawn(limits, 5_000);
    let query = encode(&winners(1)).0;
    let readers = [(); 10].map(|()| central.client(&query));
    let other = central.client(&encode(&winners(2)).0);
    let whole = list + 22 + "{ganadores:}".len();
    central.tick();
    assert_eq!(other.replies(), 1);
    for turn in 1.. {
        for reader in &readers {
            assert_eq!(reader.received().len(), whole.min(turn * SHARE));
        }
        if turn * SHARE >= whole {
            break;
        }
        central.tick();
    }
    assert!(readers.iter().all(|reader| reader.replies() == 1));
    assert!(!central.hub.has_work());
}

#[test]
fn lists_that_nobody_takes_keep_no_room_from_small_replies_and_are_bounded_for_each_agency() {
    let limits = Limits {
        max_buffered: 100_000,
        ..Limits::default()
    };
    let (mut central, _) = drawn(limits, 5_000);
    let query = encode(&winners(1)).0;
    let ask = |central: &mut Central, room| {
        let client = central.connect();
        central.take(&client, room);
        central.send(&client, &query);
        central.settle();
        client
    };
    let greedy = [(); LISTS].map(|()| ask(&mut central, Some(100)));
    let late = ask(&mut central, None);
    let in_progress = String::from_utf8(late.received()).unwrap_or_default();
    assert_eq!(late.replies(), 1);
    assert!(
        late.received().ends_with(b"{result:in_progress}"),
        "{in_progress}"
    );
    let other = central.client(&encode(&winners(2)).0);
    central.settle();
    assert!(other.received().ends_with(b"{ganadores:}"));
    assert!(!greedy.iter().any(Client::is_dropped));

    // Whoever takes nothing for a second makes room for others of its agency.
    central.later(Duration::from_secs(1) - MILLI);
    central.take(&greedy[0], Some(100));
    central.settle();
    assert!(!greedy.iter().any(Client::is_dropped));
    central.later(MILLI);
    assert!(!greedy[0].is_dropped());
    assert!(greedy[1..].iter().all(Client::is_dropped));
    let again = ask(&mut central, None);
    assert_eq!(again.replies(), 1);
    assert!(again.received().len() > 100_000);
}
