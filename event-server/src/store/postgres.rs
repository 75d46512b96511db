//! The store in a PostgreSQL database, which several centrals share.
//!
//! ```text
//! staged by the turn ─→ gathering ─→ in flight ─→ Committed: replies leave
//!                        (Group)      (one query)  or Forgotten: connections close without one
//! ```
//!
//! One session, one query at a time; while it is under way the next group gathers. Nothing here waits: the loop marks
//! the session's socket like any other and asks what happened. Between two groups the session reads agencies that
//! somebody asked for, looks whether all have finished, and draws.
//!
//! | danger | protection |
//! |---|---|
//! | another central serves the agency too | every commit appends the agency's next version; whoever saw less loses, whole |
//! | what was read may not survive | a reply that depends on it waits for a later commit of this session |
//! | nobody knows whether a commit is done | its agencies are forgotten, their connections close without a reply |
//! | the session is lost | what was known is read again before it is used |
//!
//! In comes a [`Database`], out go [`Event`]s. Knows no rule of the lottery and no connection of an agency; prints
//! nothing.

mod account;
mod copy;
mod database;
mod group;
mod known;
mod quote;
mod statements;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use frame::{Agency, Bet, Number};

pub use self::account::Account;
use self::account::agency_of;
pub use self::database::{Answer, Database, Failure, Query, Unusable};
use self::group::Group;
pub use self::group::Part;
use self::known::{Known, Read};
use super::{Draft, DrawStep, Drawn, Event, Freshness, Knowledge, NoSpace, Store, Ticket};
use crate::fact::Fact;
use crate::tally::Tally;

/// Bytes of rows beyond which a group takes no more: the next one begins when it is on its way.
const MAX_GROUP: usize = 1024 * 1024;

/// Agencies that one query reads.
const MAX_READ: usize = 64;

/// How often to look whether the draw is done while somebody waits for it: where nobody notifies.
const LOOK: Duration = Duration::from_secs(1);

/// The query under way.
enum Work {
    /// These agencies are read.
    Read(BTreeSet<Agency>),
    /// A group is committed; it confirms what was read of these agencies.
    Commit { group: Group, confirms: Vec<Agency> },
    /// A part of a group that failed is committed alone.
    CommitAlone { part: Part, confirms: Vec<Agency> },
    /// How the lottery stands.
    Look,
    /// The draw.
    Draw {
        winner: Option<Number>,
        tally: Tally,
    },
}

/// A group that hit a version which exists: its parts are committed one after the other.
struct Retry {
    ticket: Ticket,
    rest: VecDeque<Part>,
    /// Those of the group that have no part: a commit confirms what was read of them.
    depends: BTreeSet<Agency>,
}

/// How far the draw is.
enum Progress {
    /// Some agency has not finished, as far as is known here.
    Open,
    /// To be drawn, or the result to be read.
    Due,
    /// The result, until the lottery takes it.
    Drawn(Drawn),
    /// The lottery has it.
    Done,
}

/// The bets of a lottery in a database.
pub struct PostgresStore<B> {
    database: B,
    /// What wins, if this central draws.
    winner: Number,
    known: Known,
    /// What is staged since the last commit began.
    gathering: Group,
    work: Option<Work>,
    retry: Option<Retry>,
    events: VecDeque<Event>,
    /// The rows of the request that is being staged.
    rows: Vec<u8>,
    /// The database has no space: until the next [`retry`](Store::retry) nothing is staged.
    no_space: Option<NoSpace>,
    /// Why the database cannot be reached.
    down: Option<String>,
    progress: Progress,
    /// Somebody waits for the draw.
    awaited: bool,
    look_at: Option<Instant>,
    look_due: bool,
}

impl<B: Database> PostgresStore<B> {
    /// A store over a database that need not be there yet. `winner` wins, if this central draws.
    pub fn new(database: B, winner: Number) -> Self {
        Self {
            database,
            winner,
            known: Known::default(),
            gathering: Group::new(Ticket(1)),
            work: None,
            retry: None,
            events: VecDeque::new(),
            rows: Vec::new(),
            no_space: None,
            down: Some("the database was not reached yet".to_owned()),
            progress: Progress::Open,
            awaited: false,
            look_at: None,
            look_due: false,
        }
    }

