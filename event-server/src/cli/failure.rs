//! Why the program fails, and the exit code that says so (sysexits.h).

use std::fmt::Display;
use std::io;

use event_server::server::ServerError;
use event_server::store::files::{ExportError, NewFolderError, StoreError};
use event_server::store::postgres::{OperatorError, Unusable};

/// The command line is wrong.
pub const USAGE: u8 = 64;
/// A row of bets.csv cannot be moved to a database.
pub const DATA: u8 = 65;
/// Something needed is not available: an address, a resource, a database.
pub const UNAVAILABLE: u8 = 69;
/// A file cannot be read or written, or what it holds is damaged.
pub const IO_ERROR: u8 = 74;
/// Not now: the same command may succeed later.
pub const REFUSED: u8 = 75;
/// The configuration is wrong, or does not fit what is stored.
pub const CONFIGURATION: u8 = 78;
/// The reader of standard output has closed it: 128 plus the number of SIGPIPE, as a shell would show it.
pub const CLOSED_PIPE: u8 = 141;

/// Why the program fails.
pub struct Failure {
    pub code: u8,
    /// One sentence.
    pub reason: String,
}

impl Failure {
    pub fn new(code: u8, reason: impl Display) -> Self {
        let reason = reason.to_string();
        Self { code, reason }
    }

    /// Returns the failure of a write to standard output.
    pub fn output(e: &io::Error) -> Self {
        let code = match e.kind() {
            io::ErrorKind::BrokenPipe => CLOSED_PIPE,
            _ => IO_ERROR,
        };
        Self::new(
            code,
            format_args!("standard output cannot be written to: {e}"),
        )
    }
}

impl From<StoreError> for Failure {
    fn from(e: StoreError) -> Self {
        Self::new(IO_ERROR, e)
    }
}

impl From<NewFolderError> for Failure {
    fn from(e: NewFolderError) -> Self {
        Self::new(IO_ERROR, e)
    }
}

impl From<ExportError> for Failure {
    fn from(e: ExportError) -> Self {
        match e {
            ExportError::Store(e) => e.into(),
            ExportError::Output(e) => Self::output(&e),
        }
    }
}

impl From<Unusable> for Failure {
    fn from(e: Unusable) -> Self {
        Self::new(CONFIGURATION, e)
    }
}

impl From<OperatorError> for Failure {
    fn from(e: OperatorError) -> Self {
        let code = match &e {
            OperatorError::Output(e) => return Self::output(e),
            OperatorError::Unreachable(_) => UNAVAILABLE,
            OperatorError::Unusable(_) => CONFIGURATION,
            OperatorError::Row(_) => DATA,
        };
        Self::new(code, e)
    }
}

impl<E: std::error::Error + Into<Failure>> From<ServerError<E>> for Failure {
    fn from(e: ServerError<E>) -> Self {
        match e {
            ServerError::System { .. } => Self::new(UNAVAILABLE, e),
            ServerError::Store(e) => e.into(),
        }
    }
}
