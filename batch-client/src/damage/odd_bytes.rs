//! A fast first look at a file for odd bytes: those with which a damaged value may begin. Nearly all files have none, so most
//! rows need no look of their own.
//!
//! ```text
//! bytes of the file -> add -> parts with an odd byte -> meets: whether one of them reaches into a row
//! ```
//!
//! All bytes are looked at, many at once, without knowing where rows end. Where a part with an odd byte reaches into a row, the
//! caller looks at the bytes of that row with [`is_odd`]. Keeps the places of parts that rows have not passed, and the last
//! byte of the file.

use std::collections::VecDeque;
use std::ops::Range;

/// How many bytes are looked at together first.
const PIECE: usize = 256;

/// How many bytes of a piece make a part, whose place is kept where one of them is odd.
const PART: usize = 16;

/// Where the odd bytes of a file are.
#[derive(Debug)]
pub(crate) struct OddBytes {
    /// How many bytes of the file were added.
    added: u64,
    /// The last byte that was added; a comma before the first one.
    last: u8,
    /// The places in the file of parts with an odd byte that no row has passed, in ascending order.
    parts: VecDeque<Range<u64>>,
    /// Where the first of these parts begins; `u64::MAX` where there is none.
    next: u64,
}

impl Default for OddBytes {
    fn default() -> Self {
        Self {
            added: 0,
            last: b',',
            parts: VecDeque::new(),
            next: u64::MAX,
        }
    }
}

impl OddBytes {
    /// Adds the next bytes of the file.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            if may_be_odd(piece) {
                self.add_parts(piece);
            }
            self.added += piece.len() as u64;
            self.last = piece[piece.len() - 1];
        }
    }

    fn add_parts(&mut self, piece: &[u8]) {
        let (mut begin, mut before) = (self.added, self.last);
        for part in piece.chunks(PART) {
            let end = begin + part.len() as u64;
            if may_be_odd(part) && begins_odd(part, before) {
                self.parts.push_back(begin..end);
                self.next = self.next.min(begin);
            }
            (begin, before) = (end, part[part.len() - 1]);
        }
    }

    /// Returns whether an odd byte may be in this row, which has no blanks and no quotes around its values. Each row begins
    /// after the one before it.
    #[inline]
    pub(crate) fn meets(&mut self, row: Range<u64>) -> bool {
        row.end > self.next && self.meets_part(&row)
    }

    #[cold]
    fn meets_part(&mut self, row: &Range<u64>) -> bool {
        let passed = |part: &&Range<u64>| part.end <= row.start;
        while self.parts.front().filter(passed).is_some() {
            self.parts.pop_front();
        }
        self.next = self.parts.front().map_or(u64::MAX, |part| part.start);
        self.next < row.end
    }
}

/// Returns whether a row has an odd byte: one with which a damaged text may begin, or the first byte of a character beyond
/// ASCII other than the letters of Spanish, which all begin with 0xC3, as do those of most languages around this lottery.
pub(super) fn is_odd(row: &[u8]) -> bool {
    row.iter().any(|byte| is_sign(*byte) || is_letter(*byte))
}

/// Returns whether a byte is an odd sign. It shows damage only at the beginning of a value: O'Higgins is a name.
fn is_sign(byte: u8) -> bool {
    matches!(byte, b'=' | b'+' | b'@' | b'#' | b'\'' | b'"')
}

/// Returns whether a byte begins an odd character, which shows damage anywhere in a value.
fn is_letter(byte: u8) -> bool {
    matches!(byte, 0xc0..=0xc2 | 0xc4..)
}

/// Returns whether a part, which follows the byte `before`, has an odd character, or an odd sign at the beginning of a value.
fn begins_odd(part: &[u8], before: u8) -> bool {
    let befores = [before].into_iter().chain(part.iter().copied());
    let mut pairs = befores.zip(part.iter().copied());
    pairs.any(|(before, byte)| is_letter(byte) || is_sign(byte) && b",\n".contains(&before))
}

/// Returns whether some bytes may have an odd one: `true` also for a few other bytes that are as rare. Three minima show it, so
/// that the loop has neither branches nor comparisons, and the compiler takes sixteen bytes at once.
#[inline]
fn may_be_odd(bytes: &[u8]) -> bool {
    let [mut quotes, mut signs, mut letters] = [u8::MAX; 3];
    for byte in bytes {
        quotes = quotes.min(byte.wrapping_sub(b'"'));
        signs = signs.min(byte.wrapping_sub(b'='));
        letters = letters.min((byte ^ 0xc3).wrapping_sub(1));
    }
    // From " to +, from = to @, and from 0xC0 on without 0xC3.
    quotes <= b'+' - b'"' || signs <= b'@' - b'=' || letters < 0x3f
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds a file in pieces of any length; returns whether each of its rows meets an odd byte. A row ends with a line feed.
    fn met(file: &[u8], rng: &mut fastrand::Rng) -> Vec<bool> {
        let (mut odd, mut added, mut begin) = (OddBytes::default(), 0, 0);
        let mut meet = |row: &[u8]| {
            let end = begin + row.len();
            while added < end {
                let more = file.len().min(added + rng.usize(1..1_000));
                odd.add(&file[added..more]);
                added = more;
            }
            let meets = odd.meets(begin as u64..end as u64);
            begin = end;
            meets
        };
        file.split_inclusive(|byte| *byte == b'\n')
            .map(&mut meet)
            .collect()
    }

    #[test]
    fn each_odd_byte_is_met_wherever_it_is_and_usual_ones_are_not() {
        let mut rng = fastrand::Rng::with_seed(1);
        let usual =
            "Ana María,O'Higgins,0012345,1999-03-17,7574\r\nJOÃO,a-b/c. #1=+@,A1-b,2000-02-29,0\n";
        for byte in (0..=u8::MAX).filter(|byte| is_odd(&[*byte])) {
            for at in 0..2 * PIECE {
                let before = "a".repeat(at) + ",";
                let row = [before.as_bytes(), &[byte], usual.as_bytes()].concat();
                assert!(met(&row, &mut rng)[0], "{byte:#04x} behind {at}");
            }
            let rows = [&[byte], usual.as_bytes(), &[byte], usual.as_bytes()].concat();
            let met = met(&rows, &mut rng);
            assert!(met[0] && met[2] && !met[3], "{byte:#04x}: {met:?}");
        }
        let rows = usual.repeat(1_000);
        assert!(!met(rows.as_bytes(), &mut rng).contains(&true));
    }

    #[test]
    fn a_row_with_a_value_that_begins_with_an_odd_byte_is_met_however_the_file_is_read() {
        for seed in 0..1_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let one_of = rng.u32(1..300);
            let letter = |rng: &mut fastrand::Rng| match rng.u32(..one_of) {
                0 => "='\u{a0}ñŁ".chars().nth(rng.usize(..5)).unwrap(),
                _ => "aaaaaaaaaaaaaa,\n".chars().nth(rng.usize(..16)).unwrap(),
            };
            let file: String = (0..rng.usize(..3_000)).map(|_| letter(&mut rng)).collect();
            let met = met(file.as_bytes(), &mut rng);
            for (row, met) in file.split_inclusive('\n').zip(met) {
                let mut values = row.split(',');
                let damaged = row.contains(['\u{a0}', 'Ł'])
                    || values.any(|value| value.starts_with(['=', '\'']));
                assert!(met || !damaged, "seed {seed}: {row}");
            }
        }
    }
}
