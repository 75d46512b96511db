//! Why the client ends without having done all, and the exit code that says so.
//!
//! Each error is one sentence: what, where, what to do. None holds a name or a birthdate of a bettor.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use frame::{NO_SPACE, TlsError};

use crate::config::ConfigError;

/// The exit code of a command line that makes no sense.
pub const USAGE: u8 = 64;
const BAD_DATA: u8 = 65;
const UNAVAILABLE: u8 = 69;
const IO: u8 = 74;
const FOR_NOW: u8 = 75;
const PROTOCOL: u8 = 76;
const CONFIG: u8 = 78;

/// What the client was doing with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A line of text to be echoed.
    Echo,
    /// A single bet.
    Bet,
    /// A batch of bets.
    Batch,
    /// Saying that no more bets will come.
    Finished,
    /// Asking for the winners.
    Winners,
    /// Asking how much of an upload is stored.
    Resume,
}

impl Step {
    /// The `action` of this step's log lines.
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

/// How a connection failed. Trying again may help.
#[derive(Debug)]
pub enum Lost {
    /// No connection was made.
    Unreachable(io::Error),
    /// The server closed the connection.
    Closed,
    /// Nothing came for this long.
    Silent(Duration),
    /// The connection broke.
    Broken(io::Error),
    /// The server refused a resume and did not say why.
    Unexplained,
    /// There was no TLS session, or it broke.
    Tls(TlsError),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(e) => write!(f, "the server cannot be reached: {e}"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Silent(time) => write!(f, "the server did not answer within {time:?}"),
            Self::Broken(e) => write!(f, "the connection broke: {e}"),
            Self::Unexplained => f.write_str("the server refused to resume and did not say why"),
            Self::Tls(e) => e.fmt(f),
        }
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
    /// A variable of mode bet holds what no bet may.
    BadBet {
        /// Which variable.
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
    /// The agency file is a folder, a pipe or the like.
    NotRegular(PathBuf),
    /// Rows of the agency file are no bets; they were told before.
    BadRows {
        /// Which file.
        path: PathBuf,
        /// How many.
        count: u64,
    },
    /// The agency file is not what it was when it was checked.
    FileChanged(PathBuf),
    /// The server was not there for as long as `server.retry`.
    GaveUp {
        /// Where it should be.
        address: String,
        /// How long it was tried.
        after: Duration,
        /// What came of the last try.
        last: Lost,
    },
    /// The server was there, and then gone, before it echoed a message.
    NoEcho(Lost),
    /// A plain server may or may not have done what it did not answer.
    InDoubt {
        /// What was asked.
        step: Step,
        /// What it was about, for people.
        what: String,
        /// Why there is no answer.
        lost: Lost,
    },
    /// The server said no.
    Refused {
        /// To what.
        step: Step,
        /// Why, where it says so.
        reason: Option<String>,
    },
    /// The server's answer makes no sense.
    Protocol {
        /// What was asked.
        step: Step,
        /// What came.
        found: String,
    },
    /// The server has more bets of the upload than the file has rows.
    Ahead {
        /// What the server has.
        stored: u64,
        /// What the file has.
        rows: u64,
    },
    /// The server never answered a resume.
    NoResume(Lost),
    /// The server's certificate is not trusted here, or ours is not trusted there.
    Untrusted {
        /// Where the server is.
        address: String,
        /// Who does not trust whom, and why.
        error: TlsError,
    },
    /// The server never completed a TLS handshake.
    NoTls(Lost),
    /// The winners cannot be written.
    Output(io::Error),
    /// The system refused what every program may ask for.
    System(io::Error),
}

impl Error {
    /// The exit code, after `sysexits.h`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stopped => 0,
            Self::BadBet { .. } | Self::NotRegular(_) => BAD_DATA,
            Self::BadRows { .. } | Self::FileChanged(_) => BAD_DATA,
            Self::GaveUp { .. } | Self::NoEcho(_) | Self::InDoubt { .. } => UNAVAILABLE,
            Self::File { .. } | Self::Output(_) | Self::System(_) => IO,
            Self::Refused { reason, .. } if for_now(reason.as_deref()) => FOR_NOW,
            Self::Refused { .. } | Self::Protocol { .. } => PROTOCOL,
            Self::Ahead { .. } | Self::NoResume(_) => PROTOCOL,
            Self::Untrusted { .. } | Self::NoTls(_) => PROTOCOL,
            Self::Config(_) | Self::NoBet(_) => CONFIG,
        }
    }

