//! The store as the service uses it: bets.csv with its log, and the count of the winners over it.
//!
//! A commit is done when the call returns, and its event follows in the same turn. Where there was no room, the store
//! looks again every second, however many requests are refused meanwhile.

use std::collections::VecDeque;
use std::time::Instant;

use frame::{Agency, Bet, Bets};

use super::disk::Files;
use super::draw::Counting;
use super::error::StoreError;
use super::format::Durability;
use super::reading::Recovery;
use super::turn::DraftRows;
use super::wal::WalStore;
use crate::facts::Fact;
use crate::store::{
    Commit, Draft, DrawToCount, Event, Freshness, Knowledge, NoSpace, Others, RETRY_PAUSE, Status,
    Store, Ticket, Wake, Wanted,
};

/// Bytes staged for a turn beyond which the rest of the ready connections waits for the next.
const MAX_STAGED: usize = 4 * 1024 * 1024;

/// Bytes of rows for which there has to be room before bets are taken again.
const PROBE: usize = 64 * 1024;

/// bets.csv with its log, and the count of the winners over it.
pub struct FileStore<F: Files> {
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
    /// The next slice of the count is wanted.
    counts: bool,
}

impl<F: Files> FileStore<F> {
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

    /// Creates the store of files that were just opened.
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

    /// Returns whether any bet is stored.
    pub fn has_rows(&self) -> bool {
        self.wal.position() > 0
    }

    /// Takes out every row of an agency, as [`WalStore::remove_agency`] says. To be called before the draw.
    ///
    /// # Errors
    /// Those of [`WalStore::remove_agency`].
    ///
    /// # Panics
    /// Something is staged.
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
                // A new log may fit where the old one cannot grow, and it frees the space of the old one.
                self.wal.demand_checkpoint();
            }
        }
        Ok(())
    }

    /// Counts the next slice.
    fn count(&mut self, count: DrawToCount) -> Result<(), StoreError> {
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
pub struct FileDraft<'a> {
    rows: DraftRows<'a>,
    /// The commit that they are a part of.
    ticket: Ticket,
}

impl Draft for FileDraft<'_> {
    fn row(&mut self, bet: &Bet<'_>) {
        self.rows.row(bet);
    }

    fn copy(&mut self, bets: &mut Bets<'_>) -> u32 {
        self.rows.copy(bets)
    }

    fn stage(self, fact: Fact) -> Ticket {
        self.rows.stage(fact);
        self.ticket
    }
}

impl<F: Files> Store for FileStore<F> {
    type Draft<'a>
        = FileDraft<'a>
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

    fn draft(&mut self, bytes: usize) -> Result<FileDraft<'_>, NoSpace> {
        let ticket = self.committed.next();
        let draft = self.wal.draft(bytes);
        self.no_space = draft.as_ref().err().cloned();
        Ok(FileDraft {
            rows: draft?,
            ticket,
        })
    }

    fn is_full(&self, _agency: Option<Agency>) -> bool {
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
            Some(_) => _ = self.retry_at.get_or_insert(now + RETRY_PAUSE),
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
    fn mark(&mut self, _session: u8, _readable: bool, _writable: bool, _dead: bool) {}

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
