//! What the files of a folder say: read and judged, and nothing is changed. A start does this before it changes anything,
//! and an export does nothing else.
//!
//! A server may work in the folder meanwhile, as it does during an export. It writes every row to the log first, it makes
//! a new log in a file that nobody reads, and it never changes a byte of bets.csv that is counted. So what is asked first here
//! is what it writes last: the note of its last turn, the length of bets.csv, the log.
//!
//! # A copy of a log that was written to meanwhile
//!
//! A program that copies a log slower than it grows may read zeros, or older bytes, where a turn will stand a moment later,
//! and behind them the turns after it. Such a copy cannot be told from a log on a disk that has lost a turn: every turn was synced
//! before the next one was written, so in a log that is no copy only damage leaves a gap. Sequence and salt are the same
//! in both, and the note in the lock file, which is never synced, may be older than the gap in both. So it is refused, as
//! [`StoreError::Damage`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crc32fast::Hasher;
use frame::{Agency, Count};

use super::disk::{FileName, Files, Open, Portions, RandomAccess};
use super::error::StoreError;
use super::format::{Durability, Head};
use super::lock::LastCommit;
use super::log::Log;
use crate::facts::{Fact, MAX_AGENCIES, Source};
use crate::store::rows::{Lines, Row, RowFlaw};

/// What was found when the store was opened. Its text is for a log line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Bytes of bets.csv that are stored.
    pub bytes: u64,
    /// Rows of a bets.csv that stood there without a log.
    pub taken_over: Option<u64>,
    /// Turns that were read from the log.
    pub turns: u64,
    /// Bytes behind the last whole turn: of one that was not acknowledged.
    pub cut: u64,
    /// What the operator should know.
    pub warnings: Vec<Warning>,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bytes, turns, cut, ..
        } = self;
        write!(f, "{} of bets.csv", Count(*bytes, "byte"))?;
        if let Some(rows) = self.taken_over {
            write!(f, ", {} taken over", Count(rows, "row"))?;
        }
        write!(
            f,
            ", {} from the log, {} of an unfinished one cut",
            Count(*turns, "turn"),
            Count(*cut, "byte")
        )
    }
}

/// A loss that is possible with a log that was made without durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The log cannot be read to its end.
    TurnsLost {
        /// The last turn that can be read.
        last: u64,
        /// Bytes behind it.
        bytes: u64,
    },
    /// bets.csv held rows that the log does not know.
    RowsLost {
        /// Their bytes.
        bytes: u64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the last server ran with SERVER_DURABILITY=never: ")?;
        match self {
            Self::TurnsLost { last, bytes } => write!(
                f,
                "the log cannot be read behind turn {last} and is cut there ({}), acknowledged bets may be lost",
                Count(*bytes, "byte")
            ),
            Self::RowsLost { bytes } => write!(
                f,
                "the end of bets.csv is not in the log and is cut ({}), acknowledged bets may be lost",
                Count(*bytes, "byte")
            ),
        }
    }
}

/// The files of a folder, and what they say.
pub(super) struct Reading<H> {
    /// A fact for each agency with rows in a bets.csv that has no log.
    pub(super) taken_over: Vec<Fact>,
    pub(super) log: Option<Log<H>>,
    pub(super) bets: Option<Open<H>>,
    /// `bets` is bets.csv.new, the rows without an agency's: it still has to be renamed to bets.csv.
    pub(super) unplaced: bool,
    /// Where bets.csv ends if it holds all turns.
    pub(super) position: u64,
    /// Its checksum up to there.
    pub(super) crc: Hasher,
    /// Bytes that bets.csv has beyond `position`: with durability they are an error.
    pub(super) surplus: u64,
    pub(super) recovery: Recovery,
}

impl<H: RandomAccess> Reading<H> {
    /// Reads and judges everything: `log` is the current log, `lock` the file with the note. Hands the facts of the
    /// checkpoint to `replay`, then those of the turns.
    ///
    /// # Errors
    /// A call on a file failed, the files are not what a server has left, or the caller, who is told of the progress, has ended it.
    pub(super) fn read<F: Files<File = H>>(
        files: &mut F,
        lock: Option<&Open<H>>,
        log: Option<Log<H>>,
        portions: &mut Portions<'_>,
        replay: impl FnMut(&Fact),
    ) -> Result<Self, StoreError> {
        let Some(mut log) = log else {
            let bets = Open::find(files, FileName::Bets)?;
            return Self::without_log(bets, portions, replay);
        };
        let last = lock.map_or(Ok(None), LastCommit::read)?;
        let unplaced = unplaced(files, &log.head, portions)?;
        let is_unplaced = unplaced.is_some();
        let bets = match unplaced {
            None => Open::find(files, FileName::Bets)?,
            unplaced => unplaced,
        };
        let length = bets.as_ref().map_or(Ok(0), Open::length)?;
        portions.expect(log.head.length + 2 * log.length()?);
        let mut recovery = Recovery::default();
        let (position, crc) = read_log(&mut log, portions, &mut recovery, replay)?;
        match last {
            Some(last) if last.salt == log.head.salt && last.sequence > log.sequence => {
                return Err(StoreError::Lost {
                    path: log.path(),
                    at: log.end,
                    last: log.sequence,
                    acknowledged: last.sequence,
                });
            }
            _ => {}
        }
        let path = files.folder().join(FileName::Bets.as_str());
        check_synced(&path, bets.as_ref(), &log.head, length, portions)?;
        if length > position && log.head.durability == Durability::Always {
            let stored = position;
            return Err(StoreError::Long {
                path,
                length,
                stored,
            });
        }
        recovery.bytes = position;
        let surplus = length.saturating_sub(position);
        if surplus > 0 {
            let bytes = surplus;
            recovery.warnings.push(Warning::RowsLost { bytes });
        }
        Ok(Self {
            taken_over: Vec::new(),
            log: Some(log),
            bets,
            unplaced: is_unplaced,
            position,
            crc,
            surplus,
            recovery,
        })
    }

