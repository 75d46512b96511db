//! Each request: judged by the lottery's rules, and staged where they allow it.

use std::net::IpAddr;

use frame::{Ack, Agency, Batch, Bet, MessageId, Reply, UploadId};

use super::Service;
use super::answer::{failure, refused_winners, refused_with_reason};
use super::refusal::Refusal;
use super::session::{ConnectionId, Session};
use super::verdict::Verdict;
use crate::fact::Fact;
use crate::report;
use crate::store::{Draft, Store};

/// The most bytes that a row takes beside its names and its document.
const ROW_SLACK: usize = 64;

const SUCCESS: Verdict = Verdict::Reply(Reply::Ack(Ack::Success));

impl<D: Store> Service<D> {
    pub(super) fn bet(&mut self, session: &mut Session, bet: &Bet<'_>) -> Verdict {
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

    pub(super) fn batch(
        &mut self,
        id: ConnectionId,
        session: &mut Session,
        ip: IpAddr,
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
                let named = || Some(batch.bets().next()?.ok()?.agency);
                let agency = session.agency().or_else(named);
                report::batch_refused(batch.apparent_len(), &refusal, agency, ip);
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

    pub(super) fn finished(
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

    /// What a connection that carries an upload must still be allowed to: to go on with it. One that is complete may be
    /// asked about over any number of connections.
    fn check_upload(&self, id: ConnectionId, session: Session) -> Result<(), Refusal> {
        match session {
            Session::Upload { intact: false, .. } => Err(Refusal::Broken),
            Session::Upload { agency, upload, .. }
                if self.carriers.get(&(agency, upload)) != Some(&id)
                    && !self.lottery.has_finished(agency) =>
            {
                Err(Refusal::Replaced(agency))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn query(&mut self, session: &mut Session, agency: Agency) -> Verdict {
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
                refused_winners(session, &refusal)
            }
        }
    }

    pub(super) fn resume(
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
                self.carriers.insert((agency, upload), id);
                Verdict::Reply(Reply::Resumed(bets))
            }
            Err(refusal) => {
                report::resume_refused(agency, &refusal);
                refused_with_reason(&refusal)
            }
        }
    }
}

/// The most bytes that rows take which came as `payload` bytes: a quote in a name is written twice, and
/// the rest of a row is shorter than the keys that it came with.
fn rows_bound(payload: usize) -> usize {
    2 * payload + ROW_SLACK
}
