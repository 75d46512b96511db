//! The store in a PostgreSQL database, which several centrals share.
//!
//! ```text
//! staged by the turn ─→ gathering ─→ in flight ─→ Committed: replies leave
//!                        (Group)      (one query)  or Declined: nothing is stored, replies say why
//!                                                  or Forgotten: connections close without one
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

mod answers;
mod database;
mod dispatch;
mod error;
mod group;
mod known;
mod link;
mod operator;
mod prologue;
mod scan;
mod schema;
mod session;
mod setup;
mod sql;
mod survey;
mod tls;
mod url;
mod work;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use frame::{Agency, Bet, Number};

pub use self::database::{Answer, Database, Failure, Query, Unusable};
pub use self::error::{DatabaseError, SessionError};
use self::group::Group;
pub use self::group::Part;
use self::known::Known;
pub use self::known::Version;
pub use self::link::{Address, Dial, Link, LinkOptions};
pub use self::operator::filling::{Filling, Place};
pub use self::operator::{NumberChange, Operator, OperatorError};
pub use self::prologue::{CommitMode, LockWait};
use self::scan::Scan;
pub use self::scan::{DrawRow, Layout, Slice};
pub use self::session::{Login, Parameters, Row, Session, SessionEvent};
use self::survey::Survey;
pub use self::tls::DatabaseTls;
pub use self::url::parse::{Defaults, masked};
pub use self::url::{
    ClientCertificate, DatabaseUrl, Host, RootCertificate, Secret, SslMode, Transport,
};
use self::work::{Progress, Retry, Work, under_way};
use super::{
    Draft, Event, Freshness, Knowledge, NoSpace, RETRY, Status, Store, Ticket, Wake, Wanted,
};
use crate::facts::Fact;

/// Bytes of rows beyond which a group takes no more: the next one begins when it is on its way.
const MAX_GROUP: usize = 1024 * 1024;

/// Of so many versions of an agency that follow each other one has the claims before it taken out, where it is a claim.
const CLAIMS: i64 = 16;

/// How many agencies are remembered as blocked, or as claimed. Where there are more, a table is locked, and all of them wait anyway.
const MAX_BLOCKED: usize = 1_024;

/// How often to look whether the draw is done while somebody waits for it: where nobody notifies.
const LOOK: Duration = Duration::from_secs(1);

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
    /// The database has no space: until it is tried again nothing is staged.
    no_space: Option<NoSpace>,
    retry_at: Option<Instant>,
    /// Agencies whose last read or commit waited for a lock in vain: the next one waits less, since others wait behind it.
    blocked: BTreeSet<Agency>,
    /// Agencies of which claims are to be taken out.
    claimed: BTreeSet<Agency>,
    /// Why the database cannot be reached.
    down: Option<String>,
    progress: Progress,
    /// The scan for the winners of a draw that was read, until it is through.
    scan: Option<Scan>,
    /// Whose turn it is: a place in the order of the kinds of work.
    turn: usize,
    look_at: Option<Instant>,
    look_due: bool,
    survey: Survey,
    /// When the last turn began, and the one in which the query under way was sent.
    now: Option<Instant>,
    began: Option<Instant>,
    /// The moment in which it was sent, where a trace was under way.
    traced: Option<Instant>,
    /// The last commit that is done.
    committed: Ticket,
}

impl<B: Database> PostgresStore<B> {
    /// A store over a database that need not be there yet. `winner` wins, if this central draws; at most `most_known`
    /// agencies are kept in memory.
    pub fn new(database: B, winner: Number, most_known: usize) -> Self {
        Self {
            database,
            winner,
            known: Known::new(most_known),
            gathering: Group::new(Ticket::default().next()),
            work: None,
            retry: None,
            events: VecDeque::new(),
            rows: Vec::new(),
            no_space: None,
            retry_at: None,
            blocked: BTreeSet::new(),
            claimed: BTreeSet::new(),
            down: Some("the database was not reached yet".to_owned()),
            progress: Progress::Open,
            scan: None,
            turn: 0,
            look_at: None,
            look_due: false,
            survey: Survey::default(),
            now: None,
            began: None,
            traced: None,
            committed: Ticket::default(),
        }
    }

