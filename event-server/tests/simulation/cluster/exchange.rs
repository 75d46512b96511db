//! A query under way in the simulated database: it travels, waits for a lock, is carried out, and is committed.

use event_server::store::postgres::{Answer, Failure, LockWait, Slice};

use super::database::{Database, Faults, Kept};
use super::link::{SessionId, Statement};
use super::node::{End, Outcome};
use crate::ledger::Ledger;

/// A query under way.
pub struct Exchange {
    pub session: SessionId,
    /// The life of the central that asks.
    pub life: usize,
    pub node: usize,
    pub stage: Stage,
    /// Its session is lost, and that was noticed.
    pub orphan: bool,
}

pub enum Stage {
    Travelling(u32, Statement),
    /// It has looked for the version before, and will append after this number of hops; whether that version was there.
    Appending(u32, Statement, bool),
    /// It waits for a lock, for this number of hops at most.
    Waiting(u32, Statement),
    /// Done once this number of transactions is replicated.
    Committing(usize),
}

impl Database {
    /// Moves a query; gives it back unless it is done.
    pub(super) fn hop_exchange(
        &mut self,
        mut exchange: Exchange,
        ledger: &mut Ledger,
    ) -> Option<Exchange> {
        let wire = self.wire_of(exchange.session);
        match &mut exchange.stage {
            Stage::Travelling(hops, _) | Stage::Waiting(hops, _)
                if wire.is_none() && !exchange.orphan =>
            {
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
                    && matches!(statement, Statement::Append(..))
                    && self.rng.u32(..self.loss_rate / 2) == 0;
                if pooled {
                    exchange.node = self.rng.usize(..self.nodes.len());
                    return self.serve(exchange, statement, None, true, ledger);
                }
                if let Some(wire) = &wire
                    && self.takes_too_long(&exchange, &statement)
                {
                    self.lose(&mut wire.borrow_mut(), ledger);
                    return None;
                }
                if let Some(hops) = self.lock_wait(&exchange, &statement) {
                    exchange.stage = Stage::Waiting(hops, statement);
                    return Some(exchange);
                }
                let node = &mut self.nodes[exchange.node];
                if let Statement::Append(parts, _) = &statement
                    && !parts.is_empty()
                    && !self.calm
                    && self.rng.u8(..6) == 0
                {
                    node.appending += 1;
                    let founded = node.tables.are_founded(parts);
                    exchange.stage =
                        Stage::Appending(self.rng.u32(1..self.longest_append), statement, founded);
                    return Some(exchange);
                }
                self.serve(exchange, statement, None, false, ledger)
            }
            Stage::Waiting(hops, statement) => {
                let statement = std::mem::replace(statement, Statement::Look);
                if *hops == 0 {
                    if let Statement::Append(parts, LockWait::Short) = &statement
                        && let [part] = &parts[..]
                    {
                        self.blocked.insert((exchange.session, part.agency));
                    }
                    let failure = Failure::NotNow("somebody holds a lock".to_owned());
                    self.tell(exchange.session, vec![Answer::Failed(failure)]);
                    return None;
                }
                let left = *hops - 1;
                exchange.stage = match self.lock_wait(&exchange, &statement) {
                    Some(_) => Stage::Waiting(left, statement),
                    None => Stage::Travelling(0, statement),
                };
                Some(exchange)
            }
            Stage::Appending(hops, ..) if *hops > 0 => {
                *hops -= 1;
                Some(exchange)
            }
            Stage::Appending(_, statement, founded) => {
                let (statement, founded) =
                    (std::mem::replace(statement, Statement::Look), *founded);
                self.nodes[exchange.node].appending -= 1;
                // The server may have ended what nobody waits for.
                if wire.is_none() && self.rng.bool() {
                    return None;
                }
                self.serve(exchange, statement, Some(founded), false, ledger)
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

    /// Carries out a query that has arrived; gives it back where its commit takes longer.
    fn serve(
        &mut self,
        mut exchange: Exchange,
        statement: Statement,
        founded: Option<bool>,
        pooled: bool,
        ledger: &mut Ledger,
    ) -> Option<Exchange> {
        let (session, node) = (exchange.session, exchange.node);
        let wire = self.wire_of(session);
        let outcome = self.carry_out(&exchange, &statement, founded);
        ledger.note(format_args!(
            "session {session}, node {node}: {statement}: {outcome:?}"
        ));
        // The first answer tells whose session it was: the central takes nothing of what follows.
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
                if let Statement::Append(parts, _) = &statement {
                    let stored = parts.iter().map(|part| (session, part.agency));
                    stored.for_each(|stored| _ = self.blocked.remove(&stored));
                    if self.drops_at_once {
                        let node = &mut self.nodes[node];
                        parts
                            .iter()
                            .for_each(|part| _ = node.drop_claims(part.agency));
                    }
                }
                exchange.stage = Stage::Committing(position);
                return Some(exchange);
            }
        }
        None
    }

    /// Whether it reads so much of the table of bets that its central gives the session up before it is done.
    fn takes_too_long(&self, exchange: &Exchange, statement: &Statement) -> bool {
        let Statement::Winners(_, Slice::Blocks(slice)) = statement else {
            return false;
        };
        let there = self.nodes[exchange.node].tables.blocks();
        slice.end.min(there).saturating_sub(slice.start) > self.longest_slice
    }

    /// How many hops a query waits for the lock that somebody holds; `None` where it needs no such lock.
    ///
    /// # Panics
    /// It would wait long where its central has waited in vain before: all others of the central wait behind it.
    fn lock_wait(&self, exchange: &Exchange, statement: &Statement) -> Option<u32> {
        let (locked, _) = self.locked?;
        let Statement::Append(parts, wait) = statement else {
            return None;
        };
        if !parts.iter().any(|part| part.agency == locked) {
            return None;
        }
        let before = self.blocked.contains(&(exchange.session, locked));
        assert!(
            !before || *wait == LockWait::Short,
            "agency {locked} makes everybody wait long again"
        );
        Some(match wait {
            LockWait::Usual => 16,
            LockWait::Short => 2,
        })
    }

    /// Carries out a query on the exchange's node, or fails without a reason.
    fn carry_out(
        &mut self,
        exchange: &Exchange,
        statement: &Statement,
        founded: Option<bool>,
    ) -> Outcome {
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
        let no_space =
            self.full && matches!(statement, Statement::Append(parts, _) if !parts.is_empty());
        if no_space {
            return Outcome::failed(Failure::NoSpace("it is full".to_owned()));
        }
        let in_blocks = matches!(statement, Statement::Winners(_, Slice::Blocks(_)));
        if in_blocks && self.kept == Kept::Elsewhere {
            return Outcome::failed(Failure::Unknown("there are no blocks".to_owned()));
        }
        let mut outcome = self.nodes[node].carry_out(statement, life, self.agencies, founded);
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
}
