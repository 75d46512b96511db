//! How an attempt to talk to the server failed. Another attempt may help.

use std::fmt;
use std::io;
use std::time::Duration;

use frame::TlsError;

use super::remedy;

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
                let remedy = remedy::unreachable(error);
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

    /// The exit code of a run whose result was not known: 0 for whoever runs the client as a service, else 128 and the
    /// signal's number.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Term => 0,
            Self::Int => 128 + 2,
        }
    }
}
