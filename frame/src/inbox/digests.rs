//! The MD5s of the next frames of an inbox, computed together before the first of these frames is taken out.

use crate::digest::{LANES, md5_many};
use crate::message::MessageId;

/// The digests of the next whole frames, at most [`LANES`], in the order of the stream.
#[derive(Debug, Default)]
pub(super) struct Digests {
    digests: Vec<[u8; 16]>,
    /// Those before `next` belong to frames that were taken out; `next <= digests.len()`.
    next: usize,
}

impl Digests {
    /// Whether the digest of the next frame is not known.
    pub(super) fn is_empty(&self) -> bool {
        self.next == self.digests.len()
    }

    /// Computes the digests of the next frames, of which these are the payloads; only the first [`LANES`] are used.
    pub(super) fn compute<'a>(&mut self, payloads: impl Iterator<Item = &'a [u8]>) {
        let mut next: [&[u8]; LANES] = [&[]; LANES];
        let mut count = 0;
        for (place, payload) in next.iter_mut().zip(payloads) {
            *place = payload;
            count += 1;
        }
        self.clear();
        self.digests.reserve_exact(LANES);
        self.digests.resize(count, [0; 16]);
        md5_many(&next[..count], &mut self.digests);
    }

    /// The next frame is taken out: its digest, where that is known.
    pub(super) fn take(&mut self) -> Option<MessageId> {
        let Some(digest) = self.digests.get(self.next) else {
            // So that `put_back` does not find the digest of an earlier frame.
            self.clear();
            return None;
        };
        self.next += 1;
        Some(MessageId(*digest))
    }

    /// The frame that was taken out last is put back: its digest is the next one again, where that was known.
    pub(super) fn put_back(&mut self) {
        self.next = self.next.saturating_sub(1);
    }

    /// Other bytes come next.
    pub(super) fn clear(&mut self) {
        self.digests.clear();
        self.next = 0;
    }
}
