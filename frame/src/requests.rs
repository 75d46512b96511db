//! Several requests that are appended to an outbox together, so that their ids are computed together.
//!
//! ```text
//! begin         starts[1]     starts[2]
//! +-------------+-------------+-------------+
//! | 0 | payload | 0 | payload | 0 | payload |   the ids are zeros until `finish`
//! +-------------+-------------+-------------+
//! ```

use crate::codec::set_id;
use crate::digest::{LANES, md5_many};
use crate::layout::HEADER;
use crate::message::{MessageId, Request};

/// Requests whose ids are not computed yet. They are part of the outbox once [`finish`](Self::finish) was called; if it
/// is never called, for example after an error, they are removed.
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
    pub(crate) fn new(out: &'o mut Vec<u8>, limit: usize) -> Self {
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
