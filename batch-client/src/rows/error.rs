//! Why a row of the agency file is not a bet, and where. No error holds the value of a field.

use std::fmt;
use std::io;

use frame::{Field, Flaw};

use crate::blocks::Changed;
use crate::lines::MAX_ROW;
use crate::quoting::Flaw as QuoteFlaw;
use frame::Count;

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
    /// The error of a failed reading.
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
    /// The row ends with the sign with which DOS ended a text, or is that sign.
    EndMark,
    /// The row tells a spreadsheet the delimiter.
    DelimiterNote,
    /// The row is one value in quotes, which holds the columns.
    QuotedRow,
    /// A byte order mark stands before the row, which is not the first one.
    ByteOrderMark,
}

impl Fault {
    /// The name of the fault, for programs.
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

    /// Whether the row was never meant to be a bet, so that it says nothing about the form of the others.
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
