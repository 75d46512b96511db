//! A store that takes no more of one agency until a commit of its session is done, or that takes long to read one,
//! while others are served; and a store whose commits take long, while its agencies go on.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use event_server::facts::Fact;
use event_server::limits::Limits;
use event_server::store::files::{FileDraft, FileStore, Folder, StoreError};
use event_server::store::{
    Declined, Event, Freshness, Knowledge, NoSpace, Status, Store, Wake, Wanted,
};
use frame::Agency;

use crate::central::{Central, Client};
use crate::common::{agency, batch, bet, encode, finished, raw, resume};

/// The agency that is not served.
type Hung = Rc<Cell<Option<Agency>>>;

/// Commits that are done, and of which nobody is told yet.
#[derive(Default)]
struct Withheld {
    /// Whether commits are withheld now.
    is_on: Cell<bool>,
    commits: RefCell<VecDeque<Event>>,
    /// What is told next.
    told: RefCell<VecDeque<Event>>,
}

impl Withheld {
    fn len(&self) -> usize {
        self.commits.borrow().len()
    }

    /// The first of them is told.
    fn release(&self) {
        let first = self.commits.borrow_mut().pop_front();
        self.told.borrow_mut().extend(first);
    }
}

/// A store that behaves like one of several sessions, of which one hangs with a full group; or whose commits take long.
struct Hanging {
    store: FileStore<Folder>,
    /// Nothing more is taken of this agency.
    hung: Hung,
    /// This agency is being read.
    read: Hung,
    withheld: Rc<Withheld>,
}

impl Store for Hanging {
    type Draft<'a> = FileDraft<'a>;
    type Error = StoreError;

    const MAX_AGENCY: u32 = FileStore::<Folder>::MAX_AGENCY;

