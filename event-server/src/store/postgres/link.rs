//! The link to a PostgreSQL database: a session that connects again by itself, and speaks SQL for the store.
//!
//! ```text
//! Pausing ─→ Resolving ─→ Connecting ─→ Open: handshake, set-up, ready ⇄ asked
//!    ^           |             |          |
//!    '-----------+-------------+----------'   next address, next host, or a growing pause
//! ```
//!
//! The hosts of the URL are tried in turn, each with all its addresses; a standby is left without a query. Whatever is
//! owed, a name, a connection, an answer, has a deadline: a server that is silent for so long is given up. Generic over
//! [`Dial`]; waits for nothing and reads no clock.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use frame::{Channel, Inbox, Outbox, Received, TlsError};

use super::backoff::Backoff;
use super::database::{Answer, Database, Failure, Query, Unusable};
use super::dial::Dial;
use super::error::{DatabaseError, SessionError};
use super::schema::Schema;
use super::session::{Login, Row, Session, SessionEvent};
use super::setup::{Setup, Step};
use super::statements::{Statements, parse, parse_account};
use super::tls::{CertificateHash, DatabaseTls};
use super::url::{DatabaseUrl, Host};
use frame::{Agency, Number};

/// Bytes that wait in front of the session; it takes them at once.
const INBOX: usize = 64 * 1024;

/// Bytes that are handed to the stream's buffer before it has to take some.
const OUTBOX: usize = 256 * 1024;

/// How commits are to be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMode {
    /// As the database is set.
    AsSet,
    /// Without waiting for the database's disk: `synchronous_commit = off`.
    Off,
    /// Not at all without a synchronous standby.
    Replicated,
}

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
}

/// A link to a database.
pub struct Link<D: Dial> {
    dial: D,
    options: LinkOptions,
    tls: Option<DatabaseTls>,
    schema: Schema,
    statements: Statements,
    state: State<D::Stream>,
    /// The host that is tried, by its place in the URL.
    host: usize,
    backoff: Backoff,
    answers: VecDeque<Answer>,
    /// The link was ready once: what is wrong from then on may be right again.
    was_ready: bool,
    unusable: Option<Unusable>,
    now: Instant,
}

enum State<S> {
    Pausing {
        until: Instant,
    },
    Resolving {
        since: Instant,
    },
    Connecting {
        stream: S,
        since: Instant,
        /// Those of the host that were not tried.
        rest: VecDeque<SocketAddr>,
    },
    Open(Box<Open<S>>),
}

struct Open<S> {
    channel: Channel<S>,
    session: Session,
    /// During and after a TLS handshake.
    hash: Option<CertificateHash>,
    /// The last time that the server was heard, or asked for something.
    heard: Instant,
    phase: Phase,
}

enum Phase {
    /// TLS and authentication.
    Opening,
    Handshaking,
    SettingUp(Setup),
    Ready,
    Asked(Asked),
}

/// What the rows of the query under way mean.
#[derive(Clone, Copy)]
enum Asked {
    Accounts,
    Nothing,
    Progress,
    Draw,
}

/// Why a session or an attempt ended.
enum End {
    /// What it says; another attempt may help.
    Lost(String),
    /// The configuration has to change.
    Unusable(Unusable),
}

impl From<SessionError> for End {
    fn from(e: SessionError) -> Self {
        match e.is_final() {
            true => Self::Unusable(Unusable(e.to_string())),
            false => Self::Lost(e.to_string()),
        }
    }
}

impl<D: Dial> Link<D> {
    /// A link that begins to connect at its first [`advance`](Database::advance).
    ///
    /// # Errors
    /// The authority that the URL names cannot be read.
    pub fn new(
        dial: D,
        options: LinkOptions,
        rng: fastrand::Rng,
        now: Instant,
    ) -> Result<Self, Unusable> {
        let tls = DatabaseTls::open(&options.url).map_err(Unusable)?;
        let LinkOptions {
            lottery,
            central,
            agencies,
            ..
        } = &options;
        Ok(Self {
            schema: Schema::new(lottery, central, *agencies),
            statements: Statements::new(lottery, central, *agencies),
            dial,
            tls,
            state: State::Pausing { until: now },
            host: 0,
            backoff: Backoff::new(rng),
            answers: VecDeque::new(),
            was_ready: false,
            unusable: None,
            now,
            options,
        })
    }

