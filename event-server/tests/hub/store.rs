//! A store in files that does as it is told, and keeps what it was asked.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use event_server::facts::{Account, Fact};
use event_server::limits::Limits;
use event_server::store::files::{FileDraft, FileStore, Folder, StoreError};
use event_server::store::{
    Event, Freshness, Knowledge, NoSpace, Others, Status, Store, Ticket, Wake, Wanted,
};
use frame::Agency;

use crate::central::Central;

/// What the store is told to do, and what it was asked.
#[derive(Default)]
pub struct Orders {
    /// Events are kept back.
    pub keeps: Cell<bool>,
    kept: RefCell<VecDeque<Event>>,
    /// What is told next.
    pub told: RefCell<VecDeque<Event>>,
    /// Every agency is being read.
    pub reads: Cell<bool>,
    /// What is known of an agency depends on this commit.
    pub claim: Cell<Option<Ticket>>,
    /// There is no room for anything.
    pub is_full: Cell<bool>,
    /// Other centrals store, too.
    pub shared: Cell<bool>,
    /// Why no bet can be stored.
    pub unavailable: RefCell<Option<String>>,
    /// What was asked about agencies.
    pub asked: RefCell<Vec<(Agency, Freshness)>>,
    /// How often room was asked for, and how often a commit.
    pub drafts: Cell<u32>,
    pub commits: Cell<u32>,
    /// For how many bytes room was asked last.
    pub bytes: Cell<usize>,
    /// What the last turn wanted.
    pub wanted: Cell<Wanted>,
    pub is_closed: Cell<bool>,
}

impl Orders {
    /// Tells the first event that was kept back, and returns it.
    pub fn release(&self) -> Event {
        let event = self.kept.borrow_mut().pop_front().unwrap();
        self.told.borrow_mut().push_back(event.clone());
        event
    }

    /// How many events are kept back.
    pub fn kept(&self) -> usize {
        self.kept.borrow().len()
    }

    /// What was asked about agencies since this was called last.
    pub fn take_asked(&self) -> Vec<(u32, Freshness)> {
        let asked = self.asked.take().into_iter();
        asked
            .map(|(agency, freshness)| (agency.get(), freshness))
            .collect()
    }
}

pub struct Ordered {
    store: FileStore<Folder>,
    orders: Rc<Orders>,
    /// How agencies stand with anyone, and whether they are still looked at; `None`: nobody has looked.
    pub others: Option<(BTreeMap<Agency, Account>, bool)>,
}

/// A central of `agencies` agencies over such a store. Where other centrals store, too, `others` is what is known of them.
pub fn central(
    agencies: u32,
    limits: Limits,
    others: Option<(BTreeMap<Agency, Account>, bool)>,
) -> (Central<Ordered>, Rc<Orders>) {
    let orders = Rc::<Orders>::default();
    let make = |store| Ordered {
        store,
        orders: Rc::clone(&orders),
        others,
    };
    let central = Central::of(agencies, None, limits, make);
    orders.commits.set(0);
    orders.drafts.set(0);
    (central, orders)
}

impl Store for Ordered {
    type Draft<'a> = FileDraft<'a>;
    type Error = StoreError;

    const MAX_AGENCY: u32 = FileStore::<Folder>::MAX_AGENCY;

    fn know(&mut self, agency: Agency, freshness: Freshness) -> Knowledge {
        self.orders.asked.borrow_mut().push((agency, freshness));
        match (self.orders.reads.get(), self.orders.claim.get()) {
            (true, _) => Knowledge::Reading,
            (false, Some(ticket)) => Knowledge::Known(ticket),
            (false, None) => self.store.know(agency, freshness),
        }
    }

    fn draft(&mut self, bytes: usize) -> Result<FileDraft<'_>, NoSpace> {
        self.orders.drafts.set(self.orders.drafts.get() + 1);
        self.orders.bytes.set(bytes);
        match self.orders.is_full.get() {
            true => Err(NoSpace::new("it is full".to_owned())),
            false => self.store.draft(bytes),
        }
    }

    fn is_full(&self, agency: Option<Agency>) -> bool {
        self.store.is_full(agency)
    }

    fn commit<I>(&mut self, facts: impl FnOnce() -> I) -> Result<(), StoreError>
    where
        I: Iterator<Item = Fact>,
    {
        self.orders.commits.set(self.orders.commits.get() + 1);
        self.store.commit(facts)
    }

    fn advance(&mut self, now: Instant, wanted: Wanted) -> Result<(), StoreError> {
        self.orders.wanted.set(wanted);
        // What is counted already and kept back is not counted again.
        let counts = self.orders.kept() == 0;
        let count = wanted.count.filter(|_| counts);
        self.store.advance(now, Wanted { count, ..wanted })
    }

    fn poll(&mut self) -> Option<Event> {
        if self.orders.keeps.get() {
            let events = std::iter::from_fn(|| self.store.poll());
            self.orders.kept.borrow_mut().extend(events);
        }
        let told = self.orders.told.borrow_mut().pop_front();
        told.or_else(|| self.store.poll())
    }

    fn wake(&self) -> Wake {
        self.store.wake()
    }

    fn mark(&mut self, _session: u8, _readable: bool, _writable: bool, _dead: bool) {}

    fn status(&self) -> Status<'_> {
        let others = match &self.others {
            _ if !self.orders.shared.get() => Others::None,
            None => Others::Unknown,
            Some((agencies, current)) => Others::Known {
                agencies,
                current: *current,
            },
        };
        Status {
            unavailable: self.orders.unavailable.borrow().clone(),
            others,
        }
    }

    fn close(self, facts: impl Iterator<Item = Fact>) -> Result<(), StoreError> {
        self.orders.is_closed.set(true);
        self.store.close(facts)
    }
}
