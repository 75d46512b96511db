//! The store on this machine: bets.csv and the log beside it. Nothing acknowledged is ever lost or doubled.
//!
//! Rows and facts come in; when [`WalStore::commit`] returns, they outlive the process and the machine. At
//! the next start the facts go out again, in the same order, and bets.csv holds just the rows that belong to
//! them. Knows no rule of the lottery, no connection and no clock, and prints nothing.
//!
//! # The files
//!
//! ```text
//! bets.csv       a row for each bet that is stored, and nothing else
//! bets.wal       the log: a checkpoint, then each turn of the loop as one record, then zeros
//! bets.wal.new   the next log, while it is made; it means nothing
//! bets.csv.new   the next bets.csv, while an agency's rows are taken out; it counts only if bets.wal fits it
//! lock           locked, as the folder is, while a server works here; says which turn was acknowledged last
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
//! The bytes of each part are pictured in `record.rs` and `entry.rs`. The head says how long
//! bets.csv was and its CRC-32, all of it synced; its facts are what the state was then. Every record carries
//! a sequence number that goes on from log to log, a CRC-32 over all of it, and the log's salt, which no peer
//! can know: so no bytes that a peer has sent pass for a record.
//!
//! # A turn
//!
//! 1. [`draft`](WalStore::draft) or [`record`](WalStore::record): zeros are written to the log where the record
//!    will go, so that what is staged cannot fail for space. Without room the request is refused, and nothing
//!    changes.
//! 2. [`commit`](WalStore::commit): the record is written to the log in one piece, and the log is synced once.
//! 3. The rows are written to bets.csv, and the turn is noted in the lock file. Then the replies may go.
//!
//! bets.csv is synced in portions of 8 MiB and at checkpoints. A checkpoint ([`WalStore::checkpoint`]) syncs
//! bets.csv, makes a new log, syncs it, renames it, and syncs the folder. It is due at the start, at the end,
//! at the draw, and after every 64 MiB of log.
//!
//! Where bets.csv has no room for rows that are in the log, their turn stays acknowledged and the store
//! [lags](WalStore::lagging): it takes no more rows until it could write these. Only [`WalStore::retry`] tries that, now
//! and then, and goes on where the last try ended: a refused request costs nothing.
//!
//! # Recovery
//!
//! The log is read from its front. The first record that is not whole ends it: a turn that was cut off before
//! it was acknowledged. bets.csv is then written again from the checkpoint on. That, and only that, is mended
//! silently; each of these is refused, and the files left as they are:
//!
//! | [`StoreError`] | what it means |
//! |---|---|
//! | `Untrusted` | the folder or a file is a link, another user's, or can be written to by others |
//! | `Locked` | another server works in the folder |
//! | `Head` | the checkpoint is damaged: without it the log means nothing |
//! | `Damage` | a turn is damaged: a later one is whole, so it was acknowledged |
//! | `Lost` | the log ends before a turn that the lock file knows as acknowledged |
//! | `Short` | bets.csv lacks bytes that were synced |
//! | `Different` | bytes of bets.csv that were synced have changed |
//! | `Long` | bets.csv holds more than was ever stored |
//! | `Replaced` | bets.csv became another file while the server ran; the log is kept |
//! | `Row` | a bets.csv without a log has a row that is no bet |
//! | `Version`, `Nonsense` | the log was not written by this program |
//! | `Stopped` | who was told how far the reading is has ended it |
//! | `Io` | a call on a file failed |
//!
//! # What is not promised
//!
//! A turn that was not acknowledged may be stored all the same, whole: the power failed between its sync and
//! its replies. Damage to the last turn in the log and a power cut that also takes back bets.csv and the lock
//! file together look like a turn that was never acknowledged. With [`Durability::Never`] a power cut may
//! take back anything: the log then is cut at its first bad record, with a warning.

