//! What is durable: bets.csv and the log beside it. Nothing acknowledged is ever lost or doubled.
//!
//! Rows and facts come in; when [`Store::commit`] returns, they outlive the process and the machine. At
//! the next start the facts go out again, in the same order, and bets.csv holds just the rows that belong to
//! them. Knows no rule of the lottery, no connection and no clock, and prints nothing.
//!
//! # The files
//!
//! ```text
//! bets.csv       a row for each bet that is stored, and nothing else
//! bets.wal       the log: a checkpoint, then each turn of the loop as one record, then zeros
//! bets.wal.new   the next log, while it is made; it means nothing
//! lock           locked while a server works here; says which turn was acknowledged last
//!
//! bets.wal       +------+-------+--------+--------+--------+-----------------+
//!                | head | facts | turn n | n + 1  | n + 2  | zeros           |
//!                +------+-------+--------+--------+--------+-----------------+
//!                checkpoint     |        |
//!              ,----------------'        '-----------------------------.
//! turn n       | salt | sequence | position | sizes | crc | rows | facts |
//!              '-------------------------------------------------------'
//! bets.csv     | rows up to the checkpoint | rows of turn n | of n + 1 | of n + 2 |
//!                                          ^ position
//! ```
//!
//! The bytes of each part are pictured in `store/record.rs` and `store/entry.rs`. The head says how long
//! bets.csv was and its CRC-32, all of it synced; its facts are what the state was then. Every record carries
//! a sequence number that goes on from log to log, a CRC-32 over all of it, and the log's salt, which no peer
//! can know: so no bytes that a peer has sent pass for a record.
//!
//! # A turn
//!
//! 1. [`draft`](Store::draft) or [`record`](Store::record): zeros are written to the log where the record
//!    will go, so that what is staged cannot fail for space. Without room the request is refused, and nothing
//!    changes.
//! 2. [`commit`](Store::commit): the record is written to the log in one piece, and the log is synced once.
//! 3. The rows are written to bets.csv, and the turn is noted in the lock file. Then the replies may go.
//!
//! bets.csv is synced in portions of 8 MiB and at checkpoints. A checkpoint ([`Store::checkpoint`]) syncs
//! bets.csv, makes a new log, syncs it, renames it, and syncs the folder. It is due at the start, at the end,
//! at the draw, and after every 64 MiB of log.
//!
//! Where bets.csv has no room for rows that are in the log, their turn stays acknowledged and the store
//! [lags](Store::lagging): it takes no more rows until it could write these.
//!
//! # Recovery
//!
//! The log is read from its front. The first record that is not whole ends it: a turn that was cut off before
//! it was acknowledged. bets.csv is then written again from the checkpoint on. That, and only that, is mended
//! silently; each of these is refused, and the files left as they are:
//!
//! | [`StoreError`] | what it means |
//! |---|---|
//! | `Locked` | another server works in the folder |
//! | `Head` | the checkpoint is damaged: without it the log means nothing |
//! | `Damage` | a turn is damaged: a later one is whole, so it was acknowledged |
//! | `Lost` | the log ends before a turn that the lock file knows as acknowledged |
//! | `Short` | bets.csv lacks bytes that were synced |
//! | `Different` | bytes of bets.csv that were synced have changed |
//! | `Long` | bets.csv holds more than was ever stored |
//! | `Row` | a bets.csv without a log has a row that is none |
//! | `Version`, `Nonsense` | the log was not written by this program |
//! | `Io` | a call on a file failed |
//!
//! # What is not promised
//!
//! A turn that was not acknowledged may be stored all the same, whole: the power failed between its sync and
//! its replies. Damage to the last turn in the log and a power cut that also takes back bets.csv and the lock
//! file together look like a turn that was never acknowledged. With [`Durability::Never`] a power cut may
//! take back anything: the log then is cut at its first bad record, with a warning.

mod entry;
mod error;
mod files;
mod folder;
mod last_commit;
mod log;
mod record;
mod recovery;
mod rows;
mod scan;
mod turn;

use crc32fast::Hasher;

pub use self::error::{NoSpace, StoreError};
use self::files::{CHUNK, Open};
pub use self::files::{Files, Name, RandomAccess};
pub use self::folder::Folder;
use self::last_commit::LastCommit;
use self::log::Log;
use self::record::Head;
pub use self::recovery::{Recovery, Warning};
pub use self::rows::{MAX_ROW, RowFlaw};
pub use self::scan::Scanner;
pub use self::turn::Draft;
use self::turn::Turn;
use crate::fact::Fact;

