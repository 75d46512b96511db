//! The first look at a file: where its odd bytes are, those with which a damaged value may begin. Nearly all files have none,
//! so most rows need no look of their own.
//!
//! ```text
//! bytes of the file -> add -> pieces with an odd byte -> meets: whether a row has a part in one of them
//! ```
//!
//! All bytes are looked at, many at once; a piece is a few rows long, so whoever finds a row in one looks at its own bytes with
//! [`is_odd`]. Keeps the pieces that are not passed, and no byte of the file.

use std::collections::VecDeque;
use std::ops::Range;

/// Bytes that are looked at together.
const PIECE: usize = 256;

/// Where the odd bytes of a file are.
#[derive(Debug)]
pub(crate) struct OddBytes {
    /// How many bytes of the file were added.
    added: u64,
    /// The pieces with an odd byte that are not passed, in their order, by their places in the file.
    pieces: VecDeque<Range<u64>>,
    /// Where the first of them begins; the largest number where there is none.
    next: u64,
}

impl Default for OddBytes {
    fn default() -> Self {
        Self {
            added: 0,
            pieces: VecDeque::new(),
            next: u64::MAX,
        }
    }
}

impl OddBytes {
    /// Adds the next bytes of the file.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            let begin = self.added;
            self.added += piece.len() as u64;
            if has_odd(piece) {
                self.pieces.push_back(begin..self.added);
                self.next = self.next.min(begin);
            }
        }
    }

    /// Returns whether a part of this row is in a piece with an odd byte. Each row begins behind the one before it.
    #[inline]
    pub(crate) fn meets(&mut self, row: Range<u64>) -> bool {
        row.end > self.next && self.meets_piece(&row)
    }

    #[cold]
    fn meets_piece(&mut self, row: &Range<u64>) -> bool {
        let passed = |piece: &&Range<u64>| piece.end <= row.start;
        while self.pieces.front().filter(passed).is_some() {
            self.pieces.pop_front();
        }
        self.next = self.pieces.front().map_or(u64::MAX, |piece| piece.start);
        self.next < row.end
    }
}

/// Returns whether a byte of a row is odd: one with which a damaged text may begin, or the first byte of a character beyond
/// ASCII that is none of the letters of Spanish. These, like those of most languages around this lottery, all begin with
/// 0xC3.
pub(super) fn is_odd(row: &[u8]) -> bool {
    row.iter()
        .any(|byte| matches!(byte, b'=' | b'+' | b'@' | b'#' | b'\'' | b'"' | 0xc0..=0xc2 | 0xc4..))
}

/// Whether a piece has an odd byte, or one of a few others that are as rare. Three numbers are odd where they are small:
/// so it has neither branches nor comparisons, and the compiler takes sixteen bytes at once.
fn has_odd(piece: &[u8]) -> bool {
    let [mut quotes, mut signs, mut letters] = [u8::MAX; 3];
    for byte in piece {
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

    #[test]
    fn each_odd_byte_is_found_wherever_it_is_and_usual_ones_are_not() {
        for byte in 0..=u8::MAX {
            let odd = is_odd(&[byte]);
            for at in [0, 15, 16, 100, PIECE - 1] {
                let mut piece = [b'a'; PIECE];
                piece[at] = byte;
                assert!(!odd || has_odd(&piece), "{byte:#04x} at {at}");
                assert!(!odd || has_odd(&piece[at..]), "{byte:#04x} at {at}");
            }
        }
        let rows =
            "Ana María,Núñez de la O,0012345,1999-03-17,7574\r\nJOÃO,a-b/c.,A1-b,2000-02-29,0\n";
        assert!(!has_odd(rows.as_bytes()) && !is_odd(rows.as_bytes()));
    }

    #[test]
    fn a_row_with_an_odd_byte_meets_a_piece_however_the_file_was_read() {
        for seed in 0..2_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let one_of = rng.u32(1..2_000);
            let byte = |rng: &mut fastrand::Rng| if rng.u32(..one_of) == 0 { b'#' } else { b'a' };
            let file: Vec<u8> = (0..rng.usize(..5_000)).map(|_| byte(&mut rng)).collect();
            let (mut odd, mut added, mut begin) = (OddBytes::default(), 0, 0);
            let (mut met, mut rows) = (0, 0);
            while begin < file.len() {
                let end = file.len().min(begin + rng.usize(1..60));
                while added < end {
                    let more = file.len().min(added + rng.usize(1..1_000));
                    odd.add(&file[added..more]);
                    added = more;
                }
                let meets = odd.meets(begin as u64..end as u64);
                assert!(meets || !is_odd(&file[begin..end]), "seed {seed}");
                met += u32::from(meets);
                rows += 1;
                begin = end;
            }
            // Not everything is near an odd byte where these are rare.
            assert!(
                one_of < 1_900 || file.len() < 4_900 || met < rows,
                "seed {seed}"
            );
        }
    }
}
