//! The store in a PostgreSQL database, which several centrals share.
//!
//! ```text
//!                    .--> Queue of session 0: agencies 2, 4, 6 …, looks at the whole lottery --> database
//! staged by a turn --+
//!                    '--> Queue of session 1: agencies 1, 3, 5 …                             --> database
//! ```
//!
//! One process of the server takes about a million rows a second, so a central has several sessions. Each has one query
//! under way at a time; meanwhile the next group of its agencies gathers. Nothing here waits: the loop marks the sessions'
//! sockets like any other and asks what happened. An agency belongs to one session as long as the store lives, its number
//! modulo how many there are. The first session also asks for what is about the whole lottery: looks and the draw.
//!
//! | danger | protection |
//! |---|---|
//! | another central serves the agency too | every commit appends its next version; one that saw less stores nothing |
//! | what was read may not survive | a reply that depends on it waits for a later commit of the same session |
//! | nobody knows whether a commit is done | its agencies are forgotten, their connections close without a reply |
//! | a session is lost | what was known of its agencies is read again before it is used; others are not concerned |
//! | a session cannot be reached | no bet of its agencies is stored, so the store says that it is unavailable |
//!
//! In come several [`Database`]s, out go [`Event`]s. Knows no rule of the lottery and no connection of an agency; prints
//! nothing.

mod access;
mod backends;
mod database;
mod error;
mod group;
mod known;
mod link;
mod operator;
mod overview;
mod prologue;
mod queue;
mod rows;
mod scan;
mod schema;
mod session;
mod setup;
mod sql;
mod survey;
mod tls;
mod url;

use std::time::Instant;

use frame::{Agency, Bet, Bets, Number};

pub use self::access::Access;
pub use self::database::{Answer, Database, Failure, Query, Unusable};
pub use self::error::{DatabaseError, SessionError};
pub use self::group::Part;
pub use self::known::VersionedAccount;
pub use self::link::{Address, Dial, Link, LinkOptions};
pub use self::operator::filling::{Filling, Target};
pub use self::operator::{NumberChange, Operator, OperatorError};
use self::overview::Overview;
pub use self::prologue::{CommitMode, LockWait};
use self::queue::{Events, Queue};
use self::rows::RowsEnd;
pub use self::rows::SealedRows;
pub use self::scan::{DrawRow, Layout, Slice};
pub use self::session::{DataRow, Login, Parameters, Session, SessionEvent};
pub use self::tls::{DatabaseTls, Shown};
pub use self::url::parse::{Defaults, masked};
pub use self::url::{
    ClientCertificate, DatabaseUrl, Host, RootCertificate, Secret, SslMode, Transport,
};
use super::{
    Draft, Event, Freshness, Knowledge, NoSpace, RETRY_PAUSE, Status, Store, Ticket, Wake, Wanted,
};
use crate::facts::Fact;

/// Bytes of rows beyond which a session's group takes no more: the next one begins when it is on its way. The groups of
/// many sessions are smaller, so that those of all together take no more memory.
const MAX_GROUP: usize = 1024 * 1024;

/// The same for the groups of all sessions together.
const MAX_GROUPS: usize = 2 * MAX_GROUP;

/// The session that looks at the whole lottery.
const FIRST: usize = 0;

/// The bets of a lottery in a database.
pub struct PostgresStore<B> {
    /// The work of each session.
    queues: Vec<Queue<B>>,
    overview: Overview,
    /// What happened, until it is asked for.
    events: Events,
    /// The database has no space: until it is tried again nothing is staged.
    no_space: Option<NoSpace>,
    retry_at: Option<Instant>,
}

impl<B: Database> PostgresStore<B> {
    /// Creates a store over these sessions, 1 to 256, with a database that need not be reachable yet. `winner` is the
    /// number that wins, if this central draws. About `most_known` agencies are kept in memory, at least one for each
    /// session.
    ///
    /// # Panics
    /// There is no session.
    pub fn new(sessions: Vec<B>, winner: Number, most_known: usize) -> Self {
        assert!(!sessions.is_empty(), "a store has a session");
        let each = most_known.div_ceil(sessions.len()).max(1);
        let queues = (0..=u8::MAX).zip(sessions);
        Self {
            queues: queues
                .map(|(number, session)| Queue::new(number, session, each))
                .collect(),
            overview: Overview::new(winner),
            events: Events::default(),
            no_space: None,
            retry_at: None,
        }
    }

    /// The work of an agency's session. It is the same one as long as the store lives: what was read of the agency counts
    /// once a later commit of the session that read it is done.
    fn queue_of(&mut self, agency: Agency) -> &mut Queue<B> {
        let at = self.session_of(agency);
        &mut self.queues[at]
    }

    fn session_of(&self, agency: Agency) -> usize {
        agency.get() as usize % self.queues.len()
    }

    /// Gives each session its next query, where it has none.
    fn dispatch(&mut self) {
        let is_settled = self.queues.iter().all(Queue::is_settled);
        for (at, queue) in self.queues.iter_mut().enumerate() {
            let overview = (at == FIRST).then_some(&mut self.overview);
            queue.dispatch(overview, is_settled, &mut self.events);
        }
    }

