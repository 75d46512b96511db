//! The simulated database: a primary, those that were primary before, and the sessions and queries of all centrals.
//!
//! ```text
//! asked --> Travelling --> carried out on the session's node --> Committing --> the answer travels back
//!               |          visible to all at once               until it is replicated
//!               '--- the session is lost: perhaps carried out all the same, later
//! ```
//!
//! Each node holds a log of transactions, and the first of them are replicated. A new primary has those alone. The old
//! one may go on for a while, cut off: it takes sessions, shows its rows and carries out what it is asked, and no commit of it
//! is acknowledged any more, unless nobody waits for replication.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use event_server::store::postgres::Answer;
use frame::Agency;

use super::exchange::{Exchange, Stage};
use super::link::{SessionId, SimLink, Wire};
use super::node::Node;
use super::sessions::Sessions;
use crate::ledger::{Ledger, Promise};

/// What may go wrong in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// The database is slow, is not there at the start, and stalls. There is one central alone.
    Slowness,
    /// Everything; a commit is acknowledged when it is replicated: no failover loses it.
    All,
    /// Everything; a commit is acknowledged at once: a failover may lose it.
    AllWithoutReplication,
}

/// How a database keeps its tables.
#[derive(Clone, Copy, PartialEq)]
pub enum Kept {
    /// In a file of blocks each.
    Blocks,
    /// In several files each.
    Partitions,
    /// In a way that has no blocks: what names them is not understood.
    Elsewhere,
}

pub struct Database {
    pub(super) rng: fastrand::Rng,
    pub(super) faults: Faults,
    pub(super) agencies: u32,
    pub(super) nodes: Vec<Node>,
    /// The node of each session that ever was.
    pub(super) sessions: Vec<usize>,
    pub(super) wires: Vec<Rc<RefCell<Wire>>>,
    exchanges: Vec<Exchange>,
    /// The longest that a message takes, in hops.
    pub(super) pace: u32,
    /// At each hop one session in this number is lost, and after a query four times as often.
    pub(super) loss_rate: u32,
    /// One query in this number fails without a reason.
    pub(super) failure_rate: u32,
    /// It notifies those who listen that an agency has finished, or that the draw is done.
    notifies: bool,
    /// Hops for which nobody can connect.
    pub(super) away: u32,
    /// Hops for which nothing is replicated.
    pub(super) stalled: u32,
    /// The longest that a transaction takes from looking at the version before to appending, in hops.
    pub(super) longest_append: u32,
    /// Claims are taken out as soon as there are any.
    pub(super) drops_at_once: bool,
    /// An agency whose rows somebody holds a lock on, and for how many hops.
    pub(super) locked: Option<(Agency, u32)>,
    /// Sessions, each with an agency for which alone it waited in vain, and of which it has stored nothing since.
    pub(super) blocked: BTreeSet<(SessionId, Agency)>,
    pub full: bool,
    /// A slice of more blocks than this takes so long that the session counts as lost meanwhile.
    pub(super) longest_slice: u32,
    /// How its tables are kept.
    pub(super) kept: Kept,
    pub(super) calm: bool,
    /// The life of a central that cannot reach the database any more.
    pub(super) stranded: Option<usize>,
    /// The lives of the centrals that were told that all agencies have finished, or that the draw is done.
    pub(super) ready_to_draw: BTreeSet<usize>,
    /// The versions that were the claims for answered resumes, by file.
    claims: BTreeMap<usize, Vec<i64>>,
}

