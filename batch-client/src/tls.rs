//! Mutual TLS: whom the agency trusts, and what it shows.
//!
//! In come the configuration and the three files that it names, read once; out comes a [`Connector`] that begins
//! sessions. The sessions themselves are [`frame`]'s. Beside `frame`, this is the only file that names rustls.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use frame::{Tls, TlsError, pem};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error};

use crate::config::{ConfigError, Server};

/// Begins TLS sessions with the server.
pub struct Connector {
    config: Arc<ClientConfig>,
    /// What the server's certificate has to be for: the host of `server.address`.
    name: ServerName<'static>,
}

impl Connector {
    /// Reads the files that `server.tls` names; `None` where it names none.
    ///
    /// # Errors
    /// A file cannot be read, or does not hold what it should; the key is another certificate's; the server's
    /// address is none that a certificate could be for.
    pub fn open(server: &Server) -> Result<Option<Self>, ConfigError> {
        let Some(files) = &server.tls else {
            return Ok(None);
        };
        let roots = read("server.tls.ca", &files.ca, pem::authorities)?;
        let chain = read("server.tls.cert", &files.cert, pem::certificates)?;
        let key = read("server.tls.key", &files.key, pem::key)?;
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_root_certificates(roots))
            .and_then(|builder| builder.with_client_auth_cert(chain, key));
        let mut config = config.map_err(|e| ConfigError::Tls {
            key: "server.tls.key",
            path: files.key.clone(),
            reason: match e {
                Error::InconsistentKeys(_) => {
                    format!(
                        "the certificate in {} is of another key",
                        files.cert.display()
                    )
                }
                other => other.to_string(),
            },
        })?;
        // Every connection shows its certificates.
        config.resumption = Resumption::disabled();
        let (config, name) = (Arc::new(config), name(&server.address)?);
        Ok(Some(Self { config, name }))
    }

    /// Our side of a new session.
    ///
    /// # Errors
    /// No session can begin.
    pub fn begin(&self) -> Result<Tls, TlsError> {
        Tls::client(Arc::clone(&self.config), self.name.clone())
    }
}

fn read<T>(
    key: &'static str,
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, ConfigError> {
    fs::read(path)
        .map_err(|e| e.to_string())
        .and_then(|pem| parse(&pem))
        .map_err(|reason| ConfigError::Tls {
            key,
            path: path.to_owned(),
            reason,
        })
}

/// The host of an address, without the brackets around one of IPv6.
fn name(address: &str) -> Result<ServerName<'static>, ConfigError> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    ServerName::try_from(bare.unwrap_or(host).to_owned()).map_err(|_| ConfigError::Invalid {
        key: "server.address",
        value: address.to_owned(),
        origin: "a configuration with server.tls".to_owned(),
        allowed: "a DNS name or an IP address, and a port",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_host() {
        for (address, host) in [
            ("server:12345", "server"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]:1", "::1"),
        ] {
            assert_eq!(name(address).unwrap().to_str(), host);
        }
        let error = name("a b:1").unwrap_err().to_string();
        assert!(error.starts_with("server.address is \"a b:1\""), "{error}");
    }
}
