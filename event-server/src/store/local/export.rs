//! Every committed bet as bets.csv has it, read beside a server that may be running.
//!
//! ```text
//! bets.csv   | rows up to the checkpoint |  …          copied as they stand
//! bets.wal   | head | facts | turn | turn | turn …     their rows follow, up to the last that was acknowledged
//! ```
//!
//! The log that was opened stays the same even where the server begins a new one meanwhile, and of bets.csv only bytes
//! are read that were synced: so what comes out is what was committed at one moment. Writes to no file of the folder.

use std::io::{self, Write};

use super::durability::Durability;
use super::error::StoreError;
use super::files::{CHUNK, Files, Name, Open};
use super::last_commit::LastCommit;
use super::log::Log;

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

/// Writes every committed bet of these files to `out`.
///
/// # Errors
/// A file is damaged or cannot be read, or `out` fails; a part may have been written.
pub fn export<F: Files>(mut files: F, out: &mut impl Write) -> Result<(), ExportError> {
    let mut buffer = Box::new([0; CHUNK]);
    let path = files.folder().join(Name::Bets.as_str());
    // In this order: bets.csv has at least what the log's head says.
    let log = Log::find(&mut files, &mut buffer)?;
    let last = match Open::find(&mut files, Name::Lock)? {
        // A running server has noted there what it has acknowledged. After a crash the note may be an older one, and
        // every whole turn counts, as for a start.
        Some(lock) if !lock.try_lock()? => LastCommit::read(&lock)?,
        _ => None,
    };
    let bets = Open::find(&mut files, Name::Bets)?;
    let mut output = Output { out, failed: None };
    let checkpoint = match (&bets, &log) {
        (Some(bets), None) => bets.length()?,
        (None, None) => 0,
        (_, Some(log)) => log.head.length,
    };
    let whole = match &bets {
        Some(bets) => bets.for_each(0, checkpoint, &mut buffer, |piece| {
            output.write(piece);
            Ok(())
        })?,
        None => checkpoint == 0,
    };
    if !whole {
        let length = bets.map_or(Ok(0), |bets| bets.length())?;
        return Err(ExportError::Store(StoreError::Short {
            path,
            length,
            stored: checkpoint,
            durability: Durability::Always,
        }));
    }
    if let Some(mut log) = log {
        let last = last.filter(|last| last.salt == log.head.salt);
        let mut position = checkpoint;
        while last.is_none_or(|last| log.sequence < last.sequence) {
            let rows = |piece: &[u8]| {
                output.write(piece);
                Ok(())
            };
            match log.next(position, &mut buffer, rows, |_| {})? {
                Some(turn) => position += turn.rows,
                None => break,
            }
        }
    }
    output.end()
}

/// Writes on until the first failure, and keeps that one.
struct Output<'o, W> {
    out: &'o mut W,
    failed: Option<io::Error>,
}

impl<W: Write> Output<'_, W> {
    fn write(&mut self, piece: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.out.write_all(piece).err();
        }
    }

    fn end(self) -> Result<(), ExportError> {
        let failed = self.failed.or_else(|| self.out.flush().err());
        failed.map_or(Ok(()), |e| Err(ExportError::Output(e)))
    }
}
