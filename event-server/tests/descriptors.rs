//! A server that runs out of file descriptors: it waits for one, and does all that needs none.

#![cfg(target_os = "linux")]

mod common;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Peer, batch, bet, eventually, finished, one, status_of, winners};
use fixtures::programs::{self, Running, Signal};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

const SUCCESS: &str = "{result:success}";

/// Lets the program have only descriptors below this one; those that it has it keeps. `None`: as many as before.
fn allow(program: &Running, descriptors: Option<u64>) {
    let pid = Pid::from_raw(program.pid() as i32);
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    let current = descriptors.or(maximum);
    prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).unwrap();
}

/// The descriptor that the program gets next.
fn next_descriptor(program: &Running) -> u64 {
    let folder = PathBuf::from(format!("/proc/{}/fd", program.pid()));
    let is_free = |fd: &u64| folder.join(fd.to_string()).symlink_metadata().is_err();
    (0..).find(is_free).unwrap()
}

#[test]
fn without_a_descriptor_the_server_waits_without_spinning_and_draws_and_never_loses_the_listener() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("SERVER_AGENCIES", "1")];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    let mut inside = Peer::connect(address);
    let mut leaving = Peer::connect(address);
    assert_eq!(inside.ask(&batch(&bet(1, "1", true))), SUCCESS);
    assert_eq!(leaving.ask(&one(&bet(1, "2", true))), SUCCESS);

    allow(&central, Some(next_descriptor(&central)));
    let mut outside: Vec<Peer> = (0..3).map(|_| Peer::connect(address)).collect();
    for peer in &mut outside {
        peer.send(&winners(1));
    }
    let line = central
        .wait_for("accept_connections | result: fail")
        .unwrap();
    assert!(line.contains("error: Too many open files"), "{line}");

    // A turn of the loop is a wait; the only ones to come are the listener's and those of the sweep.
    let turns = || status_of(central.pid(), "voluntary_ctxt_switches");
    let (began, turn) = (Instant::now(), turns());
    eventually("ten turns", || turns() >= turn + 10);
    assert!(began.elapsed() >= Duration::from_millis(500), "it spins");

    // The draw's checkpoint has no descriptor for a new log.
    assert_eq!(inside.ask(&finished(1)), SUCCESS);
    assert_eq!(inside.ask(&winners(1)), "{ganadores:1|2}");

    drop(leaving);
    let first = outside.remove(0).answer().unwrap();
    assert_eq!(first.payload, "{ganadores:1|2}");
    allow(&central, None);
    for peer in &mut outside {
        assert_eq!(peer.answer().unwrap().payload, "{ganadores:1|2}");
    }
    let log = central.log();
    let failures = log.matches("accept_connections | result: fail").count();
    assert!(failures <= 3, "a line for each time that it began: {log}");

    central.signal(Signal::KILL).unwrap();
    central.wait().unwrap();
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    assert_eq!(Peer::connect(address).ask(&winners(1)), "{ganadores:1|2}");
    let (_, log) = central.stop().unwrap();
    assert!(!log.contains("action: sorteo | result: success"), "{log}");
}

#[test]
fn the_limit_of_descriptors_is_raised_to_the_hard_one_and_compared_with_the_connections() {
    for (connections, enough) in [("168", true), ("169", false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut limited = Command::new("sh");
        limited
            .args(["-c", "ulimit -Sn 50 && ulimit -Hn 200 && exec \"$0\""])
            .arg(programs::program("event-server").unwrap())
            .env("SERVER_PORT", "0")
            .env("SERVER_DATA_DIR", folder.path())
            .env("SERVER_MAX_CONNECTIONS", connections);
        let central = Running::start(&mut limited).unwrap();
        central.wait_for("action: listen").unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", central.pid())).unwrap();
        let open = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let open: Vec<&str> = open.unwrap().split_whitespace().collect();
        assert_eq!(open[3..5], ["200", "200"], "soft and hard");
        let (status, log) = central.stop().unwrap();
        assert!(status.success(), "{log}");
        let warning =
            "SERVER_MAX_CONNECTIONS is 169, the limit of file descriptors leaves room for 168";
        assert_eq!(!log.contains(warning), enough, "{log}");
    }
}