    /// A folder without a log: a new one, or one with a bets.csv that others wrote, each row of which has to be a bet.
    fn without_log(
        bets: Option<Open<H>>,
        portions: &mut Portions<'_>,
        mut replay: impl FnMut(&Fact),
    ) -> Result<Self, StoreError> {
        let (mut rows, mut position, mut crc) = (0, 0, Hasher::new());
        let mut agencies = BTreeMap::<Agency, u64>::new();
        if let Some(bets) = &bets {
            position = bets.length()?;
            portions.expect(position);
            let refuse = |(row, flaw)| StoreError::Row {
                path: bets.path().to_owned(),
                row,
                flaw,
            };
            let mut lines = Lines::default();
            bets.for_each(0, position, portions, |piece| {
                crc.update(piece);
                let counted = lines.feed(piece, |line| {
                    rows += 1;
                    let row = Row::parse(line)?;
                    *agencies.entry(row.agency).or_default() += 1;
                    match agencies.len() > MAX_AGENCIES {
                        true => Err(RowFlaw::OneAgencyMore),
                        false => Ok(()),
                    }
                });
                counted.map_err(refuse)
            })?;
            lines.end().map_err(refuse)?;
        }
        let taken_over: Vec<Fact> = agencies
            .into_iter()
            .map(|(agency, bets)| Fact::Stored {
                agency,
                source: Source::TakenOver,
                bets,
            })
            .collect();
        taken_over.iter().for_each(&mut replay);
        Ok(Self {
            taken_over,
            log: None,
            bets,
            unplaced: false,
            position,
            crc,
            surplus: 0,
            recovery: Recovery {
                bytes: position,
                taken_over: (rows > 0).then_some(rows),
                ..Recovery::default()
            },
        })
    }
}

/// The file bets.csv.new, where a reopening was broken off between its two renames: the log that fits it is in place,
/// and the file is not. The rows of later turns are written to it from the log.
fn unplaced<F: Files>(
    files: &mut F,
    head: &Head,
    portions: &mut Portions<'_>,
) -> Result<Option<Open<F::File>>, StoreError> {
    let Some(new) = Open::find(files, FileName::NewBets)? else {
        return Ok(None);
    };
    let mut crc = Hasher::new();
    let fits = new.length()? == head.length
        && new.digest(0, head.length, portions, &mut crc)?
        && crc.finalize() == head.bets_crc;
    Ok(fits.then_some(new))
}

/// Returns where bets.csv ends if it holds all turns, and its checksum.
fn read_log<H: RandomAccess>(
    log: &mut Log<H>,
    portions: &mut Portions<'_>,
    recovery: &mut Recovery,
    mut replay: impl FnMut(&Fact),
) -> Result<(u64, Hasher), StoreError> {
    log.facts(portions, &mut replay)?;
    let mut position = log.head.length;
    let mut crc = Hasher::new_with_initial(log.head.bets_crc);
    let mut add = |rows: &[u8]| {
        crc.update(rows);
        Ok(())
    };
    loop {
        while let Some(turn) = log.next(position, portions, &mut add, &mut replay)? {
            position += turn.rows;
            recovery.turns += 1;
        }
        let tail = log.tail(portions)?;
        recovery.cut = tail.bytes;
        if let Some(later) = tail
            .later
            .filter(|_| log.head.durability == Durability::Always)
        {
            // A server that runs here may have written the turn since it was looked for.
            if let Some(turn) = log.next(position, portions, &mut add, &mut replay)? {
                position += turn.rows;
                recovery.turns += 1;
                continue;
            }
            return Err(StoreError::Damage {
                path: log.path(),
                turn: log.sequence + 1,
                at: log.end,
                later,
            });
        }
        if tail.bytes > 0 && log.head.durability == Durability::Never {
            recovery.warnings.push(Warning::TurnsLost {
                last: log.sequence,
                bytes: tail.bytes,
            });
        }
        return Ok((position, crc));
    }
}

/// Compares what bets.csv had at the checkpoint with what it has now.
fn check_synced<H: RandomAccess>(
    path: &Path,
    bets: Option<&Open<H>>,
    head: &Head,
    length: u64,
    portions: &mut Portions<'_>,
) -> Result<(), StoreError> {
    let mut hasher = Hasher::new();
    let is_whole = match bets {
        Some(bets) => bets.digest(0, head.length, portions, &mut hasher)?,
        None => head.length == 0,
    };
    if !is_whole || length < head.length {
        return Err(StoreError::Short {
            path: path.to_owned(),
            length,
            stored: head.length,
            durability: head.durability,
        });
    }
    if hasher.finalize() != head.bets_crc {
        return Err(StoreError::Different {
            path: path.to_owned(),
            checkpoint: head.length,
        });
    }
    Ok(())
}
