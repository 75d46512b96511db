//! The count of the winners in bets.csv: read a slice a turn, so that the loop stays responsive.
//!
//! The same count serves the draw itself and a restart after it, which has to find the winners again: it covers
//! the same bytes and looks for the same number.

use frame::Number;

use super::error::StoreError;
use super::files::Files;
use super::scan::Scanner;
use super::wal_store::WalStore;
use crate::facts::Tally;
use crate::store::{Count, Drawn};

/// Bytes of bets.csv that one turn counts: well under 2 ms from the page cache.
const SLICE: usize = 512 * 1024;

/// A counting under way.
pub(super) struct Counting {
    scanner: Scanner,
    tally: Tally,
    at: u64,
    /// Where it ends: the file's length when the draw began.
    until: u64,
    /// What wins.
    winner: Number,
    /// The draw was stored before it was counted: by an earlier run.
    is_stored: bool,
    buffer: Vec<u8>,
}

impl Counting {
    /// Begins at the file's start; a draw that is not stored goes over all bytes of the file, so many.
    pub(super) fn new(count: Count, length: u64) -> Self {
        let Count { until, winner } = count;
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
