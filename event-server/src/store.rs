//! What a store promises to the lottery: nothing of files, nothing of SQL.
//!
//! Bets and facts are staged; a commit makes all that was staged durable, at once or later, and [`Store::poll`] tells
//! when that is done. Until then nobody may be told that any of it is stored. Each turn calls either store in the same
//! order: requests ask what it [knows](Store::know) and stage [drafts](Store::draft), then it
//! [commits](Store::commit), [advances](Store::advance), and says what happened.
//!
//! | | [`files`] | [`postgres`] |
//! |---|---|---|
//! | knows every agency | from the start | once it was read |
//! | a commit is done | when the call returns | when the database has said so |
//! | a commit fails | the server stops | its agencies are forgotten, or declined with a reason |
//! | the draw | counted, then staged like any fact | stored first, for all servers, then counted |
//! | others change what is stored | never | any time |
//!
//! Knows no rule of the lottery, no connection and no clock.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use frame::{Agency, Bet, Bets, Number, UploadId};

pub use self::snapshot::{Audit, Holding, Snapshot};
use crate::facts::{Account, Fact, MAX_AGENCIES, Tally};

pub mod files;
pub mod postgres;
mod rows;
mod snapshot;

/// Names what was staged up to a commit: a reply with this ticket may leave once the store has
/// [committed](Event::Committed) it.
///
/// A store may commit in several sessions at once, and none of them waits for another: so a ticket names its session.
/// The numbers of a session grow, and are committed in that order. Sorted tickets stand session by session. An agency
/// belongs to one session as long as the store lives, and so do the tickets that it waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    /// The session that commits it, counted from 0. A store that commits in one way alone has session 0.
    pub session: u8,
    /// Its number in the session; 0: nothing was staged for it, so it counts as committed from the start.
    pub number: u64,
}

impl Ticket {
    /// Returns the ticket 0 of a session, which counts as committed from the start.
    #[must_use]
    pub fn first(session: u8) -> Self {
        Self { session, number: 0 }
    }

    /// Returns the ticket of the next commit of its session.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            number: self.number + 1,
            ..self
        }
    }

    /// Returns whether `other` is committed once this one is.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        other.number == 0 || self.session == other.session && self.number >= other.number
    }
}

/// The last commit of each session that the store has said is done.
#[derive(Debug, Default)]
pub struct Committed(Vec<Ticket>);

impl Committed {
    /// Records that all up to this ticket is durable in its session.
    pub fn add(&mut self, done: Ticket) {
        let at = usize::from(done.session);
        while self.0.len() <= at {
            self.0.push(Ticket::first(self.0.len() as u8));
        }
        self.0[at] = done;
    }

    /// Returns whether this ticket is committed.
    pub fn includes(&self, ticket: Ticket) -> bool {
        let done = self.0.get(usize::from(ticket.session));
        done.copied().unwrap_or_default().covers(ticket)
    }
}

/// Whether the requests of an agency can be judged now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// All that is stored of it has been told. A reply about it has to wait for this commit.
    Known(Ticket),
    /// It is being read: an [`Event::Read`], an [`Event::Forgotten`] or an [`Event::Declined`] will follow.
    Reading,
}

/// How recent the knowledge of an agency has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// What was known last will do: if others have changed it since, the commit fails.
    Cached,
    /// Read again, where others can change it: an upload goes on from the count that the reply tells.
    Latest,
    /// What was known last will do, and this server takes the agency over: with its next commit, what other servers
    /// know of the agency is out of date.
    Claimed,
}

/// What happened in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An agency was read. What was known of it before is out of date.
    Read {
        /// Whose state this is.
        agency: Agency,
        /// The state.
        account: Account,
        /// Its uploads that an operator has taken out.
        barred: Vec<UploadId>,
    },
    /// A commit is done. Replies to its bets may still have to wait for their [`Committed`](Self::Committed).
    Stored(Commit),
    /// All that was staged up to this ticket in its session is durable: the replies that wait for it may leave.
    Committed(Ticket),
    /// What was staged for this agency is not stored, or nobody knows whether it is: no reply that depends on it may
    /// leave, and what was known of the agency no longer counts.
    Forgotten(Agency),
    /// Too many agencies are asked for, and this one is no longer kept in memory: its connections have to begin again.
    /// Nothing was staged for it, and it takes part as before.
    Dropped(Agency),
    /// Nothing of what was staged for this agency is stored, for this reason; what was known of it no longer counts.
    Declined(Agency, Declined),
    /// The winners are being counted.
    Counting,
    /// They are counted. Told once.
    Counted(Drawn),
    /// The store can be reached; with keys and values for the log line that says so.
    Up(Vec<(&'static str, String)>),
    /// The store cannot be reached or used, for this reason. It is tried again.
    Down(String),
    /// Something that an operator should know.
    Warning(String),
}

/// A commit that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// How many bets it has.
    pub bets: u64,
    /// Bytes that were made durable for it.
    pub bytes: u64,
    /// How long it took; `None`: as long as the last call of [`Store::commit`].
    pub took: Option<Duration>,
}

/// How the agencies stand, where other servers use the same store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others<'s> {
    /// There are no others: all that is stored was told as facts.
    None,
    /// Nobody has looked yet.
    Unknown,
    /// All agencies that have stored anything, with anyone, as it was when they were last looked at.
    Known {
        /// How they stand.
        agencies: &'s BTreeMap<Agency, Account>,
        /// They are still looked at regularly, and no look has failed since.
        current: bool,
    },
}

/// A draw whose winners are to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawToCount {
    /// How far into the stored bets the draw goes, where it is stored; else it goes over all of them.
    pub until: Option<u64>,
    /// The number that wins.
    pub winner: Number,
}

