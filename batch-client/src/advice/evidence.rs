//! What shows the kind of a file: its first bytes, its first bad rows, and what all bad rows show together; and the forms in
//! which other programs write dates, by which columns are recognised.
//!
//! In come bad rows, one at a time; only the first few are kept. A single row may decide which number of a date is the month,
//! and which encoding the letters have, so [`Clues`] looks at all of them.

use frame::Birthdate;

use super::format::Candidates;

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

/// A date in the right form, with a time after it.
pub(super) const WITH_TIME: &str = "a date and a time";

/// A date as spreadsheets store it: the number of days since the end of 1899.
pub(super) const DAY_NUMBER: &str = "the number of a day";

/// A date without anything between its parts.
pub(super) const COMPACT: &str = "YYYYMMDD";

/// The names of the forms that begin with the day or the month, in the order of [`MONTH_FIRST`].
pub(super) const DAY_FIRST: [&str; 6] = [
    "DD/MM/YYYY",
    "DD-MM-YYYY",
    "DD.MM.YYYY",
    "DD/MM/YY",
    "DD-MM-YY",
    "DD.MM.YY",
];

/// The same forms with the month first.
pub(super) const MONTH_FIRST: [&str; 6] = [
    "MM/DD/YYYY",
    "MM-DD-YYYY",
    "MM.DD.YYYY",
    "MM/DD/YY",
    "MM-DD-YY",
    "MM.DD.YY",
];

/// The names of all forms that [`form`] knows.
pub(super) const FORMS: [&str; 12] = [
    DAY_FIRST[0],
    DAY_FIRST[1],
    DAY_FIRST[2],
    DAY_FIRST[3],
    DAY_FIRST[4],
    DAY_FIRST[5],
    "YYYY/MM/DD",
    "YYYY.MM.DD",
    COMPACT,
    "YYYY-M-D",
    WITH_TIME,
    DAY_NUMBER,
];

/// Which number of a date is the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    DayFirst,
    MonthFirst,
}

impl Order {
    /// Returns the order of a date of the forms [`DAY_FIRST`]; `None` where it is of no such form, and where both numbers
    /// may be the month.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let form = form(text).filter(|form| DAY_FIRST.contains(form));
        form?;
        let mut parts = text.split(|b| b"/-.".contains(b));
        let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u8>().ok();
        match (number()?, number()?) {
            (13..=31, 1..=12) => Some(Self::DayFirst),
            (1..=12, 13..=31) => Some(Self::MonthFirst),
            _ => None,
        }
    }
}

/// Returns whether a text is a date and nothing else: digits alone may be any number.
pub(super) fn is_date(text: &[u8]) -> bool {
    let digits = text.iter().all(u8::is_ascii_digit);
    Birthdate::parse(text).is_ok() || (!digits && form(text).is_some())
}

/// Returns the name of another form of dates that a text has. Which of two numbers is the month is not looked at: it is
/// named as with the day first.
pub(super) fn form(text: &[u8]) -> Option<&'static str> {
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    if let Some((date, time)) = text.split_at_checked(10)
        && Birthdate::parse(date).is_ok()
        && matches!(time, [b' ' | b'T', ..])
    {
        return Some(WITH_TIME);
    }
    let separator = text.iter().copied().find(|b| b"/-.".contains(b));
    let Some(separator) = separator else {
        return match text.len() {
            8 if digits(text) => Some(COMPACT),
            // From 1927 to 2173, as spreadsheets count days.
            5 if digits(text) => Some(DAY_NUMBER),
            _ => None,
        };
    };
    let parts: Vec<&[u8]> = text.split(|b| *b == separator).collect();
    if !parts.iter().all(|part| digits(part)) {
        return None;
    }
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    match (&lengths[..], separator) {
        ([1 | 2, 1 | 2, 4], b'/') => Some("DD/MM/YYYY"),
        ([1 | 2, 1 | 2, 4], b'-') => Some("DD-MM-YYYY"),
        ([1 | 2, 1 | 2, 4], _) => Some("DD.MM.YYYY"),
        ([1 | 2, 1 | 2, 2], b'/') => Some("DD/MM/YY"),
        ([1 | 2, 1 | 2, 2], b'-') => Some("DD-MM-YY"),
        ([1 | 2, 1 | 2, 2], _) => Some("DD.MM.YY"),
        ([4, 1 | 2, 1 | 2], b'/') => Some("YYYY/MM/DD"),
        ([4, 1 | 2, 1 | 2], b'.') => Some("YYYY.MM.DD"),
        ([4, 1, 1 | 2] | [4, 2, 1], _) => Some("YYYY-M-D"),
        _ => None,
    }
}
