//! Real processes that are killed at any moment: whatever was acknowledged is stored, once, and in the end
//! everything is.
//!
//! The five committed files are sent by five clients. In one test the server is killed again and again, in the
//! other the clients are; moments are chosen by what is logged, seeded, and by no clock.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fixtures::programs::{self, Running, Signal};
use fixtures::{FIXTURES, Fixture};

/// How often a process is killed, in each test.
const KILLS: usize = 50;

/// Small batches, so that there are many moments.
const MAX_AMOUNT: &str = "20";
const BATCHES: usize = 79_000 / 20;

/// Starts an agency; its winners go to a file.
fn start(fixture: &Fixture, address: SocketAddr, folder: &Path) -> Running {
    let winners = File::create(winners_file(fixture, folder)).unwrap();
    let mut command = programs::agency(fixture.agency, &fixture.path(), address, folder).unwrap();
    command
        .env("CLI_BATCH_MAXAMOUNT", MAX_AMOUNT)
        .env("CLI_BATCH_WINDOW", "8")
        .stdout(winners);
    Running::start(&mut command).unwrap()
}

fn winners_file(fixture: &Fixture, folder: &Path) -> std::path::PathBuf {
    folder.join(format!("winners-{}", fixture.agency))
}

/// Waits for an agency's end, which has to be good.
fn finish(fixture: &Fixture, agency: Running, folder: &Path) {
    agency.wait_for("action: exit").unwrap();
    let (status, log) = agency.wait().unwrap();
    assert!(status.success(), "agency {}: {log}", fixture.agency);
    // The client would send lost bets again, and what is stored in the end would not show it.
    assert!(!log.contains("the server lost"), "{log}");
    let winners = fs::read_to_string(winners_file(fixture, folder)).unwrap();
    let winners: Vec<&str> = winners.lines().collect();
    assert_eq!(winners, fixture.winners, "agency {}", fixture.agency);
}

/// Asserts that each agency's rows are those of its file, in its order.
fn assert_stored(folder: &Path) {
    let bets = fs::read_to_string(folder.join("bets.csv")).unwrap();
    let mut rest = bets.lines().count();
    for fixture in FIXTURES {
        let file = fs::read_to_string(fixture.path()).unwrap();
        let start = format!("{},", fixture.agency);
        let stored = bets.lines().filter_map(|row| row.strip_prefix(&start));
        assert!(stored.eq(file.lines()), "agency {}", fixture.agency);
        rest -= file.lines().count();
    }
    assert_eq!(rest, 0, "rows of no agency");
}

fn count(log: &str, text: &str) -> usize {
    log.matches(text).count()
}

#[test]
fn a_server_that_is_killed_again_and_again_stores_all_bets_once() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut kills = 0;
    for lottery in 1.. {
        kills += lottery_with_kills(&mut rng);
        println!("{kills} kills in {lottery} lotteries");
        if kills >= KILLS {
            return;
        }
    }
}

/// A lottery whose server is killed until all clients have their winners; how often it was.
fn lottery_with_kills(rng: &mut fastrand::Rng) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (mut central, address) = programs::central(folder, &[]).unwrap();
    let port = address.port().to_string();
    let environment = [("SERVER_PORT", port.as_str())];
    let agencies = FIXTURES.map(|fixture| start(&fixture, address, folder));
    let mut kills = 0;
    loop {
        // At any time from its first line on; mostly when some more batches are stored.
        let batches = rng.usize(..2 * BATCHES / KILLS);
        let told = "action: consulta_ganadores | result: success";
        let log = central
            .wait_until(|log| count(log, "apuesta_recibida") >= batches || log.contains(told))
            .unwrap();
        let drawn = log.contains(told);
        central.signal(Signal::KILL).unwrap();
        central.wait().unwrap();
        kills += 1;
        // Killed while it recovers, too: before it says that it listens.
        for _ in 0..rng.usize(..2) {
            let recovering = recovering(folder, &port);
            recovering.signal(Signal::KILL).unwrap();
            recovering.wait().unwrap();
            kills += 1;
        }
        central = programs::central(folder, &environment).unwrap().0;
        if drawn {
            break;
        }
    }
    for (fixture, agency) in FIXTURES.iter().zip(agencies) {
        finish(fixture, agency, folder);
    }
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
    assert_stored(folder);
    kills
}

/// A server that has just been started.
fn recovering(folder: &Path, port: &str) -> Running {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_event-server"));
    command
        .current_dir(folder)
        .env("LOGGING_LEVEL", "DEBUG")
        .env("SERVER_PORT", port)
        .env("SERVER_DATA_DIR", folder);
    let server = Running::start(&mut command).unwrap();
    server.wait_for("action: config").unwrap();
    server
}

#[test]
fn clients_that_are_killed_and_stopped_go_on_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (central, address) = programs::central(folder, &[]).unwrap();
    let kills = AtomicUsize::new(0);
    thread::scope(|scope| {
        for fixture in &FIXTURES {
            let kills = &kills;
            scope.spawn(move || agency_with_kills(fixture, address, folder, kills));
        }
    });
    let kills = kills.into_inner();
    assert!(kills >= KILLS, "only {kills} kills");
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
    assert_eq!(count(&log, "action: sorteo | result: success"), 1);
    assert_stored(folder);
}

/// Runs an agency's client as often as it takes, killing it on the way.
fn agency_with_kills(fixture: &Fixture, address: SocketAddr, folder: &Path, kills: &AtomicUsize) {
    let mut rng = fastrand::Rng::with_seed(fixture.agency.into());
    let rows = fs::read_to_string(fixture.path()).unwrap().lines().count();
    let tries = KILLS / FIXTURES.len() + 5;
    for _ in 0..tries {
        let batches = rng.usize(..rows / 20 / tries);
        let signal = [Signal::KILL, Signal::TERM][rng.usize(..2)];
        let agency = start(fixture, address, folder);
        agency
            .wait_until(|log| {
                let sent =
                    count(log, "batch_enviado") >= batches || log.contains("notify_finished");
                log.contains("action: read_file") && sent
            })
            .unwrap();
        agency.signal(signal).unwrap();
        let (status, log) = agency.wait().unwrap();
        assert!(status.success() || signal == Signal::KILL, "{log}");
        kills.fetch_add(1, Ordering::Relaxed);
    }
    finish(fixture, start(fixture, address, folder), folder);
}
