//! A lottery that is moved from files to a database, and back: broken off at each step and run again, with agencies that go
//! on in the middle of their file, after finished, and after the draw.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use fixtures::programs::{self, Running};

use crate::common::eventually;
use crate::stage::{Agency, Ended, Stage, run};

const THREE: (&str, &str) = ("SERVER_AGENCIES", "3");

/// The client of an agency.
fn client(stage: &Stage, agency: &Agency, address: SocketAddr) -> Running {
    let mut client = stage.client(agency, address);
    Running::start(client.stdout(Stdio::null())).unwrap()
}

/// One agency has sent all, the next one a part, the third nothing.
fn begin(stage: &Stage, agencies: &[Agency], address: SocketAddr) {
    let whole = client(stage, &agencies[0], address);
    whole.wait_for("notify_finished | result: success").unwrap();
    let part = client(stage, &agencies[1], address);
    part.wait_for("batch_enviado").unwrap();
}

/// All agencies send what is missing, and are told the winners.
fn go_on(stage: &Stage, agencies: &[Agency], address: SocketAddr) {
    let clients = agencies.iter().map(|agency| client(stage, agency, address));
    for client in clients.collect::<Vec<_>>() {
        let (status, log) = client.wait().unwrap();
        assert!(status.success(), "{log}");
    }
}

fn moving(stage: &Stage, from: &str, to: &str) -> Command {
    let mut command = stage.program("files", &[THREE]);
    command.args(["move", "--from", from, "--to", to]);
    command
}

/// Starts a move and kills it as soon as something is so, unless it ends before.
fn break_off(command: &mut Command, what: &str, is_so: impl Fn() -> bool) {
    let child = command.stderr(Stdio::null()).spawn().unwrap();
    let child = RefCell::new(child);
    eventually(what, || {
        let ended = child.borrow_mut().try_wait().unwrap().is_some();
        ended || is_so()
    });
    let mut child = child.into_inner();
    let _ = child.kill();
    child.wait().unwrap();
}

/// How a lottery stands, wherever it is.
fn standing(stage: &Stage, store: &[&str]) -> String {
    let mut command = stage.program("files", &[THREE]);
    let Ended { status, told, log } = run(command.arg("verify").args(store));
    assert!(status.success(), "{told} {log}");
    let lines: Vec<&str> = told.lines().collect();
    lines[..lines.len() - 1].join("\n")
}

fn assert_moved(ended: &Ended) {
    assert!(ended.status.success(), "{}", ended.log);
    assert!(
        ended
            .log
            .contains("action: move | result: success | cantidad: "),
        "{}",
        ended.log
    );
}

#[test]
fn a_folder_is_moved_to_a_database_whatever_breaks_off_and_agencies_go_on_there() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(3, 4_000);
    let url = stage.database.url("postgres", "postgres");
    let data = stage.folder().join("data");
    let from = data.to_str().unwrap();
    let central = |store: &str| {
        let environment = [THREE, ("SERVER_STORE", store), ("SERVER_DATA_DIR", from)];
        programs::central(stage.folder(), &environment).unwrap()
    };
    let (server, address) = central("files");
    begin(&stage, &agencies, address);
    let refused = run(&mut moving(&stage, from, &url));
    assert_eq!(refused.status.code(), Some(74), "{}", refused.log);
    assert!(
        refused.log.contains("another server has locked"),
        "{}",
        refused.log
    );
    server.stop().unwrap();

    let sql = |sql: &str| stage.database.sql(sql).unwrap();
    let sessions = "pg_stat_activity where application_name like 'event-server%'";
    for (what, asked) in [
        (
            "there is a session",
            format!("select count(*) > 0 from {sessions}"),
        ),
        (
            "it writes",
            format!("select count(*) > 0 from {sessions} and backend_xid is not null"),
        ),
        (
            "all is there",
            "select to_regclass('lottery.draw') is not null".to_owned(),
        ),
    ] {
        break_off(&mut moving(&stage, from, &url), what, || sql(&asked) == "t");
    }
    assert_moved(&run(&mut moving(&stage, from, &url)));
    let before = standing(&stage, &["--data-dir", from]);
    assert_eq!(standing(&stage, &["--store", &url]), before);
    // Run once more, the move finds that all is there.
    assert_moved(&run(&mut moving(&stage, from, &url)));

    let (_server, address) = central(&url);
    go_on(&stage, &agencies, address);
    stage.assert_whole(&agencies);
    assert_eq!(
        standing(&stage, &["--data-dir", from]),
        before,
        "the source was changed"
    );
    let refused = run(&mut moving(&stage, from, &url));
    assert_eq!(refused.status.code(), Some(78), "{}", refused.log);
    let sentence = "schema lottery of the database has another lottery";
    assert!(refused.log.contains(sentence), "{}", refused.log);
}

#[test]
fn a_database_is_moved_to_a_folder_beside_its_central_before_and_after_the_draw() {
    let Some(stage) = Stage::set() else { return };
    let agencies = stage.agencies(3, 4_000);
    let url = stage.database.url("postgres", "postgres");
    let (server, address) = stage.central(&[THREE]);
    begin(&stage, &agencies, address);
    let data = stage.folder().join("data");
    let to = data.to_str().unwrap();
    let new = stage.folder().join("data.new/bets.csv");
    let fenced = "select count(*) = 2 from pg_constraint where conname = 'moved'";
    break_off(&mut moving(&stage, &url, to), "it is fenced", || {
        stage.database.sql(fenced).unwrap() == "t"
    });
    break_off(&mut moving(&stage, &url, to), "it writes", || new.exists());
    break_off(&mut moving(&stage, &url, to), "all is there", || {
        data.exists()
    });
    assert_moved(&run(&mut moving(&stage, &url, to)));
    assert_moved(&run(&mut moving(&stage, &url, to)));
    assert!(
        !stage.folder().join("data.new").exists(),
        "something is left"
    );
    let before = standing(&stage, &["--store", &url]);
    assert_eq!(standing(&stage, &["--data-dir", to]), before);
    // Nobody stores anything there any more.
    for late in [
        "commits values (3, 9, null, 0, 0, true, 'late', now())",
        "draw values (1, 7574, now(), 'late')",
    ] {
        let refused = stage.database.sql(&format!("insert into lottery.{late}"));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("moved"), "{refused}");
    }

    let (moved, beside) =
        programs::central(stage.folder(), &[THREE, ("SERVER_DATA_DIR", to)]).unwrap();
    go_on(&stage, &agencies, beside);
    moved.stop().unwrap();
    assert_eq!(
        standing(&stage, &["--store", &url]),
        before,
        "the source was changed"
    );
    server.stop().unwrap();
    let drawn = standing(&stage, &["--data-dir", to]);
    assert_eq!(
        drawn.matches("4000 bets, 200 winners, finished").count(),
        3,
        "{drawn}"
    );

    // Back to another schema, with the draw.
    let next = |command: &mut Command| run(command.env("SERVER_LOTTERY", "next"));
    assert_moved(&next(&mut moving(&stage, to, &url)));
    let mut verify = stage.program(&url, &[THREE]);
    let told = next(verify.arg("verify")).told;
    assert!(told.starts_with(&drawn), "{told}");
    let environment = [THREE, ("SERVER_LOTTERY", "next")];
    let (_server, address) = stage.central(&environment);
    go_on(&stage, &agencies, address);
    assert!(Path::new(to).exists());
}
