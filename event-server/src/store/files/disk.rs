//! What the store asks of the system: five files in a folder, and a salt.
//!
//! The store is generic over [`Files`], so that a test can cut the power at any operation. The real ones
//! are a [`Folder`](super::Folder)'s. [`Open`] adds to a file what the store needs at every call: whole reads
//! and writes, and errors that name the file. However large a file is, it is read through the one buffer of
//! [`Portions`], a portion at a time; after each portion [`OnProgress`] is called, and may end the reading.

use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crc32fast::Hasher;

use super::error::{Distrust, StoreError};
use super::format::FACT;

/// Bytes that are read, copied or zeroed at once: 1,024 facts, so that none is cut in two.
pub(super) const CHUNK: usize = 1024 * FACT;

/// The files of a folder; others in it are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// The stored bets.
    Bets,
    /// The log.
    Log,
    /// A log that is being made; it counts only once it is renamed to [`FileName::Log`].
    NewLog,
    /// A bets.csv that is being made without an agency's rows; it counts only together with the log that says so.
    NewBets,
    /// Locked while a server works here.
    Lock,
}

impl FileName {
    /// Returns the file's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bets => "bets.csv",
            Self::Log => "bets.wal",
            Self::NewLog => "bets.wal.new",
            Self::NewBets => "bets.csv.new",
            Self::Lock => "lock",
        }
    }

    /// Returns whether it is the name of a file that is being made: what a program that was killed has left of it means
    /// nothing.
    pub const fn is_new(self) -> bool {
        matches!(self, Self::NewLog | Self::NewBets)
    }
}

/// A folder with the store's files.
///
/// The constants are bounds in bytes. A test's files have smaller ones, to meet them more often. Errors are those of
/// the system; one that holds a [`Distrust`] says why a file is not used.
pub trait Files {
    /// The least by which the room in the log grows.
    const ROOM: u64 = 1024 * 1024;

    /// By how much the log grows before a checkpoint is due: what recovery has to read, but for the last turn. Four
    /// times as much without durability.
    const INTERVAL: u64 = 16 * 1024 * 1024;

    /// The most of bets.csv that is left unsynced, unless a single turn has more.
    const PORTION: u64 = 8 * 1024 * 1024;

    /// An open file. Dropping it closes it and releases its lock.
    type File: RandomAccess;

    /// Returns where the files are, for errors to name.
    fn folder(&self) -> &Path;

    /// Opens a file for reading and writing; `None` where there is none.
    fn open(&mut self, name: FileName) -> io::Result<Option<Self::File>>;

    /// Makes an empty file for its owner's eyes only. It takes the place of a file that was being made
    /// ([`FileName::is_new`]); where another file has the name, that is an error,
    /// [`AlreadyExists`](ErrorKind::AlreadyExists).
    fn create(&mut self, name: FileName) -> io::Result<Self::File>;

    /// Gives a file another name, in place of one that may have it.
    fn rename(&mut self, from: FileName, to: FileName) -> io::Result<()>;

    /// Sees to it that a file that was found is for its owner's eyes only.
    fn keep_private(&mut self, file: &Self::File) -> io::Result<()>;

    /// Has two files exchange their names, in one step; `false` where the file system cannot do that.
    fn exchange(&mut self, one: FileName, other: FileName) -> io::Result<bool>;

    /// Returns whether a name is still that of this file, and not of another one, or of none.
    fn is_named(&self, name: FileName, file: &Self::File) -> io::Result<bool>;

    /// Takes a file out of the folder.
    fn remove(&mut self, name: FileName) -> io::Result<()>;

    /// Makes the folder's names durable: what was created, renamed and removed.
    fn sync(&mut self) -> io::Result<()>;

    /// Locks the folder itself against every other program that works in it; `false` where another has locked it. The lock
    /// holds until this is dropped, whatever happens to the files in the folder.
    fn try_lock(&mut self) -> io::Result<bool>;

    /// Returns 64 bits that no peer can guess.
    fn salt(&mut self) -> u64;
}

/// A file as the kernel offers it: any call may do less than it was asked for, or fail.
pub trait RandomAccess {
    /// Returns how many bytes the file has.
    fn length(&self) -> io::Result<u64>;

