//! Taking an agency's bets out, so that it can begin again: whole, or not at all, whatever happens meanwhile.
//!
//! ```text
//! 1  bets.csv.new  the rows of the others, synced
//! 2  bets.wal.new  a checkpoint that fits them, synced
//! 3  bets.wal.new → bets.wal       from here on it is done
//! 4  bets.csv.new → bets.csv       where this was missed, the next start makes up for it
//! ```

use crc32fast::Hasher;
use frame::Agency;

use super::disk::{CHUNK, FileName, Files, Open, RandomAccess, failed};
use super::error::StoreError;
use super::format::Head;
use super::log::Log;
use super::wal::WalStore;
use crate::facts::Fact;
use crate::store::rows::{Lines, Row};

impl<F: Files> WalStore<F> {
    /// Takes out every row of an agency. `facts` are what the state adds up to without it. Returns how many rows went.
    ///
    /// # Errors
    /// A call on a file failed, there is no room, or a row of bets.csv is no bet: where the store is opened again, either
    /// nothing has changed or all rows are gone.
    ///
    /// # Panics
    /// Something is staged.
    pub fn remove_agency(
        &mut self,
        agency: Agency,
        facts: impl IntoIterator<Item = Fact>,
    ) -> Result<u64, StoreError> {
        self.check()?;
        assert_eq!(self.staged(), 0, "an agency is removed within a turn");
        let removed = self.try_remove_agency(agency, facts);
        self.settle(removed)
    }

    fn try_remove_agency(
        &mut self,
        agency: Agency,
        facts: impl IntoIterator<Item = Fact>,
    ) -> Result<u64, StoreError> {
        self.redo()?;
        // The new log takes the name of the spare one.
        self.spare = None;
        let prepared = self.prepare(agency, facts);
        if prepared.is_err() {
            // If the files stay, they do no harm: a start ignores them.
            let _ = self.files.remove(FileName::NewBets);
            let _ = self.files.remove(FileName::NewLog);
        }
        let Prepared {
            mut others,
            mut log,
            removed,
        } = prepared?;
        log.publish(&mut self.files)?;
        others
            .file
            .rename(&mut self.files, FileName::NewBets, FileName::Bets)?;
        self.sync_names()?;
        self.log = log;
        self.bets = others.file;
        self.position = others.length;
        self.synced = others.length;
        self.crc = others.crc;
        self.checkpoint_at = self.log.end + F::INTERVAL;
        self.acknowledge()?;
        Ok(removed)
    }

    /// Makes both new files, durable under their own names.
    fn prepare(
        &mut self,
        agency: Agency,
        facts: impl IntoIterator<Item = Fact>,
    ) -> Result<Prepared<F>, StoreError> {
        let mut others = Others {
            file: Open::create(&mut self.files, FileName::NewBets)?,
            length: 0,
            crc: Hasher::new(),
            rows: Vec::with_capacity(CHUNK),
        };
        let (mut lines, mut removed) = (Lines::default(), 0);
        let path = self.bets.path().to_owned();
        self.bets
            .for_each(0, self.position, &mut self.portions, |piece| {
                let kept = lines.feed(piece, |line| {
                    if Row::parse(line)?.agency == agency {
                        removed += 1;
                    } else {
                        others.rows.extend_from_slice(line);
                        others.rows.push(b'\n');
                    }
                    Ok(())
                });
                kept.map_err(|(row, flaw)| StoreError::Row {
                    path: path.clone(),
                    row,
                    flaw,
                })?;
                others.write()
            })?;
        others.file.sync()?;
        let salt = self.files.salt();
        let (durability, sequence) = (self.durability, self.log.sequence);
        let head = Head::new(durability, salt, sequence, others.length, &others.crc);
        let log = Log::create(&mut self.files, head, facts, F::ROOM)?;
        self.sync_names()?;
        Ok(Prepared {
            others,
            log,
            removed,
        })
    }

    fn sync_names(&mut self) -> Result<(), StoreError> {
        let synced = self.files.sync();
        synced.map_err(|e| failed("sync", self.files.folder(), e))
    }
}

/// Both new files, durable under their own names.
struct Prepared<F: Files> {
    others: Others<F::File>,
    log: Log<F::File>,
    /// How many rows are left out.
    removed: u64,
}

/// The rows that stay.
struct Others<H> {
    file: Open<H>,
    length: u64,
    crc: Hasher,
    /// Not yet written.
    rows: Vec<u8>,
}

impl<H: RandomAccess> Others<H> {
    fn write(&mut self) -> Result<(), StoreError> {
        self.file.write(&self.rows, self.length)?;
        self.crc.update(&self.rows);
        self.length += self.rows.len() as u64;
        self.rows.clear();
        Ok(())
    }
}
