//! The progress bar of an upload, on a terminal; nothing elsewhere.
//!
//! The bar and the log share standard error, so log lines go through [`Progress::sink`]: the bar is taken
//! away while they are written. Never decides anything.

use std::fmt;
use std::io::{self, Write};

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

const TEMPLATE: &str = "{wide_bar} {human_pos}/{human_len} bets  {rate}/s  {eta} left";

/// A bar, or nothing.
#[derive(Clone, Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar on standard error, where that is a terminal.
    pub fn bar() -> Self {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style.with_key(
                "rate",
                |state: &ProgressState, out: &mut dyn fmt::Write| {
                    // A bar that cannot be drawn has nobody to tell.
                    let _ = write!(out, "{}", HumanCount(state.per_sec() as u64));
                },
            ));
        }
        Self(bar)
    }

    /// Nothing.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// Standard error for log lines, beside the bar.
    pub fn sink(&self) -> impl Write + Send + 'static {
        Sink(self.0.clone())
    }

    /// There are so many bets to store.
    pub(crate) fn begin(&self, bets: u64) {
        self.0.set_length(bets);
    }

    /// So many are stored already: neither rate nor time left count them.
    pub(crate) fn resume(&self, stored: u64) {
        self.0.set_position(stored);
        self.0.reset_eta();
    }

    /// So many bets are stored now.
    pub(crate) fn at(&self, stored: u64) {
        self.0.set_position(stored);
    }

    /// Takes the bar away: there is nothing left to wait for, or to wait with.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

struct Sink(ProgressBar);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
