//! The partial-read buffer: bytes come in as a stream gives them, whole frames go out.
//!
//! ```text
//!            start           end
//! +----------+---------------+------------+
//! | consumed | not yet read  | free       |   at most `bound` bytes
//! +----------+---------------+------------+
//!             frame frame fr^ame          the rest of a frame comes with a later fill
//! ```
//!
//! Nothing moves while frames are taken out; a fill moves what is left to the front when it needs the
//! room. It begins small and doubles only when a fill used all of it, so that a slow peer costs little.

use std::io;

use crate::codec::{Frame, LENGTH_FIELD};
use crate::error::FramingError;

/// A bounded buffer between a stream and the frames in it.
#[derive(Debug)]
pub struct Inbox {
    /// All of it is initialised; its length is what is allocated.
    buffer: Vec<u8>,
    /// `start <= end <= buffer.len()`.
    start: usize,
    end: usize,
    /// The last fill alone used half of the buffer, up to its end: the peer is faster than it is large.
    flooded: bool,
    max_length: usize,
    bound: usize,
}

impl Inbox {
    /// Bytes that an inbox allocates first, the bound permitting.
    pub const INITIAL: usize = 4 * 1024;

    /// An inbox for frames of at most `max_length` (as their length field counts) that buffers at most
    /// `bound` bytes, or one largest frame where that is more. Allocates nothing yet.
    pub fn new(max_length: usize, bound: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            flooded: false,
            max_length,
            bound: bound.max(LENGTH_FIELD + max_length),
        }
    }

    /// Lets `read` put bytes into the free space, once; returns what it returns. With no free space left,
    /// `read` is not called, and the answer is `None`: take frames out first.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Option<usize>> {
        if !self.make_room() {
            return Ok(None);
        }
        let count = read(&mut self.buffer[self.end..])?;
        self.end += count;
        assert!(
            self.end <= self.buffer.len(),
            "a reader claims more bytes than it was given room for"
        );
        self.flooded = self.end == self.buffer.len() && count * 2 >= self.end;
        Ok(Some(count))
    }

    /// Whether the next fill would allocate, the bound permitting.
    pub fn needs_memory(&self) -> bool {
        let unread = self.unread().len();
        self.end == self.buffer.len()
            && (self.flooded || unread * 2 > self.buffer.len() || self.buffer.is_empty())
    }

    fn make_room(&mut self) -> bool {
        if self.end == self.buffer.len() {
            let grow = self.needs_memory();
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if grow {
                let size = (self.buffer.len() * 2).clamp(Self::INITIAL.min(self.bound), self.bound);
                // Left to itself, the Vec would double to beyond the bound.
                self.buffer.reserve_exact(size - self.buffer.len());
                self.buffer.resize(size, 0);
            }
        } else if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        self.end < self.buffer.len()
    }

    /// Takes out the next frame; `None` while it is not whole.
    ///
    /// # Errors
    /// The next header announces a length outside the bounds. Nothing behind it can be read.
    pub fn frame(&mut self) -> Result<Option<Frame<'_>>, FramingError> {
        match self.next_size()? {
            Some(size) => {
                let frame = &self.buffer[self.start..self.start + size];
                self.start += size;
                Ok(Frame::split(frame))
            }
            None => Ok(None),
        }
    }

    /// Puts back the frame of this size that was taken out last, before anything else was done: it comes again.
    pub fn put_back(&mut self, size: usize) {
        self.start = self
            .start
            .checked_sub(size)
            .expect("the frame was taken out of this inbox");
    }

    /// Whether [`frame`](Self::frame) has something to say: a whole frame or an error.
    pub fn has_frame(&self) -> bool {
        !matches!(self.next_size(), Ok(None))
    }

    fn next_size(&self) -> Result<Option<usize>, FramingError> {
        Ok(
            Frame::size(self.unread(), self.max_length)?
                .filter(|size| *size <= self.unread().len()),
        )
    }

    /// The bytes that came in and were not taken out.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// What [`unread`](Self::unread) gives, to be decrypted in its place.
    pub(crate) fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }

    /// Takes out so many bytes that are no frame.
    pub(crate) fn skip(&mut self, count: usize) {
        self.start += count;
        assert!(self.start <= self.end, "more is skipped than is unread");
    }

    /// Whether every byte that came in was taken out.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Throws away what is unread.
    pub fn clear(&mut self) {
        self.start = self.end;
    }

    /// Gives the memory back where nothing is unread: an idle connection holds none.
    pub fn release(&mut self) {
        if self.is_empty() {
            self.buffer = Vec::new();
            (self.start, self.end) = (0, 0);
        }
    }

    /// Bytes allocated.
    pub fn allocated(&self) -> usize {
        self.buffer.capacity()
    }
}
