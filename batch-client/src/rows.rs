//! The agency file as rows: CSV, no header, name, surname, document, birthdate, number.
//!
//! In come the bytes of any reader; out come [`Row`]s that borrow from one buffer, each of which is a
//! [`Bet`] or says where and why it is none, and says the same however the reader cuts the file. A line without
//! quotes is a row as it stands, nearly every one; what quotes mean, csv knows. Holds one row at a time, and that
//! only up to [`MAX_ROW`]: an opening quote without its end must not swallow the file. Never tells the value of a
//! field.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;

use csv::{ByteRecord, ReaderBuilder, Terminator};
use frame::{Agency, Bet, Birthdate, Document, Field, Flaw, Name, Number, payload};

pub use crate::lines::MAX_ROW;
use crate::lines::{Ahead, Lines};

/// The columns of a row, in their order.
const COLUMNS: [Field; 5] = [
    Field::FirstName,
    Field::LastName,
    Field::Document,
    Field::Birthdate,
    Field::Number,
];

/// The rows of an agency file, one after another.
pub struct Rows<R> {
    reader: csv::Reader<Lines<R>>,
    record: ByteRecord,
}

/// Where a row is.
enum Found {
    Line(Range<usize>),
    Record,
}

/// Why there is no next row.
#[derive(Debug)]
pub enum RowError {
    /// The reader failed.
    Io(io::Error),
    /// The row is no bet. The rows after it can be read.
    Bad(BadRow),
    /// The row has more than [`MAX_ROW`] bytes. Nothing behind it can be read.
    TooLong {
        /// The line that it begins in, counted from 1.
        line: u64,
    },
}

/// Where a row is no bet, and why.
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
    /// There are not five columns but so many.
    Columns(usize),
    /// A field holds no value of its kind.
    Field(Field, Flaw),
    /// A field can only be written in quotes, which a plain server does not know.
    Quotes(Field),
    /// The row has more than [`MAX_ROW`] bytes.
    TooLong,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Columns(found) => write!(
                f,
                "there are {found} columns instead of 5 (name, surname, document, birthdate, number)"
            ),
            Self::Field(field, flaw) => write!(f, "{} {flaw}", field.name()),
            Self::Quotes(field) => write!(
                f,
                "{} holds what a plain server cannot read: one of , | {{ }} or a quote at its beginning",
                field.name()
            ),
            Self::TooLong => write!(
                f,
                "the row has more than {MAX_ROW} bytes: is a closing quote missing? nothing behind it was checked"
            ),
        }
    }
}

impl<R: Read> Rows<R> {
    /// The rows of what `reader` gives.
    pub fn new(reader: R) -> Self {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(MAX_ROW)
            // A CR before it is taken off the last field, here as in a line without quotes.
            .terminator(Terminator::Any(b'\n'))
            .from_reader(Lines::new(reader));
        Self {
            reader,
            record: ByteRecord::new(),
        }
    }

    /// The next row that is not blank; `None` after the last.
    ///
    /// # Errors
    /// The reader failed, or the row is too long.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, RowError> {
        let Some((line, found)) = self.find()? else {
            return Ok(None);
        };
        let text = match found {
            Found::Line(range) => Text::Line(self.reader.get_ref().text(range)),
            Found::Record => Text::Record(&self.record),
        };
        Ok(Some(Row { text, line }))
    }

    /// The next row that is not blank, and the line that it begins in.
    fn find(&mut self) -> Result<Option<(u64, Found)>, RowError> {
        loop {
            let lines = self.reader.get_mut();
            let line = lines.passed() + 1;
            match lines.look().map_err(RowError::Io)? {
                Ahead::Line(range) if trim(lines.text(range.clone())).is_empty() => {}
                Ahead::Line(range) => return Ok(Some((line, Found::Line(range)))),
                Ahead::Quotes => {
                    self.read_record(line)?;
                    return Ok(Some((line, Found::Record)));
                }
                Ahead::TooLong => return Err(RowError::TooLong { line }),
                Ahead::End => return Ok(None),
            }
        }
    }

    #[cold]
    fn read_record(&mut self, line: u64) -> Result<(), RowError> {
        self.reader.get_mut().begin_row();
        let read = self.reader.read_byte_record(&mut self.record);
        if self.reader.get_ref().is_overlong() {
            return Err(RowError::TooLong { line });
        }
        read.map(drop).map_err(|e| RowError::Io(e.into()))
    }

    /// The CRC-32 of all bytes that were read: after the last row, of the whole file.
    pub fn checksum(&self) -> u32 {
        self.reader.get_ref().checksum()
    }

    /// What the rows are read from.
    pub fn source(&self) -> &R {
        self.reader.get_ref().source()
    }
}

