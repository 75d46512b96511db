//! What the store says, handed on to the connections that wait for it.

use std::collections::BTreeMap;
use std::time::Instant;

use frame::Agency;

use super::Hub;
use super::away::Away;
use crate::connection::Connection;
use crate::report;
use crate::store::{Declined, Event, Store, Ticket};
use crate::stream::Stream;

impl<S: Stream, D: Store> Hub<S, D> {
    /// Lets the connections go on with what happened in the store.
    pub(super) fn hear_store(&mut self, now: Instant) {
        self.take_events(now);
        self.let_go(now);
        if self.service.winners_known() {
            for slot in self.connections.held_until(u64::MAX) {
                self.enqueue(slot);
            }
        }
    }

    pub(super) fn take_events(&mut self, now: Instant) {
        // Where a session is lost, very many are forgotten at once: one look at the connections is enough for all of them.
        let mut forgotten = BTreeMap::new();
        while let Some(event) = self.service.poll_store() {
            if !matches!(
                event,
                Event::Forgotten(_) | Event::Dropped(_) | Event::Declined(..)
            ) {
                self.forget(&mut forgotten);
            }
            match event {
                Event::Read { agency, .. } => self.read(agency),
                Event::Committed(ticket) => self.committed(ticket),
                Event::Forgotten(agency) | Event::Dropped(agency) => {
                    forgotten.insert(agency, None);
                }
                Event::Declined(agency, why) => _ = forgotten.insert(agency, Some(why)),
                Event::Up(what) => {
                    self.away = None;
                    report::store_up(&what);
                }
                Event::Down(why) => {
                    self.away
                        .get_or_insert(Away::new(now, self.service.queries_held()));
                    report::store_down(&why);
                }
                Event::Warning(what) => report::store_warning(&what),
                // The service keeps these to itself.
                Event::Stored(_) | Event::Counting | Event::Counted(_) => {}
            }
        }
        self.forget(&mut forgotten);
    }

    /// When [`let_go`](Self::let_go) is due.
    pub(super) fn let_go_at(&self) -> Option<Instant> {
        let away = self.away.filter(|_| self.connections.held() > 0)?;
        Some(away.due())
    }

    /// Where the store is away for long, lets the queries go that are held for as long: their clients ask another server.
    /// One that was held since waits for the next time.
    fn let_go(&mut self, now: Instant) {
        if self.let_go_at().is_none_or(|due| now < due) {
            return;
        }
        let next = Away::new(now, self.service.queries_held());
        let Some(before) = self.away.replace(next) else {
            return;
        };
        for slot in self.connections.held_until(before.queries()) {
            self.connections.change(slot, Connection::let_go);
            self.attend(slot);
        }
    }

    fn read(&mut self, agency: Agency) {
        for slot in self.connections.reading(agency) {
            self.connections
                .change(slot, |connection| connection.read(agency));
            self.enqueue(slot);
        }
    }

    fn committed(&mut self, done: Ticket) {
        while let Some(slot) = self.connections.next_committed(done) {
            self.connections
                .change(slot, |connection| connection.committed(done));
            self.bound_held(slot);
            self.attend(slot);
        }
    }

    /// Drops the connections that speak for these agencies, with a reply where there is a reason for it; afterwards there
    /// are no agencies left.
    fn forget(&mut self, agencies: &mut BTreeMap<Agency, Option<Declined>>) {
        let agencies = std::mem::take(agencies);
        if agencies.is_empty() {
            return;
        }
        for slot in 0..self.connections.slots() {
            let forgotten = self
                .connections
                .change(slot, |connection| connection.forget(&agencies));
            if forgotten == Some(true) {
                self.attend(slot);
            }
        }
    }
}
