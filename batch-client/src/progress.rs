//! What a person at a terminal sees beside the log: a bar while bets are sent, and what is waited for.
//!
//! ```text
//! the event loop -> State <- a thread that draws -> Bar -> standard error <- lines <- the thread of the log
//! ```
//!
//! A terminal may take nothing for as long as it likes, as after Ctrl-S. So only threads for which nobody waits write to it:
//! the loop notes what is to be shown, and the thread draws the newest state and skips those before it. Bar and log share
//! standard error, so log lines go through [`Progress::sink`], which removes the bar while it writes them.

mod bar;

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bar::{Bar, Begin, Picture, Sink, Waited};

/// A connection that is made within this time is not shown.
const AT_ONCE: Duration = Duration::from_millis(500);

/// How often the bar is drawn anew, and how often the time of a wait.
const FRAME: Duration = Duration::from_millis(100);
const REFRESH: Duration = Duration::from_secs(1);

/// How long the end of the program waits until what is shown is removed.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a person at a terminal sees; nothing where it is hidden. A clone shows in the same place.
#[derive(Clone, Debug, Default)]
pub struct Progress(Option<Shown>);

#[derive(Clone, Debug)]
struct Shown {
    shared: Arc<Shared>,
    /// Drawn by the thread, and removed by the log while that writes.
    bar: Bar,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Signals a change of the phase.
    changed: Condvar,
}

/// What is to be shown.
#[derive(Debug)]
struct State {
    phase: Phase,
    /// The bets of the file, once they are counted.
    bets: Option<u64>,
    /// The bets that are stored.
    stored: u64,
    begin: Begin,
    /// Since when the draw is waited for.
    draw: Option<Instant>,
    /// The server that is connected to, and since when. It is shown before the draw.
    connection: Option<(String, Instant)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The thread has seen what is to be shown.
    Seen,
    /// It has not.
    Changed,
    /// It is to remove what it shows, and to end.
    Ending,
    Ended,
}

impl Progress {
    /// Shows what happens on standard error, where that is a terminal on which a person can see it and `json` is `false`;
    /// otherwise shows nothing.
    pub fn on_terminal(json: bool) -> Self {
        if bar::is_wanted(json) {
            Self::shown()
        } else {
            Self::hidden()
        }
    }

    /// Shows on standard error; hidden where the system has no thread for it.
    fn shown() -> Self {
        let bar = Bar::new();
        let begin = Begin {
            since: Instant::now(),
            stored: 0,
        };
        let state = Mutex::new(State {
            phase: Phase::Changed,
            bets: None,
            stored: 0,
            begin,
            draw: None,
            connection: None,
        });
        let changed = Condvar::new();
        let shared = Arc::new(Shared { state, changed });
        let shown = Shown { shared, bar };
        let drawn = shown.clone();
        let thread = thread::Builder::new().name("progress".to_owned());
        Self(thread.spawn(move || drawn.run()).ok().map(|_| shown))
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Self(None)
    }

    /// Returns standard error, for the log lines.
    pub fn sink(&self) -> impl Write + Send + 'static {
        Sink(self.0.as_ref().map(|shown| shown.bar.clone()))
    }

    /// Returns whether a person sees the bar, which tells of each batch that is stored.
    pub(crate) fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Sets the number of bets in the file.
    pub(crate) fn begin(&self, bets: u64) {
        self.change(|state| state.bets = Some(bets));
    }

    /// Sets the number of bets that were stored before. The rate and the time that is left do not count them.
    pub(crate) fn resume(&self, stored: u64) {
        self.change(|state| {
            let since = Instant::now();
            (state.begin, state.stored) = (Begin { since, stored }, stored);
        });
    }

    /// Sets the number of bets that are stored now.
    pub(crate) fn at(&self, stored: u64) {
        if let Some(shown) = &self.0 {
            // The next picture has it.
            shown.shared.state().stored = stored;
        }
    }

    /// Notes that a connection to this server is being made.
    pub(crate) fn connecting(&self, server: &str) {
        self.change(|state| {
            // Several attempts in a row are one wait.
            let since = state.connection.take().map(|(_, since)| since);
            state.connection = Some((server.to_owned(), since.unwrap_or_else(Instant::now)));
        });
    }

    /// Notes that the connection is made.
    pub(crate) fn connected(&self) {
        self.change(|state| state.connection = None);
    }

    /// Notes that all bets are sent, and that the draw is waited for.
    pub(crate) fn waiting_for_draw(&self) {
        self.change(|state| {
            state.draw.get_or_insert_with(Instant::now);
        });
    }

    /// Removes what is shown. Waits until that is done, but not for a terminal that takes nothing.
    pub fn end(&self) {
        let Some(Shown { shared, .. }) = &self.0 else {
            return;
        };
        let mut state = shared.state();
        if matches!(state.phase, Phase::Seen | Phase::Changed) {
            state.phase = Phase::Ending;
            shared.changed.notify_all();
            let goes_on = |state: &mut State| state.phase != Phase::Ended;
            drop(shared.changed.wait_timeout_while(state, FAREWELL, goes_on));
        }
    }

    /// Changes what is to be shown, and wakes the thread that draws.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let Some(Shown { shared, .. }) = &self.0 else {
            return;
        };
        let mut state = shared.state();
        change(&mut state);
        if state.phase == Phase::Seen {
            state.phase = Phase::Changed;
            shared.changed.notify_all();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns what is to be shown now, and after which time that is out of date.
    fn picture(&self, now: Instant) -> (Picture, Option<Duration>) {
        let (picture, next) = match (self.draw, self.bets) {
            (Some(since), _) => {
                let waited = Waited(now.saturating_duration_since(since));
                let text = format!("{waited}  waiting for the draw (all agencies have to finish)");
                (Picture::Text(text), Some(REFRESH))
            }
            (None, Some(bets)) => {
                let stored = self.stored;
                (Picture::Bar { stored, bets }, Some(FRAME))
            }
            (None, None) => (Picture::Nothing, None),
        };
        let Some((server, since)) = &self.connection else {
            return (picture, next);
        };
        let waited = now.saturating_duration_since(*since);
        match AT_ONCE.checked_sub(waited) {
            Some(left) if !left.is_zero() => (picture, Some(next.unwrap_or(left).min(left))),
            _ => {
                let text = format!("{}  connecting to {server}", Waited(waited));
                (Picture::Text(text), Some(REFRESH))
            }
        }
    }
}

impl Shown {
    /// Draws until the end.
    fn run(self) {
        let mut last = Picture::Nothing;
        let mut state = self.shared.state();
        while state.phase != Phase::Ending {
            state.phase = Phase::Seen;
            let (picture, next) = state.picture(Instant::now());
            drop(state);
            let shared = Arc::clone(&self.shared);
            self.bar.draw(&picture, &last, move || shared.state().begin);
            last = picture;
            let seen = |state: &mut State| state.phase == Phase::Seen;
            let next = next.unwrap_or(Duration::MAX);
            let waited = self
                .shared
                .changed
                .wait_timeout_while(self.shared.state(), next, seen);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.bar.clear();
        self.shared.state().phase = Phase::Ended;
        self.shared.changed.notify_all();
    }
}