/// What the service wants of a store beside storing. A store ignores what it does not need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The draw to count: as far as is known here, every agency has finished or the draw is stored, and the winners are
    /// not known yet.
    pub count: Option<DrawToCount>,
    /// Somebody waits for the winners.
    pub winners: bool,
    /// Somebody watches how agencies 1 to this number stand.
    pub watched: Option<u32>,
}

/// A draw whose winners are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// How far into the stored bets the draw goes, as the store counts.
    pub position: u64,
    /// The number that won.
    pub winner: Number,
    /// Who won.
    pub tally: Tally,
    /// The draw is stored already. Else it is to be staged, like any fact.
    pub is_stored: bool,
}

/// When a store wants its next [`advance`](Store::advance).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// At once: it has more to do.
    Now,
    /// At this time, even if nothing happens before.
    At(Instant),
    /// Once something happens to one of its streams, or something is staged.
    Never,
}

/// What a store tells those who watch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status<'s> {
    /// Why no bet could be stored now: one sentence.
    pub unavailable: Option<String>,
    /// What others have stored.
    pub others: Others<'s>,
}

/// The pause before what found no room is tried again.
pub const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// There is no room for a request. Nothing has changed; with room made, the same request is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSpace(String);

impl NoSpace {
    /// Creates it with the reason: what has no room, in words that may be told to a client.
    pub fn new(reason: String) -> Self {
        Self(reason)
    }
}

impl fmt::Display for NoSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoSpace {}

/// Why a store did not take what was staged. The client may try again. Displays as the text that the client is told,
/// whose first words tell it what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declined {
    /// There is no room.
    NoSpace(NoSpace),
    /// It is not taken now, for this reason. Nothing is known to be wrong with the request.
    NotNow(&'static str),
    /// Another connection has gone on with this agency: here, or at another server of the same store.
    Replaced(Agency),
    /// Anyone may take part, but [`MAX_AGENCIES`] already do, at all servers of the same store together.
    TooManyAgencies,
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpace(e) => write!(f, "{}: {e}", frame::NO_SPACE),
            Self::NotNow(why) => write!(f, "{}: {why}", frame::NOT_NOW),
            Self::Replaced(agency) => {
                let who = frame::REPLACED;
                write!(f, "{who} of agency {agency} goes on with this upload")
            }
            Self::TooManyAgencies => {
                write!(f, "{MAX_AGENCIES} agencies take part already, no other can")
            }
        }
    }
}

/// The bets of one request while they are written. Staged, they are part of the next commit; dropped, they leave no trace.
pub trait Draft {
    /// Adds a bet.
    fn row(&mut self, bet: &Bet<'_>);

    /// Adds the next bets of a batch without reading their fields, as many as the store can; returns how many. All of
    /// them are of the agency of the bet that was read last. The bet behind them has to be read, if there is one.
    fn copy(&mut self, bets: &mut Bets<'_>) -> u32;

    /// Stages the bets, and the fact that they add up to. They are durable once the commit of this ticket is done.
    ///
    /// # Panics
    /// The bets take more bytes than the draft was made for.
    fn stage(self, fact: Fact) -> Ticket;
}

/// Where bets are kept.
pub trait Store {
    /// A request's bets while they are written.
    type Draft<'a>: Draft
    where
        Self: 'a;

    /// Why the store cannot go on. It is final: the server stops.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The largest agency that it can keep bets of.
    const MAX_AGENCY: u32;

    /// Returns whether requests of this agency can be judged, and what a reply about it waits for. Where others may
    /// have changed what is stored of it, it is read first.
    fn know(&mut self, agency: Agency, freshness: Freshness) -> Knowledge;

    /// Begins to stage bets of agencies that are [known](Knowledge::Known). As rows of bets.csv they take at most
    /// `bytes`: 0 for a fact without bets.
    ///
    /// # Errors
    /// There is no room. Nothing has changed.
    fn draft(&mut self, bytes: usize) -> Result<Self::Draft<'_>, NoSpace>;

    /// Returns whether so much is staged for the next commit of this agency's session that more has to wait for it.
    /// `None`, for a peer whose agency is not known yet, asks the same of all sessions together.
    fn is_full(&self, agency: Option<Agency>) -> bool;

    /// Makes durable what is staged, or begins to; [`poll`](Self::poll) tells when that is done. `facts` gives what the
    /// state adds up to, with all that is staged: a store that keeps a log begins a new one with it from time to time.
    ///
    /// # Errors
    /// The store failed, now or before: nothing that is not durable may be acknowledged.
    fn commit<I>(&mut self, facts: impl FnOnce() -> I) -> Result<(), Self::Error>
    where
        I: Iterator<Item = Fact>;

    /// Does what can be done without waiting: moves its streams, counts a slice, looks again for room. It is called
    /// once in each turn, after [`commit`](Self::commit).
    ///
    /// # Errors
    /// The store failed.
    fn advance(&mut self, now: Instant, wanted: Wanted) -> Result<(), Self::Error>;

    /// Returns the next thing that happened.
    fn poll(&mut self) -> Option<Event>;

    /// Returns when [`advance`](Self::advance) is due.
    fn wake(&self) -> Wake;

    /// Sets the bits that an event of a session's stream brings; `dead` for an error or a full hang-up.
    fn mark(&mut self, session: u8, readable: bool, writable: bool, dead: bool);

    /// Returns what those who watch it are told.
    fn status(&self) -> Status<'_>;

    /// Ends in order. `facts` are what the state adds up to.
    ///
    /// # Errors
    /// The store failed; what was committed stays so.
    fn close(self, facts: impl Iterator<Item = Fact>) -> Result<(), Self::Error>;
}
