//! How long to pause before the database is tried again: growing, and not the same for all centrals.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3);

/// The next pause.
#[derive(Debug)]
pub(super) struct Backoff {
    longest: Duration,
    rng: fastrand::Rng,
}

impl Backoff {
    pub(super) fn new(rng: fastrand::Rng) -> Self {
        Self {
            longest: FIRST,
            rng,
        }
    }

    /// An attempt failed: how long to pause, from half of the longest pause on.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.longest.mul_f64(0.5 + self.rng.f64() / 2.0);
        self.longest = (self.longest * 2).min(LONGEST);
        pause
    }

    /// An attempt succeeded: the pauses begin anew.
    pub(super) fn reset(&mut self) {
        self.longest = FIRST;
    }
}
