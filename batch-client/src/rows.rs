//! The agency file as rows: CSV without a header; name, surname, document, birthdate, number.
//!
//! In come the bytes of any reader; out come [`Row`]s, which borrow from one buffer. Each of them is a [`Bet`], or an error
//! that says where and why it is not; in how many pieces the reader gives the file makes no difference. Nearly every row
//! is a line without quotes, and its fields are parts of the buffer; those of other rows are copied without their quotes.
//! Holds one row at a time, of at most [`MAX_ROW`] bytes, so that a quote that is never closed does not make the whole file
//! one row. No error holds the value of a field.

mod fault;
pub(crate) mod lines;
mod quoting;

use std::io::Read;
use std::sync::Arc;

use frame::copy::FromColumns;
use frame::{Agency, Bet, Birthdate, Document, Field, Flaw, Name, Number, payload};

use crate::advice::{Quotes, Sample};
use crate::blocks::{Blocks, Reading};
pub use fault::{BadRow, Fault, RowError};
pub use lines::MAX_ROW;
use lines::{Ahead, BYTE_ORDER_MARK, Lines};
use quoting::Fields;
pub use quoting::QuoteFlaw;

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
    lines: Lines<R>,
    /// The fields of the last row that had quotes.
    fields: Fields,
    /// How a row that was too long began; nothing can be read after it.
    ended: Option<Ended>,
}

/// Whether quotes were open in the first bytes of a row that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    InQuotes,
    Unquoted,
}

impl<R: Read> Rows<R> {
    /// Begins with the first row of the file that `reader` gives, which is read for the first time.
    pub fn new(reader: R) -> Self {
        Self::of(Reading::first(reader))
    }

    /// Begins with the first row of a file that had these blocks when it was read first. All rows are of that file; where it was
    /// changed, there is an error before the first row of a block that is not the same.
    pub fn again(reader: R, blocks: Arc<Blocks>) -> Self {
        Self::of(Reading::again(reader, blocks))
    }

    fn of(reading: Reading<R>) -> Self {
        Self {
            lines: Lines::new(reading),
            fields: Fields::default(),
            ended: None,
        }
    }

    /// Returns the next row that is not blank; `None` after the last one, and after one that is too long.
    ///
    /// # Errors
    /// The reader failed, the file has changed, or the row is too long.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, RowError> {
        if self.ended.is_some() {
            return Ok(None);
        }
        let (line, range) = loop {
            let line = self.lines.position().line();
            match self.lines.look().map_err(RowError::read)? {
                Ahead::Line(range) if is_blank(self.lines.text(range.clone())) => {}
                Ahead::Line(range) => break (line, range),
                Ahead::Quoted(range) => {
                    let raw = without_cr(self.lines.text(range));
                    self.fields.read(raw);
                    let fields = Some(&self.fields);
                    return Ok(Some(Row {
                        raw,
                        fields,
                        line,
                        may_be_odd: true,
                    }));
                }
                Ahead::TooLong { in_quotes } => {
                    self.ended = Some(if in_quotes {
                        Ended::InQuotes
                    } else {
                        Ended::Unquoted
                    });
                    return Err(RowError::TooLong { line });
                }
                Ahead::End => return Ok(None),
            }
        };
        let raw = without_cr(self.lines.text(range));
        Ok(Some(Row {
            raw,
            fields: None,
            line,
            may_be_odd: true,
        }))
    }

    /// Returns the next row with its bet, where it is one that is read fast: a valid line without quotes and without blanks
    /// around its values, of which all bytes are in the buffer. `None` for any other row, which
    /// [`next_row`](Self::next_row) then returns. Nearly all rows of nearly all files are read fast, without searching for the
    /// end of the line first.
    #[inline]
    pub fn next_fast(&mut self, agency: Agency) -> Option<(Row<'_>, Bet<'_>)> {
        let (unread, next) = self.lines.unread();
        let (bet, length) = read_fast(agency, unread)?;
        let row = Row {
            raw: &unread[..length],
            fields: None,
            line: next.line(),
            may_be_odd: next.may_be_odd(length),
        };
        next.consume_line(match unread[length] {
            b'\r' => length + 2,
            _ => length + 1,
        });
        Some((row, bet))
    }

    /// Copies the next row to the front of `out`, as the object that its bet is written as, where it is one that
    /// [`next_fast`](Self::next_fast) would return, and consumes it; returns how many bytes the object has. `None` for any other
    /// row, and for a few more; the bytes of `out` have no meaning then.
    #[inline]
    pub fn copy_next(&mut self, copy: &FromColumns, out: &mut [u8]) -> Option<usize> {
        let (unread, next) = self.lines.unread();
        if unread.first() == BYTE_ORDER_MARK.first() {
            return None;
        }
        let (length, written) = copy.object(unread, out)?;
        next.consume_line(length + line_end(&unread[length..])?);
        Some(written)
    }

    /// Returns whether quotes were open after the first bytes of a row that was too long.
    pub fn ends_in_quotes(&self) -> bool {
        self.ended == Some(Ended::InQuotes)
    }

    /// Returns the blocks of all that was read. After the last row these are the whole file.
    pub fn blocks(&self) -> Blocks {
        self.lines.blocks()
    }

    /// Returns the reader that gives the file.
    pub fn reader(&self) -> &R {
        self.lines.reader()
    }
}

/// One row of the file.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// As the file has it, without its line end.
    raw: &'a [u8],
    /// Its fields where it has quotes.
    fields: Option<&'a Fields>,
    /// The line in which it begins.
    line: u64,
    /// Whether an odd byte may be in it.
    may_be_odd: bool,
}

