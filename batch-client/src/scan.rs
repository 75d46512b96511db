//! The first pass over the agency file: whether every row is a bet, how many there are, and what names its upload.
//!
//! The bytes come in from any reader; out comes a [`Verdict`], and [`Evidence`] of what the file is where rows are bad. Opens
//! no file and knows no server.

use std::io::{self, Read};

use frame::{Agency, Bet, Birthdate, UploadId};

use crate::advice::{Clues, Evidence, HEAD, SAMPLES, Sample};
use crate::blocks::{Blocks, Changed};
use crate::damage::{Damage, Inspector};
use crate::rows::{BadRow, Fault, QuoteFlaw, Row, RowError, Rows};

/// How many bad rows are reported one by one.
pub const MAX_REPORTED: usize = 100;

/// The size and the name of a checked file.
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
    /// Some rows are not bets.
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
    /// Looks for damaged values, where the caller wants that.
    inspector: Option<Inspector>,
    /// The line in which a row begins whose quotes are not closed.
    endless: Option<u64>,
}

/// What a scan finds next.
enum Scanned {
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
            inspector: None,
            endless: None,
        }
    }

    /// Returns the same scan, which also looks for values that look damaged. No birthdate may be later than `today`.
    #[must_use]
    pub fn inspecting(mut self, today: Birthdate) -> Self {
        self.inspector = Some(Inspector::new(today));
        self
    }

    /// Returns what looks damaged in the bets that were read, in the order of
    /// [`damage::Kind::ALL`](crate::damage::Kind::ALL). Nothing without [`inspecting`](Self::inspecting).
    pub fn damages(&self) -> Vec<Damage> {
        let inspector = self.inspector.as_ref();
        inspector.map(Inspector::damages).unwrap_or_default()
    }

    /// Reads at most `rows` more rows; returns the verdict after the last one.
    ///
    /// # Errors
    /// The reader failed.
    pub fn advance(&mut self, rows: usize) -> io::Result<Option<Verdict>> {
        for _ in 0..rows {
            match self.step()? {
                Scanned::Bet => {}
                Scanned::Bad(row) => self.add_bad(row),
                Scanned::Last(row) => {
                    self.add_bad(row);
                    return Ok(Some(self.verdict()));
                }
                Scanned::End => return Ok(Some(self.verdict())),
            }
        }
        Ok(None)
    }

    /// Returns what shows the kind of the file, as far as it was read.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            head: self.rows.reader().head.clone(),
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
                Scanned::Bet => {}
                Scanned::Bad(row) | Scanned::Last(row) => return Ok(Some(row)),
                Scanned::End => return Ok(None),
            }
        }
    }

    #[inline]
    fn step(&mut self) -> io::Result<Scanned> {
        // A plain server is sent no row with quotes, and a row that is read fast has none.
        if let Some((row, bet)) = self.rows.next_fast(self.agency) {
            self.bets += 1;
            self.has_utf8 = self.has_utf8 || !row.raw().is_ascii();
            if let Some(inspector) = &mut self.inspector
                && inspector.may_find(row.line(), row.raw(), row.may_be_odd(), &bet)
            {
                look_closely(inspector, &row, self.agency);
            }
            return Ok(Scanned::Bet);
        }
        self.step_slowly()
    }

    #[cold]
    fn step_slowly(&mut self) -> io::Result<Scanned> {
        let error = match self.rows.next_row() {
            Ok(None) => return Ok(Scanned::End),
            Ok(Some(row)) => match judge(&row, self.agency, self.plain) {
                Ok(bet) => {
                    self.bets += 1;
                    self.has_utf8 = self.has_utf8 || !row.raw().is_ascii();
                    if let Some(inspector) = &mut self.inspector
                        && inspector.may_find(row.line(), row.raw(), row.may_be_odd(), &bet)
                    {
                        inspector.look(row.line(), &bet);
                    }
                    return Ok(Scanned::Bet);
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
                Ok(Scanned::Bad(row))
            }
            RowError::TooLong { line } => {
                self.endless = self.rows.ends_in_quotes().then_some(line);
                let (column, fault) = (1, Fault::TooLong);
                Ok(Scanned::Last(BadRow {
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
                upload: self.rows.reader().upload(),
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

/// Reads the row a second time: keeping the bet of each row, for the few that are looked at, would slow down all of them.
#[cold]
#[inline(never)]
fn look_closely(inspector: &mut Inspector, row: &Row<'_>, agency: Agency) {
    if let Ok(bet) = row.bet(agency) {
        inspector.look(row.line(), &bet);
    }
}

/// Returns the bet of a row, where it can be sent to the server.
fn judge<'a>(row: &Row<'a>, agency: Agency, plain: bool) -> Result<Bet<'a>, RowError> {
    let bet = row.bet(agency)?;
    if plain {
        row.check_plain()?;
    }
    Ok(bet)
}

/// A reader that hashes what is read through it, and keeps the first bytes.
struct Hashed<R> {
    inner: R,
    hash: blake3::Hasher,
    /// At most [`HEAD`] bytes.
    head: Vec<u8>,
}

impl<R> Hashed<R> {
    /// Returns the name of an upload of all that was read.
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::damage::{HowMany, Kind};

    const TODAY: &[u8] = b"2024-08-21";

    /// A file of bets, most of which are usual ones, and of which some are equal.
    fn file(rng: &mut fastrand::Rng) -> String {
        let odd = [1, 5, 50, 5_000][rng.usize(..4)];
        let mut rows: Vec<String> = Vec::new();
        let any = |usual: &[&str], others: &[&str], rng: &mut fastrand::Rng| {
            let values = if rng.u32(..odd) == 0 { others } else { usual };
            values[rng.usize(..values.len())].to_owned()
        };
        let names = ["Ana", "Ana María", "Núñez", "de la O"];
        let odd_names = [
            "=A",
            "O'Higgins",
            "“Ana”",
            "MarÃ\u{ad}a",
            "#N/A",
            "Ana\u{a0}",
            "Mu\u{fffd}oz",
            "Łucja",
            "\"a\"",
            "Ana ",
        ];
        let odd_documents = [
            "30.904.465",
            "3.0904E+07",
            "NULL",
            "1.0",
            "A-1",
            "'1",
            "30904465\u{a0}",
            "20-30904465-9",
            "+1",
            "null",
        ];
        let dates = ["1999-03-17", "1880-01-01", "2023-12-31"];
        let odd_dates = [
            "1879-12-31",
            "2024-08-21",
            "2024-08-22",
            "2999-01-01",
            "0001-01-01",
        ];
        for _ in 0..rng.usize(..800) {
            let digits = rng.usize(1..12);
            let document: String = (0..digits).map(|_| rng.digit(10)).collect();
            let row = [
                any(&names, &odd_names, rng),
                any(&names, &odd_names, rng),
                any(&[&document], &odd_documents, rng),
                any(&dates, &odd_dates, rng),
                rng.u32(..10).to_string(),
            ];
            rows.push(row.join(",") + ["\n", "\r\n"][usize::from(odd == 5)]);
            if rng.u32(..odd) == 0 {
                rows.push(rows[rng.usize(..rows.len())].clone());
            }
        }
        rows.concat()
    }

    /// The damages of a file of which every row is looked at closely.
    fn found_slowly(file: &str, today: Birthdate) -> Vec<Damage> {
        let agency = Agency::new(1).unwrap();
        let mut rows = Rows::new(file.as_bytes());
        let mut inspector = Inspector::new(today);
        let (mut seen, mut count, mut repeated, mut first) = (HashSet::new(), 0, 0, 0);
        while let Some(row) = rows.next_row().unwrap() {
            inspector.look(row.line(), &row.bet(agency).unwrap());
            count += 1;
            if !seen.insert(row.raw().to_owned()) {
                repeated += 1;
                first = if first == 0 { row.line() } else { first };
            }
        }
        let many = repeated >= 10 && repeated >= count / 100;
        let repeats = many.then_some(Damage {
            kind: Kind::RepeatedRows,
            line: first,
            column: 1,
            rows: HowMany::Exactly(repeated),
        });
        inspector.damages().into_iter().chain(repeats).collect()
    }

    #[test]
    fn what_is_found_at_once_is_what_a_close_look_at_every_row_finds() {
        let today = Birthdate::parse(TODAY).unwrap();
        let mut kinds = HashSet::new();
        for seed in 0..400 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let file = file(&mut rng);
            let pieces = Pieces(file.as_bytes(), rng.clone());
            let mut scan = Scan::new(pieces, Agency::new(1).unwrap(), false).inspecting(today);
            let verdict = scan.advance(usize::MAX).unwrap().unwrap();
            assert!(
                matches!(verdict, Verdict::Good(..)),
                "seed {seed}: {verdict:?}"
            );
            let found = scan.damages();
            assert_eq!(found, found_slowly(&file, today), "seed {seed}");
            kinds.extend(found.iter().map(|damage| damage.kind.name()));
        }
        assert_eq!(kinds.len(), Kind::ALL.len(), "{kinds:?}");
    }

    /// Gives a text in pieces of any length.
    struct Pieces<'a>(&'a [u8], fastrand::Rng);

    impl Read for Pieces<'_> {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            let most = space.len().min(self.1.usize(1..5_000));
            (&mut self.0).read(&mut space[..most])
        }
    }
}
