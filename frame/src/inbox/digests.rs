//! The MD5s of the next frames of an inbox, computed together before the first of these frames is taken out.

use crate::digest::{LANES, md5_many};
use crate::message::MessageId;

/// The digests of the next whole frames, at most [`LANES`], in the order of the stream. In a box: an idle connection has
/// none.
#[derive(Debug, Default)]
pub(super) struct Digests(Option<Box<Known>>);

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
    pub(super) fn is_empty(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|known| known.next == known.count)
    }

    /// Computes the digests of the next frames, of which these are the payloads; only the first [`LANES`] are used.
    pub(super) fn compute<'a>(&mut self, payloads: impl Iterator<Item = &'a [u8]>) {
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
    pub(super) fn take(&mut self) -> Option<MessageId> {
        let known = self.0.as_mut()?;
        if known.next == known.count {
            // So that `put_back` does not find the digest of an earlier frame.
            self.clear();
            return None;
        }
        known.next += 1;
        Some(MessageId(known.digests[known.next - 1]))
    }

    /// The frame that was taken out last is put back: its digest is the next one again, where that was known.
    pub(super) fn put_back(&mut self) {
        if let Some(known) = &mut self.0 {
            known.next = known.next.saturating_sub(1);
        }
    }

    /// Other bytes come next.
    pub(super) fn clear(&mut self) {
        if let Some(known) = &mut self.0 {
            (known.count, known.next) = (0, 0);
        }
    }
}
