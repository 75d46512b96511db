//! What the store is asked about agencies, and what it tells of itself.

use std::time::Duration;

use event_server::facts::Tally;
use event_server::limits::Limits;
use event_server::observe::{CloseReason, Observe};
use event_server::store::{Declined, Drawn, Event, Freshness, Ticket};
use frame::{Bet, Birthdate, Document, Name, Number, Request};

use crate::central::{Central, Client};
use crate::common::{agency, batch, bet, encode, finished, one, resume, winners};
use crate::store::{Ordered, central};

fn bets(number: u32) -> Vec<u8> {
    encode(&batch(&bet(number, "1", false))).0
}

fn ask(central: &mut Central<Ordered>, client: &Client, request: &[u8]) {
    central.send(client, request);
    central.settle();
}

#[test]
fn an_agency_is_read_again_for_a_connection_that_begins_to_speak_for_it() {
    let (mut central, orders) = central(2, Limits::default(), None);
    let plain = central.client(&bets(1));
    central.settle();
    assert_eq!(orders.take_asked(), [(1, Freshness::Latest)]);
    ask(&mut central, &plain, &bets(1));
    assert_eq!(orders.take_asked(), [(1, Freshness::Cached)]);

    let upload = central.client(&encode(&resume(2, 7)).0);
    central.settle();
    let resumed = [(2, Freshness::Latest), (2, Freshness::Claimed)];
    assert_eq!(orders.take_asked(), resumed);
    ask(&mut central, &upload, &bets(2));
    ask(&mut central, &upload, &encode(&resume(2, 7)).0);
    let later = [(2, Freshness::Cached), (2, Freshness::Latest)];
    assert_eq!(orders.take_asked(), later, "the second resume is refused");
}

#[test]
fn a_request_that_waited_for_its_agency_is_judged_by_what_was_read() {
    let (mut central, orders) = central(2, Limits::default(), None);
    orders.reads.set(true);
    let client = central.client(&bets(1));
    central.settle();
    assert_eq!(orders.take_asked(), [(1, Freshness::Latest)]);
    orders.reads.set(false);
    let read = Event::Read {
        agency: agency(1),
        account: Default::default(),
        barred: Vec::new(),
    };
    orders.told.borrow_mut().push_back(read);
    central.settle();
    assert_eq!(orders.take_asked(), [(1, Freshness::Cached)]);
    assert_eq!(client.replies(), 1);
}

#[test]
fn where_an_agency_cannot_be_read_whoever_reads_reasons_is_told_why() {
    for why in [
        Declined::NotNow("it is not here"),
        Declined::Replaced(agency(1)),
    ] {
        let (mut central, orders) = central(2, Limits::default(), None);
        let upload = central.client(&encode(&resume(1, 7)).0);
        central.settle();
        orders.reads.set(true);
        ask(&mut central, &upload, &bets(1));
        let resumes = central.client(&encode(&resume(1, 7)).0);
        let plain = central.client(&bets(1));
        central.settle();
        let declined = Event::Declined(agency(1), why.clone());
        orders.told.borrow_mut().push_back(declined);
        central.settle();
        let text = why.to_string();
        for (client, replies) in [(&upload, 2), (&resumes, 1)] {
            assert_eq!((client.replies(), client.is_shut()), (replies, true));
            let told = client.received();
            assert!(told.windows(text.len()).any(|part| part == text.as_bytes()));
            central.close(client);
        }
        assert_eq!((plain.replies(), plain.is_dropped()), (0, true));
        central.settle();
        let reason = match why {
            Declined::Replaced(_) => CloseReason::Fenced,
            _ => CloseReason::Dropped,
        };
        let closed = central.hub.figures().counters;
        let counts = closed.closed().filter(|(_, count)| *count > 0);
        assert_eq!(counts.collect::<Vec<_>>(), [(reason, 3)]);
    }
}

#[test]
fn nothing_is_read_for_a_request_that_is_refused_whatever_is_stored() {
    let (mut central, orders) = central(2, Limits::default(), None);
    let client = central.client(&bets(3));
    central.settle();
    ask(&mut central, &client, &encode(&winners(1)).0);
    assert_eq!(orders.take_asked(), [], "not one of the two, and a query");
    let client = central.client(&bets(1));
    central.settle();
    orders.take_asked();
    ask(&mut central, &client, &encode(&finished(2)).0);
    assert_eq!(orders.take_asked(), [], "it speaks for agency 1");
}

#[test]
fn a_query_behind_a_commit_waits_for_it_though_the_winners_are_known_and_the_loop_rests() {
    let (mut central, orders) = central(2, Limits::default(), None);
    let claim = Ticket {
        session: 0,
        number: 1_000,
    };
    orders.claim.set(Some(claim));
    let both = [encode(&resume(1, 7)).0, encode(&winners(1)).0].concat();
    let client = central.client(&both);
    central.settle();
    let drawn = Drawn {
        position: 0,
        winner: Number::new(7_574).unwrap(),
        tally: Tally::default(),
        is_stored: true,
    };
    orders.told.borrow_mut().push_back(Event::Counted(drawn));
    central.settle();
    central.send(&client, &encode(&winners(1)).0);
    (0..4).for_each(|_| central.tick());
    assert!(!central.hub.has_work());
    assert_eq!(client.replies(), 0);
    orders.told.borrow_mut().push_back(Event::Committed(claim));
    central.settle();
    assert_eq!(client.replies(), 3);
}

