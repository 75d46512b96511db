//! Each request: judged by the lottery's rules, and staged if they allow it.

use std::net::IpAddr;

use frame::{Ack, Agency, Batch, Bet, Frame, MessageId, Reply, RequestError, UploadId, kind};

use super::Service;
use super::identity::{ConnectionId, Identity, Peer};
use super::reply::{Refusal, Verdict, failure, refused_winners, refused_with_reason};
use crate::facts::Fact;
use crate::report;
use crate::store::{Draft, Freshness, Knowledge, Store, Ticket};

/// The most bytes that a row takes beside its names and its document.
const ROW_SLACK: usize = 64;

const SUCCESS: Verdict = Verdict::Reply(Reply::Ack(Ack::Success));

/// The verdict on a request, and the commit that it depends on.
pub(super) type Decision = (Verdict, Ticket);

/// In each of these functions, `known` is the commit that the known state of the agency depends on. So does a refusal.
impl<R: Store> Service<R> {
    pub(super) fn bet(
        &mut self,
        identity: &mut Identity,
        bet: &Bet<'_>,
        known: Ticket,
    ) -> Decision {
        match self.stage_bet(*identity, bet) {
            Ok(ticket) => {
                identity.bind(bet.agency);
                report::bet_stored(bet);
                (SUCCESS, ticket)
            }
            Err(refusal) => {
                report::bet_refused(&refusal);
                (failure(identity.reads_reasons(), &refusal), known)
            }
        }
    }

    fn stage_bet(&mut self, identity: Identity, bet: &Bet<'_>) -> Result<Ticket, Refusal> {
        if identity.upload().is_some() {
            return Err(Refusal::BetInUpload);
        }
        identity.check(bet.agency)?;
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
        let ticket = draft.stage(fact);
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
        match self.stage_batch(peer.id, *peer.identity, message, batch) {
            Ok((agency, bets, ticket)) => {
                peer.identity.bind(agency);
                report::batch_stored(bets);
                (SUCCESS, ticket)
            }
            Err(refusal) => {
                let named = || Some(batch.bets().next()?.ok()?.agency);
                let agency = peer.identity.agency().or_else(named);
                report::batch_refused(batch.apparent_len(), &refusal, agency, peer.ip);
                peer.identity.break_upload();
                (failure(peer.identity.reads_reasons(), &refusal), known)
            }
        }
    }

    /// Judges and stages a batch in one pass, in which bets are read, or copied unread. After an error nothing of it is
    /// staged: the draft is discarded.
    fn stage_batch(
        &mut self,
        id: ConnectionId,
        identity: Identity,
        message: MessageId,
        batch: Batch<'_>,
    ) -> Result<(Agency, u32, Ticket), Refusal> {
        self.check_upload(id, identity)?;
        let mut draft = self.store.draft(rows_bound(batch.payload().len()))?;
        let mut agency = None;
        let mut bets = 0;
        let mut unread = batch.bets();
        while let Some(bet) = unread.next().transpose()? {
            bets += 1;
            if agency.is_none() {
                identity.check(bet.agency)?;
                self.lottery.check_batch(bet.agency, identity.source())?;
            } else if agency != Some(bet.agency) {
                return Err(Refusal::TwoAgencies { bet: bets });
            }
            agency = Some(bet.agency);
            draft.row(&bet);
            // The copied bets are of the same agency.
            bets += draft.copy(&mut unread);
        }
        let agency = agency.ok_or(Refusal::NoBets)?;
        let fact = Fact::Batch {
            agency,
            source: identity.source(),
            id: message,
            bets,
        };
        let ticket = draft.stage(fact);
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
        match self.stage_finished(peer.id, *peer.identity, agency, bets) {
            Ok(staged) => {
                peer.identity.bind(agency);
                report::finished(agency);
                // If it has finished before, nothing is staged.
                (SUCCESS, staged.unwrap_or(known))
            }
            Err(refusal) => {
                report::finished_refused(agency, &refusal);
                (failure(peer.identity.reads_reasons(), &refusal), known)
            }
        }
    }

    fn stage_finished(
        &mut self,
        id: ConnectionId,
        identity: Identity,
        agency: Agency,
        bets: Option<u64>,
    ) -> Result<Option<Ticket>, Refusal> {
        identity.check(agency)?;
        self.check_upload(id, identity)?;
        let upload = identity.upload().map(|(_, upload)| upload);
        if !self.lottery.check_finished(agency, upload, bets)? {
            return Ok(None);
        }
        let fact = Fact::Finished { agency };
        let ticket = self.store.draft(0)?.stage(fact);
        self.lottery.apply(&fact);
        Ok(Some(ticket))
    }

    /// Checks that a connection that carries an upload may go on with it. After the agency has finished, any number of connections
    /// may ask about the upload.
    fn check_upload(&self, id: ConnectionId, identity: Identity) -> Result<(), Refusal> {
        match identity {
            Identity::Upload { intact: false, .. } => Err(Refusal::Broken),
            Identity::Upload { agency, upload, .. }
                if self.carriers.get(&(agency, upload)) != Some(&id)
                    && !self.lottery.has_finished(agency) =>
            {
                Err(Refusal::Replaced(agency))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn query(&mut self, identity: &mut Identity, agency: Agency) -> Verdict {
        let allowed = identity
            .check(agency)
            .and_then(|()| self.lottery.check_query(agency).map_err(Refusal::from));
        match allowed {
            Ok(()) => {
                identity.bind(agency);
                self.queries_held += 1;
                Verdict::Hold(agency, self.queries_held)
            }
            Err(refusal) => {
                report::winners_refused(agency, &refusal);
                refused_winners(identity.reads_reasons(), &refusal)
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
            peer.identity
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
                *peer.identity = Identity::Upload {
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

    /// Refuses a whole frame that holds no request of its type, and logs it as a refused request of that type.
    pub(super) fn malformed(
        identity: &mut Identity,
        ip: IpAddr,
        frame: Frame<'_>,
        error: RequestError,
    ) -> Verdict {
        let refusal = Refusal::Request(error);
        match frame.kind {
            kind::BET => report::bet_refused(&refusal),
            kind::BATCH => {
                let bets = Batch::new(frame.payload).apparent_len();
                report::batch_refused(bets, &refusal, identity.agency(), ip);
                identity.break_upload();
            }
            _ => report::request_refused(ip, &refusal),
        }
        match (frame.kind, error) {
            (kind::WINNERS_QUERY, _) => refused_winners(identity.reads_reasons(), &refusal),
            (kind::RESUME, _) => refused_with_reason(&refusal),
            (_, RequestError::UnknownType(_)) => {
                match failure(identity.reads_reasons(), &refusal) {
                    Verdict::Reply(reply) => Verdict::Last(reply),
                    other => other,
                }
            }
            _ => failure(identity.reads_reasons(), &refusal),
        }
    }
}

/// Returns the most bytes of rows that came in `payload` bytes: a quote in a name is written twice, and the rest of a row is
/// shorter than the keys that it came with.
fn rows_bound(payload: usize) -> usize {
    2 * payload + ROW_SLACK
}
