//! How the lottery is seen.

use std::collections::BTreeMap;
use std::rc::Rc;

use event_server::facts::{Account, Tally};
use event_server::limits::Limits;
use event_server::observe::{AgencyView, LotteryView, Observe, Stage};
use event_server::store::{Drawn, Event};
use frame::Number;

use crate::central::{Central, Client};
use crate::common::{agency, batch, bet, encode, finished, one, winners};
use crate::store::{Ordered, Orders, central};

/// An agency as it is seen: its number, its bets, whether it has finished, whether it is connected, its winners.
type Seen = (u32, u64, bool, bool, Option<u64>);

#[track_caller]
fn assert_seen(central: &Central<Ordered>, stage: Stage, standing: &str, agencies: &[Seen]) {
    let view = |&(number, bets, finished, connected, winners): &Seen| AgencyView {
        agency: agency(number),
        bets,
        finished,
        connected,
        winners,
    };
    let expected = LotteryView {
        stage,
        winner: (stage == Stage::Drawn).then(|| Number::new(7_574).unwrap()),
        expected: 2,
        agencies: agencies.iter().map(view).collect(),
    };
    assert_eq!(central.hub.lottery(), expected);
    assert_eq!(central.hub.standing(), standing);
}

/// A central of two agencies with three bets, of which one wins, and a client of each. Both have finished, and the events of that
/// commit and of the count are kept back.
fn due() -> (Central<Ordered>, Rc<Orders>, [Client; 2]) {
    let (mut central, orders) = central(2, Limits::default(), None);
    let nobody = [(1, 0, false, false, None), (2, 0, false, false, None)];
    let standing = "0 of 2 agencies have finished, 0 bets";
    assert_seen(&central, Stage::Open, standing, &nobody);

    let bets = [bet(1, "1", true), bet(1, "2", false)].join("|");
    let clients = [encode(&batch(&bets)).0, encode(&one(&bet(2, "3", false))).0];
    let clients = clients.map(|bytes| central.client(&bytes));
    central.settle();
    central.send(&clients[0], &encode(&finished(1)).0);
    central.settle();
    let expected = [(1, 2, true, true, None), (2, 1, false, true, None)];
    let standing = "1 of 2 agencies have finished, 3 bets";
    assert_seen(&central, Stage::Open, standing, &expected);
    assert_eq!(central.hub.bets(), Some(3));

    orders.keeps.set(true);
    central.send(&clients[1], &encode(&finished(2)).0);
    central.tick();
    assert!(matches!(orders.release(), Event::Stored(_)));
    assert!(matches!(orders.release(), Event::Committed(_)));
    central.tick();
    (central, orders, clients)
}

#[test]
fn a_lottery_is_seen_from_its_first_bet_to_its_winners() {
    let (mut central, orders, [first, _]) = due();
    let both = [(1, 2, true, true, None), (2, 1, true, true, None)];
    let standing = "2 of 2 agencies have finished, 3 bets";
    assert_seen(&central, Stage::Drawing, standing, &both);
    let counting = "the winners are being counted";
    assert!(matches!(orders.release(), Event::Counting));
    central.tick();
    assert_seen(&central, Stage::Drawing, counting, &both);

    // The draw is committed in the turn in which the winners are counted, and counts once that commit is done.
    assert!(matches!(orders.release(), Event::Counted(_)));
    orders.commits.set(0);
    central.tick();
    assert_eq!((orders.commits.get(), orders.kept()), (2, 2));
    assert_seen(&central, Stage::Drawing, counting, &both);
    assert!(matches!(orders.release(), Event::Stored(_)));
    assert!(matches!(orders.release(), Event::Committed(_)));
    orders.commits.set(0);
    central.tick();
    assert_eq!(orders.commits.get(), 1);
    central.close(&first);
    central.settle();
    let drawn = [(1, 2, true, false, Some(1)), (2, 1, true, true, Some(0))];
    assert_seen(&central, Stage::Drawn, "drawn", &drawn);
}

#[test]
fn nothing_is_drawn_once_the_central_stops() {
    let (mut central, orders, _clients) = due();
    assert!(orders.wanted.get().count.is_some());
    central.hub.stop();
    let why = Some("the central is stopping".to_owned());
    assert_eq!(central.hub.unavailable(), why);
    central.tick();
    assert_eq!(orders.wanted.get().count, None);

    let (mut central, orders, _clients) = due();
    orders.release();
    orders.release();
    central.hub.stop();
    let drafts = orders.drafts.get();
    central.settle();
    central.tick();
    assert_eq!((orders.drafts.get(), orders.kept()), (drafts, 0));
    assert_ne!(central.hub.lottery().stage, Stage::Drawn);
}

