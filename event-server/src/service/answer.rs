//! What a peer is told whose request is refused.

use std::fmt::Display;
use std::net::IpAddr;

use frame::{Ack, Batch, Frame, Reply, RequestError, Winners, kind};

use super::refusal::Refusal;
use super::session::Session;
use super::verdict::Verdict;
use crate::report;

/// A whole frame that is no request of its type: reported like that request refused.
pub(super) fn malformed(
    session: &mut Session,
    ip: IpAddr,
    frame: Frame<'_>,
    error: RequestError,
) -> Verdict {
    let refusal = Refusal::Request(error);
    match frame.kind {
        kind::BET => report::bet_refused(&refusal),
        kind::BATCH => {
            let bets = Batch::new(frame.payload).apparent_len();
            report::batch_refused(bets, &refusal, session.agency(), ip);
            session.break_upload();
        }
        _ => report::request_refused(ip, &refusal),
    }
    match (frame.kind, error) {
        (kind::WINNERS_QUERY, _) => refused_winners(session, &refusal),
        (kind::RESUME, _) => refused_with_reason(&refusal),
        (_, RequestError::UnknownType(_)) => match failure(session, &refusal) {
            Verdict::Reply(reply) => Verdict::Last(reply),
            other => other,
        },
        _ => failure(session, &refusal),
    }
}

/// A failed ack; it says why where the peer is known to read that: it has sent a resume, or shown a certificate.
pub(super) fn failure(session: &Session, refusal: &Refusal) -> Verdict {
    match (session.upload(), refusal) {
        (_, Refusal::Replaced(_)) => Verdict::Replaced(reason(refusal)),
        (Some(_), _) | (None, Refusal::NotCertified { .. }) => refused_with_reason(refusal),
        (None, _) => Verdict::Reply(Reply::Ack(Ack::Failure { reason: None })),
    }
}

/// A refused winners query; it says why where the peer has sent a resume.
pub(super) fn refused_winners(session: &Session, refusal: &Refusal) -> Verdict {
    let reason = session.upload().map(|_| refusal.to_string().into());
    Verdict::Reply(Reply::Winners(Winners::Refused { reason }))
}

pub(super) fn refused_with_reason(refusal: &dyn Display) -> Verdict {
    Verdict::Reply(reason(refusal))
}

fn reason(refusal: &dyn Display) -> Reply<'static> {
    let reason = Some(refusal.to_string().into());
    Reply::Ack(Ack::Failure { reason })
}
