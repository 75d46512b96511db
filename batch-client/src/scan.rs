//! The first pass over the agency file: whether every row is a bet, how many there are, and what names its upload.
//!
//! The bytes come in from any reader; out comes a [`Verdict`], and [`Evidence`] of what the file is where rows are bad. Opens
//! no file and knows no server.

use std::io::{self, Read};

use frame::{Agency, Birthdate, UploadId};

use crate::advice::{Clues, Evidence, HEAD, SAMPLES, Sample};
use crate::blocks::{Blocks, Changed};
use crate::damage::{Damage, Watch};
use crate::rows::{BadRow, Fault, QuoteFlaw, Row, RowError, Rows};

/// How many bad rows are reported one by one.
pub const MAX_REPORTED: usize = 100;

/// What is known of a checked file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many bets the file has.
    pub bets: u64,
    /// The first 16 bytes of the BLAKE3 of its bytes: the name of its upload.
    pub upload: UploadId,
}

/// The result of a scan.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every row is a bet. A later reading compares the blocks.
    Good(Summary, Blocks),
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
    samples: Vec<Sample>,
    clues: Clues,
    /// Whether a row that is a bet has letters beyond ASCII.
    has_utf8: bool,
    /// Looks at the values of bets, where that was asked for.
    watch: Option<Watch>,
    /// The line in which a row begins whose quotes are not closed: it is too long, or the file ends before.
    endless: Option<u64>,
}

/// What a scan finds next.
enum Step {
    Bet,
    Bad(BadRow),
    /// A bad row after which nothing can be read.
    Last(BadRow),
    End,
}

impl<R: Read> Scan<R> {
    /// Begins to read. With `plain`, a row that has to be quoted is bad: a plain server cannot read it.
    pub fn new(reader: R, agency: Agency, plain: bool) -> Self {
        Self {
            rows: Rows::new(Hashed {
                inner: reader,
                hash: blake3::Hasher::new(),
                head: Vec::new(),
            }),
            agency,
            plain,
            bets: 0,
            bad: Vec::new(),
            bad_count: 0,
            samples: Vec::new(),
            clues: Clues::default(),
            has_utf8: false,
            watch: None,
            endless: None,
        }
    }

    /// The same scan, which also looks for values that look damaged. No birthdate may be later than `today`.
    #[must_use]
    pub fn watching(mut self, today: Birthdate) -> Self {
        self.watch = Some(Watch::new(today));
        self
    }

    /// What looks damaged in the bets that were read, in the order of [`damage::Kind::ALL`](crate::damage::Kind::ALL).
    /// Nothing without [`watching`](Self::watching).
    pub fn damages(&self) -> Vec<Damage> {
        let watch = self.watch.as_ref();
        watch.map(Watch::damages).unwrap_or_default()
    }

    /// Reads at most `rows` more rows; returns the verdict after the last one.
    ///
    /// # Errors
    /// The reader failed.
    pub fn advance(&mut self, rows: usize) -> io::Result<Option<Verdict>> {
        for _ in 0..rows {
            match self.step()? {
                Step::Bet => {}
                Step::Bad(row) => self.add_bad(row),
                Step::Last(row) => {
                    self.add_bad(row);
                    return Ok(Some(self.verdict()));
                }
                Step::End => return Ok(Some(self.verdict())),
            }
        }
        Ok(None)
    }

