//! Peers that send as much as they can, over very many connections.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::programs;

use crate::common::{Peer, encode, finished};
use crate::lottery::{NOBODY, crowd};

/// Replies to an honest peer that are timed.
const REPLIES: usize = 20;

/// The longest wait for a reply: where each of two thousand connections had the full budget of a turn, agencies got
/// none in a minute.
const SOON: Duration = Duration::from_secs(5);

/// Sends what goes out and takes what came, never waiting.
fn flood(stream: &mut TcpStream, requests: &[u8], begun: &mut usize) {
    match stream.write(&requests[*begun..]) {
        Ok(count) => *begun = (*begun + count) % requests.len(),
        Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
    }
    let mut replies = [0; 64 * 1024];
    match stream.read(&mut replies) {
        Ok(count) => assert!(count > 0, "a flood is no reason to hang up"),
        Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
    }
}

#[test]
fn two_thousand_connections_that_flood_share_each_turn_with_everybody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (central, address) = programs::central(folder.path(), &[]).unwrap();
    let requests = encode(&finished(NOBODY)).0.repeat(2_000);
    let connect = |_| {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        (stream, 0)
    };
    let mut flooding: Vec<(TcpStream, usize)> = (0..crowd(2_000)).map(connect).collect();
    let mut honest = Peer::connect(address);
    let (over, rounds) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut times: Vec<Duration> = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for (stream, begun) in &mut flooding {
                    flood(stream, &requests, begun);
                }
                rounds.store(true, Ordering::Relaxed);
            }
        });
        // All of them are at it.
        while !rounds.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let asked = (0..REPLIES).map(|_| {
            let began = Instant::now();
            assert_eq!(honest.ask(&finished(NOBODY)), "{result:failure}");
            began.elapsed()
        });
        let times = asked.collect();
        over.store(true, Ordering::Relaxed);
        times
    });
    times.sort_unstable();
    let (median, most) = (times[REPLIES / 2], times[REPLIES - 1]);
    println!("a reply to another beside the flood: median {median:.2?}, at most {most:.2?}");
    assert!(most < SOON, "{most:?}");
    drop(flooding);
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
}
