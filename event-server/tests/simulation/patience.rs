//! How long a server has waited for its peer, as the connection's bytes tell: whoever lets it wait too long may be closed,
//! and nobody else.
//!
//! | it waits for | since |
//! |---|---|
//! | a first byte | the connection was accepted |
//! | the rest of a frame, or of a line of text | it read the first byte of it, and the stream took the replies before |
//! | replies to be taken | the stream took no byte any more, and it read no whole frame |
//! | the peer to close | it said itself that no more will come |
//!
//! Where few places are left, whoever has been silent for a while may have to give way.
//!
//! Knows nothing of how the server counts.

use std::time::Duration;

/// How long a server waits for the peer to close.
const GOODBYE: Duration = Duration::from_secs(2);

/// Whoever did nothing for so long is silent; and whoever has said nothing at all.
const SILENT: Duration = Duration::from_millis(500);
const SILENT_AT_FIRST: Duration = Duration::from_millis(100);

/// How far the server has read what the peer sends.
#[derive(Clone, Copy)]
enum Input {
    Nothing,
    Text,
    /// Bytes of a frame's length that were read, and the value that they have so far.
    Length(usize, usize),
    /// Bytes of a frame that are missing.
    Rest(usize),
}

pub struct Patience {
    idle_timeout: Duration,
    input: Input,
    /// The beginning of what is not whole.
    begun: Option<Duration>,
    /// The stream took no byte.
    blocked: Option<Duration>,
    /// The server has said that no more will come.
    ended: Option<Duration>,
    /// A frame became whole, or replies were taken.
    moved: Duration,
}

impl Patience {
    /// The patience of a server with this timeout, which accepts a connection now.
    pub fn new(idle_timeout: Duration, now: Duration) -> Self {
        Self {
            idle_timeout,
            input: Input::Nothing,
            begun: Some(now),
            blocked: None,
            ended: None,
            moved: now,
        }
    }

    /// The server has read this.
    pub fn read(&mut self, bytes: &[u8], now: Duration) {
        for byte in bytes {
            self.input = match self.input {
                Input::Text => Input::Text,
                Input::Nothing if *byte > 0 => {
                    self.begun = Some(now);
                    Input::Text
                }
                Input::Nothing | Input::Length(0, _) => {
                    self.begun = Some(now);
                    Input::Length(1, usize::from(*byte))
                }
                Input::Length(read, value) => {
                    let value = value << 8 | usize::from(*byte);
                    match read {
                        1..3 => Input::Length(read + 1, value),
                        _ => self.rest(value, now),
                    }
                }
                Input::Rest(missing) => self.rest(missing - 1, now),
            };
        }
    }

    fn rest(&mut self, missing: usize, now: Duration) -> Input {
        if missing > 0 {
            return Input::Rest(missing);
        }
        self.begun = None;
        self.moved = now;
        self.blocked = self.blocked.map(|_| now);
        Input::Length(0, 0)
    }

    /// The stream took bytes. While replies are on their way, the server waits for nothing else.
    pub fn wrote(&mut self, now: Duration) {
        self.blocked = None;
        self.moved = now;
        self.begun = self.begun.map(|_| now);
    }

    /// The stream took none.
    pub fn blocked(&mut self, now: Duration) {
        self.blocked.get_or_insert(now);
    }

    /// The server says that no more will come.
    pub fn ended(&mut self, now: Duration) {
        self.ended.get_or_insert(now);
    }

    /// By how much the server has exceeded its timeout while it waits for the client to send or, with `replies`, to
    /// take replies.
    pub fn overdue(&self, replies: bool, now: Duration) -> Option<Duration> {
        let since = if replies { self.blocked } else { self.begun };
        let waited = now - since?;
        waited.checked_sub(self.idle_timeout)
    }

    /// Whether the server has waited so long that it may close the connection.
    pub fn is_exhausted(&self, now: Duration) -> bool {
        let idle = [false, true].map(|replies| self.overdue(replies, now));
        let gone = self.ended.is_some_and(|since| now - since >= GOODBYE);
        idle.iter().any(Option::is_some) || gone
    }

    /// Whether the peer has done nothing for so long that it may have to give way to another.
    pub fn is_silent(&self, now: Duration) -> bool {
        let silent = match self.input {
            Input::Nothing => SILENT_AT_FIRST,
            _ => SILENT,
        };
        now - self.moved >= silent.min(self.idle_timeout)
    }

    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }
}
