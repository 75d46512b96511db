//! The log as a file: made, written to, and in `read.rs` read.
//!
//! Its bytes are pictured in [`format`](super::format). A log is written from front to back, each byte of a turn to a
//! place that was written before, by zeros or by an earlier log: a sync of such bytes costs the least. A log that was found
//! at the start is only read: what stands behind its end may be a torn turn. The checkpoint that follows makes a new one.
//!
//! # Two files in turn
//!
//! At a checkpoint the log before the current one is written over, and the two exchange their names: to write over a
//! byte costs less than to write one to a new page. The new salt tells the records of the new log from older ones that
//! still stand behind them. A program that reads a log beside the server [holds](Log::hold) it with a shared lock. A
//! log that is held is not written over: a new file is made instead.

use std::io::{self, ErrorKind};

use crc32fast::Hasher;

use super::disk::{CHUNK, FileName, Files, Open, RandomAccess, failed};
use super::entry;
use super::error::StoreError;
use super::format::{Durability, HEAD, Head};
use crate::facts::Fact;

mod read;

static ZEROS: [u8; CHUNK] = [0; CHUNK];

pub(super) struct Log<H> {
    file: Open<H>,
    pub(super) head: Head,
    /// The last turn that was read or written; at first the one before this log.
    pub(super) sequence: u64,
    /// Where the first record begins.
    start: u64,
    /// Where the last record begins that was read; the end, if there is none.
    last: u64,
    /// Where the last record ends.
    pub(super) end: u64,
    /// Up to where the file has bytes that can be written over; `None` in a log that is only read.
    room: Option<u64>,
}

impl<H: RandomAccess> Log<H> {
    /// Makes a log beside the current one, whole and durable as far as `head` says. It becomes the current one with
    /// [`Log::publish`].
    pub(super) fn create<F: Files<File = H>>(
        files: &mut F,
        head: Head,
        facts: impl IntoIterator<Item = Fact>,
        room: u64,
    ) -> Result<Self, StoreError> {
        let file = Open::create(files, FileName::NewLog)?;
        Self::begin(file, 0, head, facts, room)
    }

    /// Whether this log, which is the one before the current one, may be written over: it still has its name, and nobody
    /// holds it. If so, it is locked, and nobody can hold it until [`Log::exchange`].
    pub(super) fn is_free<F: Files<File = H>>(&self, files: &F) -> bool {
        matches!(self.file.has_name(files, FileName::NewLog), Ok(true))
            && matches!(self.file.try_lock(), Ok(true))
    }

    /// Makes a log in the file of this one, which [is free](Log::is_free), as [`Log::create`] does in a new file.
    pub(super) fn write_over(
        self,
        head: Head,
        facts: impl IntoIterator<Item = Fact>,
        room: u64,
    ) -> Result<Self, StoreError> {
        Self::begin(self.file, self.room.unwrap_or(0), head, facts, room)
    }

    /// A log whose records, of which none is read or written yet, begin at `start`.
    fn new(file: Open<H>, head: Head, start: u64, room: Option<u64>) -> Self {
        Self {
            file,
            head,
            sequence: head.sequence,
            start,
            last: start,
            end: start,
            room,
        }
    }

    /// Writes head and facts into a file that has `written` bytes to write over.
    fn begin(
        file: Open<H>,
        written: u64,
        mut head: Head,
        facts: impl IntoIterator<Item = Fact>,
        room: u64,
    ) -> Result<Self, StoreError> {
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
        let mut log = Self::new(file, head, start, Some(start.max(written)));
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
        self.file.rename(files, FileName::NewLog, FileName::Log)
    }

    /// Has the log exchange its name with the current one, which is kept to be written over; `false` where the file system
    /// cannot do that. Until [`Log::sync_name`] a power cut may take that back.
    pub(super) fn exchange<F: Files<File = H>>(
        &mut self,
        files: &mut F,
        current: &mut Self,
    ) -> Result<bool, StoreError> {
        let exchanged =
            (self.file).exchange(files, FileName::NewLog, &mut current.file, FileName::Log)?;
        // From now on others may hold it.
        self.file.try_lock_shared()?;
        Ok(exchanged)
    }

    /// Whether this is the current log by its name.
    pub(super) fn is_current<F: Files<File = H>>(&self, files: &F) -> Result<bool, StoreError> {
        self.file.has_name(files, FileName::Log)
    }

    /// Makes the log's name durable.
    pub(super) fn sync_name<F: Files<File = H>>(&self, files: &mut F) -> Result<(), StoreError> {
        match self.head.durability {
            Durability::Always => files.sync().map_err(|e| failed("sync", files.folder(), e)),
            Durability::Never => Ok(()),
        }
    }

    /// Makes sure that a record of `size` bytes can be written over bytes of the file. Where it lacks some, the file
    /// grows by at least `step` bytes.
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
}
