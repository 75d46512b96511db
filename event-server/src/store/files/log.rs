//! The log as a file: made, written to, read.
//!
//! Its bytes are pictured in [`format`](super::format). A log is written once, from front to back, each byte of a turn to
//! a place that holds zeros already. A log that was found at the start is only read: what stands behind its end may be a
//! torn turn. The checkpoint that follows makes a new one.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use crc32fast::Hasher;
use memchr::memmem;

use super::disk::{CHUNK, Files, Name, Open, Portions, RandomAccess, failed};
use super::entry;
use super::error::StoreError;
use super::format::{Durability, FACT, HEAD, HEADER, Head, Header, VERSION};
use crate::facts::Fact;

static ZEROS: [u8; CHUNK] = [0; CHUNK];

pub(super) struct Log<H> {
    file: Open<H>,
    pub(super) head: Head,
    /// The last turn in it, or before it.
    pub(super) sequence: u64,
    /// Where the first record begins.
    start: u64,
    /// Where the last record begins that was read; the end, if there is none.
    last: u64,
    /// Where the last record ends.
    pub(super) end: u64,
    /// How far there are zeros to write over; `None` in a log that is only read.
    room: Option<u64>,
}

impl<H: RandomAccess> Log<H> {
    /// Makes a log beside the current one, whole and durable as far as `head` says. It becomes the current one with
    /// [`Log::publish`].
    pub(super) fn create<F: Files<File = H>>(
        files: &mut F,
        mut head: Head,
        facts: impl IntoIterator<Item = Fact>,
        room: u64,
    ) -> Result<Self, StoreError> {
        let file = Open::create(files, Name::NewLog)?;
        let mut hasher = Hasher::new();
        let mut piece = Vec::with_capacity(CHUNK);
        let mut start = HEAD as u64;
        for fact in facts {
            piece.extend_from_slice(&entry::encode(&fact));
            head.facts += 1;
            if piece.len() == CHUNK {
                hasher.update(&piece);
                file.write(&piece, start)?;
                start += CHUNK as u64;
                piece.clear();
            }
        }
        hasher.update(&piece);
        file.write(&piece, start)?;
        start += piece.len() as u64;
        file.write(&head.encode(&hasher), 0)?;
        let mut log = Self {
            file,
            head,
            sequence: head.sequence,
            start,
            last: start,
            end: start,
            room: Some(start),
        };
        log.make_room(room, 0)?;
        log.sync()?;
        Ok(log)
    }

    /// Puts the log in the place of the current one, durably.
    pub(super) fn publish<F: Files<File = H>>(&mut self, files: &mut F) -> Result<(), StoreError> {
        self.put_in_place(files)?;
        self.sync_name(files)
    }

    /// Puts the log in the place of the current one: until [`Log::sync_name`] a power cut may take that back.
    pub(super) fn put_in_place<F: Files<File = H>>(
        &mut self,
        files: &mut F,
    ) -> Result<(), StoreError> {
        self.file.rename(files, Name::NewLog, Name::Log)
    }

    /// Makes the log's name durable.
    pub(super) fn sync_name<F: Files<File = H>>(&self, files: &mut F) -> Result<(), StoreError> {
        match self.head.durability {
            Durability::Always => files.sync().map_err(|e| failed("sync", files.folder(), e)),
            Durability::Never => Ok(()),
        }
    }

    /// Sees to it that a record of `size` bytes can be written without asking the disk for more. Where it
    /// asks, it asks for `step` bytes at least.
    pub(super) fn make_room(&mut self, size: u64, step: u64) -> Result<(), StoreError> {
        let Some(room) = &mut self.room else {
            let why = "there was none for the checkpoint at the start";
            let error = io::Error::new(ErrorKind::StorageFull, why);
            return Err(failed("write", self.file.path(), error));
        };
        let needed = self.end + size;
        if needed <= *room {
            return Ok(());
        }
        let until = needed.max(*room + step);
        while *room < until {
            let count = (until - *room).min(CHUNK as u64);
            self.file.write(&ZEROS[..count as usize], *room)?;
            *room += count;
        }
        Ok(())
    }

    /// Where the first record begins.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Sees to it that the log is for its owner's eyes only.
    pub(super) fn keep_private<F: Files<File = H>>(&self, files: &mut F) -> Result<(), StoreError> {
        self.file.keep_private(files)
    }

    /// Whether this is the log that was found at the start, which takes no turns.
    pub(super) fn is_read_only(&self) -> bool {
        self.room.is_none()
    }

    /// Writes the record of the next turn, and makes it durable.
    pub(super) fn append(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.file.write(record, self.end)?;
        self.sync()?;
        self.end += record.len() as u64;
        self.sequence += 1;
        Ok(())
    }

    /// Makes durable what is written; not where the log was made without durability.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        match self.head.durability {
            Durability::Always => self.file.sync(),
            Durability::Never => Ok(()),
        }
    }

    /// Opens the current log, to be read with [`Log::facts`] and [`Log::next`].
    pub(super) fn find<F: Files<File = H>>(
        files: &mut F,
        portions: &mut Portions<'_>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(file) = Open::find(files, Name::Log)? else {
            return Ok(None);
        };
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
        Ok(Some(Self {
            file,
            head,
            sequence: head.sequence,
            start,
            last: start,
            end: start,
            room: None,
        }))
    }

    /// Reads from the first record on again.
    pub(super) fn rewind(&mut self) {
        (self.end, self.last) = (self.start, self.start);
        self.sequence = self.head.sequence;
    }

    /// Bytes of the file.
    pub(super) fn length(&self) -> Result<u64, StoreError> {
        self.file.length()
    }

    /// What errors call the log.
    pub(super) fn path(&self) -> PathBuf {
        self.file.path().to_owned()
    }

    /// Hands the checkpoint's facts to `replay`.
    pub(super) fn facts(
        &self,
        portions: &mut Portions<'_>,
        replay: impl FnMut(&Fact),
    ) -> Result<(), StoreError> {
        self.each_fact(HEAD as u64, self.start, portions, replay)
    }

    /// Reads the record at the log's end, if a whole one stands there, and moves the end behind it. Its rows,
    /// which belong at `position`, are handed to `rows` in pieces; its facts to `replay`.
    pub(super) fn next(
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
    pub(super) fn harden(&self, portions: &mut Portions<'_>) -> Result<(), StoreError> {
        self.file.write_again(self.last, self.end, portions)?;
        self.file.sync()
    }

    /// Looks through all that stands behind the log's end, byte by byte.
    pub(super) fn tail(&self, portions: &mut Portions<'_>) -> Result<Tail, StoreError> {
        let salt = self.head.salt.to_be_bytes();
        let finder = memmem::Finder::new(&salt);
        let mut window = vec![0; CHUNK];
        let mut tail = Tail {
            bytes: 0,
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
            if let Some(last) = window[..count].iter().rposition(|b| *b != 0) {
                tail.bytes = at + last as u64 + 1 - self.end;
            }
            if count < CHUNK {
                return Ok(tail);
            }
            // A salt that the window's end cuts is whole in the next one.
            at += (CHUNK - salt.len() + 1) as u64;
        }
    }

    /// Writes the rows to bets.csv of the turn that begins at `at`, and of all turns after it. `at` moves on with every
    /// turn whose rows are written.
    pub(super) fn copy_rows(
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
pub(super) struct Tail {
    /// How many bytes until only zeros follow.
    pub(super) bytes: u64,
    /// Where a whole record begins: the one before it did not end the log.
    pub(super) later: Option<u64>,
}
