//! Where lottery and store meet: a frame goes in, a verdict comes out.
//!
//! ```text
//! Frame -> Request -> the lottery's rules -> staged in the store, applied to the lottery -> Verdict
//! ```
//!
//! What is staged becomes durable with [`Service::commit`], once a turn; until then no verdict of the turn
//! may leave the server. Knows connections only by their [`ConnectionId`]; never touches a stream.

mod draw;
mod refusal;
mod session;

use std::collections::HashMap;
use std::net::IpAddr;

use frame::{Ack, Agency, Batch, Bet, Frame, MessageId, Number, Reply, Request, UploadId, Winners};

use self::draw::Results;
use self::refusal::{Refusal, failure, malformed, refused_with_reason};
pub use self::session::{ConnectionId, Session};
use crate::fact::Fact;
use crate::lottery::Lottery;
use crate::report;
use crate::store::{Files, Store, StoreError};

/// The most bytes that a row takes beside its names and its document.
const ROW_SLACK: usize = 64;

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// Answer this once the turn is committed.
    Reply(Reply<'static>),
    /// Answer this, then hang up.
    Last(Reply<'static>),
    /// Answer this; the connection that carried the upload before is to be dropped.
    Fence(Reply<'static>, ConnectionId),
    /// A winners query of this agency: [`Service::winners`] answers it, once the draw is done.
    Hold(Agency),
}

const SUCCESS: Verdict = Verdict::Reply(Reply::Ack(Ack::Success));

/// The lottery, its store and the uploads under way.
pub struct Service<F: Files> {
    lottery: Lottery,
    store: Store<F>,
    winner: Number,
    /// Which connection carries an upload: at most as many entries as there are connections.
    carriers: HashMap<(Agency, UploadId), ConnectionId>,
    results: Results,
}

impl<F: Files> Service<F> {
    /// A service over an open store and the lottery that its facts add up to. `winner` is the number that
    /// wins if the draw is still to come.
    ///
    /// # Errors
    /// The disk failed: the store could not begin a new log.
    pub fn new(lottery: Lottery, store: Store<F>, winner: Number) -> Result<Self, StoreError> {
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

    /// Judges one frame of a connection and stages what it asks for.
    pub fn handle(
        &mut self,
        id: ConnectionId,
        session: &mut Session,
        ip: IpAddr,
        frame: Frame<'_>,
    ) -> Verdict {
        let first = session.begin();
        match Request::decode(frame) {
            Ok(Request::Bet(bet)) => self.bet(session, &bet),
            Ok(Request::Batch(batch)) => self.batch(id, session, frame.id, batch),
            Ok(Request::Finished { agency, bets }) => self.finished(id, session, agency, bets),
            Ok(Request::Winners { agency }) => self.query(session, agency),
            Ok(Request::Resume { agency, upload }) => {
                self.resume(id, session, first, agency, upload)
            }
            Err(error) => malformed(session, ip, frame, error),
        }
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
        let tally = self.results.known()?;
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
        self.results.known().is_some()
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

    /// Bytes staged in this turn.
    pub fn staged(&self) -> usize {
        self.store.staged()
    }

    /// Makes the turn durable. After an error nothing may be answered.
    ///
    /// # Errors
    /// The disk failed: stop.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.store.commit()?;
        if self.store.wants_checkpoint() {
            self.store.checkpoint(self.lottery.facts())?;
        }
        Ok(())
    }

    /// Whether [`advance_draw`](Self::advance_draw) has something to do at once.
    pub fn drawing(&self) -> bool {
        self.results.can_advance(&self.lottery, &self.store)
    }

    /// Does a slice of the draw where all agencies have finished, and makes the result durable. `true`:
    /// now the winners are known. To be called between turns, with nothing staged.
    ///
    /// # Errors
    /// The disk failed: stop.
    pub fn advance_draw(&mut self) -> Result<bool, StoreError> {
        if !self.drawing() {
            return Ok(false);
        }
        let (lottery, store) = (&mut self.lottery, &mut self.store);
        self.results.advance(lottery, store, self.winner)
    }

    /// Tries again what waits for room on the disk; to be called now and then.
    ///
    /// # Errors
    /// The disk failed: stop.
    pub fn retry(&mut self) -> Result<(), StoreError> {
        self.results.retry();
        self.store.catch_up()
    }

    /// Whether something waits for [`retry`](Self::retry).
    pub fn retries(&self) -> bool {
        self.results.is_stalled() || self.store.lagging()
    }

    /// Closes the store in order.
    ///
    /// # Errors
    /// The disk failed; what was committed stays so.
    pub fn close(self) -> Result<(), StoreError> {
        self.store.close(self.lottery.facts())
    }
}

/// The most bytes that rows take which came as `payload` bytes: a quote in a name is written twice, and
/// the rest of a row is shorter than the keys that it came with.
fn rows_bound(payload: usize) -> usize {
    2 * payload + ROW_SLACK
}
