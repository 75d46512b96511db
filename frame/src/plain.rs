//! Plain text, found sixteen bytes at a time.
//!
//! A text is *plain* where no byte of it has a special meaning in a payload or in a row of CSV. These bytes are not
//! plain: control characters, `"`, `,`, all of ASCII from `{` on, and 0xC0 to 0xC2. The control characters beyond ASCII
//! begin with 0xC2, and very few letters do; with 0xC0 and 0xC1 no character begins. Nearly all values are plain; another
//! value may be valid too, but checking it takes longer. Knows neither fields nor objects.

use wide::u8x16;

/// A plain text, which may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain<'a> {
    /// The text.
    pub(crate) bytes: &'a [u8],
    /// Whether it is UTF-8 of characters of one and two bytes only. If not, it may still be UTF-8.
    short: bool,
}

/// The bytes that are checked at once.
pub(crate) const CHUNK: usize = 16;

/// A bit for each byte of a chunk, that of the first byte the lowest.
type Bits = u32;

impl<'a> Plain<'a> {
    /// Splits off the longest plain text that `bytes` begin with, and the bytes after it. Inlined, since passing the results
    /// on would cost more time than finding them.
    #[inline(always)]
    pub(crate) fn split(bytes: &'a [u8]) -> (Self, &'a [u8]) {
        let (chunks, last) = bytes.as_chunks();
        let mut letters = Letters::default();
        for (i, chunk) in chunks.iter().enumerate() {
            let length = letters.read(*chunk);
            if length < CHUNK {
                return Self::cut(bytes, i * CHUNK + length, letters);
            }
        }
        let length = letters.read_last(last);
        Self::cut(bytes, chunks.len() * CHUNK + length, letters)
    }

    /// Splits off the longest plain text that `bytes` begin with, and copies it to the front of `out`; returns it with the
    /// rest of both. Whole chunks are read and written, so the next bytes of `out` have no meaning. `None` where `bytes` or
    /// `out` have too few for that.
    #[inline(always)]
    pub(crate) fn copy<'o>(
        bytes: &'a [u8],
        out: &'o mut [u8],
    ) -> Option<(Self, &'a [u8], &'o mut [u8])> {
        let mut letters = Letters::default();
        let (mut rest, mut room) = (bytes, out);
        loop {
            let chunk: [u8; CHUNK] = *rest.first_chunk()?;
            *room.first_chunk_mut()? = chunk;
            let length = letters.read(chunk);
            (rest, room) = (&rest[length..], &mut room[length..]);
            if length < CHUNK {
                let (text, _) = Self::cut(bytes, bytes.len() - rest.len(), letters);
                return Some((text, rest, room));
            }
        }
    }

    /// Returns all of `bytes`; `None` where they are not all plain.
    pub(crate) fn whole(bytes: &'a [u8]) -> Option<Self> {
        let (text, rest) = Self::split(bytes);
        rest.is_empty().then_some(text)
    }

    /// Returns whether it is UTF-8. Then it has no control characters.
    #[inline]
    pub(crate) fn is_utf8(&self) -> bool {
        self.short || std::str::from_utf8(self.bytes).is_ok()
    }

    /// Returns whether it begins or ends with a blank. Such a value has to be written in quotes.
    #[inline]
    pub(crate) fn has_blank_end(&self) -> bool {
        matches!(self.bytes, [b' ', ..] | [.., b' '])
    }

    #[inline]
    fn cut(bytes: &'a [u8], length: usize, letters: Letters) -> (Self, &'a [u8]) {
        let (bytes, rest) = bytes.split_at(length);
        let short = letters.all_short();
        (Self { bytes, short }, rest)
    }
}

/// Checks, chunk by chunk, that a text is UTF-8 of characters of one and two bytes. It has no branches: the processor
/// could not predict which names have accents.
#[derive(Default)]
struct Letters {
    /// Not zero where a byte was not allowed at its place.
    odd: Bits,
    /// The lowest bit is set where the last chunk ended between the two bytes of a character.
    second: Bits,
}

impl Letters {
    /// Reads the plain bytes that a chunk begins with; returns how many they are.
    #[inline]
    fn read(&mut self, chunk: [u8; CHUNK]) -> usize {
        let bytes = u8x16::new(chunk);
        let found = not_plain(bytes).to_bitmask() | 1 << CHUNK;
        let plain = |bits: u8x16| bits.to_bitmask() & (found - 1) & !found;
        // The highest bits of a byte: 0 of ASCII, 10 of a second byte, 110 of the first of two, 111 of more.
        let twice = bytes + bytes;
        let [high, higher, highest] = [bytes, twice, twice + twice].map(plain);
        let first = high & higher;
        let second = first << 1 | self.second;
        self.odd |= (high & !higher) ^ second & !(1 << CHUNK) | first & highest;
        self.second = second >> CHUNK;
        found.trailing_zeros() as usize
    }

