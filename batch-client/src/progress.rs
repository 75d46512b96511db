//! What a person at a terminal sees beside the log: a bar while bets are sent, and what is waited for.
//!
//! Bar and log share standard error, so log lines go through [`Progress::sink`], which removes the bar while it writes
//! them. Decides nothing: [`terminal`] says whether anything is shown.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// How often the time of a wait is shown anew.
const REFRESH: Duration = Duration::from_secs(1);

/// What is shown; nothing where it is hidden.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
    waits: Arc<Mutex<Waits>>,
    begin: Arc<Mutex<Begin>>,
}

/// When this run began to send, and how many bets were stored then.
#[derive(Clone, Copy, Debug)]
struct Begin {
    since: Instant,
    stored: u64,
}

/// What is waited for, and since when.
#[derive(Debug, Default)]
struct Waits {
    shown: bool,
    draw: Option<Instant>,
    /// The server that is connected to. It is shown before the draw.
    connection: Option<(String, Instant)>,
}

impl Progress {
    /// Shown on standard error.
    pub fn shown() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // So that nothing is drawn before there is something to show.
        bar.finish_and_clear();
        Self::new(bar, true)
    }

    /// Never shown.
    pub fn hidden() -> Self {
        Self::new(ProgressBar::hidden(), false)
    }

    fn new(bar: ProgressBar, shown: bool) -> Self {
        let waits = Waits {
            shown,
            ..Waits::default()
        };
        let begin = Begin {
            since: Instant::now(),
            stored: 0,
        };
        Self {
            bar,
            waits: Arc::new(Mutex::new(waits)),
            begin: Arc::new(Mutex::new(begin)),
        }
    }

    /// Standard error, for the log lines.
    pub fn sink(&self) -> impl Write + Send + 'static {
        let shown = self.waits().shown;
        Sink(shown.then(|| self.bar.clone()))
    }

    /// Whether a person sees the bar, which tells of each batch that is stored.
    pub(crate) fn is_shown(&self) -> bool {
        self.waits().shown
    }

    /// Sets the number of bets in the file.
    pub(crate) fn begin(&self, bets: u64) {
        self.bar.set_style(self.bar_style());
        self.bar.set_length(bets);
        self.bar.reset();
    }

    /// Sets the number of bets that were stored before. The rate and the time that is left do not count them.
    pub(crate) fn resume(&self, stored: u64) {
        let mut begin = self.begin.lock().unwrap_or_else(PoisonError::into_inner);
        (begin.since, begin.stored) = (Instant::now(), stored);
        drop(begin);
        self.bar.set_position(stored);
    }

    /// Sets the number of bets that are stored now.
    pub(crate) fn at(&self, stored: u64) {
        self.bar.set_position(stored);
    }

    /// A connection to this server is being made.
    pub(crate) fn connecting(&self, server: &str) {
        let mut waits = self.waits();
        // Several attempts in a row are one wait.
        let since = waits.connection.take().map(|(_, since)| since);
        waits.connection = Some((server.to_owned(), since.unwrap_or_else(Instant::now)));
    }

    /// The connection is made.
    pub(crate) fn connected(&self) {
        self.waits().connection = None;
        match self.bar.length() {
            Some(_) => self.bar.set_style(self.bar_style()),
            None => self.bar.finish_and_clear(),
        }
        self.refresh();
    }

    /// All bets are sent, and the draw is waited for.
    pub(crate) fn waiting_for_draw(&self) {
        self.waits().draw.get_or_insert_with(Instant::now);
        self.refresh();
    }

    /// Shows how long the wait takes by now. Returns after which time to call this again; `None` where nothing is shown.
    pub(crate) fn refresh(&self) -> Option<Duration> {
        let waits = self.waits();
        let now = Instant::now();
        let text = match &*waits {
            Waits { shown: false, .. } => return None,
            Waits {
                connection: Some((server, since)),
                ..
            } => {
                let waited = now.saturating_duration_since(*since);
                if waited < AT_ONCE {
                    return Some(AT_ONCE - waited);
                }
                format!("{}  connecting to {server}", Waited(waited))
            }
            Waits {
                draw: Some(since), ..
            } => {
                let waited = Waited(now.saturating_duration_since(*since));
                format!("{waited}  waiting for the draw (all agencies have to finish)")
            }
            _ => return None,
        };
        if let Ok(style) = ProgressStyle::with_template(WAIT) {
            self.bar.set_style(style);
        }
        self.bar.set_message(text);
        if self.bar.is_finished() {
            self.bar.reset();
        }
        self.bar.tick();
        Some(REFRESH)
    }

    /// Removes what is shown.
    pub fn end(&self) {
        self.waits().shown = false;
        self.bar.finish_and_clear();
    }

    fn bar_style(&self) -> ProgressStyle {
        let begin = Arc::clone(&self.begin);
        let now = move |state: &ProgressState| {
            let begin = *begin.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Standard error, and the bar that gives way to a line. Where nothing is shown there is none: whoever sets its numbers
/// would wait until the line is written.
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
