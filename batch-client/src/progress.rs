//! What a person at a terminal sees beside the log: a bar while bets are sent, and what is waited for.
//!
//! ```text
//! the event loop -> State <- a thread that draws -> bar -> standard error <- lines <- the thread of the log
//! ```
//!
//! A terminal may take nothing for as long as it likes, as after Ctrl-S. So only threads write to it that nobody waits for:
//! the loop notes what is to be shown, and pictures that nobody sees are not drawn. Bar and log share standard error, so log
//! lines go through [`Progress::sink`], which removes the bar while it writes them. Decides nothing: [`terminal`] says
//! whether anything is shown.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::terminal;

const BAR: &str = "{wide_bar} {human_pos}/{human_len} bets{speed}";

/// The same on a terminal that is narrower than [`NARROW`] columns, where a bar would be a few letters long.
const SHORT_BAR: &str = "{human_pos}/{human_len}{left}";
const NARROW: u16 = 70;

/// What a bar is made of where the terminal shows ASCII alone.
const ASCII_BAR: &str = "#>-";

/// No speed is shown before the time after which it means something.
const FIRST_SPEED: Duration = Duration::from_secs(1);
const WAIT: &str = "{wide_msg}";

/// A connection that is made within this time is not shown.
const AT_ONCE: Duration = Duration::from_millis(500);

/// How often the bar is drawn anew, and how often the time of a wait.
const FRAME: Duration = Duration::from_millis(100);
const REFRESH: Duration = Duration::from_secs(1);

/// How long the end of the program waits until what is shown is removed.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is shown; nothing where it is hidden. A clone shows in the same place.
#[derive(Clone, Debug, Default)]
pub struct Progress(Option<Shown>);

#[derive(Clone, Debug)]
struct Shown {
    shared: Arc<Shared>,
    /// Drawn by the thread, and removed by the log while that writes.
    bar: ProgressBar,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Something else is to be shown, or nothing is shown any more.
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

/// When this run began to send, and how many bets were stored then.
#[derive(Clone, Copy, Debug)]
struct Begin {
    since: Instant,
    stored: u64,
}

/// What the thread draws.
#[derive(Debug, PartialEq, Eq)]
enum Picture {
    Nothing,
    Bar { stored: u64, bets: u64 },
    Text(String),
}

impl Progress {
    /// Shown on standard error; hidden where the system has no thread for it.
    pub fn shown() -> Self {
        // What is drawn too often is not drawn: here the thread decides how often that is.
        let target = ProgressDrawTarget::stderr_with_hz(u8::MAX);
        let bar = ProgressBar::with_draw_target(None, target);
        // So that nothing is drawn before there is something to show.
        bar.finish_and_clear();
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

    /// Never shown.
    pub fn hidden() -> Self {
        Self(None)
    }

    /// Returns standard error, for the log lines.
    pub fn sink(&self) -> impl Write + Send + 'static {
        Sink(self.0.as_ref().map(|shown| shown.bar.clone()))
    }

    /// Returns whether a person sees the bar, which tells of each batch that is stored.
    pub(crate) fn is_shown(&self) -> bool {
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

    /// A connection to this server is being made.
    pub(crate) fn connecting(&self, server: &str) {
        self.change(|state| {
            // Several attempts in a row are one wait.
            let since = state.connection.take().map(|(_, since)| since);
            state.connection = Some((server.to_owned(), since.unwrap_or_else(Instant::now)));
        });
    }

    /// The connection is made.
    pub(crate) fn connected(&self) {
        self.change(|state| state.connection = None);
    }

    /// All bets are sent, and the draw is waited for.
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
    /// What is to be shown now, and after which time that is out of date.
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
            self.draw(&picture, &last);
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
        self.bar.finish_and_clear();
        self.shared.state().phase = Phase::Ended;
        self.shared.changed.notify_all();
    }

