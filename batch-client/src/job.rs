//! What every step of mode batch needs, toward either kind of server, and the list of winners with which it ends.

use std::sync::Arc;

use frame::{BetError, Documents, MessageId};

use crate::batch::Batches;
use crate::blocks::Blocks;
use crate::config::Config;
use crate::error::Error;
use crate::event_loop::EventLoop;
use crate::file::{FileState, OpenFile, Reader};
use crate::progress::Progress;
use crate::report;
use crate::rows::{RowError, Rows};

/// How many rows are read before signals are looked for.
const ROWS_AT_ONCE: u64 = 100_000;

/// One run of mode batch.
pub(crate) struct Job<'a> {
    pub(crate) config: &'a Config,
    pub(crate) file: &'a OpenFile<'a>,
    /// The blocks of the file when it was checked.
    pub(crate) blocks: Arc<Blocks>,
    /// How many of its rows an earlier run sent to a plain server.
    pub(crate) sent_before: u64,
    /// Whether the run waits for the winners.
    pub(crate) waits: bool,
    pub(crate) progress: &'a Progress,
}

impl<'a> Job<'a> {
    /// Notes that a batch is stored, and with it `all` bets. Where a person sees the bar, there is no log line for each batch.
    pub(crate) fn stored(&self, id: MessageId, bets: u32, all: u64) {
        if !self.progress.is_enabled() {
            report::batch_stored(id, bets);
        }
        self.progress.at(all);
    }

    /// Returns the batches of the file that was checked, without its first `rows` rows.
    ///
    /// # Errors
    /// Another file has its name, or it has changed or cannot be read; [`Error::Stopped`].
    pub(crate) fn batches_after(
        &self,
        rows: u64,
        event_loop: &mut EventLoop,
    ) -> Result<Batches<Reader<'a>>, Error> {
        if self.state()? == FileState::Other {
            return Err(self.changed(rows));
        }
        let (blocks, config) = (Arc::clone(&self.blocks), self.config);
        let reader = self.file.reader();
        let mut batches = Batches::new(reader, blocks, config.agency, config.batch.max_amount);
        let mut skipped = 0;
        while skipped < rows {
            event_loop.check()?;
            let now = ROWS_AT_ONCE.min(rows - skipped);
            match batches.skip(now) {
                Ok(true) => skipped += now,
                Ok(false) => return Err(self.changed(rows)),
                Err(e) => return Err(self.unreadable(e, rows)),
            }
        }
        Ok(batches)
    }

    /// Verifies that the file is the one that was checked, of which `sent` rows were sent. It is read once more only where
    /// somebody may have written to it.
    ///
    /// # Errors
    /// It is another one, or cannot be read; [`Error::Stopped`].
    pub(crate) fn verify(&self, sent: u64, event_loop: &mut EventLoop) -> Result<(), Error> {
        match self.state()? {
            FileState::Same => return Ok(()),
            FileState::Other => return Err(self.changed(sent)),
            FileState::Touched => {}
        }
        let mut rows = Rows::again(self.file.reader(), Arc::clone(&self.blocks));
        loop {
            event_loop.check()?;
            for _ in 0..ROWS_AT_ONCE {
                match rows.next_row() {
                    Ok(Some(_)) => {}
                    Ok(None) => return Ok(()),
                    Err(e) => return Err(self.unreadable(e, sent)),
                }
            }
        }
    }

    /// Returns the error of a file that is not the one that was checked, of which `sent` rows were sent.
    pub(crate) fn changed(&self, sent: u64) -> Error {
        let (path, agency) = (self.file.path().to_owned(), self.config.agency);
        Error::FileChanged { path, agency, sent }
    }

    /// Returns the error of a row that cannot be read although the whole file was checked.
    pub(crate) fn unreadable(&self, error: RowError, sent: u64) -> Error {
        match error {
            RowError::Io(e) => self.file.failed(e),
            RowError::Changed | RowError::Bad(_) | RowError::TooLong { .. } => self.changed(sent),
        }
    }

    fn state(&self) -> Result<FileState, Error> {
        self.file.state(self.blocks.length())
    }
}

/// Documents, in the order in which their bets were stored. A reply has at most [`MAX_REPLY`](frame::MAX_REPLY) bytes, so
/// all of them together have less than 4 GiB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WinnerList {
    /// All documents, one after the other.
    text: String,
    /// Where each ends in the text. It begins where the one before it ends.
    ends: Vec<u32>,
}

impl WinnerList {
    /// Copies the documents out of a reply.
    ///
    /// # Errors
    /// The list does not follow the grammar of the protocol.
    pub(crate) fn copy(documents: Documents<'_>) -> Result<Self, BetError> {
        let mut list = Self::default();
        documents.for_each(|document| {
            list.text.push_str(&document);
            list.ends.push(list.text.len() as u32);
        })?;
        Ok(list)
    }

    /// Returns how many they are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the documents in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let end = *end as usize;
            &self.text[std::mem::replace(&mut begin, end)..end]
        })
    }
}
