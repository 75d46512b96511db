//! The signals that the programs bear, and those that stop a server.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
use signal_hook_mio::v1_0::Signals;

use crate::report;

/// Bears a limit of file sizes (`ulimit -f`): a write beyond it fails, as one on a full disk does. Its signal, SIGXFSZ,
/// would end the program within the write, without a word.
///
/// # Errors
/// The system would not.
pub fn bear_file_limits() -> io::Result<()> {
    // Caught, it does nothing; to ignore it would take unsafe code.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// What signals ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Came {
    /// The server stops.
    pub(super) stops: bool,
    /// A trace begins, or ends.
    pub(super) trace: bool,
}

/// The signals that are caught. Each is an event, whenever the poll asks for it.
///
/// SIGTERM and SIGINT stop the server; a second one of them ends the program at once, with 128 and its number, whatever
/// it is doing. SIGHUP stops it where standard input was a terminal and that terminal is gone. Any other SIGHUP, SIGUSR1
/// and SIGUSR2 would end a program that does not catch them, and are sent by habit where a log is rotated: they are one
/// line.
pub struct Termination {
    /// To be watched by the poll.
    pub(super) signals: Signals,
    /// Standard input was a terminal at the start.
    in_terminal: bool,
}

impl Termination {
    /// Catches the signals; to be called before anything is opened, since that may take its time.
    ///
    /// # Errors
    /// The system would not.
    pub fn catch() -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            let (code, flag) = (128 + signal, Arc::clone(&stopping));
            signal_hook::flag::register_conditional_shutdown(signal, code, flag)?;
            signal_hook::flag::register(signal, Arc::clone(&stopping))?;
        }
        Ok(Self {
            signals: Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2])?,
            in_terminal: io::stdin().is_terminal(),
        })
    }

    /// The signals that came since the last call: tells of each, and returns what they ask for.
    pub(super) fn take(&mut self) -> Came {
        let mut came = Came::default();
        for signal in self.signals.pending() {
            report::signal(signal_hook::low_level::signal_name(signal).unwrap_or("unknown"));
            came.trace ^= signal == SIGUSR1;
            came.stops |= match signal {
                SIGTERM | SIGINT => true,
                // A terminal that was closed is none any more.
                SIGHUP => self.in_terminal && !io::stdin().is_terminal(),
                _ => false,
            };
        }
        came
    }
}
