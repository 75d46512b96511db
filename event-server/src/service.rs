//! Where lottery and store meet: a frame goes in, a verdict comes out.
//!
//! ```text
//! Frame -> Request -> is its agency known? -> the lottery's rules -> staged in the store, applied to the lottery -> Verdict
//!                       no: Verdict::Wait until it was read
//! ```
//!
//! What is staged has a ticket. [`Service::commit`], once a turn, makes it durable or begins to; the store tells when
//! it is done, and until then no reply that depends on it may leave the server. Once the winners are counted, it stages
//! the draw, too. What the store says comes through [`Service::poll_store`], which brings the lottery up to date first.
//! Knows connections only by their [`ConnectionId`]; never touches a stream. Reads a clock only to time commits, if
//! that is asked for.

mod draw;
mod identity;
mod observed;
mod reply;
mod requests;

use std::collections::HashMap;
use std::time::Instant;

use frame::{Agency, Frame, MessageId, Number, Request, UploadId, Winners};

pub use self::identity::{ConnectionId, Identity, Peer};
pub use self::reply::{Judged, Told, Verdict};
use crate::facts::Tally;
use crate::lottery::Lottery;
use crate::observe::{Counters, RequestKind};
use crate::report;
use crate::store::{
    Committed, Draft, Drawn, Event, Freshness, Knowledge, Store, Ticket, Wake, Wanted,
};

/// The most connections that are sent the long list of one agency at once. The list is in memory once, but the kernel
/// may hold megabytes of it for each peer that does not read.
const LISTS: usize = 32;

/// The lottery, its store and the uploads under way.
pub struct Service<R: Store> {
    lottery: Lottery,
    store: R,
    winner: Number,
    /// Which connection carries an upload: at most as many entries as there are connections.
    carriers: HashMap<(Agency, UploadId), ConnectionId>,
    draw: DrawState,
    /// The commits that are done, as far as the store has said.
    committed: Committed,
    /// Queries that were held for the draw so far.
    queries_held: u64,
    counters: Counters,
    /// Commits are timed: somebody may ask for the counters.
    measured: bool,
    /// When the store was last asked to commit, if commits are timed.
    began: Option<Instant>,
    /// The store was reached once.
    was_up: bool,
    /// Somebody watches the agencies.
    watched: bool,
    /// What is wanted of the store has changed since it was last told.
    is_news: bool,
    /// The server stops: nothing is drawn any more.
    stopping: bool,
}

/// Whether a frame is handed in for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attempt {
    /// Yes: what is known here of its agency may be out of date.
    #[default]
    First,
    /// No: it waited for its agency to be read, which is done now.
    AfterRead,
}

/// How far the draw is.
enum DrawState {
    /// Nobody counts yet: some agency has not finished, as far as is known here, or the store is not ready to count.
    Open,
    /// The store counts the winners.
    Counting,
    /// They are counted. The next commit stages the draw; after a lack of room, the first one at this time or later.
    Counted(Drawn, Option<Instant>),
    /// The draw is staged: it counts once this commit is done.
    Staged(Ticket, Tally),
    /// The winners are known, and the draw is durable.
    Known(Tally),
}

impl<R: Store> Service<R> {
    /// Begins over an open store and the lottery that its facts add up to. `winner` is the number that wins if the draw is
    /// still to come.
    ///
    /// # Errors
    /// The store failed: it could not begin a new log.
    pub fn new(mut lottery: Lottery, store: R, winner: Number) -> Result<Self, R::Error> {
        lottery.limit_agencies(R::MAX_AGENCY);
        let mut service = Self {
            lottery,
            store,
            winner,
            carriers: HashMap::new(),
            draw: DrawState::Open,
            committed: Committed::default(),
            queries_held: 0,
            counters: Counters::new(),
            measured: false,
            began: None,
            was_up: false,
            watched: false,
            is_news: true,
            stopping: false,
        };
        let number = service.lottery.unsettled_number();
        if let Some(number) = &number {
            service.lottery.apply(number);
        }
        service.commit_staged()?;
        if let Some(number) = number {
            // If there is no room, nothing else is stored either, until a new log begins with all facts of the lottery,
            // this one among them.
            if let Ok(draft) = service.store.draft(0) {
                draft.stage(number);
            }
            service.commit_staged()?;
        }
        // No request asked for these commits, so they are not counted.
        while let Some(event) = service.store.poll() {
            if let Event::Committed(ticket) = event {
                service.committed.add(ticket);
            }
        }
        Ok(service)
    }

