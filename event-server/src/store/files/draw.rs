//! The count of the winners in bets.csv: read a slice a turn, so that the loop stays responsive.
//!
//! The same count serves the draw itself and a restart after it, which has to find the winners again: it covers
//! the same bytes and looks for the same number.

use std::path::PathBuf;

use frame::{Agency, Number};

use super::disk::{FileName, Files};
use super::error::StoreError;
use super::wal::WalStore;
use crate::facts::Tally;
use crate::store::rows::{Lines, Row};
use crate::store::{DrawToCount, Drawn};

/// Bytes of bets.csv that one turn counts: well under 2 ms from the page cache.
const SLICE: usize = 512 * 1024;

/// A counting under way.
pub(super) struct Counting {
    scanner: Scanner,
    tally: Tally,
    at: u64,
    /// Where it ends: the file's length when the draw began.
    until: u64,
    /// The number that wins.
    winner: Number,
    /// The draw was stored before it was counted: by an earlier run.
    is_stored: bool,
    buffer: Vec<u8>,
}

impl Counting {
    /// Begins at the file's start; a draw that is not stored goes over all `length` bytes of the file.
    pub(super) fn new(count: DrawToCount, length: u64) -> Self {
        let DrawToCount { until, winner } = count;
        Self {
            scanner: Scanner::new(winner),
            tally: Tally::default(),
            at: 0,
            until: until.unwrap_or(length),
            winner,
            is_stored: until.is_some(),
            buffer: vec![0; SLICE],
        }
    }

    /// Counts one slice; says whether it was the last.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn advance<F: Files>(&mut self, wal: &mut WalStore<F>) -> Result<bool, StoreError> {
        let count = wal.read(self.at, self.until, &mut self.buffer)?;
        let tally = &mut self.tally;
        self.scanner
            .scan(&self.buffer[..count], |agency, document| {
                tally.add(agency, document)
            })?;
        self.at += count as u64;
        Ok(self.at >= self.until)
    }

    /// The result.
    pub(super) fn into_drawn(self) -> Drawn {
        Drawn {
            position: self.until,
            winner: self.winner,
            tally: self.tally,
            is_stored: self.is_stored,
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
    /// Creates a scanner at the file's first byte.
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
            let path = PathBuf::from(FileName::Bets.as_str());
            StoreError::Row { path, row, flaw }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows::RowFlaw;

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
