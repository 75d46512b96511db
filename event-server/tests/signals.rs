//! Signals that do not ask for an end, and the terminal that a central was started in.

mod common;

use std::process::Command;

use common::{Peer, batch, bet};
use fixtures::programs::{self, Running, Signal};

const SUCCESS: &str = "{result:success}";

#[test]
fn signals_that_do_not_ask_for_an_end_are_logged_and_the_central_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (central, address) = programs::central(folder.path(), &[]).unwrap();
    let mut peer = Peer::connect(address);
    for (signal, name) in [
        (Signal::HUP, "SIGHUP"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::HUP, "SIGHUP"),
    ] {
        central.signal(signal).unwrap();
        let line = format!(
            "INFO     action: receive_signal | result: success | container: server | signal: {name}"
        );
        central.wait_for(&line).unwrap();
        assert_eq!(peer.ask(&batch(&bet(1, "1", false))), SUCCESS);
    }
    central
        .wait_until(|log| log.matches("signal: SIGHUP").count() == 2)
        .unwrap();
    drop(peer);
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
}

/// A central that is started in a terminal: the terminal, and the central.
fn in_a_terminal(data: &std::path::Path) -> (rustix::fd::OwnedFd, Running) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new())
        .unwrap()
        .into_string()
        .unwrap();
    let mut command = Command::new("sh");
    // A session of its own, whose terminal is standard input.
    command
        .args([
            "-c",
            "exec setsid --ctty \"$0\" <\"$1\"",
            env!("CARGO_BIN_EXE_event-server"),
            &name,
        ])
        .current_dir(data)
        .env("SERVER_PORT", "0")
        .env("SERVER_DATA_DIR", data);
    let central = Running::start(&mut command).unwrap();
    central.wait_for("action: listen |").unwrap();
    (terminal, central)
}

#[test]
fn a_terminal_that_closes_ends_a_central_that_was_started_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (terminal, central) = in_a_terminal(folder.path());
    central.signal(Signal::HUP).unwrap();
    central.wait_for("signal: SIGHUP").unwrap();
    drop(terminal);
    let (status, log) = central.wait().unwrap();
    assert!(status.success(), "{status}: {log}");
    assert!(
        log.contains("action: close_listener | result: success"),
        "{log}"
    );
    assert_eq!(log.matches("signal: SIGHUP").count(), 2, "{log}");
}
