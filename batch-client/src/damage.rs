//! Values that look damaged although they are allowed, so that an agency can correct them before they are stored.
//!
//! In come the bets of a file with their lines; out come [`Damage`]s: each is a kind, the first row that has it, and how
//! many have it. A look at the bytes of a row decides for nearly every one that there is nothing to find. Keeps no value of a row. Memory is bounded, see `repeats`. Reads no
//! file and no clock: the day comes in.

mod document;
mod glance;
mod kind;
mod repeats;
mod text;

use frame::{Bet, Birthdate};

use glance::Glance;
pub use kind::{Damage, HowMany, Kind};
use repeats::Repeats;

/// Nobody who was born before this year bets.
const FIRST_YEAR: [u8; 4] = *b"1880";

/// Looks at every bet of a file.
#[derive(Debug)]
pub(crate) struct Watch {
    /// No birthdate may be later.
    today: Birthdate,
    /// What was found of each kind, in the order of [`Kind::ALL`].
    found: [Found; Kind::ALL.len()],
    /// Whether a document has digits alone.
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

impl Watch {
    pub(crate) fn new(today: Birthdate) -> Self {
        Self {
            today,
            found: Default::default(),
            plain_documents: false,
            bets: 0,
            repeats: Repeats::default(),
        }
    }

    /// Whether the document has digits alone and the year is neither early nor the present one or a later one: nothing is to
    /// be found in them then.
    #[inline]
    pub(crate) fn is_usual(&self, bet: &Bet<'_>) -> bool {
        let year = |date: &[u8; 10]| u32::from_be_bytes([date[0], date[1], date[2], date[3]]);
        let first = u32::from_be_bytes(FIRST_YEAR);
        let born = year(bet.birthdate.as_bytes());
        let document = bet.document.as_bytes();
        (first..year(self.today.as_bytes())).contains(&born)
            && document.iter().all(u8::is_ascii_digit)
    }

    /// Takes the next row that is a bet, as the file has it, and whether that is [usual](Self::is_usual). Returns whether
    /// [`look`](Self::look) may find anything in it.
    #[inline]
    pub(crate) fn may_find(&mut self, line: u64, row: &[u8], is_usual: bool) -> bool {
        self.bets += 1;
        let glance = Glance::at(row);
        self.repeats.add(glance.hash, line);
        self.plain_documents |= is_usual;
        !is_usual || glance.is_odd
    }

    /// What looks damaged, in the order of [`Kind::ALL`].
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

    /// Looks at a bet closely.
    #[cold]
    pub(crate) fn look(&mut self, line: u64, bet: &Bet<'_>) {
        for (index, name) in [&bet.first_name, &bet.last_name].into_iter().enumerate() {
            text::kinds(name.as_str(), |kind| self.note(kind, line, index + 1));
        }
        let document = bet.document.as_str();
        self.plain_documents |= document.bytes().all(|b| b.is_ascii_digit());
        text::kinds(document, |kind| self.note(kind, line, 3));
        document::kinds(document, |kind| self.note(kind, line, 3));
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
