//! What the store asks of a database, one query at a time, and what it is told.
//!
//! The queries are values, not SQL: the link to a real PostgreSQL writes them as SQL, and the simulation of the tests
//! carries them out on tables in memory, with the delays, conflicts and losses that it likes.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use frame::{Agency, Number};

use super::group::Part;
use super::known::VersionedAccount;
use super::prologue::LockWait;
use super::rows::SealedRows;
use super::scan::{DrawRow, Layout, Slice};

/// One query, and one transaction.
#[derive(Debug)]
pub enum Query<'a> {
    /// The row with the highest version of each of these agencies: an [`Answer::Account`] for each that has one. Waits
    /// so long for a lock.
    Read(&'a BTreeSet<Agency>, LockWait),
    /// The same of all agencies from the first one to the second one.
    Survey(Agency, Agency),
    /// Appends these parts with their bets, all of them or none; waits so long for a lock. With no part, only commits: what
    /// was read before counts then.
    Append(&'a [&'a Part], &'a SealedRows, LockWait),
    /// Takes out versions of this agency that changed nothing: of many behind each other only the first ones and the
    /// last stay. No reply depends on it.
    DropClaims(Agency),
    /// Whether all agencies have finished, and whether somebody has drawn: one [`Answer::Progress`].
    Look,
    /// Draws, with this winner, where all agencies have finished and nobody has drawn; commits, so that what is told
    /// counts. One [`Answer::Drawn`] where there is a draw.
    Draw(Number),
    /// The bets with this number in a slice of the table: an [`Answer::Won`] for each, in any order. For a slice of
    /// blocks one [`Answer::Layout`] follows.
    Winners(Number, &'a Slice),
}

/// Displays as a word: what the query is about.
impl fmt::Display for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read(..) => "read",
            Self::Survey(..) => "survey",
            Self::Append([], ..) => "confirm",
            Self::Append(..) => "append",
            Self::DropClaims(_) => "claims",
            Self::Look => "look",
            Self::Draw(_) => "draw",
            Self::Winners(..) => "winners",
        })
    }
}

/// What a database tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It can be asked; with keys and values for the log line that says so.
    Up(Vec<(&'static str, String)>),
    /// Something that an operator should know.
    Warning(String),
    /// The session is lost, or there never was one, for this reason. Nobody knows whether the query under way was
    /// carried out. The database is tried again.
    Down(String),
    /// An agency's row of highest version.
    Account(Agency, VersionedAccount),
    /// How the lottery stands.
    Progress {
        /// Every agency has finished.
        all_finished: bool,
        /// The draw is done.
        drawn: bool,
    },
    /// The draw.
    Drawn(DrawRow),
    /// A bet that won.
    Won {
        /// Its agency.
        agency: Agency,
        /// Its place among the agency's bets.
        seq: u64,
        /// Its document.
        document: Vec<u8>,
    },
    /// How the database keeps the table of which a slice was read.
    Layout(Layout),
    /// The query under way is done, and durable.
    Done,
    /// The query under way failed, and nothing of it is stored.
    Failed(Failure),
    /// Another central says that an agency has finished, or that the draw is done.
    Notified,
    /// An operator has changed what is stored of this agency.
    Changed(Agency),
}

/// Why a query stored nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A version exists, or the database asks to try again.
    Conflict,
    /// The version before is not there, or has another number of bets; of a first version: too many agencies take part.
    Unfounded,
    /// There is no space: what the database says.
    NoSpace(String),
    /// Somebody holds a lock, or something else is in the way for a while: what the database says.
    NotNow(String),
    /// The database is another engine and does not know what was asked for: what it says.
    Unknown(String),
    /// Anything else: what the database says.
    Other(String),
}

/// Why a database can never be used as it is configured: the central stops. Displays as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable(pub String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

/// A database behind a session that connects again by itself. No call waits.
pub trait Database {
    /// Returns whether a query may be [submitted](Self::submit): there is a session, and nothing is under way.
    fn is_idle(&self) -> bool;

    /// Sends a query. To be called only where it [is idle](Self::is_idle).
    fn submit(&mut self, query: &Query<'_>);

    /// Returns the next thing that it tells.
    fn poll(&mut self) -> Option<Answer>;

    /// Sets the bits that an event of its stream brings.
    fn mark(&mut self, readable: bool, writable: bool, dead: bool);

    /// Moves what can move without waiting.
    ///
    /// # Errors
    /// It can never be used as it is configured.
    fn advance(&mut self, now: Instant) -> Result<(), Unusable>;

    /// Returns when [`advance`](Self::advance) is due, even without an event.
    fn deadline(&self) -> Option<Instant>;

    /// Gives the session up, for this reason, and connects again after a pause. An [`Answer::Down`] follows.
    fn give_up(&mut self, why: String);

    /// Says goodbye, as far as that can be done at once.
    fn close(&mut self);
}
