//! Certificates and keys as they stand in PEM files. In come the bytes of a file, out come values or one sentence
//! that says what is wrong with it.

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The certificates of a file, in their order: the own one first, then those that lead to its authority.
///
/// # Errors
/// There is none, or one is damaged.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err("it holds no certificate in PEM".to_owned())
        }
        Ok(certificates) => Ok(certificates),
        Err(e) => Err(format!("it is damaged: {e}")),
    }
}

/// The first private key of a file.
///
/// # Errors
/// There is none that is readable without a password.
pub fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| "it holds no private key in PEM, or an encrypted one".to_owned())
}

/// The certificates of a file, each as an authority to be trusted.
///
/// # Errors
/// There is none, or one cannot be an authority's.
pub fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        let added = roots.add(certificate);
        added.map_err(|e| format!("a certificate in it is no authority's: {e}"))?;
    }
    Ok(roots)
}
