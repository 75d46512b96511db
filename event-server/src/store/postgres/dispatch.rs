//! Which query comes next.
//!
//! One is under way at a time. Parts of a group that failed come first, then agencies that somebody waits for, then a look
//! at some agencies where one is due for those who watch, then what has gathered, then a look at how the lottery stands.

use super::PostgresStore;
use super::database::{Database, Query};
use super::group::{Group, Part};
use super::progress::Progress;
use super::prologue::LockWait;
use super::work::{Retry, Work};
use crate::store::{Event, Ticket};
use crate::tally::Tally;

/// Agencies that one query reads.
const MAX_READ: usize = 64;

impl<B: Database> PostgresStore<B> {
    /// Gives the database the next query, where it has none.
    pub(super) fn dispatch(&mut self) {
        if self.work.is_some() || !self.database.is_idle() {
            return;
        }
        let work = self
            .next_part()
            .or_else(|| self.next_read())
            .or_else(|| self.next_survey())
            .or_else(|| self.next_group())
            .or_else(|| self.next_look());
        let Some(work) = work else {
            return;
        };
        self.began = self.now;
        match &work {
            Work::Read(agencies) => self.database.submit(&Query::Read(agencies)),
            Work::Survey(last) => {
                let first = self.survey.first();
                self.database.submit(&Query::Survey(first, *last));
            }
            Work::Commit(group) => {
                let parts: Vec<&Part> = group.parts().collect();
                let blocked = |part: &&Part| self.blocked.contains(&part.agency);
                let wait = match parts.iter().any(blocked) {
                    true => LockWait::Short,
                    false => LockWait::Usual,
                };
                self.database.submit(&Query::Append(&parts, wait));
            }
            Work::CommitAlone(part) => {
                let query = Query::Append(&[part], LockWait::Short);
                self.database.submit(&query);
            }
            Work::Look => self.database.submit(&Query::Look),
            Work::Draw { .. } => self.database.submit(&Query::Draw(self.winner)),
        }
        self.work = Some(work);
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
            self.events.push_back(Event::Committed(ticket));
            return None;
        }
        // What was only read is confirmed by a commit without any part.
        let mut group = Group::new(ticket);
        let agencies = depends.into_iter().chain(done);
        agencies.for_each(|agency| group.depend(agency));
        Some(Work::Commit(group))
    }

    fn next_read(&mut self) -> Option<Work> {
        let gathering = &self.gathering;
        let agencies = self
            .known
            .take_wanted(MAX_READ, |agency| !gathering.concerns(agency));
        (!agencies.is_empty()).then_some(Work::Read(agencies))
    }

    fn next_survey(&mut self) -> Option<Work> {
        self.survey.take_due().map(Work::Survey)
    }

    fn next_group(&mut self) -> Option<Work> {
        if self.gathering.is_empty() {
            return None;
        }
        let next = Ticket(self.gathering.ticket.0 + 1);
        let group = std::mem::replace(&mut self.gathering, Group::new(next));
        Some(Work::Commit(group))
    }

    fn next_look(&mut self) -> Option<Work> {
        match self.progress {
            Progress::Open if self.look_due => {
                self.look_due = false;
                Some(Work::Look)
            }
            Progress::Due => Some(Work::Draw {
                winner: None,
                tally: Tally::default(),
            }),
            _ => None,
        }
    }
}
