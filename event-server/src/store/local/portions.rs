//! The memory that long readings share, and who is told how far they are.
//!
//! However large a file is, it is read through one buffer, a portion at a time. After each portion somebody is told, and
//! may end it.

use std::ops::ControlFlow;

use super::entry::FACT;
use super::error::StoreError;

/// Bytes that are read, copied or zeroed at once: 1,024 facts, so that none is cut in two.
pub(super) const CHUNK: usize = 1024 * FACT;

/// How far the reading of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were read.
    pub done: u64,
    /// About how many there are to read; never less than `done`.
    pub of: u64,
}

/// Is called after each portion. A break ends the reading with [`StoreError::Stopped`].
pub type OnProgress<'p> = &'p mut dyn FnMut(Progress) -> ControlFlow<()>;

/// A buffer for portions of files.
pub(super) struct Portions<'p> {
    pub(super) buffer: Box<[u8; CHUNK]>,
    on_progress: Option<OnProgress<'p>>,
    progress: Progress,
}

impl<'p> Portions<'p> {
    pub(super) fn new(on_progress: Option<OnProgress<'p>>) -> Self {
        Self {
            buffer: Box::new([0; CHUNK]),
            on_progress,
            progress: Progress { done: 0, of: 0 },
        }
    }

    /// The same buffer, and nobody is told any more.
    pub(super) fn alone(self) -> Portions<'static> {
        Portions {
            buffer: self.buffer,
            on_progress: None,
            progress: self.progress,
        }
    }

    /// So many bytes more are to be read.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.progress.of = self.progress.of.saturating_add(bytes);
    }

    /// So many bytes were read.
    ///
    /// # Errors
    /// [`StoreError::Stopped`].
    pub(super) fn passed(&mut self, bytes: usize) -> Result<(), StoreError> {
        let Some(on_progress) = &mut self.on_progress else {
            return Ok(());
        };
        let done = self.progress.done.saturating_add(bytes as u64);
        let of = self.progress.of.max(done);
        self.progress = Progress { done, of };
        match on_progress(self.progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(StoreError::Stopped),
        }
    }
}
