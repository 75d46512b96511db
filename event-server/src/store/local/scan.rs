//! Going through bets.csv: lines out of slices, and the draw's search for a number.
//!
//! Slices come in, cut anywhere; whole rows go out. What a slice leaves unfinished is kept for the next, up
//! to the length of the longest row. Nothing here reads a file.

use std::path::PathBuf;

use frame::{Agency, Number};
use memchr::memchr;

use super::error::StoreError;
use super::files::Name;
use crate::store::rows::{MAX_ROW, Row, RowFlaw};

/// Cuts a stream of slices into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The line that the last slice has begun.
    partial: Vec<u8>,
    /// How many lines came before it.
    lines: u64,
}

impl Lines {
    /// Hands every line that this slice completes to `line`, without its LF. An error names the line, the first one is 1.
    pub(super) fn feed(
        &mut self,
        mut slice: &[u8],
        mut line: impl FnMut(&[u8]) -> Result<(), RowFlaw>,
    ) -> Result<(), (u64, RowFlaw)> {
        while let Some(length) = memchr(b'\n', slice) {
            let (head, rest) = (&slice[..length], &slice[length + 1..]);
            let whole = if self.partial.is_empty() {
                head
            } else {
                self.partial.extend_from_slice(head);
                &self.partial
            };
            self.lines += 1;
            line(whole).map_err(|flaw| (self.lines, flaw))?;
            self.partial.clear();
            slice = rest;
        }
        // One byte more than a row may have: the line may end with CR LF, and the LF is taken off.
        if self.partial.len() + slice.len() > MAX_ROW + 1 {
            return Err((self.lines + 1, RowFlaw::TooLong));
        }
        self.partial.extend_from_slice(slice);
        Ok(())
    }

    /// The file ends here.
    pub(super) fn end(&self) -> Result<(), (u64, RowFlaw)> {
        if self.partial.is_empty() {
            Ok(())
        } else {
            Err((self.lines + 1, RowFlaw::Unfinished))
        }
    }
}

/// Finds the rows that bet on a number.
///
/// Only a row that may have won is read as a whole; for the others a look at the end of the line is enough.
#[derive(Debug)]
pub struct Scanner {
    lines: Lines,
    winner: Number,
    /// The number's digits: how the last column of its rows ends.
    digits: String,
}

impl Scanner {
    /// A scanner at the file's first byte.
    pub fn new(winner: Number) -> Self {
        Self {
            lines: Lines::default(),
            winner,
            digits: winner.to_string(),
        }
    }

    /// Goes through the next bytes of the file and hands agency and document of every row that bet on the
    /// number to `won`, in the order of the rows.
    ///
    /// # Errors
    /// A row that may have won is no bet: bets.csv was damaged while the server ran.
    pub fn scan(
        &mut self,
        slice: &[u8],
        mut won: impl FnMut(Agency, &[u8]),
    ) -> Result<(), StoreError> {
        let Self {
            lines,
            winner,
            digits,
        } = self;
        let winner = u64::from(winner.get());
        let scanned = lines.feed(slice, |line| {
            let end = line.strip_suffix(b"\r").unwrap_or(line);
            let end = end.strip_suffix(b"\"").unwrap_or(end);
            if let Some([.., b',' | b'"' | b'0']) = end.strip_suffix(digits.as_bytes()) {
                let row = Row::parse(line)?;
                if row.number == winner {
                    won(row.agency, &row.document);
                }
            }
            Ok(())
        });
        scanned.map_err(|(row, flaw)| {
            let path = PathBuf::from(Name::Bets.as_str());
            StoreError::Row { path, row, flaw }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "1,a,b,11,2000-01-01,7574\r\n\
        2,7574,7574,12,2000-01-01,17574\r\n\
        2,a,\"b,7574\",13,2000-01-01,757\n\
        3,a,b,\"1\"\"4\",2000-01-01,\"07574\"\r\n\
        1,a,b,15,2000-01-01,75740\r\n\
        1,ñ,b,16,2000-01-01,7574\r\n";

    fn winners(slices: &mut dyn Iterator<Item = &[u8]>) -> Vec<(u32, String)> {
        let mut scanner = Scanner::new(Number::new(7574).unwrap());
        let mut found = Vec::new();
        for slice in slices {
            let won = |agency: Agency, document: &[u8]| {
                found.push((agency.get(), String::from_utf8(document.to_vec()).unwrap()));
            };
            scanner.scan(slice, won).unwrap();
        }
        found
    }

    #[test]
    fn a_number_is_found_in_the_last_column_alone_however_the_file_is_cut() {
        let expected = [(1, "11"), (3, "1\"4"), (1, "16")].map(|(n, d)| (n, d.to_owned()));
        for size in 1..=FILE.len() {
            assert_eq!(
                winners(&mut FILE.as_bytes().chunks(size)),
                expected,
                "slices of {size}"
            );
        }
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_takes_all_memory() {
        let mut scanner = Scanner::new(Number::new(1).unwrap());
        let scanned = (0..10).try_for_each(|_| scanner.scan(&[b'x'; 1000], |_, _| {}));
        let Err(StoreError::Row {
            row: 1,
            flaw: RowFlaw::TooLong,
            ..
        }) = scanned
        else {
            panic!("{scanned:?}")
        };
    }
}