    /// Gives the database the next query, where it has none.
    fn dispatch(&mut self) {
        if self.work.is_some() || !self.database.is_idle() {
            return;
        }
        let work = self
            .next_part()
            .or_else(|| self.next_read())
            .or_else(|| self.next_group())
            .or_else(|| self.next_look());
        let Some(work) = work else {
            return;
        };
        match &work {
            Work::Read(agencies) => self.database.submit(&Query::Read(agencies)),
            Work::Commit { group, .. } => {
                let parts: Vec<&Part> = group.parts().collect();
                self.database.submit(&Query::Append(&parts));
            }
            Work::CommitAlone { part, .. } => self.database.submit(&Query::Append(&[part])),
            Work::Look => self.database.submit(&Query::Look),
            Work::Draw { .. } => self.database.submit(&Query::Draw(self.winner)),
        }
        self.work = Some(work);
    }

    fn next_part(&mut self) -> Option<Work> {
        let retry = self.retry.as_mut()?;
        let confirms = self.known.unconfirmed();
        if let Some(part) = retry.rest.pop_front() {
            return Some(Work::CommitAlone { part, confirms });
        }
        let Retry {
            ticket, depends, ..
        } = self.retry.take()?;
        if depends.is_empty() {
            self.events.push_back(Event::Committed(ticket));
            return None;
        }
        // What was only read is confirmed by a commit without any part.
        let mut group = Group::new(ticket);
        depends.into_iter().for_each(|agency| group.depend(agency));
        Some(Work::Commit { group, confirms })
    }

    fn next_read(&mut self) -> Option<Work> {
        let gathering = &self.gathering;
        let agencies = self
            .known
            .take_wanted(MAX_READ, |agency| !gathering.concerns(agency));
        (!agencies.is_empty()).then_some(Work::Read(agencies))
    }