    /// Adds to the group what an agency has sent: a fact, and the rows that were written.
    fn stage(&mut self, agency: Agency, fact: Option<&Fact>) {
        let (version, _) = self
            .known
            .get(agency)
            .expect("an agency is known before anything is staged for it");
        let before = version.account.bets;
        if let Some(fact) = fact {
            version.account.apply(fact);
        }
        let bets = version.account.bets - before;
        self.gathering.add(agency, version, bets, &self.rows);
        self.rows.clear();
    }

    /// Stages a version of an agency that changes nothing but who may go on with it.
    fn claim(&mut self, agency: Agency) {
        self.rows.clear();
        self.stage(agency, None);
        let version = (self.known.get(agency)).map_or(0, |(version, _)| version.number);
        if version % CLAIMS == 0 && self.claimed.len() < MAX_BLOCKED {
            self.claimed.insert(agency);
        }
    }

    /// The commit that what is said of this agency depends on.
    fn ticket(&self, agency: Agency) -> Ticket {
        if self.gathering.concerns(agency) {
            return self.gathering.ticket;
        }
        under_way(&self.work, &self.retry, agency).unwrap_or(self.committed)
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
            known.map_or(0, |(version, _)| version.account.bets)
        });
        group::write_tuple(bet, seq, &mut store.rows);
        self.seq = Some(seq + 1);
    }

    fn seal(self, fact: Fact) -> Ticket {
        let Some(agency) = fact.agency() else {
            // The database has it.
            return self.store.committed;
        };
        self.store.stage(agency, Some(&fact));
        self.store.gathering.ticket
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
            Some((_, confirmed)) if freshness != Freshness::Latest => {
                if freshness == Freshness::Claimed {
                    self.claim(agency);
                } else if !confirmed {
                    self.gathering.depend(agency);
                }
                Knowledge::Known(self.ticket(agency))
            }
            _ => {
                let (gathering, work, retry) = (&self.gathering, &self.work, &self.retry);
                let dropped = self.known.want(agency, |agency| {
                    gathering.concerns(agency) || under_way(work, retry, agency).is_some()
                });
                self.events.extend(dropped.into_iter().map(Event::Dropped));
                Knowledge::Reading
            }
        }
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

    fn mark(&mut self, readable: bool, writable: bool, dead: bool) {
        self.database.mark(readable, writable, dead);
    }

    fn advance(&mut self, now: Instant, wanted: Wanted) -> Result<(), Unusable> {
        self.now = Some(now);
        self.survey.watch(wanted.watched, now);
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.no_space = None;
        }
        self.database.advance(now)?;
        while let Some(answer) = self.database.poll() {
            self.hear(answer);
        }
        if self.no_space.is_some() {
            self.retry_at.get_or_insert(now + RETRY);
        }
        let waits = wanted.winners && matches!(self.progress, Progress::Open);
        match self.look_at {
            Some(at) if waits && at <= now => {
                self.look_due = true;
                self.look_at = Some(now + LOOK);
            }
            Some(_) if !waits => self.look_at = None,
            None if waits => self.look_at = Some(now + LOOK),
            _ => {}
        }
        self.survey.advance(now);
        self.dispatch();
        Ok(())
    }

    fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn wake(&self) -> Wake {
        let deadlines = [
            self.database.deadline(),
            self.look_at,
            self.survey.deadline(),
            self.retry_at,
        ];
        let next = deadlines.into_iter().flatten().min();
        next.map_or(Wake::Never, Wake::At)
    }

    fn status(&self) -> Status<'_> {
        let no_space = self.no_space.as_ref().map(ToString::to_string);
        Status {
            unavailable: self.down.clone().or(no_space),
            others: self.survey.others(),
        }
    }

    fn close(mut self, _facts: impl Iterator<Item = Fact>) -> Result<(), Unusable> {
        self.database.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
