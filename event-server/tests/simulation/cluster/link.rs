//! A central's end of a link to the simulated database, one for each of its sessions: what it asks and what it is told, on
//! their way.
//!
//! An event says that something has arrived, once, as an edge does: what is not fetched then waits for the next event.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use event_server::facts::Account;
use event_server::store::postgres::{
    self, Answer, Database, LockWait, Query, SealedRows, Slice, Unusable,
};
use frame::{Agency, Number};

use super::sessions::Sessions;

/// What one agency adds, with its own bets.
#[derive(Clone, Debug)]
pub struct Part {
    pub agency: Agency,
    pub version: i64,
    pub account: Account,
    /// Tuples of a binary COPY.
    pub rows: Vec<u8>,
    pub bets: u64,
}

/// The parts, each with those of the rows that are its agency's.
fn with_rows(parts: &[&postgres::Part], rows: &SealedRows) -> Vec<Part> {
    let mut own: BTreeMap<Agency, Vec<u8>> = BTreeMap::new();
    for (agency, tuple) in rows.tuples() {
        own.entry(agency).or_default().extend_from_slice(tuple);
    }
    let parts = parts.iter().map(|part| Part {
        agency: part.agency,
        version: part.version,
        account: part.account,
        rows: own.remove(&part.agency).unwrap_or_default(),
        bets: part.bets,
    });
    let parts = parts.collect();
    assert!(own.is_empty(), "bets of agencies without a part");
    parts
}

/// A query as it travels.
pub enum Statement {
    Read(BTreeSet<Agency>),
    Append(Vec<Part>, LockWait),
    DropClaims(Agency),
    Look,
    Draw(Number),
    Winners(Number, Slice),
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(agencies) => {
                f.write_str("read")?;
                agencies
                    .iter()
                    .try_for_each(|agency| write!(f, " {agency}"))
            }
            Self::Append(parts, _) => {
                f.write_str("append")?;
                parts.iter().try_for_each(|part| {
                    let (agency, account) = (part.agency, &part.account);
                    let (version, bets) = (part.version, account.bets);
                    let finished = if account.finished { ", finished" } else { "" };
                    write!(f, " [{agency}: version {version}, {bets} bets{finished}]")
                })
            }
            Self::DropClaims(agency) => write!(f, "drop claims {agency}"),
            Self::Look => f.write_str("look"),
            Self::Draw(winner) => write!(f, "draw {winner}"),
            Self::Winners(winner, slice) => write!(f, "winners {winner} in {slice:?}"),
        }
    }
}

/// The number of a session, which no other one ever has.
pub type SessionId = usize;

/// What the link and the database share.
#[derive(Default)]
pub struct Wire {
    /// The life of the central, in the ledger.
    pub life: usize,
    /// Which of the central's sessions it is. The first one listens.
    pub number: u8,
    /// The session that the database has for this link.
    pub session: Option<SessionId>,
    /// What was asked last, and on which session, until the database takes it.
    pub asked: Option<(SessionId, Statement)>,
    /// Answers on their way, in order: each with its hops after the one before.
    flying: VecDeque<(u32, SessionId, Answer)>,
    arrived: VecDeque<(SessionId, Answer)>,
    /// An event waits.
    event: bool,
    /// Hops until the next attempt to connect.
    pub pause: u32,
    /// The central is gone, or has said goodbye.
    pub closed: bool,
}

impl Wire {
    pub fn new(life: usize, number: u8) -> Self {
        Self {
            life,
            number,
            ..Self::default()
        }
    }

    /// The database tells something.
    pub fn send(&mut self, hops: u32, session: SessionId, answer: Answer) {
        self.flying.push_back((hops, session, answer));
    }

    /// What is on its way gets lost.
    pub fn lose_answers(&mut self) {
        self.flying.clear();
    }

    /// Answers travel.
    pub fn hop(&mut self) {
        if let Some((hops, ..)) = self.flying.front_mut() {
            *hops = hops.saturating_sub(1);
        }
        while let Some((0, ..)) = self.flying.front()
            && let Some((_, session, answer)) = self.flying.pop_front()
        {
            self.arrived.push_back((session, answer));
            self.event = true;
        }
    }

    /// Fetches the event that waits.
    pub fn take_event(&mut self) -> bool {
        std::mem::take(&mut self.event)
    }
}

/// The [`Database`] of one session of a central.
pub struct SimLink {
    number: u8,
    sessions: Rc<RefCell<Sessions>>,
    wire: Rc<RefCell<Wire>>,
    answers: VecDeque<Answer>,
    /// The session, as far as the link has heard.
    session: Option<SessionId>,
    /// A query is under way.
    asked: bool,
    readable: bool,
}

impl SimLink {
    pub fn new(wire: Rc<RefCell<Wire>>, sessions: Rc<RefCell<Sessions>>) -> Self {
        let number = wire.borrow().number;
        Self {
            number,
            sessions,
            wire,
            answers: VecDeque::new(),
            session: None,
            asked: false,
            readable: false,
        }
    }
}

impl Database for SimLink {
    fn is_idle(&self) -> bool {
        self.session.is_some() && !self.asked
    }

    fn submit(&mut self, query: &Query<'_>) {
        assert!(self.is_idle(), "asked out of turn");
        self.sessions.borrow_mut().ask(self.number, query);
        let statement = match query {
            Query::Read(agencies, _) => Statement::Read((*agencies).clone()),
            Query::Survey(first, last) => {
                let numbers = first.get()..=last.get();
                Statement::Read(numbers.filter_map(Agency::new).collect())
            }
            Query::Append(parts, rows, wait) => Statement::Append(with_rows(parts, rows), *wait),
            Query::DropClaims(agency) => Statement::DropClaims(*agency),
            Query::Look => Statement::Look,
            Query::Draw(winner) => Statement::Draw(*winner),
            Query::Winners(winner, slice) => Statement::Winners(*winner, (*slice).clone()),
        };
        self.asked = true;
        self.wire.borrow_mut().asked = self.session.map(|session| (session, statement));
    }

    fn poll(&mut self) -> Option<Answer> {
        let answer = self.answers.pop_front()?;
        self.sessions.borrow_mut().hear(self.number, &answer);
        Some(answer)
    }

    fn mark(&mut self, readable: bool, _writable: bool, _dead: bool) {
        self.readable |= readable;
    }

    fn advance(&mut self, _now: Instant) -> Result<(), Unusable> {
        if !std::mem::take(&mut self.readable) {
            return Ok(());
        }
        for (session, answer) in self.wire.borrow_mut().arrived.drain(..) {
            match &answer {
                Answer::Up(_) => self.session = Some(session),
                Answer::Down(_) => (self.session, self.asked) = (None, false),
                Answer::Done | Answer::Failed(_) => self.asked = false,
                _ => {}
            }
            self.answers.push_back(answer);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn give_up(&mut self, why: String) {
        (self.session, self.asked) = (None, false);
        let mut wire = self.wire.borrow_mut();
        wire.session = None;
        wire.flying.clear();
        wire.arrived.clear();
        wire.pause = 10;
        self.answers.push_back(Answer::Down(why));
    }

    fn close(&mut self) {
        self.wire.borrow_mut().closed = true;
    }
}
