//! A log that is read: at the start, and beside a server that may run.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use memchr::memmem;

use super::Log;
use crate::facts::Fact;
use crate::store::files::disk::{CHUNK, FileName, Files, Open, Portions, RandomAccess, failed};
use crate::store::files::entry;
use crate::store::files::error::StoreError;
use crate::store::files::format::{Durability, FACT, HEAD, HEADER, Head, Header, VERSION};

/// How often to try again to hold a log.
const HOLD_TRIES: u32 = 500;

/// The pause before the next try where the log is locked: a server unlocks it right after giving it its name.
const HOLD_PAUSE: Duration = Duration::from_millis(10);

impl<H: RandomAccess> Log<H> {
    /// Opens the current log, to be read with [`Log::facts`] and [`Log::next`].
    pub(in crate::store::files) fn find<F: Files<File = H>>(
        files: &mut F,
        portions: &mut Portions<'_>,
    ) -> Result<Option<Self>, StoreError> {
        let file = Open::find(files, FileName::Log)?;
        file.map(|file| Self::read_head(file, portions)).transpose()
    }

    /// As [`Log::find`], beside a server that may run: the server does not write over the log until this is dropped.
    /// Waits, for some seconds at most, while another program has locked the log.
    pub(in crate::store::files) fn hold<F: Files<File = H>>(
        files: &mut F,
        portions: &mut Portions<'_>,
    ) -> Result<Option<Self>, StoreError> {
        let mut tries = 0;
        loop {
            let Some(file) = Open::find(files, FileName::Log)? else {
                return Ok(None);
            };
            let is_locked = file.try_lock_shared()?;
            // Else the server may have begun to write over it since it was opened.
            if is_locked && file.has_name(files, FileName::Log)? {
                return Self::read_head(file, portions).map(Some);
            }
            if tries == HOLD_TRIES {
                let why = "another program has had it locked for too long";
                let error = io::Error::new(ErrorKind::ResourceBusy, why);
                return Err(failed("lock", file.path(), error));
            }
            tries += 1;
            if !is_locked {
                thread::sleep(HOLD_PAUSE);
            }
        }
    }

    fn read_head(file: Open<H>, portions: &mut Portions<'_>) -> Result<Self, StoreError> {
        let mut bytes = [0; HEAD];
        file.read(&mut bytes, 0)?;
        let damaged = || StoreError::Head {
            path: file.path().to_owned(),
        };
        let (head, crc, mut hasher) = Head::decode(&bytes).ok_or_else(damaged)?;
        let start = (HEAD + head.facts as usize * FACT) as u64;
        if !file.digest(HEAD as u64, start, portions, &mut hasher)? || hasher.finalize() != crc {
            return Err(damaged());
        }
        if !(1..=VERSION).contains(&head.version) {
            return Err(StoreError::Version {
                path: file.path().to_owned(),
                version: head.version,
            });
        }
        Ok(Self::new(file, head, start, None))
    }

    /// Reads from the first record on again.
    pub(in crate::store::files) fn rewind(&mut self) {
        (self.end, self.last) = (self.start, self.start);
        self.sequence = self.head.sequence;
    }

    /// Bytes of the file.
    pub(in crate::store::files) fn length(&self) -> Result<u64, StoreError> {
        self.file.length()
    }

    /// The path by which errors name the log.
    pub(in crate::store::files) fn path(&self) -> PathBuf {
        self.file.path().to_owned()
    }

    /// Hands the checkpoint's facts to `replay`.
    pub(in crate::store::files) fn facts(
        &self,
        portions: &mut Portions<'_>,
        replay: impl FnMut(&Fact),
    ) -> Result<(), StoreError> {
        self.each_fact(HEAD as u64, self.start, portions, replay)
    }

    /// Reads the record at the log's end, if a whole one stands there, and moves the end behind it. Its rows,
    /// which belong at `position`, are handed to `rows` in pieces; its facts to `replay`.
    pub(in crate::store::files) fn next(
        &mut self,
        position: u64,
        portions: &mut Portions<'_>,
        rows: impl FnMut(&[u8]) -> Result<(), StoreError>,
        replay: impl FnMut(&Fact),
    ) -> Result<Option<Header>, StoreError> {
        let Some((header, end)) = self.whole_record(self.end, portions)? else {
            return Ok(None);
        };
        if header.sequence != self.sequence + 1 || header.position != position {
            return Err(StoreError::Nonsense {
                path: self.path(),
                at: self.end,
            });
        }
        let begin = self.end + HEADER as u64;
        self.file
            .for_each(begin, begin + header.rows, portions, rows)?;
        self.each_fact(begin + header.rows, end, portions, replay)?;
        self.last = self.end;
        self.end = end;
        self.sequence = header.sequence;
        Ok(Some(header))
    }

