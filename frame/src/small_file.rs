//! Files that an operator names and that are read whole: a configuration, a certificate, a password.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// The most bytes of a file that is read whole: a device such as `/dev/zero` has no end.
pub const MOST: u64 = 1024 * 1024;

/// How a file is read: [`read`], or [`read_regular`] where the caller must not wait.
pub type Read = fn(&Path) -> io::Result<Vec<u8>>;

/// Reads a file of at most [`MOST`] bytes. A pipe is one, too: it is waited for until its writer is done.
///
/// # Errors
/// It cannot be read, or has more bytes. Displays as a part of a sentence.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        ..=MOST => Ok(bytes),
        _ => Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!(
                "it has more than {MOST} bytes, so it is another file than the one that is wanted"
            ),
        )),
    }
}

/// Reads a regular file of at most [`MOST`] bytes; never waits for a writer.
///
/// # Errors
/// As [`read`], or it is something else, such as a pipe.
pub fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    match fs::metadata(path)?.is_file() {
        true => read(path),
        false => Err(io::Error::new(
            ErrorKind::InvalidInput,
            "it is no plain file, and reading it could keep the program waiting",
        )),
    }
}

/// Reads a file of at most [`MOST`] bytes of text.
///
/// # Errors
/// As [`read`], or it is not text in UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    text(read(path)?)
}

/// Returns the text of a file that was read.
///
/// # Errors
/// It is not in UTF-8. Displays as a part of a sentence.
pub fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| {
        io::Error::new(
            ErrorKind::InvalidData,
            "it is not text in UTF-8: save it as UTF-8",
        )
    })
}
