//! The draw: the stored file is read and counted a slice a turn, so that the loop stays responsive.
//!
//! The same counting serves the draw itself and a restart after it, which has to find the winners again:
//! it covers the same bytes and looks for the same number.

use frame::Number;

use crate::lottery::Tally;
use crate::store::{Files, Scanner, Store, StoreError};

/// Bytes of bets.csv that one turn counts: well under 2 ms from the page cache.
const SLICE: usize = 512 * 1024;

/// A counting under way.
pub(super) struct Counting {
    scanner: Scanner,
    tally: Tally,
    at: u64,
    /// Where it ends: the file's length when the draw became due.
    pub(super) until: u64,
    /// What wins.
    pub(super) winner: Number,
    buffer: Vec<u8>,
}

impl Counting {
    /// Begins at the file's start.
    pub(super) fn new(until: u64, winner: Number) -> Self {
        let (scanner, tally) = (Scanner::new(winner), Tally::default());
        Self {
            scanner,
            tally,
            at: 0,
            until,
            winner,
            buffer: vec![0; SLICE],
        }
    }

    /// Counts one slice; says whether it was the last.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn advance<F: Files>(&mut self, store: &mut Store<F>) -> Result<bool, StoreError> {
        let count = store.read(self.at, self.until, &mut self.buffer)?;
        let tally = &mut self.tally;
        self.scanner
            .scan(&self.buffer[..count], |agency, document| {
                tally.add(agency, document)
            })?;
        self.at += count as u64;
        Ok(self.at >= self.until)
    }

    /// The winners found.
    pub(super) fn into_tally(self) -> Tally {
        self.tally
    }
}