    /// Takes what a session tells.
    fn hear(&mut self, at: usize, answer: Answer) {
        let Self {
            queues,
            overview,
            events,
            ..
        } = self;
        match answer {
            Answer::Up(what) => {
                queues[at].up();
                overview.look_again();
                if queues.iter().all(|queue| queue.down().is_none()) {
                    events.queued.push_back(Event::Up(what));
                }
            }
            Answer::Down(why) => {
                let overview = (at == FIRST).then_some(overview);
                queues[at].lost(why.clone(), overview, events);
                // Where all are lost, one of them says so.
                if queues[..at].iter().all(|queue| queue.down().is_none()) {
                    events.queued.push_back(Event::Down(why));
                }
            }
            Answer::Warning(what) => events.queued.push_back(Event::Warning(what)),
            Answer::Notified => overview.look_again(),
            Answer::Changed(agency) => {
                overview.look_again();
                self.queue_of(agency).read_anew(agency);
            }
            Answer::Progress {
                all_finished,
                drawn,
            } => {
                // The draw waits for all sessions: whoever is told the winners was told before that it has finished.
                if (all_finished || drawn) && overview.all_finished() {
                    queues.iter_mut().for_each(Queue::settle);
                }
            }
            answer => queues[at].hear(answer, overview, events),
        }
    }
}

/// The rows of one request, while they are written behind those of its session's group.
pub struct PostgresDraft<'a, B: Database> {
    store: &'a mut PostgresStore<B>,
    writing: Option<Writing>,
}

/// Where the rows of a request go.
struct Writing {
    /// The session.
    at: usize,
    /// Where they begin.
    begin: RowsEnd,
    /// The place of the next bet among those of the agency.
    seq: u64,
}

impl<B: Database> Draft for PostgresDraft<'_, B> {
    fn row(&mut self, bet: &Bet<'_>) {
        let store = &mut *self.store;
        let writing = self.writing.get_or_insert_with(|| {
            let at = store.session_of(bet.agency);
            let queue = &mut store.queues[at];
            Writing {
                at,
                begin: queue.rows().end(),
                seq: queue.bets(bet.agency),
            }
        });
        store.queues[writing.at].rows().push(bet, writing.seq);
        writing.seq += 1;
    }

    /// Copies nothing: the tables have a column for each field.
    fn copy(&mut self, _bets: &mut Bets<'_>) -> u32 {
        0
    }

    fn stage(mut self, fact: Fact) -> Ticket {
        self.writing = None;
        let Some(agency) = fact.agency() else {
            // A fact of no agency is in the database already.
            return Ticket::default();
        };
        self.store.queue_of(agency).stage(agency, Some(&fact))
    }
}

impl<B: Database> Drop for PostgresDraft<'_, B> {
    /// Discards the rows of a request that is not staged.
    fn drop(&mut self) {
        if let Some(Writing { at, begin, .. }) = self.writing.take() {
            self.store.queues[at].rows().truncate(begin);
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
        let mut events = std::mem::take(&mut self.events);
        let knowledge = self.queue_of(agency).know(agency, freshness, &mut events);
        self.events = events;
        knowledge
    }

    fn draft(&mut self, _bytes: usize) -> Result<PostgresDraft<'_, B>, NoSpace> {
        if let Some(no_space) = &self.no_space {
            return Err(no_space.clone());
        }
        Ok(PostgresDraft {
            store: self,
            writing: None,
        })
    }

    fn is_full(&self, agency: Option<Agency>) -> bool {
        let most = MAX_GROUP.min(MAX_GROUPS / self.queues.len());
        match agency {
            Some(agency) => self.queues[self.session_of(agency)].staged() >= most,
            // A session that hangs keeps only its own agencies waiting.
            None => {
                self.queues.iter().map(Queue::staged).sum::<usize>() >= most * self.queues.len()
            }
        }
    }

    fn commit<I>(&mut self, _facts: impl FnOnce() -> I) -> Result<(), Unusable>
    where
        I: Iterator<Item = Fact>,
    {
        self.dispatch();
        Ok(())
    }

    fn mark(&mut self, session: u8, readable: bool, writable: bool, dead: bool) {
        if let Some(queue) = self.queues.get_mut(usize::from(session)) {
            queue.database().mark(readable, writable, dead);
        }
    }

    fn advance(&mut self, now: Instant, wanted: Wanted) -> Result<(), Unusable> {
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.no_space = None;
        }
        for at in 0..self.queues.len() {
            self.queues[at].advance(now)?;
            while let Some(answer) = self.queues[at].database().poll() {
                self.hear(at, answer);
            }
        }
        if let Some(no_space) = self.events.no_space.take() {
            self.no_space = Some(no_space);
        }
        if self.no_space.is_some() {
            self.retry_at.get_or_insert(now + RETRY_PAUSE);
        }
        self.overview.want(wanted, now);
        self.dispatch();
        Ok(())
    }

    fn poll(&mut self) -> Option<Event> {
        self.events.queued.pop_front()
    }

    fn wake(&self) -> Wake {
        let sessions = self.queues.iter().filter_map(Queue::deadline);
        let others = [self.overview.deadline(), self.retry_at];
        let next = sessions.chain(others.into_iter().flatten()).min();
        next.map_or(Wake::Never, Wake::At)
    }

    fn status(&self) -> Status<'_> {
        let no_space = self.no_space.as_ref().map(ToString::to_string);
        // While one session cannot be reached, no bet of its agencies is stored.
        let down = self.queues.iter().find_map(Queue::down);
        Status {
            unavailable: down.cloned().or(no_space),
            others: self.overview.others(),
        }
    }

    fn close(mut self, _facts: impl Iterator<Item = Fact>) -> Result<(), Unusable> {
        for queue in &mut self.queues {
            queue.database().close();
        }
        Ok(())
    }
}
