//! SIGTERM and SIGINT as events of the poll.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

/// SIGTERM and SIGINT, caught: the first one is an event, whenever the poll asks for it; a second one ends the
/// program at once, with 128 and its number, whatever it is doing.
pub struct Termination(pub(super) Signals);

impl Termination {
    /// Catches the signals; to be called before anything is opened, since that may take its time.
    ///
    /// # Errors
    /// The system would not.
    pub fn catch() -> io::Result<Self> {
        let catch = || {
            let stopping = Arc::new(AtomicBool::new(false));
            for signal in [SIGTERM, SIGINT] {
                let (code, flag) = (128 + signal, Arc::clone(&stopping));
                signal_hook::flag::register_conditional_shutdown(signal, code, flag)?;
                signal_hook::flag::register(signal, Arc::clone(&stopping))?;
            }
            Signals::new([SIGTERM, SIGINT])
        };
        catch().map(Self)
    }
}
