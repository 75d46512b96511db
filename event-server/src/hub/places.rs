//! The places for connections: how many there are, and who gives way where the last ones are taken.

use std::time::{Duration, Instant};

use super::Hub;
use crate::connection::{Connection, Rank};
use crate::store::Store;
use crate::stream::Stream;

/// How long somebody must have been silent to give way. What a peer says first comes with its connection or right after
/// it; later it may wait for a reply on its way, or a handshake for its next message.
const fn patience(rank: Rank) -> Duration {
    Duration::from_millis(match rank {
        Rank::Silent => 100,
        Rank::Opening | Rank::Idle | Rank::Owing => 500,
    })
}

/// Where TLS is spoken, one part in so many of the places is for peers whose certificate was verified.
const VERIFIED_PART: usize = 16;

/// At least so many places are, up to half of them all.
const VERIFIED_LEAST: usize = 8;

/// The shortest time for a first byte or a handshake, however few places are left; and for taking some of a long list
/// that others wait for, too.
const SHORTEST: Duration = Duration::from_secs(1);

impl<S: Stream, D: Store> Hub<S, D> {
    /// Whether another connection may be taken: there is a free place, or a silent connection gives way.
    pub fn has_room(&self, now: Instant) -> bool {
        self.room_at(now).is_some_and(|at| at <= now)
    }

    /// When another connection may be taken, as things are; `None` where nobody gives way.
    pub fn room_at(&self, now: Instant) -> Option<Instant> {
        if self.has_free_place() {
            return Some(now);
        }
        self.longest_silent().map(|(_, at)| at).min()
    }

    /// Closes the connection that has been silent the longest, where no place is free and one gives way. Its slot is
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

    /// Whether a new agency would have to wait until somebody goes.
    pub(super) fn is_full(&self) -> bool {
        !self.has_free_place() && self.longest_silent().next().is_none()
    }

    fn has_free_place(&self) -> bool {
        let taken = self.connections.len();
        taken < self.limits.max_connections && !self.is_closed_to_strangers()
    }

    /// Whether no peer may come any more that has still to show its certificate: the rest is for those that have.
    fn is_closed_to_strangers(&self) -> bool {
        let most = self.limits.max_connections;
        let verified = (most / VERIFIED_PART).max(VERIFIED_LEAST).min(most / 2);
        self.acceptor.is_some()
            && self.connections.len() - self.connections.verified() >= most - verified
    }

    /// Who gives way, in this order, and from when on: of each rank the one that has been silent the longest.
    fn longest_silent(&self) -> impl Iterator<Item = (usize, Instant)> {
        let ranks: &[Rank] = match self.is_closed_to_strangers() {
            true => &[Rank::Silent, Rank::Opening],
            false => &Rank::ALL,
        };
        ranks.iter().filter_map(|&rank| {
            let slot = self.silence.longest(rank)?;
            let since = self.connections.get(slot)?.connection.silent_since();
            Some((slot, since + patience(rank)))
        })
    }

    /// At the end of a turn: notes how a connection stands that does not move any more.
    pub(super) fn fall_silent(&mut self, slot: usize) {
        let Some(entry) = self.connections.get(slot) else {
            return;
        };
        match entry.connection.rank() {
            Some(rank) => self.silence.begin(slot, rank),
            None => self.silence.end(slot),
        }
    }

    /// How long the peer of this slot may let the central wait; `opening` until its frames are served.
    pub(super) fn timeout(&self, slot: usize, opening: Duration) -> Option<Duration> {
        let connection = &self.connections.get(slot)?.connection;
        let idle_timeout = self.limits.idle_timeout;
        let list = connection.is_told_list();
        Some(match connection.rank() {
            Some(Rank::Silent | Rank::Opening) => opening,
            // Others of its agency wait to be told the same list.
            _ if list.is_some_and(|agency| self.service.is_told_to_many(agency)) => {
                SHORTEST.min(idle_timeout)
            }
            _ => idle_timeout,
        })
    }

    /// How long a first byte, a line of text or a handshake may take: less, the fewer places are left.
    pub(super) fn opening_timeout(&self) -> Duration {
        let (idle_timeout, most) = (self.limits.idle_timeout, self.limits.max_connections);
        let free = most.saturating_sub(self.connections.len());
        let part = (2 * free) as f64 / most as f64;
        let shortest = SHORTEST.min(idle_timeout);
        idle_timeout.mul_f64(part.min(1.0)).max(shortest)
    }
}
