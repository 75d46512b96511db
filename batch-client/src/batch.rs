//! The agency file: checked once, then divided into batches.
//!
//! The bytes of the file come in twice or more often, from any reader. A [`Scan`] finds out whether every row is a bet, how
//! many there are, the name of the file's upload, and its [`Blocks`]. [`Batches`] then gives the payloads: each is closed by
//! a number of bets or by the size of a frame, whichever comes first. All batches together are the rows of the file that
//! was scanned, in their order, and no batch has a row of another file. Holds one batch at a time, allocates nothing per
//! bet, opens no file and knows no server.

use std::io::Read;
use std::sync::Arc;

use frame::copy::FromColumns;
use frame::{Agency, Batch, HEADER, MAX_CLIENT_FRAME};

pub use crate::blocks::Blocks;
use crate::rows::{RowError, Rows};
pub use crate::scan::{MAX_REPORTED, Scan, Summary, Verdict};

/// The most bytes of the payload of a batch.
const MAX_PAYLOAD: usize = MAX_CLIENT_FRAME - HEADER;

/// The batches of a file, from a later pass over it.
///
/// ```text
///  payload            cut
/// +-----------------+---+-----------+
/// | the last batch  | | | first bet |   a bet that did not fit is the first one of the next batch
/// +-----------------+---+-----------+
/// ```
pub struct Batches<R> {
    rows: Rows<R>,
    agency: Agency,
    copy: FromColumns,
    max_amount: u32,
    payload: Vec<u8>,
    /// How many bytes of `payload` the last batch had. At most one bet is after them.
    cut: usize,
}

impl<R: Read> Batches<R> {
    /// Begins to read the file that had these blocks when it was scanned; a batch has at most `max_amount` bets.
    pub fn new(reader: R, blocks: Arc<Blocks>, agency: Agency, max_amount: u32) -> Self {
        Self {
            rows: Rows::again(reader, blocks),
            agency,
            copy: FromColumns::new(agency),
            max_amount,
            payload: Vec::with_capacity(2 * MAX_CLIENT_FRAME),
            cut: 0,
        }
    }

    /// Skips the next `rows` rows; to be called before the first batch is taken. Returns whether the file has so many.
    ///
    /// # Errors
    /// The reader failed, the file has changed, or a row is too long.
    pub fn skip(&mut self, rows: u64) -> Result<bool, RowError> {
        for _ in 0..rows {
            if self.rows.next_row()?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the next batch, and how many bets it has; `None` after the last.
    ///
    /// # Errors
    /// The reader failed, the file has changed, or a row is not a valid bet.
    pub fn next_batch(&mut self) -> Result<Option<(Batch<'_>, u32)>, RowError> {
        let mut object = [0; FromColumns::ROOM];
        let mut bets = self.carry_over();
        self.cut = self.payload.len();
        while bets < self.max_amount {
            if bets > 0 {
                self.payload.push(b'|');
            }
            if let Some(length) = self.rows.copy_next(&self.copy, &mut object) {
                self.payload.extend_from_slice(&object[..length]);
            } else if let Some((_, bet)) = self.rows.next_fast(self.agency) {
                bet.write(&mut self.payload);
            } else if let Some(row) = self.rows.next_row()? {
                row.bet(self.agency)?.write(&mut self.payload);
            } else {
                break;
            }
            if self.payload.len() > MAX_PAYLOAD {
                break;
            }
            self.cut = self.payload.len();
            bets += 1;
        }
        Ok((bets > 0).then(|| (Batch::new(&self.payload[..self.cut]), bets)))
    }

    /// Moves the bet that did not fit to the front; returns how many bets there are now.
    fn carry_over(&mut self) -> u32 {
        let begins = self.cut + 1;
        if begins < self.payload.len() {
            self.payload.drain(..begins);
            1
        } else {
            self.payload.clear();
            0
        }
    }
}
