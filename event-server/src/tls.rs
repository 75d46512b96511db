//! Mutual TLS: what the central shows, whom it trusts, and which agency a certificate speaks for.
//!
//! From three files, which are read at the start and at a reload, comes a [`TlsAcceptor`]. It begins sessions, and
//! tells the agency in each client's certificate. The sessions themselves are [`frame`]'s, and the service decides what
//! a connection may say in the name of which agency. `store/postgres/tls` knows whom to trust toward a database: no
//! third file of the server names rustls.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use frame::{Agency, Tls, TlsError, Validity, pem, small_file};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use webpki::EndEntityCert;

use crate::config::TlsFiles;
use crate::report;

/// What the name in an agency's certificate begins with; its number follows.
const NAME: &str = "agency-";

/// Why a file of mutual TLS cannot be used. Displays as one sentence.
#[derive(Debug)]
pub struct BadFile {
    key: &'static str,
    path: PathBuf,
    reason: String,
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, path, reason } = self;
        write!(f, "{key}: {} cannot be used: {reason}", path.display())
    }
}

impl std::error::Error for BadFile {}

/// Begins TLS sessions with agencies.
#[derive(Clone)]
pub struct TlsAcceptor {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    /// The certificate that the central shows, and its key.
    identity: Arc<SingleCertAndKey>,
    /// Verifies the certificates of agencies.
    authority: Arc<dyn ClientCertVerifier>,
    /// When the central's certificate is valid.
    validity: Option<Validity>,
}

/// The agency in the certificate that a session's peer has shown: read once, while it was verified.
#[derive(Clone, Debug, Default)]
pub struct Certified(Arc<OnceLock<Agency>>);

impl Certified {
    /// Returns the agency; `None` before the handshake is complete.
    pub fn agency(&self) -> Option<Agency> {
        self.0.get().copied()
    }
}

impl TlsAcceptor {
    /// Reads the files, each with `read`.
    ///
    /// # Errors
    /// A file cannot be read, or does not hold what it should; or the key does not belong to the certificate.
    pub fn open(files: &TlsFiles, read: small_file::Read) -> Result<Self, BadFile> {
        let provider = Arc::new(default_provider());
        let chain = parsed("SERVER_TLS_CERT", &files.cert, read, pem::certificates)?;
        let validity = Validity::of(&chain);
        let key = parsed("SERVER_TLS_KEY", &files.key, read, pem::key)?;
        let client_ca = |pem: &[u8]| {
            let roots = Arc::new(pem::authorities(pem)?);
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .map_err(|e| e.to_string())
        };
        let authority = parsed("SERVER_TLS_CLIENT_CA", &files.client_ca, read, client_ca)?;
        let identity = CertifiedKey::from_der(chain, key, &provider).map_err(|e| BadFile {
            key: "SERVER_TLS_KEY",
            path: files.key.clone(),
            reason: match e {
                Error::InconsistentKeys(_) => {
                    let certificate = files.cert.display();
                    format!("it does not belong to the certificate in {certificate}")
                }
                other => other.to_string(),
            },
        })?;
        Ok(Self {
            files: files.clone(),
            provider,
            identity: Arc::new(SingleCertAndKey::from(identity)),
            authority,
            validity,
        })
    }

    /// Returns when the central's certificate is valid; `None` if it does not say so.
    pub fn validity(&self) -> Option<Validity> {
        self.validity
    }

    /// Logs which files are in force, and what an operator should know of the certificate.
    pub fn report_opened(&self) {
        let TlsFiles {
            cert, client_ca, ..
        } = &self.files;
        report::tls_opened(cert, client_ca, self.validity);
        self.report_validity();
    }

    /// Logs a warning if the central's certificate ends soon, or is not valid now.
    pub fn report_validity(&self) {
        if let Some(validity) = self.validity {
            report::tls_warning(&self.files.cert, validity);
        }
    }

    /// Begins our side of a session that a peer has begun. Returns it, and where the peer's agency will be.
    ///
    /// # Errors
    /// No session can begin.
    pub fn begin(&self) -> Result<(Tls, Certified), TlsError> {
        let certified = Certified::default();
        let verifier = Agencies {
            authority: Arc::clone(&self.authority),
            certified: certified.clone(),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| TlsError::Broken(e.to_string()))?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::clone(&self.identity) as Arc<dyn ResolvesServerCert>);
        // Every connection has to show its certificate: no session is resumed, and nothing is kept for that.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok((Tls::server(Arc::new(config))?, certified))
    }
}

fn parsed<T>(
    key: &'static str,
    path: &Path,
    read: small_file::Read,
    parse: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, BadFile> {
    read(path)
        .map_err(|e| e.to_string())
        .and_then(|pem| parse(&pem))
        .map_err(|reason| BadFile {
            key,
            path: path.to_owned(),
            reason,
        })
}

/// Returns the agency that a certificate speaks for: it has exactly one DNS name (subjectAltName), `agency-N`.
fn agency(certificate: &CertificateDer<'_>) -> Option<Agency> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let mut names = certificate.valid_dns_names();
    let (name, other) = (names.next()?, names.next());
    let number = name.strip_prefix(NAME)?;
    match other {
        None => Agency::parse(number.as_bytes()).ok(),
        Some(_) => None,
    }
}

/// Accepts certificates that an authority signed for an agency, and notes the agency of the one session that it serves.
#[derive(Debug)]
struct Agencies {
    authority: Arc<dyn ClientCertVerifier>,
    certified: Certified,
}

impl ClientCertVerifier for Agencies {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authority.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .authority
            .verify_client_cert(certificate, intermediates, now)?;
        match agency(certificate) {
            Some(agency) => {
                self.certified.0.get_or_init(|| agency);
                Ok(verified)
            }
            None => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authority.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use fixtures::certificates::{Authority, Role, Term};

    use super::*;

    #[test]
    fn a_certificate_speaks_for_the_one_agency_that_it_names_or_for_none() {
        let authority = Authority::new("lottery").unwrap();
        for (names, number) in [
            (&["agency-3"][..], Some(3)),
            (&["agency-4294967295", "127.0.0.1"], Some(u32::MAX)),
            (&[], None),
            (&["agency-0"], None),
            (&["agency-03"], None),
            (&["agency-"], None),
            (&["agency-4294967296"], None),
            (&["agency-3.example"], None),
            (&["central"], None),
            (&["agency-3", "agency-4"], None),
            (&["agency-3", "agency-3"], None),
        ] {
            let identity = authority.sign(Role::Client, names, Term::Current).unwrap();
            let certificates = pem::certificates(identity.certificate.as_bytes()).unwrap();
            let agency = agency(&certificates[0]).map(Agency::get);
            assert_eq!(agency, number, "{names:?}");
        }
    }
}
