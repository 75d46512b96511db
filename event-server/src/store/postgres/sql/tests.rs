//! Names and values in the SQL, and the rows that come back.

use super::*;
use frame::UploadId;

fn statements() -> Statements {
    Statements::new("it's \"mine\"", "a'b", 5)
}

fn part(agency: u32, finished: bool, bets: u64) -> Part {
    Part {
        agency: Agency::new(agency).unwrap(),
        version: 18,
        account: Account {
            source: Some(Source::Upload(UploadId([0xab; 16]))),
            batched: 3,
            bets: 4,
            finished,
        },
        bets,
    }
}

#[test]
fn names_are_quoted_wherever_they_stand() {
    let sql = statements().append([part(1, true, 1)].iter());
    assert!(
        sql.starts_with("insert into \"it's \"\"mine\"\"\".commits "),
        "{sql}"
    );
    assert!(sql.contains("then 'a''b' else"), "{sql}");
    assert!(sql.contains("(1, 18, '"), "{sql}");
    assert!(sql.contains(", 3, 4, true, 3)"), "{sql}");
    assert!(sql.contains("notify \"it's \"\"mine\"\".draw\""), "{sql}");
}

#[test]
fn a_copy_is_the_last_statement_and_stands_only_where_there_are_rows() {
    let (with, without) = (part(1, false, 1), part(4, false, 0));
    let sql = statements().append([with, without.clone()].iter());
    assert!(sql.ends_with("from stdin (format binary)"), "{sql}");
    assert!(!statements().append([without].iter()).contains("copy"));
}

#[test]
fn a_look_asks_for_the_last_version_of_all_agencies_and_a_survey_for_those_that_were_named() {
    let look = statements().look();
    let table = "\"it's \"\"mine\"\"\"";
    assert!(look.contains("generate_series(1, 5)"), "{look}");
    assert!(
        look.contains("finished") && look.contains(&format!("{table}.draw")),
        "{look}"
    );
    let agency = |number| Agency::new(number).unwrap();
    let survey = statements().survey(agency(3), agency(9));
    assert!(survey.contains("generate_series(3, 9)"), "{survey}");
    assert!(
        survey.contains(&format!("from {table}.commits")),
        "{survey}"
    );
}

#[test]
fn an_agencys_row_is_read_as_it_was_appended() {
    let account = part(1, true, 0).account;
    let upload = "ab".repeat(16);
    let row = ["7", "18", &upload, "3", "4", "t", &upload].map(|text| Some(text.as_bytes()));
    let versioned = VersionedAccount {
        version: 18,
        account,
        barred: vec![UploadId([0xab; 16])],
    };
    assert_eq!(
        parse_account(&row),
        Some((Agency::new(7).unwrap(), versioned))
    );
    let mut none = row;
    none[2] = None;
    assert_eq!(parse_account(&none).unwrap().1.account.source, None);
    none[2] = Some(b"neither");
    assert_eq!(parse_account(&none), None);
    assert_eq!(parse_account(&row[1..]), None);
}

#[test]
fn each_session_of_a_central_has_a_row_of_its_own() {
    let row = |session| statements().of_session("a'b", session).barrier();
    assert!(row(0).contains("values ('a''b', "), "{}", row(0));
    assert!(row(1).contains("values ('a''b/2', "), "{}", row(1));
    assert!(row(15).contains("values ('a''b/16', "), "{}", row(15));
}

#[test]
fn every_source_is_read_as_it_was_appended() {
    for source in [
        Source::Plain,
        Source::TakenOver,
        Source::Upload(UploadId([7; 16])),
    ] {
        let text = source_text(source);
        assert_eq!(parse_source(text.as_bytes()), Some(source), "{text}");
    }
}

#[test]
fn only_where_anyone_may_take_part_are_first_versions_counted() {
    let first = |agencies, versions: &[i64]| {
        let parts = versions.iter().map(|version| Part {
            version: *version,
            ..part(1, false, 0)
        });
        let parts: Vec<Part> = parts.collect();
        Statements::new("s", "c", agencies).first(parts.iter())
    };
    assert_eq!(first(5, &[1]), "'c'");
    assert_eq!(first(0, &[2, 3]), "'c'");
    for (versions, new) in [(&[1, 2][..], 1), (&[1, 1, 5], 2)] {
        let sql = first(0, versions);
        let most = format!(" first) <= {})", MAX_AGENCIES.saturating_sub(new));
        assert!(sql.ends_with(&most), "{sql}");
    }
}

#[test]
fn the_draw_and_a_reopening_wait_for_each_other_by_the_row_of_the_lottery() {
    let draw = statements().draw(Number::new(7).unwrap());
    let lock = statements().lock_draw();
    assert!(
        lock.starts_with("update ") && lock.contains(".lottery set "),
        "{lock}"
    );
    assert!(draw.starts_with(&lock), "{draw}");
}

#[test]
fn a_session_listens_to_the_channel_of_its_lottery_and_says_there_who_listens() {
    let channel = "\"it's \"\"mine\"\".draw\"";
    let listen = statements().listen("a'b 1");
    assert_eq!(
        listen,
        format!("listen {channel}; notify {channel}, 'a''b 1'")
    );
}
