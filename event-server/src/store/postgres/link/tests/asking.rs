//! What a link says and hears in a session that is ready.

use frame::{Agency, Number};

use super::*;
use crate::facts::Account;
use crate::store::postgres::known::VersionedAccount;
use crate::store::postgres::rows::{Rows, any_bet};
use crate::store::postgres::scan::{DrawRow, Layout, Slice};
use crate::store::postgres::setup::{ALONE, NO_STANDBY};
use crate::store::postgres::{Failure, Part, SealedRows};

fn agency() -> Agency {
    Agency::new(3).unwrap()
}

fn part(bets: u64) -> Part {
    Part {
        agency: agency(),
        version: 1,
        account: Account {
            bets,
            ..Account::default()
        },
        bets,
    }
}

#[test]
fn each_row_is_told_as_what_it_is() {
    let number = Number::new(7).unwrap();
    let slice = Slice::Blocks(0..4);
    let row = |columns: &[&str]| row(&columns.iter().copied().map(Some).collect::<Vec<_>>());
    let drawn = DrawRow {
        winner: number,
        identity: "1.5 c".to_owned(),
    };
    let layout = |file: Option<&str>| {
        Answer::Layout(Layout {
            file: file.map(str::to_owned),
            blocks: 3,
            took: Duration::from_millis(12),
        })
    };
    let won = Answer::Won {
        agency: agency(),
        seq: 12,
        document: b"30".to_vec(),
    };
    let progress = |all_finished, drawn| Answer::Progress {
        all_finished,
        drawn,
    };
    let account = Answer::Account(
        agency(),
        VersionedAccount {
            version: 2,
            account: Account {
                batched: 1,
                bets: 4,
                finished: true,
                ..Account::default()
            },
            barred: Vec::new(),
        },
    );
    let nowhere = super::row(&[None, Some("24576"), Some("8192"), Some("12")]);
    let read = super::row(&[
        Some("3"),
        Some("2"),
        None,
        Some("1"),
        Some("4"),
        Some("t"),
        None,
    ]);
    let winners = Query::Winners(number, &slice);
    for (query, row, answer) in [
        (&Query::Survey(agency(), agency()), read, account),
        (&Query::Look, row(&["t", "5", "f"]), progress(true, false)),
        (&Query::Look, row(&["f", "5", "t"]), progress(false, true)),
        (
            &Query::Draw(number),
            row(&["7", "1.5 c"]),
            Answer::Drawn(drawn),
        ),
        (&winners, row(&["3", "12", "30"]), won),
        (
            &winners,
            row(&["9", "24576", "8192", "12"]),
            layout(Some("9")),
        ),
        (&winners, nowhere, layout(None)),
    ] {
        let mut world = World::ready(CommitMode::AsSet);
        world.ask(query);
        assert_eq!(
            world.reply(&[row], done()),
            [answer, Answer::Done],
            "{query}"
        );
        // What makes no sense ends the session: another engine answers, or something in between.
        for senseless in [super::row(&[Some("x")]), super::row(&[None; 4])] {
            let mut world = World::ready(CommitMode::AsSet);
            world.ask(query);
            assert!(matches!(
                world.reply(&[senseless], done())[..],
                [Answer::Down(_)]
            ));
        }
    }
}

#[test]
fn an_answer_that_does_not_tell_whose_backend_it_is_or_tells_of_another_lottery_is_not_taken() {
    let mut world = World::ready(CommitMode::AsSet);
    world.ask(&Query::Append(
        &[&part(0)],
        &SealedRows::default(),
        LockWait::Usual,
    ));
    world.pipe().borrow_mut().to_link.extend(done());
    let told = world.run(0);
    assert!(
        matches!(&told[..], [Answer::Down(why)] if why.contains("which process")),
        "{told:?}"
    );

    let mut world = World::ready(CommitMode::AsSet);
    world.ask(&Query::Look);
    let told = world.reply(&[row(&[Some("f"), Some("6"), Some("f")])], done());
    assert!(
        matches!(&told[..], [Answer::Down(why)] if why.contains("agencies")),
        "{told:?}"
    );
}

