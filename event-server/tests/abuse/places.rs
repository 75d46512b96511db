//! Peers that take every place and stay.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{encode, finished};
use crate::log::tells;
use crate::lottery::{Abuse, NOBODY, crowd, endures};

/// The longest wait for a reply to a new agency: without a place it would wait for minutes.
const SOON: Duration = Duration::from_secs(5);

const FAILURE: &str = "{result:failure}";

/// Whether a new peer is answered soon.
fn is_served_soon(abuse: &Abuse<'_>) {
    let began = Instant::now();
    assert_eq!(abuse.peer().ask(&finished(NOBODY)), FAILURE);
    let took = began.elapsed();
    println!("a new peer is answered after {took:.2?}");
    assert!(took < SOON, "{took:?}");
}

#[test]
fn more_connections_than_there_are_places_that_were_answered_once_and_say_nothing_more() {
    let count = crowd(10_050);
    let most = (count - 50).to_string();
    let environment = [("SERVER_MAX_CONNECTIONS", most.as_str())];
    let outcome = endures(
        "silent after a reply in every place",
        &environment,
        |abuse| {
            let refused = encode(&finished(NOBODY)).0;
            let mut answered: Vec<TcpStream> = Vec::new();
            for _ in 0..count {
                let mut stream = abuse.connect();
                stream.write_all(&refused).unwrap();
                answered.push(stream);
                if answered.len().is_multiple_of(500) {
                    is_served_soon(abuse);
                }
            }
            (0..10).for_each(|_| is_served_soon(abuse));
            abuse.is_under_way();
            while !abuse.is_over() {
                thread::sleep(Duration::from_millis(1));
            }
        },
    );
    tells(
        &outcome.log,
        "its place is needed, and it was silent the longest",
    );
    assert!(outcome.others.is_empty(), "{:?}", outcome.others);
}
