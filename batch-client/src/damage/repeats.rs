//! How many rows equal an earlier one, in bounded memory.
//!
//! Rows are known by a hash of 64 bits of all of their bytes. Up to [`KEPT`] different rows are kept, and the count is exact.
//! Where a file has more, half of all different rows are kept, with all their repetitions, then a quarter, and so on. The
//! kept rows are a fair sample of the file, so the count is an estimate then. A file that was joined with itself is always
//! found; a single row that is repeated many times in a large file may be missed.
//!
//! A [`sample`] of each row decides whether it is kept; it takes a small part of the time of its hash. Where too many rows
//! have the same sample, their hashes decide.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::kinds::{Damage, HowMany, Kind};

/// How many different rows are kept at most: they take about 150 kB.
const KEPT: usize = 4 * 1024;

/// The first bit of a hash that decides whether its row is kept. The map uses the bits at both ends.
const SAMPLED_FROM: u32 = 24;

/// Repeated rows are reported where there are at least so many, and at least one of [`ONE_OF`] rows is one: somebody may bet
/// the same number twice.
const MANY: u64 = 10;
const ONE_OF: u64 = 100;

/// Arbitrary numbers of which about half of the bits are set.
const MIX: [u64; 3] = [
    0x9e37_79b9_7f4a_7c15,
    0xd1b5_4a32_d192_ed03,
    0x2545_f491_4f6c_dd1d,
];

/// Returns a number that is the same for equal rows, and seldom for different ones. It is made of some bytes of the document,
/// of the birthdate and of the number that was bet on.
#[inline]
pub(super) fn sample(document: u64, birthdate: &[u8; 10], number: u32) -> u32 {
    let [_, _, date @ ..] = birthdate;
    let rest = u64::from_le_bytes(*date).wrapping_add(MIX[2].wrapping_mul(number.into()));
    product(document, rest, 1) as u32
}

/// Counts the rows that equal an earlier one.
#[derive(Debug)]
pub(super) struct Repeats {
    /// The kept rows, by their hashes.
    kept: HashMap<u64, Kept, BuildHasherDefault<OwnHash>>,
    /// A row is kept only where its sample is at most this.
    most: u32,
    /// A row is kept only where its hash has at least so many zero bits.
    zeros: u32,
    /// How many times half of the rows were dropped.
    halved: u32,
    /// The line of the first row that came again.
    first: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    sample: u32,
    /// How many more times the row came.
    again: u32,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            kept: HashMap::default(),
            most: u32::MAX,
            zeros: 0,
            halved: 0,
            first: None,
        }
    }
}

impl Repeats {
    /// Counts a row with this sample.
    #[inline]
    pub(super) fn add(&mut self, sample: u32, row: &[u8], line: u64) {
        if sample <= self.most {
            self.count(sample, hash(row), line);
        }
    }

    #[inline(never)]
    fn count(&mut self, sample: u32, hash: u64, line: u64) {
        if !has_zeros(hash, self.zeros) {
            return;
        }
        let new = Kept { sample, again: 0 };
        let mut again = true;
        let kept = self.kept.entry(hash).or_insert_with(|| {
            again = false;
            new
        });
        if again {
            kept.again = kept.again.saturating_add(1);
            self.first.get_or_insert(line);
        } else if self.kept.len() > KEPT {
            self.halve();
        }
    }

    /// Drops half of the rows: those with large samples, where these are about half; otherwise by one more bit of the hash.
    #[cold]
    fn halve(&mut self) {
        let (all, most) = (self.kept.len(), self.most / 2);
        let small = self.kept.values().filter(|kept| kept.sample <= most);
        if small.count().abs_diff(all / 2) < all / 16 {
            self.most = most;
        } else {
            self.zeros += 1;
        }
        self.halved += 1;
        let (most, zeros) = (self.most, self.zeros);
        self.kept
            .retain(|hash, kept| kept.sample <= most && has_zeros(*hash, zeros));
    }

