//! Why the client ends before it has done everything, and its exit code.
//!
//! Each error displays as one sentence: what is wrong, where, and what to do. No error holds a name or a birthdate of a
//! bettor.

mod attempt;
mod text;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use frame::{Agency, NO_SPACE, TAKEN_OUT, TlsError};

use crate::config::ConfigError;
pub use attempt::{Left, Lost, Signal, Step};

/// The exit code of a command line that cannot be understood.
pub const USAGE: u8 = 64;
const BAD_DATA: u8 = 65;
const UNAVAILABLE: u8 = 69;
const IO: u8 = 74;
const FOR_NOW: u8 = 75;
const PROTOCOL: u8 = 76;
const CONFIG: u8 = 78;

/// What ends an attempt.
#[derive(Debug)]
pub enum AttemptError {
    /// The connection is lost; the next attempt may succeed.
    Lost(Lost),
    /// The program has to end.
    Fatal(Error),
}

impl From<Lost> for AttemptError {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<Error> for AttemptError {
    fn from(e: Error) -> Self {
        Self::Fatal(e)
    }
}

/// Why the client ends.
#[derive(Debug)]
pub enum Error {
    /// A signal came before the result was known.
    Stopped(Signal),
    /// A signal came after the result was known, before all of it was written.
    Unread(Signal),
    /// The arguments contradict each other or the file.
    Usage(String),
    /// A run with a plain server ended in the middle; a run from the beginning would store bets again.
    Partly {
        /// Why it ended.
        error: Box<Error>,
        /// What is left to do.
        left: Left,
    },
    /// The configuration cannot be used.
    Config(ConfigError),
    /// Variables of mode bet are not set; their names.
    NoBet(Vec<&'static str>),
    /// A variable of mode bet holds a value that is not allowed.
    BadBet {
        /// The name of the variable.
        variable: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The agency file cannot be read.
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The agency file is a folder, a device or something else that cannot be read like a file.
    NotRegular {
        /// Its path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// Standard input or a pipe, which can be read only once, cannot be copied.
    NotCopied {
        /// Its path.
        path: PathBuf,
        /// Where the copy would be.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The agency file has no bets, and the configuration does not allow that.
    NoBets(PathBuf),
    /// Rows of the agency file are not valid bets. They were reported before.
    BadRows {
        /// Which file.
        path: PathBuf,
        /// How many.
        count: u64,
        /// What is wrong with the whole file, and what to do, where that is known.
        advice: Option<String>,
    },
    /// The agency file is in another format.
    AnotherFormat {
        /// Which file.
        path: PathBuf,
        /// What it is, and what to do.
        advice: String,
    },
    /// Values of the agency file look damaged, and the configuration refuses such files. They were reported before.
    Damaged {
        /// Which file.
        path: PathBuf,
        /// In how many ways.
        kinds: u64,
    },
    /// The agency file has changed since it was checked.
    FileChanged {
        /// Which file.
        path: PathBuf,
        /// Whose file it is.
        agency: Agency,
        /// How many of its rows were sent, all of them as they were checked.
        sent: u64,
    },
    /// There was no progress for as long as `server.retry` allows.
    GaveUp {
        /// `server.address`.
        address: String,
        /// The time without progress.
        after: Duration,
        /// How the last attempt failed.
        last: Lost,
        /// Which servers were no longer tried, and why.
        unusable: String,
    },
    /// None of several servers can be used.
    NoneUsable {
        /// The first error of one of them.
        first: Box<Error>,
        /// Each of them, and why.
        unusable: String,
    },
    /// The connection was lost before the server sent a message back.
    NoEcho(Lost),
    /// A plain server did not answer, and may or may not have stored what it was sent.
    InDoubt {
        /// What was sent.
        step: Step,
        /// What was sent, in words, followed by "is" or "are".
        subject: String,
        /// Why there is no answer.
        lost: Lost,
    },
    /// The server refused a request.
    Refused {
        /// The request.
        step: Step,
        /// The reason that the server gave.
        reason: Option<String>,
    },
    /// Another client of this agency went on with the upload again and again, as the server says in these words.
    Replaced(String),
    /// The server's answer is not valid.
    Protocol {
        /// The request.
        step: Step,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The server has more bets of the upload than the file has rows.
    Ahead {
        /// How many bets the server has.
        stored: u64,
        /// How many rows the file has.
        rows: u64,
    },
    /// The server refused a resume without a reason: it does not know this request.
    NoResume,
    /// The client does not trust the server's certificate, or the server does not trust the client's.
    Untrusted {
        /// `server.address`.
        address: String,
        /// Which side does not trust the other one, and why.
        error: TlsError,
    },
    /// The server never completed a TLS handshake, and what it sent shows that it will not.
    NoTls {
        /// `server.address`.
        address: String,
        /// What it sent.
        seen: TlsError,
    },
    /// The result cannot be written to standard output.
    Output(io::Error),
    /// A file or folder cannot be written.
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A system call failed that never fails in normal operation.
    System(io::Error),
}

impl Error {
    /// Returns the exit code, as in `sysexits.h`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stopped(signal) | Self::Unread(signal) => signal.exit_code(),
            Self::InDoubt {
                lost: Lost::Stopped(signal),
                ..
            } => signal.exit_code(),
            Self::Partly { error, .. } => error.exit_code(),
            Self::Usage(_) => USAGE,
            Self::BadBet { .. } | Self::NotRegular { .. } | Self::NoBets(_) => BAD_DATA,
            Self::BadRows { .. } | Self::FileChanged { .. } => BAD_DATA,
            Self::AnotherFormat { .. } | Self::Damaged { .. } => BAD_DATA,
            Self::GaveUp { .. } | Self::NoEcho(_) | Self::InDoubt { .. } => UNAVAILABLE,
            Self::NotCopied { .. } => IO,
            Self::File { .. } | Self::Output(_) | Self::Write { .. } | Self::System(_) => IO,
            Self::Refused { reason, .. } if for_now(reason.as_deref()) => FOR_NOW,
            Self::Replaced(_) => FOR_NOW,
            Self::Refused { .. } | Self::Protocol { .. } => PROTOCOL,
            Self::Ahead { .. } | Self::NoResume => PROTOCOL,
            Self::Untrusted { .. } | Self::NoTls { .. } => PROTOCOL,
            Self::NoneUsable { first, .. } => first.exit_code(),
            Self::Config(ConfigError::UnknownKey { .. }) => USAGE,
            Self::Config(_) | Self::NoBet(_) => CONFIG,
        }
    }

    /// Returns whether the error is of this one server: another attempt there would fail again, one with another server may not.
    pub fn is_of_server(&self) -> bool {
        match self {
            Self::Untrusted { .. } | Self::NoTls { .. } | Self::NoResume => true,
            Self::Ahead { .. } | Self::Protocol { .. } => true,
            // A file that the operator took out is refused by all servers of the lottery.
            Self::Refused { step, reason } => {
                let reason = reason.as_deref();
                let taken_out = reason.is_some_and(|reason| reason.starts_with(TAKEN_OUT));
                *step == Step::Resume && !for_now(reason) && !taken_out
            }
            _ => false,
        }
    }

    /// Returns whether a signal is the reason.
    pub fn is_stopped(&self) -> bool {
        match self {
            Self::Stopped(_) | Self::Unread(_) => true,
            Self::InDoubt { lost, .. } => matches!(lost, Lost::Stopped(_)),
            Self::Partly { error, .. } => error.is_stopped(),
            _ => false,
        }
    }

    /// Returns the `action` that failed.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Stopped(_) | Self::Unread(_) => "receive_signal",
            Self::Partly { error, .. } => error.action(),
            Self::Config(_) | Self::Usage(_) => "config",
            Self::NoBet(_) | Self::BadBet { .. } => Step::Bet.action(),
            Self::File { .. } | Self::NotRegular { .. } | Self::NoBets(_) => "read_file",
            Self::NotCopied { .. } => "read_file",
            Self::BadRows { .. } | Self::FileChanged { .. } => "read_file",
            Self::AnotherFormat { .. } | Self::Damaged { .. } => "read_file",
            Self::GaveUp { .. } => "connect",
            Self::NoEcho(_) => Step::Echo.action(),
            Self::InDoubt { step, .. } => step.action(),
            Self::Refused { step, .. } | Self::Protocol { step, .. } => step.action(),
            Self::Ahead { .. } | Self::NoResume | Self::Replaced(_) => Step::Resume.action(),
            Self::Untrusted { .. } | Self::NoTls { .. } => "tls_handshake",
            Self::NoneUsable { first, .. } => first.action(),
            Self::Output(_) | Self::Write { .. } => "write_output",
            Self::System(_) => "poll",
        }
    }
}

/// Returns whether the server may take the same request later.
fn for_now(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.starts_with(NO_SPACE))
}

impl std::error::Error for Error {}

impl From<ConfigError> for Error {
    fn from(e: ConfigError) -> Self {
        Self::Config(e)
    }
}
