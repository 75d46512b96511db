//! The form of a log line, which both programs share:
//!
//! ```text
//! 2024-08-21 22:11:15 INFO     action: NAME | result: success | key: value
//! ```
//!
//! The time in the local time zone, the level left-aligned in 8 columns, the message. As JSON the same parts are one
//! object a line. A [`Logger`] is a layer for `tracing`. It writes each line at once, or gathers the lines of a turn of an
//! event loop into one write. The texts of the lines come from the programs.

mod background;
mod line;

use std::fmt::{self, Write as _};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use self::background::Background;
pub use self::background::Loss;
use self::line::Stamp;
pub use self::line::{CRITICAL, Format, Level};

/// Gathered lines are written before the end of the turn when they have more than this many bytes.
const GATHERED: usize = 1024 * 1024;

/// Bytes of an empty buffer that are kept for the next turn.
const KEPT: usize = 256 * 1024;

/// How long the end of a program waits for its last lines to be written.
const FAREWELL: Duration = Duration::from_secs(1);

/// Writes log lines. A clone writes to the same place.
#[derive(Clone)]
pub struct Logger {
    /// The place of the lowest level that is written in [`Level::ALL`].
    level: Arc<AtomicUsize>,
    gather: bool,
    lines: Arc<Mutex<Lines>>,
}

struct Lines {
    text: String,
    stamp: Stamp,
    sink: Sink,
}

/// Where lines go.
enum Sink {
    /// They are written by whoever logs, who waits meanwhile.
    Direct(Box<dyn Write + Send>),
    /// They are handed to a thread that writes them.
    Background(Background),
}

impl Logger {
    /// Creates a logger that writes each line to `sink` at once.
    pub fn immediate(level: Level, sink: impl Write + Send + 'static) -> Self {
        Self::new(level, Format::Text, false, Sink::Direct(Box::new(sink)))
    }

    /// Creates a logger that writes to `sink` in [`flush`](Self::flush): one write for all lines since the last one.
    pub fn gathering(level: Level, sink: impl Write + Send + 'static) -> Self {
        Self::new(level, Format::Text, true, Sink::Direct(Box::new(sink)))
    }

    /// Creates a logger for a program that must never wait for its log: [`flush`](Self::flush) hands all lines since the
    /// last one to a thread, which writes them to `sink`. What that thread cannot keep, while the sink takes nothing, is
    /// lost; once the sink takes lines again, one of the level WARNING, whose message `loss` makes, says how many. Where
    /// the system has no thread, lines are written as a [`gathering`](Self::gathering) logger does.
    pub fn background<W: Write + Send + 'static>(
        level: Level,
        format: Format,
        sink: impl Fn() -> W,
        loss: Loss,
    ) -> Self {
        let background = Background::new(Box::new(sink()), Stamp::new(format), loss);
        let sink = match background {
            Ok(background) => Sink::Background(background),
            Err(_) => Sink::Direct(Box::new(sink())),
        };
        Self::new(level, format, true, sink)
    }

    fn new(level: Level, format: Format, gather: bool, sink: Sink) -> Self {
        let lines = Lines {
            text: String::new(),
            stamp: Stamp::new(format),
            sink,
        };
        Self {
            level: Arc::new(AtomicUsize::new(level as usize)),
            gather,
            lines: Arc::new(Mutex::new(lines)),
        }
    }

    /// Sets the lowest level that is written from now on, by this logger and its clones.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as usize, Ordering::Relaxed);
        // Each place that logs keeps whether its level is written.
        tracing::callsite::rebuild_interest_cache();
    }

    /// Returns the lowest level that is written.
    pub fn level(&self) -> Level {
        Level::ALL[self.level.load(Ordering::Relaxed)]
    }

    /// Makes this the logger of the whole program. Does nothing where the program already has one.
    pub fn install(&self) {
        let subscriber = tracing_subscriber::registry().with(self.clone());
        let _ = tracing::subscriber::set_global_default(subscriber);
    }

    /// Writes the gathered lines, or hands them to the thread that does.
    pub fn flush(&self) {
        self.lines().flush();
    }

    /// Writes the gathered lines, and waits until they are written, for a second at most. To be called before the
    /// program ends, and before it writes elsewhere what is to come after the log.
    pub fn finish(&self) {
        let mut lines = self.lines();
        lines.flush();
        if let Sink::Background(background) = &lines.sink {
            background.wait(FAREWELL);
        }
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
        self.stamp.append(&mut self.text, level, |out| {
            event.record(&mut Message(out));
        });
    }

    /// Where writing fails, the lines are lost: there is no other place to report it.
    fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        match &mut self.sink {
            Sink::Direct(sink) => {
                let _ = sink.write_all(self.text.as_bytes());
                let _ = sink.flush();
            }
            Sink::Background(background) => background.add(&self.text),
        }
        self.text.clear();
        self.text.shrink_to(KEPT);
    }
}

impl<S: Subscriber> Layer<S> for Logger {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        Level::of(metadata) >= self.level()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.level() {
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
    fn another_level_counts_from_the_next_line_on_for_every_clone() {
        let writes = written(
            |sink| Logger::immediate(Level::Warning, sink),
            |logger| {
                for level in [None, Some(Level::Debug), Some(Level::Error)] {
                    if let Some(level) = level {
                        logger.clone().set_level(level);
                        assert_eq!(logger.level(), level);
                    }
                    tracing::debug!("d");
                    tracing::warn!("w");
                }
            },
        );
        let texts: Vec<&str> = writes.iter().map(|w| &w[29..]).collect();
        assert_eq!(texts, ["w\n", "d\n", "w\n"]);
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
    fn a_line_is_its_message_alone_and_a_write_comes_where_more_was_gathered_than_the_bound() {
        const LINE: usize = "2024-08-21 22:11:15 INFO     ".len();
        let writes = written(
            |sink| Logger::gathering(Level::Info, sink),
            |_| {
                let message = "x".repeat(GATHERED - LINE - 1);
                tracing::info!(other = 5, "{message}");
                tracing::info!("y");
                tracing::info!("z");
            },
        );
        assert_eq!(writes.len(), 1, "the bound itself may be gathered");
        assert_eq!(writes[0].len(), GATHERED + LINE + 2);
    }

    #[test]
    fn what_a_thread_writes_is_written_when_the_program_finishes() {
        let loss = |lost: u64| format!("{lost} lost");
        let sink = Sink::default();
        let writes = Arc::clone(&sink.0);
        let logger = Logger::background(Level::Info, Format::Json, move || sink.clone(), loss);
        let subscriber = tracing_subscriber::registry().with(logger.clone());
        tracing::subscriber::with_default(subscriber, || {
            for turn in 0..3 {
                tracing::info!("turn: {turn}");
                logger.flush();
            }
            tracing::info!("turn: last");
        });
        logger.finish();
        let text = writes.lock().unwrap().concat();
        let turns: Vec<&str> = text.lines().map(|line| &line[29..]).collect();
        assert_eq!(
            turns,
            ["0", "1", "2", "last"]
                .map(|turn| format!(",\"level\":\"INFO\",\"turn\":\"{turn}\"}}"))
        );
    }
}
