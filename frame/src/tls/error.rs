//! What can go wrong in a TLS session, as sentences for a log line.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why a TLS session failed. Displays as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The peer's certificate is not accepted here, or the peer sent none. Trying again does not help.
    Untrusted(String),
    /// The peer does not accept our certificate, as its alert says. Trying again does not help.
    Distrusted(String),
    /// The stream ended without `close_notify`: the peer is gone, or an attacker cut off the rest.
    Cut {
        /// It ended before the handshake was complete.
        handshake: bool,
    },
    /// The peer speaks TLS, but not as this program does.
    Incompatible(String),
    /// The input is not TLS, or it was changed on its way.
    Broken(String),
}

impl TlsError {
    /// Returns the error of the session in an error of a [`Channel`](crate::Channel); `None` where the stream failed.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    pub(super) fn from_rustls(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(e) => Self::Untrusted(flaw(e)),
            Error::NoCertificatesPresented => Self::Untrusted("it sent none".to_owned()),
            Error::AlertReceived(alert) => match objection(*alert) {
                Some(words) => Self::Distrusted(words.to_owned()),
                None => match mismatch(*alert) {
                    Some(words) => Self::Incompatible(words.to_owned()),
                    None => Self::Broken(format!("the peer ended it with the alert {alert:?}")),
                },
            },
            Error::PeerIncompatible(why) => Self::Incompatible(format!("{why:?}")),
            other => Self::Broken(other.to_string()),
        }
    }
}

/// What is wrong with the peer's certificate.
fn flaw(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => "it has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        // Where an authority of the same name has another key, rustls reports a bad signature.
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
            // Each name has the form `DnsName("central")`.
            let name = |shown: &String| shown.split('"').nth(1).unwrap_or(shown).to_owned();
            let names: Vec<String> = presented.iter().map(name).collect();
            let expected = expected.to_str();
            if names.iter().any(|name| *name == expected) {
                format!("it has {expected} as the name of a host, and needs it as an IP address")
            } else {
                format!("it is for {}, not for {expected}", names.join(", "))
            }
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "it is not for the name of this server".to_owned()
        }
        // Our own rule: the certificate of a client has to name an agency.
        E::ApplicationVerificationFailure => {
            "it does not name exactly one agency, in the form agency-3".to_owned()
        }
        // An error of the library that checks certificates, for which rustls has no name.
        E::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "it is the certificate of an authority, and not one that an authority has signed for this use".to_owned()
        }
        other => other.to_string(),
    }
}

/// What the peer's alert says about our certificate; `None` where the alert is about something else.
fn objection(alert: AlertDescription) -> Option<&'static str> {
    use AlertDescription as A;
    Some(match alert {
        A::UnknownCA => "it was not signed by the authority that is trusted there",
        A::CertificateExpired => "it has expired, or is not valid yet",
        A::CertificateRevoked => "it was revoked",
        A::CertificateRequired | A::NoCertificate => "there was none, and one is required",
        A::UnsupportedCertificate => "it was made for another use",
        // rustls also sends this one for a certificate that another authority signed.
        A::DecryptError => "its signature is not valid",
        A::AccessDenied => "its name has no access",
        A::BadCertificate | A::CertificateUnknown => "it is not accepted there",
        _ => return None,
    })
}

