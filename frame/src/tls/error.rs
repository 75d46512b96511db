//! What can go wrong in a TLS session, in words for a log line.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why a TLS session is over before its time. Each is one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The peer's certificate is not accepted here, or it brought none: trying again does not help.
    Untrusted(String),
    /// The peer said that it does not accept our certificate: trying again does not help.
    Distrusted(String),
    /// The stream ended without a goodbye: the peer is gone, or somebody cut the stream short.
    Cut {
        /// It ended before the handshake was complete.
        handshake: bool,
    },
    /// What came is no TLS 1.3, or was altered on its way.
    Broken(String),
}

impl TlsError {
    /// The session's part in an error of a [`Channel`](crate::Channel), if it is one of the session's.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    pub(super) fn from_rustls(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(e) => Self::Untrusted(flaw(e)),
            Error::NoCertificatesPresented => Self::Untrusted("it brought none".to_owned()),
            Error::AlertReceived(alert) => match objection(*alert) {
                Some(words) => Self::Distrusted(words.to_owned()),
                None => Self::Broken(format!("the peer gave up with the alert {alert:?}")),
            },
            other => Self::Broken(other.to_string()),
        }
    }
}

/// What is wrong with a certificate of the peer's.
fn flaw(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => "it has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        // An authority of the same name with another key shows as a bad signature.
        E::UnknownIssuer | E::BadSignature => {
            "it was not signed by the authority that is trusted here".to_owned()
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "it was made for the other side of a connection".to_owned()
        }
        E::NotValidForNameContext {
            expected,
            presented,
        } if !presented.is_empty() => {
            // Each is presented as `DnsName("central")`.
            let name = |shown: &String| shown.split('"').nth(1).unwrap_or(shown).to_owned();
            let names: Vec<String> = presented.iter().map(name).collect();
            let (expected, names) = (expected.to_str(), names.join(", "));
            format!("it is for {names}, not for {expected}")
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "it is not for the name that was asked for".to_owned()
        }
        // The one rule of ours: a client has to be an agency.
        E::ApplicationVerificationFailure => {
            "it does not name one agency, as agency-3 would".to_owned()
        }
        other => other.to_string(),
    }
}

/// What a peer's alert objects to in our certificate, where it speaks of that.
fn objection(alert: AlertDescription) -> Option<&'static str> {
    use AlertDescription as A;
    Some(match alert {
        A::UnknownCA => "it was not signed by the authority that is trusted there",
        A::CertificateExpired => "it has expired, or is not valid yet",
        A::CertificateRevoked => "it was revoked",
        A::CertificateRequired | A::NoCertificate => "there was none, and one is required",
        A::UnsupportedCertificate => "it was made for another use",
        // With this one, rustls also answers a signature that is not its authority's.
        A::DecryptError => "its signature does not hold",
        A::AccessDenied => "its name gives no access",
        A::BadCertificate | A::CertificateUnknown => "it is not accepted there",
        _ => return None,
    })
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted(why) => write!(f, "the peer's certificate is refused: {why}"),
            Self::Distrusted(why) => write!(f, "the peer refused our certificate: {why}"),
            Self::Cut { handshake: true } => {
                f.write_str("the peer closed the connection during the TLS handshake")
            }
            Self::Cut { handshake: false } => {
                f.write_str("the connection was cut without the goodbye of TLS")
            }
            Self::Broken(what) => write!(f, "no TLS 1.3 to go on with: {what}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(e: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidData, e)
    }
}
