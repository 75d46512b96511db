//! A whole lottery written into a new folder, which gets its name once it is complete and was read again.
//!
//! ```text
//! 1  NAME.new             a folder for its owner alone, locked: what a try that was broken off has left there is removed
//! 2  NAME.new/bets.csv    the rows, synced
//! 3  NAME.new/bets.wal    a checkpoint that fits them, synced
//! 4  NAME.new → NAME      never in place of something
//! ```
//!
//! What is dropped before its last step is removed again.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use frame::Bet;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::contents::Contents;
use super::disk::{FileName, Files as _, Open, failed};
use super::error::StoreError;
use super::folder::{Folder, ReadOnlyFolder};
use super::format::{Durability, Head};
use super::lock::lock;
use super::log::Log;
use crate::facts::Fact;
use crate::store::rows;
use crate::store::snapshot::Audit;

/// Bytes of rows that are gathered before they are written.
const BUFFER: usize = 1024 * 1024;

/// The files that a try which was broken off may have left.
const LEFT: [FileName; 4] = [
    FileName::Bets,
    FileName::Log,
    FileName::NewLog,
    FileName::NewBets,
];

/// Why a new folder was not made. Displays as one sentence.
#[derive(Debug)]
pub enum NewFolderError {
    /// There is something of that name already.
    Exists(PathBuf),
    /// Somebody else makes it at this moment.
    Underway(PathBuf),
    /// A call on a file failed, or what was written is not what is read.
    Store(StoreError),
}

impl fmt::Display for NewFolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(
                f,
                "{} is there already, and nothing is replaced: choose another name",
                path.display()
            ),
            Self::Underway(path) => write!(
                f,
                "{} is being written by another program: wait for its end, or choose another name",
                path.display()
            ),
            Self::Store(StoreError::Io {
                action,
                path,
                error,
            }) => {
                let remedy = match error.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                        "make room and run it again"
                    }
                    _ => "choose another place",
                };
                write!(f, "cannot {action} {}: {error}; {remedy}", path.display())
            }
            Self::Store(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for NewFolderError {}

impl From<StoreError> for NewFolderError {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

/// A folder that is being made.
pub struct NewFolder {
    target: PathBuf,
    /// What it is called until it is complete.
    place: PathBuf,
    files: Folder,
    /// Holds its lock.
    _lock: Open<File>,
    bets: Open<File>,
    /// Rows that are not written yet.
    rows: Vec<u8>,
    length: u64,
    crc: Hasher,
    is_published: bool,
}

impl NewFolder {
    /// Begins to make the folder `target`; the folder above it has to be there.
    ///
    /// # Errors
    /// There is something of that name, somebody else makes it, or a call failed.
    pub fn begin(target: &Path) -> Result<Self, NewFolderError> {
        let whole = std::path::absolute(target).map_err(|e| failed("find", target, e))?;
        let target: PathBuf = whole.components().collect();
        if target.symlink_metadata().is_ok() {
            return Err(NewFolderError::Exists(target));
        }
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(NewFolderError::Exists(target));
        };
        // A missing folder above it is not made: it may be on a disk that is not mounted.
        fs::metadata(parent).map_err(|e| failed("find the folder", parent, e))?;
        let mut new = OsString::from(name);
        new.push(".new");
        let place = parent.join(new);
        let mut files = Folder::open(&place)?;
        let lock = match lock(&mut files) {
            Err(StoreError::Locked { .. }) => return Err(NewFolderError::Underway(place)),
            locked => locked?.0,
        };
        for name in LEFT {
            match files.remove(name) {
                Err(e) if e.kind() != ErrorKind::NotFound => {
                    return Err(failed("remove", &place.join(name.as_str()), e).into());
                }
                _ => {}
            }
        }
        let bets = Open::create(&mut files, FileName::Bets)?;
        Ok(Self {
            target,
            place,
            files,
            _lock: lock,
            bets,
            rows: Vec::with_capacity(2 * BUFFER),
            length: 0,
            crc: Hasher::new(),
            is_published: false,
        })
    }

    /// Adds rows, as bets.csv has them, in pieces that are cut anywhere.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn rows(&mut self, rows: &[u8]) -> Result<(), NewFolderError> {
        self.rows.extend_from_slice(rows);
        match self.rows.len() < BUFFER {
            true => Ok(()),
            false => self.write(),
        }
    }

    fn write(&mut self) -> Result<(), NewFolderError> {
        self.bets.write(&self.rows, self.length)?;
        self.crc.update(&self.rows);
        self.length += self.rows.len() as u64;
        self.rows.clear();
        Ok(())
    }

    /// Adds a bet.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn bet(&mut self, bet: &Bet<'_>) -> Result<(), NewFolderError> {
        rows::write(bet, &mut self.rows);
        self.rows(&[])
    }

    /// Writes the log, once all rows are there. `facts` gives what the state adds up to, for the bytes that bets.csv
    /// has.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn finish<I>(&mut self, facts: impl FnOnce(u64) -> I) -> Result<(), NewFolderError>
    where
        I: IntoIterator<Item = Fact>,
    {
        self.write()?;
        self.bets.sync()?;
        let salt = self.files.salt();
        let head = Head::new(Durability::Always, salt, 0, self.length, &self.crc);
        let mut log = Log::create(&mut self.files, head, facts(self.length), 0)?;
        Ok(log.publish(&mut self.files)?)
    }

    /// Reads all that was written.
    ///
    /// # Errors
    /// It cannot be read, or is not what a server leaves.
    pub fn audit(&self) -> Result<Audit, NewFolderError> {
        let mut files = ReadOnlyFolder::open(&self.place)?;
        Ok(Contents::read(&mut files)?.audit()?)
    }

    /// Gives the folder its name, durably.
    ///
    /// # Errors
    /// Somebody else has taken the name meanwhile, or a call failed.
    pub fn publish(mut self) -> Result<(), NewFolderError> {
        let Self { place, target, .. } = &self;
        let renamed = match renameat_with(CWD, place, CWD, target, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => return Err(NewFolderError::Exists(target.clone())),
            // A file system that cannot refuse to replace.
            Err(Errno::INVAL | Errno::NOSYS) if target.symlink_metadata().is_err() => {
                fs::rename(place, target)
            }
            renamed => renamed.map_err(io::Error::from),
        };
        renamed.map_err(|e| failed("rename", place, e))?;
        let parent = target.parent().unwrap_or(Path::new("/"));
        let synced = File::open(parent).and_then(|parent| parent.sync_all());
        synced.map_err(|e| failed("sync", parent, e))?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if self.is_published {
            return;
        }
        // What stays does no harm: the next try removes it.
        for name in LEFT.into_iter().chain([FileName::Lock]) {
            let _ = self.files.remove(name);
        }
        let _ = fs::remove_dir(&self.place);
    }
}
