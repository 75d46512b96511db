//! Peers that come in thousands, leave at once, or ask again and again.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use fixtures::FIXTURES;
use frame::{Inbox, MAX_REPLY, Reply, Winners};

use crate::common::{encode, finished, reset, winners};
use crate::log::{tells, times};
use crate::lottery::{NOBODY, endures};

#[test]
fn connections_that_are_reset_in_a_storm() {
    const STORM: usize = 5_000;
    let outcome = endures("a storm of resets", &[], |abuse| {
        let (query, refused) = (encode(&winners(1)).0, encode(&finished(NOBODY)).0);
        // Nothing, a line, half a frame, one that is held, many that are answered.
        let openings = [
            &[][..],
            b"a line",
            &query[..20],
            &query,
            &refused.repeat(100),
        ];
        let mut storm = 0;
        while storm < STORM || !abuse.is_over() {
            let mut stream = abuse.connect();
            // It may be gone already.
            let _ = stream.write_all(openings[storm % openings.len()]);
            reset(stream);
            storm += 1;
            if storm == 100 {
                abuse.is_under_way();
            }
        }
    });
    assert!(times(&outcome.log, "close_connection", "fail") > 0);
    let why = "error: Connection reset by peer";
    tells(&outcome.log, why);
    assert!(outcome.others.is_empty(), "{:?}", outcome.others);
}

/// A client that asks for its winners again and again, until it is told.
struct Asking {
    stream: TcpStream,
    /// Whose winners, counted from 0.
    agency: usize,
    query: Vec<u8>,
    /// Bytes of queries that are sent.
    sent: usize,
    inbox: Inbox,
    in_progress: usize,
    drawn: usize,
}

impl Asking {
    /// Queries that wait for their answers at most.
    const WINDOW: usize = 20;

    fn new(stream: TcpStream, agency: usize) -> Self {
        stream.set_nonblocking(true).unwrap();
        Self {
            stream,
            agency,
            query: encode(&winners(FIXTURES[agency].agency)).0,
            sent: 0,
            inbox: Inbox::new(MAX_REPLY, 64 * 1024),
            in_progress: 0,
            drawn: 0,
        }
    }

    fn ask(&mut self) {
        let asked = self.sent.div_ceil(self.query.len());
        if self.drawn == 0 && asked < self.in_progress + Self::WINDOW {
            let begun = self.sent % self.query.len();
            match self.stream.write(&self.query[begun..]) {
                Ok(count) => self.sent += count,
                Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
            }
        }
    }

    /// Takes what has come.
    fn read(&mut self) {
        loop {
            while let Some(frame) = self.inbox.frame().unwrap() {
                match Reply::decode(frame).unwrap() {
                    Reply::Winners(Winners::InProgress) => self.in_progress += 1,
                    Reply::Winners(Winners::Drawn(documents)) => {
                        let winners = FIXTURES[self.agency].winners;
                        assert_eq!(documents.to_vec().unwrap(), winners);
                        self.drawn += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            let stream = &mut self.stream;
            match self.inbox.fill(|space| stream.read(space)) {
                Ok(Some(1..)) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_flood_of_winners_queries_before_the_draw() {
    const ASKING: usize = 100;
    // Half of them may be held; five places are the agencies'.
    let most = (ASKING + FIXTURES.len()).to_string();
    let environment = [("SERVER_MAX_CONNECTIONS", most.as_str())];
    let outcome = endures("a flood of queries", &environment, |abuse| {
        let mut asking: Vec<Asking> = (0..ASKING)
            .map(|i| Asking::new(abuse.connect(), i % FIXTURES.len()))
            .collect();
        let mut turned_away = 0;
        while asking.iter().any(|client| client.drawn == 0) {
            for client in &mut asking {
                client.ask();
                client.read();
            }
            let before = turned_away;
            turned_away = asking.iter().map(|client| client.in_progress).sum();
            if before < ASKING && turned_away >= ASKING {
                abuse.is_under_way();
            }
        }
        println!("{turned_away} queries were turned away");
        while !abuse.is_over() {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let why = "warning: too many are held, this one is to ask again";
    tells(&outcome.log, why);
    assert!(outcome.others.is_empty(), "{:?}", outcome.others);
}
