//! What the tokens of the poll stand for.

use mio::Token;

pub(super) const LISTENER: Token = Token(usize::MAX);
pub(super) const SIGNALS: Token = Token(usize::MAX - 1);
pub(super) const DATABASE: Token = Token(usize::MAX - 2);
pub(super) const RESOLVED: Token = Token(usize::MAX - 3);
pub(super) const HTTP_LISTENER: Token = Token(usize::MAX - 4);

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
    pub(super) fn of(token: Token) -> Self {
        match token {
            LISTENER => Self::Listener,
            SIGNALS => Self::Signals,
            DATABASE => Self::Database,
            RESOLVED => Self::Resolved,
            HTTP_LISTENER => Self::HttpListener,
            Token(at @ HTTP..) => Self::Http(at - HTTP),
            Token(slot) => Self::Connection(slot),
        }
    }
}

/// The token of a connection of the HTTP port.
pub(super) fn http(slot: usize) -> Token {
    Token(HTTP + slot)
}
