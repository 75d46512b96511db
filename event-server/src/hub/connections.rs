//! All connections by their slots, and what follows from their states: who waits for what, and what all buffer together.
//!
//! Every change of a connection goes through [`Connections::change`], which keeps index and sums right. No other place keeps a
//! part of a connection's state.

use std::collections::BTreeSet;

use frame::Agency;

use crate::connection::{Awaited, Connection};
use crate::net::{Slots, Stream};
use crate::store::Ticket;

/// All connections.
pub(super) struct Connections<S> {
    slots: Slots<Connection<S>>,
    /// What each connection waits for, with its slot.
    waiting: BTreeSet<(Awaited, usize)>,
    /// How many connections wait for the draw.
    held: usize,
    /// Bytes that the buffers of all connections hold.
    buffered: usize,
    /// How many connections are [verified](Connection::is_verified).
    verified: usize,
}

impl<S: Stream> Connections<S> {
    pub(super) fn new() -> Self {
        Self {
            slots: Slots::new(),
            waiting: BTreeSet::new(),
            held: 0,
            buffered: 0,
            verified: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns a number that is larger than every slot.
    pub(super) fn slots(&self) -> usize {
        self.slots.bound()
    }

    /// Returns the slot that the next connection gets.
    pub(super) fn next_slot(&self) -> usize {
        self.slots.next_slot()
    }

    /// Adds a connection, which waits for nothing and buffers nothing.
    pub(super) fn insert(&mut self, connection: Connection<S>) {
        self.slots.insert(connection);
    }

    /// Returns the connection in this slot, if there is one.
    pub(super) fn get(&self, slot: usize) -> Option<&Connection<S>> {
        self.slots.get(slot)
    }

    /// Returns all connections with their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Connection<S>)> {
        self.slots.iter()
    }

    /// Sets the bits that an event brings. Returns whether there is a connection.
    pub(super) fn mark(&mut self, slot: usize, readable: bool, writable: bool, dead: bool) -> bool {
        let connection = self.slots.get_mut(slot);
        connection
            .map(|connection| connection.mark(readable, writable, dead))
            .is_some()
    }

    /// Returns how many connections are in the ready queue.
    pub(super) fn ready(&self) -> usize {
        self.slots.ready()
    }

    /// Returns the connections of the ready queue, in their order.
    pub(super) fn iter_ready(&self) -> impl Iterator<Item = &Connection<S>> {
        self.slots.iter_ready()
    }

    /// Returns whether a connection is neither in the ready queue nor in its turn.
    pub(super) fn is_idle(&self, slot: usize) -> bool {
        self.slots.is_idle(slot)
    }

    /// Puts a connection into the ready queue. Returns whether it was neither there nor in its turn.
    pub(super) fn queue(&mut self, slot: usize) -> bool {
        self.slots.queue(slot)
    }

    /// Begins the turn of a connection at once. Returns whether it was neither in the queue nor in its turn.
    pub(super) fn claim(&mut self, slot: usize) -> bool {
        self.slots.claim(slot)
    }

    /// Begins the turn of the next connection of the ready queue.
    pub(super) fn take_next(&mut self) -> Option<usize> {
        self.slots.take_next()
    }

    /// Ends the turn of a connection.
    pub(super) fn release(&mut self, slot: usize) {
        self.slots.release(slot);
    }

    /// Changes the connection in this slot, if there is one.
    pub(super) fn change<R>(
        &mut self,
        slot: usize,
        change: impl FnOnce(&mut Connection<S>) -> R,
    ) -> Option<R> {
        let connection = self.slots.get_mut(slot)?;
        let before = Contribution::of(connection);
        let result = change(connection);
        let after = Contribution::of(connection);
        self.recount(slot, before, after);
        Some(result)
    }

    /// Removes the connection in this slot, if there is one.
    pub(super) fn remove(&mut self, slot: usize) -> Option<Connection<S>> {
        let connection = self.slots.remove(slot)?;
        self.recount(slot, Contribution::of(&connection), Contribution::default());
        Some(connection)
    }

    fn recount(&mut self, slot: usize, before: Contribution, after: Contribution) {
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

    /// Gives back the memory of slots after many connections have gone. Returns whether it did.
    pub(super) fn shrink(&mut self) -> bool {
        self.slots.shrink()
    }

    /// Returns the bytes that the buffers of all connections hold.
    pub(super) fn buffered(&self) -> usize {
        self.buffered
    }

    /// Returns how many are verified.
    pub(super) fn verified(&self) -> usize {
        self.verified
    }

    /// Returns how many wait for the draw.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Returns the next slot that waits for this commit, or for one before it in the same session.
    pub(super) fn next_committed(&self, done: Ticket) -> Option<usize> {
        let first = Awaited::Commit(Ticket::first(done.session));
        let mut waiting = (self.waiting).range((first, 0)..=(Awaited::Commit(done), usize::MAX));
        waiting.next().map(|&(_, slot)| slot)
    }

    /// Returns the slots that wait for this agency to be read.
    pub(super) fn reading(&self, agency: Agency) -> Vec<usize> {
        let read = Awaited::Read(agency);
        let waiting = self.waiting.range((read, 0)..=(read, usize::MAX));
        waiting.map(|(_, slot)| *slot).collect()
    }

    /// Returns the slots whose queries wait for the draw and have numbers up to this one.
    pub(super) fn held_until(&self, last: u64) -> Vec<usize> {
        let waiting = self.waiting.iter().rev();
        let held = waiting.map_while(|&(awaited, slot)| match awaited {
            Awaited::Draw(_, number) => Some((number, slot)),
            Awaited::Commit(_) | Awaited::Read(_) => None,
        });
        let old = held.filter(|(number, _)| *number <= last);
        old.map(|(_, slot)| slot).collect()
    }

    /// Returns the slot with the oldest query of this agency that waits for the draw.
    pub(super) fn longest_held(&self, agency: Agency) -> Option<usize> {
        let mut held = self.waiting.range((Awaited::Draw(agency, 0), 0)..);
        match held.next() {
            Some(&(Awaited::Draw(of, _), slot)) if of == agency => Some(slot),
            _ => None,
        }
    }
}

/// What a connection adds to the index and to the sums.
#[derive(Default)]
struct Contribution {
    awaits: Option<Awaited>,
    buffered: usize,
    verified: usize,
}

impl Contribution {
    fn of<S: Stream>(connection: &Connection<S>) -> Self {
        Self {
            awaits: connection.awaits(),
            // The buffers of a closed connection are freed with it at the end of the turn.
            buffered: match connection.is_closed() {
                true => 0,
                false => connection.buffered(),
            },
            verified: usize::from(connection.is_verified()),
        }
    }
}
