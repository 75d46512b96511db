//! Which query comes next.
//!
//! One is under way at a time, and each kind of work has its turn: however much there is to do of one kind, another waits
//! for one query of each of the others at most.

use frame::{Agency, trace};

use super::PostgresStore;
use super::database::{Database, Query};
use super::group::{Group, Part};
use super::prologue::LockWait;
use super::scan::Winners;
use super::work::{Progress, Retry, Work, under_way};

/// Agencies that one query reads.
const MAX_READ: usize = 64;

/// A kind of work.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// What has gathered; where a group has failed, its parts before that.
    Commit,
    /// Agencies that somebody waits for.
    Read,
    /// A look at how the lottery stands, the draw, or a slice of the scan for winners.
    Draw,
    /// A look at some agencies, for those who watch; else claims that are to be taken out.
    Survey,
}

/// The turns, one after the other. So many queries pass at most between two of a kind that has something to do.
pub(super) const TURNS: [Kind; 4] = [Kind::Commit, Kind::Read, Kind::Draw, Kind::Survey];

impl<B: Database> PostgresStore<B> {
    /// Gives the database the next query, where it has none.
    pub(super) fn dispatch(&mut self) {
        if self.work.is_some() || !self.database.is_idle() {
            return;
        }
        let Some(work) = (0..TURNS.len()).find_map(|_| self.next_turn()) else {
            return;
        };
        self.began = self.now;
        self.traced = trace::now();
        match &work {
            Work::Read(agencies) => {
                let wait = self.lock_wait(agencies.iter());
                self.database.submit(&Query::Read(agencies, wait));
            }
            Work::Survey(last) => {
                let first = self.survey.first();
                self.database.submit(&Query::Survey(first, *last));
            }
            Work::Commit(group) => {
                let parts: Vec<&Part> = group.parts().collect();
                let wait = self.lock_wait(parts.iter().map(|part| &part.agency));
                self.database.submit(&Query::Append(&parts, wait));
            }
            Work::CommitAlone(part) => {
                let query = Query::Append(&[part], LockWait::Short);
                self.database.submit(&query);
            }
            Work::DropClaims => {
                // Without an agency there is no such work.
                if let Some(agency) = self.claimed.pop_first() {
                    self.database.submit(&Query::DropClaims(agency));
                }
            }
            Work::Look => self.database.submit(&Query::Look),
            Work::Draw(_) => self.database.submit(&Query::Draw(self.winner)),
            Work::Slice { slice, .. } => {
                // Without a scan there is no slice of it.
                let winner = (self.scan.as_ref()).map_or(self.winner, |scan| scan.draw().winner);
                self.database.submit(&Query::Winners(winner, slice));
            }
        }
        self.work = Some(work);
    }

    /// How long a query about these agencies may wait for a lock.
    fn lock_wait<'a>(&self, mut agencies: impl Iterator<Item = &'a Agency>) -> LockWait {
        match agencies.any(|agency| self.blocked.contains(agency)) {
            true => LockWait::Short,
            false => LockWait::Usual,
        }
    }

    /// The work of the kind whose turn it is.
    fn next_turn(&mut self) -> Option<Work> {
        let kind = TURNS[self.turn];
        self.turn = (self.turn + 1) % TURNS.len();
        match kind {
            Kind::Commit => self.next_part().or_else(|| self.next_group()),
            Kind::Read => self.next_read(),
            Kind::Draw => self.next_look(),
            Kind::Survey => {
                let survey = self.survey.take_due().map(Work::Survey);
                survey.or_else(|| (!self.claimed.is_empty()).then_some(Work::DropClaims))
            }
        }
    }

    fn next_part(&mut self) -> Option<Work> {
        let retry = self.retry.as_mut()?;
        if let Some(part) = retry.rest.pop_front() {
            return Some(Work::CommitAlone(part));
        }
        let Retry {
            ticket,
            done,
            depends,
            ..
        } = self.retry.take()?;
        if depends.is_empty() {
            self.committed(ticket);
            return None;
        }
        // What was only read is confirmed by a commit without any part.
        let mut group = Group::new(ticket);
        let agencies = depends.into_iter().chain(done);
        agencies.for_each(|agency| group.depend(agency));
        Some(Work::Commit(group))
    }

    fn next_read(&mut self) -> Option<Work> {
        // What is staged or retried is a version of its own: the agency is read when that is done.
        let (gathering, retry) = (&self.gathering, &self.retry);
        let agencies = self.known.take_wanted(MAX_READ, |agency| {
            !gathering.concerns(agency) && under_way(&None, retry, agency).is_none()
        });
        (!agencies.is_empty()).then_some(Work::Read(agencies))
    }

    fn next_group(&mut self) -> Option<Work> {
        if self.gathering.is_empty() {
            return None;
        }
        let next = self.gathering.ticket.next();
        let group = std::mem::replace(&mut self.gathering, Group::new(next));
        Some(Work::Commit(group))
    }

    fn next_look(&mut self) -> Option<Work> {
        match self.progress {
            Progress::Open if self.look_due => {
                self.look_due = false;
                Some(Work::Look)
            }
            Progress::Due => Some(Work::Draw(None)),
            Progress::Scanning => Some(Work::Slice {
                slice: self.scan.as_ref()?.next(),
                winners: Winners::default(),
                layout: None,
            }),
            _ => None,
        }
    }
}
