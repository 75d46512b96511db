//! The output buffer of a stream: frames come in; bytes go out, as many as the stream takes at a time.
//!
//! ```text
//!      sent
//! +----+--------------------+
//! | .. | waiting            |   appended at the end, taken from the front
//! +----+--------------------+
//! ```
//!
//! A long list of winners is not copied: the outbox shares it with whoever made it, and with all other outboxes.
//!
//! ```text
//!      sent      shared.at
//! +----+---------+---------+
//! | .. | waiting | waiting |   the frame around the list, and what comes after it
//! +----+---------+---------+
//!                | list    |   goes out between the two; so much of it was sent
//!                +---------+
//! ```
//!
//! An outbox may exceed its bound by one message: the caller asks [`Outbox::has_room`] and then appends one reply of
//! any size (at most [`MAX_REPLY`](crate::MAX_REPLY)). So a reply is never cut.

use std::io;
use std::sync::Arc;

use crate::codec::{Frame, append_winners_around};
use crate::message::{Documents, MessageId, Reply, Request, Winners};
use crate::requests::Requests;

/// The waiting bytes are moved to the front only where at least this many bytes before them were sent.
const SLACK: usize = 64 * 1024;

/// The largest bound: with a reply on top, what waits can be counted in 32 bits.
const MOST: usize = 2 * 1024 * 1024 * 1024;

/// A buffer between messages and the stream that takes their bytes.
#[derive(Debug)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// The number of bytes at the front that were sent. It is below `bytes.len()`, or both are 0.
    sent: u32,
    bound: u32,
    /// A list that is sent in between.
    shared: Option<Box<Shared>>,
}

/// A list that is not copied.
#[derive(Debug)]
struct Shared {
    /// The bytes before this one go first. It is at least `sent` of the outbox, and below the number of its bytes.
    at: usize,
    list: Arc<Vec<u8>>,
    /// Bytes of the list that were sent: not all.
    sent: usize,
}

impl Shared {
    fn waiting(&self) -> &[u8] {
        &self.list[self.sent..]
    }
}

impl Outbox {
    /// Creates an outbox that has room while fewer than `bound` bytes wait, 2 GiB at most. Allocates nothing yet.
    pub fn new(bound: usize) -> Self {
        Self {
            bytes: Vec::new(),
            sent: 0,
            shared: None,
            bound: bound.min(MOST) as u32,
        }
    }

    fn sent(&self) -> usize {
        self.sent as usize
    }

    /// Appends a reply to the request `id`.
    pub fn reply(&mut self, id: MessageId, reply: &Reply<'_>) {
        reply.encode(id, &mut self.bytes);
    }

    /// Lists of this many bytes and more are shared.
    pub const SHARED: usize = 16 * 1024;

    /// Appends a reply to the winners query `id`: this list, which is not copied where it is long. One long list at a
    /// time is shared; another one after it is copied.
    pub fn winners(&mut self, id: MessageId, list: &Arc<Vec<u8>>) {
        if list.len() < Self::SHARED || self.shared.is_some() {
            let documents = Documents::new(list);
            return self.reply(id, &Reply::Winners(Winners::Drawn(documents)));
        }
        let at = append_winners_around(list.len(), id, &mut self.bytes);
        self.shared = Some(Box::new(Shared {
            at,
            list: Arc::clone(list),
            sent: 0,
        }));
    }

    /// Returns whether a part of a list waits that is shared.
    pub fn shares(&self) -> bool {
        self.shared.is_some()
    }

    /// Appends a request and returns its id.
    pub fn request(&mut self, request: &Request<'_>) -> MessageId {
        request.encode(&mut self.bytes)
    }

    /// Begins to append several requests, whose ids are computed together: that takes less time than one after another.
    pub fn requests(&mut self) -> Requests<'_> {
        let limit = self.sent() + self.bound as usize;
        Requests::new(&mut self.bytes, limit)
    }

    /// Appends bytes that are no frame: a line of text, or a message of another protocol.
    pub fn append(&mut self, bytes: &[u8]) {
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

    /// Calls `write` once with waiting bytes, those that are to be sent first, removes as many of them as it returns, and
    /// returns that number. With nothing waiting, `write` is not called, and the result is `None`. Before and after a list
    /// that is shared not all that waits is handed to `write` at once.
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
        let first = self.first();
        let length = first.len();
        let count = write(first)?;
        assert!(
            count <= length,
            "a writer claims more bytes than it was given"
        );
        self.advance(count);
        Ok(Some(count))
    }

    /// Waiting bytes that lie side by side and are to be sent before all others.
    fn first(&self) -> &[u8] {
        match &self.shared {
            None => &self.bytes[self.sent()..],
            Some(shared) if self.sent() < shared.at => &self.bytes[self.sent()..shared.at],
            Some(shared) => shared.waiting(),
        }
    }

    /// So many of the [first](Self::first) bytes were sent.
    fn advance(&mut self, count: usize) {
        let sent = self.sent();
        match &mut self.shared {
            Some(shared) if sent == shared.at => {
                shared.sent += count;
                if shared.waiting().is_empty() {
                    self.shared = None;
                }
            }
            _ => self.sent += count as u32,
        }
        let sent = self.sent();
        if sent == self.bytes.len() {
            self.clear();
            if self.bytes.capacity() > self.kept() {
                self.release();
            }
        } else if sent >= SLACK.max(self.bytes.len() / 2) {
            self.bytes.drain(..sent);
            if let Some(shared) = &mut self.shared {
                shared.at -= sent;
            }
            self.sent = 0;
        }
    }

    /// The most bytes that stay allocated once all bytes are sent. The memory for many small messages stays; that for a
    /// large message is freed.
    fn kept(&self) -> usize {
        SLACK.max(2 * self.bound as usize)
    }

    /// Returns whether another message may be appended.
    pub fn has_room(&self) -> bool {
        self.waiting() < self.bound as usize
    }

    /// Returns the number of bytes that wait, those of a shared list among them.
    pub fn waiting(&self) -> usize {
        self.bytes.len() - self.sent() + self.waiting_shared()
    }

    fn waiting_shared(&self) -> usize {
        let shared = self.shared.as_ref();
        shared.map_or(0, |shared| shared.waiting().len())
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Puts one reply in the place of all replies behind the first `count` waiting bytes, which end behind a list that is
    /// shared. It answers the request that the first of them answers. Where there are none, nothing changes.
    pub fn replace(&mut self, count: usize, reply: &Reply<'_>) {
        let at = self.sent() + count.saturating_sub(self.waiting_shared());
        let first = self.bytes.get(at..).and_then(Frame::split);
        if let Some(id) = first.map(|frame| frame.id) {
            self.bytes.truncate(at);
            self.reply(id, reply);
        }
    }

    /// Discards the waiting bytes.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
        self.shared = None;
    }

    /// Frees the memory where nothing waits, so that an idle connection holds none.
    pub fn release(&mut self) {
        if self.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Returns the number of bytes that are allocated; a list that is shared is not among them.
    pub fn allocated(&self) -> usize {
        self.bytes.capacity()
    }
}
