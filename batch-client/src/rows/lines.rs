//! The agency file as lines. Where nothing is quoted, each line is a row.
//!
//! ```text
//!            start          end
//! +----------+--------------+-------+
//! | consumed | not consumed | free  |   to read more, what is not consumed is moved to the front
//! +----------+--------------+-------+
//! ```
//!
//! In come the bytes of a reading of the file; out come rows, as places in the buffer. A row with quotes may continue on the
//! next line. Knows no columns.

use std::io::{self, Read};
use std::ops::Range;

use memchr::{memchr_iter, memchr2};

use super::quoting::{self, RowEnd};
use crate::blocks::{Blocks, Reading};
use crate::damage::OddBytes;

/// How many bytes a row may have, its line feeds included. The longest valid row without blanks around its fields has less
/// than a tenth of that.
pub const MAX_ROW: usize = 16 * 1024;

/// The byte order mark, which some programs write at the beginning of a file in UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a file. Where the last line has no line feed, one is added.
pub(crate) struct Lines<R> {
    reading: Reading<R>,
    buffer: Box<[u8]>,
    next: Position,
    /// `next.start <= end <= buffer.len()`.
    end: usize,
    /// Whether anything was read.
    begun: bool,
    /// Whether the reader has reached its end.
    ended: bool,
    /// The last byte that the reader gave.
    last: u8,
}

/// Where the next row begins.
#[derive(Debug, Default)]
pub(crate) struct Position {
    /// Its place in the buffer.
    start: usize,
    /// How many bytes of the file are before the buffer.
    before: u64,
    /// How many lines were consumed.
    lines: u64,
    /// The odd bytes from it on, in the first reading of the file.
    odd: OddBytes,
}

impl Position {
    /// Returns the number of the line, counted from 1.
    #[inline]
    pub(crate) fn line(&self) -> u64 {
        self.lines + 1
    }

    /// Returns whether an odd byte may be in the next so many bytes.
    #[inline]
    pub(crate) fn may_be_odd(&mut self, bytes: usize) -> bool {
        let begin = self.before + self.start as u64;
        self.odd.meets(begin..begin + bytes as u64)
    }

    /// Consumes a line of so many bytes, its line feed included.
    #[inline]
    pub(crate) fn consume_line(&mut self, bytes: usize) {
        self.start += bytes;
        self.lines += 1;
    }
}

/// What the next row is.
pub(crate) enum Ahead {
    /// A line without quotes: its place in the buffer, valid until the next look, without its line feed. It is consumed.
    Line(Range<usize>),
    /// One or more lines with quotes, as for a line. The quotes may be open at the end of the file.
    Quoted(Range<usize>),
    /// More than [`MAX_ROW`] bytes.
    TooLong {
        /// Quotes are still open after so many bytes.
        in_quotes: bool,
    },
    /// There is none.
    End,
}

impl<R: Read> Lines<R> {
    /// Begins with the first line of this reading of the file.
    pub(crate) fn new(reading: Reading<R>) -> Self {
        // The part of a row that was read before, a piece of the file, and the line feed that may be added.
        let buffer = vec![0; MAX_ROW + reading.needs() + 1].into();
        Self {
            reading,
            buffer,
            next: Position::default(),
            end: 0,
            begun: false,
            ended: false,
            last: b'\n',
        }
    }

    /// Looks at the next row, and consumes it.
    #[inline]
    pub(crate) fn look(&mut self) -> io::Result<Ahead> {
        loop {
            let start = self.next.start;
            let unread = &self.buffer[start..self.end];
            let row = &unread[..unread.len().min(MAX_ROW)];
            match memchr2(b'\n', b'"', row) {
                Some(at) if row[at] == b'\n' => {
                    self.next.consume_line(at + 1);
                    return Ok(Ahead::Line(start..start + at));
                }
                Some(_) => {
                    if let Some(ahead) = self.look_for_quoted() {
                        return Ok(ahead);
                    }
                }
                None if unread.len() > MAX_ROW => return Ok(Ahead::TooLong { in_quotes: false }),
                None if self.ended => return Ok(Ahead::End),
                None => {}
            }
            self.fill()?;
        }
    }

    /// Looks at a row with quotes, and consumes it. `None` where more has to be read first.
    #[cold]
    fn look_for_quoted(&mut self) -> Option<Ahead> {
        let start = self.next.start;
        let unread = &self.buffer[start..self.end];
        let row = &unread[..unread.len().min(MAX_ROW)];
        let end = match quoting::row_end(row) {
            RowEnd::At(end) => end,
            beyond if unread.len() > MAX_ROW => {
                let in_quotes = beyond == RowEnd::InQuotes;
                return Some(Ahead::TooLong { in_quotes });
            }
            // The last byte is a line feed.
            _ if self.ended => row.len() - 1,
            _ => return None,
        };
        self.next.lines += memchr_iter(b'\n', &row[..=end]).count() as u64;
        self.next.start += end + 1;
        Some(Ahead::Quoted(start..start + end))
    }

    /// Returns the text of the row that the last look has found.
    #[inline]
    pub(crate) fn text(&self, line: Range<usize>) -> &[u8] {
        &self.buffer[line]
    }

    /// Returns where the next row begins.
    #[inline]
    pub(crate) fn position(&self) -> &Position {
        &self.next
    }

    /// Returns what is read and not consumed, and where that begins, so that a row that was found there can be consumed.
    #[inline]
    pub(crate) fn unread(&mut self) -> (&[u8], &mut Position) {
        (&self.buffer[self.next.start..self.end], &mut self.next)
    }

    /// Returns the blocks of all that was read.
    pub(crate) fn blocks(&self) -> Blocks {
        self.reading.blocks()
    }

    /// Returns the reader that gives the bytes.
    pub(crate) fn reader(&self) -> &R {
        self.reading.reader()
    }

    #[cold]
    fn fill(&mut self) -> io::Result<()> {
        let consumed = self.next.start;
        self.buffer.copy_within(consumed..self.end, 0);
        self.end -= consumed;
        self.next.before += consumed as u64;
        self.next.start = 0;
        loop {
            // The last byte is left for a line feed.
            let most = self.buffer.len() - 1;
            let space = &mut self.buffer[self.end..most];
            let count = self.reading.read(space)?;
            self.last = space[..count].last().copied().unwrap_or(self.last);
            if self.reading.is_first() {
                self.next.odd.add(&space[..count]);
            }
            self.end += count;
            self.ended = count == 0;
            if self.begun || self.ended || self.end >= BYTE_ORDER_MARK.len() {
                break;
            }
        }
        if !self.begun && self.buffer[..self.end].starts_with(BYTE_ORDER_MARK) {
            self.next.start = BYTE_ORDER_MARK.len();
        }
        self.begun = true;
        if self.ended && self.last != b'\n' {
            self.buffer[self.end] = b'\n';
            self.end += 1;
        }
        Ok(())
    }
}