    /// The record at an offset and where it ends, if it is one of this log's and whole.
    fn whole_record(
        &self,
        at: u64,
        portions: &mut Portions<'_>,
    ) -> Result<Option<(Header, u64)>, StoreError> {
        let mut bytes = [0; HEADER];
        if self.file.read(&mut bytes, at)? < HEADER {
            return Ok(None);
        }
        let (header, mut hasher) = Header::decode(&bytes);
        let Some(end) = header.end(at).filter(|_| header.salt == self.head.salt) else {
            return Ok(None);
        };
        let whole = self
            .file
            .digest(at + HEADER as u64, end, portions, &mut hasher)?
            && hasher.finalize() == header.crc;
        Ok(whole.then_some((header, end)))
    }

    fn each_fact(
        &self,
        from: u64,
        until: u64,
        portions: &mut Portions<'_>,
        mut replay: impl FnMut(&Fact),
    ) -> Result<(), StoreError> {
        let nonsense = || StoreError::Nonsense {
            path: self.path(),
            at: from,
        };
        self.file.for_each(from, until, portions, |piece| {
            let (facts, _) = piece.as_chunks();
            facts.iter().try_for_each(|bytes| {
                replay(&entry::decode(bytes).ok_or_else(nonsense)?);
                Ok(())
            })
        })?;
        Ok(())
    }

    /// Makes durable what was read: the last turn. The others were synced, or the log was made without
    /// durability.
    pub(in crate::store::files) fn harden(
        &self,
        portions: &mut Portions<'_>,
    ) -> Result<(), StoreError> {
        self.file.write_again(self.last, self.end, portions)?;
        self.file.sync()
    }

    /// Looks through all that stands behind the log's end, byte by byte.
    pub(in crate::store::files) fn tail(
        &self,
        portions: &mut Portions<'_>,
    ) -> Result<Tail, StoreError> {
        let salt = self.head.salt.to_be_bytes();
        let finder = memmem::Finder::new(&salt);
        let mut window = vec![0; CHUNK];
        let mut tail = Tail {
            bytes: self.begun()?,
            later: None,
        };
        let mut at = self.end;
        loop {
            let count = self.file.read(&mut window, at)?;
            portions.passed(count)?;
            for found in finder.find_iter(&window[..count]) {
                let begin = at + found as u64;
                if tail.later.is_none() && self.whole_record(begin, portions)?.is_some() {
                    tail.later = Some(begin);
                }
            }
            if self.head.durability == Durability::Never
                && let Some(last) = window[..count].iter().rposition(|b| *b != 0)
            {
                tail.bytes = at + last as u64 + 1 - self.end;
            }
            if count < CHUNK {
                return Ok(tail);
            }
            // A salt that the window's end cuts is whole in the next one.
            at += (CHUNK - salt.len() + 1) as u64;
        }
    }

    /// Bytes of the unfinished record at the log's end, as its header says, but not beyond the file's end; 0: there is
    /// none.
    fn begun(&self) -> Result<u64, StoreError> {
        let mut bytes = [0; HEADER];
        self.file.read(&mut bytes, self.end)?;
        let (header, _) = Header::decode(&bytes);
        let end = header.end(self.end).unwrap_or(u64::MAX);
        Ok(match header.salt == self.head.salt {
            true => end.min(self.length()?) - self.end,
            false => 0,
        })
    }

    /// Writes to bets.csv the rows of the turn that begins at `at`, and of all turns after it. `at` moves on with every
    /// turn whose rows are written.
    pub(in crate::store::files) fn copy_rows(
        &self,
        at: &mut u64,
        bets: &Open<H>,
        portions: &mut Portions<'_>,
    ) -> Result<(), StoreError> {
        while *at < self.end {
            let mut bytes = [0; HEADER];
            self.file.read(&mut bytes, *at)?;
            let (header, _) = Header::decode(&bytes);
            let Some(next) = header.end(*at).filter(|next| *next <= self.end) else {
                return Err(StoreError::Nonsense {
                    path: self.path(),
                    at: *at,
                });
            };
            let rows = *at + HEADER as u64;
            let mut position = header.position;
            self.file
                .for_each(rows, rows + header.rows, portions, |piece| {
                    bets.write(piece, position)?;
                    position += piece.len() as u64;
                    Ok(())
                })?;
            *at = next;
        }
        Ok(())
    }
}

/// What stands behind a log's last record.
pub(in crate::store::files) struct Tail {
    /// Bytes of an unfinished record. In a log without durability, which is never written over, all bytes before the
    /// zeros at its end.
    pub(in crate::store::files) bytes: u64,
    /// Where a later record begins that is whole: then the log does not end here, but is damaged.
    pub(in crate::store::files) later: Option<u64>,
}
