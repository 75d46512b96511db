//! What happens to the simulated database from outside.

use frame::Agency;

use super::database::Database;
use crate::ledger::Ledger;

impl Database {
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

    /// Versions of an agency that changed nothing are taken out, as any central may do at any time.
    pub fn drop_claims(&mut self) {
        let agency = Agency::new(self.rng.u32(1..=self.agencies)).expect("a small number");
        self.primary().drop_claims(agency);
    }

    /// Nothing is replicated for a while.
    pub fn stall(&mut self) {
        self.stalled = self.rng.u32(5..80);
    }

    /// From now on the central of this life cannot reach the database; `None`: all can.
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
}
