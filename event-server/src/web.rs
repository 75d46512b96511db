//! The HTTP port: it answers those who watch a lottery, and changes nothing.
//!
//! ```text
//! socket → Inbox → head → Request → pages: what is asked for → Response → Outbox → socket
//! ```
//!
//! | path | answer |
//! |---|---|
//! | `/` | the live page of the lottery |
//! | `/loop` | the live page of the loop |
//! | `/api/lottery` | how the lottery stands, as JSON |
//! | `/api/loop` | what the loop does, as JSON |
//! | `/metrics` | figures, in a format of Prometheus |
//! | `/healthz` | `ok`, while the loop turns |
//! | `/readyz` | `ready`, or 503 and why no bet would be taken now |
//!
//! Its connections are state machines in slots of their own, moved by the same poll as the lottery's. They delay the
//! lottery's little: there are few of them, and a turn answers few of their requests and sends few bytes. Knows no
//! poll, and the lottery through [`Observe`] alone.

mod connection;
mod head;
mod history;
mod json;
mod loop_json;
mod metrics;
mod pages;
mod process;
mod response;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use self::connection::{Budget, Connection};
pub use self::head::{Head, MAX_HEAD, Method, Request, parse};
use self::pages::Pages;
use crate::net::{Slots, Stream};
use crate::observe::Observe;
use crate::report;

/// The most connections of the HTTP port at once.
pub const MAX_CONNECTIONS: usize = 64;

/// Requests of all connections that one turn answers.
const TURN_REQUESTS: usize = 4;

/// Bytes of answers that one turn sends.
const TURN_BYTES: usize = 256 * 1024;

/// The time between two checks of timeouts.
const SWEEP: Duration = Duration::from_secs(1);

/// All connections, and what they are answered.
pub struct Web<S> {
    connections: Slots<Connection<S>>,
    pages: Pages,
    next_sweep: Option<Instant>,
    stopping: bool,
}

impl<S: Stream> Web<S> {
    /// Begins without connections, for a central of this name that starts now. `hosts` are the host names that requests
    /// may name, beside IP addresses and `localhost`.
    pub fn new(name: &str, hosts: Vec<String>, now: Instant) -> Self {
        Self {
            connections: Slots::new(),
            pages: Pages::new(name, hosts, now),
            next_sweep: None,
            stopping: false,
        }
    }

    /// Returns whether another connection may be taken: there is a free place, or a connection that gives way.
    pub fn has_room(&self) -> bool {
        self.connections.len() < MAX_CONNECTIONS || self.slowest().is_some()
    }

    /// Closes the connection whose peer has been waited for longest, if no place is free.
    pub fn make_room(&mut self) {
        if self.connections.len() >= MAX_CONNECTIONS
            && let Some(slot) = self.slowest()
        {
            self.remove(slot, "its place is needed");
        }
    }

    /// Returns the idle connection whose peer has been waited for longest: for a request, for the rest of one, or until it has
    /// taken its answer. One that can move is not idle, so a peer that has just sent a request is answered.
    fn slowest(&self) -> Option<usize> {
        let idle = self.connections.idle();
        let slowest = idle.min_by_key(|(_, connection)| connection.waits_since());
        slowest.map(|(slot, _)| slot)
    }

    /// Returns the slot that the next [`insert`](Self::insert) fills; below [`MAX_CONNECTIONS`] if there
    /// [is room](Self::has_room).
    pub fn next_slot(&self) -> usize {
        self.connections.next_slot()
    }

    /// Adds a connection, as ready.
    pub fn insert(&mut self, stream: S, ip: IpAddr, now: Instant) {
        report::http_accepted(ip);
        let slot = self.connections.insert(Connection::new(stream, ip, now));
        self.next_sweep.get_or_insert(now + SWEEP);
        self.mark(slot, true, true, false);
    }

    /// Sets the bits that an event brings; `dead` for an error or a full hang-up. An event for a slot without a
    /// connection is stale, and is ignored.
    pub fn mark(&mut self, slot: usize, readable: bool, writable: bool, dead: bool) {
        if let Some(connection) = self.connections.get_mut(slot) {
            connection.mark(readable, writable, dead);
            self.connections.queue(slot);
        }
    }

    /// Returns whether the next turn has something to do without a new event.
    pub fn has_work(&self) -> bool {
        self.connections.ready() > 0
    }

    /// Returns when the next turn is due without an event.
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.next_sweep, Some(self.pages.deadline())];
        deadlines.into_iter().flatten().min()
    }

    /// Does one turn: the ready connections share a few requests to be answered and a few bytes to be sent.
    pub fn tick(&mut self, now: Instant, central: &mut impl Observe) {
        self.pages.advance(now, central);
        self.sweep(now);
        let mut budget = Budget {
            requests: TURN_REQUESTS,
            bytes: TURN_BYTES,
        };
        for _ in 0..self.connections.ready() {
            if budget.is_used_up() {
                break;
            }
            let Some(slot) = self.connections.take_next() else {
                break;
            };
            let Some(connection) = self.connections.get_mut(slot) else {
                continue;
            };
            let (pages, last) = (&mut self.pages, self.stopping);
            let mut answer = |request: &Request<'_>| pages.answer(request, now, central);
            connection.advance(now, &mut budget, last, &mut answer);
            let (ended, can_move) = (connection.ended(), connection.can_move());
            self.connections.release(slot);
            if let Some(why) = ended {
                self.remove(slot, why);
            } else if can_move {
                self.connections.queue(slot);
            }
        }
    }

    /// Closes, about once a second, the connections whose peers took too long. They are removed in their turn.
    fn sweep(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|due| now < due) {
            return;
        }
        for slot in 0..self.connections.bound() {
            if let Some(connection) = self.connections.get_mut(slot)
                && connection.sweep(now)
            {
                self.connections.queue(slot);
            }
        }
        self.next_sweep = (!self.connections.is_empty()).then(|| now + SWEEP);
    }

    fn remove(&mut self, slot: usize, why: &str) {
        if let Some(connection) = self.connections.remove(slot) {
            report::http_connection_closed(connection.ip(), &why);
        }
    }

    /// Makes every answer the last of its connection from now on: the central stops.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Drops every connection.
    pub fn close(mut self) {
        for slot in 0..self.connections.bound() {
            self.remove(slot, "the central stops");
        }
    }
}
