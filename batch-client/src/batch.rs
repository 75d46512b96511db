//! The agency file: checked once, then divided into batches.
//!
//! The bytes of the file come in twice, from any reader. A [`Scan`] finds out whether every row is a bet, how many there
//! are, and the name of the file's upload. [`Batches`] then gives the payloads: each is closed by a number of bets or by
//! the size of a frame, whichever comes first. All batches together are the rows of the file, in their order. Holds one
//! batch at a time, allocates nothing per bet, opens no file and knows no server.

use std::io::{self, Read};

use frame::{Agency, Batch, HEADER, MAX_CLIENT_FRAME, UploadId};
use md5::{Digest, Md5};

use crate::rows::{BadRow, Fault, RowError, Rows};

/// How many bad rows are reported one by one.
pub const MAX_REPORTED: usize = 100;

/// How many bytes the payload of a batch has at most.
const MAX_PAYLOAD: usize = MAX_CLIENT_FRAME - HEADER;

/// What is known of a checked file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many bets the file has.
    pub bets: u64,
    /// The MD5 of its bytes: the name of its upload.
    pub upload: UploadId,
    /// The CRC-32 of its bytes. A later pass compares it to find out whether the file has changed. It takes a twentieth of
    /// the time of an MD5, and nobody gains from forging it.
    pub checksum: u32,
}

/// The result of a scan.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every row is a bet.
    Good(Summary),
    /// Some rows are not.
    Bad {
        /// The first of them, at most [`MAX_REPORTED`].
        first: Vec<BadRow>,
        /// How many there are.
        count: u64,
    },
}

/// The first pass over a file.
pub struct Scan<R> {
    rows: Rows<Hashed<R>>,
    agency: Agency,
    plain: bool,
    bets: u64,
    bad: Vec<BadRow>,
    bad_count: u64,
}

impl<R: Read> Scan<R> {
    /// Begins to read. With `plain`, a row that has to be quoted is bad: a plain server cannot read it.
    pub fn new(reader: R, agency: Agency, plain: bool) -> Self {
        Self {
            rows: Rows::new(Hashed {
                inner: reader,
                md5: Md5::new(),
            }),
            agency,
            plain,
            bets: 0,
            bad: Vec::new(),
            bad_count: 0,
        }
    }

    /// Reads at most `rows` more rows; returns the verdict after the last one.
    ///
    /// # Errors
    /// The reader failed.
    pub fn advance(&mut self, rows: usize) -> io::Result<Option<Verdict>> {
        for _ in 0..rows {
            match self.read_row() {
                Ok(true) => self.bets += 1,
                Ok(false) => return Ok(Some(self.verdict())),
                Err(RowError::Io(e)) => return Err(e),
                Err(RowError::Bad(row)) => self.add_bad(row),
                Err(RowError::TooLong { line }) => {
                    self.add_bad(BadRow {
                        line,
                        column: 1,
                        fault: Fault::TooLong,
                    });
                    return Ok(Some(self.verdict()));
                }
            }
        }
        Ok(None)
    }

    fn read_row(&mut self) -> Result<bool, RowError> {
        let Some(row) = self.rows.next_row()? else {
            return Ok(false);
        };
        row.bet(self.agency)?;
        if self.plain {
            row.check_plain()?;
        }
        Ok(true)
    }

    fn add_bad(&mut self, row: BadRow) {
        self.bad_count += 1;
        if self.bad.len() < MAX_REPORTED {
            self.bad.push(row);
        }
    }

    fn verdict(&mut self) -> Verdict {
        if self.bad_count == 0 {
            Verdict::Good(Summary {
                bets: self.bets,
                upload: UploadId(self.rows.source().md5.clone().finalize().into()),
                checksum: self.rows.checksum(),
            })
        } else {
            Verdict::Bad {
                first: std::mem::take(&mut self.bad),
                count: self.bad_count,
            }
        }
    }
}

/// A reader that computes the MD5 of what is read through it.
struct Hashed<R> {
    inner: R,
    md5: Md5,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(space)?;
        self.md5.update(&space[..count]);
        Ok(count)
    }
}

/// The second pass over a file.
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
    max_amount: u32,
    payload: Vec<u8>,
    /// How many bytes of `payload` the last batch had. At most one bet is behind them.
    cut: usize,
}

impl<R: Read> Batches<R> {
    /// Begins to read; a batch has at most `max_amount` bets.
    pub fn new(reader: R, agency: Agency, max_amount: u32) -> Self {
        Self {
            rows: Rows::new(reader),
            agency,
            max_amount,
            payload: Vec::with_capacity(2 * MAX_CLIENT_FRAME),
            cut: 0,
        }
    }

    /// Skips the next `rows` rows, before the first batch is asked for. Returns whether the file had so many.
    ///
    /// # Errors
    /// The reader failed, or a row is too long.
    pub fn skip(&mut self, rows: u64) -> Result<bool, RowError> {
        for _ in 0..rows {
            if self.rows.next_row()?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next batch, and how many bets it has; `None` after the last.
    ///
    /// # Errors
    /// The reader failed, or a row is not a valid bet.
    pub fn next_batch(&mut self) -> Result<Option<(Batch<'_>, u32)>, RowError> {
        let mut bets = self.carry_over();
        self.cut = self.payload.len();
        while bets < self.max_amount {
            let Some(row) = self.rows.next_row()? else {
                break;
            };
            if bets > 0 {
                self.payload.push(b'|');
            }
            row.bet(self.agency)?.write(&mut self.payload);
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

    /// Ends the pass after the last batch: returns the CRC-32 of the file, or `None` where rows are left.
    ///
    /// # Errors
    /// The reader failed, or a row is too long.
    pub fn end(&mut self) -> Result<Option<u32>, RowError> {
        let all_given = self.cut == self.payload.len() && self.rows.next_row()?.is_none();
        Ok(all_given.then(|| self.rows.checksum()))
    }
}
