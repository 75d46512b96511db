//! The partial-write buffer: frames come in, bytes go out as the stream takes them.
//!
//! ```text
//!      sent
//! +----+--------------------+
//! | .. | not yet taken      |   appended at the end, taken from the front
//! +----+--------------------+
//! ```
//!
//! The bound is soft by one message: whoever fills an outbox asks [`Outbox::has_room`] first and then
//! appends one reply, however large that is (the largest is [`MAX_REPLY`](crate::MAX_REPLY)).

use std::io;

use crate::message::{MessageId, Reply, Request};

/// Below this many taken bytes, moving the rest to the front is not worth it.
const SLACK: usize = 64 * 1024;

/// A buffer between frames and the stream that takes them.
#[derive(Debug)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// `sent <= bytes.len()`; equal only when both are 0.
    sent: usize,
    bound: usize,
}

impl Outbox {
    /// An outbox that has room while fewer than `bound` bytes wait. Allocates nothing yet.
    pub fn new(bound: usize) -> Self {
        Self {
            bytes: Vec::new(),
            sent: 0,
            bound,
        }
    }

    /// Appends a reply to the request `id`.
    pub fn reply(&mut self, id: MessageId, reply: &Reply<'_>) {
        reply.encode(id, &mut self.bytes);
    }

    /// Appends a request and returns its id.
    pub fn request(&mut self, request: &Request<'_>) -> MessageId {
        request.encode(&mut self.bytes)
    }

    /// Appends bytes that are no frame: a line of text.
    pub fn text(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Lets `write` append bytes, into `room` bytes of space; it returns how many it used. After an error nothing
    /// is appended.
    ///
    /// # Errors
    /// Those of `write`.
    pub(crate) fn extend<E>(
        &mut self,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let end = self.bytes.len();
        self.bytes.resize(end + room, 0);
        let written = write(&mut self.bytes[end..]);
        let used = *written.as_ref().unwrap_or(&0);
        self.bytes.truncate(end + used);
        written.map(drop)
    }

    /// Lets `write` take from the waiting bytes, once; returns what it returns. With nothing waiting,
    /// `write` is not called, and the answer is `None`.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn drain(
        &mut self,
        write: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> io::Result<Option<usize>> {
        if self.is_empty() {
            return Ok(None);
        }
        let count = write(&self.bytes[self.sent..])?;
        self.sent += count;
        assert!(
            self.sent <= self.bytes.len(),
            "a writer claims more bytes than it was given"
        );
        if self.sent == self.bytes.len() {
            self.clear();
            if self.bytes.capacity() > self.kept() {
                self.release();
            }
        } else if self.sent >= SLACK.max(self.bytes.len() / 2) {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        Ok(Some(count))
    }

    /// The most memory that is kept for later once all bytes are taken: what small messages grow an outbox to
    /// stays, what a large one took beyond goes.
    fn kept(&self) -> usize {
        SLACK.max(2 * self.bound)
    }

    /// Whether another message may be appended.
    pub fn has_room(&self) -> bool {
        self.waiting() < self.bound
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Throws away what waits.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
    }

    /// Gives the memory back where nothing waits: an idle connection holds none.
    pub fn release(&mut self) {
        if self.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Bytes allocated.
    pub fn allocated(&self) -> usize {
        self.bytes.capacity()
    }
}
