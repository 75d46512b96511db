//! TLS toward a database: whom to trust, and what binds a password to the server's certificate.
//!
//! The sessions themselves are [`frame`]'s. `verify-full` trusts an authority and asks for the host's name; `verify-ca`
//! leaves the name out, as PostgreSQL's `sslmode` says; `require` trusts whoever answers. The central shows a certificate of
//! its own where the URL names one.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use frame::{Tls, TlsError, pem, small_file};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::url::{ClientCertificate, DatabaseUrl, RootCertificate, SslMode};

/// How PostgreSQL's protocol is named in a TLS handshake (RFC 7301); where TLS begins at once, a server has to choose it.
pub(super) const ALPN: &[u8] = b"postgresql";

/// Begins TLS sessions with a database. A clone trusts and shows the same, also after the files were [read again](Self::adopt).
#[derive(Clone, Debug)]
pub struct DatabaseTls {
    provider: Arc<CryptoProvider>,
    mode: SslMode,
    files: Arc<RwLock<Files>>,
}

/// What was read from the files that a URL names.
#[derive(Clone, Debug)]
struct Files {
    /// The authority to trust; `None` where any certificate is accepted.
    authority: Option<Arc<WebPkiServerVerifier>>,
    /// What the central shows to a server that asks for a certificate.
    identity: Option<Arc<Identity>>,
}

#[derive(Debug)]
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// The hash of a server's certificate (RFC 5929, tls-server-end-point), once it was shown.
#[derive(Clone, Debug, Default)]
pub struct CertificateHash(Arc<OnceLock<Option<Vec<u8>>>>);

impl CertificateHash {
    /// Returns the hash; `None` before the handshake, and where the certificate's signature has no hash of its own.
    pub fn get(&self) -> Option<Vec<u8>> {
        self.0.get().cloned().flatten()
    }
}

/// What a TLS handshake has shown of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The hash of its certificate (RFC 5929, tls-server-end-point).
    pub certificate: Option<Vec<u8>>,
    /// An authority that the URL names has signed it.
    pub verified: bool,
    /// It has chosen PostgreSQL's protocol from those that were offered (ALPN).
    pub speaks_postgres: bool,
}

impl DatabaseTls {
    /// Reads the authorities and the certificate that a URL names, each file with `read`; `None` where no host of it is reached over TLS.
    ///
    /// # Errors
    /// A file cannot be read, or holds something else: one sentence.
    pub fn open(url: &DatabaseUrl, read: small_file::Read) -> Result<Option<Self>, String> {
        let is_remote = url.hosts.iter().any(|host| host.socket().is_none());
        if url.ssl_mode == SslMode::Disable || !is_remote {
            return Ok(None);
        }
        let provider = Arc::new(default_provider());
        let authority = match &url.root_certificate {
            None => None,
            Some(root) => {
                let roots = Arc::new(authorities(root, read)?);
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
                let verifier = verifier.build();
                Some(verifier.map_err(|e| format!("sslrootcert cannot be used: {e}"))?)
            }
        };
        let identity = url.client_certificate.as_ref();
        let identity = identity.map(|files| identity_of(files, read)).transpose()?;
        let identity = identity.map(Arc::new);
        let tls = Self {
            provider,
            mode: url.ssl_mode,
            files: Arc::new(RwLock::new(Files {
                authority,
                identity,
            })),
        };
        // A key that does not belong to the certificate is found now, not at the first connection.
        tls.config(CertificateHash::default())?;
        Ok(Some(tls))
    }

    /// Returns whether a session is made only with a server whose certificate an authority of ours has signed.
    pub fn verifies(&self) -> bool {
        self.files().authority.is_some()
    }

    /// Trusts and shows from the next handshake on what `fresh` does, which was read from the same URL.
    pub fn adopt(&self, fresh: &Self) {
        let fresh = fresh.files();
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    fn files(&self) -> Files {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.clone()
    }

    /// Creates our side of a new session with this host; returns it, and where the hash of its certificate will be.
    ///
    /// # Errors
    /// The host is no name that a certificate could be for.
    pub fn begin(&self, host: &str) -> Result<(Tls, CertificateHash), TlsError> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|e| TlsError::Broken(e.to_string()))?;
        let hash = CertificateHash::default();
        let config = self.config(hash.clone()).map_err(TlsError::Broken)?;
        Ok((Tls::client(Arc::new(config), name)?, hash))
    }

    fn config(&self, hash: CertificateHash) -> Result<ClientConfig, String> {
        let verifier = Verifier {
            tls: self.clone(),
            hash,
        };
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match self.files().identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = (identity.chain.clone(), identity.key.clone_key());
                let config = config.with_client_auth_cert(chain, key);
                config.map_err(|e| format!("sslcert and sslkey cannot be used together: {e}"))?
            }
        };
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }
}

