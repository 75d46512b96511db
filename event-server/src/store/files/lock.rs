//! Who works in a folder: its lock, and the file `lock`, which notes the turn that was acknowledged last.
//!
//! ```text
//! 0      8          16    20
//! | salt | sequence | crc |        big-endian; crc over the 16 bytes before it
//! ```
//!
//! The note is written after a turn is durable, and never synced. So where it is whole it is true: a log with
//! this salt did hold this turn. A power cut may take it back; a killed server leaves it. With it, recovery tells
//! a last turn that was damaged, or cut off together with the end of the log, from one that never was
//! acknowledged.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use super::disk::{FileName, Files, Open, RandomAccess, failed};
use super::error::StoreError;
use super::folder::Folder;
use super::format::{self, Fields, put};

/// Bytes of the note.
const NOTE: usize = 20;

/// Locks the folder, and the lock file in it, which a server of release 0.1.0 locks alone. Says whether that file had to be
/// made.
///
/// The folder stays the same whatever is done in it: files there can be removed or replaced, and whoever then opens one of
/// that name would lock another file.
pub(super) fn lock<F: Files>(files: &mut F) -> Result<(Open<F::File>, bool), StoreError> {
    let path = files.folder().to_owned();
    let is_free = files.try_lock().map_err(|e| failed("lock", &path, e))?;
    if !is_free {
        return Err(StoreError::Locked { path });
    }
    loop {
        let (lock, is_made) = match Open::find(files, FileName::Lock)? {
            Some(lock) => (lock, false),
            None => match Open::create(files, FileName::Lock) {
                Err(StoreError::Io { error, .. }) if error.kind() == ErrorKind::AlreadyExists => {
                    continue;
                }
                made => (made?, true),
            },
        };
        if !lock.try_lock()? {
            return Err(StoreError::Locked { path });
        }
        // A folder that cannot be locked lets two starts come here. The one that is refused removes the lock file that
        // it has made, perhaps while this one is about to lock it.
        if lock.has_name(files, FileName::Lock)? {
            return Ok((lock, is_made));
        }
    }
}

/// A folder whose files nobody else changes while this is kept.
pub struct LockedFolder {
    files: Folder,
    /// Holds the lock.
    _lock: Open<File>,
    is_made: bool,
}

impl LockedFolder {
    /// Locks a folder, as a server does.
    ///
    /// # Errors
    /// A server works there, or the folder cannot be used.
    pub fn lock(path: &Path) -> Result<Self, StoreError> {
        let mut files = Folder::open(path)?;
        let (lock, is_made) = lock(&mut files)?;
        Ok(Self {
            files,
            _lock: lock,
            is_made,
        })
    }

    /// Returns its files.
    pub fn files(&mut self) -> &mut Folder {
        &mut self.files
    }
}

impl Drop for LockedFolder {
    fn drop(&mut self) {
        if self.is_made {
            // The folder is left as it was.
            let _ = self.files.remove(FileName::Lock);
        }
    }
}

/// The note in the lock file: the turn that was acknowledged last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastCommit {
    /// The salt of the log that has the turn.
    pub(super) salt: u64,
    /// The turn.
    pub(super) sequence: u64,
}

impl LastCommit {
    pub(super) fn write<H: RandomAccess>(self, lock: &Open<H>) -> Result<(), StoreError> {
        let mut bytes = [0; NOTE];
        let (covered, crc) = bytes.split_at_mut(16);
        put(
            covered,
            &[&self.salt.to_be_bytes(), &self.sequence.to_be_bytes()],
        );
        put(crc, &[&format::begin(covered).finalize().to_be_bytes()]);
        lock.write(&bytes, 0)
    }

    /// What the lock file holds, where it is whole.
    pub(super) fn read<H: RandomAccess>(lock: &Open<H>) -> Result<Option<Self>, StoreError> {
        let mut bytes = [0; NOTE];
        lock.read(&mut bytes, 0)?;
        let mut fields = Fields(&bytes);
        let last = Self {
            salt: fields.u64(),
            sequence: fields.u64(),
        };
        let whole = fields.u32() == format::begin(&bytes[..16]).finalize();
        Ok(whole.then_some(last))
    }
}
