//! What a session does when, and how much it remembers.

use std::time::{Duration, Instant};

use super::agency;
use super::scene::*;
use crate::facts::Account;
use crate::store::postgres::{Answer, Failure, VersionedAccount};
use crate::store::{Event, Freshness, Store, Wake, Wanted};

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

#[test]
fn an_agency_for_which_something_is_staged_or_under_way_does_not_give_way() {
    for is_under_way in [false, true] {
        let mut scene = Scene::keeping(2);
        scene.read(1);
        scene.read(2);
        // What was read is confirmed: a reply about it waits for nothing.
        scene.stage(2, 1);
        scene.advance();
        scene.answer([Answer::Done]);
        scene.stage(1, 1);
        assert!(scene.knows(2), "it was used last");
        if is_under_way {
            scene.advance();
        }
        scene.store.know(agency(3), Freshness::Latest);
        assert_eq!(scene.answer([]), [Event::Dropped(agency(2))]);
    }
}

#[test]
fn no_more_than_1_024_agencies_are_remembered_as_blocked_or_as_claimed() {
    let all = 1..=1_025;
    let mut scene = Scene::with([]);
    for number in all.clone() {
        scene.store.know(agency(number), Freshness::Latest);
    }
    scene.advance();
    while scene.asks().is_some() {
        scene.fail(Failure::NotNow(why()));
    }
    let mut usual = 0;
    for number in all.clone() {
        scene.store.know(agency(number), Freshness::Latest);
        scene.advance();
        usual += u32::from(scene.asks().unwrap().ends_with("Usual"));
        let versioned = VersionedAccount {
            version: 15,
            ..VersionedAccount::default()
        };
        let account = Answer::Account(agency(number), versioned);
        scene.answer([account, Answer::Done]);
    }
    assert_eq!(usual, 1);

    for number in all {
        scene.store.know(agency(number), Freshness::Claimed);
    }
    scene.advance();
    while scene.asks().is_some() {
        scene.answer([Answer::Done]);
    }
    let told = scene.told.borrow();
    let claims = told.asked.iter().filter(|asked| *asked == "claims");
    assert_eq!(claims.count(), 1_024);
}

#[test]
fn a_store_is_due_when_one_of_its_sessions_is() {
    let scene = Scene::with([1]);
    assert_eq!(scene.store.wake(), Wake::Never);
    let due = Instant::now();
    scene.told.borrow_mut().deadline = Some(due);
    assert_eq!(scene.store.wake(), Wake::At(due));
}