    fn next_group(&mut self) -> Option<Work> {
        if self.gathering.is_empty() {
            return None;
        }
        let next = Ticket(self.gathering.ticket.0 + 1);
        let group = std::mem::replace(&mut self.gathering, Group::new(next));
        let confirms = self.known.unconfirmed();
        Some(Work::Commit { group, confirms })
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

    fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Up(what) => {
                self.down = None;
                self.look_due = true;
                self.events.push_back(Event::Up(what));
            }
            Answer::Warning(what) => self.events.push_back(Event::Warning(what)),
            Answer::Down(why) => self.lost(why),
            Answer::Notified => self.look_due = true,
            Answer::Account(agency, account) => {
                if let Some(Work::Read(agencies)) = &mut self.work {
                    agencies.remove(&agency);
                    self.read(agency, account);
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
            Answer::Winner(number) => {
                if let Some(Work::Draw { winner, .. }) = &mut self.work {
                    *winner = Some(number);
                }
            }
            Answer::Won(agency, document) => {
                if let Some(Work::Draw { tally, .. }) = &mut self.work {
                    tally.add(agency, &document);
                }
            }
            Answer::Done => self.done(),
            Answer::Failed(failure) => self.failed(failure),
        }
    }

    fn read(&mut self, agency: Agency, account: Account) {
        let (stored, finished) = (account.stored(), account.finished);
        if self.known.read(agency, account) == Read::Changed {
            self.events.push_back(Event::Forgotten(agency));
        }
        self.events.push_back(Event::Read {
            agency,
            stored,
            finished,
        });
    }

    fn done(&mut self) {
        match self.work.take() {
            // Those left have no row.
            Some(Work::Read(agencies)) => {
                for agency in agencies {
                    self.read(agency, Account::default());
                }
            }
            Some(Work::Commit { group, confirms }) => {
                self.known.confirm(&confirms);
                self.look_due |= group.parts().any(|part| part.account.finished);
                self.events.push_back(Event::Committed(group.ticket));
            }
            Some(Work::CommitAlone { part, confirms }) => {
                self.known.confirm(&confirms);
                self.look_due |= part.account.finished;
            }
            Some(Work::Draw {
                winner: Some(winner),
                tally,
            }) => {
                let position = 0;
                self.progress = Progress::Drawn(Drawn {
                    position,
                    winner,
                    tally,
                });
            }
            Some(Work::Draw { winner: None, .. }) => self.progress = Progress::Open,
            Some(Work::Look) | None => {}
        }
    }

    /// Nothing of the query under way is stored.
    fn failed(&mut self, failure: Failure) {
        match (self.work.take(), failure) {
            (Some(Work::Commit { group, .. }), Failure::Conflict) => {
                let ticket = group.ticket;
                let depends = group.depends().clone();
                let rest = group.into_parts().collect();
                self.retry = Some(Retry {
                    ticket,
                    rest,
                    depends,
                });
            }
            // Another central has gone on with it.
            (Some(Work::CommitAlone { part, .. }), Failure::Conflict) => self.forget(part.agency),
            (Some(Work::Commit { group, .. }), failure) => {
                let agencies = group.agencies();
                self.refuse(failure, agencies);
            }
            (Some(Work::CommitAlone { part, .. }), failure) => {
                self.refuse(failure, BTreeSet::from([part.agency]));
            }
            (work, failure) => {
                let why = match failure {
                    Failure::Conflict => "the database asks to try again".to_owned(),
                    Failure::NoSpace(why) | Failure::Other(why) => why,
                };
                self.work = work;
                self.database.give_up(why);
            }
        }
    }

    /// The database would not store what these agencies have sent.
    fn refuse(&mut self, failure: Failure, agencies: BTreeSet<Agency>) {
        let why = match failure {
            Failure::Conflict => "the database asks to try again".to_owned(),
            Failure::Other(why) => why,
            Failure::NoSpace(why) => {
                self.no_space = Some(NoSpace::new(why.clone()));
                why
            }
        };
        self.events.push_back(Event::Warning(why));
        agencies.into_iter().for_each(|agency| self.forget(agency));
    }

    /// The session is lost, and with it all that is not known to be durable.
    fn lost(&mut self, why: String) {
        let mut lost = self.gathering.agencies();
        match self.work.take() {
            Some(Work::Read(agencies)) => {
                agencies
                    .into_iter()
                    .for_each(|agency| self.known.want_again(agency));
            }
            Some(Work::Commit { group, .. }) => lost.extend(group.agencies()),
            Some(Work::CommitAlone { part, .. }) => _ = lost.insert(part.agency),
            Some(Work::Look | Work::Draw { .. }) | None => {}
        }
        if let Some(Retry { rest, depends, .. }) = self.retry.take() {
            lost.extend(rest.into_iter().map(|part| part.agency));
            lost.extend(depends);
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

    /// Adds to the group what an agency has sent: a fact, and the rows that were written.
    fn stage(&mut self, agency: Agency, fact: Option<&Fact>) {
        let (account, _) = self
            .known
            .get(agency)
            .expect("an agency is known before anything is staged for it");
        if let Some(fact) = fact {
            account.apply(fact);
        }
        self.gathering.add(agency, account, &self.rows);
        self.rows.clear();
    }
}

/// The ticket that replies about this agency wait for, where a commit is under way.
fn under_way(work: &Option<Work>, retry: &Option<Retry>, agency: Agency) -> Option<Ticket> {
    match (work, retry) {
        (Some(Work::Commit { group, .. }), _) if group.concerns(agency) => Some(group.ticket),
        (Some(Work::CommitAlone { part, .. }), Some(retry)) if part.agency == agency => {
            Some(retry.ticket)
        }
        (_, Some(retry)) => {
            let rest = retry.rest.iter().any(|part| part.agency == agency);
            (rest || retry.depends.contains(&agency)).then_some(retry.ticket)
        }
        _ => None,
    }
}

/// The rows of one request, while they are written.
pub struct PostgresDraft<'a, B> {
    store: &'a mut PostgresStore<B>,
    /// Where the next bet of the agency goes.
    seq: Option<u64>,
}

impl<B: Database> Draft for PostgresDraft<'_, B> {
    fn row(&mut self, bet: &Bet<'_>) {
        let store = &mut *self.store;
        let seq = self.seq.unwrap_or_else(|| {
            let known = store.known.get(bet.agency);
            known.map_or(0, |(account, _)| account.bets)
        });
        copy::write(bet, seq, &mut store.rows);
        self.seq = Some(seq + 1);
    }

    fn seal(self, fact: Fact) {
        if let Some(agency) = agency_of(&fact) {
            self.store.stage(agency, Some(&fact));
        }
    }
}

impl<B: Database> Store for PostgresStore<B> {
    type Draft<'a>
        = PostgresDraft<'a, B>
    where
        B: 'a;
    type Error = Unusable;

