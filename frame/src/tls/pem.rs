//! Certificates and keys in PEM files. In come the bytes of a file; out come the values, or one sentence that says what
//! is wrong with the file. The sentence begins with "it", which stands for the file.

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Returns the certificates of a file, in their order: first the owner's, then those between it and its authority.
///
/// # Errors
/// The file holds no certificate, or one is damaged.
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

/// Returns the first private key of a file.
///
/// # Errors
/// The file holds no key that can be read without a password.
pub fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| "it holds no private key in PEM, or an encrypted one".to_owned())
}

/// Returns the certificates of a file, each as an authority that is trusted.
///
/// # Errors
/// The file holds no certificate, or one cannot be that of an authority.
pub fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        let added = roots.add(certificate);
        added.map_err(|e| format!("it holds a certificate that is not an authority's: {e}"))?;
    }
    Ok(roots)
}