    /// Reads bytes from an offset on, as `pread`.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes bytes from an offset on, as `pwrite`; the file grows where it must.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts the file, or lets it grow by zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes the file's bytes and its length durable, as `fdatasync`.
    fn sync(&self) -> io::Result<()>;

    /// Locks the file against every other opening of it; `false` where another has locked it.
    fn try_lock(&self) -> io::Result<bool>;

    /// Locks the file against [`try_lock`](Self::try_lock), as others may at the same time; `false` where another has
    /// locked it with that. A file that has one of the two locks exchanges it for the other.
    fn try_lock_shared(&self) -> io::Result<bool>;
}

/// An open file, and the path by which errors name it.
pub(super) struct Open<H> {
    handle: H,
    path: PathBuf,
}

impl<H: RandomAccess> Open<H> {
    /// Opens a file that may be there.
    pub(super) fn find<F: Files<File = H>>(
        files: &mut F,
        name: FileName,
    ) -> Result<Option<Self>, StoreError> {
        let path = files.folder().join(name.as_str());
        match files.open(name) {
            Ok(handle) => Ok(handle.map(|handle| Self { handle, path })),
            Err(error) => Err(failed("open", &path, error)),
        }
    }

    /// Makes an empty file.
    pub(super) fn create<F: Files<File = H>>(
        files: &mut F,
        name: FileName,
    ) -> Result<Self, StoreError> {
        let path = files.folder().join(name.as_str());
        match files.create(name) {
            Ok(handle) => Ok(Self { handle, path }),
            Err(error) => Err(failed("create", &path, error)),
        }
    }

    /// Gives the file another name: until [`Files::sync`] a power cut may take that back.
    pub(super) fn rename<F: Files<File = H>>(
        &mut self,
        files: &mut F,
        from: FileName,
        to: FileName,
    ) -> Result<(), StoreError> {
        (files.rename(from, to)).map_err(|error| failed("rename", &self.path, error))?;
        self.path = files.folder().join(to.as_str());
        Ok(())
    }

    /// Has this file, named `own`, exchange its name with another one, named `others`; `false` where the file system
    /// cannot do that.
    pub(super) fn exchange<F: Files<File = H>>(
        &mut self,
        files: &mut F,
        own: FileName,
        other: &mut Self,
        others: FileName,
    ) -> Result<bool, StoreError> {
        let exchanged =
            (files.exchange(own, others)).map_err(|error| failed("rename", &self.path, error))?;
        if exchanged {
            std::mem::swap(&mut self.path, &mut other.path);
        }
        Ok(exchanged)
    }

    /// Sees to it that the file is for its owner's eyes only.
    pub(super) fn keep_private<F: Files<File = H>>(&self, files: &mut F) -> Result<(), StoreError> {
        (files.keep_private(&self.handle))
            .map_err(|error| failed("change the mode of", &self.path, error))
    }

    /// Whether a name of the folder is still that of this file.
    pub(super) fn has_name<F: Files<File = H>>(
        &self,
        files: &F,
        name: FileName,
    ) -> Result<bool, StoreError> {
        (files.is_named(name, &self.handle)).map_err(|error| failed("find", &self.path, error))
    }