/// One row, which may be a bet.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    text: Text<'a>,
    /// The line that it begins in.
    line: u64,
}

#[derive(Clone, Copy, Debug)]
enum Text<'a> {
    /// Without quotes.
    Line(&'a [u8]),
    Record(&'a ByteRecord),
}

impl<'a> Row<'a> {
    /// The row as a bet of this agency, its fields trimmed of blanks.
    ///
    /// # Errors
    /// [`RowError::Bad`] where it is none.
    pub fn bet(&self, agency: Agency) -> Result<Bet<'a>, RowError> {
        match self.text {
            Text::Line(line) => read_plain(agency, line).map_or_else(|| self.read(agency), Ok),
            Text::Record(_) => self.read(agency),
        }
    }

    /// Out of line, so that the quick way stays short.
    #[cold]
    fn read(&self, agency: Agency) -> Result<Bet<'a>, RowError> {
        let columns = self.columns()?;
        Ok(Bet {
            agency,
            first_name: self.field(columns, 0, Name::parse)?,
            last_name: self.field(columns, 1, Name::parse)?,
            document: self.field(columns, 2, Document::parse)?,
            birthdate: self.field(columns, 3, Birthdate::parse)?,
            number: self.field(columns, 4, Number::parse)?,
        })
    }

    /// Checks that the row can be written without quotes.
    ///
    /// # Errors
    /// [`RowError::Bad`] where it cannot.
    pub fn check_plain(&self) -> Result<(), RowError> {
        for (index, text) in self.columns()?.into_iter().enumerate() {
            if payload::needs_quotes(text) {
                return Err(self.bad(index + 1, Fault::Quotes(COLUMNS[index])));
            }
        }
        Ok(())
    }

    /// All columns, trimmed of blanks.
    fn columns(&self) -> Result<[&'a [u8]; 5], RowError> {
        let mut columns = [&[][..]; COLUMNS.len()];
        let count = match self.text {
            Text::Line(line) => fill(&mut columns, line.split(|byte| *byte == b',')),
            Text::Record(record) => fill(&mut columns, record.iter()),
        };
        if count == COLUMNS.len() {
            Ok(columns)
        } else {
            let column = count.min(COLUMNS.len()) + 1;
            Err(self.bad(column, Fault::Columns(count)))
        }
    }

    fn field<T>(
        &self,
        columns: [&'a [u8]; 5],
        index: usize,
        parse: impl Fn(&'a [u8]) -> Result<T, Flaw>,
    ) -> Result<T, RowError> {
        parse(columns[index])
            .map_err(|flaw| self.bad(index + 1, Fault::Field(COLUMNS[index], flaw)))
    }

    #[cold]
    fn bad(&self, column: usize, fault: Fault) -> RowError {
        RowError::Bad(BadRow {
            line: self.line,
            column,
            fault,
        })
    }
}

/// The quick way, for a line of plain texts without blanks around them. For any other, and for one with a flaw,
/// `None`.
#[inline]
fn read_plain<'a>(agency: Agency, line: &'a [u8]) -> Option<Bet<'a>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (first_name, rest) = Name::split_plain(line)?;
    let (last_name, rest) = Name::split_plain(rest.strip_prefix(b",")?)?;
    let (document, rest) = Document::split_plain(rest.strip_prefix(b",")?)?;
    let (birthdate, rest) = rest.strip_prefix(b",")?.split_first_chunk::<10>()?;
    Some(Bet {
        agency,
        first_name,
        last_name,
        document,
        birthdate: Birthdate::parse(birthdate).ok()?,
        number: Number::parse(rest.strip_prefix(b",")?).ok()?,
    })
}

/// Takes the first columns of a row, trimmed of blanks; says how many it has.
fn fill<'a>(columns: &mut [&'a [u8]; 5], row: impl Iterator<Item = &'a [u8]>) -> usize {
    let mut count = 0;
    for text in row {
        if let Some(column) = columns.get_mut(count) {
            *column = trim(text);
        }
        count += 1;
    }
    count
}

/// Takes blanks off both ends, and a CR that belongs to the end of the line.
fn trim(mut bytes: &[u8]) -> &[u8] {
    if let [rest @ .., b'\r'] = bytes {
        bytes = rest;
    }
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