    fn current_host(&self) -> &Host {
        &self.options.url.hosts[self.host]
    }

    /// Moves one step; whether another may follow at once.
    fn step(&mut self) -> bool {
        let state = std::mem::replace(&mut self.state, State::Pausing { until: self.now });
        match state {
            State::Pausing { until } if self.now < until => {
                self.state = State::Pausing { until };
                false
            }
            State::Pausing { .. } => {
                let Host { name, port } = self.current_host().clone();
                self.state = State::Resolving { since: self.now };
                match name.parse() {
                    Ok(ip) => self.try_addresses([SocketAddr::new(ip, port)].into()),
                    Err(_) => self.dial.resolve(&name, port),
                }
                true
            }
            State::Resolving { since } => match self.dial.resolved() {
                Some(Ok(addresses)) => {
                    self.try_addresses(addresses.into());
                    true
                }
                Some(Err(e)) => {
                    self.try_next_host(&format!("its name is not known: {e}"));
                    true
                }
                None if self.is_due(since) => {
                    self.try_next_host("its name was not found in time");
                    true
                }
                None => {
                    self.state = State::Resolving { since };
                    false
                }
            },
            State::Connecting {
                stream,
                since,
                rest,
            } => match self.dial.is_connected(&stream) {
                Ok(true) => {
                    self.open(stream);
                    true
                }
                Ok(false) if self.is_due(since) => {
                    self.failed_to_connect("it does not answer", rest);
                    true
                }
                Ok(false) => {
                    self.state = State::Connecting {
                        stream,
                        since,
                        rest,
                    };
                    false
                }
                Err(e) => {
                    self.failed_to_connect(&e.to_string(), rest);
                    true
                }
            },
            State::Open(mut open) => match self.talk(&mut open) {
                Ok(moved) => {
                    self.state = State::Open(open);
                    moved
                }
                Err(end) => {
                    self.ended(end);
                    true
                }
            },
        }
    }

    fn is_due(&self, since: Instant) -> bool {
        self.now.saturating_duration_since(since) >= self.options.timeout
    }

    fn try_addresses(&mut self, mut addresses: VecDeque<SocketAddr>) {
        let Some(address) = addresses.pop_front() else {
            return self.try_next_host("its name has no address");
        };
        match self.dial.connect(address) {
            Ok(stream) => {
                self.state = State::Connecting {
                    stream,
                    since: self.now,
                    rest: addresses,
                };
            }
            Err(e) => self.failed_to_connect(&e.to_string(), addresses),
        }
    }

    fn failed_to_connect(&mut self, why: &str, rest: VecDeque<SocketAddr>) {
        if rest.is_empty() {
            self.try_next_host(why);
        } else {
            self.try_addresses(rest);
        }
    }

    /// Goes on with the next host at once, or after a pause where all were tried.
    fn try_next_host(&mut self, why: &str) {
        let why = format!(
            "the database at {} cannot be reached: {why}",
            self.current_host()
        );
        self.host = (self.host + 1) % self.options.url.hosts.len();
        let pause = match self.host {
            0 => self.backoff.next(),
            _ => Duration::ZERO,
        };
        self.state = State::Pausing {
            until: self.now + pause,
        };
        self.answers.push_back(Answer::Down(why));
    }

    fn ended(&mut self, end: End) {
        match end {
            End::Unusable(why) if !self.was_ready => self.unusable = Some(why),
            End::Unusable(Unusable(why)) | End::Lost(why) => self.try_next_host(&why),
        }
    }

    fn open(&mut self, stream: D::Stream) {
        let inbox = Inbox::new(0, INBOX);
        let mut channel = Channel::new(stream, inbox, Outbox::new(OUTBOX));
        // The event that told of the connection is past.
        channel.mark(true, true);
        let url = &self.options.url;
        let login = Login {
            user: url.user.clone(),
            database: url.database.clone(),
            password: url.password.clone(),
            application: format!("event-server {}", self.options.central),
        };
        self.state = State::Open(Box::new(Open {
            channel,
            session: Session::new(login, self.tls.is_some()),
            hash: None,
            heard: self.now,
            phase: Phase::Opening,
        }));
    }

