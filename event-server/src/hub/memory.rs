//! The memory of all buffers together, and what gives way where it is too much.

use std::cmp::Reverse;

use super::{Entry, Hub};
use crate::store::Store;
use crate::stream::Stream;

impl<S: Stream, D: Store> Hub<S, D> {
    /// Brings the sum of what is buffered up to date.
    pub(super) fn account(&mut self, slot: usize) {
        if let Some(entry) = self.connections.get_mut(slot) {
            let buffered = entry.connection.buffered();
            self.buffered = self.buffered - entry.buffered + buffered;
            entry.buffered = buffered;
        }
    }

    /// Where all connections together buffer too much: frees what is not used, then closes those that keep
    /// bytes here longest, until a quarter of the bound is free again.
    ///
    /// Where too much is left, all of it is of connections that are served or wait for the store. Then those that hold
    /// the most are closed: else nobody else would get a buffer.
    pub(super) fn relieve(&mut self) {
        if self.buffered <= self.limits.max_buffered {
            return;
        }
        for slot in 0..self.connections.capacity() {
            if let Some(entry) = self.connections.get_mut(slot) {
                entry.connection.release();
                self.account(slot);
            }
        }
        self.evict_first(|entry| entry.connection.keeps_waiting());
        if self.buffered > self.limits.max_buffered {
            self.evict_first(|entry| (entry.buffered > 0).then_some(Reverse(entry.buffered)));
        }
    }

    /// Closes the connections with the smallest keys, until a quarter of the bound is free.
    fn evict_first<K: Ord>(&mut self, key: impl Fn(&Entry<S>) -> Option<K>) {
        let keyed = |(slot, entry): (usize, &Entry<S>)| Some((key(entry)?, slot));
        let mut first: Vec<_> = self.connections.iter().filter_map(keyed).collect();
        first.sort_unstable();
        for (_, slot) in first {
            if self.buffered <= self.limits.max_buffered / 4 * 3 {
                break;
            }
            if let Some(entry) = self.connections.get_mut(slot)
                && entry.buffered > 0
            {
                entry.connection.evict();
                self.buffered -= std::mem::take(&mut entry.buffered);
                self.enqueue(slot);
            }
        }
    }
}
