//! What is told of values that look damaged: in which way, where, in how many rows, and the sentence for it.

use std::fmt;

use frame::Count;

/// A way in which a value looks damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A character inside of a value that nobody sees.
    InvisibleCharacter,
    /// A value between quotes that are not those of CSV.
    ForeignQuotes,
    /// UTF-8 that was read in another encoding.
    DecodedTwice,
    /// The sign that a decoder writes for bytes that it cannot read.
    LostLetter,
    /// A value that a spreadsheet would run.
    Formula,
    /// An error of a spreadsheet, or what a database writes for no value.
    NoValue,
    /// A document that was marked as a text in a spreadsheet.
    TextMark,
    /// A document that was read as a number with decimals.
    DecimalDocument,
    /// A document with points, commas or blanks in it, beside others that have none.
    GroupedDigits,
    /// A birthdate before 1880.
    EarlyBirthdate,
    /// A birthdate in the future.
    FutureBirthdate,
    /// Many rows that are equal to another one.
    RepeatedRows,
}

/// Rows of a file whose values look damaged in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The way.
    pub kind: Kind,
    /// The line in which the first of them begins, counted from 1.
    pub line: u64,
    /// The column that looks damaged there, counted from 1.
    pub column: usize,
    /// How many rows there are.
    pub rows: HowMany,
}

/// A number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowMany {
    /// So many.
    Exactly(u64),
    /// The estimate from a sample.
    About(u64),
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::InvisibleCharacter,
        Self::ForeignQuotes,
        Self::DecodedTwice,
        Self::LostLetter,
        Self::Formula,
        Self::NoValue,
        Self::TextMark,
        Self::DecimalDocument,
        Self::GroupedDigits,
        Self::EarlyBirthdate,
        Self::FutureBirthdate,
        Self::RepeatedRows,
    ];

    /// Returns the name of the kind, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvisibleCharacter => "invisible_character",
            Self::ForeignQuotes => "foreign_quotes",
            Self::DecodedTwice => "decoded_twice",
            Self::LostLetter => "lost_letter",
            Self::Formula => "formula",
            Self::NoValue => "no_value",
            Self::TextMark => "text_mark",
            Self::DecimalDocument => "decimal_document",
            Self::GroupedDigits => "grouped_digits",
            Self::EarlyBirthdate => "early_birthdate",
            Self::FutureBirthdate => "future_birthdate",
            Self::RepeatedRows => "repeated_rows",
        }
    }

    /// What is odd, and what to do, as the rest of a sentence about the field.
    const fn sentence(self) -> &'static str {
        match self {
            Self::InvisibleCharacter => {
                "holds a character that nobody sees, such as a no-break space: replace it by a plain space, or delete it"
            }
            Self::ForeignQuotes => {
                "stands in quotes that are not those of CSV, such as a word processor's: delete them"
            }
            Self::DecodedTwice => {
                "looks as if it was decoded twice (ñ becomes Ã±): export the file again, and open it as UTF-8"
            }
            Self::LostLetter => {
                "has the sign for a letter that was lost (U+FFFD): export the file again, in UTF-8"
            }
            Self::Formula => {
                "begins with =, + or @, so a spreadsheet would run it: write the value itself"
            }
            Self::NoValue => {
                "is what a spreadsheet or a database writes in place of a value, such as #N/A or NULL: write the value"
            }
            Self::TextMark => "begins with an apostrophe, as spreadsheets mark a text: delete it",
            Self::DecimalDocument => {
                "is written as a number with decimals, such as 3.09E+07, so digits may be lost: export it as a text"
            }
            Self::GroupedDigits => {
                "has points, commas or blanks between its digits, and in other rows it has none: write all of them alike"
            }
            Self::EarlyBirthdate => "is before 1880: correct it",
            Self::FutureBirthdate => "is in the future: correct it",
            Self::RepeatedRows => {
                "equals an earlier row, as many others do: see whether a part of the file is in it twice"
            }
        }
    }
}

/// What is odd, what to do, and how many rows it is about. Holds no value.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match (self.kind, self.column) {
            (Kind::RepeatedRows, _) => "the row",
            (_, 1) => "nombre",
            (_, 2) => "apellido",
            (_, 3) => "dni",
            _ => "nacimiento",
        };
        write!(f, "{subject} {} ({})", self.kind.sentence(), self.rows)
    }
}

impl HowMany {
    /// Returns the number.
    pub fn number(self) -> u64 {
        match self {
            Self::Exactly(number) | Self::About(number) => number,
        }
    }
}

impl fmt::Display for HowMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(_) => {}
            Self::About(_) => f.write_str("about ")?,
        }
        Count(self.number(), "row").fmt(f)
    }
}
