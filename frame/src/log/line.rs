//! A log line as text: its level, its form, its time.

use std::fmt::Write as _;

use tracing::Metadata;

use super::json;

/// The `target` of an event that ends the program. Its level is written as CRITICAL.
pub const CRITICAL: &str = "critical";

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

    /// Returns the level's name in a configuration.
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

    pub(super) fn of(metadata: &Metadata<'_>) -> Self {
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

/// Puts time and level before messages. Keeps the text of the last second, which most lines share.
#[derive(Debug)]
pub(super) struct Stamp {
    format: Format,
    /// The Unix time in seconds whose text is `time`.
    second: i64,
    time: String,
    /// The message of a line, where the line is made from it.
    message: String,
}

impl Stamp {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            second: i64::MIN,
            time: String::new(),
            message: String::new(),
        }
    }

    /// Appends a line of this moment, whose message `write` appends to what it is given.
    pub(super) fn append(
        &mut self,
        out: &mut String,
        level: Level,
        write: impl FnOnce(&mut String),
    ) {
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
                let _ = write!(out, "{} {:<8} ", self.time, level.name());
                write(out);
            }
            Format::Json => {
                self.message.clear();
                write(&mut self.message);
                json::line(out, &self.time, level.name(), &self.message);
            }
        }
        out.push('\n');
    }
}
