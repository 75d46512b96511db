//! The agency file as lines, which are its rows where nothing is quoted.
//!
//! ```text
//!           start        end
//! +---------+------------+-------+
//! | passed  | not passed | free  |   a fill moves what is not passed to the front
//! +---------+------------+-------+
//! ```
//!
//! In come the bytes of any reader, and go through a checksum; out come lines, where they lie. A quote may let a row
//! go on in the next line: such rows are csv's to read, from [`Lines`] as a reader that gives it nothing of the row
//! behind them. Knows no columns.

use std::io::{self, Read};
use std::ops::Range;

use crc32fast::Hasher;
use memchr::{memchr, memchr2};

/// The most bytes that a row may have, its line feeds among them. The longest valid one, its fields without blanks
/// around them, has less than a tenth of them.
pub const MAX_ROW: usize = 16 * 1024;

/// What is read from the file at once, at most: some rows of any length.
const READ: usize = 64 * 1024;

/// What some programs begin a file of UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of what a reader gives. A missing line feed at the end is put there.
pub(crate) struct Lines<R> {
    inner: R,
    crc: Hasher,
    buffer: Box<[u8]>,
    /// `start <= end <= buffer.len()`.
    start: usize,
    end: usize,
    /// The reader was asked, and has said that there is no more.
    begun: bool,
    ended: bool,
    /// What the reader gave last.
    last: u8,
    passed: u64,
    /// Bytes that csv was given of the row at hand; `None` where it was never given any.
    given: Option<usize>,
}

/// What comes next.
pub(crate) enum Ahead {
    /// A line without quotes, which lies here until the next look; its line feed does not count. It is passed.
    Line(Range<usize>),
    /// A line with quotes.
    Quotes,
    /// More than [`MAX_ROW`] bytes without a quote or an end.
    TooLong,
    /// Nothing.
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

    /// Looks at the next line, and passes it where it has no quotes.
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

    /// The text of the line that was passed last.
    #[inline]
    pub(crate) fn text(&self, line: Range<usize>) -> &[u8] {
        &self.buffer[line]
    }

    /// How many lines were passed.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    /// csv reads a row from here.
    pub(crate) fn begin_row(&mut self) {
        self.given = self.given.and(Some(0));
    }

    /// Whether the row that csv reads has more than [`MAX_ROW`] bytes.
    pub(crate) fn is_overlong(&self) -> bool {
        self.given.is_some_and(|given| given > MAX_ROW)
    }

    /// The CRC-32 of all bytes that were read.
    pub(crate) fn checksum(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// What the lines come from.
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
        // There is room: it is filled up only while not even one row is whole.
        if self.ended && self.last != b'\n' {
            self.buffer[self.end] = b'\n';
            self.end += 1;
        }
        Ok(())
    }
}

/// For csv: the rest of a line at most, so that it never holds what comes after its row.
impl<R: Read> Read for Lines<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let Some(given) = self.given else {
            // It takes a byte order mark off what it is given first, which may be any row. An empty line is none.
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
