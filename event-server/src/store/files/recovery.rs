//! Opening the store: rebuilds the state from the files, after an orderly stop, a crash or a power cut.
//!
//! First all is [read and judged](super::reading), and only then anything is written; what is refused stays as it was
//! found. Works in the memory of two buffers, however large the files are.

use super::disk::{FileName, Files, OnProgress, Open, Portions, RandomAccess, failed};
use super::error::StoreError;
use super::format::{Durability, Head};
use super::lock::lock;
use super::log::Log;
use super::reading::{Reading, Recovery};
use super::turn::Turn;
use super::wal::WalStore;
use crate::facts::Fact;

impl<F: Files> WalStore<F> {
    /// Locks the folder, reads what is there, and hands every fact to `replay`: those of the checkpoint,
    /// then those of the turns since, each as it was staged and in that order. A bets.csv without a log is
    /// taken over: a fact for each agency says how many rows it has, which belong to no upload.
    ///
    /// Where [`wants_checkpoint`](Self::wants_checkpoint) says so, the store has to be given one before it
    /// takes anything.
    ///
    /// # Errors
    /// Another server works there, a call on a file failed, or the files are not what a server has left. The
    /// files are then as they were, and what was replayed must not be used.
    pub fn open(
        files: F,
        durability: Durability,
        replay: impl FnMut(&Fact),
    ) -> Result<(Self, Recovery), StoreError> {
        Self::open_with_progress(files, durability, replay, None)
    }

    /// Does the same as [`open`](Self::open); `on_progress` is told how far the reading is, and may end it.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and [`StoreError::Stopped`].
    pub fn open_with_progress(
        mut files: F,
        durability: Durability,
        replay: impl FnMut(&Fact),
        on_progress: Option<OnProgress<'_>>,
    ) -> Result<(Self, Recovery), StoreError> {
        let (lock, is_made) = lock(&mut files)?;
        let mut portions = Portions::new(on_progress);
        let log = Log::find(&mut files, &mut portions);
        let read =
            log.and_then(|log| Reading::read(&mut files, Some(&lock), log, &mut portions, replay));
        match read {
            Ok(reading) => recover(files, durability, lock, reading, portions),
            Err(e) => {
                if is_made {
                    // What is refused stays as it was found.
                    let _ = files.remove(FileName::Lock);
                }
                Err(e)
            }
        }
    }
}

/// Brings the files to the state that was read, makes them durable, and opens the store on them.
fn recover<F: Files>(
    mut files: F,
    durability: Durability,
    lock: Open<F::File>,
    reading: Reading<F::File>,
    mut portions: Portions<'_>,
) -> Result<(WalStore<F>, Recovery), StoreError> {
    let Reading {
        taken_over,
        log,
        bets,
        unplaced,
        position,
        crc,
        surplus,
        recovery,
    } = reading;
    for file in [Some(&lock), bets.as_ref()].into_iter().flatten() {
        file.keep_private(&mut files)?;
    }
    let mut bets = match bets {
        Some(bets) => bets,
        None => Open::create(&mut files, FileName::Bets)?,
    };
    if unplaced {
        bets.sync()?;
        bets.rename(&mut files, FileName::NewBets, FileName::Bets)?;
        (files.sync()).map_err(|e| failed("sync", files.folder(), e))?;
    }
    if surplus > 0 {
        bets.set_length(position)?;
    }
    let (log, lag, synced) = match log {
        Some(log) => {
            log.keep_private(&mut files)?;
            harden(durability, &log, &bets, &mut portions)?;
            let (start, synced) = (log.start(), log.head.length);
            // All rows of the log are written to bets.csv, also those that seem to be there: the kernel may show pages
            // that a failed sync did not write.
            (log, Some(start), synced)
        }
        None => {
            if durability == Durability::Always {
                portions.expect(position);
                bets.write_again(0, position, &mut portions)?;
                bets.sync()?;
            }
            let head = Head::new(durability, files.salt(), 0, position, &crc);
            let mut log = Log::create(&mut files, head, taken_over, F::ROOM)?;
            log.publish(&mut files)?;
            (log, None, position)
        }
    };
    let checkpoint_at = match log.is_read_only() {
        true => 0,
        false => log.end + F::INTERVAL,
    };
    let mut store = WalStore {
        files,
        durability,
        lock,
        bets,
        log,
        spare: None,
        turn: Turn::new(),
        portions: portions.alone(),
        position,
        crc,
        lag,
        no_room: None,
        synced,
        checkpoint_at,
        failed: None,
    };
    store.retry()?;
    Ok((store, recovery))
}

/// Makes durable what is not known to be, before more depends on it: before bets.csv has the rows of the last turn, and
/// before anyone is told that they are stored.
fn harden<H: RandomAccess>(
    durability: Durability,
    log: &Log<H>,
    bets: &Open<H>,
    portions: &mut Portions<'_>,
) -> Result<(), StoreError> {
    let head = log.head;
    if (durability, head.durability) != (Durability::Never, Durability::Never) {
        log.harden(portions)?;
    }
    if (durability, head.durability) == (Durability::Always, Durability::Never) {
        portions.expect(head.length);
        bets.write_again(0, head.length, portions)?;
    }
    Ok(())
}
