//! The way from an open lottery to its winners, and back where an answer does not come.

use super::*;
use crate::facts::Account;
use crate::store::postgres::known::VersionedAccount;

fn number(number: u32) -> Number {
    Number::new(number).unwrap()
}

fn agency(number: u32) -> Agency {
    Agency::new(number).unwrap()
}

fn draw(identity: &str) -> DrawRow {
    DrawRow {
        winner: number(7),
        identity: identity.to_owned(),
    }
}

/// An overview of a central that would draw another number.
fn overview() -> Overview {
    Overview::new(number(1))
}

/// What is asked next, as far as it concerns the draw: its word, and the number in it.
fn asks(overview: &mut Overview) -> Option<(String, Look)> {
    let look = overview.take_look(true)?;
    let query = match overview.query(&look) {
        Query::Draw(number) => format!("draw {number}"),
        Query::Winners(number, Slice::Whole) => format!("winners {number}, all"),
        Query::Winners(number, Slice::Blocks(blocks)) => format!("winners {number}, {blocks:?}"),
        query => query.to_string(),
    };
    Some((query, look))
}

/// Takes the next look, which has to be this one, and answers it.
fn answer(
    overview: &mut Overview,
    query: &str,
    answers: impl IntoIterator<Item = Answer>,
) -> VecDeque<Event> {
    let (asked, mut look) = asks(overview).expect("nothing is asked");
    assert_eq!(asked, query);
    for answer in answers {
        overview.hear(&mut look, answer);
    }
    let mut events = VecDeque::new();
    overview.done(look, None, &mut events);
    events
}

fn won(number: u32, seq: u64) -> Answer {
    Answer::Won {
        agency: agency(number),
        seq,
        document: seq.to_string().into_bytes(),
    }
}

/// The table of bets in so many blocks of one file.
fn blocks(blocks: u32) -> Answer {
    Answer::Layout(Layout {
        file: Some("a".to_owned()),
        blocks,
        took: Duration::ZERO,
    })
}

/// An overview with a draw of which one slice, of the first block, was read.
fn scanning() -> Overview {
    let mut overview = overview();
    overview.all_finished();
    answer(&mut overview, "draw 1", [Answer::Drawn(draw("a"))]);
    let events = answer(&mut overview, "winners 7, 0..1", [won(2, 5), blocks(1_000)]);
    assert!(events.is_empty());
    overview
}

#[test]
fn the_winners_are_those_of_the_number_that_the_database_has_and_are_told_once() {
    let mut overview = overview();
    assert!(asks(&mut overview).is_none());
    assert!(overview.all_finished());
    assert!(!overview.all_finished(), "not new any more");
    assert!(overview.take_look(false).is_none(), "commits are under way");

    answer(&mut overview, "draw 1", [Answer::Drawn(draw("a"))]);
    let slice = [won(2, 5), won(1, 9), blocks(3)];
    assert!(answer(&mut overview, "winners 7, 0..1", slice).is_empty());
    let slice = [won(2, 4), blocks(3)];
    let events = answer(&mut overview, "winners 7, 1..3", slice);
    let [Event::Counting, Event::Counted(drawn)] = events.as_slices().0 else {
        panic!("{events:?}");
    };
    assert_eq!((drawn.winner, drawn.is_stored), (number(7), true));
    let winners = |number| drawn.tally.winners(agency(number)).unwrap().to_vec();
    assert_eq!((winners(1), winners(2)), (b"9".to_vec(), b"4|5".to_vec()));

    assert!(!overview.all_finished());
    overview.look_again();
    assert!(asks(&mut overview).is_none(), "all is known");
}

#[test]
fn somebody_who_waits_for_the_winners_makes_a_look_due_every_second() {
    let mut overview = overview();
    let start = Instant::now();
    let after = |millis| start + Duration::from_millis(millis);
    let waits = Wanted {
        winners: true,
        ..Wanted::default()
    };
    overview.want(Wanted::default(), start);
    assert_eq!(overview.deadline(), None);
    overview.want(waits, start);
    assert_eq!(overview.deadline(), Some(after(1_000)));
    overview.want(waits, after(999));
    assert!(asks(&mut overview).is_none());
    overview.want(waits, after(1_000));
    assert_eq!(overview.deadline(), Some(after(2_000)));
    answer(&mut overview, "look", []);
    assert!(asks(&mut overview).is_none(), "once");

    overview.want(Wanted::default(), after(3_000));
    assert_eq!(overview.deadline(), None);
    assert!(asks(&mut overview).is_none(), "nobody waits any more");

    overview.want(waits, after(3_000));
    overview.all_finished();
    overview.want(waits, after(4_000));
    assert_eq!(overview.deadline(), None, "the draw is on its way");
}

