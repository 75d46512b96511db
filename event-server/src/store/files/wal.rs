//! bets.csv and its log, open: staging, committing, checkpoints. The parent module says how they belong together.

use crc32fast::Hasher;

use super::disk::{FileName, Files, Open, Portions, RandomAccess};
use super::error::StoreError;
use super::format::{Durability, Head};
use super::lock::LastCommit;
use super::log::Log;
use super::turn::{DraftRows, Turn};
use crate::facts::Fact;
use crate::store::NoSpace;

/// How many times longer a log without durability grows before a checkpoint: each begins in a new file, which costs
/// more than a file that is written over.
const NEW_FILE: u64 = 4;

/// The open store. It holds the folder's lock until it is dropped.
pub struct WalStore<F: Files> {
    pub(super) files: F,
    pub(super) durability: Durability,
    pub(super) lock: Open<F::File>,
    pub(super) bets: Open<F::File>,
    pub(super) log: Log<F::File>,
    /// The log before the current one, under the name of the next one: the next checkpoint writes over it.
    pub(super) spare: Option<Log<F::File>>,
    pub(super) turn: Turn,
    pub(super) portions: Portions<'static>,
    /// Bytes of bets.csv that are committed.
    pub(super) position: u64,
    /// Their checksum.
    pub(super) crc: Hasher,
    /// Where in the log the first turn begins whose rows bets.csv lacks.
    pub(super) lag: Option<u64>,
    /// Why no rows are taken: there is no room for those that bets.csv lacks, or for the first log after the start. Only
    /// [`WalStore::retry`] looks again.
    pub(super) no_room: Option<NoSpace>,
    /// Bytes of bets.csv known to be synced.
    pub(super) synced: u64,
    /// How long the log is when the next checkpoint is due.
    pub(super) checkpoint_at: u64,
    /// The failure after which the store takes nothing more.
    pub(super) failed: Option<StoreError>,
}

