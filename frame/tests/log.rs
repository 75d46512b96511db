//! The logger of a whole program. It can be installed once, so this is one test, in a program of its own.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use frame::log::{CRITICAL, Level, Logger};
use tracing::level_filters::LevelFilter;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<String>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).unwrap();
        self.0.lock().unwrap().push_str(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_first_logger_that_is_installed_writes_the_lines_of_the_program_from_its_level_on() {
    let (first, second) = (Sink::default(), Sink::default());
    let logger = Logger::gathering(Level::Warning, first.clone());
    logger.install();
    Logger::immediate(Level::Debug, second.clone()).install();
    // What no logger takes is not even made: that costs a comparison.
    for (level, filter) in [
        (Level::Debug, LevelFilter::DEBUG),
        (Level::Notice, LevelFilter::WARN),
        (Level::Critical, LevelFilter::ERROR),
        (Level::Error, LevelFilter::ERROR),
        (Level::Info, LevelFilter::INFO),
    ] {
        logger.set_level(level);
        assert_eq!(LevelFilter::current(), filter, "{level:?}");
    }
    tracing::debug!("hidden");
    tracing::info!("told");
    tracing::warn!("a warning");
    tracing::error!("an error");
    // What ends the program is an error, too, and has a level of its own.
    logger.set_level(Level::Critical);
    tracing::error!("hidden");
    tracing::error!(target: CRITICAL, "the end");
    assert_eq!(*first.0.lock().unwrap(), "", "it is gathered");
    logger.finish();
    let text = first.0.lock().unwrap();
    let lines: Vec<&str> = text.lines().map(|line| &line[20..]).collect();
    assert_eq!(
        lines,
        [
            "INFO     told",
            "WARNING  a warning",
            "ERROR    an error",
            "CRITICAL the end"
        ]
    );
    assert_eq!(*second.0.lock().unwrap(), "");
}
