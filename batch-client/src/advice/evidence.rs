//! What of a file shows its kind.

/// How many of the first bytes of a file are evidence.
pub const HEAD: usize = 4 * 1024;

/// How many of the first bad rows are evidence.
pub const SAMPLES: usize = 8;

/// A bad row, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The line in which it begins, counted from 1.
    pub line: u64,
    /// Its text. Where it has quotes, these are its fields without them, and every comma is between two of them.
    pub text: Vec<u8>,
    /// Whether it has quotes.
    pub quoted: bool,
    /// Whether it is the first row of the file.
    pub first: bool,
}

/// What shows the kind of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The first bytes of the file, at most [`HEAD`].
    pub head: Vec<u8>,
    /// The first bad rows, at most [`SAMPLES`].
    pub samples: Vec<Sample>,
    /// The line in which a row begins whose quotes are not closed: it is too long, or the file ends before.
    pub endless: Option<u64>,
    /// Whether the file has any row that is a bet.
    pub has_bets: bool,
}
