//! Mutual TLS: which server the agency trusts, and the certificate with which it proves who it is.
//!
//! In come the configuration and the three files that it names, which are read once; out comes a [`Connector`], which
//! begins sessions. The sessions themselves are in [`frame`]. In this crate only this file names rustls.

use std::path::Path;
use std::sync::Arc;

use frame::{Tls, TlsError, Validity, pem, small_file};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error};

use crate::config::{Address, ConfigError, Server};
use crate::report;

/// Begins TLS sessions with the servers.
pub struct Connector {
    config: Arc<ClientConfig>,
    /// The name or IP address for which the certificate of each server has to be valid: the hosts of `server.address`, in
    /// their order.
    names: Vec<ServerName<'static>>,
    /// When the certificate of the agency is valid.
    validity: Option<Validity>,
}

impl Connector {
    /// Reads the files that `server.tls` names, and logs a warning where the certificate is not valid now, or not for long.
    /// `None` where it names none.
    ///
    /// # Errors
    /// A file cannot be read, or does not hold what it should; the key does not belong to the certificate; no certificate
    /// can be valid for one of the addresses.
    pub fn open(server: &Server) -> Result<Option<Self>, ConfigError> {
        let Some(files) = &server.tls else {
            return Ok(None);
        };
        let roots = read("server.tls.ca", &files.ca, pem::authorities)?;
        let chain = read("server.tls.cert", &files.cert, pem::certificates)?;
        let validity = Validity::of(&chain);
        if let Some(warning) = validity.and_then(|validity| validity.warning()) {
            report::certificate_warning(&files.cert, &warning);
        }
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
        // Without resumption both certificates are checked on every connection.
        config.resumption = Resumption::disabled();
        let names = server.addresses.iter().map(name);
        let (config, names) = (Arc::new(config), names.collect::<Result<_, _>>()?);
        Ok(Some(Self {
            config,
            names,
            validity,
        }))
    }

    /// Returns when the certificate of the agency is valid; `None` where it does not say so.
    pub fn validity(&self) -> Option<Validity> {
        self.validity
    }

    /// Begins a session with the server whose address is at this place of `server.address`. After the last place the first
    /// one follows.
    ///
    /// # Errors
    /// The configuration of TLS does not work with that server's name.
    pub fn begin(&self, place: usize) -> Result<Tls, TlsError> {
        let name = self.names[place % self.names.len()].clone();
        Tls::client(Arc::clone(&self.config), name)
    }
}

/// Reads a PEM file that a key of the configuration names.
fn read<T>(
    key: &'static str,
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, ConfigError> {
    small_file::read(path)
        .map_err(|e| e.to_string())
        .and_then(|pem| parse(&pem))
        .map_err(|reason| ConfigError::Tls {
            key,
            path: path.to_owned(),
            reason,
        })
}

/// Returns the name or the IP address for which the certificate of the server at an address has to be valid.
fn name(address: &Address) -> Result<ServerName<'static>, ConfigError> {
    ServerName::try_from(address.host().to_owned()).map_err(|_| ConfigError::Invalid {
        key: "server.address",
        value: address.to_string(),
        origin: "a configuration with server.tls".to_owned(),
        allowed: "a DNS name or an IP address, and a port",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Addresses;

    #[test]
    fn the_name_of_a_server_is_the_host_of_its_address() {
        let addresses = Addresses::parse("server:12345,127.0.0.1:1,[::1]:1").unwrap();
        let names = addresses.iter().map(|address| name(address).unwrap());
        let names: Vec<String> = names.map(|name| name.to_str().into_owned()).collect();
        assert_eq!(names, ["server", "127.0.0.1", "::1"]);
    }

    #[test]
    fn a_host_for_which_no_certificate_can_be_valid_is_named() {
        let addresses = Addresses::parse("-server:1").unwrap();
        let error = name(addresses.at(0)).unwrap_err().to_string();
        assert!(
            error.starts_with("server.address is \"-server:1\""),
            "{error}"
        );
    }
}
