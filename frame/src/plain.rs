//! Plain text, found eight bytes at a time.
//!
//! A text is *plain* where no byte of it has a special meaning in a payload or in a row of CSV. These bytes are not
//! plain: control characters, `"`, `,`, all of ASCII from `{` on, and 0xC2. The control characters beyond ASCII begin
//! with 0xC2, and very few letters do. Nearly all values are plain; another value may be valid too, but checking it
//! takes longer. Knows neither fields nor objects.

/// A plain text, which may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain<'a> {
    /// The text.
    pub(crate) bytes: &'a [u8],
    /// Whether it is UTF-8 of characters of one and two bytes only. If not, it may still be UTF-8.
    short: bool,
}

/// The bytes that are checked at once.
type Word = u64;

const WORD: usize = size_of::<Word>();

impl<'a> Plain<'a> {
    /// The longest plain text that `bytes` begin with, and the bytes after it. Inlined, since passing the results on
    /// would cost more time than finding them.
    #[inline(always)]
    pub(crate) fn split(bytes: &'a [u8]) -> (Self, &'a [u8]) {
        let (words, last) = bytes.as_chunks();
        let mut letters = Letters::default();
        for (i, word) in words.iter().enumerate() {
            let (length, word) = look(Word::from_le_bytes(*word));
            letters.read(word);
            if length < WORD {
                return Self::cut(bytes, i * WORD + length, letters);
            }
        }
        let (length, word) = look_at_last(last);
        letters.read(word);
        Self::cut(bytes, words.len() * WORD + length, letters)
    }

    /// All of `bytes`; `None` where they are not all plain.
    pub(crate) fn whole(bytes: &'a [u8]) -> Option<Self> {
        let (text, rest) = Self::split(bytes);
        rest.is_empty().then_some(text)
    }

    /// Whether it is UTF-8. Then it has no control characters.
    #[inline]
    pub(crate) fn is_utf8(&self) -> bool {
        self.short || std::str::from_utf8(self.bytes).is_ok()
    }

    /// Whether it begins or ends with a blank. Such a value has to be written in quotes.
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

/// The same as [`look`] for the bytes after the last whole word. Seldom called for a payload, where other bytes follow
/// nearly every value.
#[cold]
fn look_at_last(rest: &[u8]) -> (usize, Word) {
    // The rest of the word is zeros, which are not plain.
    let word = rest
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | Word::from(*byte));
    look(word)
}

/// The number of bytes of a word before the first that is not plain, and the word with only these bytes.
#[inline]
fn look(word: Word) -> (usize, Word) {
    let found = not_plain(word);
    // All bits below the lowest bit that is set; where none is set, all bits.
    let before = found.wrapping_sub(1) & !found;
    (found.trailing_zeros() as usize / 8, word & before)
}

/// Checks, word by word, that a text is UTF-8 of characters of one and two bytes. It has no branches: the processor
/// could not predict which names have accents.
#[derive(Default)]
struct Letters {
    /// Not zero where a byte was not allowed at its place.
    odd: Word,
    /// The highest bit of the lowest byte is set where the last word ended between the two bytes of a character.
    second: Word,
}

impl Letters {
    #[inline]
    fn read(&mut self, word: Word) {
        let high = word & HIGH;
        let first = high & word << 1;
        let second = first << 8 | self.second;
        // The first byte of a character of two bytes is 0xC2 to 0xDF.
        let long = first & word << 2;
        let never = first & !((word & each(0x3e)) + each(0x7f));
        self.odd |= high ^ first ^ second | long | never;
        self.second = first >> (8 * (WORD - 1));
    }

    #[inline]
    fn all_short(&self) -> bool {
        self.odd | self.second == 0
    }
}

/// The highest bit of each byte.
const HIGH: Word = each(0x80);

/// A word of the same byte.
const fn each(byte: u8) -> Word {
    Word::from_le_bytes([byte; WORD])
}

/// Sets the highest bit of each byte that is not plain.
#[inline]
fn not_plain(word: Word) -> Word {
    // Without the highest bits, adding two bytes does not change the byte above.
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
        for seed in 0..50_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut bytes = Vec::new();
            for _ in 0..rng.usize(..40) {
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
            let mut bytes = *b"aaaaaaaaaaaaaaaa";
            for at in [0, 6, 7, 8, 14] {
                bytes[at..at + 2].copy_from_slice(&pair.to_le_bytes());
                let (text, _) = Plain::split(&bytes);
                let utf8 = std::str::from_utf8(text.bytes).is_ok();
                assert_eq!(text.short, utf8, "{pair:#06x} at {at}");
                bytes = *b"aaaaaaaaaaaaaaaa";
            }
        }
    }
}
