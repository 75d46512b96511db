//! The output buffer of a stream: frames come in; bytes go out, as many as the stream takes at a time.
//!
//! ```text
//!      sent
//! +----+--------------------+
//! | .. | waiting            |   appended at the end, taken from the front
//! +----+--------------------+
//! ```
//!
//! An outbox may exceed its bound by one message: the caller asks [`Outbox::has_room`] and then appends one reply of
//! any size (at most [`MAX_REPLY`](crate::MAX_REPLY)). So a reply is never cut.

use std::io;

use crate::message::{MessageId, Reply, Request};
use crate::requests::Requests;

/// The waiting bytes are moved to the front only where at least this many bytes before them were sent.
const SLACK: usize = 64 * 1024;

/// A buffer between messages and the stream that takes their bytes.
#[derive(Debug)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// The number of bytes at the front that were sent. It is below `bytes.len()`, or both are 0.
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

    /// Begins to append several requests, whose ids are computed together: that takes less time than one after another.
    pub fn requests(&mut self) -> Requests<'_> {
        let limit = self.sent + self.bound;
        Requests::new(&mut self.bytes, limit)
    }

    /// Appends bytes that are not a frame: a line of text.
    pub fn text(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Calls `write` with `room` bytes of space behind the waiting bytes, and appends as many of them as it returns.
    /// After an error nothing is appended.
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

    /// Calls `write` once with the waiting bytes, removes as many of them as it returns, and returns that number. With
    /// nothing waiting, `write` is not called, and the result is `None`.
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

    /// The most bytes that stay allocated once all bytes are sent. The memory for many small messages stays; that for a
    /// large message is freed.
    fn kept(&self) -> usize {
        SLACK.max(2 * self.bound)
    }

    /// Whether another message may be appended.
    pub fn has_room(&self) -> bool {
        self.waiting() < self.bound
    }

    /// The number of bytes that wait.
    pub fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Discards the waiting bytes but the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.bytes.truncate(self.sent + count);
        if self.waiting() == 0 {
            self.clear();
        }
    }

    /// Discards the waiting bytes.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
    }

    /// Frees the memory where nothing waits, so that an idle connection holds none.
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
