//! The input buffer of a stream: bytes come in, as many as the stream gives at a time; whole frames go out.
//!
//! ```text
//!            start           end
//! +----------+---------------+------------+
//! | consumed | not yet read  | free       |   at most `bound` bytes
//! +----------+---------------+------------+
//!             frame frame fra             the rest of the last frame comes with a later fill
//! ```
//!
//! Taking frames out moves no bytes; a fill moves the unread bytes to the front when it needs the space. The buffer
//! begins small and doubles only when a fill used all of it, so that a slow peer costs little memory.

use std::{io, iter, mem};

use crate::codec::Frame;
use crate::digest::{LANES, md5_many};
use crate::error::FramingError;
use crate::layout::LENGTH_FIELD;
use crate::message::MessageId;

/// A bounded buffer between a stream and the frames in it.
#[derive(Debug)]
pub struct Inbox {
    /// All allocated bytes, so that a stream can read into them; those outside `start..end` have no meaning.
    buffer: Box<[u8]>,
    /// `start <= end <= buffer.len()`.
    start: usize,
    end: usize,
    /// The last fill ended at the end of the buffer and brought at least half of its bytes: the buffer is too small for
    /// this peer.
    flooded: bool,
    /// The MD5s of the frames that begin at `start`.
    digests: Digests,
    /// The largest length field that is accepted.
    max_length: u32,
    /// The most bytes that are allocated.
    bound: u32,
}

impl Inbox {
    /// Bytes that an inbox allocates first, or as many as its bound allows.
    pub const INITIAL: usize = 4 * 1024;

    /// Creates an inbox for frames whose length field is at most `max_length`. It buffers at most `bound` bytes, or one
    /// largest frame where that is more; 4 GiB at most. Allocates nothing yet.
    pub fn new(max_length: usize, bound: usize) -> Self {
        let least = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            buffer: Box::default(),
            start: 0,
            end: 0,
            flooded: false,
            digests: Digests::default(),
            max_length: least(max_length),
            bound: least(bound.max(LENGTH_FIELD + max_length)),
        }
    }

    /// Creates an inbox for bytes that are no frames, such as a head of HTTP: they are taken with [`unread`](Self::unread).
    /// It buffers at most `bound` bytes. Allocates nothing yet.
    pub fn unframed(bound: usize) -> Self {
        Self::new(0, bound)
    }

    /// Calls `read` once with the free space, and returns the number of bytes that it put there. With no free space
    /// left, `read` is not called, and the result is `None`: take frames out first.
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

    /// Returns whether the next fill would allocate, where the bound allows more.
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
                let bound = self.bound as usize;
                let size = (self.buffer.len() * 2).clamp(Self::INITIAL.min(bound), bound);
                let mut buffer = mem::take(&mut self.buffer).into_vec();
                // Without this, the Vec could allocate more than the bound.
                buffer.reserve_exact(size - buffer.len());
                buffer.resize(size, 0);
                self.buffer = buffer.into_boxed_slice();
            }
        } else if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        self.end < self.buffer.len()
    }

    /// Takes out the next frame; `None` while it is not complete.
    ///
    /// # Errors
    /// The length in the next header is outside the bounds. Nothing after it can be read.
    pub fn frame(&mut self) -> Result<Option<Frame<'_>>, FramingError> {
        let Some(size) = self.next_size()? else {
            return Ok(None);
        };
        self.digests.take();
        Ok(self.take(size))
    }

    /// Takes out the next frame, with the MD5 of its payload for [`Request::decode_hashed`]; `None` while it is not
    /// complete. Where the frames after it are complete too, the MD5s of a few of them are computed together, which
    /// takes less time, and kept until these frames are taken out.
    ///
    /// # Errors
    /// Those of [`frame`](Self::frame). The frames before the error are still taken out first.
    ///
    /// [`Request::decode_hashed`]: crate::Request::decode_hashed
    pub fn hashed_frame(&mut self) -> Result<Option<(Frame<'_>, MessageId)>, FramingError> {
        let Some(size) = self.next_size()? else {
            return Ok(None);
        };
        if self.digests.is_empty() {
            let mut rest = &self.buffer[self.start..self.end];
            let max_length = self.max_length as usize;
            let payloads = iter::from_fn(|| {
                let size = Frame::size(rest, max_length).ok()??;
                let (frame, after) = rest.split_at_checked(size)?;
                rest = after;
                Some(Frame::split(frame)?.payload)
            });
            self.digests.compute(payloads);
        }
        let md5 = self.digests.take();
        Ok(self.take(size).zip(md5))
    }

    fn take(&mut self, size: usize) -> Option<Frame<'_>> {
        let frame = &self.buffer[self.start..self.start + size];
        self.start += size;
        Frame::split(frame)
    }

    /// Puts back the frame that was taken out last, of this size in bytes; [`frame`](Self::frame) returns it again.
    /// Nothing else may be done in between.
    pub fn put_back(&mut self, size: usize) {
        self.start = self
            .start
            .checked_sub(size)
            .expect("the frame was taken out of this inbox");
        self.digests.put_back();
    }

    /// Returns whether [`frame`](Self::frame) would return a frame or an error.
    pub fn has_frame(&self) -> bool {
        !matches!(self.next_size(), Ok(None))
    }

    /// Returns the frame that is begun and not whole: how many of its bytes are here, and how many it will have. `None`
    /// where none is begun, where whole frames are in front of it, and where it cannot be read.
    pub fn begun(&self) -> Option<(usize, Option<usize>)> {
        let had = self.unread().len();
        let size = Frame::size(self.unread(), self.max_length as usize).ok()?;
        (had > 0 && size.is_none_or(|size| size > had)).then_some((had, size))
    }

    fn next_size(&self) -> Result<Option<usize>, FramingError> {
        Ok(Frame::size(self.unread(), self.max_length as usize)?
            .filter(|size| *size <= self.unread().len()))
    }

    /// Returns the bytes that came in and were not taken out.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Returns the same bytes as [`unread`](Self::unread), to be decrypted in place.
    pub(crate) fn unread_mut(&mut self) -> &mut [u8] {
        self.digests.clear();
        &mut self.buffer[self.start..self.end]
    }

    /// Takes out `count` bytes, which are not frames.
    ///
    /// # Panics
    /// Fewer bytes are unread.
    pub fn skip(&mut self, count: usize) {
        self.digests.clear();
        self.start += count;
        assert!(self.start <= self.end, "more is skipped than is unread");
    }

    /// Returns whether every byte that came in was taken out.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Discards the unread bytes.
    pub fn clear(&mut self) {
        self.digests.clear();
        self.start = self.end;
    }

    /// Frees the memory where nothing is unread, so that an idle connection holds none.
    pub fn release(&mut self) {
        if self.is_empty() {
            self.buffer = Box::default();
            self.digests = Digests::default();
            (self.start, self.end) = (0, 0);
        }
    }

    /// Returns the number of bytes that are allocated for the buffer.
    pub fn allocated(&self) -> usize {
        self.buffer.len()
    }
}

