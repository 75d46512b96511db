//! What wakes the loop: the poll, its tokens, and the signals, which are events like any other.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::{Interest, Poll, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
use signal_hook_mio::v1_0;

use crate::report;

/// The poll and the signals. A remote store needs them before the server is bound.
pub struct Reactor {
    pub(super) poll: Poll,
    pub(super) signals: Signals,
    /// A reload was asked for that has not been done yet.
    pub(super) reload_due: bool,
}

impl Reactor {
    /// Makes the poll and registers the signals.
    ///
    /// # Errors
    /// The system has no resources.
    pub fn new(mut signals: Signals) -> io::Result<Self> {
        let poll = Poll::new()?;
        let source = &mut signals.source;
        poll.registry()
            .register(source, Token(SIGNALS), Interest::READABLE)?;
        Ok(Self {
            poll,
            signals,
            reload_due: false,
        })
    }

    /// Logs the signals that came since the last call, before the server serves. Returns whether one of them stops it; one that
    /// asks for a reload is remembered until it serves.
    pub fn stops(&mut self) -> bool {
        let requested = self.signals.take();
        self.reload_due |= requested.reload;
        requested.stops
    }
}

pub(super) const LISTENER: usize = usize::MAX;
pub(super) const SIGNALS: usize = usize::MAX - 1;
pub(super) const RESOLVED: usize = usize::MAX - 2;
pub(super) const HTTP_LISTENER: usize = usize::MAX - 3;

/// The token of the first session with a database. There is one for each number that a session may have.
const DATABASE: usize = usize::MAX - (1 << 10);
const LAST_DATABASE: usize = DATABASE + u8::MAX as usize;

/// The first token of the HTTP port's connections. The lottery's count from 0, and there are at most a million.
const HTTP: usize = usize::MAX - (1 << 16);

/// What an event belongs to.
pub(super) enum Owner {
    Listener,
    Signals,
    /// A session with a database, by its number.
    Database(u8),
    /// A name was looked up for the database.
    Resolved,
    HttpListener,
    /// A connection of the HTTP port, by its slot.
    Http(usize),
    /// A connection of the lottery, by its slot.
    Connection(usize),
}

impl Owner {
    /// Returns what the events of a token belong to.
    pub(super) fn of(token: usize) -> Self {
        match token {
            LISTENER => Self::Listener,
            SIGNALS => Self::Signals,
            RESOLVED => Self::Resolved,
            HTTP_LISTENER => Self::HttpListener,
            at @ DATABASE..=LAST_DATABASE => Self::Database((at - DATABASE) as u8),
            at @ HTTP.. => Self::Http(at - HTTP),
            slot => Self::Connection(slot),
        }
    }
}

/// Returns the token of a session with a database.
pub(super) fn database_token(session: u8) -> usize {
    DATABASE + usize::from(session)
}

/// Returns the token of a connection of the HTTP port.
pub(super) fn http_token(slot: usize) -> usize {
    HTTP + slot
}

/// Lets a write beyond the limit of file sizes (`ulimit -f`) fail, as one on a full disk does. Its signal, SIGXFSZ, would end the
/// program within the write, without a message.
///
/// # Errors
/// The system refuses.
pub fn fail_writes_beyond_file_limit() -> io::Result<()> {
    // It is caught and does nothing, since ignoring it would take unsafe code.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// What the signals that came ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Requested {
    /// The server is to stop.
    pub(super) stops: bool,
    /// A trace is to begin, or to end.
    pub(super) trace: bool,
    /// A reload is to be done.
    pub(super) reload: bool,
}

/// The signals that are caught. Each becomes an event of the poll, even if it came before the poll was asked.
///
/// SIGTERM and SIGINT stop the server; a second one of them ends the program at once, with 128 plus its number,
/// whatever it does. SIGHUP stops it if standard input was a terminal and that terminal is gone; any other SIGHUP asks
/// for a reload. SIGUSR1 begins or ends a trace. SIGUSR2 would end a program that does not catch it, and is often sent
/// when a log is rotated: it is logged and has no other effect.
pub struct Signals {
    /// To be registered with the poll.
    source: v1_0::Signals,
    /// Standard input was a terminal at the start.
    in_terminal: bool,
}

impl Signals {
    /// Catches the signals. Called before anything is opened, since that may take long.
    ///
    /// # Errors
    /// The system refuses.
    pub fn catch() -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            let (code, flag) = (128 + signal, Arc::clone(&stopping));
            signal_hook::flag::register_conditional_shutdown(signal, code, flag)?;
            signal_hook::flag::register(signal, Arc::clone(&stopping))?;
        }
        Ok(Self {
            source: v1_0::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2])?,
            in_terminal: io::stdin().is_terminal(),
        })
    }

    /// Logs each signal that came since the last call, and returns what they ask for.
    pub(super) fn take(&mut self) -> Requested {
        let mut requested = Requested::default();
        for signal in self.source.pending() {
            report::signal(signal_hook::low_level::signal_name(signal).unwrap_or("unknown"));
            requested.trace ^= signal == SIGUSR1;
            match signal {
                SIGTERM | SIGINT => requested.stops = true,
                // A terminal that was closed is no terminal any more.
                SIGHUP if self.in_terminal && !io::stdin().is_terminal() => requested.stops = true,
                SIGHUP => requested.reload = true,
                _ => {}
            }
        }
        requested
    }
}
