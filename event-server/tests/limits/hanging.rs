//! A store that takes no more of one agency until a commit of its own is done, and others that are served meanwhile.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use event_server::facts::Fact;
use event_server::limits::Limits;
use event_server::store::files::{FileDraft, FileStore, Folder, StoreError};
use event_server::store::{Event, Freshness, Knowledge, NoSpace, Status, Store, Wake, Wanted};
use frame::Agency;

use crate::central::Central;
use crate::common::{encode, finished};

/// The agency of which nothing more is taken.
type Hung = Rc<Cell<Option<Agency>>>;

/// As a store of several sessions, of which one hangs with a full group.
struct Hanging {
    store: FileStore<Folder>,
    hung: Hung,
}

impl Store for Hanging {
    type Draft<'a> = FileDraft<'a>;
    type Error = StoreError;

    const MAX_AGENCY: u32 = FileStore::<Folder>::MAX_AGENCY;

    fn know(&mut self, agency: Agency, freshness: Freshness) -> Knowledge {
        self.store.know(agency, freshness)
    }

    fn draft(&mut self, bytes: usize) -> Result<FileDraft<'_>, NoSpace> {
        self.store.draft(bytes)
    }

    fn is_full(&self, agency: Option<Agency>) -> bool {
        agency.is_some() && agency == self.hung.get()
    }

    fn commit<I>(&mut self, facts: impl FnOnce() -> I) -> Result<(), StoreError>
    where
        I: Iterator<Item = Fact>,
    {
        self.store.commit(facts)
    }

    fn advance(&mut self, now: Instant, wanted: Wanted) -> Result<(), StoreError> {
        self.store.advance(now, wanted)
    }

    fn poll(&mut self) -> Option<Event> {
        self.store.poll()
    }

    fn wake(&self) -> Wake {
        self.store.wake()
    }

    fn mark(&mut self, _session: u8, _readable: bool, _writable: bool, _dead: bool) {}

    fn status(&self) -> Status<'_> {
        self.store.status()
    }

    fn close(self, facts: impl Iterator<Item = Fact>) -> Result<(), StoreError> {
        self.store.close(facts)
    }
}

#[test]
fn a_session_that_hangs_keeps_its_own_agencies_waiting_and_nobody_else_and_the_loop_rests() {
    let hung = Hung::default();
    let mut central = Central::over(None, Limits::default(), |store| Hanging {
        store,
        hung: Rc::clone(&hung),
    });
    let ask = |agency| encode(&finished(agency)).0;
    let [waits, goes_on] = [1, 2].map(|agency| central.client(&ask(agency)));
    central.settle();
    hung.set(Agency::new(1));

    central.send(&waits, &ask(1));
    central.send(&goes_on, &ask(2));
    let fresh = central.client(&ask(2));
    let echo = central.client(b"anybody there?\n");
    // Some of them are asked once more whether there is more to read.
    (0..4).for_each(|_| central.tick());
    assert_eq!(waits.replies(), 1);
    assert_eq!((goes_on.replies(), fresh.replies()), (2, 1));
    assert_eq!(echo.received(), b"anybody there?\n");
    assert!(!central.hub.has_work(), "an event of its session wakes it");

    hung.set(None);
    assert!(central.hub.has_work());
    central.settle();
    assert_eq!(waits.replies(), 2);
}