#[test]
fn each_error_of_a_commit_means_what_its_sqlstate_says() {
    let told = |code: &str| format!("what happened (SQLSTATE {code})");
    let waits = |code| Failure::NotNow(format!("the database waits: {}", told(code)));
    let space = |code| Failure::NoSpace(format!("the database has no space: {}", told(code)));
    let unknown = |code| Failure::Unknown(format!("the database refuses: {}", told(code)));
    let other = |code| Failure::Other(format!("the database refuses to store: {}", told(code)));
    for (code, failure) in [
        ("23505", Failure::Conflict),
        ("40001", Failure::Conflict),
        ("40P01", Failure::Conflict),
        ("23502", Failure::Unfounded),
        ("57014", waits("57014")),
        ("53200", waits("53200")),
        ("53000", space("53000")),
        ("53100", space("53100")),
        ("0A000", unknown("0A000")),
        ("42703", unknown("42703")),
        ("42883", unknown("42883")),
        ("22001", other("22001")),
    ] {
        let mut world = World::ready(CommitMode::AsSet);
        world.ask(&Query::Append(
            &[&part(0)],
            &SealedRows::default(),
            LockWait::Usual,
        ));
        assert_eq!(world.reply(&[], failed(code)), [Answer::Failed(failure)]);
        assert!(world.links[0].is_idle());
    }
    // The server was the primary, and is it no longer.
    let mut world = World::ready(CommitMode::AsSet);
    world.ask(&Query::Append(
        &[&part(0)],
        &SealedRows::default(),
        LockWait::Usual,
    ));
    assert!(matches!(
        world.reply(&[], failed("25006"))[..],
        [Answer::Down(_)]
    ));
}

#[test]
fn a_commit_that_waited_for_a_lock_in_vain_has_those_ended_that_a_vanished_central_holds() {
    let locked = Failure::NotNow("the database waits: what happened (SQLSTATE 55P03)".to_owned());
    for (count, told) in [("0", 1), ("2", 2)] {
        let mut world = World::ready(CommitMode::AsSet);
        world.ask(&Query::Append(
            &[&part(0)],
            &SealedRows::default(),
            LockWait::Usual,
        ));
        assert_eq!(world.reply(&[], failed("55P03")), []);
        assert!(!world.links[0].is_idle());
        let ending = "interval '4000 milliseconds'";
        assert!(world.asked().contains(ending), "{}", world.asked());
        assert!(world.asked().contains("set local lock_timeout = '31ms'"));
        let answers = world.reply(&[row(&[Some(count)])], done());
        assert_eq!(answers.len(), told, "{answers:?}");
        assert_eq!(answers.last(), Some(&Answer::Failed(locked.clone())));
        assert!(
            matches!(&answers[0], Answer::Warning(why) if why.starts_with("2 ")) == (told == 2)
        );
    }
    // A read takes no lock that could be ended so.
    let mut world = World::ready(CommitMode::AsSet);
    world.ask(&Query::Look);
    assert_eq!(world.reply(&[], failed("55P03")), [Answer::Failed(locked)]);
}

#[test]
fn a_commit_that_must_be_replicated_is_done_once_it_is_known_to_be_so_and_nothing_else_waits_for_that()
 {
    let claim = part(0);
    let claim = [&claim];
    let rows = SealedRows::default();
    let append = |parts| Query::Append(parts, &rows, LockWait::Usual);
    for (commit, query, waits) in [
        (CommitMode::AsSet, &append(&claim), false),
        (CommitMode::Replicated, &append(&[]), true),
        (CommitMode::Replicated, &append(&claim), true),
        (
            CommitMode::Replicated,
            &Query::Draw(Number::new(7).unwrap()),
            true,
        ),
        (CommitMode::Replicated, &Query::Look, false),
        (CommitMode::Replicated, &Query::DropClaims(agency()), false),
    ] {
        let mut world = World::new("127.0.0.1/a?", 1, commit);
        world.net.borrow_mut().standbys = "pg2";
        world.run(0);
        world.ask(query);
        assert_eq!(
            world.net.borrow().asked.len(),
            1 + usize::from(waits),
            "{query}"
        );
        let told = world.reply(&[], done());
        assert_eq!(told.is_empty(), waits, "{query}: {told:?}");
        if waits {
            // No standby is named any more: nobody knows where the commit is.
            world.net.borrow_mut().standbys = "";
            let told = world.reply(&[], done());
            assert!(matches!(told[..], [Answer::Down(_)]), "{query}: {told:?}");
        }
    }
}

#[test]
fn rows_go_behind_a_query_that_has_bets_and_behind_no_other_one() {
    let mut rows = Rows::default();
    rows.push(&any_bet(agency()), 1);
    let rows = rows.seal();
    for (bets, sent) in [(1, true), (0, false)] {
        let mut world = World::ready(CommitMode::AsSet);
        let before = world.net.borrow().heard.len();
        world.ask(&Query::Append(&[&part(bets)], &rows, LockWait::Usual));
        let heard = world.net.borrow().heard[before..].to_vec();
        let tuple = &rows.messages()[5..];
        assert_eq!(heard.windows(tuple.len()).any(|piece| piece == tuple), sent);
        let end = b"\xff\xff";
        assert_eq!(heard.ends_with(end), sent, "the end of the rows");
        assert_eq!(heard.windows(6).any(|piece| piece == b"PGCOPY"), sent);
    }
}

