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

use event_server::store::postgres::{Answer, Failure, Slice};
use frame::Agency;

use super::link::{SessionId, SimLink, Statement, Wire};
use super::node::{End, Node, Outcome};
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

/// A query under way.
struct Exchange {
    session: SessionId,
    /// The life of the central that asks.
    life: usize,
    node: usize,
    stage: Stage,
    /// Its session is lost, and that was noticed.
    orphan: bool,
}

enum Stage {
    Travelling(u32, Statement),
    /// Done once so many transactions are replicated.
    Committing(usize),
}

/// How a database keeps its tables.
#[derive(Clone, Copy, PartialEq)]
enum Kept {
    /// In a file of blocks each.
    Blocks,
    /// In several files each.
    Partitions,
    /// In a way that has no blocks: what names them is not understood.
    Elsewhere,
}

pub struct Database {
    rng: fastrand::Rng,
    faults: Faults,
    agencies: u32,
    nodes: Vec<Node>,
    /// The node of each session that ever was.
    sessions: Vec<usize>,
    wires: Vec<Rc<RefCell<Wire>>>,
    exchanges: Vec<Exchange>,
    /// The longest that a message takes, in hops.
    pace: u32,
    /// One session in so many is lost at a hop; and when a query of it was carried out, one in a quarter of that.
    loss_rate: u32,
    /// One query in so many fails without a reason.
    failure_rate: u32,
    /// It tells who listens that an agency has finished, or that the draw is done.
    notifies: bool,
    /// Hops for which nobody can connect.
    away: u32,
    /// Hops for which nothing is replicated.
    stalled: u32,
    /// An agency whose rows somebody holds a lock on, and for how many hops.
    locked: Option<(Agency, u32)>,
    pub full: bool,
    /// How its tables are kept.
    kept: Kept,
    calm: bool,
    /// The life of a central that does not reach it any more.
    stranded: Option<usize>,
    /// The lives of the centrals that were told that all agencies have finished, or that the draw is done.
    ready_to_draw: BTreeSet<usize>,
    /// Which versions were the claim for an answered resume of a file.
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
            locked: None,
            full: false,
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

    /// The link of a central that starts, and the end of it that stays here.
    pub fn link(&mut self, life: usize) -> (SimLink, Rc<RefCell<Wire>>) {
        let wire = Rc::new(RefCell::new(Wire::new(life)));
        self.wires.push(Rc::clone(&wire));
        (SimLink::new(Rc::clone(&wire)), wire)
    }

    fn primary(&mut self) -> &mut Node {
        self.nodes.last_mut().expect("a primary")
    }

