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

use crate::codec::{Frame, append_winners_around, set_id};
use crate::digest::{LANES, md5_many};
use crate::layout::HEADER;
use crate::message::{Documents, MessageId, Reply, Request, Winners};

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
    /// A list that is not copied, sent at its place among `bytes`.
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

    /// Creates an empty outbox of the same bound. Allocates nothing yet.
    #[must_use]
    pub fn with_same_bound(&self) -> Self {
        Self::new(self.bound as usize)
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
        self.share(at, list);
    }

    fn share(&mut self, at: usize, list: &Arc<Vec<u8>>) {
        self.shared = Some(Box::new(Shared {
            at,
            list: Arc::clone(list),
            sent: 0,
        }));
    }

    /// Appends `bytes` of another protocol, which are no frame, and then the bytes `behind`. `bytes` are shared where there
    /// are [`SHARED`](Self::SHARED) or more and nothing else is shared; else they are copied.
    ///
    /// # Panics
    /// `behind` is empty.
    pub fn append_shared(&mut self, bytes: &Arc<Vec<u8>>, behind: &[u8]) {
        assert!(!behind.is_empty(), "what is shared has bytes behind it");
        match bytes.len() < Self::SHARED || self.shared.is_some() {
            true => self.append(bytes),
            false => self.share(self.bytes.len(), bytes),
        }
        self.append(behind);
    }

    /// Returns whether a part of a shared list waits.
    pub fn has_shared(&self) -> bool {
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

    /// Moves all that waits in another outbox behind what waits here. No list is shared there.
    pub fn take_from(&mut self, other: &mut Self) {
        debug_assert!(!other.has_shared(), "a list would be copied");
        self.bytes.extend_from_slice(&other.bytes[other.sent()..]);
        other.clear();
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

    /// Removes so many of the [first](Self::first) bytes: they were sent.
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
        self.has_room_beside(0)
    }

    /// Returns whether another message may be appended where so many bytes wait elsewhere to be
    /// [moved](Self::take_from) here.
    pub fn has_room_beside(&self, others: usize) -> bool {
        self.waiting() + others < self.bound as usize
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

    /// Replaces all replies after the first `count` waiting bytes by one reply; these bytes reach beyond a shared list, where
    /// there is one. It answers the request that the first replaced reply answers. Where there are none, nothing changes.
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

/// Several requests that are appended to an outbox together, so that their ids are computed together.
///
/// ```text
/// begin         starts[1]     starts[2]
/// +-------------+-------------+-------------+
/// | 0 | payload | 0 | payload | 0 | payload |   the ids are zeros until `finish`
/// +-------------+-------------+-------------+
/// ```
///
/// They are part of the outbox once [`finish`](Self::finish) was called; if it is never called, for example after an error,
/// they are removed.
#[derive(Debug)]
pub struct Requests<'o> {
    out: &'o mut Vec<u8>,
    /// Where the first of these requests begins.
    begin: usize,
    /// Requests may be added while `out` is shorter than this.
    limit: usize,
    /// Where each request begins.
    starts: [usize; LANES],
    count: usize,
}

impl<'o> Requests<'o> {
    /// The most requests that can be added, in any case.
    pub const MAX: usize = LANES;

    /// Begins without requests; they will be appended to `out` while it is shorter than `limit`.
    fn new(out: &'o mut Vec<u8>, limit: usize) -> Self {
        Self {
            begin: out.len(),
            out,
            limit,
            starts: [0; LANES],
            count: 0,
        }
    }

    /// Returns whether another request may be added: there are fewer than [`MAX`](Self::MAX), and the outbox has room.
    pub fn has_room(&self) -> bool {
        self.count < LANES && self.out.len() < self.limit
    }

    /// Adds a request.
    ///
    /// # Panics
    /// There are [`MAX`](Self::MAX) already.
    pub fn push(&mut self, request: &Request<'_>) {
        self.starts[self.count] = self.out.len();
        self.count += 1;
        request.encode_without_id(self.out);
    }

    /// Computes and writes the ids; returns them in the order of the requests.
    pub fn finish(mut self) -> impl ExactSizeIterator<Item = MessageId> + use<> {
        let starts = &self.starts[..self.count];
        let mut payloads: [&[u8]; LANES] = [&[]; LANES];
        for (i, start) in starts.iter().enumerate() {
            let end = starts.get(i + 1).copied().unwrap_or(self.out.len());
            payloads[i] = &self.out[start + HEADER..end];
        }
        let mut digests = [[0; 16]; LANES];
        md5_many(&payloads[..self.count], &mut digests[..self.count]);
        let ids = digests.map(MessageId);
        for (start, id) in starts.iter().zip(ids) {
            set_id(&mut self.out[*start..], id);
        }
        self.begin = self.out.len();
        ids.into_iter().take(self.count)
    }
}

impl Drop for Requests<'_> {
    fn drop(&mut self) {
        self.out.truncate(self.begin);
    }
}
