//! The memory of all buffers together, and what gives way where it is too much.

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
        let waiting =
            |(slot, entry): (usize, &Entry<S>)| Some((entry.connection.keeps_waiting()?, slot));
        let mut longest: Vec<_> = self.connections.iter().filter_map(waiting).collect();
        longest.sort_unstable();
        for (_, slot) in longest {
            if self.buffered <= self.limits.max_buffered / 4 * 3 {
                break;
            }
            if let Some(entry) = self.connections.get_mut(slot) {
                entry.connection.evict();
                self.buffered -= std::mem::take(&mut entry.buffered);
                self.enqueue(slot);
            }
        }
    }
}
