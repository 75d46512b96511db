//! The agency file as rows: CSV, no header, name, surname, document, birthdate, number.
//!
//! In come the bytes of any reader; out come [`Row`]s that borrow from one buffer, each of which is a
//! [`Bet`] or says where and why it is none, and says the same however the reader cuts the file. All bytes read
//! go through a checksum on their way. Holds one row at a time, and that only up to [`MAX_ROW`]: an opening quote
//! without its end must not swallow the file. Never tells the value of a field.

use std::fmt;
use std::io::{self, Read};

use crc32fast::Hasher;
use csv::{ByteRecord, ReaderBuilder, Terminator};
use frame::{Agency, Bet, Birthdate, Document, Field, Flaw, Name, Number, payload};

/// The most bytes that a row may have, its line feed and the empty lines before it among them. The longest valid
/// one, its fields without blanks around them, has less than a tenth of them.
pub const MAX_ROW: usize = 16 * 1024;

/// Bytes of a byte order mark.
const BOM: usize = 3;

/// What is read from the file at once.
const READ: usize = 64 * 1024;

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
    reader: csv::Reader<Watched<R>>,
    record: ByteRecord,
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
        /// The line that it begins in, counted from 1, or the first of the empty ones before it.
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
                "the row, with the empty lines before it, has more than {MAX_ROW} bytes: is a closing quote \
                 missing? nothing behind it was checked"
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
            .buffer_capacity(READ)
            // A CR before it is taken off the last field; csv's own CRLF counts lines one behind.
            .terminator(Terminator::Any(b'\n'))
            .from_reader(Watched::new(reader));
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
        loop {
            let begin = self.reader.position().clone();
            self.reader.get_mut().begin_row(begin.byte());
            let read = self.reader.read_byte_record(&mut self.record);
            let end = self.reader.position();
            if self.reader.get_ref().overlong || end.byte() - begin.byte() > MAX_ROW as u64 {
                let line = begin.line();
                return Err(RowError::TooLong { line });
            }
            if !read.map_err(|e| RowError::Io(e.into()))? {
                return Ok(None);
            }
            if !is_blank(&self.record) {
                // Only a quote that nothing closes lets a row end with the file, without a line feed.
                let unclosed = self.reader.get_ref().ended;
                let next_line = end.line() + u64::from(unclosed);
                return Ok(Some(Row {
                    record: &self.record,
                    next_line,
                }));
            }
        }
    }

    /// The CRC-32 of all bytes that were read: after the last row, of the whole file.
    pub fn checksum(&self) -> u32 {
        self.reader.get_ref().crc.clone().finalize()
    }

    /// What the rows are read from.
    pub fn source(&self) -> &R {
        &self.reader.get_ref().inner
    }
}

/// A line of nothing but CR: csv skips only those of nothing at all.
fn is_blank(record: &ByteRecord) -> bool {
    record.len() == 1 && trim(record.as_slice()).is_empty()
}

/// One row, which may be a bet.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    record: &'a ByteRecord,
    /// The line after its last one.
    next_line: u64,
}

impl<'a> Row<'a> {
    /// The row as a bet of this agency, its fields trimmed of blanks.
    ///
    /// # Errors
    /// [`RowError::Bad`] where it is none.
    pub fn bet(&self, agency: Agency) -> Result<Bet<'a>, RowError> {
        if self.record.len() != COLUMNS.len() {
            let column = self.record.len().min(COLUMNS.len()) + 1;
            return Err(self.bad(column, Fault::Columns(self.record.len())));
        }
        Ok(Bet {
            agency,
            first_name: self.field(0, Name::parse)?,
            last_name: self.field(1, Name::parse)?,
            document: self.field(2, Document::parse)?,
            birthdate: self.field(3, Birthdate::parse)?,
            number: self.field(4, Number::parse)?,
        })
    }

    /// Checks that the row can be written without quotes.
    ///
    /// # Errors
    /// [`RowError::Bad`] where it cannot.
    pub fn check_plain(&self) -> Result<(), RowError> {
        for (index, field) in COLUMNS.into_iter().enumerate() {
            if payload::needs_quotes(self.text(index)) {
                return Err(self.bad(index + 1, Fault::Quotes(field)));
            }
        }
        Ok(())
    }

    fn field<T>(
        &self,
        index: usize,
        parse: impl Fn(&'a [u8]) -> Result<T, Flaw>,
    ) -> Result<T, RowError> {
        parse(self.text(index))
            .map_err(|flaw| self.bad(index + 1, Fault::Field(COLUMNS[index], flaw)))
    }

    fn text(&self, index: usize) -> &'a [u8] {
        trim(self.record.get(index).unwrap_or_default())
    }

    fn bad(&self, column: usize, fault: Fault) -> RowError {
        // Every row ends with a line feed, and may hold more of them between quotes.
        let within = count(b'\n', self.record.as_slice());
        RowError::Bad(BadRow {
            line: self.next_line - 1 - within,
            column,
            fault,
        })
    }
}

fn count(byte: u8, bytes: &[u8]) -> u64 {
    bytes.iter().filter(|b| **b == byte).count() as u64
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

/// A reader that adds up what passes, stops a row that has no end, and ends the last line where the file
/// does not.
struct Watched<R> {
    inner: R,
    crc: Hasher,
    /// Bytes that were given, and those of them that stand before the row at hand.
    given: u64,
    begin: u64,
    overlong: bool,
    last: u8,
    /// It has said that there is no more.
    ended: bool,
}

impl<R: Read> Watched<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            crc: Hasher::new(),
            given: 0,
            begin: 0,
            overlong: false,
            last: b'\n',
            ended: false,
        }
    }

    fn begin_row(&mut self, begin: u64) {
        self.begin = begin;
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.given - self.begin > MAX_ROW as u64 {
            self.overlong = true;
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut count = self.inner.read(space)?;
        // csv takes a byte order mark off only where the first read brings all of it, and one that comes alone
        // for an empty file.
        while self.given == 0 && (1..=BOM).contains(&count) {
            match self.inner.read(&mut space[count..])? {
                0 => break,
                more => count += more,
            }
        }
        self.crc.update(&space[..count]);
        if count == 0 && self.last != b'\n' && !space.is_empty() {
            space[0] = b'\n';
            count = 1;
        }
        match space[..count].last() {
            Some(last) => self.last = *last,
            None => self.ended = true,
        }
        self.given += count as u64;
        Ok(count)
    }
}
