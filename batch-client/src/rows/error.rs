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
            Self::TooLong => write!(
                f,
                "the row has more than {MAX_ROW} bytes, perhaps because a quote is not closed; the rows after it were not checked"
            ),
        }
    }
}
