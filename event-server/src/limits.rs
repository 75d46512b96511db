//! The bounds of connections, each alone and all together: those that the configuration sets, and what the system allows.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The bounds that the configuration sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more wait in the backlog. Half of them may be held.
    pub max_connections: usize,
    /// The largest `length` of a frame.
    pub max_frame: usize,
    /// Unread bytes of a connection in memory, or one largest frame where that is more. A line of text must
    /// fit: 1,024 bytes or more.
    pub max_inbox: usize,
    /// Unsent bytes of replies beyond which a connection is not served; one reply may come on top.
    pub max_outbox: usize,
    /// Bytes of both kinds for all connections together; beyond, those that wait longest are closed.
    pub max_buffered: usize,
    /// Bytes of one connection that are read, that are served, and that are sent of a long list of winners in one turn, so
    /// that all get theirs; the last read may bring more, as much as the inbox takes. Less where many connections share the
    /// turn: [`Limits::share`].
    pub turn_bytes: usize,
    /// The replies of a connection whose next requests are here already wait for the replies to those, until so many bytes
    /// of its requests were served. With 0 they leave at the end of each turn.
    pub gathered_bytes: usize,
    /// Requests of one connection that are served in one turn.
    pub turn_requests: usize,
    /// For a first byte, for the rest of a frame begun, for taking replies.
    pub idle_timeout: Duration,
}

/// Bytes that one turn reads, that it serves, and that it sends of long lists, over all connections: the time of a turn is
/// what each of them waits.
const TURN_BYTES: usize = 8 * 1024 * 1024;

/// Requests that one turn serves, over all connections.
const TURN_REQUESTS: usize = 8_192;

/// The least that a connection gets of a turn, however many share it.
const LEAST: Share = Share {
    bytes: 8 * 1024,
    requests: 4,
};

/// What one connection gets of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Bytes that are read, that are served, and that are sent of a long list.
    pub bytes: usize,
    /// Requests that are served.
    pub requests: usize,
}

impl Limits {
    /// Returns the share that each of so many connections gets of one turn.
    pub fn share(&self, connections: usize) -> Share {
        let connections = connections.max(1);
        Share {
            bytes: (TURN_BYTES / connections)
                .max(LEAST.bytes)
                .min(self.turn_bytes),
            requests: (TURN_REQUESTS / connections)
                .max(LEAST.requests)
                .min(self.turn_requests),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_frame: 64 * 1024,
            max_inbox: 128 * 1024,
            max_outbox: 64 * 1024,
            max_buffered: 256 * 1024 * 1024,
            turn_bytes: 128 * 1024,
            gathered_bytes: 0,
            turn_requests: 128,
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// File descriptors for anything but connections: standard streams, poll, signals, listener, files of the store.
const OWN: u64 = 32;

/// Raises the limit of file descriptors to the hard one, and returns how many connections it leaves room for: each takes one, and
/// without one the listener cannot accept.
///
/// # Errors
/// The system would not raise it.
pub fn room_for_connections() -> io::Result<usize> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    let room = maximum.map_or(u64::MAX, |limit| limit.saturating_sub(OWN).max(1));
    Ok(usize::try_from(room).unwrap_or(usize::MAX))
}