    /// Returns the repeated rows of a file of so many `rows`, where there are enough to report.
    pub(super) fn many(&self, rows: u64) -> Option<Damage> {
        let counted: u64 = self.kept.values().map(|kept| u64::from(kept.again)).sum();
        let number = (counted << self.halved).min(rows);
        let line = self.first?;
        (number >= MANY && number >= rows / ONE_OF).then_some(Damage {
            kind: Kind::RepeatedRows,
            line,
            column: 1,
            rows: match self.halved {
                0 => HowMany::Exactly(number),
                _ => HowMany::About(number),
            },
        })
    }
}

fn has_zeros(hash: u64, zeros: u32) -> bool {
    (hash >> SAMPLED_FROM).trailing_zeros() >= zeros
}

/// Returns a hash of all bytes of a row. Nobody gains from two rows with the same hash, so it need not resist an attack.
fn hash(row: &[u8]) -> u64 {
    let (chunks, rest) = row.as_chunks::<16>();
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    let chunks = chunks.iter().chain([&last]).zip(1..);
    let products = chunks.map(|(chunk, place)| {
        let chunk = u128::from_le_bytes(*chunk);
        product(chunk as u64, (chunk >> 64) as u64, place)
    });
    products.fold(row.len() as u64, u64::wrapping_add)
}

/// Multiplies two numbers to 128 bits and folds them. Each place in a row mixes in other numbers, so that the same bytes at
/// another place give another product.
#[inline]
fn product(low: u64, high: u64, place: u64) -> u64 {
    let product = u128::from(low ^ MIX[0].wrapping_mul(place))
        * u128::from(high ^ MIX[1].wrapping_mul(place));
    product as u64 ^ (product >> 64) as u64
}

/// A key that is a hash is its own hash.
#[derive(Default)]
struct OwnHash(u64);

impl Hasher for OwnHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts rows with a number each; returns what is told, and the largest number of rows that were kept. The number is
    /// the document, or where the samples have nothing of a row, a part of the name.
    fn counted(rows: impl Iterator<Item = u32>, in_document: bool) -> (Option<HowMany>, usize) {
        let mut repeats = Repeats::default();
        let (mut count, mut most) = (0, 0);
        for row in rows {
            count += 1;
            let (document, name) = if in_document { (row, 0) } else { (0, row) };
            let sample = sample(document.into(), b"1999-03-17", 7574);
            let text = format!("Ana María {name},Lorca,{document},1999-03-17,7574");
            repeats.add(sample, text.as_bytes(), count);
            most = most.max(repeats.kept.len());
        }
        (repeats.many(count).map(|damage| damage.rows), most)
    }

    #[test]
    fn few_different_rows_are_counted_exactly_and_more_by_a_sample_of_bounded_size() {
        for in_document in [true, false] {
            let twice = |rows| counted((0..rows).chain(0..rows), in_document);
            assert_eq!(twice(9).0, None);
            assert_eq!(twice(10).0, Some(HowMany::Exactly(10)));
            assert_eq!(twice(4_000).0, Some(HowMany::Exactly(4_000)));
            let (found, most) = twice(300_000);
            let Some(HowMany::About(rows)) = found else {
                panic!("{found:?}")
            };
            assert!((250_000..350_000).contains(&rows), "{rows}");
            assert!(most <= KEPT + 1, "{most}");
        }
    }

    #[test]
    fn a_few_equal_rows_among_many_are_not_told() {
        for in_document in [true, false] {
            let rows = |of: u32| (0..100_000).map(move |row| row - u32::from(row % of == 1));
            assert_eq!(counted(rows(200), in_document).0, None);
            assert!(counted(rows(50), in_document).0.is_some());
        }
    }

    #[test]
    fn rows_that_differ_in_one_byte_have_other_hashes() {
        let row = b"Ana Maria,Lorca,30904465,1999-03-17,7574";
        let mut seen = std::collections::HashSet::new();
        for at in 0..row.len() {
            for byte in 0..=255 {
                let mut row = *row;
                row[at] = byte;
                seen.insert(hash(&row));
            }
            seen.insert(hash(&row[..at]));
        }
        assert_eq!(seen.len(), 255 * row.len() + 1 + row.len());
    }
}
