//! What can be wrong with the store's files. Every error is final: the server stops, exit code 74, and
//! acknowledges nothing more. A full disk and a lack of descriptors are no such errors: they become
//! [`NoSpace`], and the server goes on.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use frame::Count;
use rustix::io::Errno;

use super::format::Durability;
use crate::store::NoSpace;
use crate::store::rows::RowFlaw;

/// Why the store cannot be opened, or cannot go on. The text says what is wrong, where, and what to do.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// A call on a file failed.
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// Others could have put it there, or written to it.
    Untrusted {
        /// The folder, or a file in it.
        path: PathBuf,
        /// Why it is not used.
        why: Distrust,
    },
    /// Another server works in the folder.
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The log's head, or the checkpoint in it, is not what was written.
    Head {
        /// The log.
        path: PathBuf,
    },
    /// The log was written by another version of this program.
    Version {
        /// The log.
        path: PathBuf,
        /// Which version.
        version: u32,
    },
    /// A turn cannot be read, and a later one can: this is no torn tail.
    Damage {
        /// The log.
        path: PathBuf,
        /// The turn that cannot be read.
        turn: u64,
        /// The byte at which it should begin.
        at: u64,
        /// The byte at which a later one begins.
        later: u64,
    },
    /// The log ends before a turn that was acknowledged.
    Lost {
        /// The log.
        path: PathBuf,
        /// The byte at which the log ends.
        at: u64,
        /// The last turn in it.
        last: u64,
        /// The turn that was acknowledged.
        acknowledged: u64,
    },
    /// A turn is whole, and yet makes no sense.
    Nonsense {
        /// The log.
        path: PathBuf,
        /// The byte at which it begins.
        at: u64,
    },
    /// bets.csv is shorter than its synced part.
    Short {
        /// bets.csv.
        path: PathBuf,
        /// Its bytes.
        length: u64,
        /// The bytes that it must have.
        stored: u64,
        /// What it was written with.
        durability: Durability,
    },
    /// The synced part of bets.csv is not what it was.
    Different {
        /// bets.csv.
        path: PathBuf,
        /// The bytes that it had at the last checkpoint.
        checkpoint: u64,
    },
    /// bets.csv is longer than all that was ever stored.
    Long {
        /// bets.csv.
        path: PathBuf,
        /// Its bytes.
        length: u64,
        /// The bytes that checkpoint and log account for.
        stored: u64,
    },
    /// bets.csv is another file than the one that was written to.
    Replaced {
        /// bets.csv.
        path: PathBuf,
    },
    /// The caller has ended the reading of the files; nothing in them has changed.
    Stopped,
    /// A row of bets.csv is no bet.
    Row {
        /// bets.csv.
        path: PathBuf,
        /// Which row; the first one is 1.
        row: u64,
        /// What is wrong with it.
        flaw: RowFlaw,
    },
}

impl StoreError {
    /// Whether there was no room, on the disk or for one more descriptor: with some made, the same call may
    /// succeed.
    pub(super) fn is_full(&self) -> bool {
        let Self::Io { error, .. } = self else {
            return false;
        };
        let full = matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        );
        full || lacks_descriptors(error)
    }
}

/// The path leads to no folder, or to where none can be made.
fn is_misplaced(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::NOENT
                | Errno::EXIST
                | Errno::NOTDIR
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::ROFS
        )
    )
}