#[test]
fn an_upload_goes_on_in_its_last_connection_when_the_one_before_closes() {
    let (mut central, _) = central(2, Limits::default(), None);
    let [first, second] = [(); 2].map(|()| {
        let client = central.client(&encode(&resume(1, 7)).0);
        central.settle();
        client
    });
    central.close(&first);
    ask(&mut central, &second, &bets(1));
    assert_eq!((second.replies(), second.is_shut()), (2, false));
    assert_eq!(central.hub.bets(), Some(1));
}

#[test]
fn a_store_that_others_share_is_open_once_it_was_reached_and_each_further_time_is_a_reconnection() {
    let (mut central, orders) = central(2, Limits::default(), None);
    assert!(central.hub.is_open());
    orders.shared.set(true);
    assert!(!central.hub.is_open());
    for reconnects in [0, 1, 2] {
        orders.told.borrow_mut().push_back(Event::Up(Vec::new()));
        central.settle();
        assert!(central.hub.is_open());
        let figures = central.hub.figures();
        assert_eq!(figures.counters.store_reconnects, reconnects);
    }
}

#[test]
fn whether_somebody_watches_is_told_to_the_store_at_once_and_only_where_it_changes() {
    let (mut central, orders) = central(2, Limits::default(), None);
    central.settle();
    for watched in [true, false] {
        central.hub.watch(watched);
        assert!(central.hub.has_work());
        central.settle();
        assert_eq!(orders.wanted.get().watched, watched.then_some(2));
        central.hub.watch(watched);
        assert!(!central.hub.has_work());
    }
}

#[test]
fn a_hub_that_closes_closes_its_store() {
    let (mut central, orders) = central(2, Limits::default(), None);
    let client = central.client(&encode(&one(&bet(1, "1", false))).0);
    central.settle();
    central.hub.close().unwrap();
    assert!(orders.is_closed.get() && client.is_dropped());
}

#[test]
fn a_batch_that_arrives_damaged_breaks_its_upload_and_a_damaged_resume_is_told_why() {
    let (mut central, _) = central(2, Limits::default(), None);
    let damaged = |mut bytes: Vec<u8>| {
        // A byte of the MD5.
        bytes[6] ^= 1;
        bytes
    };
    let client = central.client(&encode(&resume(1, 7)).0);
    central.settle();
    ask(&mut central, &client, &damaged(bets(1)));
    ask(&mut central, &client, &bets(1));
    let received = client.received();
    let is_told = |text: &[u8]| received.windows(text.len()).any(|bytes| bytes == text);
    assert!(is_told(b"an earlier batch of this connection was refused"));
    assert_eq!((client.replies(), central.hub.bets()), (3, Some(0)));

    let client = central.client(&damaged(encode(&resume(1, 7)).0));
    let plain = central.client(&damaged(bets(1)));
    central.settle();
    assert_eq!((client.replies(), plain.replies()), (1, 1));
    assert!(client.received().len() > plain.received().len() + 10);
}

#[test]
fn names_of_quotes_alone_have_room_in_a_row() {
    let (mut central, orders) = central(2, Limits::default(), None);
    let quotes = [b'"'; 255];
    let name = || Name::parse(quotes.as_slice()).unwrap();
    let request = Request::Bet(Bet {
        agency: agency(1),
        first_name: name(),
        last_name: name(),
        document: Document::parse(b"1".as_slice()).unwrap(),
        birthdate: Birthdate::parse(b"1999-12-31").unwrap(),
        number: Number::new(1).unwrap(),
    });
    let client = central.client(&encode(&request).0);
    central.settle();
    assert_eq!((client.replies(), central.hub.bets()), (1, Some(1)));
    assert!(orders.bytes.get() < 4 * quotes.len() + 100);
}

#[test]
fn a_query_is_let_go_once_the_store_was_away_for_ten_seconds_of_its_wait() {
    let (mut central, orders) = central(2, Limits::default(), None);
    let query = encode(&winners(1)).0;
    central.settle();
    assert!(!orders.wanted.get().winners, "nobody waits for them");
    let before = central.client(&query);
    central.settle();
    let down = Event::Down("it is away".to_owned());
    orders.told.borrow_mut().push_back(down);
    central.settle();
    central.later(Duration::from_secs(5));
    let later = central.client(&query);
    central.settle();
    assert!(orders.wanted.get().winners);
    for (seconds, gone) in [(4, [false, false]), (1, [true, false]), (10, [true, true])] {
        central.later(Duration::from_secs(seconds));
        let clients = [&before, &later];
        assert_eq!(clients.map(|client| client.is_shut()), gone);
    }
}

#[test]
fn a_store_that_is_away_makes_nothing_due_where_no_query_is_held() {
    let (mut central, orders) = central(2, Limits::default(), None);
    let down = Event::Down("it is away".to_owned());
    orders.told.borrow_mut().push_back(down);
    central.settle();
    assert_eq!(central.hub.deadline(), None);
    let _held = central.client(&encode(&winners(1)).0);
    central.settle();
    assert!(central.hub.deadline().is_some());
}
