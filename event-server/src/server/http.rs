//! The HTTP port: its listener and its connections in the poll. What is answered is told in [`web`](crate::web).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use mio::Registry;
use mio::net::{TcpListener, TcpStream};

use super::socket::{listen, watch};
use super::tokens::{HTTP_LISTENER, http};
use crate::backlog::{Accepted, Backlog};
use crate::observe::Observe;
use crate::report;
use crate::web::{MAX_CONNECTIONS, Web};

/// Connections that one turn accepts.
const ACCEPTS_A_TURN: usize = 4;

/// A port that listens.
pub(super) struct HttpPort {
    registry: Registry,
    listener: TcpListener,
    backlog: Backlog,
    web: Web<TcpStream>,
}

impl HttpPort {
    /// Binds the listener, for a central of this name.
    pub(super) fn bind(
        address: SocketAddr,
        name: &str,
        registry: &Registry,
        now: Instant,
    ) -> io::Result<Self> {
        let registry = registry.try_clone()?;
        let backlog = MAX_CONNECTIONS as u32;
        let listener = listen(address, backlog, &registry, HTTP_LISTENER)?;
        report::http_listening(listener.local_addr()?);
        Ok(Self {
            registry,
            listener,
            backlog: Backlog::quiet(),
            web: Web::new(name, now),
        })
    }

    pub(super) fn mark_listener(&mut self) {
        self.backlog.mark();
    }

    /// Sets the bits that an event brings; `dead` for an error or a full hang-up.
    pub(super) fn mark(&mut self, slot: usize, readable: bool, writable: bool, dead: bool) {
        self.web.mark(slot, readable, writable, dead);
    }

    /// One turn, after the lottery's.
    pub(super) fn tick(&mut self, now: Instant, central: &mut impl Observe) {
        for _ in 0..ACCEPTS_A_TURN {
            if !self.can_accept(now) {
                break;
            }
            match self.backlog.accept(now, || self.listener.accept()) {
                Accepted::Connection(stream, ip) => self.admit(stream, ip, now),
                Accepted::Gone => {}
                Accepted::Nothing => break,
            }
        }
        self.web.tick(now, central);
    }

    fn can_accept(&self, now: Instant) -> bool {
        self.backlog.is_ready(now) && self.web.has_room()
    }

    fn admit(&mut self, mut stream: TcpStream, ip: IpAddr, now: Instant) {
        self.web.make_room();
        let slot = self.web.next_slot();
        match watch(&mut stream, &self.registry, http(slot)) {
            Ok(()) => self.web.insert(stream, ip, now),
            Err(e) => report::http_closed(ip, &e),
        }
    }

    /// Whether the next turn has something to do without a new event.
    pub(super) fn has_work(&self, now: Instant) -> bool {
        self.web.has_work() || self.can_accept(now)
    }

    /// When the next turn is due, event or not.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let accept_at = self.backlog.deadline().filter(|_| self.web.has_room());
        let deadlines = [self.web.deadline(), accept_at];
        deadlines.into_iter().flatten().min()
    }

    /// The server stops: every answer from now on says so, and is the last of its connection.
    pub(super) fn stop(&mut self) {
        self.web.stop();
    }

    /// Closes all of it.
    pub(super) fn close(self) {
        self.web.close();
        drop(self.listener);
        report::http_closed_listener();
    }
}