/// The process or the machine has as many files open as it may: peers can bring that about.
fn lacks_descriptors(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

impl StoreError {
    /// What a client is told when this error leaves its request without room.
    pub(super) fn no_space(&self) -> NoSpace {
        NoSpace::new(match self {
            Self::Io {
                action,
                path,
                error,
            } => {
                let name = path.file_name().unwrap_or_default().display();
                format!("the server cannot {action} {name}: {error}")
            }
            other => other.to_string(),
        })
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RESTORE: &str = "restore the folder from a backup";
        match self {
            Self::Io {
                action,
                path,
                error,
            } => {
                let path = path.display();
                let remedy = match error.kind() {
                    _ if lacks_descriptors(error) => {
                        "raise the limit of open files (ulimit -n) and start again"
                    }
                    ErrorKind::FileTooLarge => {
                        "raise the limit of file sizes (ulimit -f) and start again"
                    }
                    _ if self.is_full() => "make room and start again",
                    ErrorKind::PermissionDenied => {
                        "let the server's user do that, or set another SERVER_DATA_DIR"
                    }
                    ErrorKind::ResourceBusy => "end that program (fuser names it) and try again",
                    _ if is_misplaced(error) => {
                        "set SERVER_DATA_DIR to a folder, or to where one can be made"
                    }
                    _ => "check the disk and start again",
                };
                write!(f, "cannot {action} {path}: {error}; {remedy}")
            }
            Self::Untrusted { path, why } => write!(f, "{} {why}", path.display()),
            Self::Locked { path } => write!(
                f,
                "another server has locked {}: stop it, or set another SERVER_DATA_DIR",
                path.display()
            ),
            Self::Head { path } => write!(
                f,
                "{} is damaged at its head: {RESTORE}, or move this file away to keep the rows of bets.csv \
                 without the finished agencies, the uploads and the draw",
                path.display()
            ),
            Self::Version { path, version } => write!(
                f,
                "{} is of version {version}: start the program that wrote it, or a newer one",
                path.display()
            ),
            Self::Damage {
                path,
                turn,
                at,
                later,
            } => write!(
                f,
                "{} is damaged: turn {turn} at byte {at} cannot be read, but a later one at byte {later} can; \
                 {RESTORE}, or, if it is a copy that was made while bets arrived, copy it again",
                path.display()
            ),
            Self::Lost {
                path,
                at,
                last,
                acknowledged,
            } => write!(
                f,
                "{} is damaged: it ends at byte {at} with turn {last}, but turn {acknowledged} was \
                 acknowledged; {RESTORE}",
                path.display()
            ),
            Self::Nonsense { path, at } => write!(
                f,
                "{} holds a turn at byte {at} that is whole but makes no sense: it was not written by \
                 this program; {RESTORE}",
                path.display()
            ),
            Self::Short {
                path,
                length,
                stored,
                durability,
            } => {
                let why = match durability {
                    Durability::Always => "",
                    Durability::Never => " (SERVER_DURABILITY=never leaves that to chance)",
                };
                write!(
                    f,
                    "{} has {}, at least {stored} were stored{why}: {RESTORE}",
                    path.display(),
                    Count(*length, "byte")
                )
            }
            Self::Different { path, checkpoint } => write!(
                f,
                "{} was changed within its first {}: undo that, or {RESTORE}",
                path.display(),
                Count(*checkpoint, "byte")
            ),
            Self::Long {
                path,
                length,
                stored,
            } => write!(
                f,
                "{} has {}, but only {stored} were ever stored: if someone appended to it, cut it to that length, \
                 else {RESTORE}",
                path.display(),
                Count(*length, "byte")
            ),
            Self::Replaced { path } => write!(
                f,
                "{} was replaced by another file while the server ran: put the one back that it was, and start again; \
                 the log beside it is kept, it has the last rows",
                path.display()
            ),
            Self::Stopped => f.write_str("the start was ended before the files were read"),
            Self::Row { path, row, flaw } => {
                write!(
                    f,
                    "{}: row {row} {flaw}; mend it, or {RESTORE}",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// Why a file, or the folder, is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// A link stands there.
    Link,
    /// It is no ordinary file: another folder, a pipe, a device.
    Kind,
    /// It belongs to another user.
    Owner {
        /// Whose it is.
        owner: u32,
        /// Whose it has to be.
        user: u32,
    },
    /// Others may write to it.
    Writable,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str(
                "is a link, and links are not followed: name what it leads to, or put that in its place",
            ),
            Self::Kind => f.write_str("is no ordinary file: move it away"),
            Self::Owner { owner, user } => write!(
                f,
                "belongs to user {owner} and not to user {user}: run as the user whose it is, or change the owner (chown)"
            ),
            Self::Writable => f.write_str(
                "can be written to by others than its owner: make sure that nobody has, and take the right away (chmod go-w)",
            ),
        }
    }
}

impl std::error::Error for Distrust {}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn failed(error: io::Error) -> StoreError {
        StoreError::Io {
            action: "open",
            path: PathBuf::from("data"),
            error: Arc::new(error),
        }
    }

    #[test]
    fn a_failed_call_says_what_to_do_and_why_it_failed() {
        for (errno, remedy) in [
            (Errno::MFILE, "raise the limit of open files (ulimit -n)"),
            (Errno::NFILE, "raise the limit of open files (ulimit -n)"),
            (Errno::FBIG, "raise the limit of file sizes (ulimit -f)"),
            (Errno::NOSPC, "make room and start again"),
            (Errno::DQUOT, "make room and start again"),
            (
                Errno::ACCESS,
                "let the server's user do that, or set another",
            ),
            (Errno::BUSY, "end that program (fuser names it)"),
            (
                Errno::NOTDIR,
                "set SERVER_DATA_DIR to a folder, or to where",
            ),
            (Errno::ROFS, "set SERVER_DATA_DIR to a folder, or to where"),
            (Errno::IO, "check the disk and start again"),
        ] {
            let error = io::Error::from(errno);
            let expected = format!("cannot open data: {error}; {remedy}");
            let failed = failed(error);
            assert!(failed.to_string().starts_with(&expected), "{failed}");
            assert!(failed.source().is_some());
        }
        assert!(StoreError::Stopped.source().is_none());
    }
}
