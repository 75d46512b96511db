//! All connections by their slots, and what follows from their states: who waits for what, and what all buffer together.
//!
//! Every change of a connection goes through [`Connections::change`], which keeps index and sums right: nothing of a
//! connection's state is noted a second time.

use std::collections::BTreeSet;

use frame::Agency;
use slab::Slab;

use crate::connection::{Awaited, Connection};
use crate::store::Ticket;
use crate::stream::Stream;

/// All connections.
pub(super) struct Connections<S> {
    slab: Slab<Entry<S>>,
    /// Who waits for what.
    waiting: BTreeSet<(Awaited, usize)>,
    /// How many of them wait for the draw.
    held: usize,
    /// Bytes that the buffers of all connections hold.
    buffered: usize,
    /// How many are [verified](Connection::is_verified).
    verified: usize,
}

/// A connection in its slot.
pub(super) struct Entry<S> {
    pub(super) connection: Connection<S>,
    /// It is in the ready queue, or is sent to at the end of this turn.
    pub(super) queued: bool,
    /// When it was accepted, in ticks since the first one was.
    pub(super) accepted: u32,
}

impl<S: Stream> Connections<S> {
    pub(super) fn new() -> Self {
        Self {
            slab: Slab::new(),
            waiting: BTreeSet::new(),
            held: 0,
            buffered: 0,
            verified: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// All slots are below this one.
    pub(super) fn slots(&self) -> usize {
        self.slab.capacity()
    }

    /// The slot that the next one gets.
    pub(super) fn next_slot(&self) -> usize {
        self.slab.vacant_key()
    }

    /// Takes in a new one, which waits for nothing and buffers nothing.
    pub(super) fn insert(&mut self, connection: Connection<S>, accepted: u32) {
        self.slab.insert(Entry {
            connection,
            queued: false,
            accepted,
        });
    }

    /// The connection in this slot, if there is one.
    pub(super) fn get(&self, slot: usize) -> Option<&Entry<S>> {
        self.slab.get(slot)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Connection<S>)> {
        let entries = self.slab.iter();
        entries.map(|(slot, entry)| (slot, &entry.connection))
    }

    /// Sets the bits that an event brings; says whether there is a connection.
    pub(super) fn mark(&mut self, slot: usize, readable: bool, writable: bool, dead: bool) -> bool {
        let entry = self.slab.get_mut(slot);
        entry
            .map(|entry| entry.connection.mark(readable, writable, dead))
            .is_some()
    }

    /// Notes that a connection is queued; says whether it was not.
    pub(super) fn queue(&mut self, slot: usize) -> bool {
        let entry = self.slab.get_mut(slot);
        entry.is_some_and(|entry| !std::mem::replace(&mut entry.queued, true))
    }

    /// A connection is queued no longer.
    pub(super) fn unqueue(&mut self, slot: usize) {
        if let Some(entry) = self.slab.get_mut(slot) {
            entry.queued = false;
        }
    }

    /// Changes the connection in this slot, if there is one.
    pub(super) fn change<R>(
        &mut self,
        slot: usize,
        change: impl FnOnce(&mut Connection<S>) -> R,
    ) -> Option<R> {
        let connection = &mut self.slab.get_mut(slot)?.connection;
        let before = Counted::of(connection);
        let result = change(connection);
        let after = Counted::of(connection);
        self.recount(slot, before, after);
        Some(result)
    }

    /// Takes out the connection in this slot, if there is one.
    pub(super) fn remove(&mut self, slot: usize) -> Option<Connection<S>> {
        let Entry { connection, .. } = self.slab.try_remove(slot)?;
        self.recount(slot, Counted::of(&connection), Counted::default());
        Some(connection)
    }

    fn recount(&mut self, slot: usize, before: Counted, after: Counted) {
        self.buffered = self.buffered - before.buffered + after.buffered;
        self.verified = self.verified - before.verified + after.verified;
        if before.awaits == after.awaits {
            return;
        }
        if let Some(awaited) = before.awaits {
            self.waiting.remove(&(awaited, slot));
            self.held -= usize::from(awaited.is_draw());
        }
        if let Some(awaited) = after.awaits {
            self.waiting.insert((awaited, slot));
            self.held += usize::from(awaited.is_draw());
        }
    }

    /// After many connections have gone, gives the memory of their slots back. Says whether it did.
    pub(super) fn shrink(&mut self) -> bool {
        let is_sparse = self.slab.len() < self.slab.capacity() / 4;
        if is_sparse {
            self.slab.shrink_to_fit();
        }
        is_sparse
    }

    /// Bytes that the buffers of all connections hold.
    pub(super) fn buffered(&self) -> usize {
        self.buffered
    }

    /// How many are verified.
    pub(super) fn verified(&self) -> usize {
        self.verified
    }

    /// How many wait for the draw.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// The next slot that waits for this commit, or for one before it.
    pub(super) fn next_committed(&self, done: Ticket) -> Option<usize> {
        let &(awaited, slot) = self.waiting.first()?;
        (awaited <= Awaited::Commit(done)).then_some(slot)
    }

    /// The slots that wait for this agency to be read.
    pub(super) fn reading(&self, agency: Agency) -> Vec<usize> {
        let read = Awaited::Read(agency);
        let waiting = self.waiting.range((read, 0)..=(read, usize::MAX));
        waiting.map(|(_, slot)| *slot).collect()
    }

    /// The slots whose queries wait for the draw and have numbers up to this one.
    pub(super) fn held_until(&self, last: u64) -> Vec<usize> {
        let waiting = self.waiting.iter().rev();
        let held = waiting.map_while(|&(awaited, slot)| match awaited {
            Awaited::Draw(_, number) => Some((number, slot)),
            Awaited::Commit(_) | Awaited::Read(_) => None,
        });
        let old = held.filter(|(number, _)| *number <= last);
        old.map(|(_, slot)| slot).collect()
    }

    /// The slot with the oldest query of this agency that waits for the draw.
    pub(super) fn longest_held(&self, agency: Agency) -> Option<usize> {
        let mut held = self.waiting.range((Awaited::Draw(agency, 0), 0)..);
        match held.next() {
            Some(&(Awaited::Draw(of, _), slot)) if of == agency => Some(slot),
            _ => None,
        }
    }
}

/// What of a connection is counted over all.
#[derive(Default)]
struct Counted {
    awaits: Option<Awaited>,
    buffered: usize,
    verified: usize,
}

impl Counted {
    fn of<S: Stream>(connection: &Connection<S>) -> Self {
        Self {
            awaits: connection.awaits(),
            // The buffers of one that is closed go with it at the end of the turn.
            buffered: match connection.is_closed() {
                true => 0,
                false => connection.buffered(),
            },
            verified: usize::from(connection.is_verified()),
        }
    }
}