impl<F: Files> WalStore<F> {
    /// Makes room in the log for a request whose rows take `bytes` at most, and gives a place to write them. With 0 bytes
    /// it needs no room in bets.csv.
    ///
    /// # Errors
    /// There is no room. Nothing has changed.
    pub fn draft(&mut self, bytes: usize) -> Result<DraftRows<'_>, NoSpace> {
        self.check().map_err(|e| e.no_space())?;
        if let Some(no_room) = &self.no_room
            && (bytes > 0 || self.log.is_read_only())
        {
            return Err(no_room.clone());
        }
        self.make_room(bytes)?;
        Ok(self.turn.draft(bytes))
    }

    /// Makes room in the log for a request with `rows` bytes of rows. Without room the request is refused. Where the
    /// disk failed it is refused, too, and the commit of the turn fails.
    fn make_room(&mut self, rows: usize) -> Result<(), NoSpace> {
        match self.log.make_room(self.turn.size_with(rows), F::ROOM) {
            Err(e) if e.is_full() => Err(e.no_space()),
            made => self.settle(made).map_err(|e| e.no_space()),
        }
    }

    /// Returns how many bytes are staged in this turn; 0: there is nothing to commit.
    pub fn staged(&self) -> usize {
        self.turn.staged()
    }

    /// Returns how many bets are staged in this turn.
    pub fn staged_bets(&self) -> u64 {
        self.turn.bets()
    }

    /// Makes all that is staged durable, as one turn. Does nothing where nothing is staged.
    ///
    /// # Errors
    /// The disk failed, now or before. Nothing of the turn may be acknowledged, and nothing after it: the
    /// next start finds out what is stored.
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
        // Now the turn is durable. If bets.csv has no room for its rows, they are written later, from the log.
        let start = self.position;
        self.position += rows.len() as u64;
        self.crc.update(rows);
        if self.lag.is_none() {
            if self.position - self.synced > F::PORTION {
                sync(&self.bets, self.durability)?;
                self.synced = start;
            }
            match self.bets.write(rows, start) {
                Err(e) if e.is_full() => {
                    self.lag = Some(begin);
                    self.no_room = Some(e.no_space());
                }
                written => written?,
            }
        }
        if self.turn.has_draw() {
            self.demand_checkpoint();
        }
        self.turn.clear();
        self.acknowledge()
    }

    /// Notes the last turn in the lock file.
    pub(super) fn acknowledge(&self) -> Result<(), StoreError> {
        if self.durability == Durability::Never {
            return Ok(());
        }
        let last = LastCommit {
            salt: self.log.head.salt,
            sequence: self.log.sequence,
        };
        match last.write(&self.lock) {
            // A lack of room is ignored: the note only helps a later start to tell damage from a torn turn.
            Err(e) if e.is_full() => Ok(()),
            written => written,
        }
    }

    /// Returns whether a checkpoint is due: at the start, at the draw, and when the log is long. Where there was no
    /// room for the one at the start, it is due again after [`retry`](Self::retry).
    pub fn wants_checkpoint(&self) -> bool {
        self.log.end >= self.checkpoint_at
    }

    /// Makes a checkpoint due now.
    pub(super) fn demand_checkpoint(&mut self) {
        self.checkpoint_at = 0;
    }

    /// Begins a new log. `facts` are what the state adds up to, all of it committed. Without room or a
    /// descriptor for a new log, and while the store [lags](Self::lagging), the old one stays the current one, and the checkpoint
    /// is due again later.
    ///
    /// # Errors
    /// The disk failed, now or before.
    ///
    /// # Panics
    /// Something is staged: the facts may include it, and it is not durable.
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
        self.checkpoint_at = match self.log.is_read_only() {
            true => u64::MAX,
            false => self.log.end + F::ROOM,
        };
        if self.lagging() {
            return Ok(());
        }
        self.check_name()?;
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
        let mut log = match self.next_log(head, facts, room) {
            Err(e) if e.is_full() => {
                self.put_off(&e);
                return Ok(());
            }
            made => made?,
        };
        let is_kept = match self.put_in_place(&mut log, room) {
            // The old log certainly is the current one only while it has its name.
            Err(e) if e.is_full() && matches!(self.log.is_current(&self.files), Ok(true)) => {
                self.put_off(&e);
                return Ok(());
            }
            put => put?,
        };
        log.sync_name(&mut self.files)?;
        let old = std::mem::replace(&mut self.log, log);
        self.spare = is_kept.then_some(old);
        self.no_room = None;
        let interval = match self.durability {
            Durability::Always => F::INTERVAL,
            Durability::Never => F::INTERVAL * NEW_FILE,
        };
        self.checkpoint_at = self.log.end + interval;
        self.acknowledge()
    }

    /// Makes the log that follows the current one, beside it.
    fn next_log(
        &mut self,
        head: Head,
        facts: impl IntoIterator<Item = Fact>,
        room: u64,
    ) -> Result<Log<F::File>, StoreError> {
        match self
            .spare
            .take()
            .filter(|spare| room > 0 && spare.is_free(&self.files))
        {
            Some(spare) => spare.write_over(head, facts, room),
            None => Log::create(&mut self.files, head, facts, room),
        }
    }

    /// Puts the next log in the place of the current one; says whether the current one is kept, to be written over.
    /// Without durability it never is: after a power cut what it held before could pass for the current log. Nor is one
    /// that was found at the start: some of its bytes may have no place on the disk yet.
    fn put_in_place(&mut self, next: &mut Log<F::File>, room: u64) -> Result<bool, StoreError> {
        let may_keep =
            self.durability == Durability::Always && room > 0 && !self.log.is_read_only();
        if may_keep && next.exchange(&mut self.files, &mut self.log)? {
            return Ok(true);
        }
        next.put_in_place(&mut self.files)?;
        Ok(false)
    }

    /// Keeps the old log as the current one, since there is no room for a new one.
    fn put_off(&mut self, why: &StoreError) {
        // If the file stays, it does no harm: the next new log takes its place.
        let _ = self.files.remove(FileName::NewLog);
        if self.log.is_read_only() {
            self.no_room = Some(why.no_space());
        }
    }

    /// Makes sure that bets.csv still is the file that was written to. Where it was replaced, the log may be all that has
    /// its last rows.
    fn check_name(&self) -> Result<(), StoreError> {
        let path = self.bets.path();
        match self.bets.has_name(&self.files, FileName::Bets)? {
            true => Ok(()),
            false => Err(StoreError::Replaced {
                path: path.to_owned(),
            }),
        }
    }

    /// Returns how many bytes of bets.csv are committed.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns whether bets.csv lacks rows that are committed, because there is no room for them.
    pub fn lagging(&self) -> bool {
        self.lag.is_some()
    }

    /// Returns why no rows are taken now, where there is no room.
    pub fn no_room(&self) -> Option<&NoSpace> {
        self.no_room.as_ref()
    }

    /// Looks again for room where there was none: writes the rows that bets.csv lacks, as many as there is room for,
    /// and then makes the checkpoint due that was put off at the start.
    ///
    /// # Errors
    /// The disk failed, now or before.
    pub fn retry(&mut self) -> Result<(), StoreError> {
        self.check()?;
        match self.redo() {
            Err(e) if e.is_full() => self.no_room = Some(e.no_space()),
            redone => {
                self.settle(redone)?;
                if self.log.is_read_only() {
                    self.demand_checkpoint();
                } else {
                    self.no_room = None;
                }
            }
        }
        Ok(())
    }

    /// Writes the rows that bets.csv lacks, but for the turns that an earlier try has written.
    pub(super) fn redo(&mut self) -> Result<(), StoreError> {
        if let Some(from) = &mut self.lag {
            self.log.copy_rows(from, &self.bets, &mut self.portions)?;
            self.lag = None;
        }
        Ok(())
    }

    /// Reads committed bytes of bets.csv, from `from` on and never beyond `until`; returns how many. It is 0
    /// only where `from` has come to `until`.
    ///
    /// # Errors
    /// The file cannot be read, or is shorter than `until`, as it may be while the store [lags](Self::lagging).
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

    /// Ends in order: with a checkpoint, so that the next start has nothing to mend.
    ///
    /// # Errors
    /// The disk failed, now or before. What was committed stays so.
    ///
    /// # Panics
    /// Something is staged.
    pub fn close(mut self, facts: impl IntoIterator<Item = Fact>) -> Result<(), StoreError> {
        self.retry()?;
        self.renew_log(facts, 0)
    }

    /// Whether the store can go on.
    ///
    /// # Errors
    /// What ended it.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Keeps an error: after it the store takes nothing more.
    pub(super) fn settle<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(e) = &result {
            self.failed = Some(e.clone());
        }
        result
    }
}

fn sync<H: RandomAccess>(file: &Open<H>, durability: Durability) -> Result<(), StoreError> {
    match durability {
        Durability::Always => file.sync(),
        Durability::Never => Ok(()),
    }
}