    /// Judges one frame of a connection, with the MD5 of its payload, and stages what it asks for.
    pub fn handle(
        &mut self,
        mut peer: Peer<'_>,
        (frame, md5): (Frame<'_>, MessageId),
        attempt: Attempt,
    ) -> Judged {
        let kind = RequestKind::of(frame.kind);
        let request = match Request::decode_hashed(frame, md5) {
            Ok(request) => request,
            Err(error) => {
                peer.identity.begin();
                self.counters.request(kind, false);
                let verdict = Self::malformed(peer.identity, peer.ip, frame, error);
                return Judged {
                    verdict,
                    waits: None,
                };
            }
        };
        // A connection that may not speak for the agency, or an agency that does not take part, is refused whatever is stored:
        // then nothing is read.
        let agency = agency_of(*peer.identity, &request).filter(|agency| {
            peer.identity.check(*agency).is_ok() && self.lottery.check_agency(*agency).is_ok()
        });
        // Until now, another server may have served the agency. Once this connection speaks for it, the state known here is
        // enough: if another server serves it again, the next commit here fails.
        let comes = peer.identity.agency().is_none() || matches!(request, Request::Resume { .. });
        let freshness = match attempt {
            Attempt::First if comes => Freshness::Latest,
            Attempt::First | Attempt::AfterRead => Freshness::Cached,
        };
        let known = match agency.map(|agency| (agency, self.store.know(agency, freshness))) {
            Some((agency, Knowledge::Reading)) => {
                return Judged {
                    verdict: Verdict::Wait(agency),
                    waits: None,
                };
            }
            Some((_, Knowledge::Known(ticket))) => ticket,
            None => Ticket::default(),
        };
        let first = peer.identity.begin();
        let peer = &mut peer;
        let (verdict, ticket) = match request {
            Request::Bet(bet) => self.bet(peer.identity, &bet, known),
            Request::Batch(batch) => self.batch(peer, frame.id, batch, known),
            Request::Finished { agency, bets } => self.finished(peer, agency, bets, known),
            Request::Winners { agency } => (self.query(peer.identity, agency), known),
            Request::Resume { agency, upload } => self.resume(peer, first, agency, upload, known),
        };
        self.counters.request(kind, verdict.is_accepted());
        let waits = agency.filter(|_| !self.committed.includes(ticket));
        Judged {
            verdict,
            waits: waits.map(|agency| (agency, ticket)),
        }
    }

    /// Returns how many queries were held for the draw so far.
    pub fn queries_held(&self) -> u64 {
        self.queries_held
    }

    /// Returns the answer to an allowed winners query; `None` until the draw is done.
    pub fn winners(&self, agency: Agency) -> Option<Told> {
        let DrawState::Known(tally) = &self.draw else {
            return None;
        };
        if self.is_told_to_many(agency) {
            report::winners_turned_away(agency, "too many are being told a long list");
            return Some(Told::Reply(Winners::InProgress));
        }
        Some(match tally.winners(agency) {
            Ok(list) => {
                report::winners_told(agency);
                Told::Winners(list)
            }
            Err(refusal) => {
                report::winners_refused(agency, &refusal);
                Told::Reply(Winners::Refused { reason: None })
            }
        })
    }

    /// Returns whether an agency's long list is being sent to as many connections as may get it at once.
    pub fn is_told_to_many(&self, agency: Agency) -> bool {
        match &self.draw {
            DrawState::Known(tally) => tally.sharing(agency) >= LISTS,
            _ => false,
        }
    }

    /// Returns whether the draw is done and its winners are counted.
    pub fn winners_known(&self) -> bool {
        matches!(self.draw, DrawState::Known(_))
    }

    /// Forgets a connection, which is gone.
    pub fn leave(&mut self, id: ConnectionId, identity: Identity) {
        if let Some(upload) = identity.upload()
            && self.carriers.get(&upload) == Some(&id)
        {
            self.carriers.remove(&upload);
        }
    }

    /// Returns whether so much is staged that the rest of this agency has to wait for a commit; `None`: a peer whose agency is
    /// not known yet.
    pub fn is_full(&self, agency: Option<Agency>) -> bool {
        self.store.is_full(agency)
    }

    /// Makes the turn durable, or begins to; also the draw, once winners are counted. After an error no reply may be
    /// sent.
    ///
    /// # Errors
    /// The store failed: stop.
    pub fn commit(&mut self, now: Instant) -> Result<(), R::Error> {
        let staged = self.stage_draw(now);
        self.commit_staged()?;
        // This is a lack of room: after a failure of the disk the commit has returned its error.
        if let Err(no_space) = staged {
            report::draw_stalled(&no_space);
        }
        Ok(())
    }

    fn commit_staged(&mut self) -> Result<(), R::Error> {
        let lottery = &self.lottery;
        self.began = self.measured.then(Instant::now);
        self.store.commit(|| lottery.facts())
    }

    /// Lets the store do what it can do without waiting. `awaited` says that somebody waits for the winners.
    ///
    /// # Errors
    /// The store failed: stop.
    pub fn advance(&mut self, now: Instant, awaited: bool) -> Result<(), R::Error> {
        let agencies = self.lottery.agencies();
        let wanted = Wanted {
            count: self.wanted_count(),
            winners: awaited,
            watched: self.watched.then_some(agencies),
        };
        self.is_news = false;
        self.store.advance(now, wanted)
    }

    /// Sets the bits that an event of a store's session brings; `dead` for an error or a full hang-up.
    pub fn mark_store(&mut self, session: u8, readable: bool, writable: bool, dead: bool) {
        self.store.mark(session, readable, writable, dead);
    }

    /// Returns the next event of the store that concerns connections or the log. The lottery is up to date with it already.
    pub fn poll_store(&mut self) -> Option<Event> {
        loop {
            match self.store.poll()? {
                Event::Stored(commit) => self.count_commit(commit),
                Event::Counting => {
                    report::drawing();
                    self.draw = DrawState::Counting;
                }
                Event::Counted(drawn) => self.counted(drawn),
                event => {
                    self.note(&event);
                    return Some(event);
                }
            }
        }
    }

    /// Brings the lottery up to date with an event.
    fn note(&mut self, event: &Event) {
        match event {
            Event::Read {
                agency,
                account,
                barred,
            } => self.lottery.replace(*agency, *account, barred),
            Event::Forgotten(agency) | Event::Declined(agency, _) => self.lottery.forget(*agency),
            Event::Committed(ticket) => self.committed(*ticket),
            Event::Up(_) => self.note_up(),
            // A dropped agency is read again before a request of it is judged, so its state here is not used.
            Event::Dropped(_) | Event::Down(_) | Event::Warning(_) => {}
            Event::Stored(_) | Event::Counting | Event::Counted(_) => {}
        }
    }

    /// Returns when the next turn is due for the store or the draw.
    pub fn wake(&self) -> Wake {
        match (self.stage_at(), self.store.wake()) {
            _ if self.is_news => Wake::Now,
            (Wake::Now, _) | (_, Wake::Now) => Wake::Now,
            (Wake::At(one), Wake::At(other)) => Wake::At(one.min(other)),
            (Wake::Never, wake) | (wake, Wake::Never) => wake,
        }
    }

    /// Begins to stop: from now on nothing is drawn.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.is_news = true;
    }

