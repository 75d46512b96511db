//! The bar on standard error: whether the terminal can show one, and how it is drawn.
//!
//! In comes a [`Picture`], and the one before it; out go the bytes that indicatif writes to the terminal. Decides neither what
//! is shown nor when. [`Sink`] removes the bar while the log writes its lines to the same terminal.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use rustix::termios::tcgetwinsize;

/// The template of a bar.
const BAR: &str = "{wide_bar} {human_pos}/{human_len} bets{speed}";

/// The same on a terminal that is narrower than [`NARROW`] columns, where a bar would be a few letters long.
const SHORT_BAR: &str = "{human_pos}/{human_len}{left}";
const NARROW: u16 = 70;

/// The characters of a bar on a terminal that shows ASCII alone.
const ASCII_BAR: &str = "#>-";

/// How long a run has to send before its speed is shown: earlier it would mean nothing.
const FIRST_SPEED: Duration = Duration::from_secs(1);
/// The template of a wait.
const WAIT: &str = "{wide_msg}";

/// What is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Picture {
    Nothing,
    /// How many of the bets of the file are stored.
    Bar {
        stored: u64,
        bets: u64,
    },
    /// A wait, in words.
    Text(String),
}

/// When this run began to send, and how many bets were stored then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    pub(super) since: Instant,
    pub(super) stored: u64,
}

/// The bar. A clone is the same bar.
#[derive(Clone, Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Makes the bar of standard error, on which nothing is shown yet.
    pub(super) fn new() -> Self {
        // indicatif leaves out what is drawn too often: here the caller decides how often that is.
        let target = ProgressDrawTarget::stderr_with_hz(u8::MAX);
        let bar = ProgressBar::with_draw_target(None, target);
        bar.finish_and_clear();
        Self(bar)
    }

    /// Removes what is shown.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }

    /// Draws a picture in the place of the last one. `begin`: when this run began to send, and how many bets were stored then.
    pub(super) fn draw(
        &self,
        picture: &Picture,
        last: &Picture,
        begin: impl Fn() -> Begin + Clone + Send + Sync + 'static,
    ) {
        let Self(bar) = self;
        match picture {
            Picture::Nothing if bar.is_finished() => return,
            Picture::Nothing => return bar.finish_and_clear(),
            Picture::Bar { stored, bets } => {
                if !matches!(last, Picture::Bar { .. }) {
                    bar.set_style(bar_style(begin));
                    bar.set_length(*bets);
                }
                self.show_again();
                bar.set_position(*stored);
            }
            Picture::Text(text) => {
                if !matches!(last, Picture::Text(_))
                    && let Ok(style) = ProgressStyle::with_template(WAIT)
                {
                    bar.set_style(style);
                }
                bar.set_message(text.clone());
                self.show_again();
            }
        }
        bar.tick();
    }

    /// Shows the bar again where it was removed.
    fn show_again(&self) {
        let Self(bar) = self;
        if bar.is_finished() {
            bar.reset();
        }
    }
}

/// Returns how a bar looks on this terminal.
fn bar_style(begin: impl Fn() -> Begin + Clone + Send + Sync + 'static) -> ProgressStyle {
    let now = move |state: &ProgressState| {
        speed(
            begin(),
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
    let narrow = columns().is_some_and(|columns| columns < NARROW);
    let style = ProgressStyle::with_template(if narrow { SHORT_BAR } else { BAR });
    let style = style.map_or_else(
        |_| ProgressStyle::default_bar(),
        |style| style.with_key("speed", both).with_key("left", left),
    );
    if shows_utf8() {
        style
    } else {
        style.progress_chars(ASCII_BAR)
    }
}

/// Returns the bets a second since `begin`, and the time for those that are left; `None` while neither can be known.
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
pub(super) struct Waited(pub(super) Duration);

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

/// Returns whether something is shown on standard error: only where it is a terminal, so that a person looks at it. With `json`
/// a program reads the output. A terminal without a name in `TERM`, and one that is called `dumb`, may not know how to move its
/// cursor.
pub(super) fn is_wanted(json: bool) -> bool {
    let term = std::env::var_os("TERM");
    decide(std::io::stderr().is_terminal(), term.as_deref(), json)
}

/// Returns how many columns standard error has, where it is a terminal.
fn columns() -> Option<u16> {
    let size = tcgetwinsize(std::io::stderr()).ok()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

/// Returns whether the terminal shows letters beyond ASCII, as the locale says.
fn shows_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].map(std::env::var_os);
    names_utf8(set.each_ref().map(|value| value.as_deref()))
}

/// Returns whether the locale is one of UTF-8. The first of these variables that is set and not empty counts.
fn names_utf8(variables: [Option<&OsStr>; 3]) -> bool {
    let mut set = variables.into_iter().flatten();
    let first = set.find(|value| !value.is_empty());
    first.is_some_and(|value| {
        let value = value.to_string_lossy().to_ascii_lowercase();
        value.ends_with("utf-8") || value.ends_with("utf8") || value.contains("utf-8@")
    })
}

/// Decides [`is_wanted`] by what the system says.
fn decide(is_terminal: bool, term: Option<&OsStr>, json: bool) -> bool {
    is_terminal && !json && term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Standard error for the lines of the log. A bar that is shown is removed while a line is written.
pub(super) struct Sink(pub(super) Option<Bar>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Some(Bar(bar)) => bar.suspend(|| io::stderr().write(bytes)),
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

    #[test]
    fn the_first_variable_that_is_set_says_whether_letters_beyond_ascii_are_shown() {
        let names = |values: [&str; 3]| names_utf8(values.map(|value| Some(OsStr::new(value))));
        assert!(names(["", "", "es_AR.UTF-8"]) && names(["C.utf8", "C", "C"]));
        assert!(names(["", "ca_ES.UTF-8@valencia", ""]));
        assert!(!names(["C", "es_AR.UTF-8", "es_AR.UTF-8"]) && !names(["", "", "es_AR"]));
        assert!(!names_utf8([None; 3]));
    }

    #[test]
    fn only_a_terminal_that_can_move_its_cursor_is_drawn_on_and_never_with_json() {
        let term = |name| Some(OsStr::new(name));
        assert!(decide(true, term("xterm"), false));
        assert!(!decide(false, term("xterm"), false));
        for term in [term("dumb"), term(""), None] {
            assert!(!decide(true, term, false), "{term:?}");
        }
        assert!(!decide(true, term("xterm"), true));
    }
}
