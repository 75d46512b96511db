//! How long queries stay held at a server that cannot reach its store.

use std::time::{Duration, Instant};

/// How long a held query waits for a store that cannot be reached: as long as a client waits for any other reply. Another
/// server may reach the store, and may have drawn.
const PATIENCE: Duration = Duration::from_secs(10);

/// The store cannot be reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away {
    /// Since then; where queries were let go, since that.
    since: Instant,
    /// How many queries had been held until then.
    queries: u64,
}

impl Away {
    /// Since now, when so many queries have been held, one after the other.
    pub(super) fn new(now: Instant, queries: u64) -> Self {
        let since = now;
        Self { since, queries }
    }

    /// When queries are let go.
    pub(super) fn due(&self) -> Instant {
        self.since + PATIENCE
    }

    /// The number of the last query that has been held all the time.
    pub(super) fn queries(&self) -> u64 {
        self.queries
    }
}
