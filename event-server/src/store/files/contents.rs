//! All that the files of a folder hold, read beside a server that may be running there: facts, rows, what they add up
//! to, and an export.
//!
//! Up to the checkpoint the rows come from bets.csv and the facts from the head of the log; those of the turns since then
//! come from the log.
//!
//! Everything is [read and judged](super::reading) first, as a start does it: what a start refuses is refused. Then it is
//! read again, and handed out. The log that was opened is held: a server that goes on to the next ones meanwhile does not
//! write over it. Of bets.csv only synced bytes are handed out. So what comes out is what a start would have found at
//! one moment. Changes no file of the folder, and locks none but the log, which others may read too.

use std::io::{self, Write};

use crc32fast::Hasher;
use frame::Count;

use super::disk::{FileName, Files, OnProgress, Open, Portions, RandomAccess};
use super::error::StoreError;
use super::log::Log;
use super::reading::{Reading, Warning};
use crate::facts::Fact;
use crate::store::rows::{Lines, Row};
use crate::store::snapshot::{Audit, Snapshot};

/// What the files hold.
pub struct Contents<'p, H> {
    reading: Reading<H>,
    portions: Portions<'p>,
}

impl<'p, H: RandomAccess> Contents<'p, H> {
    /// Reads and judges the files. A server that runs here may begin a new log meanwhile, or a reopening may put its files
    /// in place. Then the log and the bets.csv that were opened may not belong together, and all is read again.
    ///
    /// # Errors
    /// The files are not what a server has left, or cannot be read.
    pub fn read<F: Files<File = H>>(files: &mut F) -> Result<Self, StoreError> {
        Self::read_with_progress(files, None)
    }

    /// Does the same as [`read`](Self::read); `on_progress` is told how far this and all later readings are, and may
    /// end them.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), and [`StoreError::Stopped`].
    pub fn read_with_progress<F: Files<File = H>>(
        files: &mut F,
        on_progress: Option<OnProgress<'p>>,
    ) -> Result<Self, StoreError> {
        let mut portions = Portions::new(on_progress);
        let reading = loop {
            let log = Log::hold(files, &mut portions)?;
            let salt = log.as_ref().map(|log| log.head.salt);
            let lock = Open::find(files, FileName::Lock)?;
            let read = Reading::read(files, lock.as_ref(), log, &mut portions, |_| {});
            let fits = matches!(&read, Ok(reading) if salt.is_some() && reading.surplus == 0);
            if fits || Log::hold(files, &mut portions)?.map(|log| log.head.salt) == salt {
                break read?;
            }
        };
        if let Some(log) = &reading.log {
            // Its last turn may be whole and not yet synced: what is told must not be taken back by a power cut.
            log.sync()?;
        }
        portions.expect(reading.position);
        Ok(Self { reading, portions })
    }

    /// Returns what an operator should know.
    pub fn warnings(&self) -> &[Warning] {
        &self.reading.recovery.warnings
    }

    /// Hands out the facts, in the order in which they were stored.
    ///
    /// # Errors
    /// The files cannot be read any more.
    pub fn facts(&mut self, mut replay: impl FnMut(&Fact)) -> Result<(), StoreError> {
        let Self { reading, portions } = self;
        reading.taken_over.iter().for_each(&mut replay);
        let Some(log) = &mut reading.log else {
            return Ok(());
        };
        log.facts(portions, &mut replay)?;
        let mut at = log.head.length;
        each_turn(log, &mut at, portions, |_| Ok(()), &mut replay)
    }

    /// Hands out all rows, in pieces that are cut anywhere, and makes sure that they are the ones that were judged.
    ///
    /// # Errors
    /// The files were changed since, or cannot be read; or the error of `out`.
    pub fn rows(
        &mut self,
        mut out: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Self { reading, portions } = self;
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
            let mut at = checkpoint;
            each_turn(log, &mut at, portions, &mut piece, |_| {})?;
        }
        if hasher.finalize() == crc.clone().finalize() {
            return Ok(());
        }
        // No server has done that: it never changes bytes that are synced.
        Err(StoreError::Different {
            path: bets
                .as_ref()
                .map_or_else(Default::default, |bets| bets.path().to_owned()),
            checkpoint,
        })
    }

    /// Hands out all rows, each whole.
    ///
    /// # Errors
    /// Those of [`rows`](Self::rows), and a row is no bet.
    pub fn each_row(
        &mut self,
        mut out: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let path = self.reading.bets.as_ref();
        let path = path.map_or_else(Default::default, |bets| bets.path().to_owned());
        let mut lines = Lines::default();
        self.rows(|piece| {
            let mut failed = None;
            let read = lines.feed(piece, |line| {
                let row = Row::parse(line)?;
                if failed.is_none() {
                    failed = out(&row).err();
                }
                Ok(())
            });
            match failed {
                Some(e) => Err(e),
                None => read.map_err(|(row, flaw)| StoreError::Row {
                    path: path.clone(),
                    row,
                    flaw,
                }),
            }
        })
    }

    /// Returns the lottery as it is stored, with all rows counted.
    ///
    /// # Errors
    /// Those of [`each_row`](Self::each_row).
    pub fn snapshot(&mut self) -> Result<Snapshot, StoreError> {
        let mut snapshot = Snapshot::default();
        self.facts(|fact| snapshot.apply(fact))?;
        self.each_row(|row| {
            snapshot.count(row);
            Ok(())
        })?;
        snapshot.tidy();
        Ok(snapshot)
    }

    /// Returns the lottery as it is stored, and whether each row is a bet, each acknowledged bet is there, and the draw
    /// is over all of them. What a start refuses was refused before.
    ///
    /// # Errors
    /// The files were changed since, or cannot be read.
    pub fn audit(&mut self) -> Result<Audit, StoreError> {
        let mut drawn = None;
        self.facts(|fact| {
            if let Fact::Drawn { position, .. } = fact {
                drawn = Some(*position);
            }
        })?;
        let mut audit = Audit::default();
        match self.snapshot() {
            Ok(snapshot) => audit.snapshot = snapshot,
            Err(e @ StoreError::Row { .. }) => {
                audit.flaw(e);
                return Ok(audit);
            }
            Err(e) => return Err(e),
        }
        audit.compare();
        let position = self.reading.position;
        if let Some(drawn) = drawn.filter(|drawn| *drawn != position) {
            audit.flaw(format_args!(
                "the draw was over {} of bets.csv, which has {position}",
                Count(drawn, "byte")
            ));
        }
        Ok(audit)
    }
}

/// Goes through the turns of a log that was read to its end before. `position` is where its first rows go in bets.csv.
fn each_turn<H: RandomAccess>(
    log: &mut Log<H>,
    position: &mut u64,
    portions: &mut Portions<'_>,
    mut rows: impl FnMut(&[u8]) -> Result<(), StoreError>,
    mut replay: impl FnMut(&Fact),
) -> Result<(), StoreError> {
    let last = log.sequence;
    log.rewind();
    while log.sequence < last {
        match log.next(*position, portions, &mut rows, &mut replay)? {
            Some(turn) => *position += turn.rows,
            None => break,
        }
    }
    Ok(())
}

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
