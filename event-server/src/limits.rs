//! The bounds of connections, each alone and all together: those that the configuration sets, and what the system allows.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The bounds that the configuration sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; more wait in the backlog. At most half of them are held for the draw.
    pub max_connections: usize,
    /// The largest `length` of a frame, in bytes.
    pub max_frame: usize,
    /// Unread bytes of a connection in memory, or those of one largest frame, if that is more. At least 1,024, so that
    /// a line of text fits.
    pub max_inbox: usize,
    /// Unsent bytes of replies beyond which a connection is not served; one reply may come on top.
    pub max_outbox: usize,
    /// Bytes in the inboxes and outboxes of all connections together. Beyond it, the connections whose bytes have
    /// waited the longest are closed.
    pub max_buffered: usize,
    /// Bytes of one connection in one turn: of those that are read, of those that are served, and of a long list of
    /// winners that is sent. The last read may bring more, as much as the inbox takes. Where many connections share the
    /// turn, each has less: [`Limits::share`].
    pub turn_bytes: usize,
    /// The replies of a connection whose next requests have come already wait for the replies to those, until so many
    /// bytes of its requests were served. With 0 they leave at the end of each turn.
    pub gathered_bytes: usize,
    /// Requests of one connection that are served in one turn.
    pub turn_requests: usize,
    /// The longest wait for a first byte, for the rest of a frame that was begun, and for a peer to take its replies.
    pub idle_timeout: Duration,
}

/// Bytes of all connections in one turn: of those that are read, of those that are served, and of long lists that are
/// sent. It bounds how long a turn takes, and so how long each connection waits.
const TURN_BYTES: usize = 8 * 1024 * 1024;

/// Requests of all connections that one turn serves.
const TURN_REQUESTS: usize = 8_192;

/// The smallest share of a turn, however many connections share it.
const LEAST: Share = Share {
    bytes: 8 * 1024,
    requests: 4,
};

/// The share that one connection has of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Bytes: of those that are read, of those that are served, and of a long list that is sent.
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

/// Raises the soft limit of file descriptors to the hard one, and returns how many connections that leaves room for:
/// each needs one descriptor.
///
/// # Errors
/// The system refuses.
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
