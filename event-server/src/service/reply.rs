//! What becomes of a request: the verdict with its reply, what the reply waits for, and the reason of a refusal.
//!
//! The texts of refusals go to the log and, on connections that began with a resume, to the client.

use std::fmt;
use std::sync::Arc;

use frame::{Ack, Agency, BatchError, Reply, RequestError, Winners};

use crate::lottery;
use crate::store::{Declined, NoSpace, Ticket};

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// Answer this.
    Reply(Reply<'static>),
    /// Answer this, then hang up.
    Last(Reply<'static>),
    /// Answer this, then hang up: another connection carries the upload now.
    Replaced(Reply<'static>),
    /// A winners query of this agency, with its number among all that were held:
    /// [`Service::winners`](super::Service::winners) answers it, once the draw is done.
    Hold(Agency, u64),
    /// Nothing was judged, since the agency is being read: the same frame is to be handed in again afterwards.
    Wait(Agency),
}

impl Verdict {
    /// Returns its name in traces.
    pub fn name(&self) -> &'static str {
        match self {
            _ if matches!(self, Self::Hold(..)) => "held",
            Self::Wait(_) => "waits",
            Self::Replaced(_) => "fenced",
            _ if self.is_accepted() => "accepted",
            _ => "refused",
        }
    }

    /// Returns whether the request is granted, or rightly waits for the draw.
    pub(super) fn is_accepted(&self) -> bool {
        match self {
            Self::Reply(reply) => matches!(reply, Reply::Ack(Ack::Success) | Reply::Resumed(_)),
            Self::Hold(..) => true,
            Self::Last(_) | Self::Replaced(_) | Self::Wait(_) => false,
        }
    }
}

/// The answer to a winners query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The list of winners, as the reply has it.
    Winners(Arc<Vec<u8>>),
    /// No list, but this.
    Reply(Winners<'static>),
}

/// A verdict, and what its reply has to wait for.
#[derive(Debug)]
pub struct Judged {
    /// What becomes of the request.
    pub verdict: Verdict,
    /// The reply says something about this agency that is not durable yet: it may leave once the commit with this ticket
    /// is done, and must not leave at all if the agency is forgotten.
    pub waits: Option<(Agency, Ticket)>,
}

/// Returns the verdict of a failed ack. It says why if the peer reads reasons, or has another agency's certificate.
pub(super) fn failure(reads_reasons: bool, refusal: &Refusal) -> Verdict {
    match refusal {
        Refusal::Replaced(_) => Verdict::Replaced(reason(refusal)),
        Refusal::NotCertified { .. } => refused_with_reason(refusal),
        _ if reads_reasons => refused_with_reason(refusal),
        _ => Verdict::Reply(Reply::Ack(Ack::Failure { reason: None })),
    }
}

/// Returns the verdict of a refused winners query. It says why if the peer reads reasons.
pub(super) fn refused_winners(reads_reasons: bool, refusal: &Refusal) -> Verdict {
    let reason = reads_reasons.then(|| refusal.to_string().into());
    Verdict::Reply(Reply::Winners(Winners::Refused { reason }))
}

/// Returns the verdict of a refused request whose peer reads reasons.
pub(super) fn refused_with_reason(refusal: &Refusal) -> Verdict {
    Verdict::Reply(reason(refusal))
}

fn reason(refusal: &Refusal) -> Reply<'static> {
    let reason = Some(refusal.to_string().into());
    Reply::Ack(Ack::Failure { reason })
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    Rule(lottery::RuleRefusal),
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
    Replaced(Agency),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(e) => e.fmt(f),
            Self::Request(e) => e.fmt(f),
            Self::Batch(e) => e.fmt(f),
            // The client recognises this kind, and `Replaced`, by the first words of the text.
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
            Self::Replaced(agency) => Declined::Replaced(*agency).fmt(f),
        }
    }
}

impl From<lottery::RuleRefusal> for Refusal {
    fn from(e: lottery::RuleRefusal) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Reply<'static> = Reply::Ack(Ack::Failure { reason: None });

    fn agency(number: u32) -> Agency {
        Agency::new(number).unwrap()
    }

    #[test]
    fn a_verdict_has_a_name_in_traces() {
        for (verdict, name) in [
            (Verdict::Reply(Reply::Ack(Ack::Success)), "accepted"),
            (Verdict::Reply(Reply::Resumed(3)), "accepted"),
            (Verdict::Reply(REFUSED), "refused"),
            (Verdict::Last(REFUSED), "refused"),
            (Verdict::Replaced(REFUSED), "fenced"),
            (Verdict::Hold(agency(1), 1), "held"),
            (Verdict::Wait(agency(1)), "waits"),
        ] {
            assert_eq!(verdict.name(), name);
        }
    }

    #[test]
    fn a_refusal_says_why_to_whom_it_helps() {
        let not_certified = Refusal::NotCertified {
            certified: agency(1),
            named: agency(2),
        };
        for (reads_reasons, refusal, expected) in [
            (false, Refusal::NoBets, None),
            (true, Refusal::NoBets, Some("the batch holds no bet")),
            (
                false,
                not_certified,
                Some("the certificate speaks for agency 1, not 2"),
            ),
        ] {
            let Verdict::Reply(Reply::Ack(Ack::Failure { reason })) =
                failure(reads_reasons, &refusal)
            else {
                panic!("no failed ack");
            };
            assert_eq!(reason.as_deref(), expected);
        }
        let replaced = failure(false, &Refusal::Replaced(agency(1)));
        assert!(matches!(
            replaced,
            Verdict::Replaced(Reply::Ack(Ack::Failure { reason: Some(_) }))
        ));
    }
}
