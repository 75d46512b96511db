//! Putting fields of fixed sizes together, and taking them apart. All numbers are big-endian.

/// Fills a place with parts of just its size.
pub(super) fn put(place: &mut [u8], parts: &[&[u8]]) {
    let mut rest = place;
    for part in parts {
        let (head, tail) = rest.split_at_mut(part.len());
        head.copy_from_slice(part);
        rest = tail;
    }
    debug_assert!(rest.is_empty(), "parts fill their place");
}

/// Takes fields off bytes whose size is that of all fields together.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self
            .0
            .split_first_chunk()
            .expect("the sizes of the fields add up");
        self.0 = rest;
        *field
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }
}