    /// The path by which errors name the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn length(&self) -> Result<u64, StoreError> {
        self.handle
            .length()
            .map_err(|e| failed("measure", &self.path, e))
    }

    /// Reads until the buffer is full or the file ends; returns how many bytes that were.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<usize, StoreError> {
        let mut count = 0;
        while count < buffer.len() {
            match self
                .handle
                .read_at(&mut buffer[count..], offset + count as u64)
            {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(failed("read", &self.path, e)),
            }
        }
        Ok(count)
    }

    /// Writes all of these bytes.
    pub(super) fn write(&self, mut bytes: &[u8], mut offset: u64) -> Result<(), StoreError> {
        while !bytes.is_empty() {
            match self.handle.write_at(bytes, offset) {
                Ok(0) => return Err(failed("write", &self.path, ErrorKind::WriteZero.into())),
                Ok(count) => {
                    bytes = &bytes[count..];
                    offset += count as u64;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(failed("write", &self.path, e)),
            }
        }
        Ok(())
    }

    pub(super) fn set_length(&self, length: u64) -> Result<(), StoreError> {
        (self.handle.set_length(length)).map_err(|e| failed("cut", &self.path, e))
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.handle
            .sync()
            .map_err(|e| failed("sync", &self.path, e))
    }

    pub(super) fn try_lock(&self) -> Result<bool, StoreError> {
        self.handle
            .try_lock()
            .map_err(|e| failed("lock", &self.path, e))
    }

    pub(super) fn try_lock_shared(&self) -> Result<bool, StoreError> {
        self.handle
            .try_lock_shared()
            .map_err(|e| failed("lock", &self.path, e))
    }

    /// Hands the bytes of a range to `piece`, in order and in pieces of at most [`CHUNK`]; `false` where the
    /// file ends before the range does.
    pub(super) fn for_each(
        &self,
        mut from: u64,
        until: u64,
        portions: &mut Portions<'_>,
        mut piece: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        while from < until {
            let most = usize::try_from(until - from).map_or(CHUNK, |rest| rest.min(CHUNK));
            let count = self.read(&mut portions.buffer[..most], from)?;
            piece(&portions.buffer[..count])?;
            portions.passed(count)?;
            if count < most {
                return Ok(false);
            }
            from += count as u64;
        }
        Ok(true)
    }

    /// Writes the bytes of a range again, in place. After a failed fsync, Linux takes the pages for written although they
    /// are not on the disk, so another fsync alone would leave them out. Written again they are dirty, and the next sync
    /// writes them.
    pub(super) fn write_again(
        &self,
        from: u64,
        until: u64,
        portions: &mut Portions<'_>,
    ) -> Result<(), StoreError> {
        let mut at = from;
        self.for_each(from, until, portions, |piece| {
            self.write(piece, at)?;
            at += piece.len() as u64;
            Ok(())
        })?;
        Ok(())
    }

    /// Adds the bytes of a range to a checksum; `false` where the file ends before the range does.
    pub(super) fn digest(
        &self,
        from: u64,
        until: u64,
        portions: &mut Portions<'_>,
        hasher: &mut Hasher,
    ) -> Result<bool, StoreError> {
        self.for_each(from, until, portions, |piece| {
            hasher.update(piece);
            Ok(())
        })
    }
}

/// The error of a call on a file.
pub(super) fn failed(action: &'static str, path: &Path, error: io::Error) -> StoreError {
    let distrust = error.get_ref().and_then(|e| e.downcast_ref::<Distrust>());
    if let Some(why) = distrust {
        return StoreError::Untrusted {
            path: path.to_owned(),
            why: *why,
        };
    }
    StoreError::Io {
        action,
        path: path.to_owned(),
        error: Arc::new(error),
    }
}

/// How far the reading of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were read.
    pub done: u64,
    /// About how many there are to read; never less than `done`.
    pub of: u64,
}

/// A function that is called after each portion. A break ends the reading with [`StoreError::Stopped`].
pub type OnProgress<'p> = &'p mut dyn FnMut(Progress) -> ControlFlow<()>;

/// A buffer for portions of files.
pub(super) struct Portions<'p> {
    pub(super) buffer: Box<[u8; CHUNK]>,
    on_progress: Option<OnProgress<'p>>,
    progress: Progress,
}

impl<'p> Portions<'p> {
    pub(super) fn new(on_progress: Option<OnProgress<'p>>) -> Self {
        Self {
            buffer: Box::new([0; CHUNK]),
            on_progress,
            progress: Progress { done: 0, of: 0 },
        }
    }

    /// The same buffer, for reading of which nobody is told.
    pub(super) fn alone(self) -> Portions<'static> {
        Portions {
            buffer: self.buffer,
            on_progress: None,
            progress: self.progress,
        }
    }

    /// Adds bytes that are to be read.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.progress.of = self.progress.of.saturating_add(bytes);
    }

    /// Counts bytes that were read, and tells how far the reading is.
    ///
    /// # Errors
    /// [`StoreError::Stopped`].
    pub(super) fn passed(&mut self, bytes: usize) -> Result<(), StoreError> {
        let Some(on_progress) = &mut self.on_progress else {
            return Ok(());
        };
        let done = self.progress.done.saturating_add(bytes as u64);
        let of = self.progress.of.max(done);
        self.progress = Progress { done, of };
        match on_progress(self.progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(StoreError::Stopped),
        }
    }
}
