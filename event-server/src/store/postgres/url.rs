//! Where the database is, as whom to use it, and how the connection is protected: what a URL says, as libpq understands it.
//!
//! ```text
//! parse          postgresql://user:password@host:port,host:port/database?parameter=value&…
//! parameters     what each parameter does here, or why it is refused
//! defaults       user and database where the URL names none
//! password_file  the password of each host, from ~/.pgpass
//! ```
//!
//! Neither `Debug` nor an error shows a password.

mod defaults;
mod parameters;
pub mod parse;
mod password_file;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where psql looks for a server of this machine, as Debian, Red Hat and the official images build it.
pub(super) const SOCKET_FOLDER: &str = "/var/run/postgresql";

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Not at all.
    Disable,
    /// Encrypted, whoever answers.
    Require,
    /// Encrypted, with a server whose certificate a given authority signed.
    VerifyCa,
    /// The same, and the certificate is for the host of the URL.
    VerifyFull,
}

/// Who has to have signed the server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCertificate {
    /// An authority that the operating system trusts.
    System,
    /// One of a file in PEM.
    File(PathBuf),
}

/// A certificate that the central shows, and its key: files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// The private key, not encrypted.
    pub key: PathBuf,
}

/// What carries the bytes of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A socket of this machine: nobody stands in between.
    UnixSocket,
    /// TCP in the clear.
    Plain,
    /// TLS, once the server has agreed to it.
    Tls,
    /// TLS from the first byte on (PostgreSQL 17 and newer).
    DirectTls,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A name or an IP address, without brackets; or the folder of a Unix socket, which begins with `/`.
    pub name: String,
    /// The port.
    pub port: u16,
    /// The password for this host, from a password file.
    pub password: Option<Secret>,
}

impl Host {
    /// Returns the path of its Unix socket, where it is reached through one.
    pub fn socket(&self) -> Option<PathBuf> {
        let socket = || format!("{}/.s.PGSQL.{}", self.name, self.port).into();
        self.name.starts_with('/').then(socket)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket() {
            Some(path) => path.display().fmt(f),
            None if self.name.contains(':') => write!(f, "[{}]:{}", self.name, self.port),
            None => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

/// A database, and as whom to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// The user.
    pub user: String,
    /// The password, where the URL has one.
    pub password: Option<Secret>,
    /// The hosts, tried in this order. There is at least one.
    pub hosts: Vec<Host>,
    /// The database's name.
    pub database: String,
    /// How the connection is protected; over a Unix socket it needs no protection.
    pub ssl_mode: SslMode,
    /// Who has to have signed a server's certificate. `Some` for [`SslMode::VerifyCa`] and [`SslMode::VerifyFull`].
    pub root_certificate: Option<RootCertificate>,
    /// What the central shows to a server that asks for a certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// TLS begins with the first byte.
    pub direct_tls: bool,
    /// No session without a password that is bound to the server's certificate.
    pub channel_binding_required: bool,
    /// What follows the central's name in the server's list of sessions.
    pub application: Option<String>,
    /// How long a host may take until it has said who it is.
    pub connect_timeout: Option<Duration>,
    /// Settings for the server, as its command line takes them.
    pub options: Option<String>,
    /// The password file that the URL names.
    pub password_file: Option<PathBuf>,
    /// Names of parameters that change nothing here.
    pub without_effect: Vec<String>,
}

impl DatabaseUrl {
    /// Returns what carries the bytes of a session with this host.
    pub fn transport(&self, host: &Host) -> Transport {
        match (host.socket(), self.ssl_mode, self.direct_tls) {
            (Some(_), ..) => Transport::UnixSocket,
            (None, SslMode::Disable, _) => Transport::Plain,
            (None, _, true) => Transport::DirectTls,
            (None, _, false) => Transport::Tls,
        }
    }

    /// Returns the password for this host.
    pub fn password_for<'u>(&'u self, host: &'u Host) -> Option<&'u Secret> {
        self.password.as_ref().or(host.password.as_ref())
    }
}