    /// Closes the store in order.
    ///
    /// # Errors
    /// The store failed; what was committed stays so.
    pub fn close(self) -> Result<(), R::Error> {
        self.store.close(self.lottery.facts())
    }
}

/// Returns the agency whose state decides about a request: the one that it names, or that the connection speaks for. `None` for a
/// query: it is held until the draw, whatever is stored of the agency.
fn agency_of(identity: Identity, request: &Request<'_>) -> Option<Agency> {
    match request {
        Request::Bet(bet) => Some(bet.agency),
        // Which agency a batch names is checked while it is read.
        Request::Batch(batch) => identity
            .agency()
            .or_else(|| Some(batch.bets().next()?.ok()?.agency)),
        Request::Finished { agency, .. } | Request::Resume { agency, .. } => Some(*agency),
        Request::Winners { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::{Durability, FileStore, Folder};

    #[test]
    fn a_connection_that_is_gone_leaves_nothing_behind_but_the_one_that_goes_on_with_its_upload() {
        let folder = tempfile::tempdir().unwrap();
        let files = Folder::open(folder.path()).unwrap();
        let mut lottery = Lottery::new(1);
        let (store, _) =
            FileStore::open(files, Durability::Never, |fact| lottery.apply(fact)).unwrap();
        let mut service = Service::new(lottery, store, Number::new(1).unwrap()).unwrap();
        let agency = Agency::new(1).unwrap();
        let carriers = [(0, 7), (1, 8), (2, 7)].map(|(serial, upload)| {
            let id = ConnectionId { slot: 0, serial };
            let mut identity = Identity::New(None);
            let mut peer = Peer {
                id,
                ip: [127, 0, 0, 1].into(),
                identity: &mut identity,
            };
            let upload = UploadId([upload; 16]);
            service.resume(&mut peer, true, agency, upload, Ticket::default());
            (id, identity)
        });
        for ((id, identity), left) in carriers.into_iter().zip([2, 1, 0]) {
            service.leave(id, identity);
            assert_eq!(service.carriers.len(), left);
        }
    }
}