#[test]
fn a_standby_that_is_no_longer_named_is_told_once_by_the_first_session_and_ends_what_needs_it() {
    let mut world = World::new("127.0.0.1/a?", 2, CommitMode::AsSet);
    world.net.borrow_mut().standbys = "pg2";
    world.run(1);
    let mut warned = Vec::new();
    let mut look = |world: &mut World, standbys| {
        world.net.borrow_mut().standbys = standbys;
        world.ask(&Query::Look);
        let told = world.reply(&[], done());
        assert_eq!(told.last(), Some(&Answer::Done));
        warned.push(told.contains(&Answer::Warning(ALONE.to_owned())));
    };
    world.run(0);
    for standbys in ["pg2", "", "", "pg2", "pg2", ""] {
        look(&mut world, standbys);
    }
    assert_eq!(warned, [false, true, false, false, false, true]);

    let mut second = World::new("127.0.0.1/a?", 2, CommitMode::AsSet);
    second.net.borrow_mut().standbys = "pg2";
    second.run(0);
    second.run(1);
    second.links.swap(0, 1);
    second.net.borrow_mut().standbys = "";
    second.ask(&Query::Look);
    assert_eq!(
        second.reply(&[], done()),
        [Answer::Done],
        "it leaves that to the first one"
    );

    let mut strict = World::new("127.0.0.1/a?", 1, CommitMode::Replicated);
    strict.net.borrow_mut().standbys = "pg2";
    strict.run(0);
    strict.net.borrow_mut().standbys = "";
    strict.ask(&Query::Look);
    let told = strict.reply(&[], done());
    assert!(
        matches!(&told[..], [Answer::Down(why)] if why.ends_with(NO_STANDBY)),
        "{told:?}"
    );
}

#[test]
fn the_channel_tells_of_agencies_of_the_draw_and_of_another_central_of_the_same_name() {
    let mut world = World::ready(CommitMode::AsSet);
    let own = world.links[0].listener.clone().unwrap();
    assert!(own.starts_with("c "));
    for (about, told) in [
        ("", Some(Answer::Notified)),
        ("3", Some(Answer::Changed(agency()))),
        (&*own, None),
        ("d 0123456789abcdef", None),
        (
            "c 0123456789abcdef",
            Some(Answer::Warning(
                "another central is named c, too: give each central a SERVER_NAME of its own"
                    .to_owned(),
            )),
        ),
    ] {
        let body = [
            &[0, 0, 0, 9][..],
            b"lottery.draw\0",
            about.as_bytes(),
            b"\0",
        ]
        .concat();
        world
            .pipe()
            .borrow_mut()
            .to_link
            .extend(message(b'A', &body));
        assert_eq!(world.run(0), Vec::from_iter(told), "{about}");
    }
}

#[test]
fn the_first_warning_of_a_session_is_told_and_no_other_one() {
    let mut world = World::ready(CommitMode::AsSet);
    let warning = message(b'N', b"SWARNING\0VWARNING\0C01007\0Mtoo much\0\0");
    for told in [1, 0] {
        world.ask(&Query::Look);
        let answers = world.reply(&[warning.clone(), warning.clone()], done());
        assert_eq!(answers.len(), 1 + told, "{answers:?}");
    }
}

#[test]
fn what_a_stream_did_not_take_goes_when_it_can_be_written_to_again() {
    let mut world = World::ready(CommitMode::AsSet);
    let pipe = world.pipe();
    pipe.borrow_mut().is_stuck = true;
    world.links[0].submit(&Query::Look);
    world.serve();
    assert_eq!(world.asked(), "");
    pipe.borrow_mut().is_stuck = false;
    let mut asked_after = |readable, writable, dead| {
        world.links[0].mark(readable, writable, dead);
        world.links[0].advance(world.now).unwrap();
        world.serve();
        !world.asked().is_empty()
    };
    assert!(
        !asked_after(true, false, false),
        "it cannot be written to yet"
    );
    assert!(asked_after(false, true, false));
}

#[test]
fn a_central_that_stops_says_goodbye() {
    let mut world = World::ready(CommitMode::AsSet);
    world.links[0].close();
    assert_eq!(take_message(&world.pipe()), Some((b'X', Vec::new())));
}
