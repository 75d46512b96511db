//! The agency file, checked once and then cut into batches.
//!
//! In come the bytes of any reader, twice: a [`Scan`] says whether every row is a bet, how many there are and
//! what the file's upload is called; [`Batches`] then gives the payloads, each closed by a number of bets or
//! by the bytes of a frame, whichever comes first. Joined, the batches are the file's rows in their order.
//! Holds one batch at a time, allocates nothing per bet, opens no file and knows no server.

use std::io::Read;

use frame::{Agency, Batch, HEADER, MAX_CLIENT_FRAME, UploadId};

use crate::rows::{BadRow, Fault, RowError, Rows};

/// How many bad rows are told one by one.
pub const TOLD: usize = 100;

/// The most bytes that the payload of a batch may have.
const MAX_PAYLOAD: usize = MAX_CLIENT_FRAME - HEADER;

/// What a file has to say before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many bets it has.
    pub bets: u64,
    /// The MD5 of its bytes.
    pub upload: UploadId,
}

/// What came of a scan.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every row is a bet.
    Good(Summary),
    /// Some are not.
    Bad {
        /// The first of them, at most [`TOLD`].
        first: Vec<BadRow>,
        /// How many there are.
        count: u64,
    },
}

/// The first pass over a file.
pub struct Scan<R> {
    rows: Rows<R>,
    agency: Agency,
    plain: bool,
    bets: u64,
    bad: Vec<BadRow>,
    bad_count: u64,
}

impl<R: Read> Scan<R> {
    /// Begins to read; `plain` where the server knows no quotes.
    pub fn new(reader: R, agency: Agency, plain: bool) -> Self {
        Self {
            rows: Rows::new(reader),
            agency,
            plain,
            bets: 0,
            bad: Vec::new(),
            bad_count: 0,
        }
    }

