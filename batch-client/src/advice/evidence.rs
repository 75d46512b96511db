//! What of a file shows its kind: its first bytes, its first bad rows, and what all bad rows show together. Few of them may
//! decide which number of a date is the month, and which encoding its letters are in.

use super::date_form::Order;
use super::encoding::Candidates;

/// How many of the first bytes of a file are evidence.
pub const HEAD: usize = 4 * 1024;

/// How many of the first bad rows are evidence.
pub const SAMPLES: usize = 8;

/// Where a row has quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// Nowhere.
    No,
    /// Around fields, or in them.
    InFields,
    /// Around all of it, with commas between them.
    Around,
}

/// A bad row, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The line in which it begins, counted from 1.
    pub line: u64,
    /// Its text. Where it has quotes, these are its fields without them, and every comma is between two of them; where the
    /// quotes are around all of it, this is what they hold.
    pub text: Vec<u8>,
    /// Its quotes.
    pub quotes: Quotes,
    /// Whether it is the first row of the file.
    pub first: bool,
}

/// What shows the kind of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The first bytes of the file, at most [`HEAD`].
    pub head: Vec<u8>,
    /// The first bad rows, at most [`SAMPLES`]. Rows that were never meant to be bets are left out, but for the first two
    /// of the file.
    pub samples: Vec<Sample>,
    /// What all bad rows show together.
    pub clues: Clues,
    /// The line in which a row begins whose quotes are not closed: it is too long, or the file ends before.
    pub endless: Option<u64>,
    /// Whether the file has any row that is a bet.
    pub has_bets: bool,
    /// Whether a row that is a bet has letters beyond ASCII.
    pub has_utf8: bool,
}

/// What was seen in the bad rows so far. Its size is fixed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clues {
    /// A date shows that the day comes first.
    day_first: bool,
    /// A date shows that the month comes first.
    month_first: bool,
    /// The encodings in which all text that is not UTF-8 may be; `None` where there is no such text.
    encodings: Option<Candidates>,
}

impl Clues {
    /// Looks at a bad row, or at a part of one.
    pub fn see(&mut self, text: &[u8]) {
        let part_of_date = |b: &u8| b.is_ascii_digit() || b"/-.".contains(b);
        for token in text.split(|b| !part_of_date(b)) {
            match Order::of(token) {
                Some(Order::DayFirst) => self.day_first = true,
                Some(Order::MonthFirst) => self.month_first = true,
                None => {}
            }
        }
        if std::str::from_utf8(text).is_err() {
            self.encodings.get_or_insert_default().see(text);
        }
    }

    /// Returns which of the two orders the dates show, those of day first and month first.
    pub(super) fn orders(&self) -> [bool; 2] {
        [self.day_first, self.month_first]
    }

    pub(super) fn encodings(&self) -> Option<&Candidates> {
        self.encodings.as_ref()
    }
}
