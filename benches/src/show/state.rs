//! What the peers of a show share: where the central is, how far the show is, and the time that it is played in.

use std::io;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How far the show is; it only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Agencies send bets.
    Betting,
    /// The calm agencies finish, one after another.
    Finishing,
    /// All others have to finish, too.
    Drawing,
    /// The central is told to stop.
    Over,
    /// It has ended.
    Ended,
}

/// How often a wait looks whether the show was stopped.
const LOOK: Duration = Duration::from_millis(100);

/// What all peers of a show share.
pub(super) struct Show<'a> {
    /// Where agencies find the central.
    pub(super) central: SocketAddr,
    /// How many seconds of real time a second of the show takes.
    pace: f64,
    began: Instant,
    phase: Mutex<Phase>,
    entered: Condvar,
    tell: &'a (dyn Fn(&str) + Sync),
}

impl<'a> Show<'a> {
    pub(super) fn new(central: SocketAddr, pace: f64, tell: &'a (dyn Fn(&str) + Sync)) -> Self {
        Self {
            central,
            pace,
            began: Instant::now(),
            phase: Mutex::new(Phase::Betting),
            entered: Condvar::new(),
            tell,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how far the show is.
    pub(super) fn phase(&self) -> Phase {
        *self.lock()
    }

    /// Returns whether the central was told to stop: from then on a peer that is not answered is no failure.
    pub(super) fn is_over(&self) -> bool {
        self.phase() >= Phase::Over
    }

    /// Moves the show on to this phase, unless it is beyond it.
    pub(super) fn enter(&self, phase: Phase) {
        let mut now = self.lock();
        *now = phase.max(*now);
        self.entered.notify_all();
    }

    /// Returns how long so many seconds of the show take.
    pub(super) fn seconds(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds * self.pace)
    }

    /// Waits until this second of the show; `false` where it was stopped before.
    pub(super) fn wait_for(&self, second: f64, stopped: impl Fn() -> bool) -> bool {
        let until = self.began + self.seconds(second);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if stopped() || left.is_zero() {
                return !stopped();
            }
            std::thread::sleep(left.min(LOOK));
        }
    }

    /// Waits so many seconds of the show, or until it is past this phase; `false` where it is.
    pub(super) fn pause(&self, seconds: f64, phase: Phase) -> bool {
        let go_on = |now: &mut Phase| *now <= phase;
        let waited = self
            .entered
            .wait_timeout_while(self.lock(), self.seconds(seconds), go_on);
        let (now, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *now <= phase
    }

    /// Tells the result of a scene.
    pub(super) fn came(&self, what: &str) {
        (self.tell)(what);
    }

    /// Ignores the failure of a stream after the central was told to stop.
    pub(super) fn bear(&self, outcome: io::Result<()>) -> io::Result<()> {
        outcome.or_else(|e| if self.is_over() { Ok(()) } else { Err(e) })
    }
}
