//! The bounds of all connections together, places and memory; and which connections give way when one is reached.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::Hub;
use crate::connection::{Connection, Rank};
use crate::net::Stream;
use crate::store::Store;

/// Returns how long a connection must have been silent to give way. The first bytes of a peer come with its connection or right
/// after it; later it may wait for a reply that is under way, or for the next message of a handshake.
const fn patience(rank: Rank) -> Duration {
    Duration::from_millis(match rank {
        Rank::Silent => 100,
        Rank::Opening | Rank::Idle | Rank::Owing => 500,
    })
}

/// Where TLS is spoken, this part of the places, one in sixteen, is for peers whose certificate was verified.
const VERIFIED_PART: usize = 16;

/// The least number of such places, unless that is more than half of all.
const VERIFIED_LEAST: usize = 8;

/// The shortest timeout for a first byte or a handshake, however few places are left; and for a peer that takes nothing of a
/// long list while others wait for the same list.
const SHORTEST: Duration = Duration::from_secs(1);

impl<S: Stream, R: Store> Hub<S, R> {
    /// Returns whether another connection may be taken: there is a free place, or a silent connection gives way.
    pub fn has_room(&self, now: Instant) -> bool {
        self.room_at(now).is_some_and(|at| at <= now)
    }

    /// Returns when another connection may be taken if nothing happens; `None`: no connection gives way.
    pub fn room_at(&self, now: Instant) -> Option<Instant> {
        if self.has_free_place() {
            return Some(now);
        }
        self.longest_silent().map(|(_, at)| at).min()
    }

    /// Closes the connection that has been silent the longest, if no place is free and one gives way. Its slot is
    /// free at once: it was not marked since the last turn, so nothing else refers to it.
    pub fn make_room(&mut self, now: Instant) {
        if self.has_free_place() {
            return;
        }
        let slot = self.longest_silent().find(|(_, at)| *at <= now);
        if let Some((slot, _)) = slot {
            self.connections.change(slot, Connection::give_way);
            self.reap(slot);
        }
    }

    /// Returns whether a new connection has to wait until another one ends.
    pub(super) fn is_full(&self) -> bool {
        !self.has_free_place() && self.longest_silent().next().is_none()
    }

    fn has_free_place(&self) -> bool {
        let taken = self.connections.len();
        taken < self.limits.max_connections && !self.keeps_places_for_verified()
    }

    /// Returns whether the free places are for peers whose certificate was verified.
    fn keeps_places_for_verified(&self) -> bool {
        let most = self.limits.max_connections;
        let verified = (most / VERIFIED_PART).max(VERIFIED_LEAST).min(most / 2);
        self.acceptor.is_some()
            && self.connections.len() - self.connections.verified() >= most - verified
    }

    /// Returns the slots that may give way, in this order, and from when on: the longest silent one of each rank. Whoever an
    /// event has come for since the last turn is passed over, since it may not be silent any more.
    fn longest_silent(&self) -> impl Iterator<Item = (usize, Instant)> {
        let ranks: &[Rank] = match self.keeps_places_for_verified() {
            true => &[Rank::Silent, Rank::Opening],
            false => &Rank::ALL,
        };
        ranks.iter().filter_map(|&rank| {
            let mut silent = self.silence.iter(rank);
            let slot = silent.find(|slot| self.connections.is_idle(*slot))?;
            let since = self.connections.get(slot)?.silent_since();
            Some((slot, since + patience(rank)))
        })
    }

    /// Notes, at the end of a turn, since when a connection has been silent, and in which rank. Whoever did nothing in this turn
    /// keeps its place among the silent ones: an event alone makes nobody less silent. Who `moves` on begins again later.
    pub(super) fn note_silence(&mut self, slot: usize, moves: bool, now: Instant) {
        let Some(connection) = self.connections.get(slot) else {
            return;
        };
        let has_done_something = connection.silent_since() >= now;
        match connection.rank() {
            Some(_) if moves && has_done_something => self.silence.end(slot),
            Some(_) if moves => {}
            Some(rank) if has_done_something || self.silence.rank(slot) != Some(rank) => {
                self.silence.begin(slot, rank);
            }
            Some(_) => {}
            None => self.silence.end(slot),
        }
    }

    /// Returns how long the central waits for the peer of this slot; `opening` until its frames are served.
    pub(super) fn timeout(&self, slot: usize, opening: Duration) -> Option<Duration> {
        let connection = self.connections.get(slot)?;
        let idle_timeout = self.limits.idle_timeout;
        let list = connection.list_recipient();
        Some(match connection.rank() {
            Some(Rank::Silent | Rank::Opening) => opening,
            // Other connections of its agency wait for the same list.
            _ if list.is_some_and(|agency| self.service.is_told_to_many(agency)) => {
                SHORTEST.min(idle_timeout)
            }
            _ => idle_timeout,
        })
    }

    /// Returns how long a first byte, a line of text or a handshake may take: less, the fewer places are left.
    pub(super) fn opening_timeout(&self) -> Duration {
        let (idle_timeout, most) = (self.limits.idle_timeout, self.limits.max_connections);
        let free = most.saturating_sub(self.connections.len());
        let part = (2 * free) as f64 / most as f64;
        let shortest = SHORTEST.min(idle_timeout);
        idle_timeout.mul_f64(part.min(1.0)).max(shortest)
    }
}

impl<S: Stream, R: Store> Hub<S, R> {
    /// Makes room if all connections together buffer too much: frees what is not used, then closes the connections
    /// whose bytes have waited the longest, until a quarter of the bound is free again.
    ///
    /// What is left then belongs to connections that are served or wait for the store. If that is still too much, those
    /// that hold the most are closed: otherwise no other connection would get a buffer.
    pub(super) fn relieve(&mut self) {
        if self.connections.buffered() <= self.limits.max_buffered {
            return;
        }
        for slot in 0..self.connections.slots() {
            self.connections.change(slot, Connection::release);
        }
        self.evict_first(Connection::keeps_waiting);
        if self.connections.buffered() > self.limits.max_buffered {
            self.evict_first(|connection| Some(Reverse(connection.buffered())));
        }
    }

    /// Closes the connections with the smallest keys, until a quarter of the bound is free.
    fn evict_first<K: Ord>(&mut self, key: impl Fn(&Connection<S>) -> Option<K>) {
        let buffering = |(_, connection): &(usize, &Connection<S>)| {
            !connection.is_closed() && connection.buffered() > 0
        };
        let keyed = |(slot, connection)| Some((key(connection)?, slot));
        let all = self.connections.iter().filter(buffering);
        let mut first: Vec<_> = all.filter_map(keyed).collect();
        first.sort_unstable();
        for (_, slot) in first {
            if self.connections.buffered() <= self.limits.max_buffered / 4 * 3 {
                break;
            }
            self.connections.change(slot, Connection::evict);
            self.enqueue(slot);
        }
    }
}