#[test]
fn a_draw_without_room_is_tried_again_after_a_second() {
    let (mut central, orders, _clients) = due();
    orders.is_full.set(true);
    orders.release();
    orders.release();
    let drafts = orders.drafts.get();
    for _ in 0..3 {
        central.tick();
        assert_eq!(orders.drafts.get(), drafts + 1);
    }
    assert!(!central.hub.has_work());
    let second = std::time::Duration::from_secs(1);
    central.now += second - second / 1_000;
    central.tick();
    assert_eq!(orders.drafts.get(), drafts + 1);
    central.now += second / 1_000;
    orders.is_full.set(false);
    central.tick();
    assert_eq!((orders.drafts.get(), orders.kept()), (drafts + 2, 2));
}

#[test]
fn a_draw_that_is_stored_already_needs_no_commit_and_closes_the_bets() {
    let (mut central, orders, [_, client]) = due();
    orders.release();
    let mut tally = Tally::default();
    tally.add(agency(2), b"3");
    let counted = Event::Counted(Drawn {
        position: 9,
        winner: Number::new(7_574).unwrap(),
        tally,
        is_stored: true,
    });
    orders.told.borrow_mut().push_back(counted);
    orders.commits.set(0);
    central.tick();
    assert_eq!(orders.commits.get(), 1);
    let drawn = [(1, 2, true, true, Some(0)), (2, 1, true, true, Some(1))];
    assert_seen(&central, Stage::Drawn, "drawn", &drawn);
    orders.keeps.set(false);
    let before = client.received().len();
    central.send(&client, &encode(&winners(2)).0);
    central.settle();
    let told = client.received().split_off(before);
    assert!(told.ends_with(b"{ganadores:3}"), "{told:?}");
}

#[test]
fn where_anyone_takes_part_those_are_seen_who_sent_something_in_their_order() {
    let (mut central, _) = central(0, Limits::default(), None);
    let clients = [7, 3].map(|number| central.client(&encode(&one(&bet(number, "1", false))).0));
    central.settle();
    let standing = "any agency may take part, 2 bets";
    assert_eq!(central.hub.standing(), standing);
    let agencies = central.hub.lottery().agencies;
    let seen = agencies.iter().map(|view| (view.agency.get(), view.bets));
    assert_eq!(seen.collect::<Vec<_>>(), [(3, 1), (7, 1)]);
    assert_eq!(clients.map(|client| client.replies()), [1, 1]);
}

#[test]
fn where_others_store_too_what_they_have_stored_is_seen_as_it_was_looked_at_last() {
    let account = |bets, finished| Account {
        bets,
        finished,
        ..Account::default()
    };
    let others = BTreeMap::from([
        (agency(2), account(1_005, true)),
        (agency(3), account(7, true)),
    ]);
    for current in [true, false] {
        let (central, orders) = central(2, Limits::default(), Some((others.clone(), current)));
        orders.shared.set(true);
        let known = "1 of 2 agencies have finished, 1,012 bets";
        let unknown = "bets are stored in the database";
        let (bets, standing) = match current {
            true => (Some(1_012), known),
            false => (None, unknown),
        };
        let seen = [
            (1, 0, false, false, None),
            (2, 1_005, true, false, None),
            (3, 7, true, false, None),
        ];
        assert_seen(&central, Stage::Open, standing, &seen);
        assert_eq!(central.hub.bets(), bets);
        let why = "the database does not answer";
        orders.unavailable.replace(Some(why.to_owned()));
        assert_eq!(central.hub.standing(), why);
        assert_eq!(central.hub.unavailable().as_deref(), Some(why));
    }
    let (central, orders) = central(2, Limits::default(), None);
    orders.shared.set(true);
    assert_eq!(central.hub.bets(), None);
    assert_eq!(central.hub.standing(), "bets are stored in the database");
}

#[test]
fn once_it_is_drawn_every_agency_that_takes_part_has_finished_whatever_was_looked_at_last() {
    let account = Account {
        bets: 3,
        ..Account::default()
    };
    let others = BTreeMap::from([2, 3].map(|number| (agency(number), account)));
    let (mut central, orders) = central(2, Limits::default(), Some((others, true)));
    orders.shared.set(true);
    let counted = Event::Counted(Drawn {
        position: 9,
        winner: Number::new(7_574).unwrap(),
        tally: Tally::default(),
        is_stored: true,
    });
    orders.told.borrow_mut().push_back(counted);
    central.tick();
    let seen = [
        (1, 0, true, false, Some(0)),
        (2, 3, true, false, Some(0)),
        (3, 3, false, false, Some(0)),
    ];
    assert_seen(&central, Stage::Drawn, "drawn", &seen);
}
