//! How far a long command is, on a terminal alone: one line on standard error that is written over, and removed at the end.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// The time between two looks of the line.
const PAUSE: Duration = Duration::from_millis(200);

/// A line that tells how far something is.
pub struct Progress {
    what: &'static str,
    is_shown: bool,
    is_there: bool,
    next: Instant,
}

impl Progress {
    /// `what` is being done. With `quiet`, and where nobody would see it, nothing is shown.
    pub fn new(what: &'static str, quiet: bool) -> Self {
        let terminal = std::env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb");
        Self {
            what,
            is_shown: !quiet && terminal && io::stderr().is_terminal(),
            is_there: false,
            next: Instant::now() + PAUSE,
        }
    }

    /// So much is done, of about so much.
    pub fn tell(&mut self, done: u64, of: u64) {
        if !self.is_shown || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + PAUSE;
        self.is_there = true;
        let percent = u128::from(done.min(of)) * 100 / u128::from(of.max(1));
        // Where it cannot be shown nothing is missing.
        let _ = write!(io::stderr(), "\r{}: {percent} %", self.what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_there {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
