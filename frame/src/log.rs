//! The form of a log line, which both programs share:
//!
//! ```text
//! 2024-08-21 22:11:15 INFO     action: NAME | result: success | key: value
//! ```
//!
//! The time in the local time zone, the level left-aligned in 8 columns, the message. As JSON the same parts are one
//! object a line. A [`Logger`] is a layer for
//! `tracing`. It writes each line at once, or gathers the lines of a turn of an event loop into one write. The texts of
//! the lines come from the programs.

mod json;

use std::fmt::{self, Write as _};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// The `target` of an event that ends the program. Its level is written as CRITICAL.
pub const CRITICAL: &str = "critical";

/// Gathered lines are written before the end of the turn when they have more than this many bytes.
const GATHERED: usize = 1024 * 1024;

/// The lowest level that is written, as the configurations name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Details for finding a fault.
    Debug,
    /// Ordinary events.
    Info,
    /// Neither program writes lines of this level: the same as WARNING.
    Notice,
    /// Unusual events.
    Warning,
    /// Errors.
    Error,
    /// Errors that end the program.
    Critical,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Self; 6] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
    ];

    /// The level's name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    fn of(metadata: &Metadata<'_>) -> Self {
        match *metadata.level() {
            _ if metadata.target() == CRITICAL => Self::Critical,
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warning,
            tracing::Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// The form of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Time, level and message.
    #[default]
    Text,
    /// One JSON object a line, with the same parts: `time`, `level`, and each `key: value` of the message, all of them
    /// strings. A message that does not consist of such parts is the value of `message`.
    Json,
}

/// A text from outside as a value of a log line. Line breaks, control characters and `|` are escaped, so that a value
/// cannot look like another line or another part of the line.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_escaped =
            |c: char| c == '|' || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        let mut rest = self.0;
        while let Some(at) = rest.find(is_escaped) {
            let (plain, odd) = rest.split_at(at);
            f.write_str(plain)?;
            let mut chars = odd.chars();
            match chars.next() {
                Some('|') => f.write_str("\\x7c")?,
                Some(c) => write!(f, "{}", c.escape_default())?,
                None => {}
            }
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

/// Writes log lines. A clone writes to the same place.
#[derive(Clone)]
pub struct Logger {
    level: Level,
    gather: bool,
    lines: Arc<Mutex<Lines>>,
}

struct Lines {
    text: String,
    /// The Unix time in seconds whose text is `time`.
    second: i64,
    time: String,
    format: Format,
    /// The message of a line, where the line is made from it.
    message: String,
    sink: Box<dyn Write + Send>,
}

impl Logger {
    /// A logger that writes each line to `sink` at once.
    pub fn immediate(level: Level, sink: impl Write + Send + 'static) -> Self {
        let lines = Lines {
            text: String::new(),
            second: i64::MIN,
            time: String::new(),
            format: Format::Text,
            message: String::new(),
            sink: Box::new(sink),
        };
        Self {
            level,
            gather: false,
            lines: Arc::new(Mutex::new(lines)),
        }
    }

    /// A logger that writes to `sink` in [`flush`](Self::flush): one write for all lines since the last one.
    pub fn gathering(level: Level, sink: impl Write + Send + 'static) -> Self {
        Self {
            gather: true,
            ..Self::immediate(level, sink)
        }
    }

    /// The same logger, which writes lines of this form from now on.
    #[must_use]
    pub fn with_format(self, format: Format) -> Self {
        self.lines().format = format;
        self
    }

    /// Makes this the logger of the whole program. Does nothing where the program already has one.
    pub fn install(&self) {
        let subscriber = tracing_subscriber::registry().with(self.clone());
        let _ = tracing::subscriber::set_global_default(subscriber);
    }

    /// Writes the gathered lines.
    pub fn flush(&self) {
        self.lines().flush();
    }

    /// Discards the gathered lines: what they report was not done after all.
    pub fn discard(&self) {
        self.lines().text.clear();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn append(&mut self, level: Level, event: &Event<'_>) {
        let now = jiff::Timestamp::now();
        if now.as_second() != self.second {
            self.second = now.as_second();
            self.time = now
                .to_zoned_datetime(jiff::tz::TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string();
        }
        match self.format {
            Format::Text => {
                // Writing to a String does not fail.
                let _ = write!(self.text, "{} {:<8} ", self.time, level.name());
                event.record(&mut Message(&mut self.text));
            }
            Format::Json => {
                self.message.clear();
                event.record(&mut Message(&mut self.message));
                json::line(&mut self.text, &self.time, level.name(), &self.message);
            }
        }
        self.text.push('\n');
    }

    /// Where writing fails, the lines are lost: there is no other place to report it.
    fn flush(&mut self) {
        if !self.text.is_empty() {
            let _ = self.sink.write_all(self.text.as_bytes());
            let _ = self.sink.flush();
            self.text.clear();
        }
    }
}

impl<S: Subscriber> Layer<S> for Logger {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        Level::of(metadata) >= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.level {
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Notice | Level::Warning => LevelFilter::WARN,
            Level::Error | Level::Critical => LevelFilter::ERROR,
        })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut lines = self.lines();
        lines.append(Level::of(event.metadata()), event);
        if !self.gather || lines.text.len() > GATHERED {
            lines.flush();
        }
    }
}

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<String>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0
                .lock()
                .unwrap()
                .push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(logger: impl FnOnce(Sink) -> Logger, act: impl FnOnce(&Logger)) -> Vec<String> {
        let sink = Sink::default();
        let logger = logger(sink.clone());
        tracing::subscriber::with_default(
            tracing_subscriber::registry().with(logger.clone()),
            || act(&logger),
        );
        Arc::try_unwrap(sink.0).map_or_else(
            |shared| shared.lock().unwrap().clone(),
            |own| own.into_inner().unwrap(),
        )
    }

    #[test]
    fn a_line_is_time_level_in_eight_columns_and_message() {
        let writes = written(
            |sink| Logger::immediate(Level::Info, sink),
            |_| {
                tracing::info!("action: {} | result: success", "x");
                tracing::debug!("hidden");
                tracing::warn!("w");
                tracing::error!(target: CRITICAL, "c");
            },
        );
        let texts: Vec<&str> = writes.iter().map(|w| &w[19..]).collect();
        assert_eq!(
            texts,
            [
                " INFO     action: x | result: success\n",
                " WARNING  w\n",
                " CRITICAL c\n"
            ]
        );
        assert!(jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", &writes[0][..19]).is_ok());
    }

    #[test]
    fn gathered_lines_are_one_write_and_can_be_discarded() {
        let writes = written(
            |sink| Logger::gathering(Level::Critical, sink),
            |logger| {
                tracing::error!("below the level");
                tracing::error!(target: CRITICAL, "lost");
                logger.discard();
                tracing::error!(target: CRITICAL, "a");
                tracing::error!(target: CRITICAL, "b");
                logger.flush();
                logger.flush();
            },
        );
        assert_eq!(writes.len(), 1);
        assert_eq!(writes[0].lines().count(), 2);
    }

    #[test]
    fn an_escaped_value_cannot_break_a_line_or_a_part() {
        let text = Escaped("a|b\nc\u{1b}[1m\u{2028}é\\").to_string();
        assert_eq!(text, "a\\x7cb\\nc\\u{1b}[1m\\u{2028}é\\");
    }
}
