//! How many agencies take part belongs to the lottery, whatever a later start says.

use std::fs;
use std::path::Path;
use std::process::Command;

use fixtures::programs::{Running, Signal, central, program};

use crate::common::{Peer, batch, bet, finished, winners};
use crate::{SUCCESS, assert_refused, operate};

/// A start that has to end by itself: its exit code, nothing, and the last line of its log.
fn start(data: &Path, agencies: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(program("event-server").unwrap());
    command.current_dir(data).env("SERVER_PORT", "0");
    command.args(["--data-dir", data.to_str().unwrap()]);
    command.args(["--agencies", agencies]);
    let running = Running::start(&mut command).unwrap();
    let log = running.wait_until(|log| log.contains("action: listen"));
    assert!(
        !log.unwrap().contains("action: listen"),
        "{agencies}: it serves"
    );
    let (status, log) = running.wait().unwrap();
    let last = log.lines().last().unwrap_or_default();
    (status.code(), String::new(), last.to_owned())
}

/// A lottery of `agencies` agencies, of which those in `done` have sent a bet and finished.
fn lottery(data: &Path, agencies: &str, done: &[u32]) {
    let (server, address) = central(data, &[("SERVER_AGENCIES", agencies)]).unwrap();
    for &agency in done {
        let mut peer = Peer::connect(address);
        let bet = bet(agency, &agency.to_string(), true);
        assert_eq!(peer.ask(&batch(&bet)), SUCCESS);
        assert_eq!(peer.ask(&finished(agency)), SUCCESS);
    }
    server.stop().unwrap();
}

#[test]
fn a_restart_with_another_number_of_agencies_is_refused_and_nothing_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    lottery(data, "3", &[1, 2]);
    for other in ["2", "0", "4"] {
        let sentence =
            format!("the lottery is of 3 agencies, SERVER_AGENCIES is {other}: set it to 3");
        assert_refused(&start(data, other), 78, &sentence);
    }
    let (server, address) = central(data, &[("SERVER_AGENCIES", "3")]).unwrap();
    let mut third = Peer::connect(address);
    assert_eq!(third.ask(&batch(&bet(3, "3", true))), SUCCESS);
    assert_eq!(third.ask(&finished(3)), SUCCESS);
    assert_eq!(third.ask(&winners(3)), "{ganadores:3}");
    server.stop().unwrap();
    // What is drawn is not opened under another number either.
    assert_refused(&start(data, "2"), 78, "the lottery is of 3 agencies");
}

#[test]
fn the_number_is_kept_from_the_first_bet_on_even_where_the_central_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (server, address) = central(data, &[("SERVER_AGENCIES", "3")]).unwrap();
    let bet = bet(1, "1", true);
    assert_eq!(Peer::connect(address).ask(&batch(&bet)), SUCCESS);
    server.signal(Signal::KILL).unwrap();
    server.wait().unwrap();
    assert_refused(&start(data, "2"), 78, "the lottery is of 3 agencies");
}

#[test]
fn a_folder_in_which_nothing_is_stored_takes_any_number() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    for agencies in ["5", "1", "0", "2"] {
        lottery(data, agencies, &[]);
    }
    lottery(data, "2", &[1]);
    assert_refused(&start(data, "1"), 78, "the lottery is of 2 agencies");
}

#[test]
fn an_operator_changes_the_number_before_the_draw_but_never_below_an_agency_that_has_stored_something()
 {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let agencies = |number: &str| operate(data, &["agencies", number]);
    lottery(data, "3", &[1, 3]);
    let above =
        "agency 3 has stored something, so the lottery cannot be of 2 agencies: choose 3 or more";
    assert_refused(&agencies("2"), 78, above);
    let (code, _, log) = agencies("5");
    assert_eq!(code, Some(0), "{log}");
    assert!(
        log.contains("INFO     action: agencies | result: success | agencies: 5"),
        "{log}"
    );
    let (server, address) = central(data, &[("SERVER_AGENCIES", "5")]).unwrap();
    let bet = bet(5, "5", false);
    assert_eq!(Peer::connect(address).ask(&batch(&bet)), SUCCESS);
    assert_refused(&agencies("6"), 74, "another server has locked");
    server.stop().unwrap();

    assert_eq!(operate(data, &["reopen", "--agency", "5"]).0, Some(0));
    assert_eq!(operate(data, &["reopen", "--agency", "3"]).0, Some(0));
    assert_eq!(agencies("1").0, Some(0));
    let (server, address) = central(data, &[("SERVER_AGENCIES", "1")]).unwrap();
    assert_eq!(Peer::connect(address).ask(&winners(1)), "{ganadores:1}");
    server.stop().unwrap();
    assert_refused(&agencies("2"), 78, "the draw is done");
    assert_eq!(agencies("65537").0, Some(64));
}

/// A folder as release 0.1.0 left it: three agencies, of which 1 (two bets) and 2 (one bet) have finished.
fn folder_of_0_1_0(data: &Path) {
    let stored: [(&str, &[u8]); 2] = [
        (
            "bets.csv",
            include_bytes!("../vectors/0.1.0/three-agencies/bets.csv"),
        ),
        (
            "bets.wal",
            include_bytes!("../vectors/0.1.0/three-agencies/bets.wal"),
        ),
    ];
    for (name, bytes) in stored {
        fs::write(data.join(name), bytes).unwrap();
    }
}

#[test]
fn a_folder_of_0_1_0_takes_the_first_number_that_a_start_brings_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    folder_of_0_1_0(data);
    // A command does not settle the number.
    assert_eq!(operate(data, &["reopen", "--agency", "1"]).0, Some(0));
    folder_of_0_1_0(data);
    let sentence = "agency 2 has stored something, so the lottery cannot be of 1 agencies: \
                    set SERVER_AGENCIES to 2 or more";
    assert_refused(&start(data, "1"), 78, sentence);

    let (server, address) = central(data, &[("SERVER_AGENCIES", "3")]).unwrap();
    let said = "the folder did not say how many agencies take part: 3 from now on";
    assert!(server.log().contains(said), "{}", server.log());
    let mut third = Peer::connect(address);
    assert_eq!(third.ask(&batch(&bet(3, "31", true))), SUCCESS);
    server.stop().unwrap();
    assert_refused(&start(data, "2"), 78, "the lottery is of 3 agencies");

    let (server, address) = central(data, &[("SERVER_AGENCIES", "3")]).unwrap();
    assert!(!server.log().contains("did not say"), "{}", server.log());
    assert_eq!(Peer::connect(address).ask(&finished(3)), SUCCESS);
    assert_eq!(Peer::connect(address).ask(&winners(1)), "{ganadores:11}");
    server.stop().unwrap();
}
