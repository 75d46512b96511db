//! What the database tells a session, and what follows from it.

use frame::{Agency, trace};

use super::{Events, MAX_BLOCKED, Queue, SplitGroup, Work};
use crate::store::postgres::database::{Answer, Database, Failure};
use crate::store::postgres::known::{Read, VersionedAccount};
use crate::store::postgres::overview::Overview;
use crate::store::postgres::rows::SealedRows;
use crate::store::{Commit, Declined, Event, NoSpace};

/// What an agency's client is told where a read or a commit for it waited for a lock in vain.
pub(super) const LOCKED: &str = "the database waits for a lock that somebody holds";

/// What the client is told where the database does not have what this server knows of the agency.
pub(super) const UNFOUNDED: &str = "what this server knew of the agency is out of date";

/// What the client is told where the database does not store what it sent for another reason, which the log has.
pub(super) const REFUSED: &str = "the database refuses to store it, and the server's log says why";

impl<B: Database> Queue<B> {
    /// Notes that the database can be asked.
    pub(in crate::store::postgres) fn up(&mut self) {
        self.down = None;
    }

    /// Takes an answer to the query under way.
    pub(in crate::store::postgres) fn hear(
        &mut self,
        answer: Answer,
        overview: &mut Overview,
        events: &mut Events,
    ) {
        match (answer, &mut self.work) {
            (Answer::Account(agency, versioned), Some(Work::Read(agencies))) => {
                agencies.remove(&agency);
                self.read(agency, versioned, events);
            }
            (Answer::Done, _) => self.done(overview, events),
            (Answer::Failed(failure), _) => self.failed(failure, overview, events),
            (answer, Some(Work::Look(look))) => overview.hear(look, answer),
            _ => {}
        }
    }

    fn read(&mut self, agency: Agency, versioned: VersionedAccount, events: &mut Events) {
        let (account, barred) = (versioned.account, versioned.barred.clone());
        if self.known.read(agency, versioned) == Read::Changed {
            events.queued.push_back(Event::Forgotten(agency));
        }
        events.queued.push_back(Event::Read {
            agency,
            account,
            barred,
        });
    }

    fn done(&mut self, overview: &mut Overview, events: &mut Events) {
        match self.work.take() {
            // The agencies that are left have no row.
            Some(Work::Read(agencies)) => {
                for agency in agencies {
                    self.read(agency, VersionedAccount::default(), events);
                }
                self.read_changed();
            }
            Some(Work::Commit(group, rows)) => {
                self.count_commit(group.bets(), &rows, events);
                self.keep_memory(rows);
                self.known.confirm();
                let parts = group.parts();
                parts.for_each(|part| _ = self.blocked.remove(&part.agency));
                if group.parts().any(|part| part.account.finished) {
                    overview.look_again();
                }
                self.committed(group.ticket, events);
            }
            Some(Work::CommitAlone(part, rows)) => {
                self.count_commit(part.bets, &rows, events);
                self.known.confirm();
                self.blocked.remove(&part.agency);
                if part.account.finished {
                    overview.look_again();
                }
                if let Some(split) = &mut self.split {
                    split.done.insert(part.agency);
                }
            }
            Some(Work::Look(look)) => {
                overview.done(look, self.now, &mut events.queued);
            }
            Some(Work::DropClaims) | None => {}
        }
    }

    /// No read is under way any more: those that were changed meanwhile are read again.
    fn read_changed(&mut self) {
        for agency in std::mem::take(&mut self.changed) {
            self.known.queue_read_again(agency);
        }
    }

    fn count_commit(&self, bets: u64, rows: &SealedRows, events: &mut Events) {
        let (took, bytes) = (self.took(), rows.messages().len() as u64);
        let commit = Commit { bets, bytes, took };
        events.queued.push_back(Event::Stored(commit));
        self.trace_group("group committed", bets);
    }

    /// Traces a group that is no longer under way.
    fn trace_group(&self, outcome: &'static str, bets: u64) {
        if let Some(began) = self.traced.or(self.began) {
            trace::remote(self.committed.session, outcome, began, &[("bets", bets)]);
        }
    }

    /// Traces the group under way, where there is one, as no longer so.
    fn trace_lost_group(&self, outcome: &'static str) {
        match &self.work {
            Some(Work::Commit(group, _)) => self.trace_group(outcome, group.bets()),
            Some(Work::CommitAlone(part, _)) => self.trace_group(outcome, part.bets),
            _ => {}
        }
    }

