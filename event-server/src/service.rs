//! Where lottery and store meet: a frame goes in, a verdict comes out.
//!
//! ```text
//! Frame -> Request -> the lottery's rules -> staged in the store, applied to the lottery -> Verdict
//! ```
//!
//! What is staged becomes durable with [`Service::commit`], once a turn, or begins to: until it is, no reply that
//! depends on it may leave the server. Knows connections only by their [`ConnectionId`]; never touches a stream. Looks at
//! a clock only to time commits, where that is asked for.

mod answer;
mod observed;
mod refusal;
mod requests;
mod session;
mod verdict;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use frame::{Agency, Frame, MessageId, Number, Request, UploadId, Winners};

use self::answer::malformed;
pub use self::session::{ConnectionId, Session};
pub use self::verdict::{Judged, Told, Verdict};
use crate::fact::Fact;
use crate::lottery::{Draw, Lottery};
use crate::observe::{Counters, RequestKind};
use crate::report;
use crate::store::{Draft, DrawStep, Event, Freshness, Knowledge, Store, Ticket};
use crate::tally::Tally;

/// Connections that may be told the long list of one agency at once. The list is in memory once, but what the kernel
/// keeps of it for a peer that does not read may be megabytes.
const LISTS: usize = 32;

/// The lottery, its store and the uploads under way.
pub struct Service<D: Store> {
    lottery: Lottery,
    store: D,
    winner: Number,
    /// Which connection carries an upload: at most as many entries as there are connections.
    carriers: HashMap<(Agency, UploadId), ConnectionId>,
    results: Results,
    /// The last commit that is done, as far as was told.
    committed: Ticket,
    counters: Counters,
    /// Somebody may look at the counters: commits are timed.
    measured: bool,
    /// When the last call began that commits, where it is timed.
    began: Option<Instant>,
    /// The store was reached once.
    was_up: bool,
}

/// The winners, as far as they are known.
enum Results {
    /// Not all agencies have finished, as far as is known.
    Unknown,
    /// The store draws.
    Drawing,
    /// They are known, and the draw is durable.
    Known(Tally),
}

impl<D: Store> Service<D> {
    /// A service over an open store and the lottery that its facts add up to. `winner` is the number that
    /// wins if the draw is still to come.
    ///
    /// # Errors
    /// The store failed: it could not begin a new log.
    pub fn new(mut lottery: Lottery, store: D, winner: Number) -> Result<Self, D::Error> {
        lottery.limit_agencies(D::MAX_AGENCY);
        let (carriers, results) = (HashMap::new(), Results::Unknown);
        let mut service = Self {
            lottery,
            store,
            winner,
            carriers,
            results,
            committed: Ticket::default(),
            counters: Counters::new(),
            measured: false,
            began: None,
            was_up: false,
        };
        let number = service.lottery.unsettled_number();
        if let Some(number) = &number {
            service.lottery.apply(number);
        }
        service.commit()?;
        if let Some(number) = number {
            // Without room nothing else is stored either, before a new log begins with the lottery's facts: this is one
            // of them.
            if let Ok(draft) = service.store.draft(0) {
                draft.seal(number);
            }
            service.commit()?;
        }
        // No request asked for it, so it is not counted.
        while let Some(event) = service.store.poll() {
            if let Event::Committed(ticket) = event {
                service.committed = ticket;
            }
        }
        Ok(service)
    }

    /// Judges one frame of a connection and stages what it asks for. `md5`: that of its payload. `after_read`: the frame
    /// was handed in before, and waited for its agency to be read.
    pub fn handle(
        &mut self,
        id: ConnectionId,
        session: &mut Session,
        ip: IpAddr,
        frame: Frame<'_>,
        md5: MessageId,
        after_read: bool,
    ) -> Judged {
        let kind = RequestKind::of(frame.kind);
        let request = match Request::decode_hashed(frame, md5) {
            Ok(request) => request,
            Err(error) => {
                session.begin();
                self.counters.request(kind, false);
                let verdict = malformed(session, ip, frame, error);
                return Judged {
                    verdict,
                    waits: None,
                };
            }
        };
        // Whoever takes no part, or speaks for another, is refused whatever is stored.
        let agency = agency_of(*session, &request).filter(|agency| {
            session.check(*agency).is_ok() && self.lottery.check_agency(*agency).is_ok()
        });
        // Another server may have served the agency until now. Once this connection speaks for it, what is known here
        // is enough: where another server goes on with it, the next commit here fails.
        let comes = session.agency().is_none() || matches!(request, Request::Resume { .. });
        let freshness = match comes && !after_read {
            true => Freshness::Latest,
            false => Freshness::Cached,
        };
        let known = match agency.map(|agency| (agency, self.store.know(agency, freshness))) {
            Some((agency, Knowledge::Reading)) => {
                return Judged {
                    verdict: Verdict::Wait(agency),
                    waits: None,
                };
            }
            Some((_, Knowledge::Known(ticket))) => ticket,
            None => self.committed,
        };
        let first = session.begin();
        let (verdict, ticket) = match request {
            Request::Bet(bet) => self.bet(session, &bet, known),
            Request::Batch(batch) => self.batch(id, session, ip, frame.id, batch, known),
            Request::Finished { agency, bets } => self.finished(id, session, agency, bets, known),
            Request::Winners { agency } => (self.query(session, agency), known),
            Request::Resume { agency, upload } => {
                self.resume(id, session, first, agency, upload, known)
            }
        };
        self.counters.request(kind, verdict.is_accepted());
        let waits = agency.filter(|_| ticket > self.committed);
        Judged {
            verdict,
            waits: waits.map(|agency| (agency, ticket)),
        }
    }