#[test]
fn a_draw_that_is_not_there_or_not_now_is_looked_for_again() {
    let due = || {
        let mut overview = overview();
        overview.all_finished();
        overview
    };
    let mut overview = due();
    answer(&mut overview, "draw 1", []);
    assert!(asks(&mut overview).is_none());

    for failure in [Failure::Conflict, Failure::NotNow("locked".to_owned())] {
        for (mut overview, query) in [(due(), "draw 1"), (scanning(), "winners 7, 1..3")] {
            for query in [query, "look"] {
                let (asked, look) = asks(&mut overview).expect("nothing is asked");
                assert_eq!(asked, query);
                assert!(overview.failed(&look, &failure, None));
                assert!(asks(&mut overview).is_none());
                overview.look_again();
            }
            assert!(overview.all_finished(), "it begins again");
        }
    }
}

#[test]
fn an_engine_without_blocks_is_read_in_one_piece_and_any_other_failure_costs_the_session() {
    let unknown = || Failure::Unknown("no such function".to_owned());
    let mut overview = scanning();
    let (_, slice) = asks(&mut overview).unwrap();
    assert!(overview.failed(&slice, &unknown(), None));
    let (asked, whole) = asks(&mut overview).unwrap();
    assert_eq!(asked, "winners 7, all");

    let other = Failure::Other("out of shared memory".to_owned());
    for (look, failure) in [
        (&whole, unknown()),
        (&slice, other.clone()),
        (&slice, Failure::Unfounded),
        (&Look::Draw(None), unknown()),
        (&Look::Progress, unknown()),
        (&Look::Survey(agency(1)), unknown()),
        (&Look::Survey(agency(1)), Failure::Conflict),
        (&Look::Progress, other),
    ] {
        assert!(
            !overview.failed(look, &failure, None),
            "{look:?} {failure:?}"
        );
    }
    let all = [won(1, 3)];
    let events = answer(&mut overview, "winners 7, all", all);
    let Some(Event::Counted(drawn)) = events.back() else {
        panic!("{events:?}");
    };
    assert_eq!(drawn.tally.count(agency(1)), 1);
    assert_eq!(
        drawn.tally.count(agency(2)),
        0,
        "the slice before is read again"
    );
}

#[test]
fn a_lost_session_costs_a_slice_and_the_next_one_reads_the_draw_first() {
    // A slice that was under way is made smaller, and another look leaves it as it is.
    for (is_slice, next) in [(true, "winners 7, 1..2"), (false, "winners 7, 1..3")] {
        let mut overview = scanning();
        let (_, slice) = asks(&mut overview).unwrap();
        let survey = Look::Survey(agency(1));
        overview.lost(Some(if is_slice { &slice } else { &survey }), None);
        answer(&mut overview, "draw 1", [Answer::Drawn(draw("a"))]);
        answer(&mut overview, next, [won(2, 1), blocks(2)]);
        assert!(asks(&mut overview).is_none());
    }
    // Another draw has been read: nothing of the scan before counts.
    let mut overview = scanning();
    overview.lost(None, None);
    answer(&mut overview, "draw 1", [Answer::Drawn(draw("b"))]);
    let events = answer(&mut overview, "winners 7, 0..1", [won(1, 1), blocks(1)]);
    let Some(Event::Counted(drawn)) = events.back() else {
        panic!("{events:?}");
    };
    assert_eq!(drawn.tally.count(agency(2)), 0);

    for look in [Look::Progress, Look::Draw(None)] {
        let mut overview = self::overview();
        overview.lost(Some(&look), None);
        assert!(asks(&mut overview).is_none());
    }
}

#[test]
fn those_who_watch_see_how_the_agencies_stood_and_that_a_look_at_them_failed() {
    let now = Instant::now();
    let watched = Wanted {
        watched: Some(3),
        ..Wanted::default()
    };
    let shown = |overview: &Overview| match overview.others() {
        Others::Known { agencies, current } => Some((agencies.len(), current)),
        Others::None | Others::Unknown => None,
    };
    let mut overview = overview();
    assert!(overview.take_survey().is_none());
    overview.want(watched, now);
    let mut look = overview.take_survey().expect("nobody looks");
    assert!(matches!(
        overview.query(&look),
        Query::Survey(first, last) if (first, last) == (agency(1), agency(3))
    ));
    let versioned = VersionedAccount {
        account: Account {
            bets: 5,
            ..Account::default()
        },
        ..VersionedAccount::default()
    };
    overview.hear(&mut look, Answer::Account(agency(2), versioned));
    overview.done(look, Some(now), &mut VecDeque::new());
    assert_eq!(shown(&overview), Some((1, true)));

    let not_now = Failure::NotNow("locked".to_owned());
    for is_lost in [true, false] {
        let now = overview.deadline().expect("no round follows");
        overview.want(watched, now);
        let look = overview.take_survey().expect("nobody looks again");
        match is_lost {
            true => overview.lost(Some(&look), Some(now)),
            false => assert!(overview.failed(&look, &not_now, Some(now))),
        }
        let is_current = shown(&overview).map(|(_, current)| current);
        assert_eq!(is_current, Some(false), "lost: {is_lost}");
        let now = overview.deadline().expect("no round follows");
        overview.want(watched, now);
        let look = overview.take_survey().expect("nobody looks again");
        overview.done(look, Some(now), &mut VecDeque::new());
        assert_eq!(shown(&overview), Some((0, true)));
    }
}
