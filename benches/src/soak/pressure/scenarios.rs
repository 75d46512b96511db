//! The crowds that are tried, a scenario each.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fixtures::Spec;
use fixtures::programs::agency;
use frame::kind;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::central::Setting::{self, Drawn, Open, Tls};
use super::central::{Central, expect, refused};
use super::crowd::Port::{self, Http, Lottery};
use super::crowd::Then::{self, Comes, Floods, Goes, Stays};
use super::crowd::{FirstBytes, Peers};
use super::honest::Asks;
use crate::peer::{Peer, frame};
use crate::process::{Process, wait_until};

/// A crowd, and the honest agency beside it.
pub struct Scenario {
    /// What the crowd does, in a few words.
    pub name: &'static str,
    pub(super) setting: Setting,
    pub(super) crowd: Crowd,
    pub(super) asks: Asks,
    /// What 99 of 100 answers are to take at most, on a machine that does nothing else.
    pub goal: Duration,
}

pub(super) enum Crowd {
    Peers(Peers),
    /// Real clients; the function returns what is wrong, a sentence each.
    Clients(fn(&Central, &AtomicBool) -> io::Result<Vec<String>>),
}

const fn scenario(
    name: &'static str,
    setting: Setting,
    (count, port, says): (usize, Port, FirstBytes),
    then: Then,
    asks: Asks,
    milliseconds: u64,
) -> Scenario {
    Scenario {
        name,
        setting,
        crowd: Crowd::Peers(Peers {
            count,
            port,
            says,
            then,
        }),
        asks,
        goal: Duration::from_millis(milliseconds),
    }
}

const fn clients(
    name: &'static str,
    act: fn(&Central, &AtomicBool) -> io::Result<Vec<String>>,
) -> Scenario {
    Scenario {
        name,
        setting: Setting::Open,
        crowd: Crowd::Clients(act),
        asks: Asks::On,
        goal: Duration::from_millis(250),
    }
}

/// All scenarios.
pub const SCENARIOS: [Scenario; 13] = [
    scenario(
        "10,050 refused once, then silent",
        Open,
        (10_050, Lottery, refused_request),
        Stays,
        Asks::Anew,
        1_000,
    ),
    scenario(
        "11,500 half handshakes",
        Tls,
        (11_500, Lottery, half_hello),
        Stays,
        Asks::Anew,
        1_000,
    ),
    scenario(
        "16.5 MB unread by 300",
        Drawn,
        (300, Lottery, query),
        Stays,
        Asks::Winners,
        100,
    ),
    scenario(
        "16.5 MB unread by 3,000",
        Drawn,
        (3_000, Lottery, query),
        Stays,
        Asks::Winners,
        100,
    ),
    scenario(
        "finished, pipelined by 4",
        Open,
        (4, Lottery, finished),
        Floods,
        Asks::On,
        250,
    ),
    scenario(
        "winners, pipelined by 4",
        Drawn,
        (4, Lottery, query_of_2),
        Floods,
        Asks::Winners,
        250,
    ),
    scenario(
        "single bets, pipelined by 4",
        Open,
        (4, Lottery, bet),
        Floods,
        Asks::On,
        250,
    ),
    scenario(
        "2,000 flooding",
        Open,
        (2_000, Lottery, refused_request),
        Floods,
        Asks::On,
        250,
    ),
    scenario(
        "probes, each of a connection",
        Open,
        (1, Lottery, nothing),
        Goes,
        Asks::On,
        250,
    ),
    scenario(
        "HTTP: a byte each of 130",
        Open,
        (130, Http, byte),
        Comes,
        Asks::Health,
        1_000,
    ),
    scenario(
        "HTTP: 80 that do not read",
        Open,
        (80, Http, pages),
        Comes,
        Asks::Health,
        1_000,
    ),
    clients("two of an agency, waiting", two_waiting),
    clients("two of an agency, one file", two_in_a_file),
];

fn nothing(_: &Central) -> io::Result<Vec<u8>> {
    Ok(Vec::new())
}

fn byte(_: &Central) -> io::Result<Vec<u8>> {
    Ok(b"G".to_vec())
}

fn pages(_: &Central) -> io::Result<Vec<u8>> {
    Ok(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20))
}

