//! What release 0.1.0 left behind is opened, continued and drawn by this one: a folder and a schema in which one agency
//! had finished and another was in the middle of its file when the central was killed; and both after the draw. The
//! programs of that release wrote them: `vectors/0.1.0`, with the files of the three agencies.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;

use fixtures::postgres::Postgres;
use fixtures::programs::{self, Running};

/// How long 0.1.0 makes a log, with zeros at its end. The kept logs are cut before the zeros.
const FILLED: usize = 1 << 20;

/// The documents that won, by agency.
const WINNERS: [&str; 3] = ["27260626\n", "21423915\n24289767\n", ""];

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors/0.1.0")
        .join(name)
}

/// Has each agency finish its file: the one that had, the one in the middle, the one that comes now. Then each asks for its
/// winners.
fn run_agencies(central: SocketAddr, folder: &Path) {
    for (wait, winners) in [(false, ["", "", ""]), (true, WINNERS)] {
        for (number, winners) in (1..).zip(winners) {
            let file = kept(&format!("agency-{number}.csv"));
            let mut client = programs::agency(number, &file, central, folder).unwrap();
            if !wait {
                client.arg("--no-wait");
            }
            let Output {
                status,
                stdout,
                stderr,
            } = client.output().unwrap();
            let log = String::from_utf8_lossy(&stderr);
            assert_eq!(status.code(), Some(0), "agency {number}: {log}");
            assert_eq!(String::from_utf8_lossy(&stdout), winners);
        }
    }
}

/// An agency's file as rows of bets.csv, in their order.
fn sent(number: u32) -> Vec<String> {
    let text = fs::read_to_string(kept(&format!("agency-{number}.csv"))).unwrap();
    text.lines().map(|row| format!("{number},{row}")).collect()
}

fn assert_stored(central: Running, rows: &str) {
    central.stop().unwrap();
    for number in 1..=3 {
        let prefix = format!("{number},");
        let of_agency = rows.lines().filter(|row| row.starts_with(&prefix));
        assert_eq!(of_agency.collect::<Vec<_>>(), sent(number));
    }
    assert_eq!(rows.lines().count(), 30);
}

fn folder_goes_on(state: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut log = fs::read(kept(state).join("bets.wal")).unwrap();
    log.resize(FILLED.max(log.len()), 0);
    fs::write(data.join("bets.wal"), log).unwrap();
    for name in ["bets.csv", "lock"] {
        fs::copy(kept(state).join(name), data.join(name)).unwrap();
    }
    let (central, address) = programs::central(data, &[("SERVER_AGENCIES", "3")]).unwrap();
    run_agencies(address, data);
    let rows = fs::read_to_string(data.join("bets.csv")).unwrap();
    assert_stored(central, &rows);
}

fn schema_goes_on(state: &str) {
    let Some(database) = Postgres::start().unwrap() else {
        return;
    };
    let dump = fs::read_to_string(kept(state).join("schema.sql")).unwrap();
    database.sql(&dump).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = database.url("postgres", "postgres");
    let environment = [("SERVER_AGENCIES", "3"), ("SERVER_STORE", url.as_str())];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    run_agencies(address, folder.path());
    let query =
        "select agency, first_name, last_name, document, birthdate, number from lottery.bets
                 order by agency, seq \\g (format=csv) | cat";
    assert_stored(central, &database.sql(query).unwrap());
}

#[test]
fn a_folder_of_0_1_0_whose_central_was_killed_is_continued_and_drawn() {
    folder_goes_on("sending");
}

#[test]
fn a_folder_of_0_1_0_that_was_drawn_tells_the_same_winners() {
    folder_goes_on("drawn");
}

#[test]
fn a_schema_of_0_1_0_whose_central_was_killed_is_continued_and_drawn() {
    schema_goes_on("sending");
}

#[test]
fn a_schema_of_0_1_0_that_was_drawn_tells_the_same_winners() {
    schema_goes_on("drawn");
}
