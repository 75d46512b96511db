//! The store over a database that answers at once; below it over one that answers what a test says.

mod failures;
mod scene;
mod work;

use std::cell::RefCell;
use std::rc::Rc;

use frame::{MessageId, Number};

use super::*;
use crate::facts::Source;
use crate::store::postgres::rows::any_bet;
use crate::store::postgres::{Answer, PostgresStore, VersionedAccount};
use crate::store::{Draft as _, Store, Wanted};

/// A database that answers every query at once, and notes its kind.
struct Instantly {
    asked: Rc<RefCell<Vec<&'static str>>>,
    answers: VecDeque<Answer>,
}

impl Database for Instantly {
    fn is_idle(&self) -> bool {
        self.answers.is_empty()
    }

    fn submit(&mut self, query: &Query<'_>) {
        self.asked.borrow_mut().push(match query {
            Query::Read(..) => "read",
            Query::Append(..) => "commit",
            Query::DropClaims(_) => "claims",
            Query::Survey(..) => "survey",
            Query::Look | Query::Draw(_) | Query::Winners(..) => "draw",
        });
        self.answers.push_back(Answer::Done);
    }

    fn poll(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    fn mark(&mut self, _readable: bool, _writable: bool, _dead: bool) {}

    fn advance(&mut self, _now: Instant) -> Result<(), Unusable> {
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn give_up(&mut self, _why: String) {}

    fn close(&mut self) {}
}

/// A store that keeps `most_known` agencies, over a database that is there; and the kinds of the queries that it asks.
fn store(most_known: usize) -> (PostgresStore<Instantly>, Rc<RefCell<Vec<&'static str>>>) {
    let asked = Rc::default();
    let database = Instantly {
        asked: Rc::clone(&asked),
        answers: [Answer::Up(Vec::new())].into(),
    };
    let winner = Number::new(7574).unwrap();
    (
        PostgresStore::new(vec![database], winner, most_known),
        asked,
    )
}

fn agency(number: u32) -> Agency {
    Agency::new(number).unwrap()
}

#[test]
fn an_agency_that_gives_way_to_others_is_forgotten_and_those_who_speak_for_it_are_told() {
    let (mut store, _) = store(2);
    let now = Instant::now();
    store.advance(now, Wanted::default()).unwrap();
    for number in 1..=3 {
        assert_eq!(
            store.know(agency(number), Freshness::Latest),
            Knowledge::Reading
        );
        // A look comes first; then it is asked, and answered.
        (0..4).for_each(|_| store.advance(now, Wanted::default()).unwrap());
        let known = store.know(agency(number), Freshness::Cached);
        assert!(matches!(known, Knowledge::Known(_)));
    }
    let events = std::iter::from_fn(|| store.poll());
    let forgotten: Vec<Event> = events
        .filter(|event| matches!(event, Event::Dropped(_)))
        .collect();
    assert_eq!(forgotten, [Event::Dropped(agency(1))]);
    assert_eq!(store.know(agency(1), Freshness::Cached), Knowledge::Reading);
}

#[test]
fn however_many_agencies_come_without_end_each_kind_of_work_has_its_turn() {
    let (mut store, asked) = store(1_000);
    let mut now = Instant::now();
    let wanted = Wanted {
        watched: Some(10_000),
        ..Wanted::default()
    };
    store.advance(now, wanted).unwrap();
    // So much time passes that work with pauses of its own is due in every turn.
    let turn = Duration::from_secs(1);
    for number in 1..400 {
        // New ones come, and those that were read before are served.
        store.know(agency(number), Freshness::Latest);
        let come = (1..number).map(agency);
        for known in come
            .filter(|agency| store.queues[0].known.get(*agency).is_some())
            .collect::<Vec<_>>()
        {
            store.know(known, Freshness::Claimed);
        }
        store.overview.look_again();
        now += turn;
        store.advance(now, wanted).unwrap();
    }
    let asked = asked.borrow();
    for kind in ["read", "commit", "survey", "draw"] {
        let gaps = asked.split(|asked| *asked == kind).map(<[_]>::len);
        // In the first turns some kinds have nothing to do yet.
        let longest = gaps.skip(2).max();
        assert!(
            longest < Some(TURNS.len()),
            "{longest:?} before {kind}: {asked:?}"
        );
    }
}

#[test]
fn a_request_that_is_not_staged_leaves_no_rows_among_those_of_others() {
    let (mut store, _) = store(10);
    let now = Instant::now();
    for number in 1..=2 {
        store.know(agency(number), Freshness::Latest);
    }
    (0..4).for_each(|_| store.advance(now, Wanted::default()).unwrap());
    for (number, is_staged) in [(1, true), (2, false), (1, true), (1, false)] {
        let mut draft = store.draft(0).unwrap();
        (0..3).for_each(|_| draft.row(&any_bet(agency(number))));
        match is_staged {
            true => {
                _ = draft.stage(Fact::Batch {
                    agency: agency(number),
                    source: Source::Plain,
                    id: MessageId([0; 16]),
                    bets: 3,
                })
            }
            false => drop(draft),
        }
    }
    let rows = store.queues[0].rows().clone().seal();
    let seq = |tuple: &[u8]| tuple[21];
    let rows: Vec<_> = rows
        .tuples()
        .map(|(owner, tuple)| (owner.get(), seq(tuple)))
        .collect();
    assert_eq!(rows, [0, 1, 2, 3, 4, 5].map(|seq| (1, seq)));
}

#[test]
fn however_much_is_staged_for_one_session_another_one_takes_more() {
    let database = || Instantly {
        asked: Rc::default(),
        answers: [Answer::Up(Vec::new())].into(),
    };
    let winner = Number::new(7574).unwrap();
    let mut store = PostgresStore::new(vec![database(), database()], winner, 1_000);
    let (even, odd) = (agency(4), agency(7));
    for agency in [even, odd] {
        store.know(agency, Freshness::Latest);
    }
    let now = Instant::now();
    (0..4).for_each(|_| store.advance(now, Wanted::default()).unwrap());
    let mut draft = store.draft(0).unwrap();
    (0..20_000).for_each(|_| draft.row(&any_bet(even)));
    draft.stage(Fact::Batch {
        agency: even,
        source: Source::Plain,
        id: MessageId([0; 16]),
        bets: 20_000,
    });
    assert!(store.is_full(Some(even)));
    assert!(!store.is_full(Some(odd)), "its session has nothing to do");
    assert!(!store.is_full(None), "nobody knows yet whose peer it is");
}

#[test]
fn the_groups_of_many_sessions_are_smaller_so_that_all_together_take_no_more_memory() {
    let mebibyte = 1024 * 1024;
    for (sessions, most) in [(1, mebibyte), (2, mebibyte), (4, mebibyte / 2)] {
        let database = |_| Instantly {
            asked: Rc::default(),
            answers: [Answer::Up(Vec::new())].into(),
        };
        let winner = Number::new(7574).unwrap();
        let databases = (0..sessions).map(database).collect();
        let mut store = PostgresStore::new(databases, winner, 1_000);
        let agency = agency(sessions);
        store.know(agency, Freshness::Latest);
        (0..4).for_each(|_| store.advance(Instant::now(), Wanted::default()).unwrap());
        while !store.is_full(Some(agency)) {
            stage(&mut store, agency.get(), 1);
        }
        let staged = store.queues[0].staged();
        assert!((most..most + 200).contains(&staged), "{staged}");
    }
}

fn stage<B: Database>(store: &mut PostgresStore<B>, number: u32, bets: u32) -> Ticket {
    let mut draft = store.draft(0).unwrap();
    (0..bets).for_each(|_| draft.row(&any_bet(agency(number))));
    draft.stage(Fact::Batch {
        agency: agency(number),
        source: Source::Plain,
        id: MessageId([0; 16]),
        bets,
    })
}

/// A store that knows the first agencies, and has told all that happened until then.
fn store_that_knows(agencies: u32) -> (PostgresStore<Instantly>, Instant) {
    let (mut store, _) = store(100);
    let now = Instant::now();
    (1..=agencies).for_each(|number| _ = store.know(agency(number), Freshness::Latest));
    (0..4).for_each(|_| store.advance(now, Wanted::default()).unwrap());
    while store.poll().is_some() {}
    (store, now)
}

#[test]
fn a_reply_waits_for_the_commit_that_stores_what_it_tells_of_its_agency_and_for_no_other() {
    let ticket = Ticket::first(0).next();
    let group = |staged: &[u32], depends: &[u32]| {
        let mut group = Group::new(ticket, Vec::new());
        for number in staged {
            group.add(agency(*number), &mut VersionedAccount::default(), 0);
        }
        depends
            .iter()
            .for_each(|number| group.depend(agency(*number)));
        group
    };
    let waits = |work: &Option<Work>, split: &Option<SplitGroup>| -> Vec<u32> {
        let waits = |number: &u32| under_way(work, split, agency(*number)) == Some(ticket);
        (1..=5).filter(waits).collect()
    };
    assert!(waits(&None, &None).is_empty());
    let commit = Work::Commit(group(&[1, 3], &[4]), SealedRows::default());
    assert_eq!(waits(&Some(commit), &None), [1, 3, 4]);
    let mut split = SplitGroup::of(group(&[1, 2, 3], &[4]), &SealedRows::default());
    let (part, rows) = split.rest.pop_front().unwrap();
    let split = Some(split);
    assert_eq!(
        waits(&Some(Work::CommitAlone(part, rows)), &split),
        [1, 2, 3, 4]
    );
    assert_eq!(waits(&None, &split), [2, 3, 4]);
}

#[test]
fn the_draw_waits_for_what_was_staged_before_and_not_for_what_comes_later() {
    let (mut store, now) = store_that_knows(2);
    assert!(store.queues[0].is_settled());
    stage(&mut store, 1, 1);
    store.queues[0].settle();
    assert!(!store.queues[0].is_settled(), "it is not asked for yet");
    store.advance(now, Wanted::default()).unwrap();
    assert!(
        !store.queues[0].is_settled(),
        "nobody knows yet whether it is stored"
    );
    stage(&mut store, 2, 1);
    assert!(!store.queues[0].is_settled());
    store.advance(now, Wanted::default()).unwrap();
    assert!(store.queues[0].is_settled());
}

#[test]
fn a_commit_is_told_with_its_bets_its_bytes_and_its_time_and_its_memory_is_used_again() {
    let (mut store, mut now) = store_that_knows(1);
    for (bets, is_kept) in [(3, true), (50_000, false)] {
        stage(&mut store, 1, bets);
        let bytes = store.queues[0].staged() as u64;
        store.advance(now, Wanted::default()).unwrap();
        now += Duration::from_millis(5);
        store.advance(now, Wanted::default()).unwrap();
        let events: Vec<Event> = std::iter::from_fn(|| store.poll()).collect();
        let commit = crate::store::Commit {
            bets: bets.into(),
            bytes,
            took: Some(Duration::from_millis(5)),
        };
        assert!(events.contains(&Event::Stored(commit)), "{events:?}");
        let spare = store.queues[0].spare.capacity() as u64;
        assert_eq!(spare >= bytes, is_kept, "{spare} of {bytes}");
        // The group after the next one is written into it.
        store.queues[0].spare = Vec::new();
    }
}

#[test]
fn an_agency_that_is_changed_while_it_is_read_is_read_again() {
    let (mut store, asked) = store(10);
    let now = Instant::now();
    let reads = || {
        asked
            .borrow()
            .iter()
            .filter(|asked| **asked == "read")
            .count()
    };
    assert!(
        store.status().unavailable.is_some(),
        "it was not reached yet"
    );
    store.know(agency(1), Freshness::Latest);
    store.advance(now, Wanted::default()).unwrap();
    assert_eq!(store.status().unavailable, None);
    assert_eq!(reads(), 1);
    store.queues[0].read_anew(agency(1));
    (0..8).for_each(|_| store.advance(now, Wanted::default()).unwrap());
    assert_eq!(reads(), 2);
    store.queues[0].read_anew(agency(1));
    (0..8).for_each(|_| store.advance(now, Wanted::default()).unwrap());
    assert_eq!(reads(), 3);
}
