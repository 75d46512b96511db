//! How an attempt to talk to the server failed, and what a person can do about an error of the system. Another attempt may
//! help.

use std::fmt;
use std::io::{self, Error, ErrorKind};
use std::time::Duration;

use frame::TlsError;

/// How a connection failed.
#[derive(Debug)]
pub enum Lost {
    /// No connection was made.
    Unreachable {
        /// Where: the address of the configuration, and what its name stands for.
        tried: String,
        /// How the last attempt failed.
        error: io::Error,
    },
    /// The server closed the connection.
    Closed,
    /// Nothing came for this long.
    Silent(Duration),
    /// The connection failed while it was used.
    Broken(io::Error),
    /// A signal stopped the client.
    Stopped(Signal),
    /// The server does not take the request now, for this reason.
    NotNow(String),
    /// The server goes on with another client of this agency, and says so in these words.
    Replaced(String),
    /// The TLS session could not begin, or failed.
    Tls(TlsError),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { tried, error } => {
                let remedy = unreachable(error);
                write!(
                    f,
                    "the server cannot be reached at {tried}: {error}; {remedy}"
                )
            }
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Silent(time) => write!(f, "the server did not answer within {time:?}"),
            Self::Broken(e) => write!(f, "the connection failed: {e}"),
            Self::Stopped(signal) => write!(f, "{} stopped the client", signal.name()),
            Self::NotNow(reason) => write!(f, "the server said {reason}"),
            Self::Replaced(reason) => f.write_str(reason),
            Self::Tls(e) => e.fmt(f),
        }
    }
}

/// The signals that end a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: whoever runs the client as a service ends it.
    Term,
    /// SIGINT: somebody at a terminal gives up.
    Int,
}

impl Signal {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Term => "SIGTERM",
            Self::Int => "SIGINT",
        }
    }

    /// Returns the exit code of a run whose result was not known: 0 for whoever runs the client as a service, else 128 and
    /// the signal's number.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Term => 0,
            Self::Int => 128 + 2,
        }
    }
}

/// What to do where a server cannot be reached.
fn unreachable(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => {
            "nothing listens there: start the server, or correct server.address"
        }
        ErrorKind::TimedOut => {
            "nothing answers there: see whether that machine runs, and whether a firewall lets the connection through"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no address or no free port for such a connection: use an IPv4 address where IPv6 is off, or end other connections"
        }
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
            "no way leads there: connect this machine to that network, or correct server.address"
        }
        ErrorKind::PermissionDenied => {
            "a rule of this machine forbids it: ask who runs its firewall"
        }
        // A failed lookup has no number of the system.
        _ if error.raw_os_error().is_none() => {
            "its name cannot be looked up: correct server.address, or connect this machine to its name server"
        }
        _ => "see to the network of this machine, or correct server.address",
    }
}

/// What to do where the agency file cannot be read.
pub(super) fn unreadable(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => {
            "give the path of the agency's file on the command line, or in batch.file"
        }
        ErrorKind::PermissionDenied => "give the user who runs this the right to read it",
        _ => "see to the disk, or give another copy of the file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_error_of_a_connect_has_a_remedy_of_its_own() {
        // The numbers of Linux, as the system gives them.
        let (denied, no_address, no_network) = (13, 99, 101);
        let (timed_out, refused, no_host) = (110, 111, 113);
        for (number, remedy) in [
            (denied, "a rule of this machine forbids it"),
            (no_address, "use an IPv4 address where IPv6 is off"),
            (no_network, "connect this machine to that network"),
            (timed_out, "whether a firewall lets the connection through"),
            (refused, "start the server, or correct server.address"),
            (no_host, "connect this machine to that network"),
        ] {
            let error = Error::from_raw_os_error(number);
            assert!(unreachable(&error).contains(remedy), "{error}");
        }
        let lookup = Error::other("failed to lookup address information");
        assert!(unreachable(&lookup).starts_with("its name cannot be looked up"));
    }
}