    fn know(&mut self, agency: Agency, freshness: Freshness) -> Knowledge {
        if self.read.get() == Some(agency) {
            return Knowledge::Reading;
        }
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
        if let Some(event) = self.withheld.told.borrow_mut().pop_front() {
            return Some(event);
        }
        match self.store.poll()? {
            event @ Event::Committed(_) if self.withheld.is_on.get() => {
                self.withheld.commits.borrow_mut().push_back(event);
                self.poll()
            }
            event => Some(event),
        }
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
        read: Hung::default(),
        withheld: Rc::default(),
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

/// A central whose commits take long, and a client of agency 1 that carries an upload.
fn slow(limits: Limits) -> (Central<Hanging>, Client, Rc<Withheld>) {
    let withheld = Rc::<Withheld>::default();
    let mut central = Central::over(None, limits, |store| Hanging {
        store,
        hung: Hung::default(),
        read: Hung::default(),
        withheld: Rc::clone(&withheld),
    });
    let client = central.client(&encode(&resume(1, 7)).0);
    central.settle();
    assert_eq!(client.replies(), 1);
    withheld.is_on.set(true);
    (central, client, withheld)
}

fn bets(document: &str) -> Vec<u8> {
    encode(&batch(&bet(1, document, false))).0
}

#[test]
fn what_comes_while_a_commit_is_under_way_is_served_and_each_reply_waits_for_its_own_commit() {
    let (mut central, client, withheld) = slow(Limits::default());
    for (document, commits) in [("1", 1), ("2", 2)] {
        central.send(&client, &bets(document));
        central.settle();
        assert_eq!((withheld.len(), client.replies()), (commits, 1));
    }
    withheld.release();
    central.settle();
    assert_eq!(client.replies(), 2, "the second commit is under way");

    central.send(&client, &bets("3"));
    withheld.release();
    central.settle();
    assert_eq!((withheld.len(), client.replies()), (1, 3));
    withheld.release();
    central.settle();
    assert_eq!(client.replies(), 4);
}

#[test]
fn a_peer_that_does_not_take_its_replies_is_served_no_further_than_the_next_commit() {
    let (mut central, client, withheld) = slow(Limits::default());
    for document in ["1", "2"] {
        central.send(&client, &bets(document));
        central.settle();
    }
    central.take(&client, Some(0));
    withheld.release();
    central.settle();
    central.send(&client, &bets("3"));
    central.settle();
    assert_eq!((withheld.len(), client.replies()), (1, 1));
    assert!(!central.hub.has_work(), "an event of its stream wakes it");

    // Once the second one is done, nothing is in the way of the next request.
    withheld.release();
    central.settle();
    assert_eq!((withheld.len(), client.replies()), (1, 1));
    central.take(&client, None);
    withheld.release();
    central.settle();
    assert_eq!(client.replies(), 4);
}

#[test]
fn replies_that_wait_for_two_commits_have_one_bound() {
    let (mut central, client, withheld) = slow(Limits {
        max_outbox: 40,
        ..Limits::default()
    });
    for document in ["1", "2", "3"] {
        central.send(&client, &bets(document));
        central.settle();
    }
    assert_eq!(withheld.len(), 2, "two replies have more than 40 bytes");
    (0..3).for_each(|_| {
        withheld.release();
        central.settle();
    });
    assert_eq!(client.replies(), 4);
}

#[test]
fn replies_of_one_commit_leave_together_while_the_next_one_is_under_way() {
    let (mut central, client, withheld) = slow(Limits::default());
    central.send(&client, &[bets("1"), bets("2")].concat());
    central.settle();
    central.send(&client, &bets("3"));
    central.settle();
    for replies in [3, 4] {
        withheld.release();
        central.settle();
        assert_eq!(client.replies(), replies);
    }
}

#[test]
fn replies_that_wait_for_two_commits_leave_before_the_connection_ends() {
    let (mut central, client, withheld) = slow(Limits::default());
    central.send(&client, &bets("1"));
    central.settle();
    central.send(&client, &[bets("2"), raw(99, b"unknown")].concat());
    central.settle();
    for replies in [1, 4] {
        withheld.release();
        central.settle();
        assert_eq!(
            (client.replies(), client.is_shut()),
            (replies, replies == 4)
        );
    }
}

#[test]
fn where_nothing_is_stored_the_first_reply_that_waits_says_so_and_no_other_leaves() {
    for first_is_done in [false, true] {
        let (mut central, client, withheld) = slow(Limits::default());
        for document in ["1", "2"] {
            central.send(&client, &bets(document));
            central.settle();
        }
        if first_is_done {
            withheld.release();
            central.settle();
        }
        let refused = Event::Declined(agency(1), Declined::NotNow("it is not here"));
        withheld.told.borrow_mut().push_back(refused);
        central.settle();
        let replies = 2 + usize::from(first_is_done);
        assert_eq!((client.replies(), client.is_shut()), (replies, true));
        let received = client.received();
        let is_said = |text: &[u8]| received.windows(text.len()).any(|bytes| bytes == text);
        assert!(is_said(b"it is not here"));
    }
}

#[test]
fn while_its_agency_is_read_a_peer_has_to_take_its_replies_in_time_and_one_that_took_them_waits() {
    const MILLI: Duration = Duration::from_millis(1);
    let (limits, read) = (Limits::default(), Hung::default());
    let mut central = Central::over(None, limits, |store| Hanging {
        store,
        hung: Hung::default(),
        read: Rc::clone(&read),
        withheld: Rc::default(),
    });
    let ask = |agency| encode(&finished(agency)).0;
    let stalls = central.connect();
    central.take(&stalls, Some(0));
    central.send(&stalls, &ask(9));
    let waits = central.client(&ask(9));
    central.settle();
    assert_eq!((stalls.replies(), waits.replies()), (0, 1), "refused");
    read.set(Agency::new(1));
    central.send(&stalls, &ask(1));
    central.send(&waits, &ask(1));
    central.settle();
    central.later(limits.idle_timeout - MILLI);
    assert!(!stalls.is_dropped());
    // It is looked at once a second.
    central.later(Duration::from_secs(1));
    assert!(stalls.is_dropped() && !waits.is_dropped());
}
