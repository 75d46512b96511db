//! A model of several centrals on one database, explored to the end: every order in which they, the agencies and the
//! faults can follow each other, for a small lottery.
//!
//! ```text
//! agency -- resume, bets, finished, the wait for the draw --> central -- sessions --> primary -- replicates --> standby
//! ```
//!
//! What a step leaves out of the program: rows are numbers, a group is appended at once or refused, a central reads an
//! agency as its resume comes, and the store in files is no part of it. What it has: connections that nobody listens
//! to any more, sessions that are lost with and without what was under way, transactions that are appended later by a backend
//! that was given up, failovers that keep or lose what no standby had, sessions that read from a primary that is one no
//! longer, a pooler, agencies that are forgotten to make room, reopenings, and the draw.
//!
//! The promises are those of docs/cluster.md, which also says where each rule stands in the program. Each rule is broken
//! once: the model then shows the steps that break a promise.

mod database;
mod lottery;
mod rules;
mod state;

use stateright::{Checker, HasDiscoveries, Model};

use rules::Rules;
use state::Lottery;

/// Two agencies, whose files have these numbers of bets, and two centrals with `sessions` sessions each; at most
/// `faults` faults happen, and `reopenings` uploads are taken out.
fn lottery(sessions: usize, files: [u8; 2], faults: u8, reopenings: u8) -> Lottery {
    Lottery {
        sessions,
        files,
        faults,
        reopenings,
        has_a_pooler: false,
        rules: Rules::ALL,
    }
}

/// The same where a pooler in transaction mode stands between.
fn behind_a_pooler(lottery: Lottery) -> Lottery {
    Lottery {
        has_a_pooler: true,
        ..lottery
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Explores a lottery to the end: every promise holds, and there is a way to the draw through all faults.
fn holds(lottery: Lottery) {
    let checker = lottery.checker().threads(threads()).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    assert!(checker.is_done());
    checker.assert_properties();
}

#[test]
fn every_promise_holds_for_three_bets_over_two_sessions_through_two_faults() {
    holds(lottery(2, [2, 1], 2, 0));
}

#[test]
fn every_promise_holds_where_one_session_has_both_agencies() {
    holds(lottery(1, [1, 1], 2, 0));
}

#[test]
fn every_promise_holds_while_an_upload_is_taken_out() {
    holds(lottery(1, [1, 1], 1, 1));
}

#[test]
fn every_promise_holds_behind_a_pooler_in_transaction_mode() {
    holds(behind_a_pooler(lottery(2, [1, 1], 1, 0)));
}

/// A way to break one rule, and the lottery in which that is to be seen.
type Break = (&'static str, Lottery, fn(&mut Rules));

fn breaks() -> Vec<Break> {
    let small = lottery(2, [1, 1], 1, 0);
    let taken_out = lottery(1, [1, 1], 1, 1);
    let pooled = behind_a_pooler(small);
    vec![
        ("a version follows what its central knows", small, |rules| {
            rules.a_version_follows_what_its_central_knows = false;
        }),
        ("the version before must fit", pooled, |rules| {
            rules.the_version_before_must_fit = false;
        }),
        ("nothing follows finished", taken_out, |rules| {
            rules.nothing_follows_finished = false;
        }),
        ("the draw looks once more", taken_out, |rules| {
            rules.the_draw_looks_once_more = false;
        }),
        ("a commit waits for the standby", small, |rules| {
            rules.a_commit_waits_for_the_standby = false;
        }),
        ("a resume is a commit", small, |rules| {
            rules.a_resume_is_a_commit = false;
        }),
        (
            "a later commit of the same session confirms",
            small,
            |rules| {
                rules.a_later_commit_of_the_same_session_confirms = false;
            },
        ),
        ("a lost session closes its agencies", small, |rules| {
            rules.a_lost_session_closes_its_agencies = false;
        }),
        (
            "forgetting closes the connection",
            lottery(1, [1, 1], 2, 0),
            |rules| {
                rules.forgetting_closes_the_connection = false;
            },
        ),
        ("an unknown outcome is not told", small, |rules| {
            rules.an_unknown_outcome_is_not_told = false;
        }),
        ("another backend ends the session", pooled, |rules| {
            rules.another_backend_ends_the_session = false;
        }),
        ("an upload taken out is barred", taken_out, |rules| {
            rules.an_upload_taken_out_is_barred = false;
        }),
    ]
}

#[test]
fn a_rule_that_is_broken_breaks_a_promise() {
    for (rule, mut lottery, break_it) in breaks() {
        break_it(&mut lottery.rules);
        let explored = lottery
            .checker()
            .threads(threads())
            .finish_when(HasDiscoveries::AnyFailures);
        let discoveries = explored.spawn_bfs().join().discoveries();
        let promises = lottery
            .properties()
            .into_iter()
            .filter(|property| property.name != state::ENDS_WELL);
        let broken = promises.into_iter().find_map(|property| {
            discoveries
                .get(property.name)
                .map(|path| (property.name, path))
        });
        let Some((promise, path)) = broken else {
            panic!("without the rule that {rule}, every promise holds");
        };
        println!("without the rule that {rule}, not: {promise}\n{path}");
    }
}