mod bytes;
mod contents;
mod draw;
mod durability;
mod entry;
mod error;
mod export;
mod files;
mod folder;
mod last_commit;
mod log;
mod new_folder;
mod portions;
mod reading;
mod record;
mod recovery;
mod reopen;
mod scan;
mod trust;
mod turn;
mod wal_store;

use std::collections::VecDeque;
use std::time::Instant;

use frame::{Agency, Bet};

pub use self::contents::Contents;
use self::draw::Counting;
pub use self::durability::Durability;
pub use self::error::StoreError;
pub use self::export::{ExportError, export};
pub use self::files::{Files, Name, RandomAccess};
pub use self::folder::{Folder, ReadOnlyFolder};
pub use self::new_folder::{NewFolder, NewFolderError};
pub use self::portions::{OnProgress, Progress};
pub use self::reading::{Recovery, Warning};
pub use self::recovery::LockedFolder;
pub use self::scan::Scanner;
pub use self::trust::Distrust;
pub use self::turn::Rows;
pub use self::wal_store::WalStore;
pub use super::rows::{MAX_ROW, RowFlaw};
use super::{
    Commit, Count, Draft, Event, Freshness, Knowledge, NoSpace, Others, RETRY, Status, Store,
    Ticket, Wake, Wanted,
};
use crate::facts::Fact;

/// Bytes staged for a turn beyond which the rest of the ready connections waits for the next.
const MAX_STAGED: usize = 4 * 1024 * 1024;

/// Bytes of rows for which there has to be room before bets are taken again.
const PROBE: usize = 64 * 1024;

/// bets.csv with its log, and the count of the winners over it.
pub struct LocalStore<F: Files> {
    wal: WalStore<F>,
    /// The last commit that is done.
    committed: Ticket,
    events: VecDeque<Event>,
    /// There was no room for a request, and none was found since.
    no_space: Option<NoSpace>,
    /// When to look for room again.
    retry_at: Option<Instant>,
    /// The winners are being counted.
    counting: Option<Box<Counting>>,
    /// The next slice of that is wanted.
    counts: bool,
}

impl<F: Files> LocalStore<F> {
    /// Opens what is there, as [`WalStore::open`] says.
    ///
    /// # Errors
    /// Those of [`WalStore::open`].
    pub fn open(
        files: F,
        durability: Durability,
        replay: impl FnMut(&Fact),
    ) -> Result<(Self, Recovery), StoreError> {
        let (wal, recovery) = WalStore::open(files, durability, replay)?;
        Ok((Self::new(wal), recovery))
    }

    /// The store of files that were just opened.
    pub fn new(wal: WalStore<F>) -> Self {
        Self {
            wal,
            committed: Ticket::default(),
            events: VecDeque::new(),
            no_space: None,
            retry_at: None,
            counting: None,
            counts: false,
        }
    }

    /// Whether any bet is stored.
    pub fn has_rows(&self) -> bool {
        self.wal.position() > 0
    }

    /// Takes out every row of an agency, as [`WalStore::remove_agency`] says. To be called before the draw.
    ///
    /// # Errors
    /// Those of [`WalStore::remove_agency`].
    pub fn remove_agency(
        &mut self,
        agency: Agency,
        facts: impl IntoIterator<Item = Fact>,
    ) -> Result<u64, StoreError> {
        self.wal.remove_agency(agency, facts)
    }

    /// Why there is no room, where there is none.
    fn no_room(&self) -> Option<&NoSpace> {
        self.wal.no_room().or(self.no_space.as_ref())
    }

    /// Looks for room again where there was none.
    fn retry(&mut self) -> Result<(), StoreError> {
        self.wal.retry()?;
        if self.no_space.is_some() {
            // A draft that is dropped leaves no trace.
            self.no_space = self.wal.draft(PROBE).err();
            if self.no_space.is_some() {
                // There may be room for a new log where the old one cannot grow, and it gives back what that one has.
                self.wal.demand_checkpoint();
            }
        }
        Ok(())
    }