/// What the two sides do not have in common, as the peer's alert says; `None` where the alert is about something else.
fn mismatch(alert: AlertDescription) -> Option<&'static str> {
    use AlertDescription as A;
    Some(match alert {
        A::ProtocolVersion => "the peer does not speak TLS 1.3",
        A::HandshakeFailure | A::InsufficientSecurity => {
            "the peer has no algorithm of TLS 1.3 in common with this program"
        }
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
                f.write_str("the connection ended without the close_notify of TLS")
            }
            Self::Incompatible(why) => write!(f, "no TLS 1.3 session is possible: {why}"),
            Self::Broken(what) => write!(f, "the TLS 1.3 session failed: {what}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(e: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidData, e)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{OtherError, PeerIncompatible};

    use super::*;

    fn sentence(error: &Error) -> String {
        TlsError::from_rustls(error).to_string()
    }

    #[test]
    fn each_alert_of_the_peer_is_one_sentence_that_says_whose_fault_it_is() {
        use AlertDescription as A;
        let refused = "the peer refused our certificate: ";
        let impossible = "no TLS 1.3 session is possible: ";
        let failed = "the TLS 1.3 session failed: ";
        for (alert, begins, words) in [
            (
                A::UnknownCA,
                refused,
                "it was not signed by the authority that is trusted there",
            ),
            (
                A::CertificateExpired,
                refused,
                "it has expired, or is not valid yet",
            ),
            (A::CertificateRevoked, refused, "it was revoked"),
            (
                A::CertificateRequired,
                refused,
                "there was none, and one is required",
            ),
            (
                A::NoCertificate,
                refused,
                "there was none, and one is required",
            ),
            (
                A::UnsupportedCertificate,
                refused,
                "it was made for another use",
            ),
            (A::DecryptError, refused, "its signature is not valid"),
            (A::AccessDenied, refused, "its name has no access"),
            (A::BadCertificate, refused, "it is not accepted there"),
            (A::CertificateUnknown, refused, "it is not accepted there"),
            (
                A::ProtocolVersion,
                impossible,
                "the peer does not speak TLS 1.3",
            ),
            (
                A::HandshakeFailure,
                impossible,
                "the peer has no algorithm of TLS 1.3 in common with this program",
            ),
            (
                A::InsufficientSecurity,
                impossible,
                "the peer has no algorithm of TLS 1.3 in common with this program",
            ),
            (
                A::DecodeError,
                failed,
                "the peer ended it with the alert DecodeError",
            ),
        ] {
            let told = sentence(&Error::AlertReceived(alert));
            assert_eq!(told, format!("{begins}{words}"));
        }
    }

    #[test]
    fn each_flaw_of_the_peers_certificate_is_one_sentence() {
        use CertificateError as E;
        let (time, other) = (
            UnixTime::since_unix_epoch(Duration::from_secs(5)),
            UnixTime::since_unix_epoch(Duration::from_secs(9)),
        );
        let expected = || ServerName::try_from("central").unwrap();
        let named = |presented: &[&str]| E::NotValidForNameContext {
            expected: expected(),
            presented: presented.iter().map(|name| (*name).to_owned()).collect(),
        };
        let authority = OtherError(std::sync::Arc::new(io::Error::other("CaUsedAsEndEntity")));
        let unknown = OtherError(std::sync::Arc::new(io::Error::other("something new")));
        let new = E::Other(unknown);
        let said = new.to_string();
        let of_another_name = "it is not for the name of this server";
        let of_a_host = "it has central as the name of a host, and needs it as an IP address";
        for (flaw, words) in [
            (E::Expired, "it has expired"),
            (
                E::ExpiredContext {
                    time: other,
                    not_after: time,
                },
                "it has expired",
            ),
            (E::NotValidYet, "it is not valid yet"),
            (
                E::NotValidYetContext {
                    time,
                    not_before: other,
                },
                "it is not valid yet",
            ),
            (
                E::UnknownIssuer,
                "it was not signed by the authority that is trusted here",
            ),
            (
                E::BadSignature,
                "it was not signed by the authority that is trusted here",
            ),
            (
                E::InvalidPurpose,
                "it was made for the other side of a connection",
            ),
            (E::NotValidForName, of_another_name),
            (named(&[]), of_another_name),
            (
                named(&["DnsName(\"a\")", "DnsName(\"b\")"]),
                "it is for a, b, not for central",
            ),
            (named(&["a", "DnsName(\"central\")"]), of_a_host),
            (
                E::ApplicationVerificationFailure,
                "it does not name exactly one agency, in the form agency-3",
            ),
            (
                E::Other(authority),
                "it is the certificate of an authority, and not one that an authority has signed for this use",
            ),
            (new, said.as_str()),
        ] {
            let told = sentence(&Error::InvalidCertificate(flaw));
            let begins = "the peer's certificate is refused: ";
            assert_eq!(told, format!("{begins}{words}"));
        }
        assert_eq!(
            sentence(&Error::NoCertificatesPresented),
            "the peer's certificate is refused: it sent none"
        );
    }

    #[test]
    fn what_the_two_sides_do_not_have_in_common_and_what_is_no_tls_are_told_apart() {
        let why = PeerIncompatible::Tls13RequiredForQuic;
        assert_eq!(
            sentence(&Error::PeerIncompatible(why)),
            "no TLS 1.3 session is possible: Tls13RequiredForQuic"
        );
        assert_eq!(
            sentence(&Error::DecryptError),
            format!("the TLS 1.3 session failed: {}", Error::DecryptError)
        );
        let cut = |handshake| TlsError::Cut { handshake }.to_string();
        assert_eq!(
            cut(true),
            "the peer closed the connection during the TLS handshake"
        );
        assert_eq!(
            cut(false),
            "the connection ended without the close_notify of TLS"
        );
    }
}
