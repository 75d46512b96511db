//! How long a connection has waited for its peer, and for how long it may.

use std::time::{Duration, Instant};

/// For the peer to close its side after the last reply.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a connection is waiting for, where it may not wait forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    FirstByte,
    /// Of a frame or a line that was begun.
    Rest,
    RepliesTaken,
    Close,
}

impl Waiting {
    /// The words for a log line.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::FirstByte => "a first byte",
            Self::Rest => "the rest of what it began to send",
            Self::RepliesTaken => "the peer to take its replies",
            Self::Close => "the peer to close",
        }
    }
}

/// What is waited for, and since when.
#[derive(Debug)]
pub(super) struct IdleTimer {
    waiting: Option<Waiting>,
    since: Instant,
    /// Something moved since then.
    progress: bool,
}

impl IdleTimer {
    /// Nothing is waited for yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            waiting: None,
            since: now,
            progress: false,
        }
    }

    /// A frame was completed, or replies were taken: the time begins anew.
    pub(super) fn progress(&mut self) {
        self.progress = true;
    }

    /// At the end of a turn: what is waited for now.
    pub(super) fn watch(&mut self, waiting: Option<Waiting>, now: Instant) {
        if waiting != self.waiting || self.progress {
            self.since = now;
        }
        (self.waiting, self.progress) = (waiting, false);
    }

    /// What is waited for.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        self.waiting
    }

    /// Since when.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// What was waited for too long.
    pub(super) fn exhausted(&self, idle_timeout: Duration, now: Instant) -> Option<Waiting> {
        let waiting = self.waiting?;
        let limit = if waiting == Waiting::Close {
            CLOSE_TIMEOUT
        } else {
            idle_timeout
        };
        (now.saturating_duration_since(self.since) >= limit).then_some(waiting)
    }
}
