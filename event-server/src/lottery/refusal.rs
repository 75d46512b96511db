//! Why the rules forbid a request, in words for the log and the client.

use std::fmt;

use frame::{Agency, Count, UploadId};

use crate::facts;

/// The most agencies of one lottery, in the type of their numbers.
pub const MAX_AGENCIES: u32 = facts::MAX_AGENCIES as u32;

/// Why the rules forbid a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleRefusal {
    /// The agency does not take part.
    UnknownAgency {
        /// The agency that asked.
        agency: Agency,
        /// How many take part.
        agencies: u32,
    },
    /// Anyone may take part, but [`MAX_AGENCIES`] do already.
    TooManyAgencies,
    /// Anyone may take part, but bets of this agency cannot be kept.
    AgencyTooLarge {
        /// The agency that asked.
        agency: Agency,
        /// The largest agency whose bets can be kept.
        largest: u32,
    },
    /// The agency has said that no more bets will come.
    Finished(Agency),
    /// The draw is done.
    Drawn,
    /// There is no draw to wait for.
    NoDraw,
    /// The agency's batches belong to another upload.
    OtherUpload(UploadId),
    /// The agency's batches belong to an upload, and this one belongs to none.
    PlainBesideUpload(UploadId),
    /// The agency's batches belong to no upload, and this one does.
    UploadBesidePlain,
    /// An operator has taken out this upload.
    TakenOut(Agency),
    /// Bets of the agency were taken over, and nobody knows of which file.
    TakenOver {
        /// The agency.
        agency: Agency,
        /// How many bets.
        bets: u64,
    },
    /// Bets of the agency were taken over, and it has finished with them.
    ClosedTakenOver {
        /// The agency.
        agency: Agency,
        /// How many bets.
        bets: u64,
    },
    /// The upload has another number of bets than the agency says.
    WrongTotal {
        /// How many are stored.
        stored: u64,
        /// How many the agency says; `None`: it says no number, which it has to.
        said: Option<u64>,
    },
}

impl fmt::Display for RuleRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAgency { agency, agencies } => {
                write!(f, "agency {agency} does not take part: only agencies 1 to {agencies} do")
            }
            Self::AgencyTooLarge { agency, largest } => {
                write!(f, "agency {agency} is above {largest}, the largest whose bets can be kept here")
            }
            Self::TooManyAgencies => write!(f, "{MAX_AGENCIES} agencies take part already, no other can"),
            Self::Finished(agency) => write!(f, "agency {agency} has finished, its bets are closed"),
            Self::Drawn => f.write_str(
                "the draw is done: the next lottery needs another SERVER_DATA_DIR, or with a database another SERVER_LOTTERY",
            ),
            Self::NoDraw => f.write_str("this lottery has no draw (SERVER_AGENCIES=0)"),
            Self::OtherUpload(upload) => {
                write!(f, "the agency's batches belong to upload {upload}, send that file")
            }
            Self::PlainBesideUpload(upload) => {
                write!(f, "the agency's batches belong to upload {upload}, plain batches cannot join it")
            }
            Self::UploadBesidePlain => {
                f.write_str("the agency has sent plain batches, an upload cannot join them")
            }
            Self::TakenOut(agency) => {
                write!(f, "{}: agency {agency} was reopened", frame::TAKEN_OUT)
            }
            Self::TakenOver { agency, bets } => write!(
                f,
                "{} of agency {agency} were taken over from a bets.csv, and a file would double them: let an operator \
                 take them out (event-server reopen --agency {agency}) and send the file again, or close the agency with \
                 them (event-server finish --agency {agency})",
                Count(*bets, "bet")
            ),
            Self::ClosedTakenOver { agency, bets } => write!(
                f,
                "agency {agency} was closed with {} that were taken over: ask for its winners alone (batch-client winners)",
                Count(*bets, "bet")
            ),
            Self::WrongTotal { stored, said: Some(said) } => {
                write!(f, "the upload has {} stored, not {said}", Count(*stored, "bet"))
            }
            Self::WrongTotal { said: None, .. } => {
                f.write_str("after a resume, finished has to say how many bets the upload has (apuestas)")
            }
        }
    }
}

impl std::error::Error for RuleRefusal {}

/// Why a lottery cannot have a number of agencies. Displays as one sentence, which does not say what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberRefusal {
    /// Another number is stored.
    Other {
        /// The stored number.
        stored: u32,
        /// The wanted number.
        wanted: u32,
    },
    /// An agency above that number has stored something.
    AgencyAbove {
        /// The largest such agency.
        agency: Agency,
        /// The wanted number.
        wanted: u32,
    },
    /// The draw is done.
    Drawn,
}

impl fmt::Display for NumberRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other { stored, wanted } => write!(
                f,
                "the lottery is of {stored} agencies, SERVER_AGENCIES is {wanted}"
            ),
            Self::AgencyAbove { agency, wanted } => write!(
                f,
                "agency {agency} has stored something, so the lottery cannot be of {wanted} agencies"
            ),
            Self::Drawn => {
                f.write_str("the draw is done: how many agencies take part cannot change any more")
            }
        }
    }
}

impl std::error::Error for NumberRefusal {}
