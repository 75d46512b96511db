//! A central whose standard error takes nothing: a pipe that nobody reads, a full disk. It serves, stops when it is
//! told to, and says how many lines were lost.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use common::{Peer, batch, bet, encode, eventually, status_of};
use fixtures::programs::{self, Signal};

/// Each takes a line in the log: more than a pipe and the central's buffer hold.
const BATCHES: usize = 80_000;

/// A central whose log is read by nobody once it listens.
struct Central {
    child: Child,
    log: BufReader<ChildStderr>,
    address: SocketAddr,
}

impl Central {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(programs::program("event-server").unwrap())
            .current_dir(data)
            .env("SERVER_PORT", "0")
            .env("SERVER_DATA_DIR", data)
            .env("SERVER_DURABILITY", "never")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("action: listen |") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it has ended");
        }
        let port = line.trim_end().rsplit_once("port: ").unwrap().1;
        let address = ([127, 0, 0, 1], port.parse().unwrap()).into();
        Self {
            child,
            log,
            address,
        }
    }

    fn echoes(&self) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(b"check\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "check\n");
    }

    fn stops(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// Sends this number of batches of one bet, and reads their answers.
fn store(address: SocketAddr, batches: usize) {
    const AT_ONCE: usize = 500;
    let mut peer = Peer::connect(address);
    let requests = encode(&batch(&bet(1, "1", false))).0.repeat(AT_ONCE);
    for _ in 0..batches / AT_ONCE {
        peer.stream.write_all(&requests).unwrap();
        for _ in 0..AT_ONCE {
            let answer = peer.answer().expect("the central closed the connection");
            assert_eq!(answer.payload, "{result:success}");
        }
    }
}

impl Drop for Central {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many lines a log says were lost.
fn lost(log: &str) -> usize {
    let told = log
        .lines()
        .filter(|line| line.contains("action: write_log | result: fail | lost: "));
    told.map(|line| {
        let count = line.split("lost: ").nth(1).unwrap();
        count.split(' ').next().unwrap().parse::<usize>().unwrap()
    })
    .sum()
}

#[test]
fn a_pipe_that_nobody_reads_stops_nothing_and_what_was_lost_is_told_once_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut central = Central::start(folder.path());
    store(central.address, BATCHES);
    central.echoes();
    let memory = status_of(central.child.id(), "RssAnon");
    assert!(
        memory < 48 * 1024,
        "the log's buffer has a bound: {memory} kB"
    );

    // Once it is read, what waited comes first, then how many are missing, then what comes after.
    let (mut log, mut line) = (String::new(), String::new());
    while !line.contains("action: write_log") {
        line.clear();
        assert_ne!(central.log.read_line(&mut line).unwrap(), 0, "it has ended");
        log += &line;
    }
    store(central.address, 500);
    let pid = rustix::process::Pid::from_child(&central.child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    log += &central.rest();
    assert!(central.child.wait().unwrap().success());
    let stored = log
        .matches("action: apuesta_recibida | result: success")
        .count();
    let lost = lost(&log);
    assert!(lost > 0, "nothing was lost: more batches are needed");
    // A few lines are about connections.
    let told = (stored + lost).checked_sub(BATCHES + 500);
    assert!(
        told.is_some_and(|others| others < 10),
        "{stored}, {lost} lost"
    );
    let (_, after) = log.split_once("action: write_log").unwrap();
    assert_eq!(after.matches("apuesta_recibida").count(), 500);
    assert!(log.ends_with("action: exit | result: success | container: server\n"));
}

#[test]
fn a_signal_ends_a_central_whose_log_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let mut central = Central::start(folder.path());
    store(central.address, 5_000);
    central.echoes();
    // Nobody reads until it has ended.
    central.stops();
    let bets = fs::read_to_string(folder.path().join("bets.csv")).unwrap();
    assert_eq!(bets.lines().count(), 5_000);
}

#[test]
fn a_full_disk_below_the_log_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    drop(taken);
    let mut command = Command::new(programs::program("event-server").unwrap());
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child = command
        .current_dir(folder.path())
        .env("SERVER_PORT", &port)
        .env("SERVER_DATA_DIR", folder.path())
        .stderr(full)
        .spawn()
        .unwrap();
    let address = format!("127.0.0.1:{port}");
    eventually("it listens", || TcpStream::connect(&address).is_ok());
    let mut peer = Peer::connect(address.parse().unwrap());
    assert_eq!(peer.ask(&batch(&bet(1, "1", false))), "{result:success}");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_log_that_is_read_has_every_line() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("SERVER_DURABILITY", "never")];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    store(address, BATCHES / 4);
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
    let stored = log.matches("action: apuesta_recibida | result: success");
    assert_eq!((stored.count(), lost(&log)), (BATCHES / 4, 0));
}

#[test]
fn an_agency_whose_log_nobody_reads_sends_its_file_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (central, address) = programs::central(folder.path(), &[("SERVER_AGENCIES", "1")]).unwrap();
    let file = fixtures::FIXTURES[0].path();
    let mut agency = programs::agency(1, &file, address, folder.path()).unwrap();
    // A line a bet: more than a pipe holds.
    agency.env("CLI_BATCH_MAXAMOUNT", "1");
    let mut agency = agency
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    central
        .wait_for("action: sorteo | result: success")
        .unwrap();
    assert!(agency.wait().unwrap().success());
}
