//! Why a row of the agency file is not a bet, and where; and what it is instead, where its columns show that it was never meant
//! to be one: a header, a line of sums, or what other programs add to a file. Only rows that are not bets come here. No error
//! holds the value of a field.

use std::fmt;
use std::io;

use frame::{Count, Field, Flaw};

use super::lines::{BYTE_ORDER_MARK, MAX_ROW};
use super::quoting::QuoteFlaw;
use crate::advice::names_columns;
use crate::blocks::Changed;

/// Why there is no next row.
#[derive(Debug)]
pub enum RowError {
    /// The reader failed.
    Io(io::Error),
    /// The file is not the one that was read first.
    Changed,
    /// The row is not a valid bet. The rows after it can be read.
    Bad(BadRow),
    /// The row has more than [`MAX_ROW`] bytes. The rows after it cannot be read.
    TooLong {
        /// The line in which it begins, counted from 1.
        line: u64,
    },
}

impl RowError {
    /// Returns the error of a failed reading.
    pub(crate) fn read(error: io::Error) -> Self {
        if Changed::is_in(&error) {
            Self::Changed
        } else {
            Self::Io(error)
        }
    }
}

/// Why a row is not a valid bet, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its line, counted from 1.
    pub line: u64,
    /// The column that is wrong, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The row has this number of columns instead of five.
    Columns(usize),
    /// The value of a field is not allowed.
    Field(Field, Flaw),
    /// A field has to be written in quotes, which a plain server cannot read.
    Quotes(Field),
    /// The quotes of a field are not as writers of CSV make them.
    Quoting(QuoteFlaw),
    /// The row has more than [`MAX_ROW`] bytes.
    TooLong,
    /// The row names columns.
    Header,
    /// The row has sums.
    Sums,
    /// The row has commas alone.
    NoValues,
    /// The row is or ends with Control-Z, with which DOS ended a text.
    EndMark,
    /// The row tells a spreadsheet the delimiter.
    DelimiterNote,
    /// The row is one value in quotes, which holds the columns.
    QuotedRow,
    /// A byte order mark stands before the row, which is not the first one.
    ByteOrderMark,
}

impl Fault {
    /// Returns the name of the fault, for programs.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Columns(_) => "columns",
            Self::Field(..) => "value",
            Self::Quotes(_) => "plain_quotes",
            Self::Quoting(_) => "quoting",
            Self::TooLong => "too_long",
            Self::Header => "header",
            Self::Sums => "sums",
            Self::NoValues => "no_values",
            Self::EndMark => "end_mark",
            Self::DelimiterNote => "delimiter_note",
            Self::QuotedRow => "quoted_row",
            Self::ByteOrderMark => "byte_order_mark",
        }
    }

    /// Returns whether the row was never meant to be a bet, so that it says nothing about the form of the others.
    pub const fn is_no_bet(self) -> bool {
        matches!(
            self,
            Self::Header | Self::Sums | Self::NoValues | Self::EndMark | Self::DelimiterNote
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Columns(found) => write!(
                f,
                "the row has {} instead of 5 (name, surname, document, birthdate, number)",
                Count(*found as u64, "column")
            ),
            Self::Field(field, flaw) => write!(f, "{} {flaw}", field.name()),
            Self::Quotes(field) => write!(
                f,
                "{} holds a character that a plain server cannot read: one of , | {{ }} or a quote at its beginning",
                field.name()
            ),
            Self::Quoting(flaw) => flaw.fmt(f),
            Self::Header => f.write_str("the row is a header, not a bet: delete it"),
            Self::Sums => f.write_str("the row looks like a line of sums, not like a bet: delete it"),
            Self::NoValues => f.write_str("the row has no values, only commas: delete it"),
            Self::EndMark => f.write_str(
                "the row ends with Control-Z, with which DOS ended a file: delete that character",
            ),
            Self::DelimiterNote => f.write_str(
                "the row tells a spreadsheet which delimiter to use, and is no bet: delete it",
            ),
            Self::QuotedRow => f.write_str(
                "the whole row stands in quotes, so it is one column: delete the quotes around it",
            ),
            Self::ByteOrderMark => f.write_str(
                "a byte order mark stands before the row, as where two files were joined: delete it (it is the character U+FEFF, which most editors do not show)",
            ),
            Self::TooLong => write!(
                f,
                "the row has more than {MAX_ROW} bytes, perhaps because a quote is not closed; the rows after it were not checked"
            ),
        }
    }
}

/// Control-Z, with which DOS ended a text.
const END_OF_TEXT: u8 = 0x1a;

/// How many columns a bet has.
const COLUMNS: usize = 5;

/// The words with which a line of sums begins.
const SUMS: [&str; 6] = ["total", "subtotal", "suma", "sum", "cantidad", "count"];

/// Returns what a row is instead of a bet. Its columns come without the blanks around them. `whole`: the row is one value
/// in quotes.
pub(super) fn instead(columns: &[&[u8]], whole: bool) -> Option<Fault> {
    let first = columns.first()?;
    let (first, marked) = match first.strip_prefix(BYTE_ORDER_MARK) {
        Some(first) => (first, true),
        None => (*first, false),
    };
    let is_note = |text: &[u8]| text.eq_ignore_ascii_case(b"sep=");
    if is_end_mark(columns) {
        Some(Fault::EndMark)
    } else if columns.len() > 1 && columns.iter().all(|column| column.is_empty()) {
        Some(Fault::NoValues)
    } else if columns.len() <= 2 && first.get(..4).is_some_and(is_note) {
        Some(Fault::DelimiterNote)
    } else if names_columns(columns) {
        Some(Fault::Header)
    } else if is_sums(columns) {
        Some(Fault::Sums)
    } else if whole && first.split(|b| *b == b',').count() >= COLUMNS {
        Some(Fault::QuotedRow)
    } else {
        marked.then_some(Fault::ByteOrderMark)
    }
}

/// Returns whether the columns are a line of sums: `Total,,,,26936` or `,,,,26936`.
fn is_sums(columns: &[&[u8]]) -> bool {
    let is_named = |column: &&[u8]| {
        let text = String::from_utf8_lossy(column).to_lowercase();
        let word = text.split(|c: char| !c.is_alphabetic()).next();
        word.is_some_and(|word| SUMS.contains(&word))
    };
    let count = columns.len();
    let empty = columns.iter().filter(|column| column.is_empty()).count();
    let is_number = |column: &&[u8]| !column.is_empty() && column.iter().all(u8::is_ascii_digit);
    let last_alone = count > 2 && empty + 1 == count && columns.last().is_some_and(is_number);
    let named = (count <= 2 || empty >= 2) && columns.iter().any(is_named);
    let dated = columns.get(3).is_some_and(|date| date.len() == 10);
    (last_alone || named) && !dated && count <= COLUMNS + 1
}

/// Returns whether the row ends with Control-Z, after which zero bytes may fill up a block.
fn is_end_mark(columns: &[&[u8]]) -> bool {
    let last = columns.last().copied().unwrap_or_default();
    let filled = last.iter().rev().take_while(|b| **b == 0).count();
    last[..last.len() - filled].last() == Some(&END_OF_TEXT)
}
