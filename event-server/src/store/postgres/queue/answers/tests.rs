//! A store over a database that answers what a test says, when it says so.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use frame::{MessageId, Number};

use super::*;
use crate::facts::{Account, Fact, Source};
use crate::store::postgres::rows::any_bet;
use crate::store::postgres::{Part, PostgresStore, Query, Unusable};
use crate::store::{Draft as _, Freshness, Knowledge, Store, Ticket, Wanted};

/// What a database was asked, and what it will tell.
#[derive(Default)]
struct Told {
    asked: Vec<String>,
    answers: VecDeque<Answer>,
    is_busy: bool,
    given_up: Vec<String>,
    is_closed: bool,
}

struct Scripted(Rc<RefCell<Told>>);

impl Database for Scripted {
    fn is_idle(&self) -> bool {
        !self.0.borrow().is_busy
    }

    fn submit(&mut self, query: &Query<'_>) {
        let part = |part: &&Part| format!(" {}v{}+{}", part.agency, part.version, part.bets);
        let what = match query {
            Query::Read(agencies, wait) => {
                let agencies: String = agencies.iter().map(|agency| format!(" {agency}")).collect();
                format!("read{agencies}, {wait:?}")
            }
            Query::Append(parts, _, wait) => {
                let parts: String = parts.iter().map(part).collect();
                format!("append{parts}, {wait:?}")
            }
            query => query.to_string(),
        };
        let mut told = self.0.borrow_mut();
        told.asked.push(what);
        told.is_busy = true;
    }

    fn poll(&mut self) -> Option<Answer> {
        let mut told = self.0.borrow_mut();
        let answer = told.answers.pop_front()?;
        if let Answer::Done | Answer::Failed(_) | Answer::Down(_) = answer {
            told.is_busy = false;
        }
        Some(answer)
    }

    fn mark(&mut self, _readable: bool, _writable: bool, _dead: bool) {}

    fn advance(&mut self, _now: Instant) -> Result<(), Unusable> {
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn give_up(&mut self, why: String) {
        self.0.borrow_mut().given_up.push(why);
    }

    fn close(&mut self) {
        self.0.borrow_mut().is_closed = true;
    }
}

fn agency(number: u32) -> Agency {
    Agency::new(number).unwrap()
}

fn agencies(numbers: impl IntoIterator<Item = u32>) -> Vec<Agency> {
    numbers.into_iter().map(agency).collect()
}

struct Scene {
    store: PostgresStore<Scripted>,
    told: Rc<RefCell<Told>>,
}

impl Scene {
    /// A store whose session is there, and that knows these agencies; no commit came after that.
    fn with(known: impl IntoIterator<Item = u32>) -> Self {
        let told = Rc::<RefCell<Told>>::default();
        let database = Scripted(Rc::clone(&told));
        let mut scene = Self {
            store: PostgresStore::new(vec![database], Number::new(7574).unwrap(), 100),
            told,
        };
        scene.come_up();
        known.into_iter().for_each(|number| {
            scene.store.know(agency(number), Freshness::Latest);
            scene.advance();
            scene.answer([Answer::Done]);
        });
        scene
    }

    /// The session is there; what it looks at first is answered.
    fn come_up(&mut self) {
        self.answer([Answer::Up(Vec::new())]);
        while self.asks().as_deref() == Some("look") {
            self.answer([Answer::Done]);
        }
    }

    fn advance(&mut self) {
        self.store
            .advance(Instant::now(), Wanted::default())
            .unwrap();
    }

    /// The database tells this; what follows from it.
    fn answer(&mut self, answers: impl IntoIterator<Item = Answer>) -> Vec<Event> {
        self.told.borrow_mut().answers.extend(answers);
        self.advance();
        std::iter::from_fn(|| self.store.poll()).collect()
    }

    fn fail(&mut self, failure: Failure) -> Vec<Event> {
        self.answer([Answer::Failed(failure)])
    }

    /// The query under way.
    fn asks(&self) -> Option<String> {
        let told = self.told.borrow();
        told.is_busy.then(|| told.asked.last().cloned()).flatten()
    }

    fn stage(&mut self, number: u32, bets: u32) -> Ticket {
        let mut draft = self.store.draft(0).unwrap();
        (0..bets).for_each(|_| draft.row(&any_bet(agency(number))));
        draft.stage(Fact::Batch {
            agency: agency(number),
            source: Source::Plain,
            id: MessageId([0; 16]),
            bets,
        })
    }

    fn finish(&mut self, number: u32) {
        let agency = agency(number);
        let draft = self.store.draft(0).unwrap();
        draft.stage(Fact::Finished { agency });
    }

