//! What was done and seen, and when: printed at once, and kept for a failure to be read.

use std::time::Instant;

/// The log of what was done in a lottery, faults among it; its times count from when it is made.
pub struct FaultLog {
    begin: Instant,
    lines: Vec<String>,
}

impl FaultLog {
    /// Begins an empty log now.
    pub fn begin() -> Self {
        Self {
            begin: Instant::now(),
            lines: Vec::new(),
        }
    }

    /// Prints what happened now.
    pub fn note(&mut self, what: impl AsRef<str>) {
        let time = self.begin.elapsed().as_secs_f64();
        let line = format!("{time:7.1} s  {}", what.as_ref());
        println!("{line}");
        self.lines.push(line);
    }

    /// Returns all lines so far, each with a line break.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
