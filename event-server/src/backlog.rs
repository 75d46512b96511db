//! When to accept connections: the listener's readiness, and what to do where the system has no resources for one.
//!
//! An edge tells once that connections wait, and only `WouldBlock` says that none is left. Without descriptors or
//! memory there is no new edge either: a timer brings the loop back. Accepts through a closure; opens nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::report;

/// How long to leave the listener alone after the system had no resources for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The state of a listener's backlog.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Connections may wait: set by events, cleared by `WouldBlock` alone.
    acceptable: bool,
    /// The listener is left alone until then.
    again_at: Option<Instant>,
    /// The last attempt found no resources, and that was reported.
    failing: bool,
}

/// What one attempt brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Accepted<S> {
    /// A connection, and its peer's address.
    Connection(S, IpAddr),
    /// A peer that was gone before it was accepted: there may be another.
    Gone,
    /// Nothing, for now.
    Nothing,
}

impl Backlog {
    /// An event says that connections wait.
    pub fn mark(&mut self) {
        self.acceptable = true;
    }

    /// Whether an attempt may bring something now.
    pub fn is_ready(&self, now: Instant) -> bool {
        self.acceptable && self.again_at.is_none_or(|at| at <= now)
    }

    /// When to come back without an event.
    pub fn deadline(&self) -> Option<Instant> {
        self.again_at.filter(|_| self.acceptable)
    }

    /// Accepts one connection with `accept`.
    pub fn accept<S>(
        &mut self,
        now: Instant,
        accept: impl FnOnce() -> io::Result<(S, SocketAddr)>,
    ) -> Accepted<S> {
        self.again_at = None;
        match accept() {
            Ok((stream, peer)) => {
                self.failing = false;
                Accepted::Connection(stream, peer.ip().to_canonical())
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.acceptable = false;
                Accepted::Nothing
            }
            Err(e) if is_peers(&e) => Accepted::Gone,
            Err(e) => {
                if !self.failing {
                    report::accept_failed(&e);
                }
                self.failing = true;
                self.again_at = Some(now + PAUSE);
                Accepted::Nothing
            }
        }
    }
}

/// Errors of accept(2) that speak of one connection, not of the listener.
fn is_peers(e: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable,
    };
    matches!(
        e.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    fn failed<S>(errno: Errno) -> io::Result<(S, SocketAddr)> {
        Err(errno.into())
    }

    fn peer() -> io::Result<((), SocketAddr)> {
        Ok(((), SocketAddr::from(([192, 0, 2, 1], 1))))
    }

    #[test]
    fn without_resources_the_listener_is_left_alone_for_a_while_and_then_tried_without_an_event() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            let mut now = Instant::now();
            let mut backlog = Backlog::default();
            backlog.mark();
            for _ in 0..3 {
                assert!(backlog.is_ready(now), "{errno}");
                assert_eq!(
                    backlog.accept::<()>(now, || failed(errno)),
                    Accepted::Nothing
                );
                assert!(!backlog.is_ready(now), "{errno} lets the loop spin");
                now = backlog.deadline().unwrap();
            }
            assert!(matches!(
                backlog.accept(now, peer),
                Accepted::Connection(..)
            ));
            assert!(backlog.is_ready(now), "what else waits gives no new edge");
            assert_eq!(backlog.deadline(), None);
            backlog.accept::<()>(now, || failed(Errno::AGAIN));
            assert!(!backlog.is_ready(now));
        }
    }

    #[test]
    fn a_peer_that_is_gone_already_costs_no_pause() {
        let now = Instant::now();
        for errno in [Errno::CONNABORTED, Errno::INTR, Errno::HOSTUNREACH] {
            let mut backlog = Backlog::default();
            backlog.mark();
            assert_eq!(backlog.accept::<()>(now, || failed(errno)), Accepted::Gone);
            assert!(backlog.is_ready(now));
        }
    }
}
