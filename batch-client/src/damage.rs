//! Values that look damaged although they are allowed, so that an agency can correct them before they are stored.
//!
//! ```text
//! bytes of the file -> OddBytes -> may_find -> look     only the few rows that may show damage are looked at closely
//!                                  may_find -> repeats  all rows are counted
//! ```
//!
//! In come the bets of a file with their lines; out come [`Damage`]s: each is a kind, its first row, and the number of its
//! rows. Keeps no value of a row. Memory is bounded, see `repeats`. Reads no file and no clock: the day comes in.

mod kinds;
mod odd_bytes;
mod repeats;

use frame::{Bet, Birthdate};

pub use kinds::{Damage, HowMany, Kind};
pub(crate) use odd_bytes::OddBytes;
use repeats::Repeats;

/// Nobody born before this year still bets.
const FIRST_YEAR: [u8; 4] = *b"1880";

/// Inspects every bet of a file.
#[derive(Debug)]
pub(crate) struct Inspector {
    /// No birthdate may be later.
    today: Birthdate,
    /// What was found of each kind, in the order of [`Kind::ALL`].
    found: [Found; Kind::ALL.len()],
    /// Whether some document has digits alone.
    plain_documents: bool,
    bets: u64,
    repeats: Repeats,
}

/// The rows of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    rows: u64,
    line: u64,
    column: usize,
    /// The line of the last row, which counts once however many of its columns are damaged.
    last: u64,
}

impl Inspector {
    /// Begins with the first bet of a file. `today`: the latest birthdate that does not look damaged.
    pub(crate) fn new(today: Birthdate) -> Self {
        Self {
            today,
            found: Default::default(),
            plain_documents: false,
            bets: 0,
            repeats: Repeats::default(),
        }
    }

    /// Takes the next row that is a bet, as the file has it; `may_be_odd` as [`OddBytes`] says. Returns whether
    /// [`look`](Self::look) may find anything in it.
    #[inline]
    pub(crate) fn may_find(
        &mut self,
        line: u64,
        row: &[u8],
        may_be_odd: bool,
        bet: &Bet<'_>,
    ) -> bool {
        self.bets += 1;
        let (has_digits_alone, document) = read_document(bet.document.as_bytes());
        self.plain_documents |= has_digits_alone;
        let sample = repeats::sample(document, bet.birthdate.as_bytes(), bet.number.get());
        self.repeats.add(sample, row, line);
        let is_usual = has_digits_alone && self.is_usual(bet.birthdate);
        !is_usual || may_be_odd && odd_bytes::is_odd(row)
    }

    /// Returns whether the year is neither too early nor the present one nor later.
    #[inline]
    fn is_usual(&self, birthdate: Birthdate) -> bool {
        let year = |date: &[u8; 10]| u32::from_be_bytes([date[0], date[1], date[2], date[3]]);
        let first = u32::from_be_bytes(FIRST_YEAR);
        (first..year(self.today.as_bytes())).contains(&year(birthdate.as_bytes()))
    }

    /// Returns what looks damaged, in the order of [`Kind::ALL`].
    pub(crate) fn damages(&self) -> Vec<Damage> {
        let values = Kind::ALL.into_iter().zip(&self.found);
        let values = values.filter_map(|(kind, found)| {
            // All documents may be written with points; some of them may not.
            let alike = kind == Kind::GroupedDigits && !self.plain_documents;
            (found.rows > 0 && !alike).then_some(Damage {
                kind,
                line: found.line,
                column: found.column,
                rows: HowMany::Exactly(found.rows),
            })
        });
        values.chain(self.repeats.many(self.bets)).collect()
    }

    /// Notes all damage of a bet.
    #[cold]
    pub(crate) fn look(&mut self, line: u64, bet: &Bet<'_>) {
        for (index, name) in [&bet.first_name, &bet.last_name].into_iter().enumerate() {
            kinds::text_kinds(name.as_str(), |kind| self.note(kind, line, index + 1));
        }
        let document = bet.document.as_str();
        self.plain_documents |= document.bytes().all(|b| b.is_ascii_digit());
        kinds::text_kinds(document, |kind| self.note(kind, line, 3));
        kinds::document_kinds(document, |kind| self.note(kind, line, 3));
        let date = bet.birthdate.as_bytes();
        if date[..4] < FIRST_YEAR[..] {
            self.note(Kind::EarlyBirthdate, line, 4);
        } else if date > self.today.as_bytes() {
            self.note(Kind::FutureBirthdate, line, 4);
        }
    }

    fn note(&mut self, kind: Kind, line: u64, column: usize) {
        let found = &mut self.found[kind as usize];
        if found.rows == 0 {
            (found.line, found.column) = (line, column);
        }
        if found.last != line {
            found.rows += 1;
            found.last = line;
        }
    }
}

/// Returns whether a document has digits alone, and a number made of its bytes: of all of them where it has four to eight, as
/// nearly every document has. There is no loop for these, since the processor could not predict its end.
#[inline]
fn read_document(text: &[u8]) -> (bool, u64) {
    match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(first), Some(last)) if text.len() <= 8 => {
            let [first, last] = [first, last].map(|four| u32::from_le_bytes(*four));
            let bytes = u64::from(first) << 32 | u64::from(last);
            (are_digits(bytes), bytes)
        }
        _ => read_any_document(text),
    }
}

#[cold]
fn read_any_document(text: &[u8]) -> (bool, u64) {
    let bytes = text.iter().fold(0, |bytes: u64, byte| {
        bytes.rotate_left(7) ^ u64::from(*byte)
    });
    (text.iter().all(u8::is_ascii_digit), bytes)
}

/// Returns whether each of eight bytes is a digit: its upper half is 3, and stays 3 after adding 6, which turns 0x3A into 0x40.
#[inline]
fn are_digits(bytes: u64) -> bool {
    const UPPER: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    let more = bytes.wrapping_add(0x0606_0606_0606_0606);
    (bytes & UPPER) | (more & UPPER) >> 4 == 0x3333_3333_3333_3333
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_of_digits_are_told_from_others_and_from_each_other() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut seen = std::collections::HashMap::new();
        for _ in 0..200_000 {
            let letter = |_| match rng.u8(..30) {
                0 => rng.u8(..),
                _ => rng.u8(b'0'..=b'9'),
            };
            let length = 1 + seen.len() % 32;
            let text: Vec<u8> = (0..length).map(letter).collect();
            let (has_digits_alone, bytes) = read_document(&text);
            assert_eq!(
                has_digits_alone,
                text.iter().all(u8::is_ascii_digit),
                "{text:?}"
            );
            if (4..=8).contains(&length) {
                let other = seen.insert((length, bytes), text.clone());
                assert!(other.is_none_or(|other| other == text), "{text:?}");
            } else {
                seen.insert((length, seen.len() as u64), text);
            }
        }
    }
}