fn refused_request(_: &Central) -> io::Result<Vec<u8>> {
    Ok(refused())
}

fn query(_: &Central) -> io::Result<Vec<u8>> {
    Ok(frame(kind::WINNERS_QUERY, b"{agency:1}"))
}

fn query_of_2(_: &Central) -> io::Result<Vec<u8>> {
    Ok(frame(kind::WINNERS_QUERY, b"{agency:2}"))
}

fn bet(_: &Central) -> io::Result<Vec<u8>> {
    let bet = b"{agency:1,nombre:A,apellido:B,dni:1,nacimiento:1999-12-31,numero:1}";
    Ok(frame(kind::BET, bet))
}

/// Returns the request that says again that agency 2 has finished.
fn finished(central: &Central) -> io::Result<Vec<u8>> {
    let mut peer = Peer::connect(central.address, None)?;
    expect(
        &peer.ask(kind::FINISHED, b"{agency:2}")?,
        "{result:success}",
    )?;
    Ok(frame(kind::FINISHED, b"{agency:2}"))
}

/// Returns the first half of the bytes that begin a TLS session.
fn half_hello(central: &Central) -> io::Result<Vec<u8>> {
    let config = central.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    let name = ServerName::try_from("central").map_err(io::Error::other)?;
    let session = ClientConnection::new(Arc::clone(config), name);
    let (mut hello, mut session) = (Vec::new(), session.map_err(io::Error::other)?);
    session.write_tls(&mut hello)?;
    hello.truncate(hello.len() / 2);
    Ok(hello)
}

/// Bets of the file that two clients send at once.
const BETS: usize = 1_000_000;

/// Starts two clients of agency 1, with the same file of so many bets.
fn two(central: &Central, bets: usize, folder: &Path) -> io::Result<[Process; 2]> {
    let file = folder.join("file.csv");
    let spec = Spec::new(1, bets, 1).map_err(io::Error::other)?;
    spec.write_to(fs::File::create(&file)?)?;
    let start = |log: &str| {
        central.count();
        let mut command = agency(1, &file, central.address, folder)?;
        command.stdout(std::process::Stdio::null());
        Process::start(&mut command, &folder.join(log))
    };
    Ok([start("one.log")?, start("other.log")?])
}

/// Lets two clients that have sent all wait for the draw: neither takes the upload from the other.
fn two_waiting(central: &Central, there: &AtomicBool) -> io::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let clients = two(central, 10, folder.path())?;
    let log = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let logs = || ["one.log", "other.log"].map(log);
    // Its query is sent with it.
    let waits = |log: &String| log.contains("action: notify_finished | result: success");
    wait_until(|| logs().iter().all(waits))?;
    there.store(true, Ordering::Relaxed);
    while !central.is_over() {
        thread::sleep(Duration::from_millis(1));
    }
    let mut peer = Peer::connect(central.address, None)?;
    expect(
        &peer.ask(kind::FINISHED, b"{agency:2}")?,
        "{result:success}",
    )?;
    clients.into_iter().try_for_each(Process::end)?;
    let again = |log: &String| log.contains("action: connect | result: in_progress");
    let thrown_out = logs().iter().any(again);
    let what = "a client that waits for the draw was thrown out by another";
    Ok(thrown_out.then(|| what.to_owned()).into_iter().collect())
}

/// Lets two clients take over the upload from each other; each bet is stored once.
fn two_in_a_file(central: &Central, there: &AtomicBool) -> io::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let clients = two(central, BETS, folder.path())?;
    there.store(true, Ordering::Relaxed);
    let stored = central.folder.path().join("bets.csv");
    let rows = || fs::read(&stored).map_or(0, |bets| bets.iter().filter(|b| **b == b'\n').count());
    let mut peer = Peer::connect(central.address, None)?;
    expect(
        &peer.ask(kind::FINISHED, b"{agency:2}")?,
        "{result:success}",
    )?;
    // One of them may have given up (75), the other has not.
    let ended = clients.map(Process::end);
    let mut broken: Vec<String> = Vec::new();
    if ended.iter().all(Result::is_err) {
        broken.push("neither of two clients of an agency has sent its file".to_owned());
    }
    if rows() != BETS {
        broken.push(format!("{} of {BETS} bets are stored", rows()));
    }
    Ok(broken)
}
