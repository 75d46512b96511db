//! What the service knows of a connection: its id, and for which agency it may speak.

use std::net::IpAddr;

use frame::{Agency, UploadId};

use super::reply::Refusal;
use crate::facts::Source;

/// Identifies one connection for good: slots are used again, serials are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// Its slot in the hub.
    pub slot: usize,
    /// Its number among all connections since the start.
    pub serial: u64,
}

/// The sender of a request.
#[derive(Debug)]
pub struct Peer<'a> {
    /// Its connection.
    pub id: ConnectionId,
    /// Its address.
    pub ip: IpAddr,
    /// For which agency it may speak.
    pub identity: &'a mut Identity,
}

/// The agency and the upload that a connection speaks for, as far as it has said.
///
/// A peer that has shown a certificate may speak for the agency in it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// No request yet: only now may a resume come. With the agency of its certificate, if it has shown one.
    New(Option<Agency>),
    /// Requests, but none that was accepted. With the agency of its certificate, if it has shown one.
    Unbound(Option<Agency>),
    /// It speaks for an agency.
    Plain(Agency),
    /// It carries an agency's upload.
    Upload {
        /// The agency.
        agency: Agency,
        /// The upload.
        upload: UploadId,
        /// No batch was refused: what is stored is still a prefix of the file.
        intact: bool,
    },
}

impl Identity {
    /// Notes that a request has come. Returns whether it is the first.
    pub(super) fn begin(&mut self) -> bool {
        match *self {
            Self::New(certified) => {
                *self = Self::Unbound(certified);
                true
            }
            _ => false,
        }
    }

    /// Returns the agency that it speaks for.
    pub fn agency(self) -> Option<Agency> {
        match self {
            Self::New(_) | Self::Unbound(_) => None,
            Self::Plain(agency) | Self::Upload { agency, .. } => Some(agency),
        }
    }

    /// Returns whether its peer is known to read why a request is refused: it began with a resume.
    pub fn reads_reasons(self) -> bool {
        self.upload().is_some()
    }

    /// Returns the upload that it carries.
    pub(super) fn upload(self) -> Option<(Agency, UploadId)> {
        match self {
            Self::Upload { agency, upload, .. } => Some((agency, upload)),
            _ => None,
        }
    }

    /// Returns what its batches are parts of.
    pub(super) fn source(self) -> Source {
        self.upload()
            .map_or(Source::Plain, |(_, upload)| Source::Upload(upload))
    }

    /// Checks that it may speak for this agency.
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

    /// Notes that a batch was refused: any later batch would leave a gap in the upload.
    pub(super) fn break_upload(&mut self) {
        if let Self::Upload { intact, .. } = self {
            *intact = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_speaks_for_the_agency_of_its_certificate_and_for_the_first_one_that_it_was_accepted_for()
     {
        let [one, other] = [1, 2].map(|number| Agency::new(number).unwrap());
        for identity in [Identity::New(None), Identity::Unbound(None)] {
            assert!(identity.check(one).is_ok() && identity.check(other).is_ok());
        }
        for identity in [Identity::New(Some(one)), Identity::Unbound(Some(one))] {
            assert!(identity.check(one).is_ok());
            assert!(matches!(
                identity.check(other),
                Err(Refusal::NotCertified { .. })
            ));
        }
        let mut identity = Identity::Unbound(None);
        identity.bind(one);
        identity.bind(other);
        assert!(identity.check(one).is_ok());
        assert!(matches!(
            identity.check(other),
            Err(Refusal::OtherAgency { .. })
        ));
    }
}