impl<'a> Row<'a> {
    /// Returns the line in which it begins, counted from 1.
    #[inline]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Returns whether it may have a byte with which damage may begin; `false` only where it has none.
    #[inline]
    pub fn may_be_odd(&self) -> bool {
        self.may_be_odd
    }

    /// Returns the row as the file has it, without its line end.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Returns the row as a bet of this agency; blanks around its fields are removed. Not inlined, so that the code of the
    /// fast path stays small.
    ///
    /// # Errors
    /// [`RowError::Bad`]: it is not a valid bet.
    #[cold]
    pub fn bet(&self, agency: Agency) -> Result<Bet<'a>, RowError> {
        let read = self.read_columns(agency);
        let wrong = read.is_err() || self.begins_with_mark();
        match wrong.then(|| self.instead()).flatten() {
            Some(fault) => Err(self.bad(1, fault)),
            None => read,
        }
    }

    fn read_columns(&self, agency: Agency) -> Result<Bet<'a>, RowError> {
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

    /// Returns what the row is instead of a bet, where its columns show that.
    fn instead(&self) -> Option<Fault> {
        if self.fields.is_some_and(|fields| fields.flaw().is_some()) {
            return None;
        }
        let columns: Vec<&[u8]> = match self.fields {
            None => self.raw.split(|byte| *byte == b',').map(trim).collect(),
            Some(fields) => fields.iter().map(trim).collect(),
        };
        fault::instead(&columns, self.is_whole())
    }

    /// Returns whether quotes are around all of it.
    fn is_whole(&self) -> bool {
        let is_one = |fields: &Fields| fields.flaw().is_none() && fields.iter().nth(1).is_none();
        self.fields.is_some_and(is_one)
    }

    /// Calls `see` with its text: all of it, or one field after another.
    pub fn for_each_text(&self, mut see: impl FnMut(&[u8])) {
        match self.fields {
            None => see(self.raw),
            Some(fields) => fields.iter().for_each(see),
        }
    }

    /// Returns whether it begins with a byte order mark. That of the file is no part of its first row.
    fn begins_with_mark(&self) -> bool {
        let first = match self.fields {
            None => Some(self.raw),
            Some(fields) => fields.iter().next(),
        };
        first.is_some_and(|text| trim(text).starts_with(BYTE_ORDER_MARK))
    }

    /// Checks that the row can be written without quotes.
    ///
    /// # Errors
    /// [`RowError::Bad`]: it cannot.
    pub fn check_plain(&self) -> Result<(), RowError> {
        for (index, text) in self.columns()?.into_iter().enumerate() {
            if payload::needs_quotes(text) {
                return Err(self.bad(index + 1, Fault::Quotes(COLUMNS[index])));
            }
        }
        Ok(())
    }

    /// Returns the row as evidence of what the file is. `first`: whether it is the first row of the file.
    pub fn sample(&self, first: bool) -> Sample {
        let mut text = Vec::new();
        match self.fields {
            None => text.extend_from_slice(self.raw),
            Some(fields) => {
                let alone = self.is_whole();
                for field in fields.iter() {
                    // A comma in quotes divides nothing, unless the whole row is in quotes.
                    let bytes = field
                        .iter()
                        .map(|b| if *b == b',' && !alone { b' ' } else { *b });
                    text.extend(bytes);
                    text.push(b',');
                }
                text.pop();
            }
        }
        let quotes = match self.fields {
            None => Quotes::No,
            Some(_) if self.is_whole() && text.contains(&b',') => Quotes::Around,
            Some(_) => Quotes::InFields,
        };
        Sample {
            line: self.line,
            text,
            quotes,
            first,
        }
    }

    /// Returns all columns, without the blanks around them.
    fn columns(&self) -> Result<[&'a [u8]; 5], RowError> {
        let mut columns = [&[][..]; COLUMNS.len()];
        let count = match self.fields {
            None => fill(&mut columns, self.raw.split(|byte| *byte == b',')),
            Some(fields) => {
                if let Some((index, flaw)) = fields.flaw() {
                    return Err(self.bad(index + 1, Fault::Quoting(flaw)));
                }
                fill(&mut columns, fields.iter())
            }
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

/// The fast path: returns the bet of a valid line whose values have no blanks around them and whose texts are plain, and how
/// many bytes the line has without its end. `None` where the bytes begin with any other row, or do not hold its line end.
#[inline(always)]
fn read_fast(agency: Agency, bytes: &[u8]) -> Option<(Bet<'_>, usize)> {
    if bytes.first() == BYTE_ORDER_MARK.first() {
        return None;
    }
    let (first_name, rest) = Name::split_plain(bytes)?;
    let (last_name, rest) = Name::split_plain(rest.strip_prefix(b",")?)?;
    let (document, rest) = Document::split_plain(rest.strip_prefix(b",")?)?;
    let (birthdate, rest) = rest.strip_prefix(b",")?.split_first_chunk::<10>()?;
    let (number, rest) = Number::split(rest.strip_prefix(b",")?)?;
    line_end(rest)?;
    let bet = Bet {
        agency,
        first_name,
        last_name,
        document,
        birthdate: Birthdate::parse(birthdate).ok()?,
        number,
    };
    Some((bet, bytes.len() - rest.len()))
}

/// Returns how many bytes the line end has that `bytes` begin with.
#[inline]
fn line_end(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

/// Takes the first columns of a row, without the blanks around them; returns how many columns the row has.
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

/// Returns a line or a row without the CR at its end.
#[inline]
fn without_cr(row: &[u8]) -> &[u8] {
    row.strip_suffix(b"\r").unwrap_or(row)
}

fn is_blank(line: &[u8]) -> bool {
    trim(without_cr(line)).is_empty()
}

/// Removes blanks from both ends.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