impl Database {
    /// A database without rows, for the lottery of agencies 1 to `agencies`.
    pub fn new(faults: Faults, agencies: u32, mut rng: fastrand::Rng) -> Self {
        Self {
            faults,
            agencies,
            nodes: vec![Node::default()],
            sessions: Vec::new(),
            wires: Vec::new(),
            exchanges: Vec::new(),
            pace: [0, 3, 12][rng.usize(..3)],
            loss_rate: match faults {
                Faults::Slowness => u32::MAX,
                _ => [40, 200, 2_000][rng.usize(..3)],
            },
            failure_rate: match faults {
                Faults::Slowness => u32::MAX,
                _ => [5, 30, 200][rng.usize(..3)],
            },
            notifies: rng.u8(..4) > 0,
            away: if rng.u8(..4) == 0 { rng.u32(..100) } else { 0 },
            stalled: 0,
            longest_append: [20, 200][rng.usize(..2)],
            drops_at_once: rng.bool(),
            locked: None,
            blocked: BTreeSet::new(),
            full: false,
            longest_slice: match faults {
                Faults::Slowness => u32::MAX,
                _ => [2, 8, u32::MAX][(rng.clone().u64(..) % 3) as usize],
            },
            kept: [
                Kept::Blocks,
                Kept::Blocks,
                Kept::Partitions,
                Kept::Elsewhere,
            ][rng.usize(..4)],
            calm: false,
            stranded: None,
            ready_to_draw: BTreeSet::new(),
            claims: BTreeMap::new(),
            rng,
        }
    }

    /// A link of a central that starts, and the end of it that stays here.
    pub fn link(
        &mut self,
        life: usize,
        number: u8,
        sessions: &Rc<RefCell<Sessions>>,
    ) -> (SimLink, Rc<RefCell<Wire>>) {
        let wire = Rc::new(RefCell::new(Wire::new(life, number)));
        self.wires.push(Rc::clone(&wire));
        (SimLink::new(Rc::clone(&wire), Rc::clone(sessions)), wire)
    }

    pub(super) fn primary(&mut self) -> &mut Node {
        self.nodes.last_mut().expect("a primary")
    }

    /// Hops until a message arrives.
    pub(super) fn delay(&mut self) -> u32 {
        self.rng.u32(..=self.pace)
    }

    /// Time passes.
    pub fn hop(&mut self, ledger: &mut Ledger) {
        self.wires.retain(|wire| !wire.borrow().closed);
        for wire in self.wires.clone() {
            self.hop_wire(&mut wire.borrow_mut(), ledger);
        }
        let mut exchanges = std::mem::take(&mut self.exchanges);
        self.rng.shuffle(&mut exchanges);
        for exchange in exchanges {
            let left = self.hop_exchange(exchange, ledger);
            self.exchanges.extend(left);
        }
        self.replicate();
        self.away = self.away.saturating_sub(1);
        self.locked = self
            .locked
            .and_then(|(agency, hops)| Some((agency, hops.checked_sub(1)?)));
    }

    fn hop_wire(&mut self, wire: &mut Wire, ledger: &mut Ledger) {
        if let Some((session, statement)) = wire.asked.take() {
            let stage = Stage::Travelling(self.delay(), statement);
            self.exchanges.push(Exchange {
                session,
                life: wire.life,
                node: self.sessions[session],
                stage,
                orphan: false,
            });
        }
        match wire.session {
            Some(session) => {
                let node = &self.nodes[self.sessions[session]];
                // Where no commit is acknowledged any more, the central gives the session up in the end.
                let one_in = if node.cut_off { 20 } else { self.loss_rate };
                let lost = !self.calm && self.rng.u32(..one_in) == 0;
                let stranded = self.stranded == Some(wire.life);
                if lost || self.calm && node.cut_off || stranded {
                    self.lose(wire, ledger);
                }
            }
            None if wire.pause > 0 => wire.pause -= 1,
            None => self.connect(wire, ledger),
        }
        wire.hop();
    }

    /// A session is lost; what it has answered is, too, or arrives before.
    pub(super) fn lose(&mut self, wire: &mut Wire, ledger: &mut Ledger) {
        let Some(session) = wire.session.take() else {
            return;
        };
        ledger.note(format_args!("session {session} lost"));
        if self.rng.bool() {
            wire.lose_answers();
        }
        wire.send(self.delay(), session, Answer::Down("it is lost".to_owned()));
        wire.pause = self.rng.u32(1..30);
    }