    /// Two agencies have sent a bet each, and their group is under way.
    fn committing() -> Self {
        let mut scene = Self::with([1, 2]);
        scene.stage(1, 1);
        scene.stage(2, 1);
        scene.advance();
        assert_eq!(scene.asks().unwrap(), "append 1v1+1 2v1+1, Usual");
        scene
    }

    /// That group has failed, and the part of the first one is under way.
    fn committing_alone() -> Self {
        let mut scene = Self::committing();
        assert_eq!(scene.fail(Failure::Conflict), []);
        assert_eq!(scene.asks().unwrap(), "append 1v1+1, Short");
        scene
    }

    fn knows(&mut self, number: u32) -> bool {
        matches!(
            self.store.know(agency(number), Freshness::Cached),
            Knowledge::Known(_)
        )
    }
}

fn why() -> String {
    "what the database says".to_owned()
}

fn warning() -> Event {
    Event::Warning(why())
}

fn declined(number: u32, why: Declined) -> Event {
    Event::Declined(agency(number), why)
}

fn no_space() -> Declined {
    Declined::NoSpace(NoSpace::new(why()))
}

fn forgotten(numbers: impl IntoIterator<Item = u32>) -> Vec<Event> {
    agencies(numbers)
        .into_iter()
        .map(Event::Forgotten)
        .collect()
}

#[test]
fn a_group_that_fails_is_tried_in_parts_and_only_a_full_disk_refuses_all_of_it() {
    for (failure, told) in [
        (Failure::Conflict, vec![]),
        (Failure::Unfounded, vec![]),
        (Failure::Other(why()), vec![]),
        (Failure::Unknown(why()), vec![]),
        (Failure::NotNow(why()), vec![warning()]),
    ] {
        let mut scene = Scene::committing();
        assert_eq!(scene.fail(failure.clone()), told, "{failure:?}");
        assert_eq!(scene.asks().unwrap(), "append 1v1+1, Short");
    }
    let mut scene = Scene::committing();
    let told = scene.fail(Failure::NoSpace(why()));
    let refused = [warning(), declined(1, no_space()), declined(2, no_space())];
    assert_eq!(told, refused);
    assert_eq!(scene.asks(), None);
    assert_eq!(scene.store.status().unavailable, Some(why()));
    assert!(scene.store.draft(0).is_err());
}

#[test]
fn a_part_that_fails_is_declined_with_the_reason_and_the_next_one_is_stored() {
    let refused = || declined(1, Declined::NotNow(REFUSED));
    for (failure, told) in [
        (
            Failure::Conflict,
            vec![declined(1, Declined::Replaced(agency(1)))],
        ),
        (
            Failure::Unfounded,
            vec![declined(1, Declined::TooManyAgencies)],
        ),
        (Failure::Other(why()), vec![warning(), refused()]),
        (Failure::Unknown(why()), vec![warning(), refused()]),
        (
            Failure::NotNow(why()),
            vec![declined(1, Declined::NotNow(LOCKED))],
        ),
        (
            Failure::NoSpace(why()),
            vec![warning(), declined(1, no_space())],
        ),
    ] {
        let mut scene = Scene::committing_alone();
        assert_eq!(scene.fail(failure.clone()), told, "{failure:?}");
        assert_eq!(scene.asks().unwrap(), "append 2v1+1, Short");
        let told = scene.answer([Answer::Done]);
        let [Event::Stored(commit), Event::Committed(ticket)] = told[..] else {
            panic!("{told:?}");
        };
        assert_eq!((commit.bets, ticket), (1, Ticket::first(0).next()));
        assert!(!scene.knows(1), "what was known of it does not count");
        assert!(scene.knows(2));
    }
}

#[test]
fn a_later_version_whose_foundation_is_missing_is_told_as_what_it_is() {
    let mut scene = Scene::with([1]);
    for _ in 0..2 {
        scene.stage(1, 1);
        scene.advance();
        let told = scene.answer([Answer::Done]);
        assert!(matches!(told[..], [Event::Stored(_), Event::Committed(_)]));
    }
    scene.stage(1, 1);
    scene.advance();
    scene.fail(Failure::Unfounded);
    assert_eq!(scene.asks().unwrap(), "append 1v3+1, Short");
    let told = scene.fail(Failure::Unfounded);
    let [
        Event::Warning(what),
        Event::Declined(_, why),
        Event::Committed(_),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert!(what.starts_with("the version that agency 1 goes on from is not there"));
    assert_eq!(*why, Declined::NotNow(UNFOUNDED));
}

#[test]
fn whoever_met_a_lock_waits_less_the_next_time_until_a_commit_is_done() {
    let mut scene = Scene::committing_alone();
    scene.fail(Failure::NotNow(why()));
    scene.answer([Answer::Done]);
    let read = |scene: &mut Scene| {
        scene.store.know(agency(1), Freshness::Latest);
        scene.advance();
        scene.asks().unwrap()
    };
    assert_eq!(read(&mut scene), "read 1, Short");
    let locked = declined(1, Declined::NotNow(LOCKED));
    assert_eq!(scene.fail(Failure::NotNow(why())), [warning(), locked]);
    assert_eq!(read(&mut scene), "read 1, Short");
    scene.answer([Answer::Done]);
    scene.stage(1, 1);
    scene.advance();
    assert_eq!(scene.asks().unwrap(), "append 1v1+1, Short");
    scene.answer([Answer::Done]);
    assert_eq!(read(&mut scene), "read 1, Usual");

    // The same after a part that is stored.
    scene.fail(Failure::NotNow(why()));
    assert_eq!(read(&mut scene), "read 1, Short");
    scene.answer([Answer::Done]);
    scene.stage(1, 1);
    scene.advance();
    scene.fail(Failure::Conflict);
    scene.answer([Answer::Done]);
    assert_eq!(read(&mut scene), "read 1, Usual");
}

#[test]
fn a_read_and_a_commit_without_parts_cost_the_session_where_they_fail() {
    let reading = || {
        let mut scene = Scene::with([]);
        scene.store.know(agency(1), Freshness::Latest);
        scene.advance();
        scene
    };
    let confirming = || {
        let mut scene = Scene::with([1]);
        assert!(scene.knows(1));
        scene.advance();
        assert_eq!(scene.asks().unwrap(), "append, Usual");
        scene
    };
    let again = || "the database asks to try again".to_owned();
    for (failure, reason) in [
        (Failure::Conflict, again()),
        (Failure::Unfounded, again()),
        (Failure::Other(why()), why()),
        (Failure::Unknown(why()), why()),
    ] {
        for mut scene in [reading(), confirming()] {
            assert_eq!(scene.fail(failure.clone()), []);
            assert_eq!(scene.told.borrow().given_up, [reason.clone()]);
        }
    }
}

#[test]
fn where_the_session_is_lost_all_are_forgotten_who_have_anything_under_way() {
    let lost = |scene: &mut Scene| {
        let mut told = scene.answer([Answer::Down(why())]);
        assert_eq!(told.pop(), Some(Event::Down(why())));
        assert_eq!(scene.store.status().unavailable, Some(why()));
        told
    };
    let mut scene = Scene::committing();
    scene.stage(2, 1);
    assert_eq!(lost(&mut scene), forgotten([1, 2]));

    // The first part is stored, the second one is under way, one waits, and another one has only asked.
    let mut scene = Scene::with([1, 2, 3, 4, 5]);
    for number in 1..=3 {
        scene.stage(number, 1);
    }
    assert!(scene.knows(4));
    scene.advance();
    scene.fail(Failure::Conflict);
    scene.answer([Answer::Done]);
    assert_eq!(scene.asks().unwrap(), "append 2v1+1, Short");
    assert_eq!(lost(&mut scene), forgotten([1, 2, 3, 4]));
    scene.come_up();
    assert_eq!(scene.asks(), None, "nothing of it is tried again");

    // A read is repeated, by itself.
    let mut scene = Scene::with([1]);
    scene.store.know(agency(2), Freshness::Latest);
    scene.advance();
    assert_eq!(lost(&mut scene), []);
    scene.come_up();
    assert_eq!(scene.asks().unwrap(), "read 2, Usual");
}

#[test]
fn an_agency_that_is_changed_while_a_read_fails_is_read_again() {
    type End = fn(&mut Scene);
    let ends: [End; 2] = [
        |scene| _ = scene.fail(Failure::NotNow(why())),
        |scene| {
            scene.answer([Answer::Down(why())]);
            scene.come_up();
        },
    ];
    for (end, reads) in ends.into_iter().zip(["read 2, Usual", "read 1 2, Usual"]) {
        let mut scene = Scene::with([1, 2]);
        scene.store.know(agency(1), Freshness::Latest);
        scene.advance();
        scene.answer([Answer::Changed(agency(2))]);
        assert_eq!(scene.asks().unwrap(), "read 1, Usual");
        end(&mut scene);
        while scene.asks().as_deref() == Some("look") {
            scene.answer([Answer::Done]);
        }
        assert_eq!(scene.asks().unwrap(), reads);
    }
}

#[test]
fn claims_that_cannot_be_taken_out_cost_nothing() {
    let mut scene = Scene::with([1]);
    let mut failed = 0;
    for _ in 0..16 {
        scene.store.know(agency(1), Freshness::Claimed);
        scene.advance();
        while let Some(query) = scene.asks() {
            if query == "claims" {
                assert_eq!(scene.fail(Failure::Other(why())), []);
                failed += 1;
            } else {
                scene.answer([Answer::Done]);
            }
        }
    }
    assert_eq!(failed, 1);
    assert!(scene.told.borrow().given_up.is_empty());
    assert!(scene.knows(1));
}

#[test]
fn a_commit_with_which_an_agency_finishes_is_followed_by_a_look_and_no_other_is() {
    for is_alone in [false, true] {
        let mut scene = Scene::with([1]);
        for finishes in [false, true] {
            match finishes {
                true => scene.finish(1),
                false => _ = scene.stage(1, 1),
            }
            scene.advance();
            if is_alone {
                scene.fail(Failure::Conflict);
            }
            scene.answer([Answer::Done]);
            let asks = finishes.then(|| "look".to_owned());
            assert_eq!(scene.asks(), asks, "alone: {is_alone}");
        }
    }
}

#[test]
fn those_who_rely_on_an_agency_that_others_have_changed_are_told() {
    let mut scene = Scene::with([1, 2]);
    for number in 1..=2 {
        scene.store.know(agency(number), Freshness::Latest);
    }
    scene.advance();
    let account = Account {
        bets: 9,
        ..Account::default()
    };
    let changed = VersionedAccount {
        version: 3,
        account,
        barred: Vec::new(),
    };
    let read = |number, account| Event::Read {
        agency: agency(number),
        account,
        barred: Vec::new(),
    };
    let told = scene.answer([Answer::Account(agency(1), changed), Answer::Done]);
    let expected = [
        Event::Forgotten(agency(1)),
        read(1, account),
        read(2, Account::default()),
    ];
    assert_eq!(told, expected);
}

#[test]
fn each_end_of_a_group_is_in_the_trace_with_its_bets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    trace::begin(&path, 1_000_000, "test").unwrap();
    let mut scene = Scene::committing();
    scene.answer([Answer::Done]);
    scene.stage(1, 2);
    scene.advance();
    scene.fail(Failure::Conflict);
    scene.fail(Failure::Conflict);
    let mut scene = Scene::with([1]);
    scene.stage(1, 5);
    scene.advance();
    scene.answer([Answer::Down(why())]);
    let mut scene = Scene::with([1]);
    scene.stage(1, 7);
    scene.advance();
    scene.fail(Failure::Conflict);
    scene.answer([Answer::Down(why())]);
    trace::end();
    let trace = std::fs::read_to_string(path).unwrap();
    let groups: Vec<(&str, u64)> = trace
        .lines()
        .filter_map(|line| {
            let name = line.split("\"name\":\"group ").nth(1)?.split('"').next()?;
            let bets = line.split("\"bets\":").nth(1)?.split(['}', ',']).next()?;
            Some((name, bets.parse().ok()?))
        })
        .collect();
    let lost = "lost, its outcome unknown";
    let expected = [
        ("committed", 2),
        ("not stored", 2),
        ("not stored", 2),
        (lost, 5),
        ("not stored", 7),
        (lost, 7),
    ];
    assert_eq!(groups, expected);
}

#[test]
fn a_database_without_space_is_tried_again_after_a_second() {
    let mut scene = Scene::committing();
    let failed = Answer::Failed(Failure::NoSpace(why()));
    scene.told.borrow_mut().answers.push_back(failed);
    let start = Instant::now();
    for (millis, is_full) in [(0, true), (999, true), (1_000, false), (2_000, false)] {
        let now = start + Duration::from_millis(millis);
        scene.store.advance(now, Wanted::default()).unwrap();
        assert_eq!(scene.store.draft(0).is_err(), is_full, "{millis}");
        assert_eq!(scene.store.status().unavailable.is_some(), is_full);
    }
}

#[test]
fn a_commit_is_sent_at_once_and_a_store_that_closes_closes_its_sessions() {
    let mut scene = Scene::with([1]);
    scene.stage(1, 1);
    scene.store.commit(std::iter::empty).unwrap();
    assert_eq!(scene.asks().unwrap(), "append 1v1+1, Usual");
    assert!(!scene.told.borrow().is_closed);
    scene.store.close(std::iter::empty()).unwrap();
    assert!(scene.told.borrow().is_closed);
}