    /// What shows the kind of the file, as far as it was read.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            head: self.rows.source().head.clone(),
            samples: self.samples.clone(),
            clues: self.clues.clone(),
            endless: self.endless,
            has_bets: self.bets > 0,
            has_utf8: self.has_utf8,
        }
    }

    /// Reads on to the next bad row; `None` where there is none.
    ///
    /// # Errors
    /// The reader failed.
    pub fn next_bad(&mut self) -> io::Result<Option<BadRow>> {
        loop {
            match self.step()? {
                Step::Bet => {}
                Step::Bad(row) | Step::Last(row) => return Ok(Some(row)),
                Step::End => return Ok(None),
            }
        }
    }

    fn step(&mut self) -> io::Result<Step> {
        let error = match self.rows.next_row() {
            Ok(None) => return Ok(Step::End),
            Ok(Some(row)) => match judge(&row, self.agency, self.plain, self.watch.as_ref()) {
                Ok(is_usual) => {
                    self.bets += 1;
                    self.has_utf8 = self.has_utf8 || !row.raw().is_ascii();
                    if let Some(watch) = &mut self.watch
                        && watch.may_find(row.line(), row.raw(), is_usual)
                    {
                        look_closely(watch, &row, self.agency);
                    }
                    return Ok(Step::Bet);
                }
                Err(e) => {
                    let first = self.bets == 0 && self.samples.is_empty();
                    // The first two rows of a file may tell a spreadsheet the delimiter, and name the columns.
                    let front = self.bets == 0 && self.bad_count < 2;
                    let is_no_bet = matches!(&e, RowError::Bad(row) if row.fault.is_no_bet());
                    if self.samples.len() < SAMPLES && (front || !is_no_bet) {
                        self.samples.push(row.sample(first));
                    }
                    row.for_each_text(|text| self.clues.see(text));
                    e
                }
            },
            Err(e) => e,
        };
        match error {
            RowError::Io(e) => Err(e),
            // A scan is the first reading.
            RowError::Changed => Err(Changed.into()),
            RowError::Bad(row) => {
                if row.fault == Fault::Quoting(QuoteFlaw::Unclosed) {
                    self.endless = Some(row.line);
                }
                Ok(Step::Bad(row))
            }
            RowError::TooLong { line } => {
                self.endless = self.rows.ends_in_quotes().then_some(line);
                let (column, fault) = (1, Fault::TooLong);
                Ok(Step::Last(BadRow {
                    line,
                    column,
                    fault,
                }))
            }
        }
    }

    fn add_bad(&mut self, row: BadRow) {
        self.bad_count += 1;
        if self.bad.len() < MAX_REPORTED {
            self.bad.push(row);
        }
    }

    fn verdict(&mut self) -> Verdict {
        if self.bad_count == 0 {
            let summary = Summary {
                bets: self.bets,
                upload: self.rows.source().upload(),
            };
            Verdict::Good(summary, self.rows.blocks())
        } else {
            Verdict::Bad {
                first: std::mem::take(&mut self.bad),
                count: self.bad_count,
            }
        }
    }
}

/// Reads the row a second time: keeping the bet of each row for the few that are looked at would cost all of them.
#[cold]
#[inline(never)]
fn look_closely(watch: &mut Watch, row: &Row<'_>, agency: Agency) {
    if let Ok(bet) = row.read(agency) {
        watch.look(row.line(), &bet);
    }
}

/// Whether a row is a bet that the server can be sent, and whether what `watch` looks at in it is usual.
fn judge(
    row: &Row<'_>,
    agency: Agency,
    plain: bool,
    watch: Option<&Watch>,
) -> Result<bool, RowError> {
    let bet = row.bet(agency)?;
    if plain {
        row.check_plain()?;
    }
    Ok(watch.is_none_or(|watch| watch.is_usual(&bet)))
}

/// A reader that hashes what is read through it, and keeps the first bytes.
struct Hashed<R> {
    inner: R,
    hash: blake3::Hasher,
    /// At most [`HEAD`] bytes.
    head: Vec<u8>,
}

impl<R> Hashed<R> {
    /// The name of an upload of all that was read.
    fn upload(&self) -> UploadId {
        let mut name = [0; 16];
        self.hash.finalize_xof().fill(&mut name);
        UploadId(name)
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(space)?;
        self.hash.update(&space[..count]);
        let wanted = count.min(HEAD - self.head.len());
        self.head.extend_from_slice(&space[..wanted]);
        Ok(count)
    }
}
