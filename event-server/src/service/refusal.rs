//! Why a request is refused, and what the peer is told. The texts go to the log and, on connections that began with
//! a resume, to the client.

use std::fmt;

use frame::{Agency, BatchError, RequestError};

use crate::lottery;
use crate::store::{Declined, NoSpace};

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
    Replaced(Agency),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(e) => e.fmt(f),
            Self::Request(e) => e.fmt(f),
            Self::Batch(e) => e.fmt(f),
            // The client tells refusals of this kind, and those of the last, by their first words.
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