    /// The `action` that failed.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Stopped => "receive_signal",
            Self::Config(_) => "config",
            Self::NoBet(_) | Self::BadBet { .. } => Step::Bet.action(),
            Self::File { .. } | Self::NotRegular(_) => "read_file",
            Self::BadRows { .. } | Self::FileChanged(_) => "read_file",
            Self::GaveUp { .. } => "connect",
            Self::NoEcho(_) => Step::Echo.action(),
            Self::InDoubt { step, .. } => step.action(),
            Self::Refused { step, .. } | Self::Protocol { step, .. } => step.action(),
            Self::Ahead { .. } | Self::NoResume(_) => Step::Resume.action(),
            Self::Untrusted { .. } | Self::NoTls(_) => "tls_handshake",
            Self::Output(_) => "write_winners",
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
            Self::NoBet(variables) => {
                let (variables, verb) = (
                    variables.join(", "),
                    if variables.len() == 1 { "is" } else { "are" },
                );
                write!(
                    f,
                    "{variables} {verb} not set in the environment: a bet needs NOMBRE, APELLIDO, DOCUMENTO, NACIMIENTO and NUMERO"
                )
            }
            Self::BadBet { variable, reason } => {
                write!(f, "the variable {variable} holds no valid value: {reason}")
            }
            Self::File { path, error } => {
                write!(f, "{} cannot be read: {error}", path.display())
            }
            Self::NotRegular(path) => {
                let path = path.display();
                write!(
                    f,
                    "{path} is no regular file, and it must be read twice: copy its content to a file and set batch.file"
                )
            }
            Self::BadRows { path, count } => {
                let (path, rows) = (path.display(), if *count == 1 { "row" } else { "rows" });
                write!(
                    f,
                    "{path} has {count} bad {rows}: correct them and run again, nothing was sent"
                )
            }
            Self::FileChanged(path) => {
                let path = path.display();
                write!(
                    f,
                    "{path} changed while it was being sent: \"finished\" was not said; put the file back as it was and run again"
                )
            }
            Self::GaveUp {
                address,
                after,
                last,
            } => {
                let after = after.as_secs_f64();
                write!(
                    f,
                    "gave up on {address} after {after:.1}s without progress: {last}; start the server and run again"
                )
            }
            Self::NoEcho(lost) => write!(f, "{lost} before it echoed the message"),
            Self::InDoubt { what, lost, .. } => {
                write!(
                    f,
                    "{lost}, and nobody knows whether it counted: {what} in doubt; look at what the server stored before sending again"
                )
            }
            Self::Refused { step, reason } => match reason.as_deref() {
                Some(reason) if for_now(Some(reason)) => {
                    write!(
                        f,
                        "the server refused {step} for now: {reason}; make room there and run again"
                    )
                }
                Some(reason) => write!(f, "the server refused {step}: {reason}"),
                None => write!(f, "the server refused {step}; its log may say why"),
            },
            Self::Protocol { step, found } => {
                write!(
                    f,
                    "the server's answer to {step} breaks the protocol: {found}; check server.address and server.protocol"
                )
            }
            Self::Ahead { stored, rows } => {
                write!(
                    f,
                    "the server has {stored} bets of a file of {rows} rows: its storage is not of this file"
                )
            }
            Self::NoResume(lost) => {
                write!(
                    f,
                    "the server does not seem to know resume ({lost}, three times): nothing was sent; set server.protocol to plain if it speaks types 1 to 6 only"
                )
            }
            Self::Untrusted { address, error } => {
                let keys = match error {
                    TlsError::Distrusted(_) => "server.tls.cert and server.tls.key",
                    _ => "server.address and server.tls.ca",
                };
                write!(f, "no trust with {address}: {error}; check {keys}")
            }
            Self::NoTls(lost) => {
                write!(
                    f,
                    "the server does not seem to speak TLS ({lost}, three times): nothing was sent; leave out server.tls if it speaks in the clear"
                )
            }
            Self::Output(e) => write!(f, "the winners cannot be written to standard output: {e}"),
            Self::System(e) => write!(f, "the system refused to wait for events: {e}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ConfigError> for Error {
    fn from(e: ConfigError) -> Self {
        Self::Config(e)
    }
}