    fn draw(&self, picture: &Picture, last: &Picture) {
        let bar = &self.bar;
        match picture {
            Picture::Nothing if bar.is_finished() => return,
            Picture::Nothing => return bar.finish_and_clear(),
            Picture::Bar { stored, bets } => {
                if !matches!(last, Picture::Bar { .. }) {
                    bar.set_style(self.bar_style());
                    bar.set_length(*bets);
                }
                self.begin_again();
                bar.set_position(*stored);
            }
            Picture::Text(text) => {
                if !matches!(last, Picture::Text(_))
                    && let Ok(style) = ProgressStyle::with_template(WAIT)
                {
                    bar.set_style(style);
                }
                bar.set_message(text.clone());
                self.begin_again();
            }
        }
        bar.tick();
    }

    /// Shows the bar again where it was removed.
    fn begin_again(&self) {
        if self.bar.is_finished() {
            self.bar.reset();
        }
    }

    fn bar_style(&self) -> ProgressStyle {
        let shared = Arc::clone(&self.shared);
        let now = move |state: &ProgressState| {
            let begin = shared.state().begin;
            speed(
                begin,
                Instant::now(),
                state.pos(),
                state.len().unwrap_or_default(),
            )
        };
        let also = now.clone();
        // If the bar cannot be drawn, nothing can report that.
        let both = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            if let Some((rate, left)) = now(state) {
                let _ = write!(out, "  {}/s  {} left", HumanCount(rate), Waited(left));
            }
        };
        let left = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            if let Some((_, left)) = also(state) {
                let _ = write!(out, "  {} left", Waited(left));
            }
        };
        let narrow = terminal::columns().is_some_and(|columns| columns < NARROW);
        let style = ProgressStyle::with_template(if narrow { SHORT_BAR } else { BAR });
        let style = style.map_or_else(
            |_| ProgressStyle::default_bar(),
            |style| style.with_key("speed", both).with_key("left", left),
        );
        if terminal::shows_utf8() {
            style
        } else {
            style.progress_chars(ASCII_BAR)
        }
    }
}

/// The bets a second since `begin`, and the time for those that are left; `None` while nobody can know.
fn speed(begin: Begin, now: Instant, stored: u64, all: u64) -> Option<(u64, Duration)> {
    let passed = now.saturating_duration_since(begin.since);
    let new = stored.saturating_sub(begin.stored);
    if passed < FIRST_SPEED || new == 0 {
        return None;
    }
    let rate = new as f64 / passed.as_secs_f64();
    let left = all.saturating_sub(stored) as f64 / rate;
    Some((rate as u64, Duration::try_from_secs_f64(left).ok()?))
}

/// A time as `12s`, `1m05s` or `2h03m`.
struct Waited(Duration);

impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..60 => write!(f, "{seconds}s"),
            60..3_600 => write!(f, "{}m{:02}s", seconds / 60, seconds % 60),
            _ => write!(f, "{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        }
    }
}

/// Standard error, and the bar that gives way to a line where one is shown.
struct Sink(Option<ProgressBar>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Some(bar) => bar.suspend(|| io::stderr().write(bytes)),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_of_the_bets_of_this_run_and_is_not_shown_at_once() {
        let since = Instant::now();
        let begin = Begin {
            since,
            stored: 9_000_000,
        };
        let at = |milliseconds, stored| {
            let now = since + Duration::from_millis(milliseconds);
            speed(begin, now, stored, 10_000_000)
        };
        assert_eq!(at(10, 9_100_000), None);
        assert_eq!(at(2_000, 9_000_000), None);
        assert_eq!(
            at(2_000, 9_200_000),
            Some((100_000, Duration::from_secs(8)))
        );
    }

    #[test]
    fn a_time_is_shown_in_its_two_largest_units() {
        let text = |seconds| Waited(Duration::from_secs(seconds)).to_string();
        assert_eq!(
            [0, 59, 60, 3_599, 3_600, 93_784].map(text),
            ["0s", "59s", "1m00s", "59m59s", "1h00m", "26h03m"]
        );
    }
}