    /// Reads at most `rows` more rows; the verdict once there are none.
    ///
    /// # Errors
    /// The reader failed.
    pub fn advance(&mut self, rows: usize) -> std::io::Result<Option<Verdict>> {
        for _ in 0..rows {
            match self.read_row() {
                Ok(true) => self.bets += 1,
                Ok(false) => return Ok(Some(self.verdict())),
                Err(RowError::Io(e)) => return Err(e),
                Err(RowError::Bad(row)) => self.note(row),
                Err(RowError::TooLong { line }) => {
                    self.note(BadRow {
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

    fn note(&mut self, row: BadRow) {
        self.bad_count += 1;
        if self.bad.len() < TOLD {
            self.bad.push(row);
        }
    }

    fn verdict(&mut self) -> Verdict {
        if self.bad_count == 0 {
            Verdict::Good(Summary {
                bets: self.bets,
                upload: self.rows.digest(),
            })
        } else {
            Verdict::Bad {
                first: std::mem::take(&mut self.bad),
                count: self.bad_count,
            }
        }
    }
}

/// The second pass over a file.
///
/// ```text
///  payload            cut
/// +-----------------+---+-----------+
/// | the last batch  | | | first bet |   the bet that did not fit any more begins the next batch
/// +-----------------+---+-----------+
/// ```
pub struct Batches<R> {
    rows: Rows<R>,
    agency: Agency,
    max_amount: u32,
    payload: Vec<u8>,
    /// Bytes of `payload` that were given out; at most one bet stands behind them.
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

    /// Passes over the next `rows` rows, which may be only so many as stand before the first batch; says
    /// whether there were so many.
    ///
    /// # Errors
    /// The reader failed, or a row has no end.
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
    /// The reader failed, or a row is no bet.
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

    /// Reads to the end: the MD5 of the file, where every row was given out; `None` where one was not.
    ///
    /// # Errors
    /// The reader failed, or a row has no end.
    pub fn end(&mut self) -> Result<Option<UploadId>, RowError> {
        let all_out = self.cut == self.payload.len() && self.rows.next_row()?.is_none();
        Ok(all_out.then(|| self.rows.digest()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame::Request;

    fn agency() -> Agency {
        Agency::new(4_294_967_295).unwrap()
    }

    /// A file of rows as different as they may be, and its bets as payload objects.
    fn file(rng: &mut fastrand::Rng, rows: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut file = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Vec::new());
        let longest = [1, 10, 255][rng.usize(..3)];
        for _ in 0..rows {
            let mut name = || -> String {
                let letter = ["a", "ñ", ",", "}", "\""][rng.usize(..5)];
                let length = rng.usize(1..=longest) / letter.len();
                letter.repeat(length.max(1))
            };
            let (first, last) = (name(), name());
            let number = rng.u32(..10_000).to_string();
            file.write_record([&*first, &last, "30904465", "1999-03-17", &number])
                .unwrap();
        }
        let file = file.into_inner().unwrap();
        let mut reader = Rows::new(&file[..]);
        let mut objects = Vec::new();
        while let Some(row) = reader.next_row().unwrap() {
            let mut object = Vec::new();
            row.bet(agency()).unwrap().write(&mut object);
            objects.push(object);
        }
        assert_eq!(objects.len(), rows);
        (file, objects)
    }

    #[test]
    fn batches_are_the_rows_in_order_and_each_is_as_large_as_both_bounds_allow() {
        for seed in 0..300 {
            println!("seed {seed}");
            let mut rng = fastrand::Rng::with_seed(seed);
            let rows = rng.usize(..400);
            let (bytes, objects) = file(&mut rng, rows);
            let max_amount = [1, 2, 86, 1_000_000][rng.usize(..4)];
            let skip = rng.usize(..=rows);

            let mut batches = Batches::new(&bytes[..], agency(), max_amount);
            assert!(batches.skip(skip as u64).unwrap());
            let mut rest = &objects[skip..];
            while let Some((batch, bets)) = batches.next_batch().unwrap() {
                let (now, later) = rest.split_at(bets as usize);
                assert_eq!(batch.payload(), now.join(&b"|"[..]));
                let mut frame = Vec::new();
                Request::Batch(batch).encode(&mut frame);
                assert!(frame.len() <= MAX_CLIENT_FRAME && bets <= max_amount);
                if let Some(next) = later.first() {
                    assert!(
                        bets == max_amount || frame.len() + 1 + next.len() > MAX_CLIENT_FRAME,
                        "a batch of {bets} bets and {} bytes is closed early",
                        frame.len()
                    );
                }
                rest = later;
            }
            assert!(rest.is_empty());

            let mut scan = Scan::new(&bytes[..], agency(), false);
            let verdict = loop {
                if let Some(verdict) = scan.advance(7).unwrap() {
                    break verdict;
                }
            };
            let upload = batches.end().unwrap().unwrap();
            assert_eq!(
                verdict,
                Verdict::Good(Summary {
                    bets: rows as u64,
                    upload
                })
            );
        }
    }

    #[test]
    fn the_end_is_no_end_while_a_bet_is_left() {
        let row = "Ana,Lorca,1,2000-01-01,1\n";
        let long = format!("{},Lorca,1,2000-01-01,1\n", "a".repeat(255)).repeat(30);
        for (file, max_amount) in [(row.repeat(2), 1), (long, 1_000)] {
            let mut batches = Batches::new(file.as_bytes(), agency(), max_amount);
            assert!(batches.next_batch().unwrap().is_some());
            assert_eq!(batches.end().unwrap(), None);
        }
        assert!(!Batches::new(row.as_bytes(), agency(), 1).skip(2).unwrap());
    }

    #[test]
    fn the_first_hundred_bad_rows_are_told_and_all_counted() {
        let mut file = "Ana,Lorca,1,2000-01-01,1\n".to_owned();
        file += &"Ana,Lorca,1,2000-01-01,\n".repeat(150);
        let Verdict::Bad { first, count } = Scan::new(file.as_bytes(), agency(), false)
            .advance(usize::MAX)
            .unwrap()
            .unwrap()
        else {
            panic!("the file is taken")
        };
        assert_eq!((first.len(), count), (TOLD, 150));
        assert_eq!((first[99].line, first[99].column), (101, 5));
    }

    #[test]
    fn what_needs_quotes_is_bad_only_toward_a_plain_server() {
        let file = b"\"Ana, h.\",Lorca,1,2000-01-01,1\n";
        for plain in [false, true] {
            let verdict = Scan::new(&file[..], agency(), plain).advance(2).unwrap();
            assert_eq!(matches!(verdict, Some(Verdict::Bad { .. })), plain);
        }
    }
}
