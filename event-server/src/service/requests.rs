//! Each request: judged by the lottery's rules, and staged where they allow it.

use frame::{Ack, Agency, Batch, Bet, MessageId, Reply, UploadId};

use super::Service;
use super::answer::{failure, refused_winners, refused_with_reason};
use super::refusal::Refusal;
use super::session::{ConnectionId, Peer, Session};
use super::verdict::Verdict;
use crate::fact::Fact;
use crate::report;
use crate::store::{Draft, Freshness, Knowledge, Store, Ticket};

/// The most bytes that a row takes beside its names and its document.
const ROW_SLACK: usize = 64;

const SUCCESS: Verdict = Verdict::Reply(Reply::Ack(Ack::Success));

/// What becomes of a request, and the commit that it depends on.
pub(super) type Decision = (Verdict, Ticket);

/// In each of these, `known` is the commit that what is known depends on: what is refused because of it does, too.
impl<D: Store> Service<D> {
    pub(super) fn bet(&mut self, session: &mut Session, bet: &Bet<'_>, known: Ticket) -> Decision {
        match self.stage_bet(*session, bet) {
            Ok(ticket) => {
                session.bind(bet.agency);
                report::bet_stored(bet);
                (SUCCESS, ticket)
            }
            Err(refusal) => {
                report::bet_refused(&refusal);
                (failure(session, &refusal), known)
            }
        }
    }

    fn stage_bet(&mut self, session: Session, bet: &Bet<'_>) -> Result<Ticket, Refusal> {
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
        let ticket = draft.seal(fact);
        self.lottery.apply(&fact);
        Ok(ticket)
    }

    pub(super) fn batch(
        &mut self,
        peer: &mut Peer<'_>,
        message: MessageId,
        batch: Batch<'_>,
        known: Ticket,
    ) -> Decision {
        match self.stage_batch(peer.id, *peer.session, message, batch) {
            Ok((agency, bets, ticket)) => {
                peer.session.bind(agency);
                report::batch_stored(bets);
                (SUCCESS, ticket)
            }
            Err(refusal) => {
                let named = || Some(batch.bets().next()?.ok()?.agency);
                let agency = peer.session.agency().or_else(named);
                report::batch_refused(batch.apparent_len(), &refusal, agency, peer.ip);
                peer.session.break_upload();
                (failure(peer.session, &refusal), known)
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
    ) -> Result<(Agency, u32, Ticket), Refusal> {
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
        let ticket = draft.seal(fact);
        self.lottery.apply(&fact);
        Ok((agency, bets, ticket))
    }

    pub(super) fn finished(
        &mut self,
        peer: &mut Peer<'_>,
        agency: Agency,
        bets: Option<u64>,
        known: Ticket,
    ) -> Decision {
        match self.stage_finished(peer.id, *peer.session, agency, bets) {
            Ok(staged) => {
                peer.session.bind(agency);
                report::finished(agency);
                // It may have said so before.
                (SUCCESS, staged.unwrap_or(known))
            }
            Err(refusal) => {
                report::finished_refused(agency, &refusal);
                (failure(peer.session, &refusal), known)
            }
        }
    }

    fn stage_finished(
        &mut self,
        id: ConnectionId,
        session: Session,
        agency: Agency,
        bets: Option<u64>,
    ) -> Result<Option<Ticket>, Refusal> {
        session.check(agency)?;
        self.check_upload(id, session)?;
        let upload = session.upload().map(|(_, upload)| upload);
        if !self.lottery.check_finished(agency, upload, bets)? {
            return Ok(None);
        }
        let fact = Fact::Finished { agency };
        let ticket = self.store.draft(0)?.seal(fact);
        self.lottery.apply(&fact);
        Ok(Some(ticket))
    }

    /// Whether a connection that carries an upload may go on with it. One that is complete may be
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
                self.queries_held += 1;
                Verdict::Hold(agency, self.queries_held)
            }
            Err(refusal) => {
                report::winners_refused(agency, &refusal);
                refused_winners(session, &refusal)
            }
        }
    }

    pub(super) fn resume(
        &mut self,
        peer: &mut Peer<'_>,
        first: bool,
        agency: Agency,
        upload: UploadId,
        known: Ticket,
    ) -> Decision {
        let stored = if first {
            peer.session
                .check(agency)
                .and_then(|()| Ok(self.lottery.check_resume(agency, upload)?))
        } else {
            Err(Refusal::ResumeLater)
        };
        match stored {
            Ok(bets) => {
                let Knowledge::Known(ticket) = self.store.know(agency, Freshness::Claimed) else {
                    return (Verdict::Wait(agency), known);
                };
                report::resumed(agency, upload, bets);
                *peer.session = Session::Upload {
                    agency,
                    upload,
                    intact: true,
                };
                self.carriers.insert((agency, upload), peer.id);
                (Verdict::Reply(Reply::Resumed(bets)), ticket)
            }
            Err(refusal) => {
                report::resume_refused(agency, &refusal);
                (refused_with_reason(&refusal), known)
            }
        }
    }
}

/// The most bytes that rows take which came as `payload` bytes: a quote in a name is written twice, and
/// the rest of a row is shorter than the keys that it came with.
fn rows_bound(payload: usize) -> usize {
    2 * payload + ROW_SLACK
}
