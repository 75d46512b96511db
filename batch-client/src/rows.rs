//! The agency file as rows: CSV, no header, name, surname, document, birthdate, number.
//!
//! In come the bytes of any reader; out come [`Row`]s that borrow from one buffer, each of which is a
//! [`Bet`] or says where and why it is none. All bytes read go through MD5 on their way.
//!
//! A row is a line. RFC 4180 lets a quoted field go on over the line's end, but no bet has a line end in a
//! field; and so a quote that nobody closed spoils its own line, and does not swallow the file. Never tells
//! the value of a field.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};

use frame::{Agency, Bet, Birthdate, Document, Field, Flaw, Name, Number, UploadId, payload};
use md5::{Digest, Md5};
use memchr::memchr;

/// The most bytes that a row may have. The longest valid one has less than a tenth of them.
pub const MAX_ROW: usize = 16 * 1024;

/// What is read from the file at once, at most.
const READ: usize = 64 * 1024;

/// What some programs begin a file of UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The columns of a row, in their order.
const COLUMNS: [Field; 5] = [
    Field::FirstName,
    Field::LastName,
    Field::Document,
    Field::Birthdate,
    Field::Number,
];

/// The rows of an agency file, one after another.
///
/// ```text
///             start            end
/// +-----------+----------------+-------+
/// | given out | not given out  | free  |   a fill moves what is left to the front
/// +-----------+----------------+-------+
/// ```
pub struct Rows<R> {
    reader: R,
    md5: Md5,
    buffer: Box<[u8; READ]>,
    /// `start <= end <= READ`.
    start: usize,
    end: usize,
    /// The reader has nothing more.
    ended: bool,
    /// Lines that were given out.
    line: u64,
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
    /// The field begins with a quote that does not enclose it.
    Unenclosed,
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
            Self::Unenclosed => {
                f.write_str("the field begins with a quote that does not enclose it")
            }
            Self::Quotes(field) => write!(
                f,
                "{} holds what a plain server cannot read: one of , | {{ }} or a quote at its beginning",
                field.name()
            ),
            Self::TooLong => write!(
                f,
                "the row has more than {MAX_ROW} bytes, nothing behind it was checked"
            ),
        }
    }
}

impl<R: Read> Rows<R> {
    /// The rows of what `reader` gives.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            md5: Md5::new(),
            buffer: Box::new([0; READ]),
            start: 0,
            end: 0,
            ended: false,
            line: 0,
        }
    }

    /// The next row that is not blank; `None` after the last.
    ///
    /// # Errors
    /// The reader failed, or the row is too long.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, RowError> {
        while let Some(length) = self.line_length()? {
            let (begin, end) = (self.start, self.start + length);
            // The last line may have no LF.
            self.start = self.end.min(end + 1);
            self.line += 1;
            if !self.buffer[begin..end].trim_ascii().is_empty() {
                return Ok(Some(Row::new(&self.buffer[begin..end], self.line)));
            }
        }
        Ok(None)
    }

    /// Sees to it that a whole line stands at `start`; returns how long it is without its LF.
    fn line_length(&mut self) -> Result<Option<usize>, RowError> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            let line = &unread[..unread.len().min(MAX_ROW + 1)];
            match memchr(b'\n', line) {
                Some(length) => return Ok(Some(length)),
                None if line.len() > MAX_ROW => {
                    let line = self.line + 1;
                    return Err(RowError::TooLong { line });
                }
                None if self.ended => return Ok((!line.is_empty()).then_some(line.len())),
                None => self.fill().map_err(RowError::Io)?,
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let space = &mut self.buffer[self.end..];
        let count = loop {
            match self.reader.read(space) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.md5.update(&space[..count]);
        self.ended = count == 0;
        self.end += count;
        if self.line == 0 && self.buffer[..self.end].starts_with(BYTE_ORDER_MARK) {
            self.start = BYTE_ORDER_MARK.len();
        }
        Ok(())
    }

    /// The MD5 of all bytes that were read: after the last row, the name of this file's upload.
    pub fn digest(&self) -> UploadId {
        UploadId(self.md5.clone().finalize().into())
    }
}

/// One row, which may be a bet.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Its line, without the line's end.
    text: &'a [u8],
    line: u64,
}

impl<'a> Row<'a> {
    fn new(line: &'a [u8], number: u64) -> Self {
        Self {
            text: line.strip_suffix(b"\r").unwrap_or(line),
            line: number,
        }
    }

