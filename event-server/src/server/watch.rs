//! The poll and the signals, before a server is there.

use std::io;
use std::sync::Arc;

use mio::{Interest, Poll, Waker};
use signal_hook_mio::v1_0::Signals;

use super::dialer::Dialer;
use super::signals::Termination;
use super::tokens::{RESOLVED, SIGNALS};

/// The poll, before anything is watched but the signals: a remote store needs it before the server is bound.
pub struct Watch {
    pub(super) poll: Poll,
    pub(super) signals: Signals,
}

impl Watch {
    /// Begins to watch the signals.
    ///
    /// # Errors
    /// The system has no resources.
    pub fn new(Termination(mut signals): Termination) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut signals, SIGNALS, Interest::READABLE)?;
        Ok(Self { poll, signals })
    }

    /// What opens streams to a database.
    ///
    /// # Errors
    /// The system has no resources.
    pub fn dialer(&self) -> io::Result<Dialer> {
        Ok(Dialer {
            registry: self.poll.registry().try_clone()?,
            waker: Arc::new(Waker::new(self.poll.registry(), RESOLVED)?),
            lookup: None,
        })
    }
}