    /// The answer to an allowed winners query; `None` until the draw is done.
    pub fn winners(&self, agency: Agency) -> Option<Told> {
        let Results::Known(tally) = &self.results else {
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

    /// Whether as many connections are being told an agency's long list as may be at once.
    pub fn is_told_to_many(&self, agency: Agency) -> bool {
        match &self.results {
            Results::Known(tally) => tally.sharing(agency) >= LISTS,
            Results::Unknown | Results::Drawing => false,
        }
    }

    /// Whether the draw is done and its winners are counted.
    pub fn winners_known(&self) -> bool {
        matches!(self.results, Results::Known(_))
    }

    /// A connection is gone.
    pub fn leave(&mut self, id: ConnectionId, session: Session) {
        if let Some(upload) = session.upload()
            && self.carriers.get(&upload) == Some(&id)
        {
            self.carriers.remove(&upload);
        }
    }

    /// Whether so much is staged that the rest has to wait for a commit.
    pub fn is_full(&self) -> bool {
        self.store.is_full()
    }

    /// Makes the turn durable, or begins to. After an error nothing may be answered.
    ///
    /// # Errors
    /// The store failed: stop.
    pub fn commit(&mut self) -> Result<(), D::Error> {
        let lottery = &self.lottery;
        self.began = self.measured.then(Instant::now);
        self.store.commit(|| lottery.facts())
    }

    /// Whether [`advance_draw`](Self::advance_draw) has something to do at once.
    pub fn drawing(&self) -> bool {
        !self.winners_known() && self.store.can_draw(self.all_finished())
    }

    fn all_finished(&self) -> bool {
        self.lottery.draw() != Draw::Waiting
    }

    /// Takes the draw a step further where all agencies have finished, and makes the result durable. `true`:
    /// now the winners are known. To be called between turns, with nothing staged.
    ///
    /// # Errors
    /// The store failed: stop.
    pub fn advance_draw(&mut self) -> Result<bool, D::Error> {
        if !self.drawing() {
            return Ok(false);
        }
        if let Results::Unknown = self.results {
            report::drawing();
            self.results = Results::Drawing;
        }
        match self.store.draw(self.all_finished(), self.winner)? {
            DrawStep::Unfinished => return Ok(false),
            DrawStep::NoSpace(e) => {
                report::draw_stalled(&e);
                return Ok(false);
            }
            DrawStep::Done(drawn) => {
                if !matches!(self.lottery.draw(), Draw::Done { .. }) {
                    report::drawn();
                    self.lottery.apply(&Fact::Drawn {
                        position: drawn.position,
                        winner: drawn.winner,
                    });
                }
                self.results = Results::Known(drawn.tally);
            }
        }
        // The log that the store begins after a draw knows of it.
        self.commit()?;
        Ok(true)
    }

    /// Tells the store whether somebody waits for the winners.
    pub fn watch_draw(&mut self, awaited: bool) {
        self.store.watch_draw(awaited);
    }

    /// Sets the bits that an event of the store's stream brings; `dead` for an error or a full hang-up.
    pub fn mark_store(&mut self, readable: bool, writable: bool, dead: bool) {
        self.store.mark(readable, writable, dead);
    }

    /// Lets a remote store move what can move.
    ///
    /// # Errors
    /// The store failed: stop.
    pub fn advance_store(&mut self, now: Instant) -> Result<(), D::Error> {
        self.store.advance(now)
    }

    /// The next thing that happened in the store. The lottery knows of it already; the connections that it concerns do
    /// not.
    pub fn poll_store(&mut self) -> Option<Event> {
        let event = self.store.poll()?;
        match &event {
            Event::Read {
                agency,
                stored,
                finished,
                barred,
            } => self.lottery.replace(*agency, *stored, *finished, barred),
            Event::Forgotten(agency) | Event::Declined(agency, _) => self.lottery.forget(*agency),
            Event::Up(_) => self.note_up(),
            Event::Stored(commit) => self.count_commit(commit),
            Event::Committed(ticket) => self.committed = *ticket,
            // It is read anew before anything is judged by what is known of it here.
            Event::Dropped(_) => {}
            Event::Down(_) | Event::Warning(_) => {}
        }
        Some(event)
    }

    /// When [`advance_store`](Self::advance_store) is due, event or not.
    pub fn store_deadline(&self) -> Option<Instant> {
        self.store.deadline()
    }

    /// Tries again what waits for room; to be called now and then.
    ///
    /// # Errors
    /// The store failed: stop.
    pub fn retry(&mut self) -> Result<(), D::Error> {
        self.store.retry()
    }

    /// Whether something waits for [`retry`](Self::retry).
    pub fn retries(&self) -> bool {
        self.store.retries()
    }

    /// Closes the store in order.
    ///
    /// # Errors
    /// The store failed; what was committed stays so.
    pub fn close(self) -> Result<(), D::Error> {
        self.store.close(self.lottery.facts())
    }
}

/// Whose state a request is judged by: the agency that it names, or that the connection speaks for. `None` for a query:
/// it is held until the draw, whatever is stored of the agency.
fn agency_of(session: Session, request: &Request<'_>) -> Option<Agency> {
    match request {
        Request::Bet(bet) => Some(bet.agency),
        // What a batch names is judged while it is read.
        Request::Batch(batch) => session
            .agency()
            .or_else(|| Some(batch.bets().next()?.ok()?.agency)),
        Request::Finished { agency, .. } | Request::Resume { agency, .. } => Some(*agency),
        Request::Winners { .. } => None,
    }
}
