//! File descriptors: every connection takes one, and without one the listener cannot accept.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are no connections: standard streams, poll, signals, listener, files of the store.
const OWN: u64 = 32;

/// Raises the limit to the hard one; returns how many connections it leaves room for.
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
