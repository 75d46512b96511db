//! The agency file as lines. Where nothing is quoted, each line is a row.
//!
//! ```text
//!           start        end
//! +---------+------------+-------+
//! | passed  | not passed | free  |   to read more, what is not passed is moved to the front
//! +---------+------------+-------+
//! ```
//!
//! In come the bytes of any reader, which are added to a checksum; out come lines, as places in the buffer. A row with
//! quotes may continue on the next line: the csv crate reads such rows, from [`Lines`] as a reader, which never gives it
//! bytes of the row after them. Knows no columns.

use std::io::{self, Read};
use std::ops::Range;

use crc32fast::Hasher;
use memchr::{memchr, memchr2};

/// How many bytes a row may have, its line feeds included. The longest valid row without blanks around its fields has less
/// than a tenth of that.
pub const MAX_ROW: usize = 16 * 1024;

/// The size of the buffer: a few rows of any length.
const READ: usize = 64 * 1024;

/// What some programs write at the beginning of a file in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of what a reader gives. Where the last line has no line feed, one is added.
pub(crate) struct Lines<R> {
    inner: R,
    crc: Hasher,
    buffer: Box<[u8]>,
    /// `start <= end <= buffer.len()`.
    start: usize,
    end: usize,
    /// Whether anything was read.
    begun: bool,
    /// Whether the reader has reached its end.
    ended: bool,
    /// The last byte that the reader gave.
    last: u8,
    /// How many lines were passed.
    passed: u64,
    /// How many bytes of the current row csv was given; `None` before it was given any.
    given: Option<usize>,
}

/// What the next line is.
pub(crate) enum Ahead {
    /// A line without quotes: its place in the buffer, valid until the next look, without its line feed. It is passed.
    Line(Range<usize>),
    /// A line with quotes.
    Quotes,
    /// More than [`MAX_ROW`] bytes without a quote or a line feed.
    TooLong,
    /// There is none.
    End,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            crc: Hasher::new(),
            buffer: vec![0; READ].into(),
            start: 0,
            end: 0,
            begun: false,
            ended: false,
            last: b'\n',
            passed: 0,
            given: None,
        }
    }

    /// Looks at the next line. Passes it if it has no quotes.
    #[inline]
    pub(crate) fn look(&mut self) -> io::Result<Ahead> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            let row = &unread[..unread.len().min(MAX_ROW)];
            match memchr2(b'\n', b'"', row) {
                Some(at) if row[at] == b'\n' => {
                    let line = self.start..self.start + at;
                    self.start = line.end + 1;
                    self.passed += 1;
                    return Ok(Ahead::Line(line));
                }
                Some(_) => return Ok(Ahead::Quotes),
                None if unread.len() > MAX_ROW => return Ok(Ahead::TooLong),
                None if self.ended => return Ok(Ahead::End),
                None => self.fill()?,
            }
        }
    }

    /// The text of the line that the last look has found.
    #[inline]
    pub(crate) fn text(&self, line: Range<usize>) -> &[u8] {
        &self.buffer[line]
    }

    /// How many lines were passed: the number of the line before the next one.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    /// Notes that csv begins to read a row.
    pub(crate) fn begin_row(&mut self) {
        self.given = self.given.and(Some(0));
    }

    /// Whether the row that csv is reading has more than [`MAX_ROW`] bytes.
    pub(crate) fn is_overlong(&self) -> bool {
        self.given.is_some_and(|given| given > MAX_ROW)
    }

    /// The CRC-32 of all bytes that were read.
    pub(crate) fn checksum(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// The reader that gives the bytes.
    pub(crate) fn source(&self) -> &R {
        &self.inner
    }

    #[cold]
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        loop {
            let space = &mut self.buffer[self.end..];
            let count = self.inner.read(space)?;
            self.crc.update(&space[..count]);
            self.last = space[..count].last().copied().unwrap_or(self.last);
            self.end += count;
            self.ended = count == 0;
            if self.begun || self.ended || self.end >= BYTE_ORDER_MARK.len() {
                break;
            }
        }
        if !self.begun && self.buffer[..self.end].starts_with(BYTE_ORDER_MARK) {
            self.start = BYTE_ORDER_MARK.len();
        }
        self.begun = true;
        // There is room: the buffer is larger than a row, and is read into only while it holds no whole row.
        if self.ended && self.last != b'\n' {
            self.buffer[self.end] = b'\n';
            self.end += 1;
        }
        Ok(())
    }
}

/// For csv. Gives at most the rest of a line, so that csv never holds bytes of the row after.
impl<R: Read> Read for Lines<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let Some(given) = self.given else {
            // csv removes a byte order mark from the first bytes that it is given, which may belong to any row. It is given
            // an empty line first, which is not a row.
            self.given = Some(0);
            space[0] = b'\n';
            return Ok(1);
        };
        if given > MAX_ROW {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.start == self.end && !self.ended {
            self.fill()?;
        }
        let unread = &self.buffer[self.start..self.end];
        let line = memchr(b'\n', unread).map_or(unread, |at| &unread[..=at]);
        let count = line.len().min(space.len());
        space[..count].copy_from_slice(&line[..count]);
        self.passed += u64::from(space[..count].ends_with(b"\n"));
        self.start += count;
        self.given = Some(given + count);
        Ok(count)
    }
}
