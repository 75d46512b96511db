//! The agency file on disk: a regular file, opened once and held open, however often it is read. Standard input and pipes can be
//! read only once: they are first copied to a temporary file without a name, which is then the file.
//!
//! So no other file can take its place while it is sent. Before the agency has finished, [`OpenFile::state`] says whether
//! another file has taken its name, or its content may have changed. Its closing is logged.

use std::fs::{self, File, FileType, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use crate::error::Error;
use crate::report;

use rustix::fs::{Mode, OFlags};

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// How many bytes are copied at once: as many as a pipe holds.
const COPIED: usize = 64 * 1024;

/// The open file. Dropping it closes it.
#[derive(Debug)]
pub struct OpenFile<'a> {
    path: &'a Path,
    file: File,
    opened: Stamp,
    /// Whether it is a copy, which nobody else can change.
    copied: bool,
}

/// The values that change where a path leads to another file, or where the file is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    modified: (i64, i64),
}

/// Whether the file is the one that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It is the same, and nobody wrote to it.
    Same,
    /// It is the same, and somebody may have written to it.
    Touched,
    /// Another file has its name, or it has another length.
    Other,
}

/// Reads the file from its beginning; any number of readers may be used at once.
#[derive(Debug)]
pub struct Reader<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> OpenFile<'a> {
    /// Opens the file with this path; `-` is standard input. Standard input and pipes are copied first: `wait` returns when
    /// the next read does not block, and its error ends the copying.
    ///
    /// # Errors
    /// [`Error::File`]: it cannot be opened or read. [`Error::NotRegular`]: it is a folder or a device. [`Error::NotCopied`];
    /// and those of `wait`.
    pub fn open(
        path: &'a Path,
        wait: impl FnMut(BorrowedFd<'_>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let failed = |e| failed(path, e);
        if path == Path::new(STANDARD_INPUT) {
            let input = io::stdin().as_fd().try_clone_to_owned();
            return Self::copy(path, File::from(input.map_err(failed)?), wait);
        }
        // The kind is checked first, since opening a device may change it.
        let kind = fs::metadata(path).map_err(failed)?.file_type();
        if kind.is_fifo() {
            // Opening a pipe would block until a program opens it to write. So it is opened without blocking, and `wait` waits.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let pipe = rustix::fs::open(path, flags, Mode::empty());
            return Self::copy(path, File::from(pipe.map_err(|e| failed(e.into()))?), wait);
        }
        if let Some(kind) = other_kind(kind) {
            let path = path.to_owned();
            return Err(Error::NotRegular { path, kind });
        }
        Self::of(path, File::open(path).map_err(failed)?, false)
    }

    /// Copies standard input or a pipe to a temporary file.
    fn copy(
        path: &'a Path,
        mut input: File,
        mut wait: impl FnMut(BorrowedFd<'_>) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let not_copied = |error| Error::NotCopied {
            path: path.to_owned(),
            folder: std::env::temp_dir(),
            error,
        };
        let mut copy = tempfile::tempfile().map_err(not_copied)?;
        let mut bytes = vec![0; COPIED];
        loop {
            wait(input.as_fd())?;
            match input.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => copy.write_all(&bytes[..count]).map_err(not_copied)?,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(e) => return Err(failed(path, e)),
            }
        }
        Self::of(path, copy, true)
    }

    fn of(path: &'a Path, file: File, copied: bool) -> Result<Self, Error> {
        let opened = Stamp::of(&file.metadata().map_err(|e| failed(path, e))?);
        Ok(Self {
            path,
            file,
            opened,
            copied,
        })
    }

    /// Returns its path, as the configuration has it.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// Returns a reader at its beginning.
    pub fn reader(&self) -> Reader<'_> {
        let file = &self.file;
        Reader { file, at: 0 }
    }

    /// Returns whether it is still the file that was opened, with this length. It still is where its name was removed.
    ///
    /// # Errors
    /// [`Error::File`]: the system does not give its metadata.
    pub fn state(&self, length: u64) -> Result<FileState, Error> {
        let named = if self.copied {
            self.file.metadata()
        } else {
            fs::metadata(self.path).or_else(|_| self.file.metadata())
        };
        let named = named.map_err(|e| self.failed(e))?;
        let now = Stamp::of(&named);
        let is_it = (now.device, now.inode) == (self.opened.device, self.opened.inode);
        Ok(if !is_it || named.len() != length {
            FileState::Other
        } else if now.modified != self.opened.modified {
            FileState::Touched
        } else {
            FileState::Same
        })
    }

    /// Returns the error of a failed read.
    pub fn failed(&self, error: io::Error) -> Error {
        failed(self.path, error)
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    let path = path.to_owned();
    Error::File { path, error }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// Returns what a file is that is not a regular one.
fn other_kind(kind: FileType) -> Option<&'static str> {
    Some(match kind {
        _ if kind.is_file() => return None,
        _ if kind.is_dir() => "a folder",
        _ if kind.is_socket() => "a socket",
        _ if kind.is_char_device() => "a terminal or another device",
        _ => "a device",
    })
}

impl Read for Reader<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(space, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Drop for OpenFile<'_> {
    fn drop(&mut self) {
        report::file_closed();
    }
}
