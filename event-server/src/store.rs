//! What a store promises to the lottery: nothing of files, nothing of SQL.
//!
//! Bets and facts are staged; a commit makes all that was staged durable, at once or later. [`Store::poll`] tells when
//! it is. Until then nobody may be told that anything of it is stored. In each turn the store is served the same way,
//! whichever it is: requests ask what it [knows](Store::know) and stage [drafts](Store::draft), then it
//! [commits](Store::commit), [advances](Store::advance), and says what happened.
//!
//! | | [`files`] | [`postgres`] |
//! |---|---|---|
//! | knows every agency | from the start | once it was read |
//! | a commit is done | when the call returns | when the database has said so |
//! | and where it fails | the server stops | its agencies are forgotten, or declined with a reason |
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
/// Those of a session grow, and are committed in their order. In the order of all tickets, those of a session stand
/// together. An agency belongs to one session as long as the store lives, and so do the tickets that it waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    /// The session that commits it, counted from 0. A store that commits in one way alone has session 0.
    pub session: u8,
    /// Its number in the session; 0: nothing was staged for it, so it always was committed.
    pub number: u64,
}

impl Ticket {
    /// The ticket of a session that always was committed.
    #[must_use]
    pub fn first(session: u8) -> Self {
        Self { session, number: 0 }
    }

    /// The ticket of the next commit of its session.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            number: self.number + 1,
            ..self
        }
    }

    /// Whether its being committed means that `other` is.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        other.number == 0 || self.session == other.session && self.number >= other.number
    }
}

/// The commits that are done, as far as was told: of each session the last one.
#[derive(Debug, Default)]
pub struct Committed(Vec<Ticket>);

impl Committed {
    /// All up to this ticket is durable, as far as its session is concerned.
    pub fn add(&mut self, done: Ticket) {
        let at = usize::from(done.session);
        while self.0.len() <= at {
            self.0.push(Ticket::first(self.0.len() as u8));
        }
        self.0[at] = done;
    }

    /// Whether this ticket is committed.
    pub fn includes(&self, ticket: Ticket) -> bool {
        let done = self.0.get(usize::from(ticket.session));
        done.copied().unwrap_or_default().covers(ticket)
    }
}

/// What may be said of an agency now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// All that is stored of it has been told. What is said of it depends on this commit.
    Known(Ticket),
    /// It is being read: an [`Event::Read`], an [`Event::Forgotten`] or an [`Event::Declined`] will follow.
    Reading,
}

/// How recent the knowledge of an agency has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// What was known last: if others have changed it since, the commit fails.
    Cached,
    /// Read anew, where others can change it: an upload goes on from what is told.
    Latest,
    /// What was known last, and it stays the latest: this server goes on with the agency, and what others know of it is
    /// out of date with the next commit.
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
    /// A commit is done that has so many bets. The replies to all of them need not be free to leave yet.
    Stored(Commit),
    /// All that was staged up to this ticket in its session is durable: the replies that wait for it may leave.
    Committed(Ticket),
    /// What was staged for this agency is not stored, or nobody knows whether it is: no reply that depends on it may
    /// leave, and what was known of the agency is known no longer.
    Forgotten(Agency),
    /// Too many agencies are asked for: whoever speaks for this one has to begin anew. Nothing was staged for it, and it takes
    /// part as before.
    Dropped(Agency),
    /// Nothing of what was staged for this agency is stored, for this reason; what was known of it is known no longer.
    Declined(Agency, Declined),
    /// The winners are being counted.
    Counting,
    /// They are counted. Told once.
    Counted(Drawn),
    /// The store can be reached. What is worth a line in the log, as keys and values.
    Up(Vec<(&'static str, String)>),
    /// It cannot be reached, or not be used: why. It is tried again.
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

/// How the agencies stand, where others store, too.
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
        /// They are looked at now and then, and were a moment ago.
        current: bool,
    },
}

/// A draw whose winners are to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How far into the stored bets the draw goes, where it is stored; else it goes over all of them.
    pub until: Option<u64>,
    /// The number that wins.
    pub winner: Number,
}

