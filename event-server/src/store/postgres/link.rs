//! The link to a PostgreSQL database: a session that connects again by itself, and speaks SQL for the store.
//!
//! ```text
//! Pausing ─→ Resolving ─→ Connecting ─→ Open: handshake, set-up, ready ⇄ asked
//!    ^           |             |          |
//!    '-----------+-------------+----------'   next address, next host, or a growing pause
//! ```
//!
//! The hosts of the URL are tried in turn, each with all its addresses; a standby is left without a query. A session
//! that is lost is told at once; hosts that take no session are told together, when all were tried. Whatever is owed, a
//! name, a connection, an answer, has a deadline: a server that is silent until then is given up. Generic over
//! [`Dial`]; waits for nothing and reads no clock.

mod connect;
mod talk;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use frame::{Channel, Pauses};

use super::access::Access;
use super::backends::{Backends, Begun};
use super::database::{Answer, Database, Query, Unusable};
use super::error::{DatabaseError, SessionError};
use super::prologue::{Backend, CommitMode, LockWait, Prologue, Replication};
use super::schema::Schema;
use super::session::Session;
use super::setup::Setup;
use super::sql::Statements;
use super::tls::CertificateHash;
use super::url::DatabaseUrl;
use crate::net::Stream;

/// The longest pause before the hosts are tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// What a link has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOptions {
    /// Where the database is, and as whom to use it; with the password, wherever it came from.
    pub url: DatabaseUrl,
    /// The schema of the lottery.
    pub lottery: String,
    /// This central's name.
    pub central: String,
    /// How many agencies take part; 0: anyone, no draw.
    pub agencies: u32,
    /// How commits are made durable.
    pub commit: CommitMode,
    /// How long the database may be silent while it owes something.
    pub timeout: Duration,
    /// How many sessions a central has, 1 to 16.
    pub sessions: u8,
}

/// Where a stream leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A Unix socket of this machine, by its path.
    Unix(PathBuf),
}

/// What a link asks of the network, without waiting: to find addresses, and to open streams.
///
/// The server implements it with mio; tests do as they like.
pub trait Dial {
    /// A stream that is being opened, and then open.
    type Stream: Stream;

    /// Begins to look up a name. The answer comes through [`resolved`](Self::resolved), after a wake-up of the loop; of
    /// an earlier name that is still being looked up, none comes.
    fn resolve(&mut self, name: &str, port: u16);

    /// Returns the addresses of the name, once they are known.
    fn resolved(&mut self) -> Option<io::Result<Vec<SocketAddr>>>;

    /// Begins to open a stream, whose events are told as those of the store.
    ///
    /// # Errors
    /// It cannot even be begun.
    fn connect(&mut self, address: &Address) -> io::Result<Self::Stream>;

    /// Returns whether a stream is open by now.
    ///
    /// # Errors
    /// It could not be opened.
    fn is_connected(&self, stream: &Self::Stream) -> io::Result<bool>;
}

/// A link to a database.
pub struct Link<D: Dial> {
    dial: D,
    options: LinkOptions,
    access: Access,
    schema: Schema,
    statements: Statements,
    /// This central's name and a random number, which tell it from another one of that name. The first session of a central
    /// listens for all of them.
    listener: Option<String>,
    state: State<D::Stream>,
    /// The host that is tried, by its place in the URL.
    host: usize,
    /// The pauses before the hosts are tried again, and the source of chance for them.
    pauses: Pauses,
    rng: fastrand::Rng,
    /// Why each host took no session since the last pause.
    refusals: Vec<HostRefusal>,
    /// The backends of all sessions of this central.
    backends: Backends,
    answers: VecDeque<Answer>,
    /// The session is ready, and the store was told so.
    is_up: bool,
    /// The link was ready once: what is wrong from then on may be right again.
    was_ready: bool,
    unusable: Option<Unusable>,
    now: Instant,
}

/// Why a host took no session.
struct HostRefusal {
    /// In words, without the host's name.
    why: String,
    /// Which host.
    host: String,
    /// The configuration, of this central or of the host, has to change.
    is_final: bool,
}

