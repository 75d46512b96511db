//! The keys of mutual TLS, `SERVER_TLS_…`.

use std::path::PathBuf;

use super::error::ConfigError;
use super::keys::Keys;

/// The files of mutual TLS, each in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// `SERVER_TLS_CERT`: our certificate, and those that lead to its authority.
    pub cert: PathBuf,
    /// `SERVER_TLS_KEY`: our private key.
    pub key: PathBuf,
    /// `SERVER_TLS_CLIENT_CA`: the authority that signs the agencies' certificates.
    pub client_ca: PathBuf,
}

/// All three, or none.
pub(super) fn tls(keys: &mut Keys) -> Result<Option<TlsFiles>, ConfigError> {
    const NAMES: [&str; 3] = ["SERVER_TLS_CERT", "SERVER_TLS_KEY", "SERVER_TLS_CLIENT_CA"];
    let mut path = |key| keys.optional(key, "a file's path", |text| Some(PathBuf::from(text)));
    let paths = [path(NAMES[0])?, path(NAMES[1])?, path(NAMES[2])?];
    let missing = paths.iter().position(Option::is_none);
    match (paths, missing) {
        ([Some(cert), Some(key), Some(client_ca)], _) => Ok(Some(TlsFiles {
            cert,
            key,
            client_ca,
        })),
        ([None, None, None], _) | (_, None) => Ok(None),
        (_, Some(missing)) => Err(ConfigError(format!(
            "{} is not set: mutual TLS needs all of {}, or none",
            NAMES[missing],
            NAMES.join(", ")
        ))),
    }
}
