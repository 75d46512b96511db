//! Opening the store: rebuilds the state from the files, after an orderly stop, a crash or a power cut.
//!
//! First all is read and judged, and only then anything is written; what is refused stays as it was found.
//! Works in the memory of two buffers, however large the files are.

use std::fmt;

use crc32fast::Hasher;
use frame::Count;

use super::durability::Durability;
use super::error::StoreError;
use super::files::{CHUNK, Files, Name, Open, failed};
use super::last_commit::LastCommit;
use super::log::Log;
use super::record::Head;
use super::scan::Lines;
use super::turn::Turn;
use super::wal_store::WalStore;
use crate::fact::Fact;
use crate::store::rows::Row;

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

/// What a log that was made without durability can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The log cannot be read to its end.
    TurnsLost {
        /// The last turn that can be.
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

impl<F: Files> WalStore<F> {
    /// Locks the folder, reads what is there, and hands every fact to `replay`: those of the checkpoint,
    /// then those of the turns since, each as it was staged and in that order. A bets.csv without a log is
    /// taken over without facts: its rows belong to no upload, as single bets do.
    ///
    /// Where [`wants_checkpoint`](Self::wants_checkpoint) says so, the store has to be given one before it
    /// takes anything.
    ///
    /// # Errors
    /// Another server works there, a call on a file failed, or the files are not what a server has left. The
    /// files are then as they were, and what was replayed must not be used.
    pub fn open(
        mut files: F,
        durability: Durability,
        replay: impl FnMut(&Fact),
    ) -> Result<(Self, Recovery), StoreError> {
        let lock = match Open::find(&mut files, Name::Lock)? {
            Some(lock) => lock,
            None => Open::create(&mut files, Name::Lock)?,
        };
        if !lock.try_lock()? {
            return Err(StoreError::Locked {
                path: lock.path().to_owned(),
            });
        }
        let mut buffer = Box::new([0; CHUNK]);
        let log = Log::find(&mut files, &mut buffer)?;
        if let Some(log) = &log {
            finish_reopening(&mut files, &log.head, &mut buffer)?;
        }
        let bets = Open::find(&mut files, Name::Bets)?;
        match log {
            Some(log) => {
                let found = Found {
                    files,
                    lock,
                    bets,
                    log,
                    buffer,
                };
                found.recover(durability, replay)
            }
            None => take_over(files, lock, bets, buffer, durability),
        }
    }
}

/// Puts a bets.csv without an agency's rows in its place, where the log that belongs to it has taken force. What bets.csv
/// had beyond the log's checkpoint is written again from the log, whichever of the two files it was.
fn finish_reopening<F: Files>(
    files: &mut F,
    head: &Head,
    buffer: &mut [u8; CHUNK],
) -> Result<(), StoreError> {
    let Some(mut new) = Open::find(files, Name::NewBets)? else {
        return Ok(());
    };
    let mut crc = Hasher::new();
    let fits = new.length()? == head.length
        && new.digest(0, head.length, buffer, &mut crc)?
        && crc.finalize() == head.bets_crc;
    if fits {
        new.sync()?;
        new.rename(files, Name::NewBets, Name::Bets)?;
        files
            .sync()
            .map_err(|e| failed("sync", files.folder(), e))?;
    }
    Ok(())
}

/// A folder with a log.
struct Found<F: Files> {
    files: F,
    lock: Open<F::File>,
    bets: Option<Open<F::File>>,
    log: Log<F::File>,
    buffer: Box<[u8; CHUNK]>,
}

impl<F: Files> Found<F> {
    fn recover(
        mut self,
        durability: Durability,
        replay: impl FnMut(&Fact),
    ) -> Result<(WalStore<F>, Recovery), StoreError> {
        let (head, start) = (self.log.head, self.log.end);
        let mut recovery = Recovery::default();
        let (position, crc) = self.read_log(&mut recovery, replay)?;
        let surplus = self.check_bets(position)?;

        // From here on the files may be written.
        let bets = match self.bets {
            Some(bets) => bets,
            None => Open::create(&mut self.files, Name::Bets)?,
        };
        if surplus > 0 {
            bets.set_length(position)?;
            recovery.warnings.push(Warning::RowsLost { bytes: surplus });
        }
        // What is not known to be durable becomes so before more depends on it: before bets.csv has the rows,
        // and before anyone is told that they are stored.
        if (durability, head.durability) != (Durability::Never, Durability::Never) {
            self.log.harden(&mut self.buffer)?;
        }
        if (durability, head.durability) == (Durability::Always, Durability::Never) {
            bets.write_again(0, head.length, &mut self.buffer)?;
        }
        recovery.bytes = position;
        let mut store = WalStore {
            files: self.files,
            durability,
            lock: self.lock,
            bets,
            log: self.log,
            turn: Turn::new(),
            buffer: self.buffer,
            position,
            crc,
            // All of it, also what seems to be there: the kernel may show pages that a failed sync did not
            // write.
            lag: Some(start),
            no_room: None,
            synced: head.length,
            checkpoint_at: 0,
            failed: None,
        };
        store.retry()?;
        Ok((store, recovery))
    }

    /// Returns where bets.csv ends if it holds all turns, and its checksum.
    fn read_log(
        &mut self,
        recovery: &mut Recovery,
        mut replay: impl FnMut(&Fact),
    ) -> Result<(u64, Hasher), StoreError> {
        let Self { log, buffer, .. } = self;
        log.facts(buffer, &mut replay)?;
        let mut position = log.head.length;
        let mut crc = Hasher::new_with_initial(log.head.bets_crc);
        let mut add = |rows: &[u8]| {
            crc.update(rows);
            Ok(())
        };
        while let Some(turn) = log.next(position, buffer, &mut add, &mut replay)? {
            position += turn.rows;
            recovery.turns += 1;
        }
        let tail = log.tail(buffer)?;
        recovery.cut = tail.bytes;
        match (log.head.durability, tail.later) {
            (Durability::Always, Some(later)) => {
                let (turn, at) = (log.sequence + 1, log.end);
                return Err(StoreError::Damage {
                    path: log.path(),
                    turn,
                    at,
                    later,
                });
            }
            (Durability::Never, _) if tail.bytes > 0 => {
                let warning = Warning::TurnsLost {
                    last: log.sequence,
                    bytes: tail.bytes,
                };
                recovery.warnings.push(warning);
            }
            _ => {}
        }
        match LastCommit::read(&self.lock)? {
            Some(last) if last.salt == log.head.salt && last.sequence > log.sequence => {
                let (at, last, acknowledged) = (log.end, log.sequence, last.sequence);
                Err(StoreError::Lost {
                    path: log.path(),
                    at,
                    last,
                    acknowledged,
                })
            }
            _ => Ok((position, crc)),
        }
    }

    /// Returns how many bytes bets.csv has too many, which only a log without durability excuses.
    fn check_bets(&mut self, stored: u64) -> Result<u64, StoreError> {
        let Head {
            length: checkpoint,
            bets_crc,
            durability,
            ..
        } = self.log.head;
        let path = self.files.folder().join(Name::Bets.as_str());
        let mut hasher = Hasher::new();
        let length = match &self.bets {
            Some(bets) => {
                bets.digest(0, checkpoint, &mut self.buffer, &mut hasher)?;
                bets.length()?
            }
            None => 0,
        };
        if length < checkpoint {
            return Err(StoreError::Short {
                path,
                length,
                stored: checkpoint,
                durability,
            });
        }
        if hasher.finalize() != bets_crc {
            return Err(StoreError::Different { path, checkpoint });
        }
        if length > stored && durability == Durability::Always {
            return Err(StoreError::Long {
                path,
                length,
                stored,
            });
        }
        Ok(length.saturating_sub(stored))
    }
}

/// A folder without a log: a new one, or one with a bets.csv that others wrote.
fn take_over<F: Files>(
    mut files: F,
    lock: Open<F::File>,
    bets: Option<Open<F::File>>,
    mut buffer: Box<[u8; CHUNK]>,
    durability: Durability,
) -> Result<(WalStore<F>, Recovery), StoreError> {
    let mut crc = Hasher::new();
    let mut rows = 0;
    let mut position = 0;
    let bets = match bets {
        Some(bets) => {
            position = bets.length()?;
            let refuse = |(at, flaw)| StoreError::Row {
                path: bets.path().to_owned(),
                at,
                flaw,
            };
            let mut lines = Lines::default();
            bets.for_each(0, position, &mut buffer, |piece| {
                crc.update(piece);
                let counted = lines.feed(piece, |line| {
                    rows += 1;
                    Row::parse(line).map(drop)
                });
                counted.map_err(refuse)
            })?;
            lines.end().map_err(refuse)?;
            bets
        }
        None => Open::create(&mut files, Name::Bets)?,
    };
    if durability == Durability::Always {
        bets.write_again(0, position, &mut buffer)?;
        bets.sync()?;
    }
    let head = Head::new(durability, files.salt(), 0, position, &crc);
    let mut log = Log::create(&mut files, head, [], F::ROOM)?;
    log.publish(&mut files)?;
    let recovery = Recovery {
        bytes: position,
        taken_over: (rows > 0).then_some(rows),
        ..Recovery::default()
    };
    let checkpoint_at = log.end + F::INTERVAL;
    let store = WalStore {
        files,
        durability,
        lock,
        bets,
        log,
        turn: Turn::new(),
        buffer,
        position,
        crc,
        lag: None,
        no_room: None,
        synced: position,
        checkpoint_at,
        failed: None,
    };
    Ok((store, recovery))
}