/// Whether what is acknowledged outlives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It does: every turn is synced before it is acknowledged.
    Always,
    /// It outlives the process alone: nothing is synced.
    Never,
}

/// The open store. It holds the folder's lock until it is dropped.
pub struct Store<F: Files> {
    files: F,
    durability: Durability,
    lock: Open<F::File>,
    bets: Open<F::File>,
    log: Log<F::File>,
    turn: Turn,
    buffer: Box<[u8; CHUNK]>,
    /// Bytes of bets.csv that are committed.
    position: u64,
    /// Their checksum.
    crc: Hasher,
    /// Where in the log the first turn begins whose rows bets.csv lacks.
    lag: Option<u64>,
    /// How many of them are known to be synced.
    synced: u64,
    /// How long the log is when the next checkpoint is due.
    checkpoint_at: u64,
    /// What ended the store's life.
    failed: Option<StoreError>,
}

impl<F: Files> Store<F> {
    /// Makes room in the log for a request whose rows take `bytes` at most, and gives a place to write them.
    ///
    /// # Errors
    /// There is no room. Nothing has changed.
    pub fn draft(&mut self, bytes: usize) -> Result<Draft<'_>, NoSpace> {
        self.check().map_err(NoSpace)?;
        let size = self.turn.size_with(bytes);
        let made = self.redo().and_then(|()| self.log.make_room(size, F::ROOM));
        self.grant(made)?;
        Ok(self.turn.draft(bytes))
    }

    /// Stages a fact that has no rows.
    ///
    /// # Errors
    /// There is no room. Nothing has changed.
    pub fn record(&mut self, fact: Fact) -> Result<(), NoSpace> {
        self.check().map_err(NoSpace)?;
        let made = self.log.make_room(self.turn.size_with(0), F::ROOM);
        self.grant(made)?;
        self.turn.push(&fact);
        Ok(())
    }

    /// Bytes that are staged in this turn; 0: there is nothing to commit.
    pub fn staged(&self) -> usize {
        self.turn.staged()
    }

    /// Makes all that is staged durable, as one turn. Does nothing where nothing is staged.
    ///
    /// # Errors
    /// The disk failed, now or before. Nothing of the turn may be acknowledged, and nothing after it: the
    /// next start will tell what became of it.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.check()?;
        if self.turn.staged() == 0 {
            return Ok(());
        }
        let written = self.write_turn();
        self.settle(written)
    }

    fn write_turn(&mut self) -> Result<(), StoreError> {
        let Self { log, turn, .. } = self;
        let begin = log.end;
        let (record, rows) = turn.seal(log.head.salt, log.sequence + 1, self.position);
        log.append(record)?;
        // Durable. What follows may fail for space, and be made up for from the log.
        let start = self.position;
        self.position += rows.len() as u64;
        self.crc.update(rows);
        if self.lag.is_none() {
            if self.position - self.synced > F::PORTION {
                sync(&self.bets, self.durability)?;
                self.synced = start;
            }
            match self.bets.write(rows, start) {
                Err(e) if e.is_full() => self.lag = Some(begin),
                written => written?,
            }
        }
        self.turn.clear();
        self.acknowledge()
    }

    /// Notes the last turn in the lock file.
    fn acknowledge(&self) -> Result<(), StoreError> {
        if self.durability == Durability::Never {
            return Ok(());
        }
        let last = LastCommit {
            salt: self.log.head.salt,
            sequence: self.log.sequence,
        };
        match last.write(&self.lock) {
            // It is evidence, and nothing depends on it.
            Err(e) if e.is_full() => Ok(()),
            written => written,
        }
    }

    /// Whether a checkpoint is due: at the start, and when the log is long.
    pub fn wants_checkpoint(&self) -> bool {
        self.log.is_read_only() || self.log.end >= self.checkpoint_at
    }

    /// Begins the log anew. `facts` are what the state adds up to, all of it committed. Without room or a
    /// descriptor for a new log the old one stays in force, and the checkpoint is due again later.
    ///
    /// # Errors
    /// The disk failed, now or before.
    ///
    /// # Panics
    /// Something is staged: the facts may know of it, and it is not durable.
    pub fn checkpoint(&mut self, facts: impl IntoIterator<Item = Fact>) -> Result<(), StoreError> {
        self.renew_log(facts, F::ROOM)
    }

    fn renew_log(
        &mut self,
        facts: impl IntoIterator<Item = Fact>,
        room: u64,
    ) -> Result<(), StoreError> {
        self.check()?;
        assert_eq!(self.staged(), 0, "a checkpoint within a turn");
        let renewed = self.try_renew_log(facts, room);
        self.settle(renewed)
    }

    fn try_renew_log(
        &mut self,
        facts: impl IntoIterator<Item = Fact>,
        room: u64,
    ) -> Result<(), StoreError> {
        self.checkpoint_at = self.log.end + F::ROOM;
        self.catch_up()?;
        if self.lagging() {
            return Ok(());
        }
        sync(&self.bets, self.durability)?;
        self.synced = self.position;
        let salt = self.files.salt();
        let head = Head::new(
            self.durability,
            salt,
            self.log.sequence,
            self.position,
            &self.crc,
        );
        let mut log = match Log::create(&mut self.files, head, facts, room) {
            Err(e) if e.is_full() => {
                // If it stays it does no harm: the next one takes its place.
                let _ = self.files.remove(Name::NewLog);
                return Ok(());
            }
            created => created?,
        };
        log.publish(&mut self.files)?;
        self.log = log;
        self.checkpoint_at = self.log.end + F::INTERVAL;
        self.acknowledge()
    }

    /// Bytes of bets.csv that are committed.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether bets.csv lacks rows that are committed, because there is no room for them.
    pub fn lagging(&self) -> bool {
        self.lag.is_some()
    }

    /// Tries to write what bets.csv lacks. Where there still is no room, the store goes on
    /// [lagging](Self::lagging).
    ///
    /// # Errors
    /// The disk failed, now or before.
    pub fn catch_up(&mut self) -> Result<(), StoreError> {
        self.check()?;
        match self.redo() {
            Err(e) if e.is_full() => Ok(()),
            redone => self.settle(redone),
        }
    }

    fn redo(&mut self) -> Result<(), StoreError> {
        if let Some(from) = self.lag {
            self.log.copy_rows(from, &self.bets, &mut self.buffer)?;
            self.lag = None;
        }
        Ok(())
    }

    /// Reads committed bytes of bets.csv, from `from` on and never beyond `until`; returns how many. It is 0
    /// only where `from` has come to `until`.
    ///
    /// # Errors
    /// The file cannot be read, or is shorter than `until`. It is while the store [lags](Self::lagging).
    pub fn read(&mut self, from: u64, until: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let wanted = usize::try_from(until.saturating_sub(from)).unwrap_or(usize::MAX);
        let length = buffer.len().min(wanted);
        let count = self.bets.read(&mut buffer[..length], from)?;
        if count < length {
            let (path, length) = (self.bets.path().to_owned(), from + count as u64);
            let durability = self.durability;
            return Err(StoreError::Short {
                path,
                length,
                stored: until,
                durability,
            });
        }
        Ok(count)
    }

    /// Ends in order: with a checkpoint, so that the next start has nothing to mend. To be called with
    /// nothing staged.
    ///
    /// # Errors
    /// The disk failed, now or before. What was committed stays so.
    pub fn close(mut self, facts: impl IntoIterator<Item = Fact>) -> Result<(), StoreError> {
        self.renew_log(facts, 0)
    }

    fn check(&self) -> Result<(), StoreError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// After a failure nothing can be promised any more.
    fn settle(&mut self, result: Result<(), StoreError>) -> Result<(), StoreError> {
        if let Err(e) = &result {
            self.failed = Some(e.clone());
        }
        result
    }

    /// Without room a request is refused, and so it is where the disk failed: that ends the turn.
    fn grant(&mut self, made: Result<(), StoreError>) -> Result<(), NoSpace> {
        match made {
            Err(e) if e.is_full() => Err(NoSpace(e)),
            made => self.settle(made).map_err(NoSpace),
        }
    }
}

fn sync<H: RandomAccess>(file: &Open<H>, durability: Durability) -> Result<(), StoreError> {
    match durability {
        Durability::Always => file.sync(),
        Durability::Never => Ok(()),
    }
}
