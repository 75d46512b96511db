//! How many rows equal an earlier one, in bounded memory.
//!
//! Rows are known by a hash of 64 bits. Up to [`KEPT`] different rows are kept, and the count is exact. Where a file has
//! more, only those rows are kept whose hash ends one of its halves with a zero bit, then with two, and so on: half of all
//! different rows each time, with all their repetitions. What these are is a fair sample of the file, so the count
//! is an estimate then. A file that was joined with itself is always found; a single row that comes again and again in a
//! large file may not be.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::kind::{Damage, HowMany, Kind};

/// How many different rows are kept at most: they take about 600 kB.
const KEPT: usize = 16 * 1024;

/// From which bit on a hash decides whether its row is kept. The map uses the bits at both ends.
const SAMPLED_FROM: u32 = 24;

/// So many rows, and one of so many, are many. Someone may bet the same number twice.
const MANY: u64 = 10;
const ONE_OF: u64 = 100;

/// Counts the rows that equal an earlier one.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// How often each kept row came again.
    kept: HashMap<u64, u64, BuildHasherDefault<OwnHash>>,
    /// How many halves of the rows are not kept.
    halved: u32,
    /// The line of the first row that came again.
    first: Option<u64>,
}

impl Repeats {
    /// Counts a row with this hash.
    #[inline]
    pub(super) fn add(&mut self, hash: u64, line: u64) {
        if is_kept(hash, self.halved) {
            self.count(hash, line);
        }
    }

    fn count(&mut self, hash: u64, line: u64) {
        let mut again = true;
        let repeats = self.kept.entry(hash).or_insert_with(|| {
            again = false;
            0
        });
        if again {
            *repeats += 1;
            self.first.get_or_insert(line);
        } else if self.kept.len() > KEPT {
            self.halved += 1;
            let halved = self.halved;
            self.kept.retain(|hash, _| is_kept(*hash, halved));
        }
    }

    /// The rows of a file of so many rows that equal an earlier one, where these are many.
    pub(super) fn many(&self, rows: u64) -> Option<Damage> {
        let counted: u64 = self.kept.values().sum();
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

#[inline]
fn is_kept(hash: u64, halved: u32) -> bool {
    (hash >> SAMPLED_FROM).trailing_zeros() >= halved
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
    use super::super::glance::Glance;
    use super::*;

    /// Counts rows that are numbers; returns what is told, and the largest number of rows that were kept.
    fn counted(rows: impl Iterator<Item = u32>) -> (Option<HowMany>, usize) {
        let mut repeats = Repeats::default();
        let (mut count, mut most) = (0, 0);
        for row in rows {
            count += 1;
            let text = format!("Ana María,Lorca,{row},1999-03-17,7574");
            repeats.add(Glance::at(text.as_bytes()).hash, count);
            most = most.max(repeats.kept.len());
        }
        (repeats.many(count).map(|damage| damage.rows), most)
    }

    #[test]
    fn few_different_rows_are_counted_exactly_and_more_by_a_sample_of_bounded_size() {
        let twice = |rows| counted((0..rows).chain(0..rows));
        assert_eq!(twice(9).0, None);
        assert_eq!(twice(10).0, Some(HowMany::Exactly(10)));
        assert_eq!(twice(16_000).0, Some(HowMany::Exactly(16_000)));
        let (found, most) = twice(300_000);
        let Some(HowMany::About(rows)) = found else {
            panic!("{found:?}")
        };
        assert!((250_000..350_000).contains(&rows), "{rows}");
        assert!(most <= KEPT + 1, "{most}");
    }

    #[test]
    fn a_few_equal_rows_among_many_are_not_told() {
        let one_of = |of: u32| counted((0..100_000).map(|row| row - u32::from(row % of == 1)));
        assert_eq!(one_of(200).0, None);
        assert!(one_of(50).0.is_some());
    }
}
