//! The agency file on disk: a regular file, opened once and held open, however often it is read.
//!
//! So no other file can take its place while it is sent. Before the agency has finished, [`OpenFile::state`] says whether
//! another file has taken its name, or its content may have changed. Its closing is logged.

use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use crate::error::Error;
use crate::report;

/// What programs call their standard input where they ask for a file.
const STANDARD_INPUT: &str = "-";

/// The open file. Dropping it closes it.
#[derive(Debug)]
pub struct OpenFile<'a> {
    path: &'a Path,
    file: File,
    opened: Stamp,
}

/// What of a file changes where it is another one, or is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    modified: (i64, i64),
}

/// Whether the file is the one that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is, and nobody wrote to it.
    Same,
    /// It is, and somebody may have written to it.
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
    /// Opens the file with this path.
    ///
    /// # Errors
    /// [`Error::File`]: it cannot be opened. [`Error::NotRegular`]: it cannot be read twice, as `-` cannot either.
    pub fn open(path: &'a Path) -> Result<Self, Error> {
        let not_regular = |kind| {
            let path = path.to_owned();
            Error::NotRegular { path, kind }
        };
        if path == Path::new(STANDARD_INPUT) {
            return Err(not_regular("standard input"));
        }
        // Before it is opened: to open a pipe would wait for a program that writes to it.
        let metadata = fs::metadata(path).map_err(|e| failed(path, e))?;
        if let Some(kind) = other_kind(metadata.file_type()) {
            return Err(not_regular(kind));
        }
        let file = File::open(path).map_err(|e| failed(path, e))?;
        let opened = Stamp::of(&file.metadata().map_err(|e| failed(path, e))?);
        Ok(Self { path, file, opened })
    }

    /// Its path, as the configuration has it.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// A reader at its beginning.
    pub fn reader(&self) -> Reader<'_> {
        let file = &self.file;
        Reader { file, at: 0 }
    }

    /// Whether it is still the file that was opened, with this length. A file whose name is gone is: no other one is meant.
    ///
    /// # Errors
    /// The system does not say.
    pub fn state(&self, length: u64) -> Result<State, Error> {
        let named = fs::metadata(self.path).or_else(|_| self.file.metadata());
        let named = named.map_err(|e| self.failed(e))?;
        let now = Stamp::of(&named);
        let is_it = (now.device, now.inode) == (self.opened.device, self.opened.inode);
        Ok(if !is_it || named.len() != length {
            State::Other
        } else if now.modified != self.opened.modified {
            State::Touched
        } else {
            State::Same
        })
    }

    /// The error of a failed read.
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

/// What a file is that is not a regular one.
fn other_kind(kind: FileType) -> Option<&'static str> {
    Some(match kind {
        _ if kind.is_file() => return None,
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a pipe",
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
