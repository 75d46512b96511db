//! Peers that ask for a long list of winners and do not read it.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fixtures::programs;

use crate::common::{Peer, batch, bet, encode, eventually, finished, status_of, winners};
use crate::lottery::crowd;

/// Winners of agency 1: their list has 8 MB.
const WINNERS: usize = 240_000;

/// The longest wait for a small reply to another agency: where the list was copied for each peer that asked, it took
/// many seconds.
const SOON: Duration = Duration::from_secs(3);

/// One copy of the list for each of those that may be told it at once would be 250 MB.
const SLACK_KB: u64 = 48 * 1024;

#[test]
fn hundreds_that_ask_for_a_long_list_and_do_not_read_it_delay_nobody_and_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("SERVER_AGENCIES", "2"), ("SERVER_DURABILITY", "never")];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    let mut sending = Peer::connect(address);
    for hundreds in (0..WINNERS).collect::<Vec<_>>().chunks(100) {
        let bets = hundreds.iter().map(|i| bet(1, &format!("{i:032}"), true));
        let text = bets.collect::<Vec<_>>().join("|");
        assert_eq!(sending.ask(&batch(&text)), "{result:success}");
    }
    let mut other = Peer::connect(address);
    assert_eq!(other.ask(&finished(2)), "{result:success}");
    assert_eq!(sending.ask(&finished(1)), "{result:success}");
    assert_eq!(other.ask(&winners(2)), "{ganadores:}");
    let memory = || status_of(central.pid(), "RssAnon");
    let before = memory();

    let query = encode(&winners(1)).0;
    let mut deaf: Vec<TcpStream> = Vec::new();
    let mut slowest = Duration::ZERO;
    for i in 0..crowd(1_000) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&query).unwrap();
        deaf.push(stream);
        if i % 10 == 0 {
            let began = Instant::now();
            assert_eq!(other.ask(&winners(2)), "{ganadores:}");
            slowest = slowest.max(began.elapsed());
        }
    }
    let most = memory();
    println!("the slowest small reply took {slowest:.2?}; memory {before} kB, then {most} kB");
    assert!(slowest < SOON, "{slowest:?}");
    assert!(most < before + SLACK_KB, "{before} kB, then {most} kB");

    // Whoever does not take its list makes room for one that does.
    eventually("agency 1 is told its winners", || {
        let told = Peer::connect(address).ask(&winners(1));
        told.starts_with("{ganadores:") && told.len() > WINNERS * 32
    });
    drop(deaf);
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
}