enum State<S> {
    Pausing {
        until: Instant,
    },
    Resolving {
        since: Instant,
        place: Begun,
    },
    Connecting {
        stream: S,
        since: Instant,
        /// Those of the host that were not tried.
        rest: VecDeque<Address>,
        place: Begun,
    },
    Open(Box<Open<S>>),
}

struct Open<S> {
    /// The place of this session among those of the central, as long as it is kept.
    _place: Begun,
    channel: Channel<S>,
    session: Session,
    /// The hash of the server's certificate, during and after a TLS handshake.
    hash: Option<CertificateHash>,
    /// The last time that the server was heard, or asked for something.
    heard: Instant,
    phase: Phase,
    /// Whose backend it is, since when it runs, and how durable its commits are; once it has told.
    met: Option<Met>,
    /// The query under way has told whose backend it is, too.
    is_identified: bool,
    /// An operator was told of a warning in this session.
    warned: bool,
}

struct Met {
    backend: Backend,
    since: String,
    replication: Replication,
    /// What its transactions begin with, once it is set up.
    prologue: Option<Prologue>,
}

enum Phase {
    /// TLS and authentication.
    Opening,
    Handshaking,
    SettingUp(Setup),
    Ready,
    Asked {
        asked: Asked,
        /// What is owed beside the answer.
        behind: Behind,
    },
}

/// A second query of an exchange: the store hears of the answer to the first one when this one is done, too.
enum Behind {
    /// There is none.
    Nothing,
    /// It was sent behind the first one, and tells how durable a commit is after it.
    Awaited,
    /// The answer to the first one, while the second is under way.
    UnderWay(Result<(), DatabaseError>),
    /// The first one waited in vain for a lock: its error, while transactions are ended whose central has gone silent.
    Unblocking(DatabaseError),
}

/// What the rows of the query under way mean.
#[derive(Clone, Copy)]
enum Asked {
    Accounts,
    Commit,
    Progress,
    Draw,
    Winners,
    /// There are none.
    Nothing,
}

impl Asked {
    /// Whether something is durable once it is done.
    fn commits(self) -> bool {
        matches!(self, Self::Commit | Self::Draw)
    }
}

/// Why a session or an attempt ended.
enum End {
    /// For this reason; another attempt may help.
    Lost(String),
    /// This host cannot be used as it is configured, or as this central is; another one may be.
    Refused(String),
    /// No host can be used as this central is configured.
    Unusable(Unusable),
    /// The backend is another one than before.
    Pooled,
}

impl From<SessionError> for End {
    fn from(e: SessionError) -> Self {
        match e.is_final() {
            true => Self::Refused(e.to_string()),
            false => Self::Lost(e.to_string()),
        }
    }
}

impl<D: Dial> Link<D> {
    /// Creates the links of a central, one over each of `dials`, which begin to connect at their first
    /// [`advance`](Database::advance). The first one listens to what other centrals and operators tell.
    ///
    /// # Errors
    /// The authority that the URL names cannot be read.
    pub fn several(
        dials: Vec<D>,
        options: &LinkOptions,
        mut rng: fastrand::Rng,
        now: Instant,
    ) -> Result<Vec<Self>, Unusable> {
        let access = Access::open(&options.url).map_err(Unusable)?;
        let backends = Backends::of(dials.len());
        let links = (0..=u8::MAX).zip(dials).map(|(session, dial)| {
            let (access, backends) = (access.clone(), backends.clone());
            Self::new(
                session,
                dial,
                options.clone(),
                access,
                backends,
                rng.fork(),
                now,
            )
        });
        Ok(links.collect())
    }

    fn new(
        session: u8,
        dial: D,
        options: LinkOptions,
        access: Access,
        backends: Backends,
        mut rng: fastrand::Rng,
        now: Instant,
    ) -> Self {
        let LinkOptions {
            lottery,
            central,
            agencies,
            ..
        } = &options;
        Self {
            schema: Schema::new(lottery, central, *agencies).of_session(session),
            statements: Statements::new(lottery, central, *agencies).of_session(central, session),
            dial,
            access,
            state: State::Pausing { until: now },
            host: 0,
            listener: (session == 0).then(|| format!("{central} {:016x}", rng.u64(..))),
            pauses: Pauses::new(LONGEST_PAUSE),
            rng,
            refusals: Vec::new(),
            backends,
            answers: VecDeque::new(),
            is_up: false,
            was_ready: false,
            unusable: None,
            now,
            options,
        }
    }

