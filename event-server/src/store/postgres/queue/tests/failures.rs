//! What follows where a query fails, or its session is lost.

use frame::trace;

use super::agency;
use super::scene::*;
use crate::store::postgres::queue::answers::{LOCKED, REFUSED, UNFOUNDED};
use crate::store::postgres::{Answer, Failure};
use crate::store::{Declined, Event, Freshness, Store, Ticket};

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
        let given_up = [reason];
        for mut scene in [reading(), confirming()] {
            assert_eq!(scene.fail(failure.clone()), []);
            assert_eq!(scene.told.borrow().given_up, given_up);
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
