//! The memory of all buffers together, and what gives way where it is too much.

use std::cmp::Reverse;

use super::Hub;
use crate::connection::Connection;
use crate::store::Store;
use crate::stream::Stream;

impl<S: Stream, D: Store> Hub<S, D> {
    /// Where all connections together buffer too much: frees what is not used, then closes those that keep
    /// bytes here longest, until a quarter of the bound is free again.
    ///
    /// Where too much is left, all of it is of connections that are served or wait for the store. Then those that hold
    /// the most are closed: else nobody else would get a buffer.
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