    /// Hops until a message arrives.
    fn delay(&mut self) -> u32 {
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
    fn lose(&mut self, wire: &mut Wire, ledger: &mut Ledger) {
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
            // So that time comes between two attempts of a central that is cut off for long.
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

    /// Moves a query; gives it back unless it is done.
    fn hop_exchange(&mut self, mut exchange: Exchange, ledger: &mut Ledger) -> Option<Exchange> {
        let wire = self.wire_of(exchange.session);
        match &mut exchange.stage {
            Stage::Travelling(hops, _) if wire.is_none() && !exchange.orphan => {
                exchange.orphan = true;
                *hops += self.rng.u32(..40);
                self.rng.bool().then_some(exchange)
            }
            Stage::Travelling(hops, _) if *hops > 0 => {
                *hops -= 1;
                Some(exchange)
            }
            Stage::Travelling(_, statement) => {
                let statement = std::mem::replace(statement, Statement::Look);
                // A pooler hands a commit to another session of the database, perhaps of a node that was the primary, or is now.
                let pooled = wire.is_some()
                    && !self.calm
                    && matches!(statement, Statement::Append(_))
                    && self.rng.u32(..self.loss_rate / 2) == 0;
                if pooled {
                    exchange.node = self.rng.usize(..self.nodes.len());
                }
                let (session, node) = (exchange.session, exchange.node);
                let outcome = self.carry_out(&exchange, &statement);
                ledger.note(format_args!(
                    "session {session}, node {node}: {statement}: {outcome:?}"
                ));
                // The first that it tells is whose session it was: the central takes nothing of what follows.
                if pooled && let Some(wire) = wire {
                    self.lose(&mut wire.borrow_mut(), ledger);
                    return None;
                }
                // What is read is told before the commit is done.
                self.tell(session, outcome.answers);
                if let Some(wire) = wire
                    && !self.calm
                    && self.rng.u32(..self.loss_rate / 4) == 0
                {
                    self.lose(&mut wire.borrow_mut(), ledger);
                }
                match outcome.end {
                    End::Failed(failure) => self.tell(session, vec![Answer::Failed(failure)]),
                    End::Done => self.tell(session, vec![Answer::Done]),
                    End::Committed(position) => {
                        exchange.stage = Stage::Committing(position);
                        return Some(exchange);
                    }
                }
                None
            }
            Stage::Committing(_) if wire.is_none() => None,
            Stage::Committing(position) => {
                let done = self.faults == Faults::AllWithoutReplication
                    || self.nodes[exchange.node].replicated >= *position;
                if done {
                    self.tell(exchange.session, vec![Answer::Done]);
                    return None;
                }
                Some(exchange)
            }
        }
    }

    fn wire_of(&self, session: SessionId) -> Option<Rc<RefCell<Wire>>> {
        let is = |wire: &&Rc<RefCell<Wire>>| wire.borrow().session == Some(session);
        self.wires.iter().find(is).cloned()
    }

    fn tell(&mut self, session: SessionId, answers: Vec<Answer>) {
        let Some(wire) = self.wire_of(session) else {
            return;
        };
        for answer in answers {
            let delay = self.delay();
            wire.borrow_mut().send(delay, session, answer);
        }
    }

    /// Carries out a query on the exchange's node, or fails without a reason.
    fn carry_out(&mut self, exchange: &Exchange, statement: &Statement) -> Outcome {
        if !self.calm && self.rng.u32(..self.failure_rate) == 0 {
            return Outcome::failed(match self.rng.u8(..8) {
                0 => Failure::Other("it does not like that".to_owned()),
                1..3 => Failure::NotNow("somebody holds a lock".to_owned()),
                _ => Failure::Conflict,
            });
        }
        let Exchange { node, life, .. } = *exchange;
        let drawable = self.ready_to_draw.contains(&life);
        assert!(
            drawable || !matches!(statement, Statement::Draw(_)),
            "a central draws that knows of agencies which have not finished"
        );
        if let (Some((locked, _)), Statement::Append(parts)) = (self.locked, statement)
            && parts.iter().any(|part| part.agency == locked)
        {
            return Outcome::failed(Failure::NotNow("somebody holds a lock".to_owned()));
        }
        let no_space =
            self.full && matches!(statement, Statement::Append(parts) if !parts.is_empty());
        if no_space {
            return Outcome::failed(Failure::NoSpace("it is full".to_owned()));
        }
        let in_blocks = matches!(statement, Statement::Winners(_, Slice::Blocks(_)));
        if in_blocks && self.kept == Kept::Elsewhere {
            return Outcome::failed(Failure::Unknown("there are no blocks".to_owned()));
        }
        let mut outcome = self.nodes[node].carry_out(statement, life, self.agencies);
        if self.kept == Kept::Partitions {
            for answer in &mut outcome.answers {
                if let Answer::Layout(layout) = answer {
                    layout.file = None;
                }
            }
        }
        if outcome.shows_all_finished() {
            self.ready_to_draw.insert(life);
        }
        if outcome.notifies {
            self.notify(node);
        }
        outcome
    }

    /// Tells the sessions with a node to look again; some do not hear it.
    fn notify(&mut self, node: usize) {
        let sessions = self.wires.iter().filter_map(|wire| wire.borrow().session);
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

    /// Another node becomes the primary, with what is replicated.
    pub fn fail_over(&mut self, ledger: &mut Ledger) {
        let (next, lost) = self.primary().fail_over();
        ledger.note(format_args!("failover, {lost} transactions are lost"));
        self.nodes.push(next);
        for wire in self.wires.clone() {
            if self.rng.bool() {
                self.lose(&mut wire.borrow_mut(), ledger);
            }
        }
    }

    /// Nobody can reach it for a while.
    pub fn go_away(&mut self, ledger: &mut Ledger) {
        self.away = self.rng.u32(5..150);
        for wire in self.wires.clone() {
            self.lose(&mut wire.borrow_mut(), ledger);
        }
    }

    /// The rows of the bets move to other blocks.
    pub fn rewrite(&mut self) {
        self.primary().rewrite();
    }

    /// Nothing is replicated for a while.
    pub fn stall(&mut self) {
        self.stalled = self.rng.u32(5..80);
    }

    /// From now on the central of this life does not reach it; `None`: all do.
    pub fn strand(&mut self, life: Option<usize>) {
        self.stranded = life;
    }

    /// Somebody holds a lock on an agency's rows for a while.
    pub fn lock(&mut self) {
        let agency = Agency::new(self.rng.u32(1..=self.agencies)).expect("a small number");
        self.locked = Some((agency, self.rng.u32(5..150)));
    }

    /// From now on nothing happens to it.
    pub fn calm_down(&mut self) {
        self.locked = None;
        (self.away, self.stalled) = (0, 0);
        (self.full, self.calm) = (false, true);
        self.pace = self.pace.min(2);
    }

    /// Whether no query is under way.
    pub fn is_quiet(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// A client was told something: that has to be replicated.
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

    /// Holds what is stored against the ledger.
    pub fn audit(&self, ledger: &mut Ledger) {
        let tables = &self.nodes.last().expect("a primary").tables;
        let (facts, drawn_by) = tables.facts();
        let bets = tables.text();
        ledger.note(format_args!("{facts:?}\n{bets}"));
        let drawer = drawn_by.map(|life| ledger.lives[life]);
        ledger.audit(&facts, Some(&bets), drawer);
    }
}
