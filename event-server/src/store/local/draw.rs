//! The draw over bets.csv: read and counted a slice a turn, so that the loop stays responsive, then recorded.
//!
//! The same counting serves the draw itself and a restart after it, which has to find the winners again: it covers
//! the same bytes and looks for the same number.

use frame::Number;

use super::error::StoreError;
use super::files::Files;
use super::scan::Scanner;
use super::wal_store::WalStore;
use crate::fact::Fact;
use crate::store::{Drawn, NoSpace};
use crate::tally::Tally;

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
    /// An earlier run has recorded the draw.
    recorded: bool,
    buffer: Vec<u8>,
}

impl Counting {
    /// Begins at the file's start: `drawn`, where the draw was recorded before, says how far to count and what won;
    /// else `length` and `winner` do.
    pub(super) fn new(drawn: Option<(u64, Number)>, length: u64, winner: Number) -> Self {
        let (until, winner) = drawn.unwrap_or((length, winner));
        Self {
            scanner: Scanner::new(winner),
            tally: Tally::default(),
            at: 0,
            until,
            winner,
            recorded: drawn.is_some(),
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

    /// Makes the draw durable, unless it was before.
    ///
    /// # Errors
    /// The disk failed; within: there is no room.
    pub(super) fn record<F: Files>(
        &self,
        wal: &mut WalStore<F>,
    ) -> Result<Result<(), NoSpace>, StoreError> {
        if self.recorded {
            return Ok(Ok(()));
        }
        let fact = Fact::Drawn {
            position: self.until,
            winner: self.winner,
        };
        if let Err(no_space) = wal.record(fact) {
            // A failed disk is not a lack of room: it ends the server.
            return wal.check().map(|()| Err(no_space));
        }
        wal.commit()?;
        wal.demand_checkpoint();
        Ok(Ok(()))
    }

    /// The result.
    pub(super) fn into_drawn(self) -> Drawn {
        Drawn {
            position: self.until,
            winner: self.winner,
            tally: self.tally,
        }
    }
}
