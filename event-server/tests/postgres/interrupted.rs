//! A move that is interrupted in the middle, by a signal or by a database that goes away: nothing is half done, and it is begun
//! again.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use fixtures::programs::{Running, Signal};

use crate::common::{eventually, row};
use crate::stage::{Ended, Stage, run};

/// Rows enough for a move that is still under way when somebody looks.
const ROWS: usize = 200_000;

/// A database that is empty, and a folder with a lottery.
struct Move {
    stage: Stage,
    folder: PathBuf,
}

impl Move {
    fn set() -> Option<Self> {
        let stage = Stage::set()?;
        let folder = stage.folder().join("data");
        fs::create_dir(&folder).unwrap();
        let rows = (row(1, "1", false) + "\r\n").repeat(ROWS);
        fs::write(folder.join("bets.csv"), rows).unwrap();
        let mut agencies = stage.program("files", &[]);
        agencies.args(["agencies", "2", "--data-dir"]);
        let said = run(agencies.arg(&folder));
        assert!(said.status.success(), "{}", said.log);
        Some(Self { stage, folder })
    }

    fn url(&self) -> String {
        self.stage.database.url("postgres", "postgres")
    }

    fn command(&self, from: &str, to: &str) -> Command {
        let mut command = self.stage.program("files", &[]);
        command.args(["move", "--from", from, "--to", to]);
        command
    }

    fn to_database(&self) -> Command {
        self.command(self.folder.to_str().unwrap(), &self.url())
    }

    fn to_folder(&self, folder: &Path) -> Command {
        self.command(&self.url(), folder.to_str().unwrap())
    }

    /// Whether a transaction of the move writes.
    fn writes(&self) -> bool {
        let sql = "select count(*) > 0 from pg_stat_activity \
                   where application_name like 'event-server%' and backend_xid is not null";
        self.stage.database.sql(sql).unwrap() == "t"
    }

    /// Whether the tables of a lottery are there.
    fn is_there(&self) -> bool {
        let sql = "select to_regclass('lottery.bets') is not null";
        self.stage.database.sql(sql).unwrap() == "t"
    }

    /// A move that is run to its end, which is a success.
    fn moved(command: &mut Command) {
        let Ended { status, log, .. } = run(command);
        let line = format!("action: move | result: success | cantidad: {ROWS} | from: ");
        assert!(status.success() && log.contains(&line), "{log}");
    }

    /// All is there, wherever `store` is.
    fn verified(&self, store: &[&str]) {
        let mut verify = self.stage.program("files", &[]);
        let Ended { status, told, .. } = run(verify.arg("verify").args(store));
        let bets = format!("agency 1: {ROWS} bets");
        assert!(status.success() && told.contains(&bets), "{told}");
    }
}

/// Starts a program, and waits until something is so, or it has ended before.
fn middle(command: &mut Command, what: &str, is_so: impl Fn() -> bool) -> Running {
    let running = Running::start(command).unwrap();
    eventually(what, || running.has_ended() || is_so());
    running
}

/// Asserts that SIGTERM has ended a program without a word; one that had ended before has done its work.
fn assert_terminated(status: ExitStatus, log: &str) {
    match status.signal() {
        Some(signal) => assert_eq!((signal, log), (Signal::TERM.as_raw(), "")),
        None => assert!(status.success(), "{status}: {log}"),
    }
}

/// Asserts that a program has ended with 69 and one sentence; one that had ended before has done its work.
fn assert_lost(status: ExitStatus, log: &str) {
    if !status.success() {
        assert_eq!(status.code(), Some(69), "{log}");
        assert_eq!(log.lines().count(), 1, "{log}");
        let places = [
            "error: the database at 127.0.0.1:",
            "error: the database cannot be reached: 127.0.0.1:",
        ];
        let is_told = places.iter().any(|place| log.contains(place));
        assert!(is_told && log.contains("exit | result: fail"), "{log}");
    }
}

#[test]
fn a_signal_ends_a_move_at_once_and_nothing_is_half_done_in_either_direction() {
    let Some(stage) = Move::set() else { return };
    let database = &stage.stage.database;
    let running = middle(&mut stage.to_database(), "it writes", || stage.writes());
    // With the database frozen, the move stays where it is: in the middle.
    database.freeze(true).unwrap();
    let _ = running.signal(Signal::TERM);
    let (status, log) = running.wait().unwrap();
    database.freeze(false).unwrap();
    assert_terminated(status, &log);
    eventually("its transaction has ended", || !stage.writes());
    assert_eq!(stage.is_there(), status.success());
    Move::moved(&mut stage.to_database());
    stage.verified(&["--store", &stage.url()]);

    let back = stage.stage.folder().join("back");
    let begun = stage.stage.folder().join("back.new/bets.csv");
    let running = middle(&mut stage.to_folder(&back), "it writes", || begun.exists());
    let _ = running.signal(Signal::TERM);
    let (status, log) = running.wait().unwrap();
    assert_terminated(status, &log);
    assert_eq!(back.exists(), status.success());
    Move::moved(&mut stage.to_folder(&back));
    stage.verified(&["--data-dir", back.to_str().unwrap()]);
    assert!(!stage.stage.folder().join("back.new").exists());
}

#[test]
fn a_database_that_goes_away_in_the_middle_of_a_move_is_one_sentence_and_it_is_begun_again() {
    let Some(mut stage) = Move::set() else { return };
    let running = middle(&mut stage.to_database(), "it writes", || stage.writes());
    stage.stage.database.crash().unwrap();
    let (status, log) = running.wait().unwrap();
    assert_lost(status, &log);
    // The database is still away.
    let away = run(&mut stage.to_database());
    assert_lost(away.status, &away.log);
    assert!(!away.status.success());
    stage.stage.database.run().unwrap();
    assert_eq!(stage.is_there(), status.success());
    Move::moved(&mut stage.to_database());
    stage.verified(&["--store", &stage.url()]);

    let back = stage.stage.folder().join("back");
    let begun = stage.stage.folder().join("back.new/bets.csv");
    let running = middle(&mut stage.to_folder(&back), "it writes", || begun.exists());
    stage.stage.database.crash().unwrap();
    let (status, log) = running.wait().unwrap();
    assert_lost(status, &log);
    assert_eq!(back.exists(), status.success());
    stage.stage.database.run().unwrap();
    Move::moved(&mut stage.to_folder(&back));
    stage.verified(&["--data-dir", back.to_str().unwrap()]);
}
