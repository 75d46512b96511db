//! Lines of text that the central echoes during a lottery, and how long each takes.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::abuse::Scene;
use crate::peer;

/// Between two lines.
const PAUSE: Duration = Duration::from_millis(2);

/// How long the echoed lines took, each from before its connection was made until it had come back.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl From<Vec<Duration>> for Latencies {
    fn from(times: Vec<Duration>) -> Self {
        Self(times)
    }
}

impl Latencies {
    /// Returns how many lines there were.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Adds those of another run.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns the time that so many of a hundred lines did not exceed; `None` without a line.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        sorted.get(last * percent / 100).copied()
    }
}

/// Has lines echoed from the scene's begin to its end.
pub(super) fn sample(scene: &Scene<'_>) -> io::Result<Latencies> {
    let mut latencies = Vec::new();
    let mut reply = Vec::new();
    while !scene.ended() {
        let begin = Instant::now();
        let mut stream = peer::connect(scene.address, None)?;
        stream.write_all(b"are you there?\n")?;
        reply.clear();
        stream.read_to_end(&mut reply)?;
        latencies.push(begin.elapsed());
        if reply != b"are you there?\n" {
            return Err(io::Error::other("the echo is another line"));
        }
        thread::sleep(PAUSE);
    }
    Ok(Latencies(latencies))
}