    /// `agency` is an `int` in the tables.
    const MAX_AGENCY: u32 = i32::MAX as u32;

    fn know(&mut self, agency: Agency, freshness: Freshness) -> Knowledge {
        match self.known.get(agency) {
            Some((_, confirmed)) if freshness == Freshness::Cached => {
                if !confirmed {
                    self.gathering.depend(agency);
                }
                Knowledge::Known
            }
            _ => {
                let (gathering, work, retry) = (&self.gathering, &self.work, &self.retry);
                self.known.want(agency, |agency| {
                    gathering.concerns(agency) || under_way(work, retry, agency).is_some()
                });
                Knowledge::Reading
            }
        }
    }

    fn claim(&mut self, agency: Agency) {
        self.rows.clear();
        self.stage(agency, None);
    }

    fn pending(&mut self, agency: Agency) -> Option<Ticket> {
        if self.gathering.concerns(agency) {
            return Some(self.gathering.ticket);
        }
        under_way(&self.work, &self.retry, agency)
    }

    fn draft(&mut self, _bytes: usize) -> Result<PostgresDraft<'_, B>, NoSpace> {
        if let Some(no_space) = &self.no_space {
            return Err(no_space.clone());
        }
        self.rows.clear();
        Ok(PostgresDraft {
            store: self,
            seq: None,
        })
    }

    fn record(&mut self, fact: Fact) -> Result<(), NoSpace> {
        if let Some(no_space) = &self.no_space {
            return Err(no_space.clone());
        }
        self.rows.clear();
        if let Some(agency) = agency_of(&fact) {
            self.stage(agency, Some(&fact));
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.gathering.bytes() >= MAX_GROUP
    }

    fn commit<I>(&mut self, _facts: impl FnOnce() -> I) -> Result<(), Unusable>
    where
        I: Iterator<Item = Fact>,
    {
        self.dispatch();
        Ok(())
    }

    fn can_draw(&self, _all_finished: bool) -> bool {
        matches!(self.progress, Progress::Drawn(_))
    }

    fn draw(&mut self, _all_finished: bool, _winner: Number) -> Result<DrawStep, Unusable> {
        Ok(
            match std::mem::replace(&mut self.progress, Progress::Done) {
                Progress::Drawn(drawn) => DrawStep::Done(drawn),
                other => {
                    self.progress = other;
                    DrawStep::Unfinished
                }
            },
        )
    }

    fn retry(&mut self) -> Result<(), Unusable> {
        self.no_space = None;
        Ok(())
    }

    fn retries(&self) -> bool {
        self.no_space.is_some()
    }

    fn watch_draw(&mut self, awaited: bool) {
        self.awaited = awaited;
    }

    fn mark(&mut self, readable: bool, writable: bool, dead: bool) {
        self.database.mark(readable, writable, dead);
    }

    fn advance(&mut self, now: Instant) -> Result<(), Unusable> {
        self.database.advance(now)?;
        while let Some(answer) = self.database.poll() {
            self.hear(answer);
        }
        let waits = self.awaited && matches!(self.progress, Progress::Open);
        match self.look_at {
            Some(at) if waits && at <= now => {
                self.look_due = true;
                self.look_at = Some(now + LOOK);
            }
            Some(_) if !waits => self.look_at = None,
            None if waits => self.look_at = Some(now + LOOK),
            _ => {}
        }
        self.dispatch();
        Ok(())
    }

    fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.database.deadline(), self.look_at];
        deadlines.into_iter().flatten().min()
    }

    fn unavailable(&self) -> Option<String> {
        let no_space = self.no_space.as_ref().map(ToString::to_string);
        self.down.clone().or(no_space)
    }

    fn close(mut self, _facts: impl Iterator<Item = Fact>) -> Result<(), Unusable> {
        self.database.close();
        Ok(())
    }
}