    fn connect(&mut self, wire: &mut Wire, ledger: &mut Ledger) {
        let session = self.sessions.len();
        if self.away > 0 || self.stranded == Some(wire.life) {
            wire.send(self.delay(), session, Answer::Down("it is away".to_owned()));
            // A central that is cut off for long tries less often.
            let longest = if self.away > 0 { 30 } else { 120 };
            wire.pause = self.rng.u32(3..longest);
            return;
        }
        let old = (!self.calm && self.rng.u8(..3) == 0).then(|| self.nodes.len().checked_sub(2));
        let node = old.flatten().unwrap_or(self.nodes.len() - 1);
        ledger.note(format_args!(
            "session {session} of life {} with node {node}",
            wire.life
        ));
        self.sessions.push(node);
        wire.session = Some(session);
        wire.send(self.delay(), session, Answer::Up(Vec::new()));
    }

    pub(super) fn wire_of(&self, session: SessionId) -> Option<Rc<RefCell<Wire>>> {
        let is = |wire: &&Rc<RefCell<Wire>>| wire.borrow().session == Some(session);
        self.wires.iter().find(is).cloned()
    }

    pub(super) fn tell(&mut self, session: SessionId, answers: Vec<Answer>) {
        let Some(wire) = self.wire_of(session) else {
            return;
        };
        for answer in answers {
            let delay = self.delay();
            wire.borrow_mut().send(delay, session, answer);
        }
    }

    /// Tells the sessions with a node to look again; some do not hear it.
    pub(super) fn notify(&mut self, node: usize) {
        let listening = self.wires.iter().filter(|wire| wire.borrow().number == 0);
        let sessions = listening.filter_map(|wire| wire.borrow().session);
        for session in sessions.collect::<Vec<_>>() {
            if self.notifies && self.sessions[session] == node && self.rng.u8(..4) > 0 {
                self.tell(session, vec![Answer::Notified]);
            }
        }
    }

    fn replicate(&mut self) {
        if self.stalled > 0 {
            self.stalled -= 1;
            return;
        }
        let some = match self.calm {
            true => usize::MAX,
            false => self.rng.usize(..4),
        };
        self.primary().replicate(some);
    }

    /// Whether no query is under way.
    pub fn is_quiet(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// Asserts that what a client was told is replicated.
    pub fn assert_kept(&mut self, promise: &Promise, ledger: &Ledger) {
        let Node {
            tables, replicated, ..
        } = self.nodes.last().expect("a primary");
        let agency = |agency| Agency::new(agency).expect("a small number");
        let kept = match promise {
            Promise::Stored(row) => tables.stored_at(row),
            Promise::Finished(number) => tables.finished_at(agency(*number)),
            Promise::Drawn => tables.drawn_at(),
            // A claim answers one resume of a file, and others that were waiting for their answers then.
            Promise::Resumed {
                life,
                file,
                stored,
                asked,
            } => {
                let agency = agency(ledger.files[*file].agency);
                let told = self.claims.entry(*file).or_default();
                let before = &told[..(*asked).min(told.len())];
                let claims = tables.claims(*life, agency, *stored).into_iter();
                let claim = claims
                    .filter(|(version, _)| !before.contains(version))
                    .min();
                told.extend(claim.map(|(version, _)| version));
                claim.map(|(_, position)| position)
            }
        };
        assert!(
            kept.is_some_and(|position| position <= *replicated),
            "{promise:?} was told, and is not replicated"
        );
    }

    /// Compares what is stored with the ledger.
    pub fn audit(&mut self, ledger: &mut Ledger) {
        for agency in (1..=self.agencies).filter_map(Agency::new) {
            let primary = self.primary();
            assert!(primary.drop_claims(agency), "nobody appends any more");
            let (there, changes) = primary.tables.versions(agency);
            assert!(
                there <= 3 * (changes + 1),
                "agency {agency} has {there} versions, {changes} changed something"
            );
        }
        let tables = &self.nodes.last().expect("a primary").tables;
        let (facts, drawn_by) = tables.facts();
        let bets = tables.text();
        ledger.note(format_args!("{facts:?}\n{bets}"));
        let drawer = drawn_by.map(|life| ledger.lives[life]);
        ledger.audit(&facts, Some(&bets), drawer);
    }
}