/// What is wanted of a store beside storing. What a store does not need it ignores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// As far as is known here every agency has finished, or the draw is stored, and its winners are not known.
    pub count: Option<Count>,
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
    /// Then, event or not.
    At(Instant),
    /// Once something happens to one of its streams, or something is staged.
    Never,
}

/// How a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status<'s> {
    /// Why no bet could be stored now: one sentence.
    pub unavailable: Option<String>,
    /// What others have stored.
    pub others: Others<'s>,
}

/// After so long what found no room is tried again.
pub const RETRY: Duration = Duration::from_secs(1);

/// There is no room for a request. Nothing has changed; with room made, the same request is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSpace(String);

impl NoSpace {
    /// `reason`: what has no room, in words that may be told to a client.
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

/// Why a store did not take what was staged. The client may try again. Displays as what it is told: the first words are
/// those by which it knows what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declined {
    /// There is no room.
    NoSpace(NoSpace),
    /// Nothing is known to be wrong with the request: why it is not taken now.
    NotNow(&'static str),
    /// Somebody else has gone on with this agency: here, or where the store is shared.
    Replaced(Agency),
    /// Anyone may take part, but as many agencies as may do already, here and where the store is shared.
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

/// The bets of one request while they are written. Sealed, they are staged; dropped, they leave no trace.
pub trait Draft {
    /// Adds a bet.
    fn row(&mut self, bet: &Bet<'_>);

    /// Adds the next bets of a batch, all of the agency of the bet that was read last, without reading them, as far as the
    /// store can; returns how many. The one after them has to be read, if there is one.
    fn copy(&mut self, bets: &mut Bets<'_>) -> u32;

    /// Stages the bets, and the fact that they add up to. They are durable once the commit of this ticket is done.
    ///
    /// # Panics
    /// The bets take more bytes than the draft was made for.
    fn seal(self, fact: Fact) -> Ticket;
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

    /// Whether requests of this agency can be judged, and what a reply about it waits for. Where others may have changed
    /// what is stored of it, it is read first.
    fn know(&mut self, agency: Agency, freshness: Freshness) -> Knowledge;

    /// Begins to stage bets, of agencies that are [known](Knowledge::Known), which take `bytes` at most as rows of
    /// bets.csv: 0 for a fact without bets.
    ///
    /// # Errors
    /// There is no room. Nothing has changed.
    fn draft(&mut self, bytes: usize) -> Result<Self::Draft<'_>, NoSpace>;

    /// Whether so much is staged for the next commit of this agency's session that the rest has to wait for it; `None`: for
    /// those of all sessions together, for a peer whose agency is not known yet.
    fn is_full(&self, agency: Option<Agency>) -> bool;

    /// Makes durable what is staged, or begins to; [`poll`](Self::poll) tells when that is done. `facts` gives what the
    /// state adds up to, with all that is staged: a store that keeps a log begins a new one with it from time to time.
    ///
    /// # Errors
    /// The store failed, now or before: nothing that is not durable may be acknowledged.
    fn commit<I>(&mut self, facts: impl FnOnce() -> I) -> Result<(), Self::Error>
    where
        I: Iterator<Item = Fact>;

    /// Moves what can move without waiting, in each turn once, with nothing staged that a commit was not called for: a
    /// stream, a slice of a count, what found no room.
    ///
    /// # Errors
    /// The store failed.
    fn advance(&mut self, now: Instant, wanted: Wanted) -> Result<(), Self::Error>;

    /// The next thing that happened.
    fn poll(&mut self) -> Option<Event>;

    /// When [`advance`](Self::advance) is due.
    fn wake(&self) -> Wake;

    /// Sets the bits that an event of a session's stream brings; `dead` for an error or a full hang-up.
    fn mark(&mut self, session: u8, readable: bool, writable: bool, dead: bool);

    /// How it is.
    fn status(&self) -> Status<'_>;

    /// Ends in order. `facts` are what the state adds up to.
    ///
    /// # Errors
    /// The store failed; what was committed stays so.
    fn close(self, facts: impl Iterator<Item = Fact>) -> Result<(), Self::Error>;
}
