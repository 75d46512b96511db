//! Why a request is refused, and what the peer is told. The texts go to the log and, on connections that began with
//! a resume, to the client.

use std::fmt::{self, Display};
use std::net::IpAddr;

use frame::{Ack, Agency, Batch, BatchError, Frame, Reply, RequestError, Winners, kind};

use super::{Session, Verdict};
use crate::store::NoSpace;
use crate::{lottery, report};

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    Rule(lottery::Refusal),
    Request(RequestError),
    Batch(BatchError),
    NoSpace(NoSpace),
    OtherAgency { bound: Agency, named: Agency },
    NotCertified { certified: Agency, named: Agency },
    TwoAgencies { bet: u32 },
    NoBets,
    ResumeLater,
    BetInUpload,
    Broken,
    Fenced,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(e) => e.fmt(f),
            Self::Request(e) => e.fmt(f),
            Self::Batch(e) => e.fmt(f),
            // The client tells a refusal for now by these words.
            Self::NoSpace(e) => write!(f, "{}: {e}", frame::NO_SPACE),
            Self::OtherAgency { bound, named } => {
                write!(f, "the connection speaks for agency {bound}, not {named}")
            }
            Self::NotCertified { certified, named } => {
                write!(
                    f,
                    "the certificate speaks for agency {certified}, not {named}"
                )
            }
            Self::TwoAgencies { bet } => {
                write!(
                    f,
                    "bet {bet}: agency is not the one of the batch's first bet"
                )
            }
            Self::NoBets => f.write_str("the batch holds no bet"),
            Self::ResumeLater => f.write_str("resume must be the first message of a connection"),
            Self::BetInUpload => {
                f.write_str("a connection that carries an upload takes no single bets")
            }
            Self::Broken => f.write_str("an earlier batch of this connection was refused"),
            Self::Fenced => f.write_str("the upload goes on over another connection"),
        }
    }
}

impl From<lottery::Refusal> for Refusal {
    fn from(e: lottery::Refusal) -> Self {
        Self::Rule(e)
    }
}

impl From<BatchError> for Refusal {
    fn from(e: BatchError) -> Self {
        Self::Batch(e)
    }
}

impl From<NoSpace> for Refusal {
    fn from(e: NoSpace) -> Self {
        Self::NoSpace(e)
    }
}

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
            report::batch_refused(Batch::new(frame.payload).apparent_len(), &refusal);
            session.break_upload();
        }
        _ => report::request_refused(ip, &refusal),
    }
    match (frame.kind, error) {
        (kind::WINNERS_QUERY, _) => Verdict::Reply(Reply::Winners(Winners::Refused)),
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
        (Some(_), _) | (None, Refusal::NotCertified { .. }) => refused_with_reason(refusal),
        (None, _) => Verdict::Reply(Reply::Ack(Ack::Failure { reason: None })),
    }
}

pub(super) fn refused_with_reason(refusal: &dyn Display) -> Verdict {
    let reason = Some(refusal.to_string().into());
    Verdict::Reply(Reply::Ack(Ack::Failure { reason }))
}
