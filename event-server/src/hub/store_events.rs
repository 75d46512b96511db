//! What the store says, passed on to the connections that wait for it.

use std::collections::BTreeMap;
use std::time::Instant;

use frame::Agency;

use super::{Away, Hub};
use crate::connection::Connection;
use crate::net::Stream;
use crate::report;
use crate::store::{Declined, Event, Store, Ticket};

impl<S: Stream, R: Store> Hub<S, R> {
    /// Takes all events of the store. Connections that waited for one of them or for the winners go on; queries that
    /// the store has kept waiting for too long are let go.
    pub(super) fn hear_store(&mut self, now: Instant) {
        self.take_events(now);
        self.let_go(now);
        if self.service.winners_known() {
            for slot in self.connections.held_until(u64::MAX) {
                self.enqueue(slot);
            }
        }
    }

    /// Takes all events of the store, and lets the connections go on that waited for them.
    pub(super) fn take_events(&mut self, now: Instant) {
        // A lost session forgets many agencies at once: they are collected, so that one pass over the connections is enough.
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
                // The service handles these itself.
                Event::Stored(_) | Event::Counting | Event::Counted(_) => {}
            }
        }
        self.forget(&mut forgotten);
    }

    /// Returns when [`let_go`](Self::let_go) is due.
    pub(super) fn let_go_at(&self) -> Option<Instant> {
        let away = self.away.filter(|_| self.connections.held() > 0)?;
        Some(away.due())
    }

    /// Lets go of the queries that have been held all the time that the store was away, once that is too long: their clients
    /// ask another server. Queries that came later are given the same time, from now on.
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

    /// Ends the connections that speak for these agencies, with a last reply if there is a reason, and empties the map.
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
