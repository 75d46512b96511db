//! What the database tells, and what follows from it.

use std::time::Duration;

use frame::{Agency, trace};

use super::database::{Answer, Database, Failure};
use super::known::{Read, Version};
use super::scan::{Layout, Scan, Slice, Winners};
use super::work::{Progress, Retry, Work};
use super::{MAX_BLOCKED, PostgresStore};
use crate::store::{Commit, Declined, Drawn, Event, NoSpace, Ticket};

/// What the client of an agency is told for which a read or a commit waited for a lock in vain.
const LOCKED: &str = "the database waits for a lock that somebody holds";

/// What it is told where the database does not have what this server knows of the agency.
const UNFOUNDED: &str = "what this server knew of the agency is out of date";

/// What it is told where the database would not store it for another reason; the log has the reason.
const REFUSED: &str = "the database refuses to store it, and the server's log says why";

impl<B: Database> PostgresStore<B> {
    pub(super) fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Up(what) => {
                self.down = None;
                self.look_due = true;
                self.events.push_back(Event::Up(what));
            }
            Answer::Warning(what) => self.events.push_back(Event::Warning(what)),
            Answer::Down(why) => self.lost(why),
            Answer::Notified => self.look_due = true,
            Answer::Changed(agency) => {
                self.look_due = true;
                self.known.want_again(agency);
            }
            Answer::Account(agency, version) => {
                if let Some(Work::Read(agencies)) = &mut self.work {
                    agencies.remove(&agency);
                    self.read(agency, version);
                } else if let Some(Work::Survey(_)) = &self.work {
                    self.survey.found(agency, version.account);
                }
            }
            Answer::Progress {
                all_finished,
                drawn,
            } => {
                if let Progress::Open = self.progress
                    && (all_finished || drawn)
                {
                    self.progress = Progress::Due;
                }
            }
            Answer::Drawn(row) => {
                if let Some(Work::Draw(drawn)) = &mut self.work {
                    *drawn = Some(row);
                }
            }
            Answer::Won {
                agency,
                seq,
                document,
            } => {
                if let Some(Work::Slice { winners, .. }) = &mut self.work {
                    winners.add(agency, seq, &document);
                }
            }
            Answer::Layout(told) => {
                if let Some(Work::Slice { layout, .. }) = &mut self.work {
                    *layout = Some(told);
                }
            }
            Answer::Done => self.done(),
            Answer::Failed(failure) => self.failed(failure),
        }
    }

    fn read(&mut self, agency: Agency, version: Version) {
        let (account, barred) = (version.account, version.barred.clone());
        if self.known.read(agency, version) == Read::Changed {
            self.events.push_back(Event::Forgotten(agency));
        }
        self.events.push_back(Event::Read {
            agency,
            account,
            barred,
        });
    }

    fn done(&mut self) {
        match self.work.take() {
            // Those left have no row.
            Some(Work::Read(agencies)) => {
                for agency in agencies {
                    self.read(agency, Version::default());
                }
            }
            Some(Work::Survey(last)) => self.survey.done(last, self.now),
            Some(Work::Commit(group)) => {
                self.count_commit(group.bets(), group.bytes());
                self.known.confirm();
                let parts = group.parts();
                parts.for_each(|part| _ = self.blocked.remove(&part.agency));
                self.look_due |= group.parts().any(|part| part.account.finished);
                self.committed(group.ticket);
            }
            Some(Work::CommitAlone(part)) => {
                self.count_commit(part.bets, part.rows.len());
                self.known.confirm();
                self.blocked.remove(&part.agency);
                self.look_due |= part.account.finished;
                if let Some(retry) = &mut self.retry {
                    retry.done.insert(part.agency);
                }
            }
            Some(Work::Draw(Some(draw))) => {
                // Another session goes on with the scan of the one before, where it is the same draw.
                let scan = self.scan.take().filter(|scan| *scan.draw() == draw);
                self.scan = Some(scan.unwrap_or_else(|| Scan::new(draw)));
                self.progress = Progress::Scanning;
            }
            Some(Work::Draw(None)) => self.progress = Progress::Open,
            Some(Work::Slice {
                winners, layout, ..
            }) => self.scanned(winners, layout),
            Some(Work::Look | Work::DropClaims) | None => {}
        }
    }

    /// A slice of the table was read.
    fn scanned(&mut self, winners: Winners, layout: Option<Layout>) {
        let took = self.took().unwrap_or_default();
        let Some(mut scan) = self.scan.take() else {
            return;
        };
        if !scan.add(winners, layout, took) {
            self.scan = Some(scan);
            return;
        }
        self.progress = Progress::Done;
        self.events.push_back(Event::Counting);
        self.events.push_back(Event::Counted(Drawn {
            position: 0,
            winner: scan.draw().winner,
            tally: scan.into_tally(),
            is_stored: true,
        }));
    }

    /// How long the query under way has taken.
    fn took(&self) -> Option<Duration> {
        let (now, began) = self.now.zip(self.began)?;
        Some(now.saturating_duration_since(began))
    }

    fn count_commit(&mut self, bets: u64, bytes: usize) {
        let (took, bytes) = (self.took(), bytes as u64);
        let commit = Commit { bets, bytes, took };
        self.events.push_back(Event::Stored(commit));
        self.trace_group("group committed", bets);
    }

    /// All that was staged up to this ticket is durable.
    pub(super) fn committed(&mut self, ticket: Ticket) {
        self.committed = ticket;
        self.events.push_back(Event::Committed(ticket));
    }

    /// A group is no longer under way.
    fn trace_group(&self, outcome: &'static str, bets: u64) {
        if let Some(began) = self.traced.or(self.began) {
            trace::remote(outcome, began, &[("bets", bets)]);
        }
    }

    /// The same of the one under way, where there is one.
    fn trace_lost_group(&self, outcome: &'static str) {
        match &self.work {
            Some(Work::Commit(group)) => self.trace_group(outcome, group.bets()),
            Some(Work::CommitAlone(part)) => self.trace_group(outcome, part.bets),
            _ => {}
        }
    }

    /// Nothing of the query under way is stored.
    fn failed(&mut self, failure: Failure) {
        self.trace_lost_group("group not stored");
        match (self.work.take(), failure) {
            // The disk is as full for each part as for all of them.
            (Some(Work::Commit(group)), Failure::NoSpace(why)) => {
                self.no_space = Some(NoSpace::new(why.clone()));
                self.refuse(why, group.agencies());
            }
            (Some(Work::CommitAlone(part)), Failure::NoSpace(why)) => {
                self.no_space = Some(NoSpace::new(why.clone()));
                self.refuse(why, [part.agency]);
            }
            // Somebody holds the whole table: whoever waits for these agencies is told, as where a commit waited.
            (Some(Work::Read(agencies)), Failure::NotNow(why)) => {
                self.events.push_back(Event::Warning(why));
                agencies.into_iter().for_each(|agency| self.block(agency));
            }
            (Some(Work::Survey(_)), Failure::NotNow(_)) => self.survey.failed(self.now),
            // They can wait: for the next time that claims have come together.
            (Some(Work::DropClaims), _) => {}
            // Somebody holds a lock, perhaps on the row of one agency alone. A table that is locked is in the way of all.
            (Some(Work::Commit(group)), Failure::NotNow(why)) => {
                self.events.push_back(Event::Warning(why));
                self.retry = Some(Retry::of(group));
            }
            // One agency that is served twice, or whose bets the database refuses, costs nobody else.
            (Some(Work::Commit(group)), _) if group.parts().next().is_some() => {
                self.retry = Some(Retry::of(group));
            }
            // No version comes before the first: it is refused where there are too many.
            (Some(Work::CommitAlone(part)), Failure::Unfounded) if part.version == 1 => {
                self.decline(part.agency, Declined::TooManyAgencies);
            }
            // Others have gone on with it long ago, so that what it builds on was taken out; or the database has lost that.
            (Some(Work::CommitAlone(part)), Failure::Unfounded) => {
                let agency = part.agency;
                self.events.push_back(Event::Warning(format!(
                    "the version that agency {agency} goes on from is not there: other servers have served it since, or the \
                     database has lost commits"
                )));
                self.decline(agency, Declined::NotNow(UNFOUNDED));
            }
            // Another central has gone on with it.
            (Some(Work::CommitAlone(part)), Failure::Conflict) => {
                self.decline(part.agency, Declined::Replaced(part.agency));
            }
            (Some(Work::CommitAlone(part)), Failure::NotNow(_)) => self.block(part.agency),
            (Some(Work::CommitAlone(part)), Failure::Other(why) | Failure::Unknown(why)) => {
                self.events.push_back(Event::Warning(why));
                self.decline(part.agency, Declined::NotNow(REFUSED));
            }
            // Another look is taken where somebody waits for the draw, and it goes on from there.
            (
                Some(Work::Look | Work::Draw(_) | Work::Slice { .. }),
                Failure::Conflict | Failure::NotNow(_),
            ) => {
                self.progress = Progress::Open;
            }
            (
                Some(Work::Slice {
                    slice: Slice::Blocks(_),
                    ..
                }),
                Failure::Unknown(_),
            ) => {
                self.scan.iter_mut().for_each(Scan::read_whole);
            }
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
    fn refuse(&mut self, why: String, agencies: impl IntoIterator<Item = Agency>) {
        let no_space = NoSpace::new(why.clone());
        self.events.push_back(Event::Warning(why));
        let declined = |agency| self.decline(agency, Declined::NoSpace(no_space.clone()));
        agencies.into_iter().for_each(declined);
    }

    /// A lock was waited for in vain: the next wait for this agency is short.
    fn block(&mut self, agency: Agency) {
        if self.blocked.len() < MAX_BLOCKED {
            self.blocked.insert(agency);
        }
        self.decline(agency, Declined::NotNow(LOCKED));
    }

    /// Nothing of what this agency has sent is stored, and its client is told why.
    fn decline(&mut self, agency: Agency, why: Declined) {
        self.known.forget(agency);
        self.gathering.remove(agency);
        self.events.push_back(Event::Declined(agency, why));
    }

    /// The session is lost, and with it all that is not known to be durable.
    fn lost(&mut self, why: String) {
        self.trace_lost_group("group lost, its outcome unknown");
        let mut lost = self.gathering.agencies();
        match self.work.take() {
            Some(Work::Read(agencies)) => {
                agencies
                    .into_iter()
                    .for_each(|agency| self.known.want_again(agency));
            }
            Some(Work::Commit(group)) => lost.extend(group.agencies()),
            Some(Work::CommitAlone(part)) => _ = lost.insert(part.agency),
            Some(Work::Survey(_)) => self.survey.failed(self.now),
            Some(Work::Slice { .. }) => self.scan.iter_mut().for_each(Scan::lost),
            Some(Work::Look | Work::Draw(_) | Work::DropClaims) | None => {}
        }
        // That the draw is durable is for the next session to show, with a commit of its own.
        if let Progress::Scanning = self.progress {
            self.progress = Progress::Due;
        }
        if let Some(retry) = self.retry.take() {
            lost.extend(retry.rest.into_iter().map(|part| part.agency));
            lost.extend(retry.done);
            lost.extend(retry.depends);
        }
        self.known.session_lost();
        lost.into_iter().for_each(|agency| self.forget(agency));
        self.events.push_back(Event::Down(why.clone()));
        self.down = Some(why);
    }

    fn forget(&mut self, agency: Agency) {
        self.known.forget(agency);
        self.gathering.remove(agency);
        self.events.push_back(Event::Forgotten(agency));
    }
}
