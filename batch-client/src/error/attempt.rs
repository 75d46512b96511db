//! One attempt to talk to the server: what was asked, how the attempt failed, which signal ended it, what is left to do, and
//! what a person can do about an error of the system.
//!
//! A plain server does not know what it was sent before, and stores twice what it is sent twice. So after a run that ended in
//! the middle, [`Left`] says where the next run has to begin.

use std::fmt;
use std::io::{self, Error, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use frame::{Count, TlsError};

/// What the client asks of the server. Displays as what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A line of text that the server should send back.
    Echo,
    /// A single bet.
    Bet,
    /// A batch of bets.
    Batch,
    /// The notice that no more bets will come.
    Finished,
    /// The query for the winners.
    Winners,
    /// The question how much of an upload is stored.
    Resume,
}

impl Step {
    /// Returns the `action` of the log lines about this step.
    pub fn action(self) -> &'static str {
        match self {
            Self::Echo => "receive_message",
            Self::Bet => "apuesta_enviada",
            Self::Batch => "batch_enviado",
            Self::Finished => "notify_finished",
            Self::Winners => "consulta_ganadores",
            Self::Resume => "resume",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echo => "the message",
            Self::Bet => "the bet",
            Self::Batch => "a batch",
            Self::Finished => "\"finished\"",
            Self::Winners => "the winners query",
            Self::Resume => "\"resume\"",
        })
    }
}

/// What a run with a plain server has left to do. Displays as the end of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// To send rows of the file, and all that comes after it.
    Rows {
        /// Which file.
        path: PathBuf,
        /// How many of its first rows are stored.
        stored: u64,
        /// How many of the rows after them may be stored or not.
        doubtful: u64,
    },
    /// To say that the agency has finished: all rows of a file are stored.
    Finish {
        /// Which file.
        path: PathBuf,
        /// How many rows it has.
        rows: u64,
    },
    /// To ask for the winners.
    Winners,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows {
                path,
                stored,
                doubtful,
            } => {
                let path = path.display();
                match stored {
                    0 => {}
                    1 => write!(f, "row 1 of {path} is stored, and ")?,
                    rows => write!(f, "rows 1 to {rows} of {path} are stored, and ")?,
                }
                if *stored > 0 {
                    f.write_str("a run from the beginning would store them again: ")?;
                }
                let next = stored + 1;
                match doubtful {
                    0 => write!(f, "go on with --from-row {next}"),
                    rows => write!(
                        f,
                        "go on with --from-row {} where what is in doubt is stored, else with --from-row {next}",
                        next + rows
                    ),
                }
            }
            Self::Finish { path, rows } => write!(
                f,
                "all of {} ({}) is stored, and a run from the beginning would store it again: go on with --from-row {}",
                path.display(),
                Count(*rows, "row"),
                rows + 1
            ),
            Self::Winners => {
                f.write_str("all is sent: ask for the winners with batch-client winners")
            }
        }
    }
}

/// How an attempt failed. Another attempt may succeed.
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
    /// SIGTERM: the manager of a service ends the client.
    Term,
    /// SIGINT: a person at a terminal ends it.
    Int,
}

impl Signal {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Term => "SIGTERM",
            Self::Int => "SIGINT",
        }
    }

    /// Returns the exit code of a run that it ended before the result was known: 0 for a service, otherwise 128 and the
    /// signal's number.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Term => 0,
            Self::Int => 128 + 2,
        }
    }
}

/// Returns what to do where a server cannot be reached.
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

/// Returns what to do where the agency file cannot be read.
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
