//! Mutual TLS: which server the agency trusts, and the certificate with which it proves who it is.
//!
//! In come the configuration and the three files that it names, which are read once; out comes a [`Connector`], which
//! begins sessions. The sessions themselves are in [`frame`]. In this crate only this file names rustls.

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
    /// The name or address that the server's certificate has to be valid for: the host of `server.address`.
    name: ServerName<'static>,
}

impl Connector {
    /// Reads the files that `server.tls` names. `None` where it names none.
    ///
    /// # Errors
    /// A file cannot be read, or does not hold what it should; the key does not belong to the certificate; no certificate
    /// can be valid for the server's address.
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
                        "it does not belong to the certificate in {}",
                        files.cert.display()
                    )
                }
                other => other.to_string(),
            },
        })?;
        // So that both certificates are checked on every connection.
        config.resumption = Resumption::disabled();
        let (config, name) = (Arc::new(config), name(&server.address)?);
        Ok(Some(Self { config, name }))
    }

    /// Begins a session.
    ///
    /// # Errors
    /// It cannot begin.
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

/// The host of an address. An IPv6 address loses its brackets.
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
    fn the_name_of_a_server_is_the_host_of_its_address() {
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
