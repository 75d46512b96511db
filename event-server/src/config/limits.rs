//! The keys of the bounds, `SERVER_MAX_…`, `SERVER_TURN_…` and `SERVER_IDLE_TIMEOUT`.

use frame::MAX_LENGTH;

use super::error::ConfigError;
use super::keys::Keys;
use crate::limits::Limits;

/// Without a sync for its batches to share, a turn gains little by being long, and everybody else waits for its end. What
/// it would gain is that replies leave together, and they may do so without it.
const UNSYNCED_TURN_BYTES: usize = 16 * 1024;

/// While a commit is under way to a database, nothing of its connections is decoded: what arrives meanwhile is their next
/// turn, and a transaction costs the same for few bets and for many.
const REMOTE_TURN_BYTES: usize = 512 * 1024;

/// How a commit goes, as far as it matters to how much a turn takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitKind {
    /// It is synced when the call returns.
    Synced,
    /// It is left to the kernel.
    Unsynced,
    /// It is a transaction of a database.
    Remote,
}

pub(super) fn limits(keys: &mut Keys, commit: CommitKind) -> Result<Limits, ConfigError> {
    const GIB: u32 = 1024 * 1024 * 1024;
    let Limits {
        max_connections,
        max_frame,
        max_inbox,
        max_outbox,
        max_buffered,
        turn_bytes,
        gathered_bytes,
        turn_requests,
        idle_timeout,
    } = defaults(commit);
    Ok(Limits {
        max_connections: keys.number("SERVER_MAX_CONNECTIONS", max_connections, 1..=1_000_000)?,
        max_frame: keys.number("SERVER_MAX_FRAME", max_frame, 8_192..=MAX_LENGTH as u32)?,
        max_inbox: keys.number("SERVER_MAX_INBOX", max_inbox, 8_192..=GIB)?,
        max_outbox: keys.number("SERVER_MAX_OUTBOX", max_outbox, 1_024..=GIB)?,
        max_buffered: keys.number("SERVER_MAX_BUFFERED", max_buffered, 1_048_576..=2 * GIB)?,
        turn_bytes: keys.number("SERVER_TURN_BYTES", turn_bytes, 1_024..=GIB)?,
        gathered_bytes,
        turn_requests: keys.number("SERVER_TURN_REQUESTS", turn_requests, 1..=1_000_000)?,
        idle_timeout: keys.duration("SERVER_IDLE_TIMEOUT", idle_timeout, 50..=86_400_000)?,
    })
}

fn defaults(commit: CommitKind) -> Limits {
    let limits = Limits::default();
    match commit {
        CommitKind::Synced => limits,
        CommitKind::Unsynced => Limits {
            turn_bytes: UNSYNCED_TURN_BYTES,
            // As many as in a turn that is synced.
            gathered_bytes: limits.turn_bytes,
            ..limits
        },
        CommitKind::Remote => Limits {
            turn_bytes: REMOTE_TURN_BYTES,
            max_inbox: REMOTE_TURN_BYTES,
            ..limits
        },
    }
}
