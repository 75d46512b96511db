//! What the server's memory grows with: a little with its connections, not at all with its bets.
//!
//! Memory is the server's own: anonymous pages, as the kernel counts them in `/proc`. What the system keeps of a
//! socket is not in it.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use common::{Peer, batch, bet, encode, finished, winners};
use event_server::limits::room_for_connections;
use fixtures::programs::{self, Running};

const SUCCESS: &str = "{result:success}";

/// Idle connections, where the limit of descriptors leaves room for them.
const CONNECTIONS: usize = 10_000;

/// Connections that are opened before an answer shows that the server has accepted them: fewer than its backlog.
const AT_ONCE: usize = 500;

/// How long memory may take to become what it has to be: the server gives back once a second.
const PATIENCE: Duration = Duration::from_secs(30);

const MIB: usize = 1024 * 1024;

/// Bytes of memory that are the server's own.
fn memory(server: &Running) -> usize {
    let pages = fs::read_to_string(format!("/proc/{}/smaps_rollup", server.pid())).unwrap();
    let line = pages
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"));
    let kilobytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kilobytes.parse::<usize>().unwrap() * 1024
}

/// Waits until the server's memory is at most `bound`, while it echoes; returns what it was in the end.
fn settle(server: &Running, address: SocketAddr, bound: usize) -> usize {
    let until = Instant::now() + PATIENCE;
    loop {
        echo(address);
        let memory = memory(server);
        if memory <= bound || Instant::now() > until {
            return memory;
        }
    }
}

/// What was accepted before is known to the server once this one is answered.
fn echo(address: SocketAddr) {
    let mut peer = TcpStream::connect(address).unwrap();
    peer.write_all(b"are you there?\n").unwrap();
    std::io::copy(&mut peer, &mut std::io::sink()).unwrap();
}

/// How an idle connection came to be idle.
#[derive(Clone, Copy)]
enum Idle {
    /// It never said anything.
    Silent,
    /// It was served.
    Served,
    /// It waits for the draw.
    Held,
}

fn open(address: SocketAddr, idle: Idle) -> Peer {
    let mut peer = Peer::connect(address);
    match idle {
        Idle::Silent => {}
        Idle::Served => assert_eq!(peer.ask(&finished(1)), SUCCESS),
        Idle::Held => {
            peer.send(&winners(1));
        }
    }
    peer
}

#[test]
fn an_idle_connection_takes_less_than_a_kibibyte() {
    // This process has one end of each connection, the server the other.
    let count = CONNECTIONS.min(room_for_connections().unwrap() / 2);
    for idle in [Idle::Silent, Idle::Served, Idle::Held] {
        let folder = tempfile::tempdir().unwrap();
        // Half of the connections may be held.
        let most = (2 * count).to_string();
        let environment = [("SERVER_MAX_CONNECTIONS", most.as_str())];
        let (server, address) = programs::central(folder.path(), &environment).unwrap();
        echo(address);
        let before = memory(&server);
        let mut peers = Vec::new();
        while peers.len() < count {
            let some = AT_ONCE.min(count - peers.len());
            peers.extend((0..some).map(|_| open(address, idle)));
            echo(address);
        }
        let bound = before + count * 1024;
        let after = settle(&server, address, bound);
        let each = after.saturating_sub(before) / count;
        println!("{each} bytes a connection, {count} of them");
        assert!(after <= bound, "{each} bytes each, {count} of them");
        drop(peers);
        let (status, _) = server.stop().unwrap();
        assert!(status.success());
    }
}

#[test]
fn a_million_bets_take_no_more_memory_than_a_hundred_thousand() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("SERVER_AGENCIES", "1")];
    let (server, address) = programs::central(folder.path(), &environment).unwrap();
    let mut peer = Peer::connect(address);
    send(&mut peer, 0..100_000);
    let before = memory(&server);
    send(&mut peer, 100_000..1_000_000);
    let after = memory(&server);
    assert!(
        after <= before + 4 * MIB,
        "{before} bytes, then {after} bytes"
    );
    // The draw reads all of them again.
    assert_eq!(peer.ask(&finished(1)), SUCCESS);
    assert_eq!(peer.ask(&winners(1)), "{ganadores:0|500000}");
    let drawn = memory(&server);
    assert!(
        drawn <= before + 4 * MIB,
        "{before} bytes, then {drawn} bytes"
    );
    let (status, _) = server.stop().unwrap();
    assert!(status.success());
}

/// Sends bets in batches of 100, each a document, and takes the replies; two of a million win.
fn send(peer: &mut Peer, mut documents: Range<u32>) {
    while !documents.is_empty() {
        let mut frames = Vec::new();
        for _ in 0..50 {
            let bets = documents
                .by_ref()
                .take(100)
                .map(|document| bet(1, &document.to_string(), document % 500_000 == 0));
            let bets = bets.collect::<Vec<_>>().join("|");
            frames.extend(encode(&batch(&bets)).0);
        }
        peer.stream.write_all(&frames).unwrap();
        for _ in 0..50 {
            assert_eq!(peer.answer().unwrap().payload, SUCCESS);
        }
    }
}
