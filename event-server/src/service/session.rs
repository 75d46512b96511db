//! What the service knows of a connection: its name, and what it has said about itself.

use std::net::IpAddr;

use frame::{Agency, UploadId};

use super::refusal::Refusal;
use crate::fact::Source;

/// Names one connection for good: slots are used again, serials are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// Where the hub keeps it.
    pub slot: usize,
    /// Which connection of all that ever were.
    pub serial: u64,
}

/// Who sends a request.
#[derive(Debug)]
pub struct Peer<'a> {
    /// Its connection.
    pub id: ConnectionId,
    /// Where it is.
    pub ip: IpAddr,
    /// What it has said about itself.
    pub session: &'a mut Session,
}

/// What a connection has said about itself.
///
/// Where the peer has shown a certificate, it may speak for no agency but the one in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// Nothing yet: the only moment for a resume. With the agency of its certificate.
    New(Option<Agency>),
    /// Something, but nothing that was accepted. With the agency of its certificate.
    Unbound(Option<Agency>),
    /// It speaks for an agency.
    Plain(Agency),
    /// It carries an agency's upload.
    Upload {
        /// Whose.
        agency: Agency,
        /// Which.
        upload: UploadId,
        /// No batch was refused: what is stored is still a prefix of the file.
        intact: bool,
    },
}

impl Session {
    /// Notes that something is being said; says whether it is the first.
    pub(super) fn begin(&mut self) -> bool {
        match *self {
            Self::New(certified) => {
                *self = Self::Unbound(certified);
                true
            }
            _ => false,
        }
    }

    /// The agency it speaks for.
    pub fn agency(self) -> Option<Agency> {
        match self {
            Self::New(_) | Self::Unbound(_) => None,
            Self::Plain(agency) | Self::Upload { agency, .. } => Some(agency),
        }
    }

    /// Whether its peer is known to read why a request is refused: it began with a resume.
    pub fn reads_reasons(self) -> bool {
        self.upload().is_some()
    }

    /// The upload it carries.
    pub(super) fn upload(self) -> Option<(Agency, UploadId)> {
        match self {
            Self::Upload { agency, upload, .. } => Some((agency, upload)),
            _ => None,
        }
    }

    /// What its batches are parts of.
    pub(super) fn source(self) -> Source {
        self.upload()
            .map_or(Source::Plain, |(_, upload)| Source::Upload(upload))
    }

    /// Whether it may speak for this agency.
    pub(super) fn check(self, named: Agency) -> Result<(), Refusal> {
        match self {
            Self::New(Some(certified)) | Self::Unbound(Some(certified)) if certified != named => {
                Err(Refusal::NotCertified { certified, named })
            }
            Self::Plain(bound) | Self::Upload { agency: bound, .. } if bound != named => {
                Err(Refusal::OtherAgency { bound, named })
            }
            _ => Ok(()),
        }
    }

    /// Binds it to an agency, unless it is bound already.
    pub(super) fn bind(&mut self, agency: Agency) {
        if self.agency().is_none() {
            *self = Self::Plain(agency);
        }
    }

    /// A batch was refused: whatever follows would leave a hole in the upload.
    pub(super) fn break_upload(&mut self) {
        if let Self::Upload { intact, .. } = self {
            *intact = false;
        }
    }
}