    /// Receives, takes what happened, sends; whether anything moved.
    fn talk(&mut self, open: &mut Open<D::Stream>) -> Result<bool, End> {
        let mut moved = false;
        loop {
            self.flush(open)?;
            match open.channel.receive() {
                Ok(Received::Bytes(_)) => {
                    open.session.receive(open.channel.inbox.unread());
                    open.channel.inbox.clear();
                    open.heard = self.now;
                    moved = true;
                }
                Ok(Received::NotYet | Received::Full) => {}
                Ok(Received::End) => return Err(End::Lost("it closed the connection".to_owned())),
                Err(e) => {
                    return Err(match TlsError::of(&e) {
                        Some(e @ TlsError::Untrusted(_)) => End::Unusable(Unusable(format!(
                            "{e}; check sslrootcert in SERVER_STORE"
                        ))),
                        Some(e) => End::Lost(e.to_string()),
                        None => End::Lost(e.to_string()),
                    });
                }
            }
            if !self.hear(open)? && !open.channel.can_receive() {
                break;
            }
        }
        self.flush(open)?;
        let owes = !matches!(open.phase, Phase::Ready);
        if owes && self.is_due(open.heard) {
            let time = self.options.timeout;
            return Err(End::Lost(format!("it was silent for {time:?}")));
        }
        Ok(moved)
    }

    fn flush(&mut self, open: &mut Open<D::Stream>) -> Result<(), End> {
        let output = open.session.take_output();
        if !output.is_empty() {
            open.channel.outbox.text(&output);
        }
        let sent = open.channel.send();
        sent.map(drop).map_err(|e| End::Lost(e.to_string()))
    }

    /// Takes one thing that happened in the session; whether there was one.
    fn hear(&mut self, open: &mut Open<D::Stream>) -> Result<bool, End> {
        if let Phase::Handshaking = open.phase {
            if !open.channel.is_established() {
                return Ok(false);
            }
            let hash = open.hash.as_ref().and_then(CertificateHash::get);
            open.session.tls_established(hash);
            open.phase = Phase::Opening;
            return Ok(true);
        }
        let Some(event) = open.session.poll()? else {
            return Ok(false);
        };
        match event {
            SessionEvent::BeginTls => {
                let Some(tls) = &self.tls else {
                    return Err(End::Lost("it begins TLS that nobody asked for".to_owned()));
                };
                let begun = tls.begin(&self.current_host().name);
                let (tls, hash) = begun.map_err(|e| End::Lost(e.to_string()))?;
                open.channel.secure(tls);
                open.hash = Some(hash);
                open.phase = Phase::Handshaking;
            }
            SessionEvent::Established(parameters) => {
                let setup = Setup::new(parameters);
                open.session
                    .query(&setup.sql(&self.schema, &self.statements));
                open.phase = Phase::SettingUp(setup);
            }
            SessionEvent::Notified => self.answers.push_back(Answer::Notified),
            SessionEvent::Row(row) => self.row(open, &row)?,
            SessionEvent::Done(result) => self.done(open, result)?,
        }
        Ok(true)
    }

    fn row(&mut self, open: &mut Open<D::Stream>, row: &Row) -> Result<(), End> {
        let columns = row.columns()?;
        let senseless = || End::Lost("it answers with a row that makes no sense".to_owned());
        let answer = match (&mut open.phase, &*columns) {
            (Phase::SettingUp(setup), columns) => {
                let taken = setup.row(columns, &self.schema);
                return taken.map_err(End::Unusable);
            }
            (Phase::Asked(Asked::Accounts), columns) => {
                let (agency, account) = parse_account(columns).ok_or_else(senseless)?;
                Answer::Account(agency, account)
            }
            (Phase::Asked(Asked::Progress), [Some(finished), winner]) => {
                let finished: u32 = parse(finished).ok_or_else(senseless)?;
                Answer::Progress {
                    all_finished: finished > 0 && finished == self.options.agencies,
                    drawn: winner.is_some(),
                }
            }
            (Phase::Asked(Asked::Draw), [Some(winner)]) => {
                Answer::Winner(Number::parse(winner).map_err(|_| senseless())?)
            }
            (Phase::Asked(Asked::Draw), [Some(agency), Some(document)]) => {
                let agency = Agency::parse(agency).map_err(|_| senseless())?;
                Answer::Won(agency, document.to_vec())
            }
            _ => return Err(senseless()),
        };
        self.answers.push_back(answer);
        Ok(())
    }

