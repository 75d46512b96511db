//! Very many peers that all do the same, in one thread: none is ever waited for.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::central::Central;
use crate::peer::{self, reset};

/// Bytes of requests that a peer which sends without end tries to send at once.
const BURST: usize = 64 * 1024;

/// Bytes of replies that it takes at once.
const GULP: usize = 64 * 1024;

/// The pause between two acts of peers that come again.
const TICK: Duration = Duration::from_millis(1);

/// Connections that are opened at once: a backlog takes as many.
const AT_ONCE: usize = 500;

/// What a peer does after its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing: it reads no answer either.
    Stays,
    /// Sends the same again and again, without waiting, and reads the answers.
    Floods,
    /// It is reset, and another one comes.
    Comes,
    /// It closes in order, and another one comes.
    Goes,
}

/// Where they connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Lottery,
    Http,
}

/// Makes the first bytes of a peer.
pub(super) type FirstBytes = fn(&Central) -> io::Result<Vec<u8>>;

/// Peers that all do the same.
#[derive(Clone, Copy)]
pub(super) struct Peers {
    pub(super) count: usize,
    pub(super) port: Port,
    pub(super) says: FirstBytes,
    pub(super) then: Then,
}

impl Peers {
    /// Acts until it is over; `there` is set once all have come. Returns what is wrong, a sentence each.
    pub(super) fn act(self, central: &Central, there: &AtomicBool) -> io::Result<Vec<String>> {
        let first = (self.says)(central)?;
        let requests = first.repeat(BURST.div_ceil(first.len().max(1)));
        let mut crowd = Vec::with_capacity(self.count);
        while crowd.len() < self.count && !central.is_over() {
            crowd.push((self.open(central, &first)?, 0));
            if crowd.len().is_multiple_of(AT_ONCE) {
                thread::sleep(TICK);
            }
        }
        let mut next = 0;
        loop {
            match self.then {
                Then::Stays => thread::sleep(TICK),
                Then::Floods => {
                    for (stream, begun) in &mut crowd {
                        match flood(stream, &requests, begun) {
                            // All together buffer too much, and it had to give way: it comes again.
                            Err(e) if is_gone(&e) => {
                                (*stream, *begun) = (self.open(central, &first)?, 0)
                            }
                            flooded => flooded?,
                        }
                    }
                }
                Then::Comes | Then::Goes => {
                    thread::sleep(TICK);
                    let new = (self.open(central, &first)?, 0);
                    let (old, _) = std::mem::replace(&mut crowd[next], new);
                    match self.then {
                        Then::Goes => drop(old),
                        _ => reset(old)?,
                    }
                    next = (next + 1) % crowd.len();
                }
            }
            there.store(true, Ordering::Relaxed);
            if central.is_over() {
                break;
            }
        }
        // Their ports are free at once.
        crowd
            .into_iter()
            .try_for_each(|(stream, _)| reset(stream))?;
        Ok(Vec::new())
    }

    fn open(self, central: &Central, first: &[u8]) -> io::Result<TcpStream> {
        central.count();
        let address = match self.port {
            Port::Lottery => central.address,
            Port::Http => central.http,
        };
        let mut stream = peer::connect(address, None)?;
        match stream.write_all(first) {
            // It had to give way already.
            Err(e) if is_gone(&e) => {}
            written => written?,
        }
        stream.set_nonblocking(true)?;
        Ok(stream)
    }
}

fn is_gone(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// Sends as much as the stream takes, and reads what came.
fn flood(stream: &mut TcpStream, requests: &[u8], begun: &mut usize) -> io::Result<()> {
    match stream.write(&requests[*begun..]) {
        Ok(count) => *begun = (*begun + count) % requests.len(),
        Err(e) if e.kind() == ErrorKind::WouldBlock => {}
        Err(e) => return Err(e),
    }
    match stream.read(&mut [0; GULP]) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(e) => Err(e),
    }
}
