//! What the tokens of the poll stand for.

pub(super) const LISTENER: usize = usize::MAX;
pub(super) const SIGNALS: usize = usize::MAX - 1;
pub(super) const DATABASE: usize = usize::MAX - 2;
pub(super) const RESOLVED: usize = usize::MAX - 3;
pub(super) const HTTP_LISTENER: usize = usize::MAX - 4;

/// The first token of the HTTP port's connections. The lottery's count from 0, and there are at most a million.
const HTTP: usize = usize::MAX - (1 << 16);

/// What an event belongs to.
pub(super) enum Source {
    Listener,
    Signals,
    Database,
    Resolved,
    HttpListener,
    /// A connection of the HTTP port, by its slot.
    Http(usize),
    /// A connection of the lottery, by its slot.
    Connection(usize),
}

impl Source {
    pub(super) fn of(token: usize) -> Self {
        match token {
            LISTENER => Self::Listener,
            SIGNALS => Self::Signals,
            DATABASE => Self::Database,
            RESOLVED => Self::Resolved,
            HTTP_LISTENER => Self::HttpListener,
            at @ HTTP.. => Self::Http(at - HTTP),
            slot => Self::Connection(slot),
        }
    }
}

/// The token of a connection of the HTTP port.
pub(super) fn http(slot: usize) -> usize {
    HTTP + slot
}
