//! The sessions of one central, and what must hold between them: an agency keeps its session, a lost session takes
//! along its own agencies and no others, and the draw waits for all sessions.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Instant;

use event_server::facts::Fact;
use event_server::store::postgres::{Answer, PostgresDraft, PostgresStore, Query, Unusable};
use event_server::store::{Event, Freshness, Knowledge, NoSpace, Status, Store, Wake, Wanted};
use frame::{Agency, Number};

use super::link::SimLink;

/// What the sessions of a central were asked and have told.
#[derive(Default)]
pub struct Sessions {
    /// The session of each agency that was asked about.
    homes: BTreeMap<Agency, u8>,
    /// How many commits were sent.
    sent: u64,
    /// The commit that is under way in a session: which one it is, and whose parts it has.
    commits: BTreeMap<u8, (u64, BTreeSet<Agency>)>,
    /// The agencies that are being read in a session.
    reads: BTreeMap<u8, BTreeSet<Agency>>,
    /// How many commits were sent when the central was told that all agencies have finished.
    all_finished: u64,
    /// Sessions that were lost in this turn, and agencies that were read.
    lost: BTreeSet<u8>,
    read: BTreeSet<Agency>,
    /// Agencies of commits that were lost, whose connections have to be told so in this turn.
    unknown: BTreeSet<Agency>,
}

impl Sessions {
    /// Notes what a session is asked.
    ///
    /// # Panics
    /// It should not be asked there, or not yet.
    pub fn ask(&mut self, session: u8, query: &Query<'_>) {
        match query {
            Query::Read(agencies, _) => {
                self.at_home(session, agencies.iter().copied());
                self.reads.insert(session, (*agencies).clone());
            }
            Query::Append(parts, ..) => {
                let agencies: BTreeSet<Agency> = parts.iter().map(|part| part.agency).collect();
                self.at_home(session, agencies.iter().copied());
                self.sent += 1;
                self.commits.insert(session, (self.sent, agencies));
            }
            Query::DropClaims(agency) => self.at_home(session, [*agency]),
            Query::Draw(_) => {
                let mut earlier = self.commits.values().map(|(sent, _)| *sent);
                assert!(
                    !earlier.any(|sent| sent <= self.all_finished),
                    "the draw does not wait for a commit that was sent before all had finished"
                );
            }
            Query::Survey(..) | Query::Look | Query::Winners(..) => {}
        }
    }

    fn at_home(&mut self, session: u8, agencies: impl IntoIterator<Item = Agency>) {
        for agency in agencies {
            let home = *self.homes.entry(agency).or_insert(session);
            assert_eq!(home, session, "agency {agency} changes its session");
        }
    }

    /// Notes what a session tells.
    pub fn hear(&mut self, session: u8, answer: &Answer) {
        match answer {
            Answer::Account(agency, _) => _ = self.read.insert(*agency),
            Answer::Progress {
                all_finished,
                drawn,
            } if *all_finished || *drawn => self.all_finished = self.sent,
            Answer::Done | Answer::Failed(_) => {
                // Some agencies that were read may have no row.
                let read = self.reads.remove(&session);
                self.read.extend(read.into_iter().flatten());
                self.commits.remove(&session);
            }
            Answer::Down(_) => {
                self.reads.remove(&session);
                self.lost.insert(session);
                let commit = self.commits.remove(&session);
                self.unknown
                    .extend(commit.into_iter().flat_map(|(_, agencies)| agencies));
            }
            _ => {}
        }
    }

    /// Checks what must hold at the end of a turn.
    fn turn_over(&mut self) {
        assert!(
            self.unknown.is_empty(),
            "nobody knows what is stored of agencies {:?}, and their connections were not told",
            self.unknown
        );
        self.lost.clear();
        self.read.clear();
    }

    /// Checks what the central is told.
    fn told(&mut self, event: &Event) {
        match event {
            Event::Forgotten(agency) => {
                let home = self.homes.get(agency);
                let is_lost = home.is_some_and(|home| self.lost.contains(home));
                assert!(
                    is_lost || self.read.contains(agency),
                    "agency {agency} is forgotten, and its session is there"
                );
                self.unknown.remove(agency);
            }
            Event::Declined(agency, _) => _ = self.unknown.remove(agency),
            _ => {}
        }
    }
}

/// A [`PostgresStore`], and a look at what it tells.
pub struct SeenStore {
    store: PostgresStore<SimLink>,
    sessions: Rc<RefCell<Sessions>>,
}

impl SeenStore {
    pub fn new(
        links: Vec<SimLink>,
        sessions: Rc<RefCell<Sessions>>,
        winner: Number,
        most_known: usize,
    ) -> Self {
        Self {
            store: PostgresStore::new(links, winner, most_known),
            sessions,
        }
    }
}

impl Store for SeenStore {
    type Draft<'a> = PostgresDraft<'a, SimLink>;
    type Error = Unusable;

    const MAX_AGENCY: u32 = PostgresStore::<SimLink>::MAX_AGENCY;

    fn know(&mut self, agency: Agency, freshness: Freshness) -> Knowledge {
        self.store.know(agency, freshness)
    }

    fn draft(&mut self, bytes: usize) -> Result<Self::Draft<'_>, NoSpace> {
        self.store.draft(bytes)
    }

    fn is_full(&self, agency: Option<Agency>) -> bool {
        self.store.is_full(agency)
    }

    fn commit<I>(&mut self, facts: impl FnOnce() -> I) -> Result<(), Unusable>
    where
        I: Iterator<Item = Fact>,
    {
        self.store.commit(facts)
    }

    fn mark(&mut self, session: u8, readable: bool, writable: bool, dead: bool) {
        self.store.mark(session, readable, writable, dead);
    }

    fn advance(&mut self, now: Instant, wanted: Wanted) -> Result<(), Unusable> {
        self.sessions.borrow_mut().turn_over();
        self.store.advance(now, wanted)
    }

    fn poll(&mut self) -> Option<Event> {
        let event = self.store.poll()?;
        self.sessions.borrow_mut().told(&event);
        Some(event)
    }

    fn wake(&self) -> Wake {
        self.store.wake()
    }

    fn status(&self) -> Status<'_> {
        self.store.status()
    }

    fn close(self, facts: impl Iterator<Item = Fact>) -> Result<(), Unusable> {
        self.store.close(facts)
    }
}
