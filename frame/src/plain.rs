//! Plain text, looked for eight bytes at a time.
//!
//! A text is *plain* where no byte of it needs a second look, in a payload or in a row of CSV. Not plain are
//! control characters, `"`, `,`, all of ASCII from `{` on, and 0xC2, with which the control characters above
//! ASCII begin and hardly any letter does. Most values are plain from end to end; the others may be as
//! valid, but take longer. Knows neither fields nor objects.

/// A plain text, which may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain<'a> {
    /// The text.
    pub(crate) bytes: &'a [u8],
    /// Whether all of it is ASCII; if not, it may be no UTF-8 either.
    pub(crate) ascii: bool,
}

impl<'a> Plain<'a> {
    /// The longest plain text that `bytes` begins with, and what follows it.
    #[inline]
    pub(crate) fn split(bytes: &'a [u8]) -> (Self, &'a [u8]) {
        let (words, last) = bytes.as_chunks();
        let mut seen = 0;
        for (i, word) in words.iter().enumerate() {
            let (length, word) = look(u64::from_le_bytes(*word));
            seen |= word;
            if length < 8 {
                return Self::cut(bytes, i * 8 + length, seen);
            }
        }
        let (length, word) = look_at_last(last);
        Self::cut(bytes, words.len() * 8 + length, seen | word)
    }

    /// All of `bytes`, where they are plain to their end.
    #[inline]
    pub(crate) fn whole(bytes: &'a [u8]) -> Option<Self> {
        // The last word may hold bytes of the one before again.
        let mut seen = bytes
            .last_chunk()
            .map_or_else(|| few(bytes), |last| u64::from_le_bytes(*last));
        let mut found = not_plain(seen);
        let (words, _) = bytes.as_chunks();
        for word in words {
            let word = u64::from_le_bytes(*word);
            seen |= word;
            found |= not_plain(word);
        }
        let ascii = seen & HIGH == 0;
        (found == 0).then_some(Self { bytes, ascii })
    }

    /// Whether it is UTF-8; it has no control characters then.
    #[inline]
    pub(crate) fn is_utf8(&self) -> bool {
        self.ascii || std::str::from_utf8(self.bytes).is_ok()
    }

    /// Whether it begins or ends with a blank, which a payload cannot keep without quotes.
    #[inline]
    pub(crate) fn has_blank_end(&self) -> bool {
        matches!(self.bytes, [b' ', ..] | [.., b' '])
    }

    #[inline]
    fn cut(bytes: &'a [u8], length: usize, seen: u64) -> (Self, &'a [u8]) {
        let (bytes, rest) = bytes.split_at(length);
        let ascii = seen & HIGH == 0;
        (Self { bytes, ascii }, rest)
    }
}

/// As [`look`], at less than eight bytes. Seldom needed in a payload, where something follows nearly every value.
#[cold]
fn look_at_last(rest: &[u8]) -> (usize, u64) {
    // Zeros fill the word up, and they are not plain.
    let word = rest
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte));
    look(word)
}

/// A word of less than eight bytes, some of them twice, or together with plain ones.
#[inline]
fn few(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
            half(first) | half(last) << 32
        }
        _ => bytes
            .iter()
            .fold(each(b'0'), |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// How many of eight bytes come before the first that is not plain, and a word of these.
#[inline]
fn look(word: u64) -> (usize, u64) {
    let found = not_plain(word);
    // All bits below the lowest that is set; with none, all bits.
    let before = found.wrapping_sub(1) & !found;
    (found.trailing_zeros() as usize / 8, word & before)
}

/// The highest bit of each byte.
const HIGH: u64 = each(0x80);

/// A word of the same byte eight times.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Sets the highest bit of each byte that is not plain.
#[inline]
fn not_plain(word: u64) -> u64 {
    // Without their highest bits, no sum of two bytes reaches the next one.
    let low = word & !HIGH;
    let at_least = |byte: u8| low + each(0x80 - byte);
    let differs = |byte: u8| (low ^ each(byte)) + each(0x7f);
    let ascii = !(at_least(b' ') & differs(b'"') & differs(b',')) | at_least(b'{');
    let other = !differs(0xc2 & 0x7f);
    (ascii & !word | other & word) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_text_ends_before_the_first_byte_that_is_not() {
        let plain = |b: &u8| !matches!(b, 0..b' ' | b'"' | b',' | b'{'..0x80 | 0xc2);
        for seed in 0..20_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut bytes: Vec<u8> = (0..rng.usize(..40)).map(|_| rng.u8(..)).collect();
            for byte in &mut bytes {
                if rng.u8(..8) > 0 && !plain(byte) {
                    *byte = b'a';
                }
            }
            let (text, rest) = bytes.split_at(bytes.iter().take_while(|b| plain(b)).count());
            let ascii = text.is_ascii();
            let expected = (Plain { bytes: text, ascii }, rest);
            assert_eq!(Plain::split(&bytes), expected, "seed {seed}");
            let whole = rest.is_empty().then_some(expected.0);
            assert_eq!(Plain::whole(&bytes), whole, "seed {seed}");
            assert_eq!(Plain::whole(text), Some(expected.0), "seed {seed}");
        }
    }
}
