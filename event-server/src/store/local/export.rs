//! Every committed bet as bets.csv has it. What is not sound is refused, and nothing of it is written.

use std::io::{self, Write};

use super::contents::Contents;
use super::error::StoreError;
use super::files::Files;
use super::reading::Warning;

/// Why an export ended early.
#[derive(Debug)]
pub enum ExportError {
    /// The stored files cannot be read.
    Store(StoreError),
    /// The rows cannot be written.
    Output(io::Error),
}

impl From<StoreError> for ExportError {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

/// Writes every committed bet of these files to `out`. Returns what an operator should know.
///
/// # Errors
/// The files are not what a server has left, or cannot be read: then nothing was written, unless they were changed in
/// the meantime. Or `out` fails, and a part may have been written.
pub fn export<F: Files>(mut files: F, out: &mut impl Write) -> Result<Vec<Warning>, ExportError> {
    let mut contents = Contents::read(&mut files)?;
    let mut failed = None;
    let written = contents.rows(|piece| {
        out.write_all(piece).map_err(|e| {
            failed = Some(e);
            StoreError::Stopped
        })
    });
    match failed.or_else(|| out.flush().err()) {
        Some(e) => Err(ExportError::Output(e)),
        None => Ok(written.map(|()| contents.warnings().to_vec())?),
    }
}