    /// Nothing of the query under way is stored.
    fn failed(&mut self, failure: Failure, overview: &mut Overview, events: &mut Events) {
        self.trace_lost_group("group not stored");
        match (self.work.take(), failure) {
            // The disk is as full for each part as for all of them.
            (Some(Work::Commit(group, _)), Failure::NoSpace(why)) => {
                self.refuse(why, group.agencies(), events);
            }
            (Some(Work::CommitAlone(part, _)), Failure::NoSpace(why)) => {
                self.refuse(why, [part.agency], events);
            }
            // Somebody holds the whole table: whoever waits for these agencies is told, as where a commit waited.
            (Some(Work::Read(agencies)), Failure::NotNow(why)) => {
                events.queued.push_back(Event::Warning(why));
                for agency in agencies {
                    self.block(agency, events);
                }
                self.read_changed();
            }
            // The claims can wait until the next ones are taken out.
            (Some(Work::DropClaims), _) => {}
            // Somebody holds a lock, perhaps on the row of one agency alone. A table that is locked is in the way of all.
            (Some(Work::Commit(group, rows)), Failure::NotNow(why)) => {
                events.queued.push_back(Event::Warning(why));
                self.split = Some(SplitGroup::of(group, &rows));
            }
            // One agency that is served twice, or whose bets the database refuses, costs nobody else.
            (Some(Work::Commit(group, rows)), _) if group.parts().next().is_some() => {
                self.split = Some(SplitGroup::of(group, &rows));
            }
            // No version comes before the first one: it is refused where too many agencies take part.
            (Some(Work::CommitAlone(part, _)), Failure::Unfounded) if part.version == 1 => {
                self.decline(part.agency, Declined::TooManyAgencies, events);
            }
            // Others have gone on with it long ago, so that what it builds on was taken out; or the database has lost that.
            (Some(Work::CommitAlone(part, _)), Failure::Unfounded) => {
                let agency = part.agency;
                events.queued.push_back(Event::Warning(format!(
                    "the version that agency {agency} goes on from is not there: other servers have served it since, or the \
                     database has lost commits"
                )));
                self.decline(agency, Declined::NotNow(UNFOUNDED), events);
            }
            // Another central has gone on with it.
            (Some(Work::CommitAlone(part, _)), Failure::Conflict) => {
                self.decline(part.agency, Declined::Replaced(part.agency), events);
            }
            (Some(Work::CommitAlone(part, _)), Failure::NotNow(_)) => {
                self.block(part.agency, events);
            }
            (Some(Work::CommitAlone(part, _)), Failure::Other(why) | Failure::Unknown(why)) => {
                events.queued.push_back(Event::Warning(why));
                self.decline(part.agency, Declined::NotNow(REFUSED), events);
            }
            (Some(Work::Look(look)), failure) if overview.failed(&look, &failure, self.now) => {}
            (work, failure) => {
                self.work = work;
                self.database.give_up(match failure {
                    Failure::Conflict | Failure::Unfounded => {
                        "the database asks to try again".to_owned()
                    }
                    Failure::NoSpace(why)
                    | Failure::NotNow(why)
                    | Failure::Unknown(why)
                    | Failure::Other(why) => why,
                });
            }
        }
    }

    /// The database has no space for what these agencies have sent.
    fn refuse(
        &mut self,
        why: String,
        agencies: impl IntoIterator<Item = Agency>,
        events: &mut Events,
    ) {
        let no_space = NoSpace::new(why.clone());
        events.queued.push_back(Event::Warning(why));
        for agency in agencies {
            self.decline(agency, Declined::NoSpace(no_space.clone()), events);
        }
        events.no_space = Some(no_space);
    }

    /// A lock was waited for in vain: the next wait for this agency is short.
    fn block(&mut self, agency: Agency, events: &mut Events) {
        if self.blocked.len() < MAX_BLOCKED {
            self.blocked.insert(agency);
        }
        self.decline(agency, Declined::NotNow(LOCKED), events);
    }

    /// Nothing of what this agency has sent is stored, and its client is told why.
    fn decline(&mut self, agency: Agency, why: Declined, events: &mut Events) {
        self.known.forget(agency);
        self.gathering.remove(agency);
        events.queued.push_back(Event::Declined(agency, why));
    }

    /// The session is lost, and with it all that its agencies have sent and that is not known to be durable.
    /// `overview`: it looked at the whole lottery, too.
    pub(in crate::store::postgres) fn lost(
        &mut self,
        why: String,
        overview: Option<&mut Overview>,
        events: &mut Events,
    ) {
        self.trace_lost_group("group lost, its outcome unknown");
        let mut lost = self.gathering.agencies();
        let work = self.work.take();
        if let Some(overview) = overview {
            let look = match &work {
                Some(Work::Look(look)) => Some(look),
                _ => None,
            };
            overview.lost(look, self.now);
        }
        match work {
            Some(Work::Read(agencies)) => {
                for agency in agencies {
                    self.known.queue_read_again(agency);
                }
                self.read_changed();
            }
            Some(Work::Commit(group, _)) => lost.extend(group.agencies()),
            Some(Work::CommitAlone(part, _)) => _ = lost.insert(part.agency),
            Some(Work::Look(_) | Work::DropClaims) | None => {}
        }
        if let Some(split) = self.split.take() {
            lost.extend(split.rest.into_iter().map(|(part, _)| part.agency));
            lost.extend(split.done);
            lost.extend(split.depends);
        }
        self.known.session_lost();
        for agency in lost {
            self.known.forget(agency);
            self.gathering.remove(agency);
            events.queued.push_back(Event::Forgotten(agency));
        }
        self.down = Some(why);
    }
}
