//! What the store says, handed on to the connections that wait for it.

use std::collections::BTreeMap;
use std::time::Instant;

use frame::Agency;

use super::Hub;
use super::away::Away;
use crate::report;
use crate::store::{Declined, Event, Store, Ticket};
use crate::stream::Stream;

impl<S: Stream, D: Store> Hub<S, D> {
    /// Lets a remote store move, and its connections go on with what it says.
    pub(super) fn hear_store(&mut self, now: Instant) -> Result<(), D::Error> {
        self.service.watch_draw(!self.held.is_empty());
        self.service.advance_store(now)?;
        self.take_events(now);
        self.let_go(now);
        Ok(())
    }

    /// Hands on what happened in the store.
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
                    self.away.get_or_insert(Away::new(now, self.holds));
                    report::store_down(&why);
                }
                Event::Warning(what) => report::store_warning(&what),
                // It was counted.
                Event::Stored(_) => {}
            }
        }
        self.forget(&mut forgotten);
    }

    /// When [`let_go`](Self::let_go) is due.
    pub(super) fn let_go_at(&self) -> Option<Instant> {
        let away = self.away.filter(|_| !self.held.is_empty())?;
        Some(away.due())
    }

    /// Where the store is away for long, lets the queries go that are held for as long: their clients ask another server.
    /// One that was held since waits for the next time.
    fn let_go(&mut self, now: Instant) {
        if self.let_go_at().is_none_or(|due| now < due) {
            return;
        }
        let Some(before) = self.away.replace(Away::new(now, self.holds)) else {
            return;
        };
        let mut waited = Vec::new();
        self.held.retain(|(_, hold, slot)| {
            let waits_on = !before.has_waited(*hold);
            waited.extend((!waits_on).then_some(*slot));
            waits_on
        });
        for slot in waited {
            if let Some(entry) = self.connections.get_mut(slot) {
                entry.connection.let_go();
                self.enqueue(slot);
            }
        }
    }

    pub(super) fn await_read(&mut self, agency: Agency, slot: usize) {
        if let Some(entry) = self.connections.get_mut(slot) {
            entry.reading = Some(agency);
            self.reading.insert((agency, slot));
        }
    }

    fn read(&mut self, agency: Agency) {
        let waiting = self.reading.range((agency, 0)..=(agency, usize::MAX));
        for (_, slot) in waiting.copied().collect::<Vec<_>>() {
            self.reading.remove(&(agency, slot));
            if let Some(entry) = self.connections.get_mut(slot) {
                entry.reading = None;
                entry.connection.read(agency);
                self.enqueue(slot);
            }
        }
    }

    fn committed(&mut self, done: Ticket) {
        while let Some(&(ticket, slot)) = self.committing.first()
            && ticket <= done
        {
            self.committing.pop_first();
            if let Some(entry) = self.connections.get_mut(slot) {
                entry.connection.committed(done);
                self.enqueue(slot);
            }
        }
    }

    /// Drops the connections that speak for these agencies, with a reply where there is a reason for it; afterwards there
    /// are no agencies left.
    fn forget(&mut self, agencies: &mut BTreeMap<Agency, Option<Declined>>) {
        let agencies = std::mem::take(agencies);
        if agencies.is_empty() {
            return;
        }
        for slot in 0..self.connections.capacity() {
            if let Some(entry) = self.connections.get_mut(slot)
                && entry.connection.forget(&agencies)
            {
                self.enqueue(slot);
            }
        }
    }
}