    /// Returns what sessions begin with: to be read again while they run.
    pub fn access(&self) -> Access {
        self.access.clone()
    }
}

impl<D: Dial> Database for Link<D> {
    fn is_idle(&self) -> bool {
        match &self.state {
            State::Open(open) => matches!(open.phase, Phase::Ready),
            _ => false,
        }
    }

    fn submit(&mut self, query: &Query<'_>) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let Some(prologue) = open.met.as_ref().and_then(|met| met.prologue.as_ref()) else {
            return;
        };
        let (statements, session) = (&self.statements, &mut open.session);
        let mut lock = LockWait::Usual;
        let (asked, sql) = match query {
            Query::Read(agencies, wait) => {
                lock = *wait;
                (Asked::Accounts, statements.read(agencies))
            }
            Query::Survey(first, last) => (Asked::Accounts, statements.survey(*first, *last)),
            Query::Append([], ..) => (Asked::Commit, statements.barrier()),
            Query::Append(parts, _, wait) => {
                lock = *wait;
                (Asked::Commit, statements.append(parts.iter().copied()))
            }
            Query::DropClaims(agency) => {
                lock = LockWait::Short;
                (Asked::Nothing, statements.drop_claims(*agency))
            }
            Query::Look => (Asked::Progress, statements.look()),
            Query::Draw(winner) => (Asked::Draw, statements.draw(*winner)),
            Query::Winners(winner, slice) => (Asked::Winners, statements.winners(*winner, slice)),
        };
        let rows = match query {
            Query::Append(parts, rows, _) => {
                parts.iter().any(|part| part.has_bets()).then_some(rows)
            }
            _ => None,
        };
        // What it is about comes first: a list of sessions shows the beginning of each query.
        let sql = format!(
            "/* {query} */ {}{sql}",
            prologue.begin(lock, rows.is_some())
        );
        match rows {
            Some(rows) => session.query_with_copy(&sql, rows, &mut open.channel.outbox),
            None => session.query(&sql),
        }
        let mut behind = Behind::Nothing;
        if self.options.commit == CommitMode::Replicated && asked.commits() {
            session.query_behind(&Prologue::identify());
            behind = Behind::Awaited;
        }
        open.phase = Phase::Asked { asked, behind };
        (open.is_identified, open.heard) = (false, self.now);
        // Sent at once: what the stream takes now need not wait for the next turn. That one finds an error.
        let output = open.session.take_output();
        open.channel.outbox.append(&output);
        let _ = open.channel.send();
    }

    fn poll(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    fn mark(&mut self, readable: bool, writable: bool, dead: bool) {
        if let State::Open(open) = &mut self.state {
            // Reading and writing tell how it ended.
            open.channel.mark(readable || dead, writable || dead);
        }
    }

    fn advance(&mut self, now: Instant) -> Result<(), Unusable> {
        self.now = now;
        while self.unusable.is_none() && self.step() {}
        self.unusable.take().map_or(Ok(()), Err)
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Pausing { until } => Some(*until),
            State::Resolving { since, .. } => Some(*since + self.options.timeout),
            State::Connecting { since, .. } => Some(*since + self.opening_timeout()),
            State::Open(open) => Some(open.heard + self.patience(&open.phase)?),
        }
    }

    fn give_up(&mut self, why: String) {
        let state = std::mem::replace(&mut self.state, State::Pausing { until: self.now });
        let open = match state {
            State::Open(open) => Some(open),
            _ => None,
        };
        self.ended(End::Lost(why), open);
    }

    fn close(&mut self) {
        if let State::Open(open) = &mut self.state {
            open.session.terminate();
            let output = open.session.take_output();
            open.channel.outbox.append(&output);
            open.channel.finish();
            let _ = open.channel.send();
        }
    }
}

#[cfg(test)]
mod tests;