fn authorities(root: &RootCertificate, read: small_file::Read) -> Result<RootCertStore, String> {
    let path = match root {
        RootCertificate::System => return system_authorities(),
        RootCertificate::File(path) => path,
    };
    let unusable = |e: String| format!("sslrootcert {} cannot be used: {e}", path.display());
    let pem = read(path).map_err(|e| unusable(e.to_string()))?;
    pem::authorities(&pem).map_err(unusable)
}

/// The authorities that the operating system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
fn system_authorities() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // Those that cannot be parsed are left out: some of a system's are of a kind that is not used any more.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        false => Ok(roots),
        true => Err(
            "this system trusts no authority: name the one that signed the database's certificate in sslrootcert, or \
             install the package ca-certificates; sslmode=disable is for a database on this machine"
                .to_owned(),
        ),
    }
}

fn identity_of(files: &ClientCertificate, read: small_file::Read) -> Result<Identity, String> {
    let ClientCertificate { certificate, key } = files;
    let unusable = |name: &str, path: &Path, e: String| {
        format!("{name} {} cannot be used: {e}", path.display())
    };
    let pem = read(certificate).map_err(|e| e.to_string());
    let chain = pem.and_then(|pem| pem::certificates(&pem));
    let pem = private(key).and_then(|()| read(key).map_err(|e| e.to_string()));
    let private = pem.and_then(|pem| pem::key(&pem));
    Ok(Identity {
        chain: chain.map_err(|e| unusable("sslcert", certificate, e))?,
        key: private.map_err(|e| unusable("sslkey", key, e))?,
    })
}

/// Checks who else may read a key, as libpq does.
fn private(key: &Path) -> Result<(), String> {
    let metadata = fs::metadata(key).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("it is no plain file".to_owned());
    }
    match is_private(metadata.uid(), metadata.mode()) {
        true => Ok(()),
        false => Err(format!(
            "others than its owner may read or write it; run  chmod 600 {}  (640 is enough where root owns it)",
            key.display()
        )),
    }
}

/// Whether a key's file with this owner and mode is kept from others: 0600 or less; where root owns it, 0640 or less, so that
/// a system's keys can be read by a group.
fn is_private(owner: u32, mode: u32) -> bool {
    let others = match owner {
        0 => 0o037,
        _ => 0o077,
    };
    mode & others == 0
}

/// Verifies as the mode says, and notes the certificate's hash.
#[derive(Debug)]
struct Verifier {
    tls: DatabaseTls,
    hash: CertificateHash,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(authority) = self.tls.files().authority {
            let verified =
                authority.verify_server_cert(certificate, intermediates, name, ocsp, now);
            match verified {
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. },
                )) if self.tls.mode == SslMode::VerifyCa => {}
                other => _ = other?,
            }
        }
        self.hash.0.get_or_init(|| end_point_hash(certificate));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.tls.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.tls.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.tls.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// The certificate hashed as its own signature hashes, with SHA-256 in the place of MD5 and SHA-1 (RFC 5929, 4.1).
fn end_point_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    // Object identifiers of signature algorithms, as DER has them.
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    let algorithm = signature_algorithm(certificate)?;
    match (algorithm.strip_prefix(RSA), algorithm.strip_prefix(ECDSA)) {
        (Some([4 | 5 | 11]), _) | (_, Some([2])) => Some(Sha256::digest(certificate).to_vec()),
        (Some([12]), _) | (_, Some([3])) => Some(Sha384::digest(certificate).to_vec()),
        (Some([13]), _) | (_, Some([4])) => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { algorithm OID, … }, … }`
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const OID: u8 = 0x06;
    let (body, _) = element(SEQUENCE, certificate)?;
    let (_, rest) = element(SEQUENCE, body)?;
    let (algorithm, _) = element(SEQUENCE, rest)?;
    Some(element(OID, algorithm)?.0)
}

/// Takes an element of this type off the front of `der`: its content, and what follows.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[first, length], rest) = der.split_first_chunk()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            let length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    (first == tag).then_some(())?;
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests;
