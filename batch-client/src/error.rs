//! Why the client ends before it has done everything, and its exit code.
//!
//! Each error displays as one sentence: what is wrong, where, and what to do. No error holds a name or a birthdate of a
//! bettor.

mod lost;
mod remedy;
mod step;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use frame::{NO_SPACE, TlsError};

use crate::config::ConfigError;
use frame::Count;
pub use lost::Lost;
pub use step::Step;

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
    /// A signal asked for it.
    Stopped,
    /// The configuration cannot be used.
    Config(ConfigError),
    /// Variables of mode bet are not set.
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
    /// The agency file is a folder, a pipe or something else that is not a regular file.
    NotRegular {
        /// Its path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The agency file has no bets, and nobody said that it may have none.
    NoBets(PathBuf),
    /// Rows of the agency file are not valid bets. They were reported before.
    BadRows {
        /// Which file.
        path: PathBuf,
        /// How many.
        count: u64,
    },
    /// The agency file has changed since it was checked.
    FileChanged(PathBuf),
    /// There was no progress for as long as `server.retry` allows.
    GaveUp {
        /// `server.address`.
        address: String,
        /// The time without progress.
        after: Duration,
        /// How the last attempt failed.
        last: Lost,
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
    /// The server never answered a resume.
    NoResume(Lost),
    /// The client does not trust the server's certificate, or the server does not trust the client's.
    Untrusted {
        /// `server.address`.
        address: String,
        /// Which side does not trust the other one, and why.
        error: TlsError,
    },
    /// The server never completed a TLS handshake.
    NoTls(Lost),
    /// The result cannot be written to standard output.
    Output(io::Error),
    /// A file or folder cannot be written.
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A system call failed that never should.
    System(io::Error),
}

impl Error {
    /// The exit code, as in `sysexits.h`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stopped => 0,
            Self::BadBet { .. } | Self::NotRegular { .. } | Self::NoBets(_) => BAD_DATA,
            Self::BadRows { .. } | Self::FileChanged(_) => BAD_DATA,
            Self::GaveUp { .. } | Self::NoEcho(_) | Self::InDoubt { .. } => UNAVAILABLE,
            Self::File { .. } | Self::Output(_) | Self::Write { .. } | Self::System(_) => IO,
            Self::Refused { reason, .. } if for_now(reason.as_deref()) => FOR_NOW,
            Self::Refused { .. } | Self::Protocol { .. } => PROTOCOL,
            Self::Ahead { .. } | Self::NoResume(_) => PROTOCOL,
            Self::Untrusted { .. } | Self::NoTls(_) => PROTOCOL,
            Self::Config(ConfigError::UnknownKey { .. }) => USAGE,
            Self::Config(_) | Self::NoBet(_) => CONFIG,
        }
    }

    /// The `action` that failed.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Stopped => "receive_signal",
            Self::Config(_) => "config",
            Self::NoBet(_) | Self::BadBet { .. } => Step::Bet.action(),
            Self::File { .. } | Self::NotRegular { .. } | Self::NoBets(_) => "read_file",
            Self::BadRows { .. } | Self::FileChanged(_) => "read_file",
            Self::GaveUp { .. } => "connect",
            Self::NoEcho(_) => Step::Echo.action(),
            Self::InDoubt { step, .. } => step.action(),
            Self::Refused { step, .. } | Self::Protocol { step, .. } => step.action(),
            Self::Ahead { .. } | Self::NoResume(_) => Step::Resume.action(),
            Self::Untrusted { .. } | Self::NoTls(_) => "tls_handshake",
            Self::Output(_) | Self::Write { .. } => "write_output",
            Self::System(_) => "poll",
        }
    }
}

fn for_now(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.starts_with(NO_SPACE))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("a signal asked to stop"),
            Self::Config(e) => e.fmt(f),
            Self::NoBet(missing) => write!(
                f,
                "not set in the environment: {}; a bet needs NOMBRE, APELLIDO, DOCUMENTO, NACIMIENTO and NUMERO",
                missing.join(", ")
            ),
            Self::BadBet { variable, reason } => {
                write!(
                    f,
                    "the value of the variable {variable} is not allowed: {reason}"
                )
            }
            Self::File { path, error } => {
                let remedy = remedy::unreadable(error);
                write!(f, "{} cannot be read: {error}; {remedy}", path.display())
            }
            Self::NotRegular { path, kind } => write!(
                f,
                "{} is not a regular file but {kind}, and a regular file is needed, since it is read twice: once to check it, once to send it; save the bets in a file and name that one",
                path.display()
            ),
            Self::NoBets(path) => write!(
                f,
                "{} has no bets, and nothing was sent, since an agency that has finished cannot send bets later: see whether it is the right file, or add --allow-empty if the agency has none",
                path.display()
            ),
            Self::BadRows { path, count } => write!(
                f,
                "{} has {}: correct the file and run again; nothing was sent",
                path.display(),
                Count(*count, "bad row")
            ),
            Self::FileChanged(path) => write!(
                f,
                "{} changed while it was being sent, so \"finished\" was not sent: restore the file as it was, and run again",
                path.display()
            ),
            Self::GaveUp {
                address,
                after,
                last,
            } => {
                let after = after.as_secs_f64();
                let what_to_do = match last {
                    Lost::Unreachable { .. } => "",
                    _ => "; see to the server",
                };
                write!(
                    f,
                    "gave up on {address} after {after:.1}s without progress: {last}{what_to_do}, and run again"
                )
            }
            Self::NoEcho(lost) => write!(f, "{lost} before it sent the message back"),
            Self::InDoubt { subject, lost, .. } => write!(
                f,
                "{lost}, and nobody knows whether the server stored what it was sent: {subject} in doubt; look at what the server stored before you send again"
            ),
            Self::Refused { step, reason } => match reason.as_deref() {
                Some(reason) if for_now(Some(reason)) => {
                    write!(
                        f,
                        "the server refused {step} for now: {reason}; free some space there and run again"
                    )
                }
                Some(reason) => write!(f, "the server refused {step}: {reason}"),
                None => write!(f, "the server refused {step}; its log may say why"),
            },
            Self::Protocol { step, reason } => write!(
                f,
                "the server's answer to {step} breaks the protocol: {reason}; check server.address and server.protocol"
            ),
            Self::Ahead { stored, rows } => write!(
                f,
                "the server has {} of a file of {}: what it stored is not this file",
                Count(*stored, "bet"),
                Count(*rows, "row")
            ),
            Self::NoResume(lost) => write!(
                f,
                "the server does not seem to know resume ({lost}, three times): nothing was sent; set server.protocol to plain if it knows only types 1 to 6"
            ),
            Self::Untrusted { address, error } => {
                let keys = match error {
                    TlsError::Distrusted(_) => "server.tls.cert and server.tls.key",
                    _ => "server.address and server.tls.ca",
                };
                write!(f, "no trust with {address}: {error}; check {keys}")
            }
            Self::NoTls(lost) => write!(
                f,
                "the server does not seem to speak TLS ({lost}, three times): nothing was sent; remove the keys server.tls.* if it does not use TLS"
            ),
            Self::Output(e) => write!(f, "the result cannot be written to standard output: {e}"),
            Self::Write { path, error } => {
                write!(f, "{} cannot be written: {error}", path.display())
            }
            Self::System(e) => write!(f, "a system call failed: {e}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ConfigError> for Error {
    fn from(e: ConfigError) -> Self {
        Self::Config(e)
    }
}
