//! What the connections of both ports have in common: a peer's stream, and the slots that connections are kept in.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::Duration;

use slab::Slab;
use socket2::{SockRef, TcpKeepalive};

/// A non-blocking stream: a read or a write that would have to wait gives
/// [`WouldBlock`](io::ErrorKind::WouldBlock) instead. Real ones are TCP streams; tests drive the loop with simulated ones.
pub trait Stream: Read + Write {
    /// Says that no more bytes will come; the peer may still send.
    ///
    /// # Errors
    /// The stream is not connected any more.
    fn shutdown_write(&self) -> io::Result<()>;

    /// Returns why the stream failed, if it did.
    ///
    /// # Errors
    /// The system does not say.
    fn take_error(&self) -> io::Result<Option<io::Error>>;
}

/// A stream of either kind: over TCP, or through a Unix socket of this machine.
pub enum Socket<T, U> {
    /// Over TCP.
    Tcp(T),
    /// Through a Unix socket.
    Unix(U),
}

impl<T: Read, U: Read> Read for Socket<T, U> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl<T: Write, U: Write> Write for Socket<T, U> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
        }
    }
}

/// Finds a peer that vanished while it was waited for, after a minute.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// Sets the options that every stream over TCP needs: on the stream, or on the socket that listens for it.
///
/// # Errors
/// The system refuses.
pub fn set_up<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    let socket = socket.into();
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)
}

/// Lets a stream over TCP fail once sent bytes have not been acknowledged by the peer's system for so long. While none
/// are on their way, keepalive finds a peer that vanished.
///
/// # Errors
/// The system refuses.
pub fn bound_unacknowledged<'s>(socket: impl Into<SockRef<'s>>, time: Duration) -> io::Result<()> {
    socket.into().set_tcp_user_timeout(Some(time))
}

/// Connections by their slots, and the queue of those that are ready.
///
/// A slot is a small number, from which the poll's token of the connection's stream is made. It is used again once its
/// connection was removed. So a connection is removed when its turn is over, or while it is not queued: then neither an
/// event of this turn nor the queue refers to its slot.
///
/// ```text
///           queue                take_next              release
/// idle -----------> in the queue ----------> in its turn -------> idle
///   '---------------------------------------^
///                    claim
/// ```
pub struct Slots<T> {
    slab: Slab<Slot<T>>,
    /// Slots of connections that are ready, each once, in the order of their turns.
    ready: VecDeque<usize>,
}

struct Slot<T> {
    value: T,
    /// It is in the queue or in its turn.
    queued: bool,
}

impl<T> Slots<T> {
    /// Begins with no slot filled.
    pub fn new() -> Self {
        Self {
            slab: Slab::new(),
            ready: VecDeque::new(),
        }
    }

    /// Returns how many slots are filled.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Returns whether no slot is filled.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// Returns a number that is larger than every slot.
    pub fn bound(&self) -> usize {
        self.slab.capacity()
    }

    /// Returns the slot that the next [`insert`](Self::insert) fills.
    pub fn next_slot(&self) -> usize {
        self.slab.vacant_key()
    }

    /// Fills the next slot, which is not queued yet, and returns it.
    pub fn insert(&mut self, value: T) -> usize {
        let queued = false;
        self.slab.insert(Slot { value, queued })
    }

    /// Returns what is in a slot, if it is filled.
    pub fn get(&self, slot: usize) -> Option<&T> {
        self.slab.get(slot).map(|slot| &slot.value)
    }

    /// Returns what is in a slot, if it is filled, to be changed.
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut T> {
        self.slab.get_mut(slot).map(|slot| &mut slot.value)
    }

    /// Returns all filled slots, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.slab.iter().map(|(at, slot)| (at, &slot.value))
    }

    /// Returns the filled slots that are neither in the queue nor in their turn.
    pub fn idle(&self) -> impl Iterator<Item = (usize, &T)> {
        let idle = self.slab.iter().filter(|(_, slot)| !slot.queued);
        idle.map(|(at, slot)| (at, &slot.value))
    }

    /// Empties a slot, if it is filled.
    pub fn remove(&mut self, slot: usize) -> Option<T> {
        self.slab.try_remove(slot).map(|slot| slot.value)
    }

    /// Gives back the memory of empty slots if most are empty. Returns whether it did.
    pub fn shrink(&mut self) -> bool {
        let is_sparse = self.slab.len() < self.slab.capacity() / 4;
        if is_sparse {
            self.slab.shrink_to_fit();
        }
        is_sparse
    }

    /// Returns how many slots are in the queue.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Returns what is in the slots of the queue, in the order of their turns.
    pub fn iter_ready(&self) -> impl Iterator<Item = &T> {
        self.ready.iter().filter_map(|slot| self.get(*slot))
    }

    /// Returns whether a slot is neither in the queue nor in its turn.
    pub fn is_idle(&self, slot: usize) -> bool {
        self.slab.get(slot).is_some_and(|slot| !slot.queued)
    }

    /// Puts an idle slot at the end of the queue. Returns whether it was idle.
    pub fn queue(&mut self, slot: usize) -> bool {
        let was_idle = self.claim(slot);
        if was_idle {
            self.ready.push_back(slot);
        }
        was_idle
    }

    /// Begins the turn of an idle slot at once, without the queue. Returns whether it was idle.
    pub fn claim(&mut self, slot: usize) -> bool {
        let slot = self.slab.get_mut(slot);
        slot.is_some_and(|slot| !std::mem::replace(&mut slot.queued, true))
    }

    /// Takes the first slot out of the queue and begins its turn, until it is [released](Self::release).
    pub fn take_next(&mut self) -> Option<usize> {
        loop {
            let slot = self.ready.pop_front()?;
            if self.slab.contains(slot) {
                return Some(slot);
            }
        }
    }

    /// Ends the turn of a slot: it is idle.
    pub fn release(&mut self, slot: usize) {
        if let Some(slot) = self.slab.get_mut(slot) {
            slot.queued = false;
        }
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_queued_once_until_its_turn_is_over_and_turns_come_in_order() {
        let mut slots = Slots::new();
        for name in ["a", "b", "c"] {
            let slot = slots.next_slot();
            assert_eq!(slots.insert(name), slot);
        }
        assert!(slots.queue(2) && slots.queue(0));
        assert!(!slots.queue(2), "it is queued already");
        assert!(!slots.queue(7), "the slot is empty");
        let idle: Vec<_> = slots.idle().collect();
        assert_eq!((idle, slots.ready()), (vec![(1, &"b")], 2));

        assert_eq!(slots.take_next(), Some(2));
        assert!(!slots.queue(2), "it is in its turn");
        assert!(slots.claim(1) && !slots.claim(1) && !slots.queue(1));
        slots.release(2);
        assert!(slots.queue(2));
        assert_eq!((slots.take_next(), slots.take_next()), (Some(0), Some(2)));
        assert_eq!(slots.take_next(), None);
    }

    #[test]
    fn an_empty_slot_has_no_turn_and_is_filled_again() {
        let mut slots = Slots::new();
        let (first, second) = (slots.insert("a"), slots.insert("b"));
        assert!(slots.queue(first) && slots.queue(second));
        assert_eq!(slots.remove(first), Some("a"));
        assert_eq!((slots.remove(first), slots.get(first)), (None, None));
        assert_eq!(slots.take_next(), Some(second));
        assert_eq!(slots.insert("c"), first);
        assert_eq!(slots.iter().count(), slots.len());
        assert!(slots.queue(first), "the new one is idle");
    }
}
