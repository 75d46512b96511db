//! Every committed bet as bets.csv has it, read beside a server that may be running.
//!
//! ```text
//! bets.csv   | rows up to the checkpoint |  …          copied as they stand
//! bets.wal   | head | facts | turn | turn | turn …     their rows follow
//! ```
//!
//! Everything is [read and judged](super::reading) first, as a start does it: what a start refuses is refused, and nothing
//! of it is written. Then it is read again, and written. The log that was opened stays the same even where the server
//! begins a new one meanwhile, and of bets.csv only bytes are written that were synced: so what comes out is what a start
//! would have found at one moment. Changes no file of the folder, and takes no lock.

use std::io::{self, Write};

use crc32fast::Hasher;

use super::error::StoreError;
use super::files::{Files, Name, Open, RandomAccess};
use super::log::Log;
use super::portions::Portions;
use super::reading::{Reading, Warning};

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
    let mut portions = Portions::new(None);
    let mut reading = settled(&mut files, &mut portions)?;
    if let Some(log) = &reading.log {
        // Its last turn may be whole and not yet synced: what is written out must not be taken back by a power cut.
        log.sync()?;
    }
    let mut failed = None;
    let written = write(&mut reading, &mut portions, |piece| {
        out.write_all(piece).map_err(|e| {
            failed = Some(e);
            StoreError::Stopped
        })
    });
    match failed.or_else(|| out.flush().err()) {
        Some(e) => Err(ExportError::Output(e)),
        None => Ok(written.map(|()| reading.recovery.warnings)?),
    }
}

/// Reads and judges the files. A server that runs here may begin a new log meanwhile, or a reopening may put its files in
/// place, so that a log and a bets.csv are met that do not belong together: then it is done again.
fn settled<F: Files>(
    files: &mut F,
    portions: &mut Portions<'_>,
) -> Result<Reading<F::File>, StoreError> {
    loop {
        let log = Log::find(files, portions)?;
        let salt = log.as_ref().map(|log| log.head.salt);
        let lock = Open::find(files, Name::Lock)?;
        let read = Reading::read(files, lock.as_ref(), log, portions, |_| {});
        let fits = matches!(&read, Ok(reading) if salt.is_some() && reading.surplus == 0);
        if fits || Log::find(files, portions)?.map(|log| log.head.salt) == salt {
            return read;
        }
    }
}

/// Hands all rows to `out`, and makes sure that they are the ones that were judged.
fn write<H: RandomAccess>(
    reading: &mut Reading<H>,
    portions: &mut Portions<'_>,
    mut out: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let Reading {
        log,
        bets,
        position,
        crc,
        ..
    } = reading;
    let checkpoint = log.as_ref().map_or(*position, |log| log.head.length);
    let mut hasher = Hasher::new();
    let mut piece = |bytes: &[u8]| {
        hasher.update(bytes);
        out(bytes)
    };
    if let Some(bets) = bets {
        bets.for_each(0, checkpoint, portions, &mut piece)?;
    }
    if let Some(log) = log {
        let (last, mut at) = (log.sequence, checkpoint);
        log.rewind();
        while log.sequence < last {
            match log.next(at, portions, &mut piece, |_| {})? {
                Some(turn) => at += turn.rows,
                None => break,
            }
        }
    }
    if hasher.finalize() == crc.clone().finalize() {
        return Ok(());
    }
    // Only a hand can do that: bytes that are synced are never changed.
    Err(StoreError::Different {
        path: bets
            .as_ref()
            .map_or_else(Default::default, |bets| bets.path().to_owned()),
        checkpoint,
    })
}