/// The MD5s of the payloads of the next whole frames, computed together before the first of these frames is taken out; at most
/// [`LANES`], in the order of the stream. In a box: an idle connection has none.
#[derive(Debug, Default)]
struct Digests(Option<Box<Known>>);

#[derive(Debug, Default)]
struct Known {
    digests: [[u8; 16]; LANES],
    /// How many of them are known.
    count: usize,
    /// Those before `next` belong to frames that were taken out; `next <= count`.
    next: usize,
}

impl Digests {
    /// Returns whether the digest of the next frame is not known.
    fn is_empty(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|known| known.next == known.count)
    }

    /// Computes the digests of the next frames, of which these are the payloads; only the first [`LANES`] are used.
    fn compute<'a>(&mut self, payloads: impl Iterator<Item = &'a [u8]>) {
        let mut next: [&[u8]; LANES] = [&[]; LANES];
        let mut count = 0;
        for (place, payload) in next.iter_mut().zip(payloads) {
            *place = payload;
            count += 1;
        }
        let known = self.0.get_or_insert_default();
        (known.count, known.next) = (count, 0);
        md5_many(&next[..count], &mut known.digests[..count]);
    }

    /// Takes out the next frame: returns its digest, where that is known.
    fn take(&mut self) -> Option<MessageId> {
        let known = self.0.as_mut()?;
        if known.next == known.count {
            // So that `put_back` does not find the digest of an earlier frame.
            self.clear();
            return None;
        }
        known.next += 1;
        Some(MessageId(known.digests[known.next - 1]))
    }

    /// Notes that the frame that was taken out last is put back: its digest is the next one again, where that was known.
    fn put_back(&mut self) {
        if let Some(known) = &mut self.0 {
            known.next = known.next.saturating_sub(1);
        }
    }

    /// Forgets all digests: other bytes come next.
    fn clear(&mut self) {
        if let Some(known) = &mut self.0 {
            (known.count, known.next) = (0, 0);
        }
    }
}