    /// The same for the bytes after the last whole chunk. Seldom called for a payload, where other bytes follow nearly
    /// every value.
    #[cold]
    fn read_last(&mut self, rest: &[u8]) -> usize {
        // The rest of the chunk is zeros, which are not plain.
        let mut chunk = [0; CHUNK];
        chunk[..rest.len()].copy_from_slice(rest);
        self.read(chunk)
    }

    #[inline]
    fn all_short(&self) -> bool {
        self.odd | self.second == 0
    }
}

/// Sets all bits of each byte that is not plain, and none of the others.
#[inline]
fn not_plain(bytes: u8x16) -> u8x16 {
    let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
    let between = |first: u8, last: u8| {
        let above = bytes - u8x16::splat(first);
        above.simd_eq(above.min(u8x16::splat(last - first)))
    };
    between(0, b' ' - 1) | is(b'"') | is(b',') | between(b'{', 0x7f) | between(0xc0, 0xc2)
}

/// Returns how many decimal digits a chunk begins with.
#[inline]
pub(crate) fn leading_digits(chunk: &[u8; CHUNK]) -> usize {
    let above = u8x16::new(*chunk) - u8x16::splat(b'0');
    let digits = above.simd_eq(above.min(u8x16::splat(9))).to_bitmask();
    digits.trailing_ones() as usize
}

/// Returns how many bytes are the same at the beginning of both.
#[inline]
pub(crate) fn common_start(one: &[u8; 2 * CHUNK], other: &[u8; 2 * CHUNK]) -> usize {
    let same = |at: usize| {
        let chunk = |bytes: &[u8; 2 * CHUNK]| u8x16::new(bytes.as_chunks().0[at]);
        chunk(one).simd_eq(chunk(other)).to_bitmask()
    };
    (same(0) | same(1) << CHUNK).trailing_ones() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_text_ends_before_the_first_byte_that_is_not() {
        let plain = |b: &u8| !matches!(b, 0..b' ' | b'"' | b',' | b'{'..0x80 | 0xc0..=0xc2);
        for seed in 0..50_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut bytes = Vec::new();
            for _ in 0..rng.usize(..60) {
                match rng.u8(..16) {
                    0 => bytes.push(rng.u8(..)),
                    1 => bytes.extend_from_slice("€".as_bytes()),
                    2..6 => bytes.extend_from_slice("ñ".as_bytes()),
                    _ => bytes.push(b'a'),
                }
            }
            let (text, rest) = bytes.split_at(bytes.iter().take_while(|b| plain(b)).count());
            let utf8 = std::str::from_utf8(text);
            let short = utf8.is_ok_and(|text| text.chars().all(|c| c < '\u{800}'));
            let expected = Plain { bytes: text, short };
            assert_eq!(Plain::split(&bytes), (expected, rest), "seed {seed}");
            assert_eq!(expected.is_utf8(), utf8.is_ok(), "seed {seed}");
            let whole = rest.is_empty().then_some(expected);
            assert_eq!(Plain::whole(&bytes), whole, "seed {seed}");
        }
    }

    #[test]
    fn every_pair_of_bytes_is_judged_as_utf8_judges_it() {
        for pair in 0..=u16::MAX {
            let mut bytes = [b'a'; 2 * CHUNK];
            for at in [0, 7, CHUNK - 2, CHUNK - 1, CHUNK, 2 * CHUNK - 2] {
                bytes[at..at + 2].copy_from_slice(&pair.to_le_bytes());
                let (text, _) = Plain::split(&bytes);
                let utf8 = std::str::from_utf8(text.bytes).is_ok();
                assert_eq!(text.short, utf8, "{pair:#06x} at {at}");
                bytes.fill(b'a');
            }
        }
    }

    #[test]
    fn what_follows_the_first_byte_of_a_character_is_judged_as_utf8_judges_it() {
        let bytes = *b"a\x80\xbf\xc3\xdf\xe2\xef\xf0\xf4\xff";
        for (one, two, three) in (0..1_000).map(|n| (n / 100, n / 10 % 10, n % 10)) {
            for at in [0, CHUNK - 2, CHUNK - 1, CHUNK] {
                let mut text = [b'a'; 2 * CHUNK + 3];
                text[at..at + 3].copy_from_slice(&[bytes[one], bytes[two], bytes[three]]);
                let utf8 = std::str::from_utf8(&text);
                let short = utf8.is_ok_and(|text| text.chars().all(|c| c < '\u{800}'));
                assert_eq!(Plain::split(&text).0.short, short, "{text:x?}");
            }
        }
    }
}
