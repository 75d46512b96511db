//! The agency file on disk: a regular file, opened each time that it is read.
//!
//! Each time it is opened by its name, so that a file that was replaced is noticed like one that was changed. Its closing
//! is logged.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::report;
use crate::rows::RowError;

/// What programs call their standard input where they ask for a file.
const STANDARD_INPUT: &str = "-";

/// The path of the agency's bets.
#[derive(Clone, Copy, Debug)]
pub struct AgencyFile<'a>(pub &'a Path);

/// The open file. Dropping it closes it.
#[derive(Debug)]
pub struct OpenFile(File);

impl AgencyFile<'_> {
    /// Opens the file at its beginning.
    ///
    /// # Errors
    /// [`Error::File`]: it cannot be opened. [`Error::NotRegular`]: it cannot be read twice, as `-` cannot either.
    pub fn open(&self) -> Result<OpenFile, Error> {
        if self.0 == Path::new(STANDARD_INPUT) {
            return Err(self.not_regular("standard input"));
        }
        // Before it is opened: to open a pipe would wait for a program that writes to it.
        let metadata = fs::metadata(self.0).map_err(|e| self.failed(e))?;
        if let Some(kind) = other_kind(metadata.file_type()) {
            return Err(self.not_regular(kind));
        }
        let file = File::open(self.0).map_err(|e| self.failed(e))?;
        Ok(OpenFile(file))
    }

    /// The error of a failed read.
    pub fn failed(&self, error: io::Error) -> Error {
        let path = self.path();
        Error::File { path, error }
    }

    /// The error of a file whose content has changed since it was checked.
    pub fn changed(&self) -> Error {
        Error::FileChanged(self.path())
    }

    /// The error of a row that cannot be read although the whole file was checked before.
    pub fn changed_or_failed(&self, error: RowError) -> Error {
        match error {
            RowError::Io(e) => self.failed(e),
            RowError::Bad(_) | RowError::TooLong { .. } => self.changed(),
        }
    }

    fn not_regular(&self, kind: &'static str) -> Error {
        let path = self.path();
        Error::NotRegular { path, kind }
    }

    fn path(&self) -> PathBuf {
        self.0.to_owned()
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

impl Read for OpenFile {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.0.read(space)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        report::file_closed();
    }
}
