//! Where lottery and store meet: a frame goes in, a verdict comes out.
//!
//! ```text
//! Frame -> Request -> the lottery's rules -> staged in the store, applied to the lottery -> Verdict
//! ```
//!
//! What is staged becomes durable with [`Service::commit`], once a turn, or begins to: until it is, no reply that
//! depends on it may leave the server. Knows connections only by their [`ConnectionId`]; never touches a stream.

mod answer;
mod refusal;
mod session;
mod verdict;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use frame::{Ack, Agency, Batch, Bet, Frame, MessageId, Number, Reply, Request, UploadId, Winners};

use self::answer::{failure, malformed, refused_with_reason};
use self::refusal::Refusal;
pub use self::session::{ConnectionId, Session};
pub use self::verdict::{Judged, Verdict};
use crate::fact::Fact;
use crate::lottery::{Draw, Lottery};
use crate::report;
use crate::store::{Draft, DrawStep, Event, Freshness, Knowledge, Store};
use crate::tally::Tally;

/// The most bytes that a row takes beside its names and its document.
const ROW_SLACK: usize = 64;

const SUCCESS: Verdict = Verdict::Reply(Reply::Ack(Ack::Success));

/// The lottery, its store and the uploads under way.
pub struct Service<D: Store> {
    lottery: Lottery,
    store: D,
    winner: Number,
    /// Which connection carries an upload: at most as many entries as there are connections.
    carriers: HashMap<(Agency, UploadId), ConnectionId>,
    results: Results,
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
        };
        service.commit()?;
        Ok(service)
    }

    /// Judges one frame of a connection and stages what it asks for. `after_read`: the frame was handed in before, and
    /// waited for its agency to be read.
    pub fn handle(
        &mut self,
        id: ConnectionId,
        session: &mut Session,
        ip: IpAddr,
        frame: Frame<'_>,
        after_read: bool,
    ) -> Judged {
        let request = match Request::decode(frame) {
            Ok(request) => request,
            Err(error) => {
                session.begin();
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
        let freshness = match request {
            Request::Resume { .. } if !after_read => Freshness::Latest,
            _ => Freshness::Cached,
        };
        if let Some(agency) = agency
            && self.store.know(agency, freshness) == Knowledge::Reading
        {
            return Judged {
                verdict: Verdict::Wait(agency),
                waits: None,
            };
        }
        let first = session.begin();
        let verdict = match request {
            Request::Bet(bet) => self.bet(session, &bet),
            Request::Batch(batch) => self.batch(id, session, frame.id, batch),
            Request::Finished { agency, bets } => self.finished(id, session, agency, bets),
            Request::Winners { agency } => self.query(session, agency),
            Request::Resume { agency, upload } => self.resume(id, session, first, agency, upload),
        };
        let waits = agency.and_then(|agency| Some((agency, self.store.pending(agency)?)));
        Judged { verdict, waits }
    }

    fn bet(&mut self, session: &mut Session, bet: &Bet<'_>) -> Verdict {
        match self.stage_bet(*session, bet) {
            Ok(()) => {
                session.bind(bet.agency);
                report::bet_stored(bet);
                SUCCESS
            }
            Err(refusal) => {
                report::bet_refused(&refusal);
                failure(session, &refusal)
            }
        }
    }

    fn stage_bet(&mut self, session: Session, bet: &Bet<'_>) -> Result<(), Refusal> {
        if session.upload().is_some() {
            return Err(Refusal::BetInUpload);
        }
        session.check(bet.agency)?;
        self.lottery.check_bet(bet.agency)?;
        let texts = [
            bet.first_name.as_bytes(),
            bet.last_name.as_bytes(),
            bet.document.as_bytes(),
        ];
        let mut draft = self
            .store
            .draft(rows_bound(texts.map(<[u8]>::len).iter().sum()))?;
        draft.row(bet);
        let fact = Fact::Bet { agency: bet.agency };
        draft.seal(fact);
        self.lottery.apply(&fact);
        Ok(())
    }

    fn batch(
        &mut self,
        id: ConnectionId,
        session: &mut Session,
        message: MessageId,
        batch: Batch<'_>,
    ) -> Verdict {
        match self.stage_batch(id, *session, message, batch) {
            Ok((agency, bets)) => {
                session.bind(agency);
                report::batch_stored(bets);
                SUCCESS
            }
            Err(refusal) => {
                report::batch_refused(batch.apparent_len(), &refusal);
                session.break_upload();
                failure(session, &refusal)
            }
        }
    }

    /// Reads, judges and writes down in one pass: a draft that is not sealed leaves no trace.
    fn stage_batch(
        &mut self,
        id: ConnectionId,
        session: Session,
        message: MessageId,
        batch: Batch<'_>,
    ) -> Result<(Agency, u32), Refusal> {
        self.check_upload(id, session)?;
        let mut draft = self.store.draft(rows_bound(batch.payload().len()))?;
        let mut agency = None;
        let mut bets = 0;
        for bet in batch.bets() {
            let bet = bet?;
            bets += 1;
            if agency.is_none() {
                session.check(bet.agency)?;
                self.lottery.check_batch(bet.agency, session.source())?;
            } else if agency != Some(bet.agency) {
                return Err(Refusal::TwoAgencies { bet: bets });
            }
            agency = Some(bet.agency);
            draft.row(&bet);
        }
        let agency = agency.ok_or(Refusal::NoBets)?;
        let fact = Fact::Batch {
            agency,
            source: session.source(),
            id: message,
            bets,
        };
        draft.seal(fact);
        self.lottery.apply(&fact);
        Ok((agency, bets))
    }

    fn finished(
        &mut self,
        id: ConnectionId,
        session: &mut Session,
        agency: Agency,
        bets: Option<u64>,
    ) -> Verdict {
        match self.stage_finished(id, *session, agency, bets) {
            Ok(()) => {
                session.bind(agency);
                report::finished(agency);
                SUCCESS
            }
            Err(refusal) => {
                report::finished_refused(agency, &refusal);
                failure(session, &refusal)
            }
        }
    }

    fn stage_finished(
        &mut self,
        id: ConnectionId,
        session: Session,
        agency: Agency,
        bets: Option<u64>,
    ) -> Result<(), Refusal> {
        session.check(agency)?;
        self.check_upload(id, session)?;
        let upload = session.upload().map(|(_, upload)| upload);
        if self.lottery.check_finished(agency, upload, bets)? {
            let fact = Fact::Finished { agency };
            self.store.record(fact)?;
            self.lottery.apply(&fact);
        }
        Ok(())
    }

    /// What a connection that carries an upload must still be allowed to: to go on with it.
    fn check_upload(&self, id: ConnectionId, session: Session) -> Result<(), Refusal> {
        match session {
            Session::Upload { intact: false, .. } => Err(Refusal::Broken),
            Session::Upload { agency, upload, .. }
                if self.carriers.get(&(agency, upload)) != Some(&id) =>
            {
                Err(Refusal::Fenced)
            }
            _ => Ok(()),
        }
    }

    fn query(&mut self, session: &mut Session, agency: Agency) -> Verdict {
        let allowed = session
            .check(agency)
            .and_then(|()| self.lottery.check_query(agency).map_err(Refusal::from));
        match allowed {
            Ok(()) => {
                session.bind(agency);
                Verdict::Hold(agency)
            }
            Err(refusal) => {
                report::winners_refused(agency, &refusal);
                Verdict::Reply(Reply::Winners(Winners::Refused))
            }
        }
    }

    /// The answer to an allowed winners query; `None` until the draw is done.
    pub fn winners(&self, agency: Agency) -> Option<Reply<'_>> {
        let Results::Known(tally) = &self.results else {
            return None;
        };
        Some(Reply::Winners(match tally.winners(agency) {
            Ok(documents) => {
                report::winners_told(agency);
                Winners::Drawn(documents)
            }
            Err(refusal) => {
                report::winners_refused(agency, &refusal);
                Winners::Refused
            }
        }))
    }

    /// Whether the draw is done and its winners are counted.
    pub fn winners_known(&self) -> bool {
        matches!(self.results, Results::Known(_))
    }

    fn resume(
        &mut self,
        id: ConnectionId,
        session: &mut Session,
        first: bool,
        agency: Agency,
        upload: UploadId,
    ) -> Verdict {
        let stored = if first {
            session
                .check(agency)
                .and_then(|()| Ok(self.lottery.check_resume(agency, upload)?))
        } else {
            Err(Refusal::ResumeLater)
        };
        match stored {
            Ok(bets) => {
                report::resumed(agency, upload, bets);
                self.store.claim(agency);
                *session = Session::Upload {
                    agency,
                    upload,
                    intact: true,
                };
                match self.carriers.insert((agency, upload), id) {
                    Some(older) => Verdict::Fence(Reply::Resumed(bets), older),
                    None => Verdict::Reply(Reply::Resumed(bets)),
                }
            }
            Err(refusal) => {
                report::resume_refused(agency, &refusal);
                refused_with_reason(&refusal)
            }
        }
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

    /// Lets a store that is elsewhere move what can move.
    ///
    /// # Errors
    /// The store failed: stop.
    pub fn advance_store(&mut self, now: Instant) -> Result<(), D::Error> {
        self.store.advance(now)
    }

    /// The next thing that happened in a store that is elsewhere. The lottery knows of it already; the connections that
    /// it concerns do not.
    pub fn poll_store(&mut self) -> Option<Event> {
        let event = self.store.poll()?;
        match &event {
            Event::Read {
                agency,
                stored,
                finished,
            } => self.lottery.replace(*agency, *stored, *finished),
            Event::Forgotten(agency) => self.lottery.forget(*agency),
            Event::Committed(_) | Event::Up(_) | Event::Down(_) | Event::Warning(_) => {}
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

/// Whose state a request is judged by: the agency that it names, or that the connection speaks for.
fn agency_of(session: Session, request: &Request<'_>) -> Option<Agency> {
    match request {
        Request::Bet(bet) => Some(bet.agency),
        // What a batch names is judged while it is read.
        Request::Batch(batch) => session
            .agency()
            .or_else(|| Some(batch.bets().next()?.ok()?.agency)),
        Request::Finished { agency, .. }
        | Request::Winners { agency }
        | Request::Resume { agency, .. } => Some(*agency),
    }
}

/// The most bytes that rows take which came as `payload` bytes: a quote in a name is written twice, and
/// the rest of a row is shorter than the keys that it came with.
fn rows_bound(payload: usize) -> usize {
    2 * payload + ROW_SLACK
}
