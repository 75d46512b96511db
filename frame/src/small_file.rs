//! Files that an operator names and that are read whole: a configuration, a certificate, a password.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// The most bytes of a file that is read whole: a device such as `/dev/zero` has no end.
pub const MOST: u64 = 1024 * 1024;

/// Reads a file of at most [`MOST`] bytes.
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

/// Reads a file of at most [`MOST`] bytes of text.
///
/// # Errors
/// As [`read`], or it is not text in UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| {
        io::Error::new(
            ErrorKind::InvalidData,
            "it is not text in UTF-8: save it as UTF-8",
        )
    })
}
