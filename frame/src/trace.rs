//! A trace of an event loop, in the Trace Event Format that Perfetto and chrome://tracing open: what the loop did in each
//! turn, a track for each connection with its states, reads, writes and frames, and counters.
//!
//! ```text
//! hooks of the loop -> Recorder of this thread -> bounded buffer -> a thread -> the file
//! ```
//!
//! A trace belongs to the thread that began it, which is the one that runs the loop: a hook takes no lock. While no trace is
//! under way, a hook only reads a flag. The loop never waits for the file: events for which the buffer has no room are lost,
//! and the trace says how many. Every slice is written whole once it is over, so that no loss leaves one half of a pair.
//!
//! The layers for `tracing` that write this format have no counters, no tracks with names and no bound for the file, their
//! queues have no bound either, and they leave half an event where the program is killed.
//!
//! Format: <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.

mod recorder;
mod writer;

use std::cell::{Cell, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use self::recorder::Recorder;
pub use self::writer::Ended;
use self::writer::Writer;
use crate::calls::{ReadOutcome, WriteOutcome};

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static RECORDER: RefCell<Option<Box<Recorder>>> = const { RefCell::new(None) };
}

/// Returns whether this thread records a trace.
#[inline]
pub fn is_on() -> bool {
    ON.get()
}

/// Begins a trace of this thread, in a new file of at most `most` bytes. `program` is the name of the process in the
/// trace. A trace that is under way ends first.
///
/// # Errors
/// The path leads to something that is no regular file, the file cannot be created, or the system has no thread.
pub fn begin(path: &Path, most: u64, program: &str) -> io::Result<()> {
    end();
    let writer = Writer::begin(path, most)?;
    let recorder = Box::new(Recorder::new(path, writer, program));
    RECORDER.set(Some(recorder));
    ON.set(true);
    Ok(())
}

/// Ends the trace of this thread, with the slices that are not over yet. Returns its file; `None` where there is no trace.
/// Waits a second at most.
pub fn end() -> Option<PathBuf> {
    ON.set(false);
    let mut recorder = RECORDER.take()?;
    recorder.end();
    Some(recorder.path)
}

/// Hands the recorded events to the writing thread; to be called once a turn. Returns the file and the reason where the trace
/// has ended by itself, else `None`.
pub fn flush() -> Option<(PathBuf, Ended)> {
    if !is_on() {
        return None;
    }
    let why = record(Recorder::flush).flatten()?;
    ON.set(false);
    RECORDER.take().map(|recorder| (recorder.path, why))
}

/// Records a part of a turn that is over, with the numbers that were [noted](note) since the part before it.
#[inline]
pub fn phase(name: &'static str, began: Instant, over: Instant) {
    if is_on() {
        record(|recorder| {
            recorder.phase(name, began, over);
        });
    }
}

/// Notes a number of the part of the turn that is under way.
#[inline]
pub fn note(name: &'static str, number: u64) {
    if is_on() {
        record(|recorder| recorder.note(name, number));
    }
}

/// Returns the time, where a trace is under way.
#[inline]
pub fn now() -> Option<Instant> {
    is_on().then(Instant::now)
}

/// Records work that the loop asked a database for in one of its sessions, 0 to 15, each with a track of its own: from `began`
/// until now.
#[inline]
pub fn remote(session: u8, name: &'static str, began: Instant, numbers: &[(&'static str, u64)]) {
    if is_on() {
        record(|recorder| {
            recorder.remote(session, name, began, Instant::now(), numbers);
        });
    }
}

/// Times the parts of a turn one after the other, while a trace is under way.
pub struct Laps(Option<Instant>);

impl Laps {
    /// Begins the first part.
    pub fn begin() -> Self {
        Self(is_on().then(Instant::now))
    }

    /// Ends a part, and begins the next one.
    pub fn lap(&mut self, name: &'static str) {
        if let Some(began) = self.0 {
            let now = Instant::now();
            phase(name, began, now);
            self.0 = Some(now);
        }
    }
}

/// Records the present value of a counter, but no more often than every 10 ms.
#[inline]
pub fn counter(name: &'static str, value: u64) {
    if is_on() {
        record(|recorder| recorder.counter(name, value));
    }
}

/// Records that a connection is there, in this state.
#[inline]
pub fn opened(slot: usize, serial: u64, state: &'static str) {
    if is_on() {
        record(|recorder| recorder.opened(slot, serial, state));
    }
}

/// Records that a connection has this state from now on.
#[inline]
pub fn state(slot: usize, state: &'static str) {
    if is_on() {
        record(|recorder| recorder.state(slot, state));
    }
}

/// Records that a connection is gone, for this reason.
#[inline]
pub fn closed(slot: usize, reason: &'static str) {
    if is_on() {
        record(|recorder| recorder.closed(slot, reason));
    }
}

/// Attributes the following calls and frames to the connection in this slot; with `None`, to no connection.
#[inline]
pub fn focus(slot: Option<usize>) {
    if is_on() {
        record(|recorder| recorder.focus = slot);
    }
}

/// Records a read of the connection in [focus] into so many bytes of space.
#[inline]
pub(crate) fn read(outcome: ReadOutcome, bytes: usize, space: usize) {
    if is_on() {
        let name = match outcome {
            ReadOutcome::Full => "full read",
            ReadOutcome::Short => "short read",
            ReadOutcome::WouldBlock => "read: would block",
            ReadOutcome::End => "read: end",
            ReadOutcome::Error => "read: error",
        };
        on_focus(
            name,
            &[("outcome", outcome.name())],
            &[("bytes", bytes), ("of", space)],
        );
    }
}

/// Records a write of the connection in [focus], to which so many bytes were offered.
#[inline]
pub(crate) fn write(outcome: WriteOutcome, bytes: usize, offered: usize) {
    if is_on() {
        let name = match outcome {
            WriteOutcome::Whole => "whole write",
            WriteOutcome::Short => "short write",
            WriteOutcome::WouldBlock => "write: would block",
            WriteOutcome::Error => "write: error",
        };
        on_focus(
            name,
            &[("outcome", outcome.name())],
            &[("bytes", bytes), ("of", offered)],
        );
    }
}

/// Records a frame of the connection in [focus]: its type, its size in bytes, and its verdict.
#[inline]
pub fn frame(kind: &'static str, bytes: usize, verdict: &'static str) {
    if is_on() {
        on_focus(
            "frame",
            &[("type", kind), ("verdict", verdict)],
            &[("bytes", bytes)],
        );
    }
}

/// Records what the connection in this slot waits for now.
#[inline]
pub fn waits(slot: usize, what: &'static str) {
    if is_on() {
        record(|recorder| recorder.waits(slot, what));
    }
}

fn on_focus(name: &'static str, texts: &[(&str, &'static str)], numbers: &[(&str, usize)]) {
    record(|recorder| {
        if let Some(track) = recorder.focus.and_then(|slot| recorder.track(slot)) {
            recorder.instant(track, name, texts, numbers);
        }
    });
}

#[cold]
fn record<R>(act: impl FnOnce(&mut Recorder) -> R) -> Option<R> {
    RECORDER.with_borrow_mut(|recorder| recorder.as_deref_mut().map(act))
}
