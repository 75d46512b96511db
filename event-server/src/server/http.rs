//! The HTTP port beside the lottery: its listener's backlog and its connections. What is answered is told in
//! [`web`](crate::web). Knows no poll: the listener and the streams are handed in.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::tokens::http;
use crate::backlog::{Accepted, Backlog};
use crate::observe::Observe;
use crate::report;
use crate::stream::Stream;
use crate::web::Web;

/// Connections that one turn accepts.
const ACCEPTS_A_TURN: usize = 4;

/// A port that listens.
pub(super) struct HttpPort<L, S> {
    listener: L,
    backlog: Backlog,
    web: Web<S>,
}

impl<L, S: Stream> HttpPort<L, S> {
    /// A port of a central of this name, over a listener that is watched. `hosts`: the names by which it may be asked.
    pub(super) fn new(listener: L, name: &str, hosts: Vec<String>, now: Instant) -> Self {
        Self {
            listener,
            backlog: Backlog::default(),
            web: Web::new(name, hosts, now),
        }
    }

    pub(super) fn mark_listener(&mut self) {
        self.backlog.mark();
    }

    /// Sets the bits that an event brings; `dead` for an error or a full hang-up.
    pub(super) fn mark(&mut self, slot: usize, readable: bool, writable: bool, dead: bool) {
        self.web.mark(slot, readable, writable, dead);
    }

    /// Accepts what waits, a few a turn, as far as there is room. `watch` begins to watch a stream under a token.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        accept: impl Fn(&L) -> io::Result<(S, SocketAddr)>,
        watch: impl Fn(&mut S, usize) -> io::Result<()>,
    ) {
        for _ in 0..ACCEPTS_A_TURN {
            if !self.can_accept(now) {
                break;
            }
            match self.backlog.accept(now, || accept(&self.listener)) {
                Accepted::Connection(stream, ip) => self.admit(stream, ip, now, &watch),
                Accepted::Gone => {}
                Accepted::Nothing => break,
            }
        }
    }

    fn can_accept(&self, now: Instant) -> bool {
        self.backlog.is_ready(now) && self.web.has_room()
    }

    fn admit(
        &mut self,
        mut stream: S,
        ip: IpAddr,
        now: Instant,
        watch: impl Fn(&mut S, usize) -> io::Result<()>,
    ) {
        self.web.make_room();
        match watch(&mut stream, http(self.web.next_slot())) {
            Ok(()) => self.web.insert(stream, ip, now),
            Err(e) => report::http_closed(ip, &e),
        }
    }

    /// One turn, after the lottery's.
    pub(super) fn tick(&mut self, now: Instant, central: &mut impl Observe) {
        self.web.tick(now, central);
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
