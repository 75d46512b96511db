//! The HTTP port: who watches a lottery is answered here. Nothing here changes one.
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
//! Its connections are state machines in a slab of their own, moved by the same poll as the lottery's. It never delays
//! those by much: there are few connections, and a turn answers few requests and sends few bytes of them all. Knows no
//! poll, and the lottery through [`Observe`] alone.

mod connection;
mod head;
mod history;
mod hosts;
mod json;
mod loop_json;
mod metrics;
mod page;
mod pages;
mod process;
mod response;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use slab::Slab;

use self::connection::{Connection, Share};
pub use self::head::{Head, MAX_HEAD, Method, Request, parse};
use self::pages::Pages;
use crate::observe::Observe;
use crate::report;
use crate::stream::Stream;

/// Connections at once.
pub const MAX_CONNECTIONS: usize = 64;

/// Requests of all connections that one turn answers.
const TURN_REQUESTS: usize = 4;

/// Bytes of answers that one turn sends.
const TURN_BYTES: usize = 256 * 1024;

/// Between two looks at who took too long.
const SWEEP: Duration = Duration::from_secs(1);

/// All connections, and what they are answered.
pub struct Web<S> {
    connections: Slab<Entry<S>>,
    /// Slots of connections that can move, each once, in the order of their turns.
    ready: VecDeque<usize>,
    pages: Pages,
    next_sweep: Option<Instant>,
    stopping: bool,
}

struct Entry<S> {
    connection: Connection<S>,
    /// It is in the ready queue.
    queued: bool,
}

impl<S: Stream> Web<S> {
    /// A port without connections, of a central of this name that starts now. `hosts`: the names by which it may be
    /// asked, beside IP addresses and `localhost`.
    pub fn new(name: &str, hosts: Vec<String>, now: Instant) -> Self {
        Self {
            connections: Slab::new(),
            ready: VecDeque::new(),
            pages: Pages::new(name, hosts, now),
            next_sweep: None,
            stopping: false,
        }
    }

    /// Whether another connection may be taken: there is a free place, or one that gives way.
    pub fn has_room(&self) -> bool {
        self.connections.len() < MAX_CONNECTIONS || self.slowest().is_some()
    }

    /// Closes the connection whose peer has been waited for longest, where no place is free.
    pub fn make_room(&mut self) {
        if self.connections.len() >= MAX_CONNECTIONS
            && let Some(slot) = self.slowest()
        {
            self.remove(slot, "its place is needed");
        }
    }

    /// The connection whose peer has been waited for longest: for a request, for the rest of one, or until it has taken
    /// its answer. None of those that can move, so that whoever has just sent a request is answered.
    fn slowest(&self) -> Option<usize> {
        let waiting = self.connections.iter().filter(|(_, entry)| !entry.queued);
        let slowest = waiting.min_by_key(|(_, entry)| entry.connection.waits_since());
        slowest.map(|(slot, _)| slot)
    }

    /// The slot that the next [`insert`](Self::insert) fills; below [`MAX_CONNECTIONS`] where there
    /// [is room](Self::has_room).
    pub fn next_slot(&self) -> usize {
        self.connections.vacant_key()
    }

    /// Takes in a connection, as ready.
    pub fn insert(&mut self, stream: S, ip: IpAddr, now: Instant) {
        report::http_accepted(ip);
        let slot = self.connections.insert(Entry {
            connection: Connection::new(stream, ip, now),
            queued: false,
        });
        self.next_sweep.get_or_insert(now + SWEEP);
        self.mark(slot, true, true, false);
    }

    /// Sets the bits that an event brings; `dead` for an error or a full hang-up. An event for a slot without a
    /// connection is stale.
    pub fn mark(&mut self, slot: usize, readable: bool, writable: bool, dead: bool) {
        if let Some(entry) = self.connections.get_mut(slot) {
            entry.connection.mark(readable, writable, dead);
            self.enqueue(slot);
        }
    }

    fn enqueue(&mut self, slot: usize) {
        if let Some(entry) = self.connections.get_mut(slot)
            && !entry.queued
        {
            entry.queued = true;
            self.ready.push_back(slot);
        }
    }

    /// Whether the next turn has something to do without a new event.
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the next turn is due, event or not.
    pub fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.next_sweep, Some(self.pages.deadline())];
        deadlines.into_iter().flatten().min()
    }

    /// One turn: its share of requests is answered and sent, in turns of the connections.
    pub fn tick(&mut self, now: Instant, central: &mut impl Observe) {
        self.pages.advance(now, central);
        self.sweep(now);
        let mut share = Share {
            requests: TURN_REQUESTS,
            bytes: TURN_BYTES,
        };
        for _ in 0..self.ready.len() {
            if share.is_used_up() {
                break;
            }
            let Some(slot) = self.ready.pop_front() else {
                break;
            };
            let Some(entry) = self.connections.get_mut(slot) else {
                continue;
            };
            entry.queued = false;
            let (pages, last) = (&mut self.pages, self.stopping);
            let mut answer = |request: &Request<'_>| pages.answer(request, now, central);
            entry.connection.advance(now, &mut share, last, &mut answer);
            if let Some(why) = entry.connection.ended() {
                self.remove(slot, why);
            } else if entry.connection.can_move() {
                self.enqueue(slot);
            }
        }
    }

    /// Now and then: closes who took too long, and frees what is not used.
    fn sweep(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|due| now < due) {
            return;
        }
        for slot in 0..self.connections.capacity() {
            if let Some(entry) = self.connections.get_mut(slot)
                && let Some(why) = entry.connection.sweep(now)
            {
                self.remove(slot, why);
            }
        }
        self.next_sweep = (!self.connections.is_empty()).then(|| now + SWEEP);
    }

    fn remove(&mut self, slot: usize, why: &str) {
        let Entry { connection, .. } = self.connections.remove(slot);
        report::http_closed(connection.ip(), &why);
    }

    /// The central stops: from now on every answer is the last of its connection.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Drops every connection.
    pub fn close(mut self) {
        for slot in 0..self.connections.capacity() {
            if self.connections.contains(slot) {
                self.remove(slot, "the central stops");
            }
        }
    }
}
