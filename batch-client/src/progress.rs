//! The progress bar of an upload. It is shown only where standard error is a terminal.
//!
//! Bar and log share standard error, so log lines go through [`Progress::sink`], which removes the bar while it writes
//! them. Decides nothing.

use std::fmt;
use std::io::{self, Write};

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

const TEMPLATE: &str = "{wide_bar} {human_pos}/{human_len} bets  {rate}/s  {eta} left";

/// A progress bar, which may be hidden.
#[derive(Clone, Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar on standard error; hidden where that is not a terminal.
    pub fn bar() -> Self {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style.with_key(
                "rate",
                |state: &ProgressState, out: &mut dyn fmt::Write| {
                    // If the bar cannot be drawn, nothing can report that.
                    let _ = write!(out, "{}", HumanCount(state.per_sec() as u64));
                },
            ));
        }
        Self(bar)
    }

    /// A bar that is never shown.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// Standard error, for the log lines.
    pub fn sink(&self) -> impl Write + Send + 'static {
        Sink(self.0.clone())
    }

    /// Sets the number of bets in the file.
    pub(crate) fn begin(&self, bets: u64) {
        self.0.set_length(bets);
    }

    /// Sets the number of bets that were stored before. The rate and the time that is left do not count them.
    pub(crate) fn resume(&self, stored: u64) {
        self.0.set_position(stored);
        self.0.reset_eta();
    }

    /// Sets the number of bets that are stored now.
    pub(crate) fn at(&self, stored: u64) {
        self.0.set_position(stored);
    }

    /// Removes the bar.
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