    /// Counts the next slice.
    fn count(&mut self, count: Count) -> Result<(), StoreError> {
        let mut counting = self.counting.take().unwrap_or_else(|| {
            self.events.push_back(Event::Counting);
            Box::new(Counting::new(count, self.wal.position()))
        });
        if counting.advance(&mut self.wal)? {
            self.events.push_back(Event::Counted(counting.into_drawn()));
        } else {
            self.counting = Some(counting);
        }
        Ok(())
    }
}

/// The rows of one request, while they are written.
pub struct LocalDraft<'a> {
    rows: Rows<'a>,
    /// The commit that they are a part of.
    ticket: Ticket,
}

impl Draft for LocalDraft<'_> {
    fn row(&mut self, bet: &Bet<'_>) {
        self.rows.row(bet);
    }

    fn seal(self, fact: Fact) -> Ticket {
        self.rows.seal(fact);
        self.ticket
    }
}

impl<F: Files> Store for LocalStore<F> {
    type Draft<'a>
        = LocalDraft<'a>
    where
        F: 'a;
    type Error = StoreError;

    const MAX_AGENCY: u32 = u32::MAX;

    /// Every agency is known from the start, and nobody else changes what is stored of it.
    fn know(&mut self, _agency: Agency, _freshness: Freshness) -> Knowledge {
        Knowledge::Known(match self.wal.staged() {
            0 => self.committed,
            _ => self.committed.next(),
        })
    }

    fn draft(&mut self, bytes: usize) -> Result<LocalDraft<'_>, NoSpace> {
        let ticket = self.committed.next();
        let draft = self.wal.draft(bytes);
        self.no_space = draft.as_ref().err().cloned();
        Ok(LocalDraft {
            rows: draft?,
            ticket,
        })
    }

    fn is_full(&self) -> bool {
        self.wal.staged() >= MAX_STAGED
    }

    fn commit<I>(&mut self, facts: impl FnOnce() -> I) -> Result<(), StoreError>
    where
        I: Iterator<Item = Fact>,
    {
        let (staged, bets) = (self.wal.staged(), self.wal.staged_bets());
        self.wal.commit()?;
        if staged > 0 {
            self.committed = self.committed.next();
            let commit = Commit {
                bets,
                bytes: staged as u64,
                took: None,
            };
            self.events.push_back(Event::Stored(commit));
            self.events.push_back(Event::Committed(self.committed));
        }
        if self.wal.wants_checkpoint() {
            self.wal.checkpoint(facts())?;
        }
        Ok(())
    }

    fn advance(&mut self, now: Instant, wanted: Wanted) -> Result<(), StoreError> {
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.retry()?;
        }
        match self.no_room() {
            Some(_) => _ = self.retry_at.get_or_insert(now + RETRY),
            None => self.retry_at = None,
        }
        // Rows that bets.csv lacks cannot be counted.
        if let Some(count) = wanted.count.filter(|_| !self.wal.lagging()) {
            self.count(count)?;
        }
        self.counts = wanted.count.is_some() && self.counting.is_some();
        Ok(())
    }

    fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn wake(&self) -> Wake {
        match self.retry_at {
            _ if self.counts || self.wal.staged() > 0 => Wake::Now,
            Some(at) => Wake::At(at),
            None => Wake::Never,
        }
    }

    /// It has no stream: files never wait.
    fn mark(&mut self, _readable: bool, _writable: bool, _dead: bool) {}

    fn status(&self) -> Status<'_> {
        let unavailable = |why| format!("{}: {why}", frame::NO_SPACE);
        Status {
            unavailable: self.no_room().map(unavailable),
            others: Others::None,
        }
    }

    fn close(self, facts: impl Iterator<Item = Fact>) -> Result<(), StoreError> {
        self.wal.close(facts)
    }
}