    fn done(
        &mut self,
        open: &mut Open<D::Stream>,
        result: Result<(), DatabaseError>,
    ) -> Result<(), End> {
        match &mut open.phase {
            Phase::SettingUp(setup) => {
                match setup.done(result, &self.schema, self.options.commit) {
                    Ok(Step::Next) => {
                        let sql = setup.sql(&self.schema, &self.statements);
                        open.session.query(&sql);
                    }
                    Ok(Step::Ready(up, warning)) => {
                        open.phase = Phase::Ready;
                        self.was_ready = true;
                        self.backoff.reset();
                        let mut parts = vec![
                            ("database", self.current_host().to_string()),
                            ("lottery", self.options.lottery.clone()),
                        ];
                        parts.extend(up);
                        self.answers.push_back(Answer::Up(parts));
                        self.answers.extend(warning.map(Answer::Warning));
                    }
                    Ok(Step::Wait(why)) => return Err(End::Lost(why)),
                    Err(unusable) => return Err(End::Unusable(unusable)),
                }
            }
            phase => {
                *phase = Phase::Ready;
                self.answers.push_back(match result {
                    Ok(()) => Answer::Done,
                    Err(e) => Answer::Failed(failure(&e)),
                });
            }
        }
        Ok(())
    }
}

/// What a failed query means; nothing of it is stored.
fn failure(error: &DatabaseError) -> Failure {
    match error.code.as_str() {
        // Unique violation, serialization failure, deadlock.
        "23505" | "40001" | "40P01" => Failure::Conflict,
        // Insufficient resources, disk full.
        "53000" | "53100" => Failure::NoSpace(format!("the database has no space: {error}")),
        _ => Failure::Other(format!("the database refuses to store: {error}")),
    }
}

impl<D: Dial> Database for Link<D> {
    fn is_idle(&self) -> bool {
        match &self.state {
            State::Open(open) => matches!(open.phase, Phase::Ready) && open.session.is_idle(),
            _ => false,
        }
    }

    fn submit(&mut self, query: &Query<'_>) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let (statements, session) = (&self.statements, &mut open.session);
        let asked = match query {
            Query::Read(agencies) => {
                session.query(&statements.read(agencies));
                Asked::Accounts
            }
            Query::Survey(first, last) => {
                session.query(&statements.survey(*first, *last));
                Asked::Accounts
            }
            Query::Append([]) => {
                session.query(&statements.barrier());
                Asked::Nothing
            }
            Query::Append(parts) => {
                let sql = statements.append(parts.iter().copied());
                if parts.iter().any(|part| !part.rows.is_empty()) {
                    session.query_with_copy(&sql, parts.iter().map(|part| &part.rows[..]));
                } else {
                    session.query(&sql);
                }
                Asked::Nothing
            }
            Query::Look => {
                session.query(&statements.look());
                Asked::Progress
            }
            Query::Draw(winner) => {
                session.query(&statements.draw(*winner));
                Asked::Draw
            }
        };
        open.phase = Phase::Asked(asked);
        open.heard = self.now;
        // At once: the turn is over, and what the stream takes now need not wait for the next. An error is found by it.
        let output = open.session.take_output();
        open.channel.outbox.text(&output);
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
            State::Resolving { since } | State::Connecting { since, .. } => {
                Some(*since + self.options.timeout)
            }
            State::Open(open) => match open.phase {
                Phase::Ready => None,
                _ => Some(open.heard + self.options.timeout),
            },
        }
    }

    fn give_up(&mut self, why: String) {
        self.ended(End::Lost(why));
    }

    fn close(&mut self) {
        if let State::Open(open) = &mut self.state {
            open.session.terminate();
            let output = open.session.take_output();
            open.channel.outbox.text(&output);
            open.channel.finish();
            let _ = open.channel.send();
        }
    }
}
