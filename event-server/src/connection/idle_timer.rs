//! How long a connection has waited for its peer, and how long it may.

use std::time::{Duration, Instant};

/// The longest wait for the peer to close its side after the last reply.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a connection waits for its peer to do, with a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    FirstByte,
    /// The rest of a frame, a line or a handshake that was begun.
    Rest,
    RepliesTaken,
    Close,
}

impl Waiting {
    /// Returns the words for a log line.
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
    /// A frame was completed, or replies were taken, since the timer was last set.
    progress: bool,
}

impl IdleTimer {
    /// Begins with nothing to wait for.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            waiting: None,
            since: now,
            progress: false,
        }
    }

    /// Notes that a frame was completed, or that replies were taken: the time begins anew.
    pub(super) fn progress(&mut self) {
        self.progress = true;
    }

    /// Sets what is waited for, at the end of a turn. The time begins anew if that has changed, or after progress.
    pub(super) fn set(&mut self, waiting: Option<Waiting>, now: Instant) {
        if waiting != self.waiting || self.progress {
            self.since = now;
        }
        (self.waiting, self.progress) = (waiting, false);
    }

    /// Returns what is waited for.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        self.waiting
    }

    /// Returns since when it is waited for.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Returns what was waited for too long, if anything.
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