    /// The row as a bet of this agency, its fields trimmed of blanks.
    ///
    /// # Errors
    /// [`RowError::Bad`] where it is none.
    pub fn bet(&self, agency: Agency) -> Result<Bet<'a>, RowError> {
        match self.read_plain(agency) {
            Some(bet) => Ok(bet),
            None => self.read_any(agency),
        }
    }

    /// The quick way, for a row without quotes and blanks around its fields. For any other, and for one with a
    /// flaw, `None`.
    fn read_plain(&self, agency: Agency) -> Option<Bet<'a>> {
        let (first_name, rest) = Name::split_plain(self.text)?;
        let (last_name, rest) = Name::split_plain(rest.strip_prefix(b",")?)?;
        let (document, rest) = Document::split_plain(rest.strip_prefix(b",")?)?;
        let (birthdate, rest) = rest.strip_prefix(b",")?.split_first_chunk::<10>()?;
        let birthdate = Birthdate::parse(birthdate).ok()?;
        let number = Number::parse(rest.strip_prefix(b",")?).ok()?;
        Some(Bet {
            agency,
            first_name,
            last_name,
            document,
            birthdate,
            number,
        })
    }

    #[cold]
    fn read_any(&self, agency: Agency) -> Result<Bet<'a>, RowError> {
        let mut columns = Columns(Some(self.text));
        let bet = Bet {
            agency,
            first_name: self.field(1, columns.next(), Name::parse)?,
            last_name: self.field(2, columns.next(), Name::parse)?,
            document: self.field(3, columns.next(), Document::parse)?,
            birthdate: self.field(4, columns.next(), |text| Birthdate::parse(&text))?,
            number: self.field(5, columns.next(), |text| Number::parse(&text))?,
        };
        match columns.next() {
            None => Ok(bet),
            Some(_) => Err(self.bad(6, Fault::Columns(6))),
        }
    }

    /// Checks that the row can be written without quotes.
    ///
    /// # Errors
    /// [`RowError::Bad`] where it cannot.
    pub fn check_plain(&self) -> Result<(), RowError> {
        for ((column, text), field) in (1..).zip(Columns(Some(self.text))).zip(COLUMNS) {
            if text.is_ok_and(|text| payload::needs_quotes(&text)) {
                return Err(self.bad(column, Fault::Quotes(field)));
            }
        }
        Ok(())
    }

    fn field<T>(
        &self,
        column: usize,
        text: Option<Result<Cow<'a, [u8]>, Unenclosed>>,
        parse: impl Fn(Cow<'a, [u8]>) -> Result<T, Flaw>,
    ) -> Result<T, RowError> {
        let fault = match text {
            Some(Ok(text)) => match parse(text) {
                Ok(value) => return Ok(value),
                Err(flaw) => Fault::Field(COLUMNS[column - 1], flaw),
            },
            Some(Err(Unenclosed)) => Fault::Unenclosed,
            None => Fault::Columns(column - 1),
        };
        Err(self.bad(column, fault))
    }

    /// A row of another shape is told as such: its fields may not be what they seem.
    #[cold]
    fn bad(&self, column: usize, fault: Fault) -> RowError {
        let count = Columns(Some(self.text)).count();
        let (column, fault) = match Columns(Some(self.text)).position(|column| column.is_err()) {
            Some(before) => (before + 1, Fault::Unenclosed),
            None if count != COLUMNS.len() => (count.min(COLUMNS.len()) + 1, Fault::Columns(count)),
            None => (column, fault),
        };
        RowError::Bad(BadRow {
            line: self.line,
            column,
            fault,
        })
    }
}

/// The columns of a line, trimmed of blanks, up to the first that is not enclosed by its quotes.
struct Columns<'a>(Option<&'a [u8]>);

struct Unenclosed;

impl<'a> Iterator for Columns<'a> {
    type Item = Result<Cow<'a, [u8]>, Unenclosed>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.0.take()?;
        let quoted = line.strip_prefix(b"\"");
        let (value, rest) = match quoted.map(payload::read_quoted) {
            None => (None, line),
            Some(Some((value, rest))) => (Some(value), rest),
            Some(None) => return Some(Err(Unenclosed)),
        };
        let comma = memchr(b',', rest);
        let (plain, rest) = rest.split_at(comma.unwrap_or(rest.len()));
        self.0 = rest.get(1..);
        Some(match (value, trim(plain)) {
            (None, plain) => Ok(Cow::Borrowed(plain)),
            (Some(Cow::Borrowed(value)), []) => Ok(Cow::Borrowed(trim(value))),
            (Some(Cow::Owned(value)), []) => Ok(Cow::Owned(trim(&value).to_vec())),
            (Some(_), _) => {
                self.0 = None;
                Err(Unenclosed)
            }
        })
    }
}

/// Takes blanks off both ends.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
